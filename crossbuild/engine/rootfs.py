"""The embedded engine: unpacked roots, bubblewrap, QEMU. No daemon, no root needed."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

from crossbuild.catalog import Image, Role
from crossbuild.disk import guarded
from crossbuild.engine.base import Limits, Root, Tree
from crossbuild.engine.images.roots import Roots
from crossbuild.engine.sandboxes import sandbox
from crossbuild.engine.sandboxes.host import Host
from crossbuild.engine.sandboxes.session import RootfsSession

_DEFAULT = Limits()


class RootfsEngine:
    """Runs emulated code on this host, in ``roots`` that were made on it."""

    name = "rootfs"

    def __init__(self, host: Host, roots: Roots) -> None:
        self._host = host
        self._roots = roots

    def check(self, image: Image) -> None:
        """Find out at once whether programs of the image can run here. Raises HostError."""
        self._host.emulation(image.arch)

    def prepare(self, image: Image, role: Role) -> Root:
        """The image's root; see ``Roots.prepare``."""
        return self._roots.prepare(image, role)

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
        opening = self._host.sandbox(root.image, root.path, limits=limits, mounts=mounts)
        with opening as (session, work):
            try:
                yield session
            except BaseException:
                if keep is not None:
                    _keep(work, keep)
                raise


def _keep(work: Path, keep: Path) -> None:
    with guarded(keep.parent):
        keep.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(work, keep)
