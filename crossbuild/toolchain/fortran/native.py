"""Native Fortran for an emulated build: Debian's cross compiler, at the target's floor.

The programs of the package ``gfortran-12-TRIPLET`` run on the host's processor inside the
target's container; they bring their C library along. What they compile is linked with the same C
library as C is, and with Fortran's own library, statically.
"""

from __future__ import annotations

import dataclasses
import platform as host
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from crossbuild.engine.base import Tree
from crossbuild.engine.images import debian, native
from crossbuild.engine.images.apt import host_archive
from crossbuild.errors import HostError
from crossbuild.platforms import Arch, Family
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.fortran import hiding
from crossbuild.toolchain.fronts.front import compile_front
from crossbuild.toolchain.zig import MOUNT as C_MOUNT
from crossbuild.toolchain.zig import Toolchain

MOUNT = "/opt/crossbuild/fortran"
"""Where Fortran is inside a session."""

PACKAGE = "gfortran"
"""The package of an image's distribution that this takes the place of."""

_SCHEMA = 3
"""Raise it when the same packages would be finished differently."""

_SUITE, _GCC = "bookworm", "12"
_ARCHES = frozenset({"aarch64"})
_HOSTS = frozenset({"x86_64"})
_UNWINDER = "GROUP(-l:libgcc_s.so.1 -lgcc)\n"
_LACKING = ("*_5.o", "lse-init.o")
"""Atomic operations with GCC's oldest meaning, for processors with and without instructions."""
_USELESS = ("var", "tmp", "usr/share", "usr/sbin")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fortran:
    """Gives builds Fortran. ``mirror`` and ``environment`` are those of ``Roots``."""

    store: Store
    target: Target
    reporter: Reporter
    mirror: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def join(self, toolchain: Toolchain) -> Toolchain:
        """The toolchain with gfortran; slow the first time.

        Raises HostError, IntegrityError, NetworkError, StorageError.
        """
        if MOUNT in toolchain.trees:
            return toolchain
        tree = self._tree()
        return dataclasses.replace(
            toolchain,
            key=f"{toolchain.key} {tree.key}",
            trees=MappingProxyType({**toolchain.trees, MOUNT: tree}),
            path_prefix=f"{toolchain.path_prefix}:{MOUNT}/bin",
        )

    def _tree(self) -> Tree:
        """Fortran itself; its key stands for the exact version of every package."""
        arch = self.target.arch
        what = f"unpacking Fortran of Debian {_SUITE} for {arch}"

        def fill(root: Path) -> None:
            with waiting(self.reporter, what):
                debian.programs(
                    _SUITE, (f"gfortran-{_GCC}-{arch.triplet}",), (native.host_arch().debian,),
                    root, archive=host_archive(self.mirror), environment=self.environment,
                )  # fmt: skip
                _finish(root, arch, Zig.find())

        path = self.store.make_tree(f"fortran-{_SUITE}-{arch}-{_SCHEMA}", fill, what=what)
        return Tree(key=f"fortran-{_SCHEMA}-{arch}-{debian.content_key(path)}", path=path)


def available(target: Target) -> bool:
    """Whether Fortran can be had for builds: hosts and targets that it was tried for."""
    known = host.machine() in _HOSTS and target.arch.name in _ARCHES
    return known and target.family is not Family.MUSLLINUX


def _finish(root: Path, arch: Arch, zig: Zig) -> None:
    """Leave the compiler and Fortran's own library, and let them run where they are mounted."""
    debian.strip(root)
    own = root / "usr/lib/gcc-cross" / arch.triplet / _GCC
    useless = [*(root / name for name in _USELESS), *own.glob("*.so"), *own.glob("lib*san*")]
    useless.append(own / "libgcc_eh.a")
    # The C library in there is that of the suite.
    useless += [root / "usr" / arch.triplet / name for name in ("lib", "include")]
    for path in useless:
        if path.is_symlink() or path.is_file():
            path.unlink()
        else:
            shutil.rmtree(path, ignore_errors=True)
    (own / "libgcc_s.so").write_text(_UNWINDER, encoding="ascii")
    compiler = root / f"usr/bin/{arch.triplet}-gfortran-{_GCC}"
    programs = [compiler, own / "f951", own / "collect2", own / "cc1"]
    programs += [root / f"usr/bin/{arch.triplet}-as"]
    if not all(path.is_file() for path in (*programs, own / "libgfortran.a")):
        raise HostError(f"the packages of Fortran of Debian {_SUITE} are not as they were")
    for path in programs:
        native.adopt(path, MOUNT, arch=native.host_arch())
    work = root / "work"
    work.mkdir()
    _self_contained(own, arch, zig, work)
    _front(root, arch, zig, work)
    shutil.rmtree(work)


def _self_contained(own: Path, arch: Arch, zig: Zig, work: Path) -> None:
    """Make Fortran's library one that every shared library can have, whoever links it.

    It gets our own part in the place of the one that only programs can have; from GCC's library
    the parts that clang's lacks; and nothing of it is seen outside.
    """
    options = (f"--target={arch.triplet}", "-std=c11", "-O2", "-fPIC", "-ffreestanding")
    source = Path(__file__).with_name("asyncless.c")
    zig.clang([*options, "-Wall", "-Werror", "-c", source, "-o", work / "async.o"], cache=work)
    parts = work / "parts"
    parts.mkdir()
    zig.run(["ar", "x", own / "libgcc.a"], cache=work, cwd=parts)
    lacking = sorted(path for pattern in _LACKING for path in parts.glob(pattern))
    library = own / "libgfortran.a"
    zig.run(["ar", "rD", library, work / "async.o", *lacking], cache=work)
    hiding.hide(library)
    # It is part of Fortran's library where numbers of 128 bits are no part of C's; builds that
    # were never tried elsewhere name it everywhere.
    (own / "libquadmath.a").write_bytes(b"!<arch>\n")


def _front(root: Path, arch: Arch, zig: Zig, work: Path) -> None:
    """Compile the program that builds call, under each of its names."""
    compiler = f"{MOUNT}/usr/bin/{arch.triplet}-gfortran-{_GCC}"
    texts = {"COMPILER": compiler, "TOOLS": C_MOUNT}
    made = work / "gfortran"
    compile_front(zig, Path(__file__).with_name("gfortran.c"), made, texts)
    (root / "bin").unlink()
    (root / "bin").mkdir()
    made.rename(root / "bin" / "gfortran")
    for name in ("f95", "f77", f"{arch.triplet}-gfortran"):
        (root / "bin" / name).symlink_to("gfortran")
