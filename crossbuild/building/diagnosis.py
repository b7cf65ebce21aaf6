"""What went wrong in a build, in one line, out of thousands that were printed.

Configuration checks print errors that mean nothing, and what ends a build is often only
``command 'gcc' failed``: the line that tells is the first one a compiler, linker or build tool
complained with.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_NOISE = re.compile(
    r"conftest|_configtest|CMakeScratch|CMakeTmp|TryCompile|meson-private|config\.log|warning:"
)
"""Lines of checks that are expected to fail, and of compilers that only warn."""

_STRONGEST_FIRST = (
    re.compile(r"^[^\s:][^:]*:\d+:(\d+:)? (fatal )?error: "),
    re.compile(
        r"undefined (reference|symbol)|cannot find -l|unable to find .*library|\bld\S*: error: "
    ),
    re.compile(r"^\S+\.(pyx|pxd|pxi):\d+:\d+: "),
    re.compile(
        r"^CMake Error(?!: CMake was unable to find a build program)"
        r"|meson\.build:\d+:\d+: ERROR|^ERROR: |^make.*\*\*\* "
    ),
    re.compile(r"^(\S+: )?(fatal )?error: (?!command|subprocess)|^\S*(Error|Exception): "),
    re.compile(  # what is only asked, and CMake's generators, which are tried one after the other
        r"^Package \S+ was not found in the pkg-config search path|^CMake Error: "
        r"|^\S*sh: (line )?\d+: \S+: (command )?not found"
    ),
)

_PHASES = ("compiling", "linking", "cythonizing", "configuring")
"""What goes on when complaints of the strongest kinds come."""

_MESSENGERS = frozenset(
    {
        *("SystemExit", "CalledProcessError", "CompileError", "LinkError", "ExecError"),
        *("DistutilsExecError", "PlatformError", "DistutilsPlatformError", "BuildFailed"),
        *("FailedLiveProcessError", "CMakeFailed", "RuntimeError", "Exception"),
    }
)
"""Exceptions that only pass on that some program failed."""

_CONTROL = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
)
"""Colours (ECMA-48), and whatever else a stranger's output would do to a terminal."""

_OPENING = re.compile(r"^CMake Error at \S+ \(\w+\):$")
"""A line whose reason is in the indented ones after it, up to an empty one (cmake(1), message)."""

_TRACEBACK = "Traceback (most recent call last):"
_KEPT = 200
_LONGEST = 300


class Witness:
    """Listens to a build's lines and keeps those that may tell what went wrong."""

    def __init__(self) -> None:
        self._lines: list[list[str]] = [[] for _ in _STRONGEST_FIRST]
        self._open: list[str] | None = None

    def hear(self, line: str) -> None:
        """Take one line."""
        line = _CONTROL.sub("", line)
        if self._continues(line) or _NOISE.search(line):
            return
        for pattern, kept in zip(_STRONGEST_FIRST, self._lines, strict=True):
            if pattern.search(line):
                if len(kept) < _KEPT:
                    kept.append(line.strip()[:_LONGEST])
                    self._open = kept if _OPENING.match(line.rstrip()) else None
                return

    def _continues(self, line: str) -> bool:
        """Whether a line belongs to the complaint before it, which then gets it."""
        if self._open is None:
            return False
        if not line.startswith("  ") or not line.strip():
            self._open = None
            return False
        self._open[-1] = f"{self._open[-1]} {line.strip()}"[:_LONGEST]
        return True

    @property
    def phase(self) -> str | None:
        """What was going on when something complained first, None where nothing did."""
        kinds = zip(_PHASES, self._lines, strict=False)
        return next((name for name, kept in kinds if kept), None)

    @property
    def compiled(self) -> bool:
        """Whether a compiler or a linker is what complained."""
        return any(self._lines[:2])

    @property
    def first(self) -> str | None:
        """The first line of the strongest kind, or None."""
        return next((kept[0] for kept in self._lines if kept), None)


def reason(error: Mapping[str, object] | None, witness: Witness, output: str) -> str:
    """The one line that tells: ``error`` is the hook runner's, ``output`` the build's end."""
    last = "".join(tail(output, lines=1))
    if error is None:
        return witness.first or last or "it printed nothing"
    said = _CONTROL.sub("", " ".join(str(error["message"]).split()))[:_LONGEST]
    name = str(error["type"])
    if name in _MESSENGERS:
        if said.isdecimal():  # `sys.exit(1)`: what it said, it said before.
            said = "".join(tail(output.rpartition(_TRACEBACK)[0], lines=1))
        return witness.first or said or last or name
    return f"{name}: {said}" if said else name


def tail(output: str, lines: int = 15) -> tuple[str, ...]:
    """The last lines that were printed, empty ones left out."""
    printed = [_CONTROL.sub("", line).rstrip()[:_LONGEST] for line in output.splitlines()]
    return tuple([line for line in printed if line][-lines:])
