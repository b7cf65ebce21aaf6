"""Compiling a front: one static program without a C library, as the launcher is."""

from __future__ import annotations

import platform as host
from collections.abc import Mapping
from pathlib import Path

from crossbuild.toolchain.compiler import Zig

_OPTIONS = (
    *("-std=c11", "-Os", "-Wall", "-Werror", "-Wno-unused-function", "-ffreestanding"),
    *("-fno-builtin", "-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
)


def compile_front(zig: Zig, source: Path, program: Path, texts: Mapping[str, str]) -> None:
    """Compile ``source``, which may include ``system.h``, for this host.

    ``texts`` are macros that stand for texts in it. Raises ProcessError.
    """
    built = program.with_suffix(".o")
    zig.clang(
        [
            f"--target={host.machine()}-linux-gnu",
            *_OPTIONS,
            *("-nostdinc", "-isystem", zig.library / "include"),
            *("-I", Path(__file__).parent.parent),
            *(f'-D{name}="{text}"' for name, text in texts.items()),
            *("-c", source, "-o", built),
        ],
        cache=program.parent,
    )
    zig.run(["ld.lld", "-static", "-s", "-o", program, built], cache=program.parent)
    built.unlink()
