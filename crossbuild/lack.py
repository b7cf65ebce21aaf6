"""What a build lacked of the system, and the packages that were added for it."""

from __future__ import annotations

import enum
from dataclasses import dataclass

RECIPE = "recipe"
"""The lack of what a recipe adds: nobody had to run into it."""


class Thing(enum.Enum):
    """What a build asks a system for."""

    HEADER = "header"
    MODULE = "pkg-config module"
    LIBRARY = "library"
    PROGRAM = "program"
    CMAKE = "CMake package"


_FORMS = {Thing.MODULE: "{}.pc", Thing.LIBRARY: "-l{}", Thing.CMAKE: "find_package({})"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Lack:
    """A header, pkg-config module, library, program or CMake package that was not there.

    ``name`` is what the build calls it: ``lber.h``, ``libpq``, ``snappy`` (of -lsnappy),
    ``pg_config``, ``ZLIB``.
    """

    thing: Thing
    name: str

    def __str__(self) -> str:
        if self.thing is Thing.LIBRARY and self.name.startswith("lib"):
            return self.name  # as people say it, not as a linker does
        return _FORMS.get(self.thing, "{}").format(self.name)


@dataclass(frozen=True, kw_only=True, slots=True)
class Lacks:
    """What a build said is not there: what ends a build, and what may have ended it."""

    ending: tuple[Lack, ...] = ()
    maybe: tuple[Lack, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Addition:
    """A package of the image's distribution, installed for a build; ``lack`` is why, in a word."""

    package: str
    lack: str

    def __str__(self) -> str:
        return f"{self.package} ({self.lack})"
