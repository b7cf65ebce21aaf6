"""The Docker engine: roots of this host, loaded into a daemon and run in containers of it.

Files travel as tar streams and lasting trees as volumes, so the daemon may be anywhere: on
this host, in a virtual machine, at the other end of a network, or around the container that
crossbuild itself runs in.
"""

from __future__ import annotations

import contextlib
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from crossbuild.catalog import Image, Role
from crossbuild.engine import emulation
from crossbuild.engine.base import Limits, Root, Tree
from crossbuild.engine.containers import binfmt, container, loading
from crossbuild.engine.containers.container import Spec
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.dockersession import DockerSession
from crossbuild.engine.containers.loading import Platform
from crossbuild.engine.containers.sweeping import sweep
from crossbuild.engine.containers.volumes import Volumes
from crossbuild.engine.images.roots import Roots
from crossbuild.engine.sandboxes import sandbox
from crossbuild.engine.sandboxes.host import inside
from crossbuild.errors import CrossbuildError
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store

_DEFAULT = Limits()


class DockerEngine:
    """Runs emulated code in containers of ``daemon``; ``roots`` makes their images here.

    Opening it removes what dead runs of this host left in the daemon.
    """

    name = "docker"

    def __init__(self, daemon: Daemon, roots: Roots, store: Store, reporter: Reporter) -> None:
        self._daemon = daemon
        self._roots = roots
        self._store = store
        self._reporter = reporter
        self._volumes = Volumes(daemon, store)
        self._checking: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        self._able: set[str] = set()
        sweep(daemon, self._volumes)

    @property
    def daemon(self) -> Daemon:
        """The daemon, for who makes containers of their own in it."""
        return self._daemon

    def check(self, image: Image) -> None:
        """Find out at once whether the daemon runs the image's programs, or make it.

        Raises HostError where it cannot be made to.
        """
        arch = image.arch
        with self._checking[arch.name]:
            if arch.name in self._able:
                return
            if arch.name != self._daemon.about.machine:
                binfmt.ensure(
                    self._daemon, arch,
                    lambda: loading.image_of(self._loaded(image, _any_role(image))),
                )  # fmt: skip
            self._able.add(arch.name)

    def prepare(self, image: Image, role: Role) -> Root:
        """The image's root, in the daemon too; see ``Roots.prepare``."""
        self.check(image)
        return self._loaded(image, role)

    @contextlib.contextmanager
    def session(
        self,
        root: Root,
        *,
        trees: Mapping[str, Tree] | None = None,
        limits: Limits = _DEFAULT,
        keep: Path | None = None,
    ) -> Iterator[DockerSession]:
        """Open a container; see ``Engine.session``. ``keep`` is where nothing is yet."""
        given = trees or {}
        for path in given:
            sandbox.check_mount_point(path)
        platform = Platform.of(root.image.arch)
        image = loading.load(self._daemon, root, self._store)
        with contextlib.ExitStack() as stack:
            scratch = stack.enter_context(self._store.scratch("session"))
            volumes = {}
            for path, tree in given.items():
                volumes[path] = self._volumes.of(tree, image, platform)
                if not tree.lasting:
                    stack.callback(_softly, self._volumes.remove, volumes[path])
            spec = Spec(image=image, platform=platform, volumes=volumes, limits=limits)
            box = container.create(self._daemon, spec)
            stack.callback(_softly, box.remove)
            for name in volumes.values():
                self._volumes.check(name)
            session = DockerSession(box, scratch, self._environment(root.image), limits)
            try:
                yield session
            except BaseException:
                if keep is not None:
                    session.keep(keep)
                raise

    def _loaded(self, image: Image, role: Role) -> Root:
        root = self._roots.prepare(image, role)
        name = loading.image_of(root)
        if not loading.here(self._daemon, name):
            with waiting(self._reporter, f"loading {name} into Docker"):
                loading.load(self._daemon, root, self._store)
        return root

    def _environment(self, image: Image) -> Mapping[str, str]:
        """What every command gets: where it is emulated, the same processor as elsewhere."""
        native = image.arch.name == self._daemon.about.machine
        return {**({} if native else emulation.variables(image.arch)), **inside(image)}


def _any_role(image: Image) -> Role:
    return Role.TARGET if Role.TARGET in image.roles else Role.BUILD


def _softly(end: Callable[..., object], *names: str) -> None:
    """Let an error underway through: what is left behind now is swept later."""
    with contextlib.suppress(CrossbuildError):
        end(*names)
