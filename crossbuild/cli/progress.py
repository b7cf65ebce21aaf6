"""What is going on, folded from the events: pure state and the lines that stay on the screen.

A ``Line`` is what the user keeps (something ended, or must be said); the ``Board`` is what is
true at this moment. Neither knows a terminal.
"""

from __future__ import annotations

import enum
from collections import deque
from dataclasses import dataclass, field

from crossbuild import wording
from crossbuild.report import Building, Event, Level, Message, Stage, Transfer, Waiting

_RATE_WINDOW = 5.0
"""Seconds of downloads that the shown rate is measured over."""
_QUIET_WAIT = 5.0
"""Waits shorter than this many seconds leave no line."""
_VERBS = {
    "resolve": ("Resolving", "Resolved"),
    "plan": ("Planning", "Planned"),
    "fetch": ("Fetching", "Fetched"),
    "build": ("Building", "Built"),
    "verify": ("Checking", "Checked"),
    "smoke": ("Proving", "Proved"),
    "publish": ("Publishing", "Published"),
    "push": ("Pushing", "Pushed"),
    "install": ("Installing", "Installed"),
    "prove": ("Importing", "Imported"),
    "run": ("Running", "Ran"),
}
_MOVING = ("fetch", "push")
"""The stages that move files."""


class Mark(enum.Enum):
    """What kind of line it is."""

    DONE = "done"
    FAILED = "failed"
    WARNING = "warning"
    NOTE = "note"
    DEBUG = "debug"


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """Something to keep on the screen: a verb, of what, and how long it took."""

    mark: Mark
    text: str
    verb: str = ""
    seconds: float | None = None


@dataclass(kw_only=True, slots=True)
class Work:
    """Something that goes on: ``since`` by the clock; ``doing`` is its phase or its detail."""

    title: str
    since: float
    doing: str = ""
    steps: int | None = None
    ended: int = 0
    failed: int = 0


@dataclass(kw_only=True, slots=True)
class Download:
    """A transfer under way, in bytes."""

    title: str
    since: float
    received: int = 0
    total: int | None = None


@dataclass(kw_only=True, slots=True)
class Board:
    """The present: stages, downloads, builds and waits, each in order of their beginning."""

    stages: dict[str, Work] = field(default_factory=dict)
    downloads: dict[str, Download] = field(default_factory=dict)
    builds: dict[str, Work] = field(default_factory=dict)
    waits: dict[str, Work] = field(default_factory=dict)
    _kept: int = 0
    _samples: deque[tuple[float, int]] = field(default_factory=deque)

    @property
    def received(self) -> int:
        """Bytes that this stage moved, those of files under way included."""
        return self._kept + sum(download.received for download in self.downloads.values())

    @property
    def moving(self) -> str | None:
        """The stage that moves files now."""
        return next((name for name in _MOVING if name in self.stages), None)

    @property
    def expected(self) -> int | None:
        """Bytes of the stage's files; None as long as some have not begun or do not tell."""
        stage = self.stages.get(self.moving or "")
        totals = [download.total for download in self.downloads.values()]
        if stage is None or stage.steps != stage.ended + len(totals):
            return None
        known = [total for total in totals if total is not None]
        return self._kept + sum(known) if len(known) == len(totals) else None

    def apply(self, event: Event, now: float) -> tuple[Line, ...]:
        """Take an event in; return what must stay on the screen because of it."""
        if isinstance(event, Stage):
            return self._stage(event, now)
        if isinstance(event, Transfer):
            return self._transfer(event, now)
        if isinstance(event, Building):
            return self._building(event, now)
        if isinstance(event, Waiting):
            return self._waiting(event, now)
        return (_message(event),)

    def finish(self, now: float) -> tuple[Line, ...]:
        """The run came to its end: close what is still open."""
        return tuple(line for name in tuple(self.stages) for line in self._close(name, now))

    def rate(self, now: float) -> float:
        """Bytes per second over the last seconds."""
        while self._samples and self._samples[0][0] < now - _RATE_WINDOW:
            self._samples.popleft()
        if not self._samples:
            return 0.0
        span = max(now - self._samples[0][0], 0.5)
        return sum(amount for _, amount in self._samples) / span

    def left(self, now: float) -> float | None:
        """Seconds until the stage's files are here at this rate; None: nobody knows."""
        rate = self.rate(now)
        return (self.expected - self.received) / rate if self.expected and rate else None

    def _stage(self, event: Stage, now: float) -> tuple[Line, ...]:
        if event.done:
            return self._close(event.name, now, event)
        lines: list[Line] = []
        for name in tuple(self.stages):
            if name != event.name:
                lines += self._close(name, now)
        if event.name in _MOVING:
            self._kept = 0
        work = self.stages.setdefault(event.name, Work(title=event.name, since=now))
        work.doing, work.steps = event.detail, event.steps
        return tuple(lines)

    def _close(self, name: str, now: float, event: Stage | None = None) -> tuple[Line, ...]:
        work = self.stages.pop(name, None)
        if work is None:
            return ()
        ok = event.ok if event else not work.failed
        text = (event.detail if event else "") or self._outcome(name, work)
        if not text:
            return ()
        verb = verbs(name)[1] if ok else "Failed"
        seconds = now - work.since
        return (
            Line(mark=Mark.DONE if ok else Mark.FAILED, verb=verb, text=text, seconds=seconds),
        )

    def _outcome(self, name: str, work: Work) -> str:
        """What came of a stage that did not say it itself; empty: nothing worth a line.

        Every build has a line of its own, and the proof's result is the command's answer.
        """
        if name == "resolve":
            return subject(name, work.doing)
        if name == "fetch" and work.steps != 0:
            if not work.ended:
                return f"{work.doing}, all here already" if work.doing else ""
            return f"{wording.count(work.ended, 'file')}, {wording.size(self.received)}"
        return ""

    def _transfer(self, event: Transfer, now: float) -> tuple[Line, ...]:
        work = self.downloads.get(event.filename)
        if work is None:
            resumed = 0 if event.done else event.received
            work = Download(title=label(event.filename), since=now, received=resumed)
            self.downloads[event.filename] = work
        self._samples.append((now, max(event.received - work.received, 0)))
        work.received, work.total = event.received, event.total
        if event.done:
            del self.downloads[event.filename]
            self._kept += event.received
            if event.ok and (stage := self.stages.get(self.moving or "")):
                stage.ended += 1
        return ()

    def _building(self, event: Building, now: float) -> tuple[Line, ...]:
        if event.phase is not None:
            work = self.builds.setdefault(event.package, Work(title=event.package, since=now))
            work.doing = event.phase
            return ()
        known = event.package in self.builds
        since = self.builds.pop(event.package).since if known else None
        if stage := self.stages.get("build"):
            stage.ended += 1
            stage.failed += not event.ok
        return (_built(event, None if since is None else now - since),)

    def _waiting(self, event: Waiting, now: float) -> tuple[Line, ...]:
        """A wait that came to nothing leaves no line: the error that ended it will be told."""
        if not event.done:
            title = f"{event.what[:1].upper()}{event.what[1:]}"
            self.waits.setdefault(event.what, Work(title=title, since=now))
            return ()
        work = self.waits.pop(event.what, None)
        if work is None:
            return ()
        seconds = max(event.seconds, now - work.since)
        if seconds < _QUIET_WAIT or not event.ok:
            return ()
        return (Line(mark=Mark.DONE, text=work.title, seconds=seconds),)


def verbs(stage: str) -> tuple[str, str]:
    """How a stage is called while it goes on, and after it."""
    return _VERBS.get(stage, (stage.capitalize(), stage.capitalize()))


def subject(stage: str, detail: str) -> str:
    """What a stage works on, as it follows its verb."""
    return f"for {detail}" if stage == "resolve" and detail else detail


def label(filename: str) -> str:
    """A distribution file as people call it: ``numpy 1.26.4``; other files by their name."""
    if filename.endswith(".whl") and filename.count("-") >= 4:
        name, version = filename.split("-")[:2]
        return f"{name} {version}"
    for suffix in (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip"):
        if filename.endswith(suffix):
            name, _, version = filename.removesuffix(suffix).rpartition("-")
            return f"{name} {version} source" if name else filename
    return filename.removesuffix(".metadata")


def _built(event: Building, seconds: float | None) -> Line:
    """The end of a build; one that never entered a phase was found in the store."""
    if not event.ok:
        text = f"{event.package}: {event.detail}" if event.detail else event.package
        return Line(mark=Mark.FAILED, verb="Failed", text=text, seconds=seconds)
    if seconds is None:
        return Line(mark=Mark.DONE, verb="Found", text=f"{event.package}, built earlier")
    return Line(mark=Mark.DONE, verb="Built", text=event.package, seconds=seconds)


def _message(event: Message) -> Line:
    marks = {
        Level.DEBUG: Mark.DEBUG,
        Level.INFO: Mark.NOTE,
        Level.WARNING: Mark.WARNING,
        Level.ERROR: Mark.FAILED,
    }
    return Line(mark=marks[event.level], text=event.text)
