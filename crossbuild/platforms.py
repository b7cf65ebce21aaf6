"""Processors and C libraries: the platform half of a target (PEP 513, 571, 599, 600, 656)."""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from crossbuild.errors import UsageError

Floor = tuple[int, int]
"""The version of the C library that a platform tag promises: glibc (2, 17), musl (1, 2)."""

LEGACY: Mapping[Floor, str] = MappingProxyType(
    {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
)
"""What glibc floors were called before PEP 600; the old names still stand in file names."""


class Family(enum.Enum):
    """Which C library a platform tag promises; LINUX promises none."""

    MANYLINUX = "manylinux"
    MUSLLINUX = "musllinux"
    LINUX = "linux"


@dataclass(frozen=True, kw_only=True, slots=True)
class Arch:
    """A processor and its ABI, under every name that tools give it.

    ``name`` is ``uname -m``, as in wheel tags; ``machine`` the ELF e_machine as pyelftools
    spells it; ``debian`` the dpkg architecture; ``triplet`` Debian's multiarch directory;
    ``qemu`` the user-mode emulator; ``zig`` and ``eabi`` make zig's triple,
    ``{zig}-linux-gnu{eabi}``. ``oldest_glibc`` is the floor that manylinux begins at.
    """

    name: str
    machine: str
    debian: str
    triplet: str
    zig: str
    qemu: str
    bits: int = 64
    little_endian: bool = True
    eabi: str = ""
    oldest_glibc: Floor = (2, 17)

    def __str__(self) -> str:
        return self.name


_ROWS = (
    Arch(
        name="aarch64",
        machine="EM_AARCH64",
        debian="arm64",
        triplet="aarch64-linux-gnu",
        zig="aarch64",
        qemu="qemu-aarch64",
    ),
    Arch(
        name="x86_64",
        machine="EM_X86_64",
        debian="amd64",
        triplet="x86_64-linux-gnu",
        zig="x86_64",
        qemu="qemu-x86_64",
        oldest_glibc=(2, 5),
    ),
    Arch(
        name="armv7l",
        machine="EM_ARM",
        debian="armhf",
        triplet="arm-linux-gnueabihf",
        zig="arm",
        eabi="eabihf",
        qemu="qemu-arm",
        bits=32,
    ),
    Arch(
        name="ppc64le",
        machine="EM_PPC64",
        debian="ppc64el",
        triplet="powerpc64le-linux-gnu",
        zig="powerpc64le",
        qemu="qemu-ppc64le",
    ),
    Arch(
        name="s390x",
        machine="EM_S390",
        debian="s390x",
        triplet="s390x-linux-gnu",
        zig="s390x",
        qemu="qemu-s390x",
        little_endian=False,
    ),
    Arch(
        name="riscv64",
        machine="EM_RISCV",
        debian="riscv64",
        triplet="riscv64-linux-gnu",
        zig="riscv64",
        qemu="qemu-riscv64",
    ),
    Arch(
        name="loongarch64",
        machine="EM_LOONGARCH",
        debian="loong64",
        triplet="loongarch64-linux-gnu",
        zig="loongarch64",
        qemu="qemu-loongarch64",
    ),
)

ARCHES: Mapping[str, Arch] = MappingProxyType({row.name: row for row in _ROWS})
"""Every processor a target can have, by the name that wheel tags use."""

FORMS = (
    "Targets are manylinux2014_ARCH, manylinux_2_N_ARCH, musllinux_1_N_ARCH and linux_ARCH, "
    "for x86_64 manylinux1 and manylinux2010 too; "
    f"ARCH is one of {', '.join(ARCHES)}. "
    "`crossbuild targets` lists those that have a name; the JSON of a probe is a target too."
)

_SPELLINGS = MappingProxyType(
    {"arm64": "aarch64", "armv8l": "armv7l", "armhf": "armv7l", "armv7": "armv7l"}
    | {"amd64": "x86_64", "x64": "x86_64", "x86_64": "x86_64", "ppc64el": "ppc64le"}
    | {"powerpc64le": "ppc64le", "loong64": "loongarch64"}
    | {name: name for name in ARCHES}
)
_NEWEST_GLIBC = (2, 41)
_FORM = re.compile(
    r"(?:(?P<legacy>manylinux(?:1|2010|2014))"
    r"|manylinux_2_(?P<glibc>0|[1-9]\d*)"
    r"|musllinux_1_(?P<musl>0|[1-9]\d*)"
    r"|linux)_(?P<arch>[a-z0-9_]+)"
)


def parse(platform: str) -> tuple[Family, Arch, Floor | None]:
    """Read ``manylinux2014_aarch64`` and its like.

    The floor is None for ``linux_ARCH``. Raises UsageError with the nearest name that exists.
    """
    match = _FORM.fullmatch(platform)
    arch = ARCHES.get(match["arch"]) if match else None
    if match is None or arch is None:
        raise UsageError(
            f"unknown target {platform!r}", remedy=f"{_did_you_mean(platform)}{FORMS}"
        )
    if match["musl"]:
        return Family.MUSLLINUX, arch, (1, int(match["musl"]))
    if match["legacy"]:
        floor = next(floor for floor, name in LEGACY.items() if name == match["legacy"])
    elif match["glibc"]:
        floor = (2, int(match["glibc"]))
    else:
        return Family.LINUX, arch, None
    if floor < arch.oldest_glibc:
        raise UsageError(
            f"there is no target {platform}: for {arch} manylinux begins at "
            f"glibc {dotted(arch.oldest_glibc)}",
            remedy=f"Use {usual_manylinux(arch)}.",
        )
    return Family.MANYLINUX, arch, floor


def tags(family: Family, arch: Arch, floor: Floor | None) -> Iterator[str]:
    """The platform tags that a machine of this kind accepts, best first.

    The order is that of ``packaging.tags.platform_tags()``: ``linux_ARCH`` first (packaging
    26.3), then every floor downwards, each followed by its old name.
    """
    yield f"linux_{arch}"
    if floor is None:
        return
    major, newest = floor
    oldest = arch.oldest_glibc[1] if family is Family.MANYLINUX else 0
    for minor in range(newest, oldest - 1, -1):
        yield from names(family, arch, (major, minor))


def names(family: Family, arch: Arch, floor: Floor | None) -> tuple[str, ...]:
    """Every platform tag that means exactly this floor, the PEP 600 name first."""
    if floor is None:
        return (f"linux_{arch}",)
    own = f"{family.value}_{floor[0]}_{floor[1]}_{arch}"
    alias = LEGACY.get(floor) if family is Family.MANYLINUX else None
    return (own, f"{alias}_{arch}") if alias else (own,)


def usual_manylinux(arch: Arch) -> str:
    """The manylinux target that nearly every published wheel of this processor fits."""
    return names(Family.MANYLINUX, arch, max(arch.oldest_glibc, (2, 17)))[-1]


def dotted(version: tuple[int, ...]) -> str:
    """``2.17`` for (2, 17)."""
    return ".".join(map(str, version))


def _did_you_mean(platform: str) -> str:
    """``Did you mean X? `` for a misspelt target, empty when nothing is near."""
    name = re.sub(r"[^a-z0-9]+", "_", platform.lower()).strip("_")
    if name.startswith(("win", "mac", "ios", "android")):
        return "Only Linux can be a target. "
    for spelling, arch in _SPELLINGS.items():
        if name.endswith(spelling) or name.startswith(spelling):
            prefix = name.removesuffix(spelling).removeprefix(spelling)
            return f"Did you mean {_nearest(prefix, ARCHES[arch])}? "
    known = [tag for arch in _ROWS for tag in tags(Family.MANYLINUX, arch, _NEWEST_GLIBC)]
    begun = [tag for tag in known if name and tag.startswith(f"{name}_")]
    near = begun or difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return f"Did you mean {near[0]}? " if near else ""


def _nearest(prefix: str, arch: Arch) -> str:
    """The target of this processor whose name is nearest to what was typed before or after it."""
    prefix = prefix.strip("_")
    match = _FORM.fullmatch(f"{prefix}_{arch}")
    if match and prefix != "linux":
        return f"{prefix}_{arch}"
    if "musl" in prefix:
        return f"musllinux_1_2_{arch}"
    known = [
        name.removesuffix(f"_{arch}") for name in tags(Family.MANYLINUX, arch, _NEWEST_GLIBC)
    ][1:]
    near = difflib.get_close_matches(prefix, known, n=1, cutoff=0.8)
    return f"{near[0]}_{arch}" if near else usual_manylinux(arch)
