"""The machine a wheelhouse is for: what it accepts, in order, and how it answers markers.

Nothing here asks the host what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import chain
from types import MappingProxyType
from typing import Any

from packaging.markers import Marker
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, compatible_tags, cpython_tags, parse_tag

from crossbuild import mismatch, platforms
from crossbuild.errors import UsageError
from crossbuild.model import Refusal
from crossbuild.platforms import ARCHES, Arch, Family, Floor, dotted

__all__ = ["ARCHES", "Arch", "Family", "Reported", "Target"]

OLDEST_PYTHON = (3, 7)
UNKNOWABLE = ("platform_release", "platform_version")
"""The PEP 508 variables that name the running kernel: nobody knows them before it runs."""

_MOST_PATCHES = 40
"""No Python 3 had as many patch releases."""
_PYTHON = re.compile(r"([23])\.(0|[1-9]\d?)(?:\.(0|[1-9]\d?))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reported:
    """What an interpreter told of itself: it stands above what follows from its platform.

    ``tags`` are in its order; ``markers`` are all the PEP 508 variables, as pairs. ``missing``
    are modules of the standard library that it lacks, ``index`` the package index that it
    reaches, None: none that is known of. ``executable`` is where it lies, ``pip`` whether it has
    that; None: it did not tell.
    """

    tags: tuple[Tag, ...]
    markers: tuple[tuple[str, str], ...]
    missing: tuple[str, ...] = field(default=(), compare=False)
    index: str | None = field(default=None, compare=False)
    executable: str | None = field(default=None, compare=False)
    pip: bool | None = field(default=None, compare=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A platform tag and a CPython: what the offline machine is.

    ``platform`` is the tag as typed; two names of one floor are equal targets. ``name`` is what
    the user called it where that is no tag: a distribution, or the file of a probe. ``floor`` is
    the C library's version, None for ``linux_ARCH``, which promises none. ``patch`` is None
    when the user gave only X.Y. ``reported`` is there for a target that was probed.
    """

    platform: str = field(compare=False)
    name: str = field(default="", compare=False)
    family: Family
    arch: Arch
    floor: Floor | None
    python: tuple[int, int]
    patch: int | None = None
    reported: Reported | None = None

    @classmethod
    def parse(cls, platform: str, python: str) -> Target:
        """Read a platform tag and a Python version, ``3.11`` or ``3.11.4``.

        Raises UsageError that names the nearest platform and lists the forms.
        """
        family, arch, floor = platforms.parse(platform)
        release, patch = _parse_python(python)
        return cls(
            platform=platform, family=family, arch=arch, floor=floor, python=release, patch=patch
        )

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Target:
        """Make a target again from what ``to_json`` gave.

        Raises UsageError for a platform or a Python that does not exist, KeyError, TypeError or
        ValueError for a document of another kind.
        """
        target = cls.parse(document["platform"], document["python"])
        told = document.get("reported")
        reported = told and Reported(
            tags=tuple(chain.from_iterable(map(parse_tag, told["tags"]))),
            markers=tuple(sorted(told["markers"].items())),
            missing=tuple(told.get("missing", ())),
            index=told.get("index"),
            executable=told.get("executable"),
            pip=told.get("pip"),
        )
        return replace(target, name=document.get("name") or "", reported=reported)

    def __str__(self) -> str:
        shown = f"{self.name} ({self.platform})" if self.name else self.platform
        return f"{shown}, CPython {self.python_given}"

    @property
    def python_version(self) -> str:
        """``3.11``."""
        return dotted(self.python)

    @property
    def python_full_version(self) -> str:
        """``3.11.4``, what markers are told; without a patch ``3.11.0``, as uv takes it."""
        return f"{self.python_version}.{self.patch or 0}"

    @property
    def python_given(self) -> str:
        """The Python as the user gave it, ``3.11`` or ``3.11.4``."""
        return self.python_version if self.patch is None else self.python_full_version

    @property
    def interpreter(self) -> str:
        """The interpreter's tag, ``cp311``."""
        return f"cp{self.python[0]}{self.python[1]}"

    @property
    def abi(self) -> str:
        """The ABI tag of an ordinary build: ``cp311``; ``cp37m`` up to Python 3.7."""
        return self.interpreter + ("m" if self.python < (3, 8) else "")

    @property
    def platform_tags(self) -> tuple[str, ...]:
        """The platform tags the target accepts, best first."""
        if self.reported:
            told = dict.fromkeys(tag.platform for tag in self.reported.tags)
            return tuple(name for name in told if name != "any")
        return tuple(platforms.tags(self.family, self.arch, self.floor))

    @property
    def tags(self) -> tuple[Tag, ...]:
        """What ``packaging.tags.sys_tags()`` yields inside the target, in its order."""
        return tuple(_ranks(self))

    @property
    def repair_platforms(self) -> tuple[str, ...]:
        """The platform tags of a wheel built for exactly this floor, the PEP 600 name first."""
        return platforms.names(self.family, self.arch, self.floor)

    @property
    def markers(self) -> Mapping[str, str]:
        """The PEP 508 variables: the two that name the kernel only of a target that was probed."""
        if self.reported:
            return MappingProxyType(dict(self.reported.markers))
        return MappingProxyType(
            {
                "implementation_name": "cpython",
                "implementation_version": self.python_full_version,
                "os_name": "posix",
                "platform_machine": self.arch.name,
                "platform_python_implementation": "CPython",
                "platform_system": "Linux",
                "python_full_version": self.python_full_version,
                "python_version": self.python_version,
                "sys_platform": "linux",
            }
        )

    def evaluate(self, requirement: Requirement, extras: frozenset[str] = frozenset()) -> bool:
        """Whether the requirement applies on the target, with these extras of its parent.

        Raises UsageError when the answer hangs on ``platform_release`` or
        ``platform_version``, which only the running target knows, and this one told nothing.
        """
        marker = requirement.marker
        if marker is None:
            return True
        least, most = (marker, marker) if self.reported else _bounds(marker)
        environments = [{**self.markers, "extra": extra} for extra in extras or {""}]
        answers = {any(bound.evaluate(e) for e in environments) for bound in (least, most)}
        if len(answers) == 1:
            return answers.pop()
        raise UsageError(
            f"the requirement {requirement!s} asks for the kernel of the machine "
            f"({' or '.join(UNKNOWABLE)}), which is not known before the target runs",
            remedy="Run the script of `crossbuild probe` there, and give what it prints as "
            "--target; or leave that requirement out.",
        )

    def accepts_python(self, requires_python: SpecifierSet) -> bool:
        """Whether the target's Python is one that a Requires-Python names.

        Of a target given as X.Y some release of X.Y has to be: ``!=3.9.1`` is no word against
        3.9.
        """
        return _accepts_python(self, requires_python)

    def rank(self, tags: Iterable[Tag]) -> int | None:
        """How well the target likes a wheel with these tags: lower is better, None: not at all."""
        ranks = _ranks(self)
        return min((ranks[tag] for tag in tags if tag in ranks), default=None)

    def accepts(self, tags: Iterable[Tag]) -> bool:
        """Whether the target installs a wheel with these tags."""
        return self.rank(tags) is not None

    def refusal(self, tags: Iterable[Tag]) -> tuple[Refusal, str] | None:
        """Why the target does not install a wheel with these tags; None if it does."""
        tags = frozenset(tags)
        if self.accepts(tags):
            return None
        accepting = mismatch.Accepting(
            family=self.family, arch=self.arch, floor=self.floor, python=self.python
        )
        return mismatch.explain(tags, accepting)

    def to_json(self) -> dict[str, object]:
        """The target in reports and plans; ``from_json`` makes it again."""
        reported = self.reported and {
            "tags": list(map(str, self.reported.tags)),
            "markers": dict(self.reported.markers),
            "missing": list(self.reported.missing),
            "index": self.reported.index,
            "executable": self.reported.executable,
            "pip": self.reported.pip,
        }
        return {
            "name": self.name or None,
            "platform": self.platform,
            "family": self.family.value,
            "arch": self.arch.name,
            "floor": dotted(self.floor) if self.floor else None,
            "python": self.python_given,
            "interpreter": self.interpreter,
            "reported": reported,
        }


@cache
def _ranks(target: Target) -> Mapping[Tag, int]:
    """Every tag the target accepts with its place; iterates in order."""
    accepted: Iterable[Tag] = chain(
        cpython_tags(target.python, [target.abi], target.platform_tags),
        compatible_tags(target.python, target.interpreter, target.platform_tags),
    )
    if target.reported:
        accepted = target.reported.tags
    return MappingProxyType({tag: place for place, tag in enumerate(dict.fromkeys(accepted))})


@cache
def _accepts_python(target: Target, requires_python: SpecifierSet) -> bool:
    patches = range(_MOST_PATCHES) if target.patch is None else (target.patch,)
    releases = (f"{target.python_version}.{patch}" for patch in patches)
    return any(requires_python.contains(release, prereleases=True) for release in releases)


def _parse_python(python: str) -> tuple[tuple[int, int], int | None]:
    match = _PYTHON.fullmatch(python)
    if match is None:
        bare = re.fullmatch(r"(?:cp|py|python)?3\.?(\d{1,2})t?", python)
        hint = f"Did you mean 3.{bare[1]}? " if bare else ""
        raise UsageError(
            f"{python!r} is not a Python version that crossbuild knows",
            remedy=f"{hint}Give it as X.Y or X.Y.Z, for example 3.11.",
        )
    release = (int(match[1]), int(match[2]))
    if release < OLDEST_PYTHON:
        raise UsageError(
            f"Python {python} is older than crossbuild can serve",
            remedy=f"The oldest is {dotted(OLDEST_PYTHON)}.",
        )
    return release, int(match[3]) if match[3] else None


def _bounds(marker: Marker) -> tuple[Marker, Marker]:
    """The marker with each comparison of an unknowable variable taken as false, and as true.

    Markers know only ``and`` and ``or``, so the truth lies between the two; where both give
    one answer, the unknowable variable does not matter.
    """
    if not any(name in str(marker) for name in UNKNOWABLE):
        return marker, marker
    # packaging offers no public view of a parsed marker.
    tree = marker._markers
    return Marker(_settled(tree, "os_name != 'posix'")), Marker(
        _settled(tree, "os_name == 'posix'")
    )


def _settled(tree: Iterable[Any], answer: str) -> str:
    """A parsed marker as text, ``answer`` in the place of every unknowable comparison."""
    words = []
    for node in tree:
        if isinstance(node, list):
            words.append(f"({_settled(node, answer)})")
        elif isinstance(node, tuple):
            comparison = [part.serialize() for part in node]
            unknowable = not set(UNKNOWABLE).isdisjoint(comparison)
            words.append(answer if unknowable else " ".join(comparison))
        else:
            words.append(node)
    return " ".join(words)
