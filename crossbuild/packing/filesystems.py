"""What kind of file system a directory is on (proc_pid_mountinfo(5))."""

from __future__ import annotations

import os
from pathlib import Path

_FAT = frozenset({"vfat", "msdos"})


def is_fat(directory: Path, mounts: Path = Path("/proc/self/mountinfo")) -> bool:
    """Whether files in a directory may have 4 GiB less one byte at most, as far as is known.

    The nearest directory above that exists is looked at, for the output need not exist yet.
    """
    while not directory.exists():
        directory = directory.parent
    device = directory.stat().st_dev
    wanted = f"{os.major(device)}:{os.minor(device)}"
    try:
        rows = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    return any(row.split(" - ")[1].split()[0] in _FAT for row in rows if row.split()[2] == wanted)
