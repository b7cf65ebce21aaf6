"""The launcher: one small native program under every name that a compiler is called by."""

from __future__ import annotations

import os
import platform as host
from pathlib import Path

from crossbuild import process
from crossbuild.errors import HostError
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.platform import Platform
from crossbuild.toolchain.sysroot import Layout

SOURCES = tuple(
    Path(__file__).with_name(name) for name in ("launcher.c", "quirks.h", "response.h", "system.h")
)
_HOSTS = ("x86_64", "aarch64")
_OPTIONS = (
    *("-std=c11", "-Os", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin"),
    *("-fno-stack-protector", "-fno-asynchronous-unwind-tables"),
)

_CONFIGURATION = """\
@target.cfg
--ld-path=<CFGDIR>/bin/ld.lld
-L<CFGDIR>/sysroot/usr/lib
$-Wl,-L/usr/lib/{triplet}
$-Wl,-L/lib/{triplet}
$-Wl,-L/usr/lib
-idirafter
/usr/include/{triplet}
-idirafter
/usr/include
-Wno-unknown-warning-option
-Wno-error=incompatible-function-pointer-types
-Wno-error=incompatible-pointer-types
-Wno-error=int-conversion
-Wno-error=implicit-int
-Wno-error=return-mismatch
-Wno-error=c++11-narrowing
-Wno-error=register
-Wno-error=reserved-user-defined-literal
-Wno-error=missing-template-arg-list-after-template-kw
"""
"""Clang's options for builds (Clang manual, "Configuration files"); ``$`` adds to links only.

The image's headers and libraries come last: they are of a newer C library than the target's.
GCC keeps quiet about warnings it does not know, and before version 14 took a pointer, number or
result of another type for a mistake that deserves a warning: old C, and what old Cythons write,
compiles that way. In C++ it warns of narrowing, of ``register`` and of literals that touch what
comes after them, and takes ``template`` before a name without arguments. A function that is not
declared stays an error, though GCC warned of that too: it may be one that the target's C library
does not have. Options of the linker are not here but in the launcher: to clang they are
inputs, and `cc -v` would link.
"""


def compile_launcher(zig: Zig, platform: Platform, program: Path, work: Path) -> None:
    """Compile the launcher of a target for this host.

    Raises HostError on a host whose system calls it does not know, ProcessError.
    """
    machine = host.machine()
    if machine not in _HOSTS:
        raise HostError(
            f"native compilers are for hosts with {' or '.join(_HOSTS)}, this one has {machine}"
        )
    built = work / f"{program.name}.o"
    zig.clang(
        [
            f"--target={machine}-linux-gnu",
            *_OPTIONS,
            *("-nostdinc", "-isystem", zig.library / "include"),
            f'-DTARGET_TRIPLET="{platform.arch.triplet}"',
            f"-DTARGET_X86={int(platform.x86)}",
            *("-c", SOURCES[0], "-o", built),
        ],
        cache=work,
    )
    zig.run(["ld.lld", "-static", "-s", "-o", program, built], cache=work)


def install(zig: Zig, platform: Platform, layout: Layout, program: str) -> None:
    """Lay out ``bin`` and the configuration; ``program`` is where zig will be found inside.

    Raises HostError, ProcessError.
    """
    (layout.root / "zig").symlink_to(program)
    text = _CONFIGURATION.format(triplet=platform.arch.triplet)
    (layout.root / "clang.cfg").write_text(text, encoding="utf-8")
    launcher = layout.work / "launcher"
    compile_launcher(zig, platform, launcher, layout.work)
    listed = process.run([str(launcher)], env={"CROSSBUILD_LAUNCHER": "names"})
    directory = layout.root / "bin"
    directory.mkdir()
    for name in listed.stdout.split():
        # Hard links: a build that resolves symbolic ones must still find the name.
        os.link(launcher, directory / name)
