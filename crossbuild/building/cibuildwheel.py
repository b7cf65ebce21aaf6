"""cibuildwheel as a rung: one sdist built as its authors set it up, in a container of ours.

For packages that describe their build in ``[tool.cibuildwheel]``: commands before the build, an
environment, a repair command of their own. cibuildwheel runs on the host and starts Docker's
command line; it sees nothing of the user's environment, its container has no network and no
mount of the host, and what the package says is sorted first (``authors``).
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import shutil
import stat
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import tomli_w

from crossbuild import process
from crossbuild.building import authors, diagnosis
from crossbuild.building.calling import CrashError, HookError, Job, passed_limit
from crossbuild.building.diagnosis import Witness
from crossbuild.catalog import Image
from crossbuild.disk import guarded
from crossbuild.engine import watchdog
from crossbuild.engine.automatic import AutomaticEngine
from crossbuild.engine.base import Engine, Limits, Tree
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.docker import DockerEngine
from crossbuild.engine.watchdog import Outcome
from crossbuild.errors import HostError
from crossbuild.store import Store
from crossbuild.target import Target

REQUIRES = "/opt/crossbuild/requires"
"""Where the wheels of the build requirements are in the container: all that pip finds there."""

_NOT_FOR_PURE = 5
"""cibuildwheel's exit code for a wheel without code (its ``errors.NonPlatformWheelError``)."""

_DIRECTORIES = ("cache", "home", "tmp")

_START = """\
import json, os, sys
sys.path[:] = json.loads(sys.argv.pop(1))
os.chdir(sys.argv.pop(1))
from cibuildwheel.__main__ import main
main()
"""
"""cibuildwheel takes the project from its working directory."""

_REMEDIES = {
    re.compile(r"No matching distribution found|Could not find a version that satisfies"): (
        "Builds have no network: pip finds the package's own build requirements and nothing else."
    ),
    re.compile(r"Network is unreachable|[Cc]ould not resolve|Temporary failure in name resol"): (
        "Builds have no network: what [tool.cibuildwheel] installs beforehand would have to be "
        "in the image."
    ),
    re.compile(r"invalid choice: '(cp|pp)"): (
        "This cibuildwheel does not know the target's Python; build without --builder."
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where one build runs: the image's name, and arguments for ``docker create``."""

    image: str
    arguments: tuple[str, ...]


class Containers(Protocol):
    """What cibuildwheel needs of a daemon."""

    @property
    def key(self) -> str:
        """Stands for the image with everything in it."""

    @property
    def variables(self) -> Mapping[str, str]:
        """Where Docker's command line finds the daemon."""

    def place(self, trees: Mapping[str, Tree], limits: Limits) -> AbstractContextManager[Place]:
        """Make ready for one build; on leaving every container made there is gone."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cibuildwheel:
    """Builds sdists through cibuildwheel, for one target. Safe to use from several threads."""

    containers: Containers
    store: Store
    target: Target
    limits: Limits

    @property
    def inputs(self) -> tuple[str, ...]:
        """What every wheel built here depends on, besides its sdist and requirements."""
        return (f"cibuildwheel {version()}", self.containers.key)

    def build(
        self, job: Job, variables: Mapping[str, str], trees: Mapping[str, Tree], output: Path
    ) -> Path:
        """Build the wheel of ``job`` into the directory ``output``.

        ``variables`` are in the container's environment, before those that the package sets;
        ``trees`` are mounted there. Raises LimitError, CrashError, or HookError with the first
        line that tells why: not ``final`` where cibuildwheel does not build such a package at
        all. HostError without cibuildwheel, Docker's command line or the image.
        """
        docker = program()
        with self.store.scratch("cibuildwheel") as scratch:
            needs = Tree(key=scratch.name, path=_gathered(job.wheels, scratch), lasting=False)
            place = self.containers.place({REQUIRES: needs, **trees}, self.limits)
            with place as ready:
                wishes = authors.wishes(job.source)
                _tell(job, wishes)
                settings = _settings(wishes, ready, variables, self.target)
                self._run(job, docker, settings, scratch)
            return _taken(scratch / "out", output, job)

    def _run(self, job: Job, docker: Path, settings: Mapping[str, Any], scratch: Path) -> None:
        """Run cibuildwheel to its end. Raises what ``build`` raises for a failure."""
        file = scratch / "cibuildwheel.toml"
        with guarded(scratch):
            file.write_text(tomli_w.dumps(settings), encoding="utf-8")
            for name in _DIRECTORIES:
                (scratch / name).mkdir()
        witness = Witness()
        outcome = watchdog.supervise(
            _argv(job, file, scratch / "out", self.target),
            environment={**self.containers.variables, **_environment(docker, scratch, job)},
            # A compiler in a container that says nothing for long looks idle from here.
            limits=replace(self.limits, idle=self.limits.wall),
            directory=scratch,
            log=job.log,
            on_line=witness.hear,
        )
        if outcome.stopped is not None:
            raise passed_limit(job, outcome.stopped, outcome.seconds, outcome.output)
        if outcome.returncode != 0:
            raise _failure(outcome, job, witness)


def version() -> str:
    """The version of cibuildwheel that is installed. Raises HostError when none is."""
    try:
        return importlib.metadata.version("cibuildwheel")
    except importlib.metadata.PackageNotFoundError as error:
        raise HostError(
            "cibuildwheel is not installed beside crossbuild",
            remedy="pip install 'crossbuild[cibuildwheel]' (it needs Python 3.11), or build "
            "without --builder.",
        ) from error


def program() -> Path:
    """Docker's command line, which cibuildwheel calls. Raises HostError when it is missing."""
    found = process.which("docker")
    if found is None:
        raise HostError(
            "the docker command, which cibuildwheel calls, is not installed",
            remedy="Install Docker's command line (Debian: docker-cli or docker.io), or build "
            "without --builder.",
        )
    return found


def _gathered(wheels: Sequence[Path], scratch: Path) -> Path:
    """The wheels of the build requirements in one directory, for ``pip --find-links``."""
    directory = scratch / "requires"
    with guarded(scratch):
        directory.mkdir()
        for wheel in wheels:
            shutil.copyfile(wheel, directory / wheel.name)
    return directory


def _tell(job: Job, wishes: authors.Wishes) -> None:
    """Write into the log which of the package's settings do not count here."""
    if wishes.ignored:
        with guarded(job.log.parent), job.log.open("a", encoding="utf-8") as log:
            names = ", ".join(wishes.ignored)
            log.write(f"crossbuild: of [tool.cibuildwheel] these do not count here: {names}\n")


def _settings(
    wishes: authors.Wishes, place: Place, variables: Mapping[str, str], target: Target
) -> dict[str, Any]:
    """The configuration file: the package's wishes, and ours, which nothing of them outdoes."""
    own = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": REQUIRES, **variables}
    return {
        "tool": {
            "cibuildwheel": {
                **wishes.table,
                "audit-command": "",
                "container-engine": {
                    "name": "docker",
                    "create-args": [
                        *place.arguments,
                        *(f"--env={name}={value}" for name, value in own.items()),
                    ],
                    "disable-host-mount": True,
                },
                "dependency-versions": "latest",
                f"manylinux-{target.arch.name}-image": place.image,
                "test-skip": "*",
            }
        }
    }


def _argv(job: Job, settings: Path, output: Path, target: Target) -> list[str]:
    """Call cibuildwheel for one wheel of the project in the working directory.

    That directory is a stranger's: ``-I`` keeps it from the module search path.
    """
    only = f"{target.interpreter}-manylinux_{target.arch.name}"
    return [
        *(
            sys.executable,
            "-I",
            "-B",
            "-c",
            _START,
            json.dumps([path for path in sys.path if path]),
            str(job.source),
        ),
        *("--only", only, "--config-file", str(settings), "--output-dir", str(output)),
    ]


def _environment(docker: Path, scratch: Path, job: Job) -> dict[str, str]:
    """Nothing of the user's: no Docker credentials, no proxy, no CIBW variable."""
    return {
        "PATH": os.pathsep.join([str(docker.parent), "/usr/bin", "/bin"]),
        "LANG": "C.UTF-8",
        "NO_COLOR": "1",
        "HOME": str(scratch / "home"),
        "TMPDIR": str(scratch / "tmp"),
        "CIBW_CACHE_PATH": str(scratch / "cache"),
        "SOURCE_DATE_EPOCH": str(job.epoch),
    }


def _failure(outcome: Outcome, job: Job, witness: Witness) -> HookError:
    why = diagnosis.reason(None, witness, outcome.output)
    tail = diagnosis.tail(outcome.output)
    if outcome.crash is not None:
        return CrashError(
            f"{job.label} could not be built: a program crashed under QEMU with signal "
            f"{outcome.crash}: {why}",
            why=f"signal {outcome.crash}: {why}",
            log=job.log,
            tail=tail,
        )
    pure = outcome.returncode == _NOT_FOR_PURE
    if pure:
        why = "it has no code of its own, and cibuildwheel makes no wheel of such a package"
    found = (text for pattern, text in _REMEDIES.items() if pattern.search(outcome.output))
    return HookError(
        f"{job.label} could not be built: {why}",
        why=why,
        final=not pure,
        remedy=next(found, None),
        log=job.log,
        tail=tail,
    )


def _taken(made: Path, output: Path, job: Job) -> Path:
    """Move the one wheel out of what came from the container: a plain file, and no link."""
    with guarded(output):
        wheels = sorted(made.glob("*.whl")) if made.is_dir() else []
        if len(wheels) != 1 or not stat.S_ISREG(wheels[0].lstat().st_mode):
            raise HookError(
                f"cibuildwheel made {len(wheels)} wheels of {job.label}, not one",
                why="not one wheel",
                final=True,
                log=job.log,
            )
        output.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(wheels[0], output / wheels[0].name))


def daemon_of(engine: Engine, image: Image) -> Daemon:
    """The daemon that runs an image's programs. Raises HostError where it is another engine."""
    if isinstance(engine, AutomaticEngine):
        engine = engine.chosen(image)
    if isinstance(engine, DockerEngine):
        return engine.daemon
    raise HostError(
        "cibuildwheel builds in Docker alone, and this run uses the embedded engine",
        remedy="Give --engine docker, or build without --builder.",
    )
