"""The embedded engine: unpacked Debian roots, bubblewrap, QEMU. No daemon, no root needed."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import shutil
import sys
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crossbuild import catalog, process
from crossbuild.catalog import Image
from crossbuild.disk import guarded
from crossbuild.engine import debian, emulation, sandbox
from crossbuild.engine.apt import host_archive
from crossbuild.engine.base import WORK, ExecResult, Limits, Role, Root, Tree
from crossbuild.engine.emulation import Emulation, Way
from crossbuild.engine.sandbox import Sandbox
from crossbuild.engine.session import RootfsSession
from crossbuild.platforms import Arch
from crossbuild.report import Reporter, Silent, waiting
from crossbuild.store import Store

_SCHEMA = 1
"""Raise it when the same packages would be finished differently."""

_DEFAULT = Limits()
_PREPARING = Limits(wall=900.0)


class RootfsEngine:
    """Runs emulated code on this host.

    ``environment`` is the user's: its PATH and proxies are for unpacking only and never enter
    a session. ``mirror`` overrides the Debian mirror of the host's apt.
    """

    name = "rootfs"

    def __init__(
        self,
        store: Store,
        *,
        reporter: Reporter | None = None,
        mirror: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._reporter: Reporter = reporter or Silent()
        self._mirror = mirror
        self._environment = environment or {}
        self._host = {"PATH": self._environment.get("PATH", os.defpath)}
        self._emulations: dict[Arch, Emulation] = {}
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def check(self, image: str) -> None:
        """Find out at once whether programs of the image can run here. Raises HostError."""
        self._emulation(catalog.image(image).arch)

    def prepare(self, image: str, role: Role) -> Root:
        """The image, from the store or unpacked now (about 20 s and 400 MB).

        Raises HostError when its programs cannot be run here, NetworkError, IntegrityError,
        StorageError.
        """
        wanted = catalog.image(image)
        self._emulation(wanted.arch)
        key = _key(wanted, role)
        with self._making[key]:  # threads of this run wait here: the first one says for what
            path = self._store.make_tree(
                key, lambda root: self._make(wanted, role, root), what=_what(wanted, role)
            )
        key = f"{wanted.name}-{role.value}-{_SCHEMA}-{debian.content_key(path)}"
        return Root(image=image, role=role, key=key, path=path)

    @contextlib.contextmanager
    def session(
        self,
        root: Root,
        *,
        trees: Mapping[str, Tree] | None = None,
        limits: Limits = _DEFAULT,
        keep: Path | None = None,
    ) -> Iterator[RootfsSession]:
        """Open a sandbox on this host; see ``Engine.session``.

        ``keep`` is a path where nothing is yet. A tree can be mounted at any path but those
        below the system's own directories.
        """
        mounts = {path: tree.path for path, tree in (trees or {}).items()}
        for path in mounts:
            sandbox.check_mount_point(path)
        image = catalog.image(root.image)
        with self._store.scratch("session") as directory:
            box = self._sandbox(image, root.path, directory, limits=limits, mounts=mounts)
            try:
                yield RootfsSession(box, self._inside(image), self._host)
            except BaseException:
                if keep is not None:
                    _keep(box.work, keep)
                raise

    def _emulation(self, arch: Arch) -> Emulation:
        """How programs of ``arch`` run here, found out once and set up if need be."""
        if arch not in self._emulations:
            found = emulation.how(arch)
            if found.way is Way.GLOBAL:
                emulation.register(found)
            self._emulations[arch] = found
        return self._emulations[arch]

    def _make(self, image: Image, role: Role, root: Path) -> None:
        with waiting(self._reporter, _what(image, role)):
            archive = host_archive(self._mirror)
            debian.unpack(image, role, root, archive=archive, environment=self._environment)
            debian.finish(image, root)
            self._run_inside(image, root, ["/sbin/ldconfig"])
            self._compile(image, root)

    def _compile(self, image: Image, root: Path) -> None:
        """Compile the standard library, or every start would do it again, under emulation.

        Byte code is the same for every processor: a host CPython of the same version does in
        2 s what takes 13 s inside.
        """
        for interpreter in image.interpreters:
            library = debian.library(interpreter)
            options = ("-m", "compileall", "-q", "-j", "0")
            if sys.implementation.cache_tag == interpreter.cache_tag:
                argv = [sys.executable, "-I", *options, "-s", str(root), f"{root}{library}"]
                process.run(argv, check=False)
            else:
                self._run_inside(image, root, [interpreter.command, *options, library])

    def _run_inside(self, image: Image, root: Path, command: Sequence[str]) -> ExecResult:
        """Run a command in a root that is not finished, and may be written."""
        with self._store.scratch("prepare") as directory:
            box = self._sandbox(image, root, directory, limits=_PREPARING, writable=True)
            return RootfsSession(box, self._inside(image), self._host).run(command)

    def _sandbox(
        self,
        image: Image,
        root: Path,
        directory: Path,
        *,
        limits: Limits,
        mounts: Mapping[str, Path] | None = None,
        writable: bool = False,
    ) -> Sandbox:
        box = Sandbox(
            root=root,
            directory=directory,
            emulation=self._emulation(image.arch),
            limits=limits,
            mounts=mounts or {},
            writable=writable,
        )
        with guarded(directory):
            box.lay_out()
        return box

    def _inside(self, image: Image) -> dict[str, str]:
        """What every command gets, and nothing else: its interpreter comes first on PATH."""
        interpreters = [found.directory for found in image.interpreters]
        return {
            **self._emulation(image.arch).environment,
            "PATH": ":".join([*interpreters, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]),
            "HOME": WORK,
            "LANG": "C.UTF-8",
            "TMPDIR": "/tmp",  # noqa: S108 - the session's own
        }


def _key(image: Image, role: Role) -> str:
    """What the tree of an image is made from: not its content, which the mirror decides."""
    value = json.dumps([dataclasses.asdict(image), role.value, _SCHEMA], sort_keys=True)
    return f"root-{image.name}-{role.value}-{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def _what(image: Image, role: Role) -> str:
    return f"unpacking Debian {image.suite} for {image.arch} ({role.value})"


def _keep(work: Path, keep: Path) -> None:
    with guarded(keep.parent):
        keep.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(work, keep)
