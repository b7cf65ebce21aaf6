"""Where the shared libraries that a wheel needs come from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from crossbuild import machines, modules
from crossbuild.elf import ElfInfo
from crossbuild.platforms import Arch
from crossbuild.promises import Promise
from crossbuild.wheel import WheelContents

_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?=/|$)")
_GRAFTED = re.compile(r"-[0-9a-f]{8}\.")
"""What auditwheel puts into the names of libraries that it copies into a wheel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """A library that ``member`` needs and neither its wheel nor the platform has.

    ``elsewhere`` are the places in ``site-packages`` where the loader will look for it and
    which other wheels may fill (DT_RUNPATH). ``optional``: other code of the wheel does without
    it, so its makers left it to the system on purpose, as numba does with libgomp.
    """

    member: str
    library: str
    elsewhere: tuple[str, ...]
    optional: bool


def own(contents: WheelContents, arch: Arch) -> dict[str, ElfInfo]:
    """The ELF files that are for this processor."""
    return {name: info for name, info in contents.elves.items() if machines.same(info, arch)}


def provided(files: Mapping[str, ElfInfo]) -> frozenset[str]:
    """The libraries that these files are, by file name and by soname.

    By name alone: wheels also load their libraries by hand before they are needed.
    """
    names = {PurePosixPath(member).name for member in files}
    return frozenset(names | {info.soname for info in files.values() if info.soname})


def lacks(contents: WheelContents, arch: Arch, promise: Promise) -> Iterator[Lack]:
    """Every library that this processor's files need and neither wheel nor platform has.

    In a ``none-any`` wheel only extension modules count: its other libraries are for whoever
    has what they need. Raises as ``wheel.read`` does.
    """
    files = own(contents, arch)
    inside = provided(files)
    missing = {
        member: [name for name in info.needed if name not in inside and not promise.offers(name)]
        for member, info in files.items()
    }
    whole = files.keys() - _broken(files, {member for member, names in missing.items() if names})
    for member, names in missing.items():
        if names and contents.pure and not machines.is_module(contents.path, member):
            continue
        for name in names:
            yield Lack(
                member=member,
                library=name,
                elsewhere=tuple(_elsewhere(contents, member, files[member])),
                optional=bool(whole) and not _GRAFTED.search(name),
            )


def _broken(files: Mapping[str, ElfInfo], lacking: Collection[str]) -> set[str]:
    """The files that lack something, and those that need them."""
    broken = set(lacking)
    while True:
        names = provided({member: files[member] for member in broken})
        more = {member for member in files if not names.isdisjoint(files[member].needed)}
        if more <= broken:
            return broken
        broken |= more


def _elsewhere(contents: WheelContents, member: str, info: ElfInfo) -> Iterator[str]:
    """The directories of the search path that the wheel itself does not have."""
    home = modules.installed(member)
    if home is None:
        return
    places = map(modules.installed, contents.members)
    inside = {str(place.parent) for place in places if place}
    for entry in info.search:
        if not _ORIGIN.match(entry):
            continue
        directory = posixpath.normpath(_ORIGIN.sub(str(home.parent), entry, count=1))
        if directory not in inside and not directory.startswith(".."):
            yield directory
