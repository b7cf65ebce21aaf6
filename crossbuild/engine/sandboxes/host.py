"""Where programs of other processors run on a host: emulators found, sandboxes opened."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from crossbuild.catalog import Image
from crossbuild.disk import guarded
from crossbuild.engine import emulation
from crossbuild.engine.base import WORK, Limits
from crossbuild.engine.emulation import Emulation, Way
from crossbuild.engine.sandboxes.sandbox import Sandbox
from crossbuild.engine.sandboxes.session import RootfsSession
from crossbuild.platforms import Arch
from crossbuild.store import Store


class Host:
    """Opens sandboxes below the scratch of ``store``.

    ``path`` is the user's PATH, for the programs that make a sandbox; it is not seen inside.
    """

    def __init__(self, store: Store, path: str | None = None) -> None:
        self._store = store
        self._programs = {"PATH": path or os.defpath}
        self._emulations: dict[Arch, Emulation] = {}

    def emulation(self, arch: Arch) -> Emulation:
        """How programs of ``arch`` run here, found out once and set up if need be.

        Raises HostError naming what is missing.
        """
        if arch not in self._emulations:
            found = emulation.how(arch)
            if found.way is Way.GLOBAL:
                emulation.register(found)
            self._emulations[arch] = found
        return self._emulations[arch]

    @contextlib.contextmanager
    def sandbox(
        self,
        image: Image,
        root: Path,
        *,
        limits: Limits,
        mounts: Mapping[str, Path] | None = None,
        writable: bool = False,
    ) -> Iterator[tuple[RootfsSession, Path]]:
        """Open a sandbox in ``root``; gives its session and its ``WORK`` on the host.

        ``writable``: for a root that is not finished yet.
        """
        found = self.emulation(image.arch)
        with self._store.scratch("session") as directory:
            box = Sandbox(
                root=root,
                directory=directory,
                emulation=found,
                limits=limits,
                mounts=mounts or {},
                writable=writable,
            )
            with guarded(directory):
                box.lay_out()
            variables = {**found.environment, **inside(image)}
            yield RootfsSession(box, variables, self._programs), box.work


def inside(image: Image) -> dict[str, str]:
    """What every command of every engine gets: its image's interpreter comes first on PATH."""
    interpreters = [found.directory for found in image.interpreters]
    return {
        "PATH": ":".join([*interpreters, "/usr/local/bin", "/usr/bin", "/bin", "/usr/sbin"]),
        "HOME": WORK,
        "LANG": "C.UTF-8",
        "TMPDIR": "/tmp",  # noqa: S108 - the session's own
    }
