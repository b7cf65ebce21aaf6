"""The watchdog around host programs: what it reads and how they end."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.engine.base import Limits, Stop
from crossbuild.engine.usage import Usage, exact_memory, measure
from crossbuild.engine.watchdog import Outcome, supervise
from crossbuild.errors import StorageError

PRIVATE = ("unshare", "--user", "--map-root-user", "--mount", "--pid", "--mount-proc", "--fork")


def watch(
    script: str,
    directory: Path,
    *,
    limits: Limits | None = None,
    prefix: tuple[str, ...] = (),
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Outcome:
    return supervise(
        [*prefix, "sh", "-c", script],
        environment={"PATH": os.environ["PATH"]},
        limits=limits or Limits(),
        directory=directory,
        log=log,
        on_line=on_line,
    )


def test_output_goes_to_the_log_the_listener_and_the_result(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.log"
    lines: list[str] = []
    for _ in range(2):
        outcome = watch(
            r"echo one; printf 'two \377\r\n' >&2; printf three",
            tmp_path,
            log=log,
            on_line=lines.append,
        )
    assert log.read_bytes() == b"one\ntwo \xff\r\nthree" * 2
    assert lines == ["one", "two \ufffd", "three"] * 2
    assert outcome.output == "one\ntwo \ufffd\r\nthree"
    assert (outcome.returncode, outcome.stopped, outcome.crash) == (0, None, None)


def test_only_the_end_of_much_output_is_kept(tmp_path: Path) -> None:
    outcome = watch("yes 0123456789 | head -c 1000000; echo end", tmp_path)
    assert len(outcome.output) == 64 << 10
    assert outcome.output.endswith("end\n")


def test_a_line_without_end_is_passed_on_in_pieces(tmp_path: Path) -> None:
    lines: list[str] = []
    watch("head -c 300000 /dev/zero | tr '\\0' x", tmp_path, on_line=lines.append)
    assert sum(map(len, lines)) == 300000
    assert max(map(len, lines)) <= 256 << 10


def test_a_crash_under_qemu_is_seen_in_what_it_prints(tmp_path: Path) -> None:
    said = "qemu: uncaught target signal 11 (Segmentation fault) - core dumped"
    assert watch(f"echo '{said}'; exit 1", tmp_path).crash == 11


def test_a_command_that_closes_its_output_is_still_waited_for(tmp_path: Path) -> None:
    outcome = watch("exec >&- 2>&-; sleep 0.3; exit 7", tmp_path)
    assert outcome.returncode == 7
    assert outcome.seconds >= 0.3


def test_an_error_of_the_listener_ends_the_command(tmp_path: Path) -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    began = time.monotonic()
    with pytest.raises(ValueError, match="one"):
        watch("echo one; sleep 60", tmp_path, on_line=fail)
    assert time.monotonic() - began < 10


def test_a_log_that_cannot_be_written_is_a_storage_error(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="/dev"):
        watch("echo one", tmp_path, log=Path("/dev/full"))


def test_the_end_of_the_run_is_told(tmp_path: Path) -> None:
    process.terminate_all()
    try:
        with pytest.raises(process.CancelledError):
            watch("true", tmp_path)
    finally:
        process.reopen()


@pytest.mark.parametrize("prefix", [(), PRIVATE], ids=["before set up", "inside"])
def test_wall_time_is_limited_whatever_can_be_measured(
    tmp_path: Path, prefix: tuple[str, ...]
) -> None:
    outcome = watch("sleep 60", tmp_path, limits=Limits(wall=0.3), prefix=prefix)
    assert outcome.stopped is Stop.WALL
    assert outcome.seconds < 10


@pytest.mark.emulation
def test_a_sandbox_is_measured_without_anybody_else(tmp_path: Path) -> None:
    seen: list[Usage | None] = []
    exact: list[int] = []
    child: list[int] = []

    def look(line: str) -> None:
        assert line == "ready"
        seen.append(measure(child[0], 100))
        seen.append(measure(child[0], 1))
        exact.append(exact_memory(child[0]))

    script = "sleep 60 & i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done; echo ready; sleep 0.2"
    argv = [*PRIVATE, "--kill-child", "sh", "-c", script]
    with process.started(argv) as running:
        child.append(running.pid)
        assert running.stdout is not None
        look(running.stdout.readline().decode().strip())
    usage, many = seen
    assert usage is not None
    assert usage.processes in {2, 3}, "the shell and what it started"
    assert 0 < usage.cpu < 10
    assert 0 < usage.memory < 100 << 20
    assert 0 < exact[0] <= usage.memory + (1 << 20)
    assert many == Usage(processes=usage.processes, cpu=0.0, memory=0)


def test_nothing_is_measured_of_a_process_without_a_sandbox() -> None:
    assert measure(os.getpid(), 10) is None
    assert measure(2**22 + 1, 10) is None
    assert exact_memory(os.getpid()) == 0
