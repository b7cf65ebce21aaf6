"""Watches one command of a session to its end or to a limit, reading what it prints.

One thread does everything: it waits for output or the end, and every tenth of a second it
looks at what the sandbox uses. The kernel enforces what it can (rlimits, the largest process
number, a cgroup where one can be made); this catches the rest.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crossbuild import process
from crossbuild.disk import bytes_below
from crossbuild.engine.base import ExecResult, Limits, Stop
from crossbuild.engine.output import Output
from crossbuild.engine.usage import Usage, exact_memory, measure

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

    @property
    def signal(self) -> int | None:
        """The signal a failed command died of, or that QEMU reports of a program it started."""
        if self.returncode == 0 or self.stopped is not None:
            return None
        if self.crash is not None:
            return self.crash
        if self.returncode < 0:
            return -self.returncode
        code = self.returncode
        return code - 128 if 128 < code < 128 + signal.NSIG else None

    @property
    def result(self) -> ExecResult:
        """The same, as stages get it."""
        return ExecResult(
            returncode=self.returncode,
            signal=self.signal,
            output=self.output,
            seconds=self.seconds,
            stopped=self.stopped,
        )


class Meter(Protocol):
    """Measures what a sandbox uses."""

    def usage(self) -> Usage | None:
        """What it uses now; None: nothing new is known of it."""

    def memory(self) -> int:
        """The bytes of memory in use, exactly; may come late."""

    def disk(self) -> int:
        """The bytes in its files; may take a while."""


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
            meter = _ProcessMeter(child.pid, limits, directory)
            stopped = watch(output, meter, limits, lambda wait: process.ended(child, wait))
        output.drain()
    process.check_cancelled()
    return Outcome(
        returncode=child.returncode,
        output=output.tail,
        seconds=time.monotonic() - began,
        stopped=stopped,
        crash=output.crash,
    )


def watch(
    output: Output, meter: Meter, limits: Limits, ended: Callable[[float], bool]
) -> Stop | None:
    """Read what a command prints until it has ended, or until it passes a limit: which one.

    ``ended`` waits at most so many seconds for the end, once the output is closed. Raises
    CancelledError when the run is being ended.
    """
    gauge = _Gauge(meter, limits)
    looked = time.monotonic()
    while True:
        process.check_cancelled()
        if output.open:
            output.wait(_POLL)
        elif ended(_POLL):
            return None
        if time.monotonic() - looked >= _POLL:
            looked = time.monotonic()
            if stop := gauge.check(output.last, output.total):
                return stop


class _Gauge:
    """Compares what a sandbox uses with its limits."""

    def __init__(self, meter: Meter, limits: Limits) -> None:
        self._meter = meter
        self._limits = limits
        self._began = self._mark = time.monotonic()
        self._mark_cpu = 0.0
        self._disk = 0
        self._disk_due = 0.0

    def check(self, last_output: float, printed: int) -> Stop | None:
        """The limit that is passed now, if one is."""
        now = time.monotonic()
        limits = self._limits
        if now - self._began > limits.wall:
            return Stop.WALL
        usage = self._meter.usage()
        if usage is None:
            return None
        if usage.processes > limits.processes:
            return Stop.PROCESSES
        if usage.memory > limits.memory and self._meter.memory() > limits.memory:
            return Stop.MEMORY
        if self._is_idle(now, usage.cpu, last_output):
            return Stop.IDLE
        return Stop.DISK if self._disk_use(now) + printed > limits.disk else None

    def _is_idle(self, now: float, cpu: float, last_output: float) -> bool:
        """Whether nothing was printed and next to no CPU used since the mark, for too long."""
        busy = abs(cpu - self._mark_cpu) > _BUSY * self._limits.idle
        if busy or last_output > self._mark:
            self._mark, self._mark_cpu = now, cpu
        return now - self._mark > self._limits.idle

    def _disk_use(self, now: float) -> int:
        """Bytes on the disk, measured anew when the last measuring was long enough ago."""
        if now >= self._disk_due:
            self._disk = self._meter.disk()
            ended = time.monotonic()
            self._disk_due = ended + max(_POLL, (ended - now) / _DISK_SHARE)
        return self._disk


class _ProcessMeter:
    """Measures a sandbox of this host by its outermost process and its directory."""

    def __init__(self, pid: int, limits: Limits, directory: Path) -> None:
        self._pid = pid
        self._most = limits.processes
        self._directory = directory
        self._memory = 0
        self._asking = threading.Thread()

    def usage(self) -> Usage | None:
        """From the sandbox's own /proc; see ``measure``."""
        return measure(self._pid, self._most)

    def disk(self) -> int:
        """What its directory takes on the disk."""
        return bytes_below(self._directory)

    def memory(self) -> int:
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
