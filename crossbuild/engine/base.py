"""What every engine offers to the stages: prepare an image, open a session, run in it.

Nothing assumes that engine and host share a file system: files go in and come out by copy;
large trees that never change (a toolchain, a build environment) are offered as ``Tree``.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crossbuild.catalog import Image, Role

WORK = "/work"
"""The writable directory of a session, its HOME and its working directory."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What strangers' code may use. Durations in seconds, sizes in bytes.

    ``idle`` ends a command that printed nothing and used no CPU for that long; ``wall`` ends
    it in any case.
    """

    wall: float = 7200.0
    idle: float = 300.0
    memory: int = 8 << 30
    processes: int = 512
    disk: int = 16 << 30


class Stop(enum.Enum):
    """Which limit ended a command."""

    WALL = "wall time"
    IDLE = "no output and no CPU use"
    MEMORY = "memory"
    PROCESSES = "processes"
    DISK = "disk"


@dataclass(frozen=True, kw_only=True, slots=True)
class ExecResult:
    """The end of a command: ``signal`` when the (emulated) process died of one.

    ``output`` is at most the last 64 KiB of standard output and error together.
    """

    returncode: int
    signal: int | None
    output: str
    seconds: float
    stopped: Stop | None = None

    @property
    def ok(self) -> bool:
        """It ran to its end and returned 0."""
        return self.returncode == 0 and self.stopped is None


@dataclass(frozen=True, kw_only=True, slots=True)
class Tree:
    """A directory on the host that never changes, mounted read-only; ``key`` names its content.

    ``lasting``: others will want the same content again, so an engine may keep its copy.
    """

    key: str
    path: Path
    lasting: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Root:
    """A prepared image: ``key`` names its content, ``path`` where the host can read it."""

    image: Image
    role: Role
    key: str
    path: Path


class Session(Protocol):
    """One sandbox: no network, a read-only root, ``WORK`` and ``/tmp`` writable."""

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = WORK,
        log: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> ExecResult:
        """Run a command; append its output to ``log``; call ``on_line`` for each line.

        Only ``env`` (and a minimal PATH, HOME, LANG) is in the environment. A limit that ends
        the command is in the result, not an exception. Raises HostError if it cannot start.
        """

    def put(self, source: Path, destination: str) -> None:
        """Copy a host file or directory to ``destination`` (absolute, below ``WORK``)."""

    def get(self, source: str, destination: Path) -> None:
        """Copy a file or directory below ``WORK`` to the host; symlinks are never followed."""


class Engine(Protocol):
    """Where emulated code runs."""

    name: str

    def check(self, image: Image) -> None:
        """Find out at once whether programs of the image can run here. Raises HostError."""

    def prepare(self, image: Image, role: Role) -> Root:
        """Make the image ready; slow the first time. Raises HostError, NetworkError."""

    def session(
        self,
        root: Root,
        *,
        trees: Mapping[str, Tree] | None = None,
        limits: Limits = Limits(),
        keep: Path | None = None,
    ) -> AbstractContextManager[Session]:
        """Open a sandbox with ``trees`` mounted read-only at their absolute paths.

        Leaving the context ends every process and removes every file of the session; with
        ``keep`` its ``WORK`` is moved there when the context is left by an exception.
        """
