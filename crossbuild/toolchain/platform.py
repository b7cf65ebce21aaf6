"""A target as zig and clang name it."""

from __future__ import annotations

from dataclasses import dataclass

from crossbuild.platforms import Arch, Family, Floor, dotted
from crossbuild.target import Target

_OLDEST: dict[str, Floor] = {
    "ppc64le": (2, 19),
    "riscv64": (2, 27),
    "loongarch64": (2, 36),
}
"""The first glibc of a processor, where manylinux counts from an older one (zig's abilists)."""

_NEWEST: Floor = (2, 43)
"""The newest glibc zig 0.17 knows; what is built for it runs on every later one."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """A processor and a C library; ``floor`` is None for musl, which has no versions."""

    arch: Arch
    floor: Floor | None

    @classmethod
    def of(cls, target: Target) -> Platform:
        """The oldest C library that the target promises; the oldest of all if it promises none."""
        arch = target.arch
        if target.family is Family.MUSLLINUX:
            return cls(arch=arch, floor=None)
        oldest = _OLDEST.get(arch.name, arch.oldest_glibc)
        floor = target.floor or arch.oldest_glibc
        return cls(arch=arch, floor=min(max(floor, oldest), _NEWEST))

    @property
    def zig(self) -> str:
        """``aarch64-linux-gnu.2.17``, as ``zig cc -target`` takes it."""
        if self.floor is None:
            return f"{self.arch.zig}-linux-musl{self.arch.eabi}"
        return f"{self.arch.zig}-linux-gnu{self.arch.eabi}.{dotted(self.floor)}"

    @property
    def clang(self) -> str:
        """``aarch64-linux-gnu``, as ``clang --target`` takes it."""
        # "arm" alone is an ARMv6 to clang.
        cpu = "armv7" if self.arch.name == "armv7l" else self.arch.zig
        library = "musl" if self.floor is None else "gnu"
        return f"{cpu}-linux-{library}{self.arch.eabi}"

    @property
    def x86(self) -> bool:
        """Whether options such as -msse4.2 mean something."""
        return self.arch.name == "x86_64"
