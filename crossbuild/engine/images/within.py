"""Paths inside a root file system, followed as if the root were ``/``.

The links of a foreign root must never lead to the host's own files; the kernel would follow
them there. A root in the making has no other writer, so looking before each step is safe.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path, PurePosixPath

_MOST_LINKS = 40
"""As in the kernel (path_resolution(7))."""


def resolved(root: Path, path: str) -> Path:
    """Where ``path`` leads inside ``root``, with every link on the way followed.

    What is not there is taken as it is written; ``..`` never leaves the root. Raises OSError
    (ELOOP, ENOTDIR).
    """
    left = list(reversed(PurePosixPath(path).parts))
    found: list[str] = []
    links = 0
    while left:
        part = left.pop()
        if part.startswith("/"):  # "//" too (POSIX, pathname resolution)
            found.clear()
        elif part == "..":
            del found[-1:]
        elif (target := _link(root.joinpath(*found, part))) is not None:
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
            left.extend(reversed(PurePosixPath(target).parts))
        else:
            found.append(part)
    return root.joinpath(*found)


def found(root: Path, path: str) -> Path | None:
    """What ``path`` leads to inside ``root``; None where that is nothing."""
    try:
        place = resolved(root, path)
        return place if os.path.lexists(place) else None
    except OSError:
        return None


def entry(root: Path, path: str) -> Path:
    """The entry itself that ``path`` names inside ``root``: a link at its end is not followed."""
    pure = PurePosixPath(path)
    return resolved(root, str(pure.parent)) / pure.name


def _link(path: Path) -> str | None:
    try:
        return str(path.readlink()) if stat.S_ISLNK(path.lstat().st_mode) else None
    except FileNotFoundError:
        return None
