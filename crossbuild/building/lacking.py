"""What of the system a build lacked, read from what it printed.

Each row of the tables is a sentence that some compiler, linker, build tool or ``setup.py``
says. A lack that ends a build is told apart from one that a configuration check got over;
that something of that name exists at all, the index of packages decides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from crossbuild.lack import Lack, Lacks, Thing

_NOISE = re.compile(
    r"conftest|_configtest|CMakeScratch|CMakeTmp|TryCompile|meson-private|config\.log"
)
_LONGEST = 1000
_KEPT = 50

_WORD = r"(?P<name>[A-Za-z0-9][\w.+-]*)"
_QUOTED = rf"[`'\"\u2018\u201c]?{_WORD}[`'\"\u2019\u201d]?"
_HEADER = r"(?P<name>[A-Za-z0-9][\w./+-]*\.(?:h|hh|hpp|hxx))"
_LIBRARY = r"\b(?P<name>lib(?!rar(?:y|ies)\b|s\b)[a-z][\w+-]*)\b"
_CANNOT = (
    r"(?:could not|cannot|can not|can't|couldn't|unable to|failed to) "
    r"(?:find|locate|run|execute|invoke)"
)
_GONE = r"(?:not found|could not be found|was not found|is missing|not available|not installed)"


class _Row(NamedTuple):
    thing: Thing
    sentence: re.Pattern[str]


def _rows(*rows: tuple[Thing, str]) -> tuple[_Row, ...]:
    return tuple(_Row(thing, re.compile(sentence)) for thing, sentence in rows)


_ENDING = _rows(
    # clang, gcc
    (Thing.HEADER, r"error: '(?P<name>[\w./+-]+)' file not found"),
    (Thing.HEADER, r"error: (?P<name>[\w./+-]+): No such file or directory"),
    # LLD, GNU ld, zig
    (Thing.LIBRARY, r"unable to find library -l(?P<name>[\w.+-]+)"),
    (Thing.LIBRARY, r"cannot find -l(?P<name>[\w.+-]+)"),
    (Thing.LIBRARY, r"unable to find (?:dynamic|static) system library '(?P<name>[\w.+-]+)'"),
    # ld.so(8), by ctypes
    (Thing.LIBRARY, r"(?:^|[\s'])lib(?P<name>[\w+-]+)\.so[.\d]*: cannot open shared object file"),
    # CMake: what it only looks for is behind two dashes
    (Thing.CMAKE, r"^\s+Could NOT find (?P<name>\w+)"),
    (Thing.CMAKE, r"package configuration file provided by \"(?P<name>\w+)\""),
    (Thing.PROGRAM, r"No CMAKE_(?P<name>Fortran)_COMPILER could be found"),
    # meson
    (Thing.MODULE, rf"ERROR: Dependency {_QUOTED} not found"),
    (Thing.MODULE, rf"ERROR: Dependency lookup for {_WORD} with method"),
    (Thing.PROGRAM, rf"ERROR: Program {_QUOTED} not found"),
    (Thing.PROGRAM, r"ERROR: Unknown compiler\(s\): \[\['(?P<name>gfortran)'\]"),
    # distutils and setuptools, then make
    (Thing.PROGRAM, rf"error: command {_QUOTED} failed: No such file or directory"),
    (Thing.PROGRAM, rf"unable to execute {_QUOTED}: No such file"),
    # numpy.distutils
    (Thing.PROGRAM, r"error: .*\b(?P<name>Fortran) sources but no Fortran compiler found"),
    (Thing.PROGRAM, r"CompilerNotFound: (?P<name>gnu95)\b"),
    (
        Thing.PROGRAM,
        rf"^make(?:\[\d+\])?: {_WORD}: (?:No such file or directory|Command not found)",
    ),
    # pkgconfig on PyPI
    (Thing.MODULE, rf"PackageNotFoundError: {_WORD} not found"),
    # Pillow
    (Thing.LIBRARY, r"could not be found for (?P<name>\w+),"),
)
_MAYBE = _rows(
    # pkg-config, pkgconf
    (Thing.MODULE, rf"No package {_QUOTED} found"),
    (Thing.MODULE, rf"Package {_QUOTED} was not found in the pkg-config search path"),
    (Thing.MODULE, rf"Package {_QUOTED}, required by .* not found"),
    (Thing.MODULE, rf"pkg-config (?:--[\w=-]+ )+{_WORD}['\"]?(?:$|[\s,].*non-zero)"),
    # the shells, and Python itself
    (Thing.PROGRAM, rf"sh: (?:line )?(?:\d+: )?{_WORD}: (?:command )?not found"),
    (Thing.PROGRAM, rf"\[Errno 2\] No such file or directory: '{_WORD}'"),
    # CMake, of the program that its generator makes files for; another may be tried then
    (
        Thing.PROGRAM,
        r"unable to find a build program corresponding to \"(?P<name>Ninja|Unix Makefiles)\b",
    ),
    # numpy.distutils, which goes on without
    (Thing.PROGRAM, r"Could not locate executable (?P<name>gfortran)$"),
    # setup.py scripts in their own words
    (Thing.PROGRAM, rf"(?P<name>\b\w[\w.+-]*[-_]config)\b['\"`]?(?: \w+)? {_GONE}"),
    (Thing.PROGRAM, rf"(?i:{_CANNOT}) (?:the )?['\"`]?(?P<name>\w[\w.+-]*[-_]config)\b"),
    (Thing.HEADER, rf"(?:^|[\s<'\"]){_HEADER}\b.*{_GONE}"),
    (Thing.HEADER, rf"(?i:{_CANNOT}) .*?[\s<'\"]{_HEADER}\b"),
    (Thing.LIBRARY, rf"{_LIBRARY}(?=.*(?:{_GONE}|(?:is|are) (?:required|needed|installed)))"),
    (Thing.LIBRARY, rf"(?i:{_CANNOT}) .*?{_LIBRARY}"),
)
_PROGRAMS = {
    "Fortran": "gfortran",
    "gnu95": "gfortran",
    "Ninja": "ninja",
    "Unix Makefiles": "make",
}
"""What some call a compiler or a generator, and its program."""
_OTHERS = frozenset(
    {
        *("cargo", "rustc", "rustup"),  # come another way, or not at all
        *("git", "hg", "svn", "bzr"),  # would find no repository in an sdist
        *("python", "python3", "pip", "pip3", "gcc", "cc", "g++", "c++", "clang", "ld", "sudo"),
        *("apt", "apt-get", "brew", "yum", "dnf", "conda", "docker"),
        *("Python.h", "Python", "python3", "PythonInterp", "PythonLibs", "Python3"),
    }
)
"""Names that no package of a distribution would help with."""


class Listener:
    """Listens to a build's lines and keeps what they say is not there."""

    def __init__(self) -> None:
        self._ending: dict[Lack, None] = {}
        self._maybe: dict[Lack, None] = {}

    def hear(self, line: str) -> None:
        """Take one line."""
        if len(line) > _LONGEST or _NOISE.search(line):
            return
        for rows, kept in ((_ENDING, self._ending), (_MAYBE, self._maybe)):
            if len(kept) < _KEPT:
                kept.update(dict.fromkeys(_said(line, rows)))

    @property
    def lacks(self) -> Lacks:
        """What was not there, in the order in which it was said."""
        maybe = [lack for lack in self._maybe if lack not in self._ending]
        return Lacks(ending=tuple(self._ending), maybe=tuple(maybe))


def _said(line: str, rows: tuple[_Row, ...]) -> Iterator[Lack]:
    for thing, sentence in rows:
        for match in sentence.finditer(line):
            name = match["name"].rstrip(".")
            name = _PROGRAMS.get(name, name)
            if name not in _OTHERS and ".." not in name.split("/"):
                yield Lack(thing=thing, name=name)
