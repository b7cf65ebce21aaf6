"""Which C library this Python runs with."""

import os
import sys

from crossbuild.prober.answers import first
from crossbuild.prober.elf import Elf
from crossbuild.prober.programs import said

BANNER = b"stable release version "


def from_confstr() -> "str | None":
    name, version = (os.confstr("CS_GNU_LIBC_VERSION") or "none none").split()
    return version if name == "glibc" else None


def from_ctypes() -> "str | None":
    import ctypes

    ask = ctypes.CDLL(None).gnu_get_libc_version
    ask.restype = ctypes.c_char_p
    return str(ask().decode("ascii"))


def from_library() -> "str | None":
    """The banner inside the C library: of the one in use, else of one in a usual place."""
    usual = [f"/{top}/libc.so.6" for top in ("lib64", "lib")]
    for top in ("lib", "usr/lib"):
        if os.path.isdir("/" + top):
            usual += [f"/{top}/{name}/libc.so.6" for name in sorted(os.listdir("/" + top))]
    for path in mapped() + usual:
        if os.path.isfile(path):
            with open(path, "rb") as file:
                _, found, rest = file.read().partition(BANNER)
            if found:
                return rest[:16].split(b",")[0].split()[0].rstrip(b".").decode("ascii")
    return None


def mapped() -> "list[str]":
    """The C library that is in this process."""
    try:
        with open("/proc/self/maps") as lines:
            paths = [line.split(None, 5)[-1].strip() for line in lines]
    except OSError:
        return []
    return [path for path in paths if os.path.basename(path).startswith(("libc.so", "libc-2"))]


def from_platform() -> "str | None":
    """A lower bound: the newest symbol version that the interpreter uses."""
    import platform

    name, version = platform.libc_ver()
    return version if name == "glibc" else None


def from_loader(loader: str) -> "str | None":
    """musl says its version when its loader is run without a program (PEP 656)."""
    lines = [line.strip() for line in said(loader).splitlines() if line.strip()]
    if len(lines) > 1 and lines[0].startswith("musl") and lines[1].startswith("Version "):
        return lines[1].split()[1]
    return None


def libc() -> "dict[str, str]":
    """Which C library this Python runs with, its version, and who told."""
    loader = Elf().loader if os.path.exists(sys.executable or "/proc/self/exe") else None
    if loader and "musl" in loader:
        version, how = first(("loader", lambda: from_loader(loader)))
        return {"name": "musl", "version": version, "found_by": how}
    version, how = first(
        ("os.confstr", from_confstr),
        ("ctypes", from_ctypes),
        ("library", from_library),
        ("platform.libc_ver", from_platform),
    )
    return {"name": "glibc", "version": version, "found_by": how}
