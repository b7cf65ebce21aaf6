"""What machine an unpacked root is: its processor, its C library, its Pythons.

Nothing in it is run: a root can be looked at where its programs cannot run.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossbuild.catalog import Interpreter
from crossbuild.engine.images.within import found
from crossbuild.errors import IntegrityError, UsageError
from crossbuild.platforms import ARCHES, Arch
from crossbuild.wheels import elf, machines
from crossbuild.wheels.elf import ElfInfo

_PROGRAMS = ("bin/sh", "usr/bin/env", "bin/busybox", "usr/bin/python3")
_LIBRARIES = ("lib64", "lib", "usr/lib64", "usr/lib", "lib/*", "usr/lib/*")
_LIBC = "libc.so.6"
_BANNER = re.compile(
    rb"GNU C Library \([^)]*\) (?:stable|development) release version (\d+)\.(\d+)"
)
"""What glibc says of itself when it is run as a program (csu/version.c)."""
_FILE = re.compile(r"libc-(\d+)\.(\d+)\.so")
"""What ``libc.so.6`` led to before glibc 2.34."""
_LARGEST_LIBRARY = 32 << 20
_PLACES = (
    "opt/python/*/bin",
    "usr/local/bin",
    "usr/bin",
    "usr/local/*/bin",
    "opt/*/bin",
    "root/.pyenv/versions/*/bin",
    "home/*/.pyenv/versions/*/bin",
    "usr/libexec",
)
"""Where Pythons are, the first to be taken first: as PATH has it, then what people install."""
_NAME = re.compile(r"(?:platform-)?python3\.(\d{1,2})")
_OLDEST = 6
_OUT_OF = (
    "A tar of a machine's root is made there with "
    "`tar --one-file-system -C / -czf machine.tar.gz .`"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Machine:
    """What an image's name, arch, glibc and interpreters are read from."""

    arch: Arch
    glibc: tuple[int, int]
    interpreters: tuple[Interpreter, ...]


def inspect(root: Path, what: str) -> Machine:
    """Look at a root. Raises UsageError for one that no wheel could be tried in.

    That is: no program of a processor we know, no glibc, or no CPython from 3.6 on.
    """
    arch = architecture(root, what)
    version = glibc(root, arch)
    if version is None:
        raise UsageError(
            f"{what} has no glibc for {arch}, so no manylinux wheel can load there",
            remedy="Images with musl cannot be used.",
        )
    pythons = interpreters(root, arch)
    if not pythons:
        raise UsageError(
            f"{what} has no CPython 3.{_OLDEST} or newer in any usual place",
            remedy="Take an image of the machine after Python was installed on it.",
        )
    return Machine(arch=arch, glibc=version, interpreters=pythons)


def architecture(root: Path, what: str) -> Arch:
    """The processor that the root's shell is for. Raises UsageError where none can be told."""
    for name in (*_PROGRAMS, *(str(path.relative_to(root)) for path in _libcs(root))):
        info = _elf(root, name)
        for arch in ARCHES.values():
            if info is not None and machines.same(info, arch):
                return arch
    raise UsageError(
        f"{what} is not the root of a Linux machine: no {', '.join(_PROGRAMS[:2])} of a "
        "processor that crossbuild knows is in it",
        remedy=f"{_OUT_OF}.",
    )


def glibc(root: Path, arch: Arch) -> tuple[int, int] | None:
    """The version of the C library for a processor; None: there is none, or it is another."""
    for path in _libcs(root):
        if not _is_for(root, str(path.relative_to(root)), arch):
            continue
        if (said := _banner(path) or _FILE.fullmatch(path.name)) is not None:
            return int(said[1]), int(said[2])
    return None


def _banner(path: Path) -> re.Match[bytes] | None:
    with path.open("rb") as stream:
        return _BANNER.search(stream.read(_LARGEST_LIBRARY))


def interpreters(root: Path, arch: Arch) -> tuple[Interpreter, ...]:
    """One CPython for each version, the oldest first."""
    known: dict[int, Interpreter] = {}
    for path in _candidates(root):
        match = _NAME.fullmatch(path.name)
        minor = int(match[1]) if match else 0
        inside = found(root, str(path.relative_to(root)))
        if minor < _OLDEST or minor in known or inside is None:
            continue
        name = str(inside.relative_to(root))
        if _is_for(root, name, arch):
            flag = "m" if minor <= 7 else ""
            known[minor] = Interpreter(
                tag=f"cp3{minor}-cp3{minor}{flag}", version=(3, minor), path=f"/{name}"
            )
    return tuple(known[minor] for minor in sorted(known))


def _candidates(root: Path) -> Iterator[Path]:
    for place in _PLACES:
        for directory in _matching(root, place):
            yield from sorted(directory.glob("*python3.*"))


def _libcs(root: Path) -> Iterator[Path]:
    for place in _LIBRARIES:
        for directory in _matching(root, place):
            path = found(root, f"{directory.relative_to(root)}/{_LIBC}")
            if path is not None and path.is_file():
                yield path


def _matching(root: Path, place: str) -> Iterator[Path]:
    """The directories of a root that a pattern means, every link followed inside the root."""
    head, star, tail = place.partition("*")
    base = found(root, head)
    if base is None or not base.is_dir():
        return
    if not star:
        yield base
        return
    for path in sorted(base.iterdir()):
        yield from _matching(root, f"{path.relative_to(root)}{tail}")


def _is_for(root: Path, name: str, arch: Arch) -> bool:
    info = _elf(root, name)
    return info is not None and machines.same(info, arch)


def _elf(root: Path, name: str) -> ElfInfo | None:
    """The program or library that a name inside the root leads to, or None."""
    path = found(root, name)
    if path is None or not path.is_file():
        return None
    try:
        with path.open("rb") as stream:
            whole = stream.read(len(elf.MAGIC)) == elf.MAGIC
            return elf.read(stream, name) if whole else None
    except (OSError, IntegrityError):
        return None
