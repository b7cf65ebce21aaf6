"""Floors above the target's: what a wheel needs beyond it, and what the user allows by name.

A wheel that needs more of the C library than the target promises is never published unasked.
Where the user allows it, it keeps the tag of what it needs, so that an installer on a machine
that has less refuses it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from packaging.tags import Tag
from packaging.utils import InvalidWheelFilename, NormalizedName, parse_wheel_filename

from crossbuild import platforms
from crossbuild.errors import UsageError
from crossbuild.excess import Allowance
from crossbuild.platforms import Floor
from crossbuild.target import Target


def lifted(target: Target, floor: Floor) -> Target:
    """The target with a higher floor; itself where it promises that much, or nothing at all."""
    if target.floor is None or floor <= target.floor:
        return target
    platform = platforms.names(target.family, target.arch, floor)[0]
    higher = replace(target, platform=platform, name="", floor=floor, reported=None)
    if target.reported is None:
        return higher
    tags = tuple(dict.fromkeys((*higher.tags, *target.reported.tags)))
    return replace(higher, reported=replace(target.reported, tags=tags))


def limit(target: Target, allowances: Iterable[Allowance], name: NormalizedName) -> Target:
    """The target with the highest floor that the user allows a package."""
    floors = [item.floor for item in allowances if item.name in {None, name}]
    return lifted(target, max(floors)) if floors else target


def floor_of(platform: str, target: Target) -> Floor | None:
    """The floor of a platform tag of the target's own family and processor; None for others."""
    try:
        family, arch, floor = platforms.parse(platform)
    except UsageError:
        return None
    return floor if (family, arch) == (target.family, target.arch) else None


def beyond(tags: Iterable[Tag], target: Target) -> str | None:
    """The lowest platform that takes a wheel with these tags, where the target does not.

    None for a wheel that the target takes, and for one that no higher floor would let it take.
    """
    tags = frozenset(tags)
    if target.floor is None or target.accepts(tags):
        return None
    found = {floor_of(tag.platform, target) for tag in tags}
    for floor in sorted(floor for floor in found if floor is not None):
        if floor > target.floor and lifted(target, floor).accepts(tags):
            return lifted(target, floor).platform
    return None


def needed(target: Target, wheels: Iterable[Iterable[Tag]]) -> Target:
    """The target with the floor that wheels with these tags need together."""
    for tags in wheels:
        platform = beyond(tags, target)
        target = lifted(target, (platform and floor_of(platform, target)) or (0, 0))
    return target


def allowed(target: Target, allowances: Iterable[Allowance], wheel: Path) -> Target:
    """The target with the floor that one wheel needs, if the user allows it; else itself."""
    try:
        name = parse_wheel_filename(wheel.name)[0]
    except InvalidWheelFilename:
        return target
    most = limit(target, allowances, name)
    higher = needed(target, [tags(wheel)])
    return higher if most.floor and higher.floor and higher.floor <= most.floor else target


def above(target: Target, wheels: Iterable[Path]) -> Iterator[tuple[str, str]]:
    """The wheels that need more than the target promises: name and version, the platform."""
    for wheel in wheels:
        if platform := beyond(tags(wheel), target):
            name, version, *_ = parse_wheel_filename(wheel.name)
            yield f"{name} {version}", platform


def tags(wheel: Path) -> frozenset[Tag]:
    """The tags in a wheel's file name (PEP 427); none where it is not named as one."""
    try:
        return parse_wheel_filename(wheel.name)[-1]
    except InvalidWheelFilename:
        return frozenset()
