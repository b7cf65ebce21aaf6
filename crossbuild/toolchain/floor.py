"""The target's C library for compilers of another's making: GCC of an image links at the floor.

A compiler of the image links with the image's own C library, which is newer than the target's,
so that what it makes needs symbols that the target does not have. GCC can be told to look for
libraries elsewhere first (GCC manual, "Environment Variables": LIBRARY_PATH), and to take
another linker (COMPILER_PATH): it is the image's own, which is told that the image's libraries
may want more of the C library than the one that is linked with has.

    floor/lib      the C library's stubs, its start files, and scripts that lead to the stubs
    floor/bin/ld   the image's linker, with one option
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crossbuild.toolchain.sysroot import Layout

_SPARED = frozenset({"crti.o", "crtn.o"})
"""Start files of clang's that GCC's own have to come before."""

_LINKER = '#!/bin/sh\nexec /usr/bin/ld --allow-shlib-undefined "$@"\n'


def install(layout: Layout) -> None:
    """Lay out ``floor`` in a toolchain's tree whose C library is there."""
    library = layout.root / "floor/lib"
    library.mkdir(parents=True)
    for path in sorted(layout.libraries.iterdir()):
        stub = ".so" in path.suffixes and path.name != "libunwind.so"
        start = path.suffix == ".o" and path.name not in _SPARED
        if stub or start or path.name == "libc_nonshared.a":
            (library / path.name).symlink_to(Path("../../sysroot/usr/lib", path.name))
    linker = layout.root / "floor/bin/ld"
    linker.parent.mkdir()
    linker.write_text(_LINKER, encoding="ascii")
    linker.chmod(0o755)


def environment(mount: str) -> Mapping[str, str]:
    """What a build sees where the toolchain's tree is at ``mount``."""
    return {"LIBRARY_PATH": f"{mount}/floor/lib", "COMPILER_PATH": f"{mount}/floor/bin"}
