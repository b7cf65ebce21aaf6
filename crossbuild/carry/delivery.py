"""A wheelhouse delivered: pushed, installed there, and what the user wants done afterwards."""

from __future__ import annotations

import enum
import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from crossbuild.carry import landing, push
from crossbuild.carry.landing import INSTALLER, Ran
from crossbuild.carry.line import Line
from crossbuild.carry.push import Cargo, Pushed
from crossbuild.disk import guarded
from crossbuild.errors import EXIT_OK, ChannelError, UsageError
from crossbuild.report import Reporter, Silent, Stage
from crossbuild.targets import probe


class PlaceKind(enum.Enum):
    """A kind of place to install into, as install.py calls it."""

    PREFIX = "--prefix"
    VENV = "--venv"
    TARGET = "--target"
    USER = "--user"


@dataclass(frozen=True, kw_only=True, slots=True)
class Place:
    """Where to install; ``kind`` None: where that Python looks by itself."""

    kind: PlaceKind | None = None
    path: str = ""

    @property
    def arguments(self) -> tuple[str, ...]:
        """It in the words of install.py."""
        if self.kind is None:
            return ()
        return (self.kind.value, self.path) if self.path else (self.kind.value,)

    @property
    def searched(self) -> str:
        """The directory to put on ``sys.path``, ``{X.Y}`` for the version; empty: it is there."""
        if self.kind is PlaceKind.TARGET:
            return self.path
        return f"{self.path}/lib/python{{X.Y}}/site-packages" if self.path else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to do with the files there.

    ``arguments`` are install.py's, None: do not install; ``verify``: then import what was
    installed. ``script`` is a file of ours to run
    there at last, in the directory of the wheelhouse; ``bring`` are files of that machine,
    relative ones of that directory, and ``home`` is where they go here. ``remove``: where all
    went well, the files do not stay there.
    """

    arguments: tuple[str, ...] | None
    home: Path
    place: Place = Place()
    verify: bool = True
    remote_dir: str = ""
    script: Path | None = None
    bring: tuple[str, ...] = ()
    remove: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What became of an order; None: not done, for it was not asked for or what was before failed.

    ``brought`` are the files that came back; ``removed``: what was pushed is
    not there any more.
    """

    pushed: Pushed
    installed: Ran | None
    verified: Ran | None
    ran: Ran | None
    brought: tuple[Path, ...]
    removed: bool

    @property
    def exit_code(self) -> int:
        """The first that is not 0 of the programs there."""
        every = (self.installed, self.verified, self.ran)
        codes = [done.code for done in every if done is not None]
        return next((code for code in codes if code != 0), EXIT_OK)


def check(files: Sequence[Cargo], order: Order) -> None:
    """Raise UsageError for an order that cannot be carried out."""
    if order.arguments is not None and INSTALLER not in {file.name for file in files}:
        raise UsageError(
            f"there is no {INSTALLER} in the wheelhouse",
            remedy="Make it again with this crossbuild, or only push it: --no-install.",
        )
    check_script(order)


def check_script(order: Order) -> None:
    """Raise UsageError where the file to run is not here."""
    if order.script is not None and not order.script.is_file():
        raise UsageError(f"{order.script} is no file", remedy="--run takes a Python file.")


def deliver(files: Sequence[Cargo], order: Order, line: Line, reporter: Reporter) -> Delivered:
    """Carry out an order. Raises ChannelError, UsageError, StorageError."""
    check(files, order)
    pushed = push.push(files, line, reporter, remote_dir=order.remote_dir)
    there = _There(order, pushed.directory, line, reporter)
    installed = there.install()
    verified = there.verify() if installed is not None and installed.code == 0 else None
    well = all(done.code == 0 for done in (installed, verified) if done is not None)
    ran = there.run(order.script) if well and order.script is not None else None
    brought = [there.bring(name) for name in order.bring if well]
    done = Delivered(
        pushed=pushed,
        installed=installed,
        verified=verified,
        ran=ran,
        brought=tuple(brought),
        removed=False,
    )
    if order.remove and done.exit_code == EXIT_OK:
        there.remove(files)
        return replace(done, removed=True)
    return done


class _There:
    """What is done with the files that have arrived."""

    def __init__(self, order: Order, directory: str, line: Line, reporter: Reporter) -> None:
        self._order = order
        self._directory = directory
        self._line = line
        self._reporter = reporter

    def install(self) -> Ran | None:
        """Run install.py, unless it is not wanted."""
        if self._order.arguments is None:
            return None
        return self._installer("install", (*self._order.place.arguments, *self._order.arguments))

    def verify(self) -> Ran | None:
        """Let install.py look at what it installed, unless it is not wanted."""
        if not self._order.verify:
            return None
        return self._installer("prove", ("--verify", *self._order.place.arguments))

    def _installer(self, stage: str, arguments: Sequence[str]) -> Ran:
        self._reporter.emit(Stage(name=stage, detail="there"))
        ran = landing.run(self._line, f"{self._directory}/{INSTALLER}", arguments)
        self._reporter.emit(Stage(name=stage, detail="there", done=True, ok=ran.code == 0))
        return ran

    def run(self, script: Path) -> Ran:
        """Run a file of ours there, where it finds what was installed."""
        self._reporter.emit(Stage(name="run", detail=script.name))
        with guarded(script):
            file = push.cargo(script, script.name)
        push.push([file], self._line, Silent(), remote_dir=self._directory)
        ran = landing.run(
            self._line,
            f"{self._directory}/{file.name}",
            home=self._directory,
            searched=self._order.place.searched,
        )
        self._reporter.emit(Stage(name="run", detail=script.name, done=True, ok=ran.code == 0))
        return ran

    def bring(self, name: str) -> Path:
        """Bring a file of that machine here."""
        destination = self._order.home / PurePosixPath(name).name
        landing.bring(self._line, str(PurePosixPath(self._directory, name)), destination)
        return destination

    def remove(self, files: Sequence[Cargo]) -> None:
        """Remove the directory that was made there; of the user's own only what was brought."""
        if not self._order.remote_dir:
            landing.clear(self._line, self._directory)
            return
        script = self._order.script
        names = [file.name for file in files] + ([script.name] if script else [])
        parents = {str(parent) for name in names for parent in PurePosixPath(name).parents}
        inner = sorted(parents - {"."}, key=len, reverse=True)
        paths = [f"{self._directory}/{name}" for name in (*names, *inner)]
        landing.forget(self._line, [*paths, self._directory])


def probed(line: Line, indexes: Sequence[str] = ()) -> dict[str, Any]:
    """What the machine at the other end is (``targets.probe``). Raises ChannelError.

    ``indexes`` are addresses that it tries to reach where it has none of its own.
    """
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "probe.py").write_text(probe.script(indexes), encoding="utf-8")
        files = push.load(Path(directory))
        there = push.push(files, line, Silent()).directory
    script, answer = f"{there}/probe.py", f"{there}/probe.json"
    done = landing.run(line, script, [answer])
    if done.code != 0:
        last = "".join(done.output.strip().splitlines()[-1:])
        raise ChannelError(f"the machine there cannot be probed: {last}", remedy="")
    told: dict[str, Any] = json.loads(landing.read(line, answer))
    landing.clear(line, there)
    return told
