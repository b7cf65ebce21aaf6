"""Programs of this host's own processor inside a foreign root: Debian's, unpacked, not installed.

binfmt_misc is decided file by file (binfmt_misc in the kernel's documentation), so a program of
the host's processor runs beside emulated ones at full speed. What it lacks in a foreign root is
its dynamic loader and its C library: they come in the same tree, and the program is told where
that is mounted (patchelf(1)). Nothing of the host itself gets inside.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from crossbuild.catalog import Debian, Role
from crossbuild.engine.base import Tree
from crossbuild.engine.images import debian
from crossbuild.engine.images.apt import host_archive
from crossbuild.errors import HostError
from crossbuild.platforms import ARCHES, Arch
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store
from crossbuild.wheels.patching import patchelf

_SCHEMA = 1
"""Raise it when the same packages would be unpacked or adapted differently."""

_LOADERS = {"x86_64": "ld-linux-x86-64.so.2", "aarch64": "ld-linux-aarch64.so.1"}
"""The hosts that builds can have native programs on, and the names of their loaders (psABI)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Kit:
    """Packages of a suite, for the host's processor, with all that they depend on.

    ``mount`` is where sessions have the tree; ``programs`` are the files in it that are to run
    there, relative; the rest is left as it came.
    """

    suite: str
    packages: tuple[str, ...]
    mount: str
    programs: tuple[str, ...]


class Natives:
    """Makes the trees of kits once and finds them again in the store.

    ``mirror`` and ``environment`` are those of ``Roots``. Safe to use from several threads.
    """

    def __init__(
        self,
        store: Store,
        *,
        reporter: Reporter,
        mirror: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._reporter = reporter
        self._mirror = mirror
        self._environment = environment or {}

    def tree(self, kit: Kit) -> Tree:
        """The tree of a kit, from the store or unpacked now (some 10 s).

        Its key stands for the exact version of every package. Raises HostError on a host of
        another processor than this module knows, NetworkError, IntegrityError, StorageError.
        """
        arch = host_arch()
        what = f"unpacking native programs of Debian {kit.suite}"

        def fill(root: Path) -> None:
            with waiting(self._reporter, what):
                self._fill(kit, arch, root)

        path = self._store.make_tree(_key(kit, arch), fill, what=what)
        content = hashlib.sha256(f"{_key(kit, arch)} {debian.content_key(path)}".encode())
        return Tree(key=f"native-{content.hexdigest()[:32]}", path=path)

    def _fill(self, kit: Kit, arch: Arch, root: Path) -> None:
        source = Debian(suite=kit.suite, build=kit.packages, target=())
        archive = host_archive(self._mirror)
        debian.unpack(
            source, arch, Role.BUILD, root, archive=archive, environment=self._environment
        )
        debian.strip(root)
        for name in kit.programs:
            adopt(root / name, kit.mount, arch)


def host_arch() -> Arch:
    """The host's processor. Raises HostError for one that no native programs are for."""
    machine = platform.machine()
    if machine not in _LOADERS:
        raise HostError(
            f"native programs are for hosts with {' or '.join(_LOADERS)}, this one has {machine}"
        )
    return ARCHES[machine]


def loader(mount: str, arch: Arch) -> str:
    """Where the dynamic loader of the tree that is mounted there is."""
    return f"{mount}/usr/lib/{arch.triplet}/{_LOADERS[arch.name]}"


def libraries(mount: str, arch: Arch) -> tuple[str, ...]:
    """Where Debian's libraries are in the tree that is mounted there."""
    return (f"{mount}/usr/lib/{arch.triplet}", f"{mount}/usr/lib")


def adopt(program: Path, mount: str, arch: Arch) -> None:
    """Make a program look for its loader and its libraries in the tree mounted at ``mount``.

    The path is a DT_RPATH, which its libraries' own dependencies follow, too (ld.so(8)). Raises
    HostError where patchelf is missing, ProcessError.
    """
    path = ":".join(libraries(mount, arch))
    options = ("--force-rpath", "--set-rpath", path, "--set-interpreter", loader(mount, arch))
    process.run([str(patchelf()), *options, str(program)])


def run(root: Path, command: Sequence[str], arch: Arch) -> process.Completed:
    """Run a program of a tree on the host, which has it elsewhere than sessions do.

    Its result is the caller's to look at.
    """
    program, *arguments = command
    paths = ":".join(libraries(str(root), arch))
    argv = [loader(str(root), arch), "--library-path", paths, str(root / program)]
    return process.run([*argv, *arguments], env={"LC_ALL": "C.UTF-8"}, check=False)


def _key(kit: Kit, arch: Arch) -> str:
    made = [str(_SCHEMA), arch.name, kit.suite, kit.mount, *kit.packages, "", *kit.programs]
    digest = hashlib.sha256("\n".join(made).encode()).hexdigest()[:16]
    return f"native-{kit.suite}-{arch}-{digest}"
