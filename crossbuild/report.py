"""The events of a run. The core emits them; ``render`` shows them; nothing here prints.

An event is a frozen value; a ``Reporter`` takes events from any thread.
"""

from __future__ import annotations

import contextlib
import enum
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, kw_only=True, slots=True)
class Stage:
    """The run enters or ends a stage: ``resolve``, ``plan``, ``fetch``, ``build``, ``smoke``, …

    On entering, ``detail`` says on what it works and ``steps`` how many pieces it has (files,
    builds), where that is known. With ``done`` the stage ends and ``detail`` says what came of
    it (``14 packages``); ``ok`` False: it failed. Stages may overlap.
    """

    name: str
    detail: str = ""
    steps: int | None = None
    done: bool = False
    ok: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Waiting:
    """A long wait begins (``done`` False) or ends; ``what`` identifies it and says for what.

    ``ok`` False: it came to nothing, for an error or because the run is being ended.
    """

    what: str
    done: bool = False
    seconds: float = 0.0
    ok: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Transfer:
    """A file that is downloaded or pushed: bytes so far and in all (None: unknown).

    ``done`` True on its last event; ``ok`` False: it ended without the file.
    """

    filename: str
    received: int
    total: int | None
    done: bool = False
    ok: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Building:
    """A build enters a phase; ``phase`` None: it ended, well or not."""

    package: str
    phase: str | None
    ok: bool = True
    detail: str = ""


class Level(enum.Enum):
    """How loud a message is."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """One sentence for the user."""

    text: str
    level: Level = Level.INFO


Event = Stage | Waiting | Transfer | Building | Message


class Reporter(Protocol):
    """Takes events, from any thread; must return quickly and must not raise."""

    def emit(self, event: Event) -> None:
        """Show or record one event."""


@contextlib.contextmanager
def waiting(reporter: Reporter, what: str) -> Iterator[None]:
    """Tell of a long wait for as long as the context is open, and how it ended."""
    began = time.monotonic()
    reporter.emit(Waiting(what=what))
    try:
        yield
    except BaseException:
        seconds = time.monotonic() - began
        reporter.emit(Waiting(what=what, done=True, seconds=seconds, ok=False))
        raise
    reporter.emit(Waiting(what=what, done=True, seconds=time.monotonic() - began))


class Silent:
    """A reporter that drops everything."""

    def emit(self, event: Event) -> None:
        """Drop the event."""
