"""Whose a container or volume is: labels that outlive the run, and how a dead run is told.

A run is a process: its number, when it started, and the host that counts so. That host is one
boot of one kernel with one list of processes: a container has its own.
"""

from __future__ import annotations

import functools
import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

KEEP = "crossbuild.keep"
"""On what is kept for later runs: images, filled volumes."""

RUN = "crossbuild.run"
"""On what ends with its run; the value is ``Run``'s text."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """A run of crossbuild, alive or dead."""

    host: str
    pid: int
    started: str

    def __str__(self) -> str:
        return f"{self.host}:{self.pid}:{self.started}"

    @classmethod
    def parse(cls, text: str) -> Run | None:
        """Read what ``str`` wrote, or None."""
        host, pid, started = [*text.split(":"), "", ""][:3]
        return cls(host=host, pid=int(pid), started=started) if pid.isdigit() else None

    @property
    def here(self) -> bool:
        """Whether this process could see it, if it lived."""
        return self.host == _host()

    @property
    def alive(self) -> bool:
        """Whether its process is still there; only for one that is ``here``."""
        return bool(self.started) and _started(self.pid) == self.started


@functools.cache
def this_run() -> Run:
    """The run that this process is."""
    return Run(host=_host(), pid=os.getpid(), started=_started(os.getpid()))


def owned() -> Mapping[str, str]:
    """The labels of what ends with this run."""
    return {RUN: str(this_run())}


@functools.cache
def _host() -> str:
    facts = [_text(Path("/proc/sys/kernel/random/boot_id")).strip() or os.uname().nodename]
    try:
        facts.append(os.readlink("/proc/self/ns/pid"))  # noqa: PTH115 - not a path
    except OSError:
        facts.append("")
    return hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]


def _started(pid: int) -> str:
    """When a process began, in ticks since boot (proc(5), field 22); empty: there is none."""
    fields = _text(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()
    return fields[19] if len(fields) > 19 and fields[0] not in {"Z", "X"} else ""


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
