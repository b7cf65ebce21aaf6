"""Showing a run while it goes on: a live region on a terminal, plain lines elsewhere."""

from __future__ import annotations

import abc
import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from crossbuild import wording
from crossbuild.cli.progress import Board, Download, Line, Mark, Work, subject, verbs
from crossbuild.report import Building, Event, Stage, Transfer, Waiting

_REFRESH = 10
"""Frames per second of the live region."""
_HEARTBEAT = 30.0
"""Seconds of silence after which plain output says what it waits for."""
_INDENT = 2


@contextlib.contextmanager
def showing(renderer: Renderer) -> Iterator[Renderer]:
    """Show a run for as long as the context is open."""
    renderer.start()
    try:
        yield renderer
    except BaseException:
        renderer.stop(completed=False)
        raise
    renderer.stop(completed=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class Glyphs:
    """The signs that a terminal can show."""

    done: str
    failed: str
    warning: str
    ellipsis: str
    dot: str
    full: str
    empty: str
    spinner: str


UNICODE = Glyphs(
    done="✓", failed="✗", warning="!", ellipsis="…", dot="·", full="━", empty="─",
    spinner="⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏",
)  # fmt: skip
ASCII = Glyphs(
    done="+", failed="x", warning="!", ellipsis="~", dot="-", full="#", empty=".", spinner="|/-\\"
)


def glyphs(console: Console) -> Glyphs:
    """The signs that the console's encoding has."""
    return UNICODE if console.encoding.lower().startswith("utf") else ASCII


class Renderer(abc.ABC):
    """What both renderers do: fold events into a board, and show at most what was asked for.

    ``verbosity`` -1 shows warnings and errors only, -2 errors only, 1 debug messages too.
    ``redact`` takes passwords out of what is shown. Nothing raises: a terminal that went away
    ends the showing, not the run.
    """

    def __init__(
        self,
        console: Console,
        *,
        verbosity: int = 0,
        redact: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._console = console
        self._redact = redact
        self._glyphs = glyphs(console)
        self._verbosity = verbosity
        self._clock = clock
        self._board = Board()
        self._guard = threading.Lock()

    @abc.abstractmethod
    def start(self) -> None:
        """Begin to show."""

    def stop(self, *, completed: bool) -> None:
        """Show no more; with ``completed``, what was still going on is told as done."""
        if completed:
            with self._guard:
                lines = self._board.finish(self._clock())
            self._keep(lines)

    def emit(self, event: Event) -> None:
        """Show an event, from any thread."""
        with self._guard:
            begun = self._begun(event)
            lines = (*self._board.apply(event, self._clock()), *begun)
        self._keep(lines)

    def _begun(self, event: Event) -> tuple[Line, ...]:
        """Lines for what begins, before the board knows it."""
        del event
        return ()

    def _keep(self, lines: tuple[Line, ...]) -> None:
        with contextlib.suppress(OSError, ValueError):
            for line in lines:
                if self._wanted(line):
                    self._print(replace(line, text=self._redact(line.text)))

    def _wanted(self, line: Line) -> bool:
        if line.mark is Mark.DEBUG:
            return self._verbosity > 0
        if line.mark is Mark.WARNING:
            return self._verbosity > -2
        return self._verbosity >= 0 or line.mark is Mark.FAILED

    @abc.abstractmethod
    def _print(self, line: Line) -> None:
        """Put a line on the screen, to stay."""


class Terminal(Renderer):
    """A live region at the bottom for what goes on, permanent lines above for what ended."""

    def __init__(
        self,
        console: Console,
        *,
        verbosity: int = 0,
        redact: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, verbosity=verbosity, redact=redact, clock=clock)
        self._live = Live(
            console=console,
            get_renderable=self._draw,
            refresh_per_second=_REFRESH,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )

    def start(self) -> None:
        """Open the live region."""
        self._live.start()

    def stop(self, *, completed: bool) -> None:
        """Close the live region and leave only what is to stay."""
        super().stop(completed=completed)
        with contextlib.suppress(OSError, ValueError):
            self._live.stop()

    def _print(self, line: Line) -> None:
        self._console.print(styled(line, self._glyphs))

    def _draw(self) -> RenderableType:
        size = self._console.size
        with self._guard:
            return Group(*frame(self._board, self._clock(), size.width, size.height, self._glyphs))


class Plain(Renderer):
    """One line for everything that begins or ends: logs, CI, pipes, simple terminals.

    After 30 seconds without a line it says what it is waiting for.
    """

    def __init__(
        self,
        console: Console,
        *,
        verbosity: int = 0,
        redact: Callable[[str], str] = str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(console, verbosity=verbosity, redact=redact, clock=clock)
        self._over = threading.Event()
        self._spoke = clock()
        self._watch = threading.Thread(target=self._heartbeat, name="heartbeat", daemon=True)

    def start(self) -> None:
        """Begin to watch for silence."""
        self._watch.start()

    def stop(self, *, completed: bool) -> None:
        """End the watch."""
        self._over.set()
        self._watch.join()
        super().stop(completed=completed)

    def _begun(self, event: Event) -> tuple[Line, ...]:
        text = _beginning(event, self._board)
        return (Line(mark=Mark.NOTE, text=text),) if text else ()

    def _print(self, line: Line) -> None:
        self._spoke = self._clock()
        said = f"{line.verb} {line.text}".strip()
        if line.mark in {Mark.WARNING, Mark.FAILED} and not line.verb:
            said = f"{'warning' if line.mark is Mark.WARNING else 'error'}: {said}"
        if line.mark is Mark.DONE and not line.verb:
            said = f"done: {said[:1].lower()}{said[1:]}"
        if line.seconds is not None:
            said += f" ({wording.duration(line.seconds)})"
        self._console.print(Text(said), soft_wrap=True)

    def check_silence(self) -> None:
        """Say what is waited for, if nothing was said for a while."""
        now = self._clock()
        if now - self._spoke < _HEARTBEAT:
            return
        with self._guard:
            text = "; ".join(_goings_on(self._board, now))
        if text:
            self._keep((Line(mark=Mark.NOTE, text=f"still {text}"),))

    def _heartbeat(self) -> None:
        while not self._over.wait(1.0):
            self.check_silence()


def _beginning(event: Event, board: Board) -> str:
    """Say in plain output that something begins."""
    if isinstance(event, Stage) and not event.done and event.steps != 0:
        return f"{verbs(event.name)[0]} {subject(event.name, event.detail)}".strip()
    if isinstance(event, Building) and event.phase is not None:
        return f"Building {event.package}: {event.phase}"
    if isinstance(event, Waiting) and not event.done and event.what not in board.waits:
        return f"{event.what[:1].upper()}{event.what[1:]}"
    if isinstance(event, Transfer) and event.done and event.ok:
        verb = verbs(board.moving or "fetch")[1]
        return f"{verb} {event.filename}, {wording.size(event.received)}"
    return ""


def _goings_on(board: Board, now: float) -> Iterator[str]:
    """What a wait is for, in a few words each."""
    for work in board.waits.values():
        yield f"{work.title[:1].lower()}{work.title[1:]} ({wording.elapsed(now - work.since)})"
    for work in board.builds.values():
        yield f"building {work.title}: {work.doing} ({wording.elapsed(now - work.since)})"
    if board.downloads:
        names = wording.listing([download.title for download in board.downloads.values()])
        verb = verbs(board.moving or "fetch")[0].lower()
        yield f"{verb} {names}, {wording.size(board.received)}"
    if not (board.waits or board.builds or board.downloads):
        for name, work in board.stages.items():
            yield f"{verbs(name)[0].lower()} ({wording.elapsed(now - work.since)})"


def styled(line: Line, signs: Glyphs) -> Table:
    """A permanent line: its mark, a sentence that wraps under itself, and the time it took."""
    mark, style = {
        Mark.DONE: (signs.done, "green"),
        Mark.FAILED: (signs.failed, "red"),
        Mark.WARNING: (signs.warning, "yellow"),
        Mark.NOTE: (" ", ""),
        Mark.DEBUG: (" ", "dim"),
    }[line.mark]
    text = Text(style="dim" if line.mark is Mark.DEBUG else "")
    if line.verb:
        text.append(f"{line.verb} ", "bold")
    text.append(line.text)
    if line.seconds is not None:
        text.append(f"  {wording.duration(line.seconds)}", "dim")
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_row(Text(mark, f"bold {style}".strip()), text)
    return grid


def frame(board: Board, now: float, width: int, height: int, signs: Glyphs) -> list[Text]:
    """Lay out the live region: stages, then what they wait for; never taller than the screen."""
    spin = signs.spinner[int(now * _REFRESH) % len(signs.spinner)]
    rows = [_head(spin, *_stage(name, work, board, now)) for name, work in board.stages.items()]
    details = [*_builds(board, now, width, signs), *_downloads(board, width, signs)]
    if rows:
        details = [*_waits(board, now), *details]
    else:
        rows = [_head(spin, work.title, "", now - work.since) for work in board.waits.values()]
    room = max(height - len(rows) - 3, 1)
    if len(details) > room:
        left = len(details) - room + 1
        details = [*details[: room - 1], Text(f"    {signs.ellipsis} and {left} more", "dim")]
    rows += details
    for row in rows:
        row.truncate(width - 1, overflow="crop")
    return rows


def _stage(name: str, work: Work, board: Board, now: float) -> tuple[str, str, float]:
    verb, text = verbs(name)[0], subject(name, work.doing)
    if name == board.moving:
        text = _moving(work, board, now)
    if name == "build" and work.steps:
        text = f"{work.ended} of {wording.count(work.steps, 'package')}"
    return verb, text, now - work.since


def _moving(work: Work, board: Board, now: float) -> str:
    parts = [f"{work.ended} of {wording.count(work.steps, 'file')}" if work.steps else work.doing]
    expected = board.expected
    if board.received or expected:
        amount = wording.size(board.received)
        parts.append(wording.part(board.received, expected) if expected else amount)
    if board.downloads:
        parts.append(f"{wording.size(round(board.rate(now)))}/s")
    if left := board.left(now):
        parts.append(f"{wording.elapsed(round(left))} left")
    return "  ".join(part for part in parts if part)


def _head(spin: str, verb: str, text: str, seconds: float) -> Text:
    row = Text.assemble((spin, "cyan"), " ", (verb, "bold"))
    if text:
        row.append(f" {text}")
    return row.append(f"  {wording.elapsed(seconds)}" if seconds >= 1 else "", "dim")


def _column(titles: list[str], width: int) -> int:
    """How wide a column of names may be: as wide as its longest, at most half of the line."""
    return min(max(map(cell_len, titles), default=0), max(width // 2 - _INDENT, 8))


def _fit(title: str, width: int, signs: Glyphs) -> str:
    if cell_len(title) <= width:
        return set_cell_size(title, width)
    return set_cell_size(title, width - 1) + signs.ellipsis


def _waits(board: Board, now: float) -> list[Text]:
    """What a stage waits for, below it."""
    return [
        Text.assemble(
            " " * _INDENT,
            f"{work.title[:1].lower()}{work.title[1:]}",
            (f"  {wording.elapsed(now - work.since)}", "dim"),
        )
        for work in board.waits.values()
    ]


def _builds(board: Board, now: float, width: int, signs: Glyphs) -> list[Text]:
    builds = list(board.builds.values())
    column = _column([work.title for work in builds], width)
    return [
        Text.assemble(
            " " * _INDENT,
            _fit(work.title, column, signs),
            f"  {work.doing}",
            (f"  {wording.elapsed(now - work.since)}", "dim"),
        )
        for work in builds
    ]


def _downloads(board: Board, width: int, signs: Glyphs) -> list[Text]:
    downloads = list(board.downloads.values())
    column = _column([download.title for download in downloads], width)
    bar = 24 if width >= 76 else 12 if width >= 56 else 0
    return [_download(download, column, bar, signs) for download in downloads]


def _download(download: Download, column: int, bar: int, signs: Glyphs) -> Text:
    row = Text.assemble(" " * _INDENT, _fit(download.title, column, signs))
    amount = wording.size(download.received)
    if not download.total:
        return row.append(f"  {amount}", "dim")
    if bar:
        filled = min(bar * download.received // download.total, bar)
        row.append(f"  {signs.full * filled}", "cyan").append(signs.empty * (bar - filled), "dim")
    return row.append(f"  {wording.part(download.received, download.total)}", "dim")
