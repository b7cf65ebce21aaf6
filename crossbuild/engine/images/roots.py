"""Root file systems of images, made on this host and kept in the store: both engines' roots."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path

from crossbuild import catalog, process
from crossbuild.catalog import Archive, Debian, Image, Oci, Role
from crossbuild.engine.base import ExecResult, Limits, Root
from crossbuild.engine.images import debian, foreign
from crossbuild.engine.images.apt import host_archive
from crossbuild.engine.images.registry import Registry
from crossbuild.engine.sandboxes.host import Host
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store

_SCHEMA = 2
"""Raise it when the same source would be finished differently."""

_PREPARING = Limits(wall=900.0)


class Roots:
    """Makes the root of an image once and finds it again in the store.

    ``environment`` is the user's: its PATH, proxies and logins are for getting and unpacking
    only. ``mirror`` overrides the Debian mirror of the host's apt; ``registry`` is where
    images that are not made from packages come from.
    """

    def __init__(
        self,
        store: Store,
        host: Host,
        *,
        reporter: Reporter,
        mirror: str | None = None,
        registry: Registry | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._store = store
        self._host = host
        self._reporter = reporter
        self._mirror = mirror
        self._registry = registry
        self._environment = environment or {}
        self._making: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def prepare(self, image: Image, role: Role) -> Root:
        """The image, from the store or unpacked now (about 20 s and 400 MB).

        Raises HostError when its programs cannot be run here, NetworkError, IntegrityError,
        StorageError, UsageError (a user's archive that is no image).
        """
        self._host.emulation(image.arch)
        key = tree_key(image, role)
        with self._making[key]:  # threads of this run wait here: the first one says for what
            path = self._path(image, role, key)
        if isinstance(image.source, Debian):
            key = f"{image.name}-{role.value}-{_SCHEMA}-{debian.content_key(path)}"
        return Root(image=image, role=role, key=key, path=path)

    def _path(self, image: Image, role: Role, key: str) -> Path:
        source = image.source
        if isinstance(source, Archive):
            return foreign.unpacked(source, self._store, self._reporter)
        if isinstance(source, Oci):
            return foreign.pulled(
                image,
                source,
                self._store,
                place=self._registry,
                reporter=self._reporter,
                environment=self._environment,
            )
        return self._store.make_tree(
            key, lambda root: self._make(image, source, role, root), what=_what(image, role)
        )

    def _make(self, image: Image, source: Debian, role: Role, root: Path) -> None:
        with waiting(self._reporter, _what(image, role)):
            archive = host_archive(self._mirror)
            debian.unpack(
                source, image.arch, role, root,
                archive=archive, environment=self._environment,
            )  # fmt: skip
            debian.finish(image, root)
            self._run(image, root, ["/sbin/ldconfig"])
            self._compile(image, role, root)

    def _compile(self, image: Image, role: Role, root: Path) -> None:
        """Compile the standard library, or every start would do it again, under emulation.

        Byte code is the same for every processor: a host CPython of the same version does in
        2 s what takes 13 s inside. A root that only has more packages has it, and most of its
        files, in common with its image's own.
        """
        for interpreter in image.interpreters:
            library = debian.library(interpreter)
            if (plain := self._plain(image, role)) is not None:
                with contextlib.suppress(OSError):  # a file system may have no links
                    debian.share(interpreter, plain, root)
                    continue
            options = ("-m", "compileall", "-q", "-j", "0")
            if sys.implementation.cache_tag == interpreter.cache_tag:
                argv = [sys.executable, "-I", *options, "-s", str(root), f"{root}{library}"]
                process.run(argv, check=False)
            else:
                self._run(image, root, [interpreter.command, *options, library])

    def _plain(self, image: Image, role: Role) -> Path | None:
        """The root of the catalog's image of this name, if that is another one and is here."""
        own = next((found for found in catalog.images() if found.name == image.name), image)
        return None if own == image else self._store.tree(tree_key(own, role))

    def _run(self, image: Image, root: Path, command: list[str]) -> ExecResult:
        """Run a command in a root that is not finished, and may be written."""
        with self._host.sandbox(image, root, limits=_PREPARING, writable=True) as (session, _):
            return session.run(command)


def obtainable(store: Store | None, registry: Registry | None) -> Callable[[Image], bool]:
    """What tells whether an image can be had: from packages, a registry, or it is here.

    Without a ``store`` nothing is here.
    """

    def has(image: Image) -> bool:
        if isinstance(image.source, Debian) or (isinstance(image.source, Oci) and registry):
            return True
        keys = (tree_key(image, role) for role in image.roles)
        return store is not None and any(store.tree(key) for key in keys)

    return has


def tree_key(image: Image, role: Role) -> str:
    """The name of an image's tree in the store: what it is made from.

    That is not the content of an image of packages, which the mirror decides.
    """
    if not isinstance(image.source, Debian):
        return foreign.key(image.source)
    made_from = dataclasses.asdict(image)
    del made_from["roles"]
    value = json.dumps([made_from, role.value, _SCHEMA], sort_keys=True)
    return f"root-{image.name}-{role.value}-{hashlib.sha256(value.encode()).hexdigest()[:16]}"


def _what(image: Image, role: Role) -> str:
    return f"unpacking {image.source} for {image.arch} ({role.value})"
