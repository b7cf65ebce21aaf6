"""What a container uses, asked of its daemon on the side: the answers take up to a second."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType

from crossbuild.engine.base import Limits
from crossbuild.engine.containers.container import Container, largest_number_of_tasks
from crossbuild.engine.usage import Usage
from crossbuild.errors import CrossbuildError

_PAUSE = 0.2
_SECOND = 1e9
_FULL = 0.8
_DISK_SHARE = 0.05
_DISK_OFTEN = 1.0
_DISK_SELDOM = 15.0
"""Seconds between two measurings of the files at most: what is written between is not seen."""


class ContainerMeter:
    """Measures a container as long as it is open; see ``watchdog.Meter``.

    The kernel counts threads, of which QEMU adds one to each process, so processes are listed
    only where there are many. Memory is the kernel's to limit, whose word comes afterwards.
    """

    def __init__(self, container: Container, limits: Limits) -> None:
        self._container = container
        self._limits = limits
        self._fresh: Usage | None = None
        self._disk = 0
        self._disk_at = time.monotonic()
        self._closing = threading.Event()
        self._threads = [
            threading.Thread(target=self._repeat, args=(ask, first), daemon=True)
            for ask, first in ((self._measure, _PAUSE), (self._measure_disk, _DISK_OFTEN))
        ]

    def __enter__(self) -> ContainerMeter:  # noqa: PYI034 - Self is not in Python 3.10
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._closing.set()

    def usage(self) -> Usage | None:
        """What was measured since the last call, or None."""
        found, self._fresh = self._fresh, None
        return found

    def memory(self) -> int:
        """Never asked for: ``usage`` says no memory."""
        return 0

    def disk(self) -> int:
        """The bytes that were last found in its files."""
        return self._disk

    def _repeat(self, ask: Callable[[], float], pause: float) -> None:
        """Ask again and again; what cannot be measured now may be a moment later."""
        while not self._closing.wait(pause):
            try:
                pause = ask()
            except (CrossbuildError, KeyError, TypeError, ValueError):
                pause = _DISK_OFTEN

    def _measure(self) -> float:
        found = self._container.sample()
        self._fresh = Usage(
            processes=self._processes(int(found["pids_stats"].get("current") or 0)),
            cpu=int(found["cpu_stats"]["cpu_usage"]["total_usage"]) / _SECOND,
            memory=0,
        )
        return _PAUSE

    def _processes(self, tasks: int) -> int:
        """How many processes so many tasks are, where that matters.

        The list has no dead ones that nobody waits for; a bomb can be made of them alone.
        """
        if tasks > largest_number_of_tasks(self._limits) * _FULL:
            return tasks
        return self._container.processes() - 1 if tasks > self._limits.processes else 0

    def _measure_disk(self) -> float:
        """Measure the files; return when to do it again: sooner, the faster they grow."""
        began = time.monotonic()
        written = self._container.written()
        ended = time.monotonic()
        growth = (written - self._disk) / (ended - self._disk_at)
        self._disk, self._disk_at = written, ended
        left = max(0, self._limits.disk - written)
        full = left / growth if growth > 0 else _DISK_SELDOM
        return min(max(_DISK_OFTEN, min((ended - began) / _DISK_SHARE, full / 2)), _DISK_SELDOM)
