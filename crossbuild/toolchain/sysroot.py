"""A conventional sysroot of the target at its floor, made from what zig carries as sources.

zig makes the C library's stubs, its start files and compiler-rt; clang and lld then use them as
they would use any other sysroot, without zig's front end: no cache that builds could write to,
every linker option, and no library built a second time because an option differs.

    sysroot/usr/include          the C library's and the kernel's headers
    sysroot/usr/include/c++/v1   libc++'s
    sysroot/usr/lib              stubs, start files, libc++, linker scripts
    resource                     clang's own headers, and compiler-rt where it looks for it
    target.cfg                   the options that make all of this the default
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossbuild.errors import HostError
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.platform import Platform

_OBJECTS = ("crt1.o", "Scrt1.o", "crti.o", "crtn.o", "rcrt1.o")
_STUBS = (
    *("libc.so*", "libm.so.*", "libpthread.so.*", "libdl.so.*", "librt.so.*"),
    *("libutil.so.*", "libresolv.so.*", "libld.so.*"),
)
_ARCHIVES = ("libcompiler_rt.a", "libc_nonshared.a")

_CONFIGURATION = """\
--target={triple}
--sysroot=<CFGDIR>/sysroot
-resource-dir=<CFGDIR>/resource
-rtlib=compiler-rt
-unwindlib=libunwind
-stdlib=libc++
{defines}
"""

_BY_NAME = "-D_LIBCPP_TYPEINFO_COMPARISON_IMPLEMENTATION=2"
"""Types are equal when their names are, as in libstdc++ (libcxx/include/typeinfo).

Python loads extensions apart from each other, each with its own copy of the C++ library: an
exception of one must be recognised in another, as pybind11 hands them across modules.
"""

_TRAITS = Path(__file__).with_name("char_traits.h")

_GLIBC = "GROUP(libc.so.6 libc_nonshared.a AS_NEEDED({parts}))\n"
_SCRIPTS: Mapping[str, str] = {
    # The C library first: compiler-rt has slow copies of memcpy, sin and their like.
    "libbuiltins.a": "GROUP(-lc -lcompiler_rt)\n",
    "libgcc.a": "GROUP(-lbuiltins)\n",
    "libatomic.a": "GROUP(-lbuiltins)\n",
    # Every policy of manylinux lets a wheel expect the system's unwinder. One unwinder in a
    # process lets exceptions and pthread_exit pass through the code of other compilers.
    "libunwind.a": "INPUT(-l:libgcc_s.so.1)\n",
    "libunwind.so": "INPUT(-l:libgcc_s.so.1)\n",
    "libgcc_s.a": "INPUT(-lunwind)\n",
    "libgcc_eh.a": "INPUT(-lunwind)\n",
    "libc++.a": "GROUP(-lc++_static -lc++abi -lunwind -lc)\n",
    "libstdc++.a": "INPUT(-lc++)\n",
    "libsupc++.a": "INPUT(-lc++)\n",
    "libstdc++fs.a": "INPUT(-lc++)\n",
}
"""Libraries that only lead to others, by the names that GCC's users link."""

_MUSL: Mapping[str, str] = {
    f"lib{name}.a": "INPUT(-lc)\n"
    for name in ("m", "pthread", "dl", "rt", "util", "resolv", "crypt", "xnet")
}
"""musl is one library; it has these names too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Layout:
    """The directories of a toolchain's tree; ``work`` is gone when the tree is finished."""

    root: Path

    @property
    def work(self) -> Path:
        """Objects and zig's cache, while the tree is made."""
        return self.root / "work"

    @property
    def include(self) -> Path:
        """The C library's headers."""
        return self.root / "sysroot/usr/include"

    @property
    def libraries(self) -> Path:
        """Everything that is linked."""
        return self.root / "sysroot/usr/lib"

    @property
    def resource(self) -> Path:
        """What clang calls its resource directory."""
        return self.root / "resource"

    @property
    def configuration(self) -> Path:
        """Clang's options for this sysroot alone."""
        return self.root / "target.cfg"


def headers(zig: Zig, platform: Platform, layout: Layout) -> None:
    """Copy the headers zig would use for C++ and write down the macros it would define.

    zig gates glibc's headers by macros and configures libc++ by others, so it is asked.
    Raises ProcessError, HostError.
    """
    source = layout.work / "empty.cpp"
    source.touch()
    said = zig.run(
        ["c++", "-target", platform.zig, "-O2", "-c", source, "-o", source.with_suffix(".o")],
        cache=layout.work,
        env={"ZIG_VERBOSE_CC": "1"},
    )
    directories = re.findall(rf"-isystem {re.escape(str(zig.library))}/(\S+)", said)
    defines = [*re.findall(r" (-D_\S+)", said), _BY_NAME]
    if "libcxx/include" not in directories or "include" not in directories:
        raise HostError(f"zig {zig.version} does not say which headers it uses")
    for name in reversed(directories):
        shutil.copytree(
            zig.library / name,
            _header_destination(name, layout),
            dirs_exist_ok=True,
            copy_function=shutil.copyfile,
        )
    _traits(zig, layout.include / "c++/v1/__string/char_traits.h")
    text = _CONFIGURATION.format(triple=platform.clang, defines="\n".join(defines))
    layout.configuration.write_text(text, encoding="utf-8")


def _traits(zig: Zig, header: Path) -> None:
    """Add the traits of any type of character to libc++'s own. Raises HostError."""
    text = header.read_text(encoding="utf-8") if header.exists() else ""
    before, last, after = text.rpartition("_LIBCPP_POP_MACROS")
    if not last:
        raise HostError(f"the C++ library of zig {zig.version} is not as it was")
    shutil.copyfile(_TRAITS, header.with_name("crossbuild_traits.h"))
    included = "#include <__string/crossbuild_traits.h>\n\n"
    header.write_text(f"{before}{included}{last}{after}", encoding="utf-8")


def _header_destination(name: str, layout: Layout) -> Path:
    if name == "include":
        return layout.resource / "include"
    if name.startswith("libcxx"):
        return layout.include / "c++/v1"
    return layout.include


def c_library(zig: Zig, platform: Platform, layout: Layout) -> None:
    """Have zig make the C library's stubs, start files and compiler-rt, and take them over.

    Raises ProcessError, HostError.
    """
    cache = layout.work / "c"
    cache.mkdir()
    program = cache / "main.c"
    program.write_text("int main(void) { return 0; }\n", encoding="utf-8")
    # -O2 and -s apply to what zig builds on the way.
    options: list[str | Path] = [
        "cc",
        "-target",
        platform.zig,
        "-O2",
        "-s",
        program,
        "-o",
        cache / "main",
    ]
    for kind in ("-pie", "-no-pie"):
        dynamic = ["-dynamic"] if platform.floor is None else []
        zig.run([*options, kind, *dynamic], cache=cache)
    layout.libraries.mkdir(parents=True, exist_ok=True)
    for pattern in (*_OBJECTS, *_STUBS, *_ARCHIVES):
        for path in sorted(cache.glob(f"o/*/{pattern}")):
            shutil.copyfile(path, layout.libraries / path.name)
    if not (layout.libraries / "Scrt1.o").exists():
        raise HostError(f"zig {zig.version} made no C library for {platform.zig}")


def finish(zig: Zig, platform: Platform, layout: Layout) -> None:
    """Give everything the names under which clang and its users look for it.

    Raises ProcessError.
    """
    libraries = layout.libraries
    for path in sorted(libraries.glob("lib*.so.*")):
        name = path.name.split(".so.")[0]
        if name not in {"libc", "libld"}:
            (libraries / f"{name}.so").symlink_to(path.name)
    if platform.floor is not None:
        parts = sorted({path.name for path in libraries.glob("lib*.so.*")} - {"libc.so.6"})
        script = _GLIBC.format(parts=" ".join(parts))
        (libraries / "libc.so").write_text(script, encoding="ascii")
    for name, script in {**_SCRIPTS, **({} if platform.floor else _MUSL)}.items():
        (libraries / name).write_text(script, encoding="ascii")
    _start_files(zig, layout)


def _start_files(zig: Zig, layout: Layout) -> None:
    """crti.o and crtn.o are empty since there are no .init sections; crtend.o always is."""
    config = f"--config={layout.configuration}"
    machine = zig.run(
        ["clang", "--no-default-config", config, "-dumpmachine"], cache=layout.work
    ).strip()
    runtime = layout.resource / "lib" / machine
    runtime.mkdir(parents=True)
    builtins = "GROUP(-lbuiltins)\n"
    (runtime / "libclang_rt.builtins.a").write_text(builtins, encoding="ascii")
    empty = layout.work / "empty.c"
    empty.touch()
    begin = Path(__file__).with_name("crtbegin.c")
    objects = {runtime / "clang_rt.crtbegin.o": begin, runtime / "clang_rt.crtend.o": empty}
    for name in ("crti.o", "crtn.o"):
        if not (layout.libraries / name).exists():
            objects[layout.libraries / name] = empty
    for made, source in objects.items():
        zig.clang([config, "-O2", "-fPIC", "-c", source, "-o", made], cache=layout.work)
