"""The C++ library of the target, compiled from the sources that zig carries.

zig would build it too, but one file at a time, with debug information, and without the macro
that lets types be compared by name (sysroot.py).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild import parallel
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.sysroot import Layout

_SHARED = (
    *("-std=c++23", "-O2", "-fPIC", "-g0", "-DNDEBUG", "-D_LIBCPP_BUILDING_LIBRARY", "-w"),
    *("-fvisibility=hidden", "-fvisibility-inlines-hidden"),
    *("-ffunction-sections", "-fdata-sections"),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Library:
    """One library: its sources below zig's ``directory``, without those named ``unused``."""

    name: str
    directory: str
    patterns: tuple[str, ...]
    unused: frozenset[str]
    options: tuple[str, ...]


_LIBRARIES = (
    _Library(
        name="libc++_static.a",
        directory="libcxx",
        patterns=("*.cpp", "filesystem/*.cpp", "ryu/*.cpp"),
        unused=frozenset({"int128_builtins.cpp"}),
        options=(
            "-DLIBCXX_BUILDING_LIBCXXABI",
            "-DLIBC_NAMESPACE=__llvm_libc_common_utils",
            "-D_LIBCPP_HAS_NO_PRAGMA_SYSTEM_HEADER",
        ),
    ),
    _Library(
        name="libc++abi.a",
        directory="libcxxabi",
        patterns=("*.cpp",),
        unused=frozenset({"cxa_noexception.cpp"}),
        options=("-D_LIBCXXABI_BUILDING_LIBRARY",),
    ),
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Unit:
    """One source file of a library and the object it becomes."""

    library: _Library
    source: Path
    object: Path

    @property
    def size(self) -> int:
        """Of the source, bytes: the largest take longest."""
        return self.source.stat().st_size


def units(zig: Zig, layout: Layout) -> list[Unit]:
    """Every file to compile, the longest work first."""
    found = [
        Unit(
            library=library,
            source=source,
            object=layout.work / library.directory / f"{source.stem}.o",
        )
        for library in _LIBRARIES
        for pattern in library.patterns
        for source in sorted((zig.library / library.directory / "src").glob(pattern))
        if source.name not in library.unused
    ]
    return sorted(found, key=lambda unit: -unit.size)


def compile_unit(unit: Unit, zig: Zig, layout: Layout) -> None:
    """Compile one file. Raises ProcessError."""
    unit.object.parent.mkdir(exist_ok=True)
    includes = ("libcxx/src", "libcxx/libc", "libcxxabi/include")
    zig.clang(
        [
            f"--config={layout.configuration}",
            *_SHARED,
            *unit.library.options,
            # The path of a source gets into messages of the library.
            f"-ffile-prefix-map={zig.library}=zig",
            *(f"-I{zig.library / name}" for name in includes),
            *("-c", unit.source, "-o", unit.object),
        ],
        cache=layout.work,
    )


def archive(made: Sequence[Unit], zig: Zig, layout: Layout) -> None:
    """Put the objects into the libraries they belong to. Raises ProcessError."""
    for library in _LIBRARIES:
        members = sorted(unit.object for unit in made if unit.library is library)
        zig.archive(layout.libraries / library.name, members, cache=layout.work)


def build(zig: Zig, layout: Layout) -> None:
    """Compile the libraries, on all processors. Raises ProcessError."""
    todo = units(zig, layout)
    jobs = len(os.sched_getaffinity(0))
    parallel.each(todo, lambda unit: compile_unit(unit, zig, layout), jobs=jobs)
    archive(todo, zig, layout)
