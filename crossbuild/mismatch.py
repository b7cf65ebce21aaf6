"""Why a wheel's tags do not fit a target, in the words of its user (PEP 425, 600, 656)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from packaging.tags import Tag

from crossbuild.model import Refusal
from crossbuild.platforms import LEGACY, Arch, Family, Floor, dotted

_ALIASES = {name: floor for floor, name in LEGACY.items()}
_LINUX = re.compile(
    r"(?:(?P<alias>manylinux(?:1|2010|2014))"
    r"|(?P<family>manylinux|musllinux)_(?P<major>\d+)_(?P<minor>\d+)"
    r"|linux)_(?P<arch>.+)"
)
_INTERPRETER = re.compile(r"(?P<name>[a-z]+)(?P<major>\d)_?(?P<minor>\d*)")
_SYSTEMS = {"win": "Windows", "macosx": "macOS", "ios": "iOS", "android": "Android"}
_IMPLEMENTATIONS = {"pp": "PyPy", "graalpy": "GraalPy", "jy": "Jython", "ip": "IronPython"}
_LIBC = {Family.MANYLINUX: "glibc", Family.MUSLLINUX: "musl"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Accepting:
    """The target, as far as a tag can differ from it."""

    family: Family
    arch: Arch
    floor: Floor | None
    python: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Obstacle:
    """What stops one tag: ``depth`` is how far it got, ``missed`` by how much it failed there."""

    depth: int
    text: str
    missed: int = 0
    refusal: Refusal = Refusal.TAG


def explain(tags: Iterable[Tag], target: Accepting) -> tuple[Refusal, str]:
    """Why none of the tags fits: of the tag that comes nearest, the first thing that is wrong.

    The tags must not be empty, and the target must accept none of them.
    """
    obstacles = [_obstacle(tag, target) for tag in sorted(tags, key=str)]
    nearest = min(obstacles, key=lambda obstacle: (-obstacle.depth, obstacle.missed))
    return nearest.refusal, nearest.text


def _obstacle(tag: Tag, target: Accepting) -> _Obstacle:
    checks = (_machine, _interpreter, _floor)
    found = (check(tag, target) for check in checks)
    unknown = _Obstacle(depth=0, text=f"the target does not know the tag {tag}")
    return next((obstacle for obstacle in found if obstacle), unknown)


def _machine(tag: Tag, target: Accepting) -> _Obstacle | None:
    """The operating system and the processor."""
    if tag.platform == "any":
        return None
    match = _LINUX.fullmatch(tag.platform)
    if match is None:
        prefix = re.split(r"[_\d]", tag.platform)[0]
        return _Obstacle(depth=0, text=f"built for {_SYSTEMS.get(prefix, tag.platform)}")
    if match["arch"] != target.arch.name:
        return _Obstacle(depth=1, text=f"built for {match['arch']}")
    return None


def _interpreter(tag: Tag, target: Accepting) -> _Obstacle | None:
    """The implementation, its version and its ABI."""
    match = _INTERPRETER.fullmatch(tag.interpreter)
    if match is None:
        return None
    version = (int(match["major"]), int(match["minor"] or 0))
    if match["name"] not in ("cp", "py"):
        name = _IMPLEMENTATIONS.get(match["name"], match["name"])
        return _Obstacle(depth=2, text=f"built for {name} {dotted(version)}")
    if version[0] != target.python[0]:
        return _Obstacle(depth=2, text=f"built for Python {version[0]}")
    needs = _needed_python(tag, version, target.python)
    missed = abs(version[1] - target.python[1])
    return _Obstacle(depth=3, text=needs, missed=missed, refusal=Refusal.PYTHON) if needs else None


def _needed_python(tag: Tag, version: tuple[int, int], python: tuple[int, int]) -> str | None:
    """``needs CPython 3.12``, or None where the version and the ABI are the target's."""
    wanted = dotted(version)
    if re.fullmatch(r"cp\d+t|abi3t", tag.abi):
        return f"needs the free-threaded CPython {wanted}"
    if tag.interpreter.startswith("py"):
        return f"needs Python {wanted} or later" if version > python else None
    if tag.abi == "abi3":
        return f"needs CPython {wanted} or later" if version > python else None
    if version != python:
        return f"needs CPython {wanted}, the target has {dotted(python)}"
    if tag.abi.rstrip("m") not in ("none", f"cp{python[0]}{python[1]}"):
        return f"needs a CPython {wanted} with the ABI {tag.abi}"
    return None


def _floor(tag: Tag, target: Accepting) -> _Obstacle | None:
    """The C library and its version."""
    match = _LINUX.fullmatch(tag.platform)
    if match is None:
        return None
    if match["alias"]:
        family, floor = Family.MANYLINUX, _ALIASES[match["alias"]]
    elif match["family"]:
        family, floor = Family(match["family"]), (int(match["major"]), int(match["minor"]))
    else:
        return None
    needs = f"needs {_LIBC[family]}"
    if target.floor is None:
        text = f"{needs} {dotted(floor)}, which a target linux_{target.arch} does not promise"
        return _Obstacle(depth=5, text=text, missed=floor[1], refusal=Refusal.FLOOR)
    if family is not target.family:
        return _Obstacle(depth=4, text=f"{needs}, the target has {_LIBC[target.family]}")
    text = f"{needs} {dotted(floor)}, the target has {dotted(target.floor)}"
    return _Obstacle(depth=5, text=text, missed=floor[1], refusal=Refusal.FLOOR)
