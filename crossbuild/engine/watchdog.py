"""Runs one command of a session to its end or to a limit, reading what it prints.

One thread does everything: it waits for output or the end, and every tenth of a second it
looks at what the sandbox uses. The kernel enforces what it can (rlimits, the largest process
number, a cgroup where one can be made); this catches the rest.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from crossbuild.disk import bytes_below
from crossbuild.engine.base import Limits, Stop
from crossbuild.engine.output import Output
from crossbuild.engine.usage import exact_memory, measure

_POLL = 0.1
_BUSY = 0.01
"""Less of one processor than this, and no output, is idle."""
_DISK_SHARE = 0.05
"""How much of the time may go into measuring the disk."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """How the host's child ended; ``crash`` is the last signal that QEMU said a program got.

    ``output`` is the end of what it printed.
    """

    returncode: int
    output: str
    seconds: float
    stopped: Stop | None
    crash: int | None


def supervise(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    limits: Limits,
    directory: Path,
    log: Path | None = None,
    on_line: Callable[[str], None] | None = None,
) -> Outcome:
    """Run a sandbox's command line; everything in it is dead when this returns.

    ``directory`` is what counts as its disk, with what it prints. Raises CancelledError when
    the run is being ended, StorageError when ``log`` cannot be written.
    """
    began = time.monotonic()
    with Output(log, on_line) as output:
        with process.started(argv, env=environment, stdout=output.writer) as child:
            output.close_writer()
            stopped = _watch(child, output, _Gauge(child.pid, limits, directory))
        output.drain()
    process.check_cancelled()
    return Outcome(
        returncode=child.returncode,
        output=output.tail,
        seconds=time.monotonic() - began,
        stopped=stopped,
        crash=output.crash,
    )


def _watch(child: process.Child, output: Output, gauge: _Gauge) -> Stop | None:
    looked = time.monotonic()
    while True:
        if output.open:
            output.wait(_POLL)
        elif process.ended(child, _POLL):
            return None
        if time.monotonic() - looked >= _POLL:
            looked = time.monotonic()
            if stop := gauge.check(output.last, output.total):
                return stop


class _Gauge:
    """Compares what a sandbox uses with its limits."""

    def __init__(self, pid: int, limits: Limits, directory: Path) -> None:
        self._pid = pid
        self._limits = limits
        self._directory = directory
        self._began = self._mark = time.monotonic()
        self._mark_cpu = 0.0
        self._disk = 0
        self._disk_due = 0.0
        self._memory = 0
        self._asking = threading.Thread()

    def check(self, last_output: float, printed: int) -> Stop | None:
        """The limit that is passed now, if one is."""
        now = time.monotonic()
        limits = self._limits
        if now - self._began > limits.wall:
            return Stop.WALL
        usage = measure(self._pid, limits.processes)
        if usage is None:
            return None
        if usage.processes > limits.processes:
            return Stop.PROCESSES
        if usage.memory > limits.memory and self._exact_memory() > limits.memory:
            return Stop.MEMORY
        if self._is_idle(now, usage.cpu, last_output):
            return Stop.IDLE
        return Stop.DISK if self._disk_use(now) + printed > limits.disk else None

    def _exact_memory(self) -> int:
        """The memory in use when last asked; asked on the side, for the answer can take long.

        The kernel gives it only when no thread of the process maps memory or forks: half a
        minute was seen in a fork bomb.
        """
        if not self._asking.is_alive():
            self._asking = threading.Thread(target=self._ask_memory, daemon=True)
            self._asking.start()
            self._asking.join(_POLL)
        return self._memory

    def _ask_memory(self) -> None:
        self._memory = exact_memory(self._pid)

    def _is_idle(self, now: float, cpu: float, last_output: float) -> bool:
        """Whether nothing was printed and next to no CPU used since the mark, for too long."""
        busy = abs(cpu - self._mark_cpu) > _BUSY * self._limits.idle
        if busy or last_output > self._mark:
            self._mark, self._mark_cpu = now, cpu
        return now - self._mark > self._limits.idle

    def _disk_use(self, now: float) -> int:
        """Bytes on the disk, measured anew when the last measuring was long enough ago."""
        if now >= self._disk_due:
            self._disk = bytes_below(self._directory)
            ended = time.monotonic()
            self._disk_due = ended + max(_POLL, (ended - now) / _DISK_SHARE)
        return self._disk
