"""The images that ship with crossbuild: which machine each is, with which Pythons, from what.

An image is one file ``images/NAME.toml``, read strictly: what is not understood is an error
that names the file and the key.
"""

from __future__ import annotations

import difflib
import enum
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crossbuild import datafile
from crossbuild.datafile import Table
from crossbuild.errors import UsageError
from crossbuild.platforms import ARCHES, Arch, Family
from crossbuild.target import Target

TAG = re.compile(r"cp(3)(\d+)-cp3\2(?:(?<=-cp3[0-7])m)?")
"""A directory below ``/opt/python``: the ABI had an ``m`` until CPython 3.7 (bpo-36707)."""
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_REPOSITORY = re.compile(r"[a-z0-9]+(?:[._/-]+[a-z0-9]+)*")


class Role(enum.Enum):
    """What an image is prepared for: BUILD has headers, TARGET is clean."""

    BUILD = "build"
    TARGET = "target"


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

    def __str__(self) -> str:
        return f"Debian {self.suite}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Oci:
    """An image in a registry. Which registry is the user's to say: there is no host in it.

    ``digest`` (``sha256:…``) is what is pulled; ``tag`` is for people.
    """

    repository: str
    tag: str
    digest: str

    def __str__(self) -> str:
        return f"{self.repository}:{self.tag}"


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """A user's own image: ``docker save``, ``docker export``, OCI, or a tar of a machine's root.

    ``digest`` is the ``sha256:…`` of the file; ``path`` may be gone once it was unpacked.
    """

    path: Path
    digest: str

    def __str__(self) -> str:
        return str(self.path)


Source = Debian | Oci | Archive


@dataclass(frozen=True, kw_only=True, slots=True)
class Image:
    """A root file system for one processor, not yet made.

    ``glibc`` is the version of its C library; ``source`` what it is made from; ``roles`` what
    it is for: wheels are proven only in one that is for TARGET.
    """

    name: str
    arch: Arch
    glibc: tuple[int, int]
    interpreters: tuple[Interpreter, ...]
    source: Source
    roles: frozenset[Role]

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
    """The image with this name. Raises UsageError, with the nearest one, when there is none."""
    for found in images():
        if found.name == name:
            return found
    raise unknown(name, [found.name for found in images()])


def unknown(name: str, names: list[str]) -> UsageError:
    """The error for a name that is none of ``names``."""
    near = difflib.get_close_matches(name, names, n=1)
    guess = f"Did you mean {near[0]}? " if near else ""
    return UsageError(
        f"there is no image {name!r}", remedy=f"{guess}The images are {', '.join(names)}."
    )


def from_packages(image: Image) -> bool:
    """Whether an image is made from packages, which needs no registry."""
    return isinstance(image.source, Debian)


def pythons(images: Iterable[Image], arch: Arch) -> list[tuple[int, int]]:
    """Every CPython that images for a processor have, the oldest first."""
    own = (image for image in images if image.arch == arch)
    return sorted({found.version for image in own for found in image.interpreters})


def image_for(
    target: Target,
    *,
    role: Role | None = None,
    at_least_floor: bool = False,
    obtainable: Callable[[Image], bool] = from_packages,
) -> Image | None:
    """The oldest image with the target's Python and processor, or None.

    Images of packages come first; others count only where they are ``obtainable``: they are
    here already, or a registry is known. ``role`` (default: TARGET with ``at_least_floor``,
    else BUILD) is what it must be for. ``at_least_floor`` asks for a C library no older than
    the target's: wheels built for the target must load there. No image has musl.
    """
    wanted = role or (Role.TARGET if at_least_floor else Role.BUILD)
    floor = target.floor if at_least_floor and target.floor else (0, 0)
    fitting = [found for found in images_for(target, wanted) if found.glibc >= floor]
    fitting.sort(key=from_packages, reverse=True)
    return next((found for found in fitting if from_packages(found) or obtainable(found)), None)


def images_for(target: Target, role: Role) -> tuple[Image, ...]:
    """Every image with the target's Python and processor, the oldest C library first."""
    if target.family is Family.MUSLLINUX:
        return ()
    return tuple(
        found
        for found in images()
        if found.arch == target.arch and role in found.roles and found.interpreter(target.python)
    )


def read(path: Path) -> tuple[Image, ...]:
    """The images that one file describes, one per processor.

    Raises UsageError naming the file and the key that is unknown, missing or wrong.
    """
    table = datafile.load(path)
    kinds = [name for name in ("packages", "oci", "archive") if name in table.keys]
    if len(kinds) != 1:
        raise table.wrong("packages", "one of the tables packages, oci and archive is expected")
    own = ("suite", "packages") if kinds == ["packages"] else tuple(kinds)
    table.check_keys("roles", "glibc", "arches", "pythons", *own)
    roles = _roles(table)
    return tuple(
        Image(
            name=f"{path.stem}-{arch}",
            arch=arch,
            glibc=_glibc(table),
            interpreters=_interpreters(table.table("pythons")),
            source=_source(table, kinds[0], roles, arch, path.parent),
            roles=roles,
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


def _roles(table: Table) -> frozenset[Role]:
    known = {role.value: role for role in Role}
    for name in (names := table.names("roles")):
        if name not in known:
            raise table.wrong("roles", f"{name!r} is none of {', '.join(known)}")
    return frozenset(known[name] for name in names)


def _source(
    table: Table, kind: str, roles: frozenset[Role], arch: Arch, directory: Path
) -> Source:
    if kind == "packages":
        return _debian(table, roles)
    own = table.table(kind)
    return _oci(own, arch) if kind == "oci" else _archive(own, directory)


def _archive(table: Table, directory: Path) -> Archive:
    """Read where a user's own image is: a path is relative to the file that says it."""
    table.check_keys("path", "digest")
    digest = table.text("digest")
    if not DIGEST.fullmatch(digest):
        raise table.wrong("digest", "sha256: and 64 hexadecimal digits are expected")
    return Archive(path=directory / table.text("path"), digest=digest)


def _debian(table: Table, roles: frozenset[Role]) -> Debian:
    packages = table.table("packages")
    packages.check_keys("common", *(role.value for role in roles))
    common = packages.names("common")
    return Debian(
        suite=table.text("suite"),
        build=common + packages.names("build") if Role.BUILD in roles else (),
        target=common + packages.names("target") if Role.TARGET in roles else (),
    )


def _oci(table: Table, arch: Arch) -> Oci:
    """Read what a registry has for one processor: PyPA's repositories have its name in theirs."""
    table.check_keys("repository", "tag", "digests")
    repository = table.text("repository").replace("ARCH", arch.name)
    if not _REPOSITORY.fullmatch(repository) or "." in repository.partition("/")[0]:
        raise table.wrong("repository", f"{repository!r} is not a repository without its host")
    digests = table.table("digests")
    digests.check_keys(*ARCHES)
    digest = digests.text(arch.name)
    if not DIGEST.fullmatch(digest):
        raise digests.wrong(arch.name, "sha256: and 64 hexadecimal digits are expected")
    return Oci(repository=repository, tag=table.text("tag"), digest=digest)


def _arches(table: Table) -> tuple[Arch, ...]:
    names = table.names("arches")
    for name in names:
        if name not in ARCHES:
            raise table.wrong("arches", f"{name!r} is none of {', '.join(ARCHES)}")
    return tuple(ARCHES[name] for name in names)


def _glibc(table: Table) -> tuple[int, int]:
    match = re.fullmatch(r"(\d+)\.(\d+)", table.text("glibc"))
    if match is None:
        raise table.wrong("glibc", "a version like 2.36 is expected")
    return int(match[1]), int(match[2])


def _interpreters(table: Table) -> tuple[Interpreter, ...]:
    found = []
    for tag in table.keys:
        match = TAG.fullmatch(tag)
        if match is None:
            raise table.wrong(tag, "a tag like cp311-cp311 is expected")
        version = (int(match[1]), int(match[2]))
        found.append(Interpreter(tag=tag, version=version, path=table.text(tag)))
    return tuple(found)
