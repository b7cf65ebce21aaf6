"""A control group of its own for a command, where this process may make one (cgroups(7)).

That is: root, on a host with cgroup v2 alone. Everywhere else the watchdog does without.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

from crossbuild.engine.base import Limits
from crossbuild.engine.sandboxes.sandbox import THREADS_PER_PROCESS

MOUNT = Path("/sys/fs/cgroup")
_CONTROLLERS = {"memory", "pids"}


@contextlib.contextmanager
def limited(limits: Limits, mount: Path = MOUNT) -> Iterator[Path | None]:
    """Make a control group with the limits, removed on leaving; None where that cannot be."""
    group = mount / f"crossbuild-{secrets.token_hex(6)}"
    if not _usable(mount):
        yield None
        return
    try:
        group.mkdir()
        (group / "pids.max").write_text(str(limits.processes * THREADS_PER_PROCESS))
        (group / "memory.max").write_text(str(limits.memory))
        (group / "memory.oom.group").write_text("1")
    except OSError:
        with contextlib.suppress(OSError):
            group.rmdir()
        yield None
        return
    try:
        yield group
    finally:
        with contextlib.suppress(OSError):
            group.rmdir()


def ran_out_of_memory(group: Path | None) -> bool:
    """Whether the kernel ended the group for its memory."""
    if group is None:
        return False
    events = dict(line.split() for line in (group / "memory.events").read_text().splitlines())
    return events.get("oom_kill", "0") != "0"


def _usable(mount: Path) -> bool:
    try:
        enabled = set((mount / "cgroup.subtree_control").read_text(encoding="ascii").split())
    except OSError:
        return False
    return enabled >= _CONTROLLERS and os.access(mount, os.W_OK)
