"""The toolchain a build is given: native clang and lld for the target, under every usual name.

Everything is read-only and made once per target: what strangers' builds run can change nothing
that a later build uses, and there is no cache to seed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from crossbuild.engine.base import Tree
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain import cxx, floor, launcher, sysroot
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.platform import Platform
from crossbuild.toolchain.sysroot import Layout

MOUNT = "/opt/crossbuild/toolchain"
"""Where the toolchain of a target is inside a session."""

ZIG_MOUNT = "/opt/crossbuild/zig"
"""Where the zig binary is, which all targets share."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Toolchain:
    """What a session needs to compile natively.

    ``trees`` are to be mounted at their paths; ``path_prefix`` is the directory that goes first
    on PATH; ``environment`` is to be set. ``foreign`` is what lets the image's own compilers
    link for the target instead. ``key`` stands for everything that decides what comes
    out of the compilers.
    """

    key: str
    trees: Mapping[str, Tree]
    path_prefix: str
    environment: Mapping[str, str]
    foreign: Mapping[str, str] = field(default_factory=dict)


def prepare(store: Store, target: Target, reporter: Reporter) -> Toolchain:
    """The toolchain for a target, from the store or made now (half a minute, once per floor).

    Raises HostError where zig is missing or does not know the host or the target, StorageError.
    """
    zig = Zig.find()
    platform = Platform.of(target)
    key = f"toolchain-{platform.zig}-{_digest(zig)}"
    binary_key = f"zig-{zig.version}-{_stamp(zig.program)}"
    what = f"compiling the C and C++ libraries of {platform.zig}"
    binary = store.make_tree(binary_key, lambda tree: _copy(zig.program, tree))
    tree = store.make_tree(key, lambda made: _make(zig, platform, made, what, reporter), what=what)
    return Toolchain(
        key=key,
        trees=MappingProxyType(
            {
                ZIG_MOUNT: Tree(key=binary_key, path=binary),
                MOUNT: Tree(key=key, path=tree),
            }
        ),
        path_prefix=f"{MOUNT}/bin",
        environment=MappingProxyType({}),
        foreign=MappingProxyType(floor.environment(MOUNT) if platform.floor else {}),
    )


def _digest(zig: Zig) -> str:
    """Over zig's version and every file of this package: whatever changes, the key does."""
    digest = hashlib.sha256(zig.version.encode())
    for path in sorted(Path(__file__).parent.glob("*.[chp]*")):
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:16]


def _stamp(program: Path) -> str:
    """One wheel of a version per host: its size tells them apart without reading 180 MB."""
    return str(program.stat().st_size)


def _copy(program: Path, tree: Path) -> None:
    shutil.copy(program, tree / "zig")


def _make(zig: Zig, platform: Platform, tree: Path, what: str, reporter: Reporter) -> None:
    with waiting(reporter, what):
        _fill(zig, platform, Layout(root=tree))


def _fill(zig: Zig, platform: Platform, layout: Layout) -> None:
    layout.work.mkdir()
    sysroot.headers(zig, platform, layout)
    launcher.install(zig, platform, layout, f"{ZIG_MOUNT}/zig")
    sysroot.c_library(zig, platform, layout)
    sysroot.finish(zig, platform, layout)
    if platform.floor is not None:
        floor.install(zig, layout)
    cxx.build(zig, layout)
    shutil.rmtree(layout.work)
