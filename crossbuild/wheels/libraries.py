"""Where the shared libraries that a wheel needs come from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from crossbuild import wording
from crossbuild.platforms import Arch
from crossbuild.target import Target
from crossbuild.wheels import machines, modules
from crossbuild.wheels.elf import ElfInfo
from crossbuild.wheels.findings import Finding, FindingKind
from crossbuild.wheels.promises import Promise
from crossbuild.wheels.wheel import WheelContents

_ORIGIN = re.compile(r"\$(?:ORIGIN|\{ORIGIN\})(?=/|$)")
_GRAFTED = re.compile(r"-[0-9a-f]{8}\.")
"""What auditwheel puts into the names of libraries that it copies into a wheel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """A library that ``member`` needs and neither its wheel nor the platform has.

    ``elsewhere`` are the places in ``site-packages``, outside the wheel's own directories,
    where the loader will look for it (DT_RUNPATH). ``hopeless``: no other wheel can bring it,
    as nothing points to one. ``optional``: other code of the wheel does without it, so its
    makers left it to the system on purpose, as numba does with libgomp.
    """

    member: str
    library: str
    elsewhere: tuple[str, ...]
    hopeless: bool
    optional: bool


def findings(
    contents: WheelContents, lacking: Iterable[Lack], target: Target
) -> tuple[Finding, ...]:
    """What is wrong, said of the wheel, once for each library; fatal unless optional."""
    groups: dict[tuple[str, bool, bool], list[str]] = {}
    for lack in lacking:
        key = (lack.library, lack.hopeless, lack.optional)
        groups.setdefault(key, []).append(lack.member)
    return tuple(
        Finding(
            file=contents.filename,
            kind=FindingKind.LIBRARY,
            text=f"{_needing(members)} {library}, which is not in "
            f"{'the wheel' if hopeless else 'any of the wheels'} "
            f"and not promised by {target.platform}",
            fatal=not optional,
        )
        for (library, hopeless, optional), members in groups.items()
    )


def _needing(members: Sequence[str]) -> str:
    """``a.so needs``, ``a.so and 16 more files need``: a bundled stack all needs the same."""
    if len(members) == 1:
        return f"{members[0]} needs"
    return f"{members[0]} and {wording.count(len(members) - 1, 'more file')} need"


def own(contents: WheelContents, arch: Arch) -> dict[str, ElfInfo]:
    """The ELF files that are for this processor."""
    return {name: info for name, info in contents.elves.items() if machines.same(info, arch)}


def provided(files: Mapping[str, ElfInfo]) -> frozenset[str]:
    """The libraries that these files are, by file name and by soname.

    By name alone: wheels also load their libraries by hand before they are needed.
    """
    names = {PurePosixPath(member).name for member in files}
    return frozenset(names | {info.soname for info in files.values() if info.soname})


def lacks(
    contents: WheelContents, arch: Arch, promise: Promise, brought: Collection[str] = ()
) -> Iterator[Lack]:
    """Every library that this processor's files need and neither wheel nor platform has.

    ``brought`` are the libraries that other wheels are known to bring. In a ``none-any`` wheel
    only extension modules count: its other libraries are for whoever has what they need.
    Raises as ``wheel.read`` does.
    """
    files = own(contents, arch)
    there = provided(files).union(brought)
    missing = {
        member: [name for name in info.needed if name not in there and not promise.offers(name)]
        for member, info in files.items()
    }
    lacking = {member for member, names in missing.items() if names}
    whole = _tops(files) - _broken(files, lacking)
    directories = _directories(contents)
    for member, names in missing.items():
        if not names or (contents.pure and not machines.is_module(contents.path, member)):
            continue
        elsewhere = tuple(_elsewhere(member, files[member], directories))
        for name in names:
            yield Lack(
                member=member,
                library=name,
                elsewhere=elsewhere,
                hopeless=not elsewhere and not contents.requires_dist,
                optional=bool(whole) and not _GRAFTED.search(name),
            )


def _tops(files: Mapping[str, ElfInfo]) -> set[str]:
    """The files that no other file of the wheel needs: what Python imports or runs."""
    needed = {name for info in files.values() for name in info.needed}
    return {member for member in files if needed.isdisjoint(provided({member: files[member]}))}


def _broken(files: Mapping[str, ElfInfo], lacking: Collection[str]) -> set[str]:
    """The files that lack something, and those that need them."""
    broken = set(lacking)
    while True:
        names = provided({member: files[member] for member in broken})
        more = {member for member in files if not names.isdisjoint(files[member].needed)}
        if more <= broken:
            return broken
        broken |= more


def _directories(contents: WheelContents) -> frozenset[str]:
    """The directories in ``site-packages`` that the wheel puts files into."""
    places = map(modules.installed, contents.members)
    return frozenset(str(place.parent) for place in places if place)


def _elsewhere(member: str, info: ElfInfo, directories: Collection[str]) -> Iterator[str]:
    """The places of the search path that are not among the wheel's own directories."""
    return (place for place in searched(member, info) if place not in directories)


def searched(member: str, info: ElfInfo) -> Iterator[str]:
    """The directories in ``site-packages`` that the search path of a wheel's file leads to."""
    home = modules.installed(member)
    if home is None:
        return
    for entry in info.search:
        if not _ORIGIN.match(entry):
            continue
        place = posixpath.normpath(_ORIGIN.sub(str(home.parent), entry, count=1))
        if not place.startswith(".."):
            yield place
