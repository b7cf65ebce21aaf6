"""What an image's distribution has for a build that lacks something of the system."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Protocol

from crossbuild.catalog import Debian, Image
from crossbuild.disk import guarded
from crossbuild.engine.base import Root
from crossbuild.engine.images import debian, owners
from crossbuild.engine.images.apt import host_archive
from crossbuild.lack import RECIPE, Addition, Lack
from crossbuild.platforms import Arch
from crossbuild.recipe import Recipe
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store

_SCHEMA = 1
"""Raise it when other lines of an index are worth keeping."""


class Supplies(Protocol):
    """Who knows the packages of a distribution."""

    def owner(self, lack: Lack, root: Root) -> str | None:
        """The package that has what is lacking in a build root, or None.

        Raises NetworkError, IntegrityError, HostError, StorageError.
        """


def equipped(image: Image, packages: tuple[str, ...]) -> Image:
    """The image with more packages for builds: another root. Only for images of packages."""
    source = image.source
    if not packages or not isinstance(source, Debian):
        return image
    return replace(image, source=replace(source, build=(*source.build, *packages)))


def said(recipe: Recipe | None, image: Image) -> tuple[Addition, ...]:
    """What a recipe adds to an image; nothing to one that is not made of its family's packages."""
    if recipe is None or not isinstance(image.source, Debian):
        return ()
    names = recipe.system.get("debian", ())
    return tuple(Addition(package=name, lack=RECIPE) for name in names)


class Suites:
    """Debian's suites: their Contents indexes, got once and kept in the store.

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
        self._guard = threading.Lock()

    def owner(self, lack: Lack, root: Root) -> str | None:
        """The package of the root's suite; None for an image that is not made of packages."""
        source, arch = root.image.source, root.image.arch
        if not isinstance(source, Debian):
            return None
        with self._guard:
            index = _read(self._index(source, arch))
        with guarded(root.path):
            present = debian.installed(root.path)
        return owners.owner(index, lack, arch, present=present)

    def _index(self, source: Debian, arch: Arch) -> Path:
        what = f"reading which packages of {source} for {arch} have which files"

        def fill(directory: Path) -> None:
            with waiting(self._reporter, what):
                debian.contents(
                    source, arch, directory, worth=owners.WORTH_KEEPING,
                    archive=host_archive(self._mirror), environment=self._environment,
                )  # fmt: skip

        key = f"contents-{source.suite}-{arch}-{_SCHEMA}"
        return self._store.make_tree(key, fill, what=what) / debian.CONTENTS


@cache
def _read(path: Path) -> str:
    """An index, kept in memory: some 30 MB that each lack is looked up in."""
    return "\n" + path.read_text(encoding="utf-8", errors="replace")
