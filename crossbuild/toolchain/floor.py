"""The target's C library for compilers of another's making: GCC of an image links at the floor.

A compiler of the image links with the image's own C library, which is newer than the target's,
so that what it makes needs symbols that the target does not have. GCC can be told to look for
libraries elsewhere first (GCC manual, "Environment Variables": LIBRARY_PATH), and to take
another linker (COMPILER_PATH): it is the image's own, which is told that the image's libraries
may want more of the C library than the one that is linked with has, and where that is: a build's
own -L comes before LIBRARY_PATH.

    floor/lib      the C library's stubs, its start files, and scripts that lead to the stubs
    floor/bin/ld   the image's linker, with two options
    floor/shim     libraries with what newer ones offer (shim.c, shimxx.c)
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
    """The target's C library: its ``stubs`` by name, and the ``shims`` for what it has not."""

    stubs: Mapping[str, Path]
    shims: tuple[Path, ...]


def c_library(tree: Path) -> CLibrary | None:
    """Find the C library in a toolchain's tree; None where it has none with a floor."""
    shims = tuple(sorted((tree / "floor/shim").glob("*.so")))
    libraries = Layout(root=tree).libraries
    stubs = {path.name: path for path in libraries.glob("lib*.so.*") if _STUB.search(path.name)}
    return CLibrary(stubs=stubs, shims=shims) if shims else None


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
    _shims(zig, layout)


def _shims(zig: Zig, layout: Layout) -> None:
    """Compile the shims, that for C++ apart: it needs a library that C has no use for."""
    place = layout.root / "floor/shim"
    place.mkdir()
    stub = _object(zig, layout, "shimxx.c", "-DSTUB", "-w")
    standard = layout.work / "libstdc++.so.6"
    _link(zig, layout, standard, stub)
    for source, library in (("shim.c", "-lresolv"), ("shimxx.c", f"-l:{standard.name}")):
        # Named after its content, for a process may load those of two crossbuilds.
        digest = hashlib.sha256(Path(__file__).with_name(source).read_bytes()).hexdigest()[:8]
        made = place / f"libcrossbuild_{Path(source).stem}-{digest}.so"
        built = _object(zig, layout, source, "-Wall", "-Wextra", "-Werror")
        _link(zig, layout, made, built, library)


def _object(zig: Zig, layout: Layout, source: str, *options: str) -> Path:
    made = layout.work / f"{source}{options[0]}.o"
    usual = ["-std=c11", "-O2", "-fPIC", "-fno-builtin", f"--config={layout.configuration}"]
    path = Path(__file__).with_name(source)
    zig.clang([*usual, *options, "-c", path, "-o", made], cache=layout.work)
    return made


def _link(zig: Zig, layout: Layout, made: Path, built: Path, *libraries: str) -> None:
    words: list[str | Path] = ["ld.lld", "-shared", "-s", "--no-undefined", "-z", "relro"]
    words += ["-soname", made.name, "-o", made, built]
    words += [f"-L{layout.work}", f"-L{layout.libraries}", *libraries]
    zig.run([*words, "--as-needed", "-lc", "-lbuiltins"], cache=layout.work)


def environment(mount: str) -> Mapping[str, str]:
    """What a build sees where the toolchain's tree is at ``mount``."""
    return {"LIBRARY_PATH": f"{mount}/floor/lib", "COMPILER_PATH": f"{mount}/floor/bin"}
