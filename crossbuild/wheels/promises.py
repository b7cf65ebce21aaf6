"""What a platform tag promises of every machine it names: libraries, and their symbol versions.

The lists are auditwheel's policies, so that what is accepted here is what auditwheel would have
tagged (PEP 513, 571, 599, 600, 656).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from auditwheel.architecture import Architecture
from auditwheel.libc import Libc
from auditwheel.policy import Policy, WheelPolicies

from crossbuild.platforms import Arch, Family, Floor
from crossbuild.target import Target
from crossbuild.wheels.elf import SymbolVersion

_LOADERS = re.compile(r"ld-linux.*\.so\.\d+|ld64\.so\.[12]")
_NEWEST_MUSL = "musllinux_1_2"
"""musl has no symbol versions, and every musllinux policy lists the same libraries."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Promise:
    """One floor: ``policy`` is auditwheel's for it, or the nearest older one it has."""

    family: Family
    floor: Floor
    policy: Policy

    def offers(self, library: str) -> bool:
        """Whether every machine of the floor has this library."""
        if self.family is Family.MANYLINUX and _LOADERS.fullmatch(library):
            return True
        return library in self.policy.whitelist

    def keeps(self, version: SymbolVersion) -> bool:
        """Whether an offered library has this symbol version on every machine of the floor.

        True for versions that nobody keeps a list of, and for GLIBC_PRIVATE: every glibc has
        that, and what is in it has no version.
        """
        prefix, _, number = version.name.partition("_")
        if number == "PRIVATE":
            return True
        listed = self.policy.symbol_versions.get(prefix)
        if listed is None or number in listed:
            return True
        needed = glibc(version)
        return needed is not None and needed <= self.floor

    def lacks(self, version: SymbolVersion) -> bool:
        """Whether it is a version of an offered library that is not on every machine."""
        return self.offers(version.library) and not self.keeps(version)


def of(target: Target) -> Promise | None:
    """What the target promises; None for ``linux_ARCH``, which promises nothing."""
    if target.floor is None:
        return None
    return _promise(target.family, target.arch, target.floor)


def lowest(target: Target, versions: Iterable[SymbolVersion]) -> str | None:
    """The platform with the lowest floor that has all these versions; None if none is known."""
    needed = tuple(versions)
    floors = {_floor_of(policy) for policy in _policies(target.family, target.arch)}
    floors |= {version for version in map(glibc, needed) if version}
    for floor in sorted(floors):
        if all(map(_promise(target.family, target.arch, floor).keeps, needed)):
            return f"{target.family.value}_{floor[0]}_{floor[1]}_{target.arch}"
    return None


def higher(target: Target, most: Floor) -> tuple[Floor, ...]:
    """The floors above the target's that auditwheel knows, up to ``most``, and that itself."""
    known = {_floor_of(policy) for policy in _policies(target.family, target.arch)} | {most}
    own = target.floor or most
    return tuple(sorted(floor for floor in known if own < floor <= most))


def highest(versions: Iterable[SymbolVersion]) -> tuple[SymbolVersion, ...]:
    """Of each library and kind of version the highest: what the others follow from."""
    best: dict[tuple[str, str], SymbolVersion] = {}
    for version in sorted(versions, key=lambda item: (_digits(item.name), item)):
        best[version.library, version.name.partition("_")[0]] = version
    return tuple(best.values())


def glibc(version: SymbolVersion) -> Floor | None:
    """The glibc that a symbol version came with: (2, 34) for GLIBC_2.34; None for others."""
    match = re.fullmatch(r"GLIBC_(\d+)\.(\d+)(?:\.\d+)*", version.name)
    return (int(match[1]), int(match[2])) if match else None


@cache
def _promise(family: Family, arch: Arch, floor: Floor) -> Promise:
    policies = _policies(family, arch)
    older = [policy for policy in policies if _floor_of(policy) <= floor]
    nearest = max(older or [min(policies, key=_floor_of)], key=_floor_of)
    return Promise(family=family, floor=floor, policy=nearest)


@cache
def _policies(family: Family, arch: Arch) -> tuple[Policy, ...]:
    """The policies of auditwheel for the family, without the one of ``linux_ARCH``."""
    policies = WheelPolicies(
        libc=Libc.MUSL if family is Family.MUSLLINUX else Libc.GLIBC,
        arch=Architecture(arch.name),
        musl_policy=_NEWEST_MUSL if family is Family.MUSLLINUX else None,
    )
    return tuple(policy for policy in policies if policy != policies.linux)


def _floor_of(policy: Policy) -> Floor:
    """(2, 17) for ``manylinux_2_17_aarch64``."""
    _, major, minor, *_ = policy.name.split("_")
    return int(major), int(minor)


def _digits(name: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", name)))
