"""Leads the files of a wheel to the wheel's own libraries, where their search paths do not.

CMake clears the search paths of what it installs, so that a module does not find the library
that is installed in a directory beside it; who built such a package for one machine had it
in the system, too, or loads it by hand before. The loader and auditwheel go by the search path
alone: it gets the library's directory, relative to the file's own (ld.so(8), $ORIGIN).
"""

from __future__ import annotations

import posixpath
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from crossbuild.platforms import Arch
from crossbuild.wheels import editing, libraries, modules
from crossbuild.wheels.wheel import WheelContents

_BESIDE = "$ORIGIN"


def reach(
    contents: WheelContents, arch: Arch, promised: Callable[[str], bool], scratch: Path
) -> Path:
    """The wheel whose files find its libraries: itself where they do, else one in ``scratch``.

    ``promised`` tells libraries that every machine has: these are left to it. RECORD is still the
    old one's. Raises ProcessError, HostError without patchelf.
    """
    more = dict(_more(contents, arch, promised))
    if not more:
        return contents.path
    made = scratch / "reaching" / contents.path.name
    made.parent.mkdir()
    with zipfile.ZipFile(contents.path) as archive:
        changed = {
            member: editing.searching(
                archive.read(member),
                member,
                (*contents.elves[member].search, *search),
                made.parent,
            )
            for member, search in more.items()
        }
    editing.edit(contents.path, made, changed, {})
    return made


def _more(
    contents: WheelContents, arch: Arch, promised: Callable[[str], bool]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """The files that do not find a library of the wheel, and where they have to look."""
    files = libraries.own(contents, arch)
    homes = _homes(files)
    for member, info in files.items():
        place = modules.installed(member)
        if place is None:
            continue
        known = set(libraries.searched(member, info))
        wanted = (homes[name] for name in info.needed if name in homes and not promised(name))
        unknown = [found for found in wanted if known.isdisjoint(found)]
        if unknown:
            yield member, tuple(dict.fromkeys(_nearest(place.parent, found) for found in unknown))


def _homes(files: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The directories in ``site-packages`` that files are in, by the files' names."""
    homes: dict[str, tuple[str, ...]] = {}
    for place in filter(None, map(modules.installed, files)):
        homes[place.name] = (*homes.get(place.name, ()), str(place.parent))
    return homes


def _nearest(here: PurePosixPath, homes: tuple[str, ...]) -> str:
    """The way to the nearest of some directories, as a search path says it."""
    ways = [posixpath.relpath(home, here) for home in homes]
    way = min(ways, key=lambda item: (len(PurePosixPath(item).parts), item))
    return _BESIDE if way == "." else f"{_BESIDE}/{way}"
