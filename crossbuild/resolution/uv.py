"""uv as a subprocess: it solves for versions and it unpacks wheels; it never runs an sdist's code.

Neither use asks uv anything about the target: uv knows few platforms and no floor but its own
list. Which file fits the target is decided by ``wheel.candidate``; uv sees the outcome only.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from crossbuild import process
from crossbuild.errors import CrossbuildError, HostError, IntegrityError
from crossbuild.target import Target

_QUIET = ("--no-config", "--no-python-downloads", "--no-progress", "--color", "never")
_RUN_DEPENDENT = ("uv_cache.json", "direct_url.json")
"""What uv adds to a dist-info that differs from run to run: times and paths of this host."""


_NO_SOLUTION = "No solution found"
"""What uv says beside exit code 1 when the requirements contradict each other."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """The version that uv chose of one package, and the extras that are wanted of it."""

    name: NormalizedName
    version: Version
    extras: frozenset[NormalizedName]


@dataclass(frozen=True, kw_only=True, slots=True)
class Solved:
    """Versions that satisfy everything, one per package, by name."""

    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unsolvable:
    """No versions satisfy everything; ``explanation`` is uv's derivation, in sentences."""

    explanation: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Uv:
    """One uv binary. ``python`` is any interpreter of this host; uv refuses to work without.

    ``cache`` is for what ``compile`` may keep from one call to the next, which is what uv found
    out about ``python``: half of a call's time. None: nothing is kept. ``scratch`` is where
    temporary directories go; None: where the system has them.
    """

    binary: Path
    python: Path = Path(sys.executable)
    cache: Path | None = None
    scratch: Path | None = None

    @classmethod
    def find(cls, scratch: Path | None = None) -> Uv:
        """The uv that was installed with crossbuild. Raises HostError when it is gone.

        ``scratch``: an empty directory that lives as long as it, for what calls can share.
        """
        import uv

        try:
            binary = Path(uv.find_uv_bin())
        except FileNotFoundError as error:
            raise HostError(
                "uv is not installed beside crossbuild",
                remedy="Install crossbuild again; uv is one of its requirements.",
            ) from error
        return cls(binary=binary, cache=scratch and scratch / "cache", scratch=scratch)

    def compile(
        self, requirements: Sequence[Requirement], constraints: Sequence[Requirement], index: str
    ) -> Solved | Unsolvable:
        """Choose versions from one index, the newest that go together (``uv pip compile``).

        ``index`` must offer wheels that fit everywhere: uv's own platform is this host, and it
        builds nothing. Raises CrossbuildError when uv fails otherwise.
        """
        with tempfile.TemporaryDirectory(prefix="crossbuild-uv-", dir=self.scratch) as directory:
            scratch = Path(directory)
            limits = scratch / "constraints.txt"
            limits.write_text("".join(f"{item}\n" for item in constraints), encoding="utf-8")
            argv = [
                *self._argv("compile", self.cache or scratch / "cache"),
                *("-", "--constraints", str(limits), "--no-build", "--no-header"),
                *("--no-annotate", "--no-strip-extras", "--quiet"),
            ]
            done = process.run(
                argv,
                env={**_environment(scratch), "UV_DEFAULT_INDEX": index},
                input="".join(f"{item}\n" for item in requirements),
                check=False,
            )
        if done.returncode == 0:
            return Solved(choices=tuple(_choice(line) for line in done.stdout.splitlines()))
        if done.returncode == 1 and _NO_SOLUTION in done.stderr:
            return Unsolvable(explanation=_explanation(done.stderr))
        raise CrossbuildError(f"uv cannot resolve: {_reason(done.stderr)}")

    def install(self, wheels: Sequence[Path], directory: Path, target: Target) -> None:
        """Unpack wheels into ``directory`` (made if absent) as ``uv pip install --target`` does.

        The files are taken as they are: whether they fit the target is the caller's affair,
        and requirements between them are not looked at. The same wheels give the same bytes,
        but for the shebangs in ``bin``, which name this host's Python. Raises IntegrityError
        for a wheel that cannot be unpacked.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if not wheels:
            return
        with tempfile.TemporaryDirectory(prefix=".uv-", dir=directory.parent) as scratch:
            links = Path(scratch, "links")
            pins = _linked(wheels, links)
            argv = [
                *self._argv("install", Path(scratch, "cache")),
                *("--target", str(directory), "--no-deps", "--offline", "--no-index"),
                *("--no-build", "--find-links", str(links)),
                *("--python-version", target.python_version, *pins),
            ]
            try:
                process.run(argv, env=_environment(Path(scratch)))
            except process.ProcessError as error:
                raise IntegrityError(f"uv cannot install {_reason(error.output)}") from error
        _forget_this_run(directory)

    def _argv(self, command: str, cache: Path) -> tuple[str, ...]:
        own = ("--python", str(self.python), "--cache-dir", str(cache))
        return (str(self.binary), "pip", command, *_QUIET, *own)


def _linked(wheels: Sequence[Path], directory: Path) -> tuple[str, ...]:
    """Offer the wheels to uv under names that fit every platform; return their exact pins."""
    directory.mkdir()
    pins = []
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        escaped = "-".join(wheel.name.split("-")[:2])
        directory.joinpath(f"{escaped}-py3-none-any.whl").symlink_to(wheel.absolute())
        pins.append(f"{name}=={version}")
    return tuple(pins)


def _choice(line: str) -> Choice:
    """Read one line of uv's output, ``name[extra]==version``."""
    requirement = Requirement(line)
    (exact,) = requirement.specifier
    return Choice(
        name=canonicalize_name(requirement.name),
        version=Version(exact.version),
        extras=frozenset(canonicalize_name(extra) for extra in requirement.extras),
    )


def _explanation(output: str) -> str:
    """The derivation on one line, without hints: they are about options nobody gave."""
    _, _, derivation = output.partition(_NO_SOLUTION)
    _, _, derivation = derivation.partition("cause:")
    derivation, _, _ = derivation.partition("\nhint:")
    return " ".join(derivation.split())


def _environment(scratch: Path) -> Mapping[str, str]:
    """What a uv child sees: nothing of the user's settings, no proxy on the way to this host."""
    return {"HOME": str(scratch), "TMPDIR": str(scratch), "NO_PROXY": "127.0.0.1"}


def _reason(output: str) -> str:
    """The chain of causes that uv printed, in one line, without its progress lines."""
    lines = [line.strip() for line in output.splitlines()]
    causes = [line for line in lines if line.startswith(("error:", "cause:", "Caused by:"))]
    return ": ".join(cause.split(":", 1)[1].strip() for cause in causes or lines[-1:])


def _forget_this_run(directory: Path) -> None:
    """Remove the files that would make two installs of the same wheels differ."""
    directory.joinpath(".lock").unlink(missing_ok=True)
    for record in directory.glob("*.dist-info/RECORD"):
        for name in _RUN_DEPENDENT:
            record.with_name(name).unlink(missing_ok=True)
        rows = record.read_text(encoding="utf-8").splitlines(keepends=True)
        prefixes = tuple(f"{record.parent.name}/{name}," for name in _RUN_DEPENDENT)
        kept = [row for row in rows if not row.startswith(prefixes)]
        record.write_text("".join(kept), encoding="utf-8")
