"""The tags of ``packaging.tags.sys_tags()`` (packaging 26.3), in its order."""

import sys

from crossbuild.prober.answers import BITS
from crossbuild.prober.elf import Elf
from crossbuild.prober.interpreter import abis, free_threaded, host_platform

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LEGACY = {(2, 17): "manylinux2014", (2, 12): "manylinux2010", (2, 5): "manylinux1"}
MANYLINUX = ("aarch64", "loongarch64", "ppc64", "ppc64le", "riscv64", "s390x", "x86_64")
ARM_HARD_FLOAT = 0x05000400


def arches() -> "list[str]":
    """The processors whose code runs here, as in tags; a 64-bit kernel can run 32-bit Python."""
    platform = host_platform().replace("-", "_").replace(".", "_").replace(" ", "_")
    if not platform.startswith("linux_"):
        raise LookupError(f"{platform} is not Linux")
    arch = platform[len("linux_") :]
    if BITS == 32:
        arch = {"x86_64": "i686", "aarch64": "armv8l"}.get(arch, arch)
    return ["armv8l", "armv7l"] if arch == "armv8l" else [arch]


def numbers(version: str) -> "tuple[int, int]":
    """(2, 31) for ``2.31``; Linaro's are like ``2.20-2014.11``."""
    major, minor = version.split(".")[:2]
    digits = len(minor) - len(minor.lstrip("0123456789"))
    return int(major), int(minor[:digits])


def platforms(library: "dict[str, str] | None") -> "Iterator[str]":
    """The platform tags, best first."""
    names = arches()
    for arch in names:
        yield "linux_" + arch
    if not library:
        return
    major, minor = numbers(library["version"])
    if library["name"] == "musl":
        for arch in names:
            for number in range(minor, -1, -1):
                yield f"musllinux_{major}_{number}_{arch}"
    elif manylinux_abi(names):
        for arch in names:
            for number in range(minor, 4 if arch in ("x86_64", "i686") else 16, -1):
                yield from manylinux((major, number), arch)


def manylinux(version: "tuple[int, int]", arch: str) -> "Iterator[str]":
    if allowed(version, arch):
        yield "manylinux_{}_{}_{}".format(version[0], version[1], arch)
        if version in LEGACY:
            yield LEGACY[version] + "_" + arch


def manylinux_abi(names: "list[str]") -> bool:
    """Whether manylinux's ABI is this one: 32-bit Arm must have hardware floating point."""
    if "armv7l" in names:
        elf = Elf()
        hard = elf.flags & 0xFF000400 == ARM_HARD_FLOAT
        return not elf.wide and elf.machine == 40 and hard
    if "i686" in names:
        return not Elf().wide and Elf().machine == 3
    return any(arch in MANYLINUX for arch in names)


def allowed(version: "tuple[int, int]", arch: str) -> bool:
    """What a distribution says of manylinux in its module ``_manylinux`` (PEP 600)."""
    try:
        import _manylinux  # type: ignore[import-not-found]
    except ImportError:
        return True
    if hasattr(_manylinux, "manylinux_compatible"):
        said = _manylinux.manylinux_compatible(version[0], version[1], arch)
        return said is None or bool(said)
    return bool(getattr(_manylinux, LEGACY.get(version, "") + "_compatible", True))


def tags(library: "dict[str, str] | None") -> "list[str]":
    """Every tag this CPython accepts, best first."""
    if sys.implementation.name != "cpython":
        raise LookupError("only CPython's tags are known")
    major, minor = sys.version_info[:2]
    supported = list(platforms(library))
    interpreter = f"cp{major}{minor}"
    stable = "abi3t" if free_threaded() else "abi3"
    pairs = [(interpreter, abi) for abi in (*abis(), stable, "none")]
    pairs += [(f"cp{major}{older}", stable) for older in range(minor - 1, 1, -1)]
    pythons = [f"py{major}{minor}", f"py{major}"]
    pythons += [f"py{major}{older}" for older in range(minor - 1, -1, -1)]
    pairs += [(python, "none") for python in pythons]
    found = [f"{python}-{abi}-{platform}" for python, abi in pairs for platform in supported]
    return found + [f"{python}-none-any" for python in (interpreter, *pythons)]
