"""Which package of a Debian suite has what a build lacks: chosen from its Contents index.

A line of the index is a path without its first slash, blanks, and the packages that have the
file, each behind its section and parted by commas (Debian wiki, RepositoryFormat).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from crossbuild.lack import Lack, Thing
from crossbuild.platforms import Arch

WORTH_KEEPING = (
    "^(usr/)?(include/|s?bin/|lib/([^/ ]+/){0,3}lib[^/ ]*[.](so|a) |"
    "(lib|share)/([^/ ]+/)?pkgconfig/[^/ ]+[.]pc |(lib|share)/.*[Cc]onfig[.]cmake )"
)
"""An extended regular expression (grep(1)) of the lines that can ever be an answer."""

_NEVER = re.compile(
    r"-cross$|-mingw|-dbg$|^(lib32|lib64|libn32|libx32)|^python\d?-|^pypy|^postgresql-com"
)
_SECOND_CHOICE = re.compile(r"-(gnutls|nss|mpi|mpich|openmpi|static|compat-dev\d)\b|-mpi")
"""Flavours beside a plain one: OpenSSL is in every root, MPI in none."""


def owner(index: str, lack: Lack, arch: Arch, *, present: Iterable[str] = ()) -> str | None:
    """The package to install for a lack, or None where the suite has none.

    ``index`` are lines of the Contents index, each behind a line break. ``present`` packages are
    installed already: what they have cannot be what is missing. The best place counts first,
    then the kind of package.
    """
    there = frozenset(present)
    for place in _places(lack, arch):
        # Beginning with a literal, for which re looks fast through 30 MB.
        matches = re.finditer(rf"\n{place}[ \t]+(\S+)", index)
        packages = {package for match in matches for package in _packages(match[1])}
        found = {package for package in packages if not _NEVER.search(package)}
        if found:
            return None if found & there else min(found, key=_rank)
    return None


def _packages(field: str) -> Iterator[str]:
    return (item.rpartition("/")[2] for item in field.split(","))


def _rank(package: str) -> tuple[bool, bool, bool, int, str]:
    """The most plausible one is the smallest: for development, no flavour, a short name."""
    second = _SECOND_CHOICE.search(package) is not None
    develops = package.endswith("-dev")
    return not develops, second, not package.startswith("lib"), len(package), package


def _places(lack: Lack, arch: Arch) -> Iterator[str]:
    """Where the thing would be, as regular expressions, the best first."""
    name = re.escape(lack.name)
    if lack.thing is Thing.HEADER:
        yield rf"usr/include/{name}"
        yield rf"usr/include/{arch.triplet}/{name}"
        yield rf"usr/include/(?!python|c\+\+)[^/\s]+/{name}"
        yield rf"usr/include/(?!python|c\+\+)[^/\s]+/[^/\s]+/{name}"
    elif lack.thing is Thing.MODULE:
        yield _module(name, arch)
    elif lack.thing is Thing.PROGRAM:
        yield rf"(?:usr/)?s?bin/{name}"
    elif lack.thing is Thing.LIBRARY:
        # setup.py scripts, in their own words, say libxml2 where a linker says -lxml2.
        yield from _library(re.escape(lack.name.removeprefix("lib")), arch)
    else:
        low = re.escape(lack.name.lower())
        yield rf"usr/(?:lib|share)/\S+/(?:{name}Config|{low}-config)\.cmake"
        yield _module(rf"(?:lib)?(?:{name}|{low})", arch)
        yield from _library(low, arch)
        yield rf"usr/bin/(?:{name}|{low})"


def _module(name: str, arch: Arch) -> str:
    return rf"usr/(?:lib/{arch.triplet}|lib|share)/pkgconfig/{name}\.pc"


def _library(name: str, arch: Arch) -> Iterator[str]:
    for suffix in ("so", "a"):
        yield rf"usr/lib/(?:{arch.triplet}/)?lib{name}\.{suffix}"
    yield rf"usr/lib/{arch.triplet}/(?:[^/\s]+/){{1,2}}lib{name}\.so"
    yield _module(rf"(?:lib)?{name}", arch)
