"""A wheelhouse delivered: pushed, installed there, and what the user wants done afterwards."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
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


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to do with the files there.

    ``arguments`` are install.py's, None: do not install. ``script`` is a file of ours to run
    there at last, in the directory of the wheelhouse; ``bring`` are files of that machine,
    relative ones of that directory, and ``home`` is where they go here.
    """

    arguments: tuple[str, ...] | None
    home: Path
    remote_dir: str = ""
    script: Path | None = None
    bring: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivered:
    """What became of an order; None: not done, for it was not asked for or what was before failed.

    ``brought`` are the files that came back.
    """

    pushed: Pushed
    installed: Ran | None
    ran: Ran | None
    brought: tuple[Path, ...]

    @property
    def exit_code(self) -> int:
        """The first that is not 0 of the programs there."""
        codes = [done.code for done in (self.installed, self.ran) if done is not None]
        return next((code for code in codes if code != 0), EXIT_OK)


def check(files: Sequence[Cargo], order: Order) -> None:
    """Raise UsageError for an order that cannot be carried out."""
    if order.arguments is not None and INSTALLER not in {file.name for file in files}:
        raise UsageError(
            f"there is no {INSTALLER} in the wheelhouse",
            remedy="Make it again with this crossbuild, or only push it: --no-install.",
        )
    if order.script is not None and not order.script.is_file():
        raise UsageError(f"{order.script} is no file", remedy="--run takes a Python file.")


def deliver(files: Sequence[Cargo], order: Order, line: Line, reporter: Reporter) -> Delivered:
    """Carry out an order. Raises ChannelError, UsageError, StorageError."""
    check(files, order)
    pushed = push.push(files, line, reporter, remote_dir=order.remote_dir)
    installed = ran = None
    if order.arguments is not None:
        reporter.emit(Stage(name="install", detail="there"))
        installed = landing.run(line, f"{pushed.directory}/{INSTALLER}", order.arguments)
        reporter.emit(Stage(name="install", done=True, ok=installed.code == 0))
    well = installed is None or installed.code == 0
    if well and order.script is not None:
        ran = _tried(order.script, pushed.directory, line, reporter)
    brought = [_brought(name, pushed.directory, order.home, line) for name in order.bring if well]
    return Delivered(pushed=pushed, installed=installed, ran=ran, brought=tuple(brought))


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
    landing.forget(line, [answer, script, there])
    return told


def _tried(script: Path, directory: str, line: Line, reporter: Reporter) -> Ran:
    reporter.emit(Stage(name="run", detail=script.name))
    with guarded(script):
        file = push.cargo(script, script.name)
    push.push([file], line, Silent(), remote_dir=directory)
    ran = landing.run(line, f"{directory}/{file.name}", home=directory)
    reporter.emit(Stage(name="run", detail=script.name, done=True, ok=ran.code == 0))
    return ran


def _brought(name: str, directory: str, home: Path, line: Line) -> Path:
    destination = home / PurePosixPath(name).name
    landing.bring(line, str(PurePosixPath(directory, name)), destination)
    return destination
