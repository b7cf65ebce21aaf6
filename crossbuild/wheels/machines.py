"""Whether the code in a wheel is for the target's processor."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from crossbuild.platforms import Arch
from crossbuild.wheels import elf, wheel
from crossbuild.wheels.elf import ElfInfo
from crossbuild.wheels.wheel import WheelContents

_LOADABLE = frozenset({"ET_DYN", "ET_EXEC"})
_PROCESSORS: Mapping[str, tuple[str, str]] = {
    "EM_X86_64": ("x86_64", r"x86[_-]64|amd64|x64|linux64"),
    "EM_386": ("i386", r"x86|i[3-6]86|x32|linux32"),
    "EM_AARCH64": ("aarch64", r"aarch64|arm64"),
    "EM_ARM": ("arm", r"arm|arm32|armhf|armel|armv[5-8]l?|aarch32"),
    "EM_PPC64": ("ppc64", r"ppc64(?:le|el)?|powerpc64(?:le)?"),
    "EM_S390": ("s390", r"s390x?"),
    "EM_RISCV": ("riscv", r"riscv(?:32|64)?"),
    "EM_LOONGARCH": ("loongarch", r"loong(?:arch)?64"),
    "EM_MIPS": ("mips", r"mips(?:64)?(?:el)?"),
}
"""Processors that Linux runs on: their name, and what calls itself after them.

ELF for anything else, a GPU or a microcontroller, is data that the wheel carries.
"""


def same(info: ElfInfo, arch: Arch) -> bool:
    """Whether class, machine and byte order are the target's."""
    return (info.machine, info.bits, info.little_endian) == (
        arch.machine,
        arch.bits,
        arch.little_endian,
    )


def described(info: ElfInfo) -> str:
    """``x86_64``, or more words where the name alone would not tell."""
    name = _PROCESSORS[info.machine][0] if info.machine in _PROCESSORS else info.machine
    return f"{name} ({info.bits}-bit, {'little' if info.little_endian else 'big'}-endian)"


def is_data(contents: WheelContents, member: str) -> bool:
    """Whether code for another machine is only carried, and not a wheel's own code gone wrong.

    That is: nothing Linux could load; or, in a ``none-any`` wheel, a library that is no module
    for Python to import and whose path names its processor, as in wheels that serve several.
    Raises as ``wheel.read`` does.
    """
    info = contents.elves[member]
    if info.machine not in _PROCESSORS or info.type not in _LOADABLE:
        return True
    if not contents.pure or is_module(contents.path, member):
        return False
    words = _PROCESSORS[info.machine][1]
    return re.search(rf"(?<![a-z0-9])(?:{words})(?![a-z0-9])", member.lower()) is not None


def is_module(path: Path, member: str) -> bool:
    """Whether the file is a Python extension module. Raises as ``wheel.read`` does."""
    stem, _, suffix = PurePosixPath(member).name.partition(".")
    if suffix == "abi3.so" or suffix.startswith("cpython-"):
        return True
    if suffix != "so":
        return False
    with wheel.member(path, member) as stream:
        return elf.defines(stream, f"{path.name}: {member}", f"PyInit_{stem}")
