"""A distribution's metadata as the target sees it: no markers left but ``extra``.

uv evaluates markers for a handful of platforms and takes an unknown variable as empty. So
every marker is evaluated here, with the target's own variables, before uv sees the metadata.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild.errors import UsageError
from crossbuild.model import SourceMetadata
from crossbuild.target import Target

_LAST_PATCH = 99
"""Higher than any patch release of CPython will be."""
_PATCH_VARIABLES = ("python_full_version", "implementation_version")

Extra = NormalizedName | None
"""The extra of the parent that brings something in; None: it is there in any case."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependency:
    """A requirement that applies on the target; it has no marker any more.

    One with a URL is kept from uv, which takes those from the user only.
    """

    requirement: Requirement
    extra: Extra = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """A sentence about one requirement, to be said if the extra is wanted."""

    text: str
    extra: Extra = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Projection:
    """What one release requires on the target.

    ``doubts`` are the requirements of which nobody can tell whether they apply; ``assumed``
    those whose answer hangs on Python's patch release, which was not given. ``invalid`` says
    why the metadata cannot be read.
    """

    dependencies: tuple[Dependency, ...] = ()
    extras: tuple[NormalizedName, ...] = ()
    doubts: tuple[Remark, ...] = ()
    assumed: tuple[Remark, ...] = ()
    invalid: str = ""

    def text(self, name: NormalizedName, version: Version) -> str:
        """Render core metadata (PEP 566) for uv; unreadable metadata stays unreadable."""
        lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
        lines += [f"Provides-Extra: {extra}" for extra in self.extras]
        if self.invalid:
            lines.append("Requires-Dist: !")
        for item in self.dependencies:
            if item.requirement.url is not None:
                continue
            marker = f' ; extra == "{item.extra}"' if item.extra else ""
            lines.append(f"Requires-Dist: {item.requirement}{marker}")
        return "\n".join(lines) + "\n"


def project(metadata: SourceMetadata, target: Target) -> Projection:
    """Evaluate every marker for the target. Never raises: what is wrong is in the result."""
    extras = tuple(sorted({canonicalize_name(extra) for extra in metadata.extras}))
    try:
        requirements = [Requirement(text) for text in metadata.requires_dist]
    except InvalidRequirement as error:
        return Projection(invalid=str(error).splitlines()[0])
    sieve = _Sieve(target)
    for requirement in requirements:
        sieve.take(requirement, extras)
    return Projection(
        dependencies=tuple(sieve.dependencies),
        extras=extras,
        doubts=tuple(sieve.doubts),
        assumed=tuple(sieve.assumed),
    )


def bare(requirement: Requirement) -> Requirement:
    """Copy the requirement without its marker."""
    copy = Requirement(str(requirement))
    copy.marker = None
    return copy


class _Sieve:
    """Sorts the requirements of one release into those that apply, and what to say of them."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self.dependencies: list[Dependency] = []
        self.doubts: list[Remark] = []
        self.assumed: list[Remark] = []

    def take(self, requirement: Requirement, extras: Iterable[NormalizedName]) -> None:
        """Give the requirement once where it applies always, else once per extra that asks."""
        if self._settled(requirement, None) or "extra" not in str(requirement.marker):
            return
        for extra in extras:
            self._settled(requirement, extra)

    def _settled(self, requirement: Requirement, extra: Extra) -> bool:
        """Evaluate for one extra; True when nothing more is to be said of the requirement."""
        wanted = frozenset({str(extra)} if extra else ())
        try:
            applies = self._target.evaluate(requirement, wanted)
            if self._hangs_on_patch(requirement, wanted, applies):
                self.assumed.append(Remark(text=str(requirement), extra=extra))
        except UsageError as error:
            self.doubts.append(Remark(text=str(error), extra=extra))
            return True
        if applies:
            self.dependencies.append(Dependency(requirement=bare(requirement), extra=extra))
        return applies

    def _hangs_on_patch(
        self, requirement: Requirement, extras: frozenset[str], applies: bool
    ) -> bool:
        """Whether another patch release of the target's Python would answer otherwise."""
        marker = str(requirement.marker or "")
        if self._target.patch is not None or not any(v in marker for v in _PATCH_VARIABLES):
            return False
        last = replace(self._target, patch=_LAST_PATCH)
        return applies != last.evaluate(requirement, extras)
