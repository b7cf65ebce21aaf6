"""What a run shows while it goes on, and what a command answers at its end."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from crossbuild import wording
from crossbuild.cli import tables
from crossbuild.cli.page import Page
from crossbuild.cli.progress import Board, Line, label
from crossbuild.cli.render import ASCII, UNICODE, Plain, Terminal, frame, showing
from crossbuild.report import Building, Event, Level, Message, Stage, Transfer, Waiting
from crossbuild.target import Reported
from tests import answers

NUMPY = f"numpy-1.26.4-{answers.LONG}.whl"


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def told(lines: tuple[Line, ...]) -> list[str]:
    """The lines' texts, with their marks."""
    return [f"{line.mark.value}: {line.verb} {line.text}".replace(":  ", ": ") for line in lines]


def played(board: Board, *events: tuple[float, Event]) -> list[str]:
    """What stays on the screen when events come at these seconds."""
    return [line for at, event in events for line in told(board.apply(event, at))]


def screen(width: int = 80, encoding: str = "utf-8", *, terminal: bool = False) -> Console:
    """A console whose output can be read."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    return Console(
        file=stream, width=width, height=24, highlight=False, force_terminal=terminal,
        color_system=None, legacy_windows=False,
    )  # fmt: skip


def written(console: Console) -> str:
    """What was printed on a console."""
    stream = console.file
    assert isinstance(stream, io.TextIOWrapper)
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode(stream.encoding)


def test_a_stage_ends_when_the_next_begins() -> None:
    lines = played(
        Board(),
        (0, Stage(name="resolve", detail="manylinux2014_aarch64, CPython 3.11")),
        (1, Stage(name="fetch", detail="2 wheels", steps=2)),
        (2, Transfer(filename=NUMPY, received=10, total=1000)),
        (3, Transfer(filename=NUMPY, received=1000, total=1000, done=True)),
        (4, Stage(name="build", detail="a, b", steps=2)),
        (5, Building(package="a 1.0", phase="native compiler")),
        (9, Building(package="a 1.0", phase=None)),
        (9, Building(package="b 1.0", phase="native compiler")),
        (10, Building(package="b 1.0", phase=None, ok=False, detail="no headers")),
        (11, Stage(name="smoke", detail="install and import in a clean bookworm")),
    )
    assert lines == [
        "done: Resolved for manylinux2014_aarch64, CPython 3.11",
        "done: Fetched 1 file, 1.00 kB",
        "done: Built a 1.0",
        "failed: Failed b 1.0: no headers",
    ]


def test_a_stage_can_say_itself_how_it_ended() -> None:
    board = Board()
    assert played(
        board,
        (0, Stage(name="smoke", detail="in a clean bookworm")),
        (1, Stage(name="smoke", detail="11 modules", done=True)),
        (2, Stage(name="verify")),
        (3, Stage(name="verify", detail="2 wheels lie", done=True, ok=False)),
        (4, Stage(name="verify", detail="never begun", done=True)),
    ) == ["done: Proved 11 modules", "failed: Failed 2 wheels lie"]
    assert board.stages == {}


def test_downloads_that_were_there_are_not_claimed() -> None:
    board = Board()
    board.apply(Stage(name="fetch", detail="9 wheels", steps=9), 0)
    assert told(board.finish(1)) == ["done: Fetched 9 wheels, all here already"]


def test_only_long_waits_leave_a_line() -> None:
    short, long = Waiting(what="the lock of x"), Waiting(what="unpacking bookworm")
    assert played(
        Board(),
        (0, short),
        (0.5, replace(short, done=True)),
        (1, long),
        (1, long),
        (9, replace(long, done=True)),
        (9, replace(long, done=True)),
        (9, long),
        (99, replace(long, done=True, ok=False)),
    ) == ["done: Unpacking bookworm"]


def test_a_wheel_that_was_built_earlier_is_not_called_built() -> None:
    assert played(
        Board(), (0, Stage(name="build", steps=1)), (0, Building(package="a 1.0", phase=None))
    ) == ["done: Found a 1.0, built earlier"]


def test_a_fetch_of_nothing_leaves_no_line() -> None:
    board = Board()
    board.apply(Stage(name="fetch", detail="0 wheels", steps=0), 0)
    assert board.finish(1) == ()


def test_a_resumed_download_counts_what_was_there_but_not_its_speed() -> None:
    board = Board()
    board.apply(Stage(name="fetch", steps=1), 0)
    board.apply(Transfer(filename=NUMPY, received=5000, total=9000), 1)
    board.apply(Transfer(filename=NUMPY, received=6000, total=9000), 2)
    assert (board.received, board.expected) == (6000, 9000)
    assert board.rate(2) == 1000
    assert board.rate(60) == 0


def test_the_whole_is_not_told_before_it_is_known() -> None:
    board = Board()
    board.apply(Stage(name="fetch", steps=2), 0)
    board.apply(Transfer(filename=NUMPY, received=10, total=9000), 1)
    assert board.expected is None
    board.apply(Transfer(filename="six-1.0.tar.gz", received=10, total=None), 1)
    assert board.expected is None


@pytest.mark.parametrize(
    ("filename", "expected"),
    [
        (NUMPY, "numpy 1.26.4"),
        ("hnswlib-0.8.0.tar.gz", "hnswlib 0.8.0 source"),
        ("data.zip", "data.zip"),
        ("strange.whl", "strange.whl"),
    ],
)
def test_files_are_called_as_people_call_them(filename: str, expected: str) -> None:
    assert label(filename) == expected


def busy() -> Board:
    """A board with everything going on."""
    board = Board()
    six, long = "six-1.16.0-py3-none-any.whl", f"{'long_name_' * 6}-2024.1.2-py3-none-any.whl"
    events: list[Event] = [
        Stage(name="fetch", detail="3 wheels", steps=3),
        Transfer(filename=six, received=11_000, total=11_000, done=True),
        Transfer(filename=NUMPY, received=7_100_000, total=14_200_000),
        Transfer(filename=long, received=500, total=None),
        Waiting(what="unpacking Debian bookworm for aarch64"),
        Building(package="kiwisolver 1.4.7", phase="native compiler"),
    ]
    for event in events:
        board.apply(event, 100.0)
    return board


@pytest.mark.parametrize("width", [20, 40, 60, 80, 120])
@pytest.mark.parametrize("height", [5, 8, 24])
def test_the_live_region_fits_every_screen(width: int, height: int) -> None:
    rows = frame(busy(), 112.0, width, height, UNICODE)
    assert all(row.cell_len < width for row in rows)
    assert len(rows) <= max(height - 2, 3)


def test_the_live_region_says_what_everything_waits_for() -> None:
    shown = "\n".join(row.plain for row in frame(busy(), 112.0, 100, 24, UNICODE))
    assert "Fetching 1 of 3 files" in shown
    assert "  unpacking Debian bookworm for aarch64  12s" in shown
    assert "kiwisolver 1.4.7  native compiler  12s" in shown
    assert "━━━━━━━━━━━━────────────  7.10 of 14.2 MB" in shown


def test_a_push_tells_its_rate_and_how_long_it_will_take() -> None:
    board = Board()
    board.apply(Stage(name="push", detail="to /var/tmp", steps=2), 100.0)
    board.apply(Transfer(filename="a.txt", received=10, total=10, done=True), 100.0)
    board.apply(Transfer(filename=NUMPY, received=0, total=14_200_000), 100.0)
    board.apply(Transfer(filename=NUMPY, received=7_100_000, total=14_200_000), 102.0)
    shown = "\n".join(row.plain for row in frame(board, 102.0, 100, 24, UNICODE))
    assert "Pushing 1 of 2 files  7.10 of 14.2 MB  3.55 MB/s  2s left" in shown
    assert "━━━━━━━━━━━━────────────  7.10 of 14.2 MB" in shown


def test_a_wait_without_a_stage_stands_alone() -> None:
    board = Board()
    board.apply(Waiting(what="unpacking bookworm"), 100.0)
    (row,) = frame(board, 112.0, 80, 24, ASCII)
    assert row.plain == "| Unpacking bookworm  12s"


def test_what_does_not_fit_is_counted() -> None:
    rows = frame(busy(), 112.0, 80, 7, UNICODE)
    assert rows[-1].plain.strip() == "… and 2 more"


def test_signs_are_plain_where_the_terminal_has_no_others() -> None:
    shown = "".join(row.plain for row in frame(busy(), 112.0, 100, 24, ASCII))
    assert shown.isascii()


def events() -> list[Event]:
    """A short run."""
    return [
        Stage(name="resolve", detail="linux_aarch64, CPython 3.11"),
        Message(text="looked at 3 candidates", level=Level.DEBUG),
        Message(text="[bold]brackets[/bold] are text"),
        Message(text="six is refused", level=Level.WARNING),
        Stage(name="fetch", detail="1 wheels", steps=1),
        Transfer(filename=NUMPY, received=1000, total=1000, done=True),
        Waiting(what="unpacking bookworm"),
        Waiting(what="unpacking bookworm", done=True, seconds=12.8),
        Building(package="kiwisolver 1.4.7", phase="native compiler"),
        Building(package="kiwisolver 1.4.7", phase=None, ok=False, detail="token hunter2"),
    ]


def test_plain_output_is_one_line_for_each_thing() -> None:
    console = screen()
    clock = Clock()
    with showing(Plain(console, clock=clock)) as renderer:
        for event in events():
            renderer.emit(event)
    assert written(console).splitlines() == [
        "Resolving for linux_aarch64, CPython 3.11",
        "[bold]brackets[/bold] are text",
        "warning: six is refused",
        "Resolved for linux_aarch64, CPython 3.11 (0.0s)",
        "Fetching 1 wheels",
        f"Fetched {NUMPY}, 1.00 kB",
        "Unpacking bookworm",
        "done: unpacking bookworm (13s)",
        "Building kiwisolver 1.4.7: native compiler",
        "Failed kiwisolver 1.4.7: token hunter2 (0.0s)",
        "Fetched 1 file, 1.00 kB (0.0s)",
    ]


@pytest.mark.parametrize(
    ("verbosity", "words"),
    [
        (-2, {"Failed"}),
        (-1, {"Failed", "warning:"}),
        (1, {"Failed", "warning:", "looked", "Fetching"}),
    ],
)
def test_verbosity(verbosity: int, words: set[str]) -> None:
    console = screen()
    with showing(Plain(console, verbosity=verbosity)) as renderer:
        for event in events():
            renderer.emit(event)
    first = {line.split()[0] for line in written(console).splitlines()}
    assert words <= first
    assert verbosity > 0 or first == words


def test_secrets_are_shown_by_no_renderer() -> None:
    console = screen()
    with showing(Plain(console, redact=lambda text: text.replace("hunter2", "****"))) as renderer:
        for event in events():
            renderer.emit(event)
    assert "hunter2" not in written(console)
    assert "token ****" in written(console)


def test_a_download_that_failed_is_not_told_as_fetched() -> None:
    console, board = screen(), Board()
    lost = Transfer(filename=NUMPY, received=0, total=9, done=True, ok=False)
    Plain(console).emit(lost)
    assert written(console) == ""
    board.apply(Stage(name="fetch", detail="2 wheels", steps=2), 1)
    board.apply(lost, 2)
    assert board.stages["fetch"].ended == 0


def test_silence_is_broken_by_what_the_wait_is_for() -> None:
    console, clock = screen(), Clock()
    renderer = Plain(console, clock=clock)
    renderer.emit(Building(package="numpy 1.26.4", phase="native compiler"))
    clock.now += 29
    renderer.check_silence()
    assert "still" not in written(console)
    clock.now += 2
    renderer.check_silence()
    renderer.check_silence()
    assert written(console).splitlines()[1:] == [
        "still building numpy 1.26.4: native compiler (31s)"
    ]


def test_a_terminal_keeps_what_ended_and_cleans_up_the_rest() -> None:
    console = screen(terminal=True)
    with showing(Terminal(console, clock=Clock())) as renderer:
        for event in events():
            renderer.emit(event)
    shown = written(console)
    assert "✓ Resolved for linux_aarch64, CPython 3.11" in shown
    assert "! six is refused" in shown
    assert "✗ Failed kiwisolver 1.4.7: token hunter2" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1


def test_an_error_leaves_nothing_claimed_as_done() -> None:
    console = screen()
    renderer = Plain(console)
    renderer.emit(Stage(name="resolve", detail="x"))
    with pytest.raises(ZeroDivisionError), showing(renderer):
        _ = 1 / 0
    assert "Resolved" not in written(console)


def test_a_terminal_that_went_away_ends_nothing() -> None:
    console = screen(terminal=True)
    console.file.close()
    renderer = Plain(console)
    renderer.start()
    renderer.emit(Message(text="nobody hears this"))
    renderer.stop(completed=True)
    assert console.file.closed


def shown(show: Callable[[Page], None], width: int = 140, *, verbose: bool = False) -> str:
    """What a page shows, with no blank at a line's end."""
    console = screen(width)
    show(Page(console=console, verbose=verbose))
    text = written(console)
    assert all(line == line.rstrip() for line in text.splitlines())
    return text


def test_the_plan_says_every_step_and_why_it_builds() -> None:
    text = shown(lambda page: tables.plan(page, answers.PLAN, answers.TARGET), 140)
    assert f"numpy 1.26.4               fetch   14.2 MB  {NUMPY}" in text
    assert "published as source only, there is no wheel" in text
    assert "11 wheels, none fits: 4 built for Windows, 4 built for x86_64, 1 built for" in text
    assert "2 more (-v lists them)" in text
    assert "policy newest would choose 1.3.3" in text
    assert "6 packages: 3 to fetch (14.5 MB), 2 to build and 1 to reuse" in text


def test_the_verbose_plan_names_every_refused_file() -> None:
    text = shown(lambda page: tables.plan(page, answers.PLAN, answers.TARGET), verbose=True)
    for tags, reason in answers.NETIFACES.items():
        assert f"netifaces-0.11.0-{tags}.whl: {reason}" in text


def test_a_plan_says_what_only_builds_need() -> None:
    text = shown(lambda page: tables.plan(page, answers.PLAN_WITH_TOOLS, answers.TARGET))
    assert "Built only because a build needs them" in text
    assert "cython 3.0.12" in text
    assert "1 package: 1 to build and 1 more to build for builds" in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_a_plan_fits_a_narrow_screen(width: int) -> None:
    text = shown(lambda page: tables.plan(page, answers.PLAN, answers.TARGET), width)
    assert max(map(len, text.splitlines())) <= width


def test_a_good_end() -> None:
    text = shown(lambda page: tables.result(page, answers.result(), answers.TARGET))
    assert "built          36.2 kB  native compiler, 9.8s" in text
    assert "built earlier  25.9 kB  native compiler\n" in text
    assert "✓ Checked tags, hashes, machine code, C library symbols up to 2.17" in text
    assert "nothing missing, nothing left over" in text
    assert "✓ Installed offline in a clean debian-bookworm-arm64, 2 modules imported" in text
    assert "./wheelhouse  6 wheels, 14.6 MB, for manylinux2014_aarch64, CPython 3.11" in text
    assert "pip install --no-index --find-links wheelhouse -r wheelhouse/requirements.txt" in text
    assert "python3 wheelhouse/install.py" in text


def test_where_the_target_reaches_an_index_three_steps_are_shown_instead() -> None:
    reported = Reported(tags=(), markers=(), index="http://index.example/simple")
    target = replace(answers.TARGET, reported=reported)
    text = shown(lambda page: tables.result(page, answers.result(), target))
    steps = text[text.index("The target reaches http://index.example/simple") :].splitlines()
    assert steps[0].endswith("it needs no wheelhouse. There:")
    assert steps[1] == "  python3 -m ensurepip --upgrade   # where it has no pip"
    assert steps[2].startswith("  python3 -m pip install ")
    assert steps[3].startswith("  python3 -")
    assert "--no-index" not in text


def test_an_incomplete_end_claims_nothing_whole() -> None:
    result = answers.result(answers.UNPROVEN, failures=(answers.FAILURE,))
    text = shown(lambda page: tables.result(page, result, answers.TARGET))
    assert "✗ broken 0.1 failed (build): its setup.py stops with: fatal error" in text
    assert "Log: /root/.cache/crossbuild/logs/broken-0.1.log" in text
    assert "the wheelhouse is incomplete without broken" in text
    assert "! Not proven: no image has CPython 3.8 for aarch64" in text
    assert "nothing missing" not in text
    assert "pip install" not in text


def test_a_failed_proof_shows_its_tracebacks() -> None:
    result = answers.result(answers.BROKEN)
    text = shown(lambda page: tables.result(page, result, answers.TARGET))
    assert "✗ The proof failed: netifaces cannot be imported" in text
    assert "ImportError: libfoo.so.1: cannot open shared object file" in text
    assert "pip install" not in text


def test_several_images_are_a_table_with_the_wheel_at_fault() -> None:
    passed = replace(answers.PASSED, image="my-kylin", glibc=(2, 31))
    broken = replace(
        answers.BROKEN, image="bullseye", glibc=(2, 28), broken=("netifaces-0.11.whl",)
    )
    unproven = replace(answers.UNPROVEN, image="other")
    images = (passed, broken, unproven)
    result = replace(answers.result(broken), images=images)
    rows = shown(lambda page: tables.result(page, result, answers.TARGET)).splitlines()
    head = next(number for number, row in enumerate(rows) if row.startswith("image"))
    assert rows[head].split() == ["image", "glibc", "result"]
    assert rows[head + 1].split()[:2] == ["my-kylin", "2.31"]
    assert "installed offline, 2 modules imported" in rows[head + 1]
    assert "netifaces-0.11.whl" in rows[head + 2]
    assert "netifaces cannot be imported" in rows[head + 3]
    assert "not run: no image has CPython 3.8" in rows[head + 4]
    assert "Traceback" not in "".join(rows)
    verbose = shown(lambda page: tables.result(page, result, answers.TARGET), verbose=True)
    assert "libfoo.so.1: cannot open shared object file" in verbose
    assert result.exit_code == 10


def test_where_nothing_was_published_nothing_is_promised() -> None:
    result = answers.result(wheels=(), failures=(answers.FAILURE,), output=None)
    text = shown(lambda page: tables.result(page, result, answers.TARGET))
    assert "✗ Nothing was published." in text
    assert "Checked" not in text


def test_an_absolute_output_is_shown_as_it_is() -> None:
    result = answers.result(output=Path("/srv/wheels"))
    text = shown(lambda page: tables.result(page, result, answers.TARGET))
    assert "/srv/wheels  6 wheels" in text
    assert "./" not in text


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (wording.size(0), "0 B"),
        (wording.size(999), "999 B"),
        (wording.size(1000), "1.00 kB"),
        (wording.size(36_249), "36.2 kB"),
        (wording.size(999_600), "1.00 MB"),
        (wording.size(14_200_000), "14.2 MB"),
        (wording.size(5 * 10**12), "5.00 TB"),
        (wording.part(6_100_000, 14_200_000), "6.10 of 14.2 MB"),
        (wording.part(600_000, 14_200_000), "600 kB of 14.2 MB"),
        (wording.duration(0.04), "0.0s"),
        (wording.duration(9.96), "10s"),
        (wording.duration(59.6), "1m 00s"),
        (wording.duration(3725), "1h 02m"),
        (wording.elapsed(59.9), "59s"),
        (wording.elapsed(125.9), "2m 05s"),
        (wording.count(1, "wheel"), "1 wheel"),
        (wording.count(2, "library", "libraries"), "2 libraries"),
        (wording.listing(["a", "b", "c"], "or"), "a, b or c"),
        (wording.listing([]), ""),
    ],
)
def test_wording(said: str, expected: str) -> None:
    assert said == expected
