"""The target's C library for compilers of another's making: GCC of an image links at the floor.

A compiler of the image links with the image's own C library, which is newer than the target's,
so that what it makes needs symbols that the target does not have. GCC can be told to look for
libraries elsewhere first (GCC manual, "Environment Variables": LIBRARY_PATH), and to take
another linker (COMPILER_PATH): it is the image's own, which is told that the image's libraries
may want more of the C library than the one that is linked with has, and where that is: a build's
own -L comes before LIBRARY_PATH.

    floor/lib      the C library's stubs, its start files, and scripts that lead to the stubs
    floor/bin/ld   the image's linker, with two options
    floor/shim     a library with what newer C libraries offer (shim.c)
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.sysroot import Layout

_SPARED = frozenset({"crti.o", "crtn.o"})
"""Start files of clang's that GCC's own have to come before."""

_STUB = re.compile(r"^lib(c|m|pthread|dl|rt|util|resolv)\.so\.\d+$")

_LINKER = """\
#!/bin/sh
exec /usr/bin/ld --allow-shlib-undefined "-L${0%/bin/ld}/lib" "$@"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class CLibrary:
    """The target's C library: its ``stubs`` by name, and the ``shim`` for what it has not."""

    stubs: Mapping[str, Path]
    shim: Path


def c_library(tree: Path) -> CLibrary | None:
    """Find the C library in a toolchain's tree; None where it has none with a floor."""
    shim = next((tree / "floor/shim").glob("*.so"), None)
    libraries = Layout(root=tree).libraries
    stubs = {path.name: path for path in libraries.glob("lib*.so.*") if _STUB.search(path.name)}
    return CLibrary(stubs=stubs, shim=shim) if shim else None


def install(zig: Zig, layout: Layout) -> None:
    """Lay out ``floor`` in a toolchain's tree whose C library is there. Raises ProcessError."""
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
    _shim(zig, layout)


def _shim(zig: Zig, layout: Layout) -> None:
    """Compile the shim; its name is that of its content, for a process may load two of them."""
    source = Path(__file__).with_name("shim.c")
    digest = hashlib.sha256(source.read_bytes()).hexdigest()[:8]
    made = layout.root / f"floor/shim/libcrossbuild_shim-{digest}.so"
    made.parent.mkdir()
    built = layout.work / "shim.o"
    config = f"--config={layout.configuration}"
    options = ["-std=c11", "-O2", "-fPIC", "-fno-builtin", "-Wall", "-Wextra", "-Werror"]
    zig.clang([config, *options, "-c", source, "-o", built], cache=layout.work)
    zig.run(
        [
            *("ld.lld", "-shared", "-s", "--no-undefined", "-z", "relro", "-soname", made.name),
            *("-o", made, built, f"-L{layout.libraries}"),
            *("--as-needed", "-lc", "-lresolv", "-lbuiltins"),
        ],
        cache=layout.work,
    )


def environment(mount: str) -> Mapping[str, str]:
    """What a build sees where the toolchain's tree is at ``mount``."""
    return {"LIBRARY_PATH": f"{mount}/floor/lib", "COMPILER_PATH": f"{mount}/floor/bin"}
