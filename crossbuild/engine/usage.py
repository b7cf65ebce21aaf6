"""What a sandbox uses now, read from its own /proc, which lists its processes and no others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICK = 1.0 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """``cpu`` in seconds, of the living and of the dead they waited for; ``memory`` in bytes.

    ``memory`` counts pages that a fork still shares once for each process: it is never too
    low; ``exact_memory`` is slower and right.
    """

    processes: int
    cpu: float
    memory: int


def measure(pid: int, most: int) -> Usage | None:
    """The use of the sandbox whose outermost process is ``pid``; None before it is set up.

    Beyond ``most`` processes only their number is taken: there is no time to lose.
    """
    with _processes(pid) as (directory, names):
        if directory is None:
            return None
        if len(names) > most:
            return Usage(processes=len(names), cpu=0.0, memory=0)
        cpu = memory = 0
        for name in names:
            cpu += sum(map(int, _read(directory, name, "stat").rpartition(")")[2].split()[11:15]))
            resident, shared = _read(directory, name, "statm").split()[1:3] or (0, 0)
            memory += int(resident) - int(shared)
        return Usage(processes=len(names), cpu=cpu * _TICK, memory=memory * _PAGE)


def exact_memory(pid: int) -> int:
    """The bytes of memory a sandbox uses, shared pages divided among their users."""
    total = 0
    with _processes(pid) as (directory, names):
        for name in names if directory is not None else ():
            for line in _read(directory, name, "smaps_rollup").splitlines():
                if line.startswith(("Pss_Anon:", "Pss_Shmem:")):
                    total += int(line.split()[1]) << 10
    return total


@contextlib.contextmanager
def _processes(pid: int) -> Iterator[tuple[int | None, list[str]]]:
    """The sandbox's own /proc, open, and the numbers of its processes."""
    path = f"/proc/{pid}/root/proc"
    try:
        directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        yield None, []
        return
    try:
        # Until the sandbox has mounted its own, this is the host's, with everybody in it.
        if os.fstat(directory).st_dev == Path("/proc").stat().st_dev:
            yield None, []
        else:
            yield directory, [name for name in os.listdir(directory) if name.isdigit()]  # noqa: PTH208
    finally:
        os.close(directory)


def _read(directory: int | None, process: str, name: str) -> str:
    """A file of a process, empty when the process has just ended."""
    try:
        descriptor = os.open(f"{process}/{name}", os.O_RDONLY | os.O_CLOEXEC, dir_fd=directory)
    except OSError:
        return ""
    with os.fdopen(descriptor, encoding="utf-8", errors="replace") as stream:
        try:
            return stream.read()
        except OSError:
            return ""
