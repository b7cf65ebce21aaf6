"""Where packages go, who may write there, and how much room there is."""

import os
import sys


def places() -> "dict[str, str]":
    """The directories that packages go to, by the name of their scheme."""
    import sysconfig

    found = {name: sysconfig.get_path(name) for name in ("purelib", "platlib", "scripts", "data")}
    import site

    found["user"] = site.getusersitepackages()
    return found


def sites() -> "dict[str, object]":
    """What this Python looks at: ``user`` is false where it is told not to, None without site.

    ``managed``: a distribution keeps these packages itself (PEP 668), pip will not touch them.
    """
    import site
    import sysconfig

    standard = sysconfig.get_path("stdlib")
    return {
        "packages": site.getsitepackages() if hasattr(site, "getsitepackages") else [],
        "user": site.ENABLE_USER_SITE,
        "path": [path for path in sys.path if path],
        "managed": os.path.exists(os.path.join(standard, "EXTERNALLY-MANAGED")),
    }


def wanted(found: "dict[str, str] | None") -> "list[str]":
    """The directories that somebody may want to install to."""
    paths = set((found or {}).values()) | {os.getcwd(), os.path.expanduser("~"), "/tmp"}
    return sorted(filter(None, paths))


def nearest(path: str) -> str:
    """The directory itself, or the nearest one above it that exists."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def writable(found: "dict[str, str] | None") -> "dict[str, bool]":
    """Whether this user may write there."""
    return {path: os.access(nearest(path), os.W_OK) for path in wanted(found)}


def free(found: "dict[str, str] | None") -> "dict[str, int]":
    """The bytes that this user may still write there."""
    rooms = {path: os.statvfs(nearest(path)) for path in wanted(found)}
    return {path: room.f_bavail * room.f_frsize for path, room in rooms.items()}
