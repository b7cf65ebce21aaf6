"""The images that ship with crossbuild: which Debian suite has which Python, and from what.

An image is one file ``images/NAME.toml``, read strictly: what is not understood is an error
that names the file and the key.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crossbuild.errors import UsageError
from crossbuild.platforms import ARCHES, Arch, Family
from crossbuild.target import Target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REMEDY = "Correct the file, or install crossbuild again."
_TAG = re.compile(r"cp(3)(\d+)-cp3\2")


@dataclass(frozen=True, kw_only=True, slots=True)
class Interpreter:
    """A CPython in an image: ``/opt/python/{tag}/bin/python`` leads to ``path``."""

    tag: str
    version: tuple[int, int]
    path: str

    @property
    def directory(self) -> str:
        """Where it is found in every image, as in the manylinux images of PyPA."""
        return f"/opt/python/{self.tag}/bin"

    @property
    def command(self) -> str:
        """The interpreter's name for every command that runs in the image."""
        return f"{self.directory}/python"

    @property
    def cache_tag(self) -> str:
        """What byte code for it is named after (``sys.implementation.cache_tag``)."""
        return f"cpython-{self.version[0]}{self.version[1]}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Debian:
    """An image unpacked from a suite: ``build`` and ``target`` name the packages of the two roles.

    Their dependencies are the suite's own to tell.
    """

    suite: str
    build: tuple[str, ...]
    target: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A root file system for one processor, not yet made.

    ``glibc`` is the version of its C library; ``source`` what it is made from.
    """

    name: str
    arch: Arch
    glibc: tuple[int, int]
    interpreters: tuple[Interpreter, ...]
    source: Debian

    def interpreter(self, python: tuple[int, int]) -> Interpreter | None:
        """The image's CPython of this X.Y, or None."""
        return next((found for found in self.interpreters if found.version == python), None)


@cache
def images() -> tuple[Image, ...]:
    """Every image, the oldest C library first.

    Raises UsageError for a file that is not understood.
    """
    return tuple(sorted(_all(_directory()), key=lambda image: (image.glibc, image.name)))


def image(name: str) -> Image:
    """The image with this name. Raises UsageError when there is none."""
    for found in images():
        if found.name == name:
            return found
    known = ", ".join(found.name for found in images())
    raise UsageError(f"there is no image {name!r}", remedy=f"The images are {known}.")


def image_for(target: Target, *, at_least_floor: bool = False) -> Image | None:
    """The oldest image with the target's Python and processor, or None.

    ``at_least_floor`` asks for a C library no older than the target's: wheels built for the
    target must load there. No image has musl.
    """
    if target.family is Family.MUSLLINUX:
        return None
    floor = target.floor if at_least_floor and target.floor else (0, 0)
    for found in images():
        fits = found.arch == target.arch and found.glibc >= floor
        if fits and found.interpreter(target.python):
            return found
    return None


def read(path: Path) -> tuple[Image, ...]:
    """The images that one file describes, one per processor.

    Raises UsageError naming the file and the key that is unknown, missing or wrong.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", remedy=_REMEDY) from error
    table = _Table(path, "", document)
    packages = table.table("packages")
    table.check_keys("suite", "glibc", "arches", "pythons", "packages")
    packages.check_keys("common", "build", "target")
    common = packages.names("common")
    return tuple(
        Image(
            name=f"{path.stem}-{arch}",
            arch=arch,
            glibc=_glibc(table),
            interpreters=_interpreters(table.table("pythons")),
            source=Debian(
                suite=table.text("suite"),
                build=common + packages.names("build"),
                target=common + packages.names("target"),
            ),
        )
        for arch in _arches(table)
    )


def _all(directory: Path) -> list[Image]:
    return [image for path in sorted(directory.glob("*.toml")) for image in read(path)]


def _directory() -> Path:
    """Where the files are: inside an installed wheel, else beside an editable checkout."""
    package = Path(__file__).parent
    shipped = package / "data" / "images"
    return shipped if shipped.is_dir() else package.parent / "images"


def _arches(table: _Table) -> tuple[Arch, ...]:
    names = table.names("arches")
    for name in names:
        if name not in ARCHES:
            raise table.wrong("arches", f"{name!r} is none of {', '.join(ARCHES)}")
    return tuple(ARCHES[name] for name in names)


def _glibc(table: _Table) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", table.text("glibc"))
    if match is None:
        raise table.wrong("glibc", "a version like 2.36 is expected")
    return int(match[1]), int(match[2])


def _interpreters(table: _Table) -> tuple[Interpreter, ...]:
    found = []
    for tag in table.keys:
        match = _TAG.fullmatch(tag)
        if match is None:
            raise table.wrong(tag, "a tag like cp311-cp311 is expected")
        version = (int(match[1]), int(match[2]))
        found.append(Interpreter(tag=tag, version=version, path=table.text(tag)))
    return tuple(found)


class _Table:
    """A TOML table that knows where it stands, for errors that say so."""

    def __init__(self, path: Path, name: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._name = name
        self._values = MappingProxyType(dict(values))

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(self._values)

    def wrong(self, key: str, reason: str) -> UsageError:
        where = f"{self._name}.{key}" if self._name else key
        return UsageError(f"{self._path}: {where}: {reason}", remedy=_REMEDY)

    def text(self, key: str) -> str:
        value = self._value(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a text is expected")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        value = self._value(key)
        if not isinstance(value, list) or not value:
            raise self.wrong(key, "a list of names is expected")
        for item in value:
            if not isinstance(item, str) or not re.fullmatch(r"[a-z0-9][a-z0-9+._-]+", item):
                raise self.wrong(key, f"{item!r} is not a name")
        return tuple(value)

    def table(self, key: str) -> _Table:
        value = self._value(key)
        if not isinstance(value, dict) or not value:
            raise self.wrong(key, "a table is expected")
        return _Table(self._path, key, value)

    def check_keys(self, *known: str) -> None:
        """Refuse every key that is not ``known``."""
        for key in self._values:
            if key not in known:
                raise self.wrong(key, "unknown key")

    def _value(self, key: str) -> Any:
        if key not in self._values:
            raise self.wrong(key, "missing")
        return self._values[key]
