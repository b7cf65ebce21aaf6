"""A user's own image, told apart by what is in the file: three kinds of archive, one root.

- ``docker save``, ``podman save``: a tar with ``manifest.json`` and layers;
- an OCI archive or layout (image-layout.md of the OCI image specification), which is also what
  is pulled from a registry;
- ``docker export``, or a tar of a real machine's root: the files themselves.

Each may be compressed with gzip, xz or zstd.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import shutil
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Protocol, cast

from crossbuild.engine.images import compression
from crossbuild.engine.images.unpacking import Unpacker
from crossbuild.errors import IntegrityError, UsageError
from crossbuild.platforms import Arch

_OF_AN_IMAGE = re.compile(
    r"blobs|oci-layout|index\.json|manifest\.json|repositories|[0-9a-f]{64}(?:\.json|\.tar)?"
)
"""What an archive of an image has at its top (docker-archive, OCI image layout)."""
_FORMS = (
    "It can be what `docker save` or `docker export` wrote, an OCI archive, or a tar of a "
    "machine's root, each as it is or compressed with gzip, xz or zstd."
)
_GO_NAMES = {"armhf": "arm", "ppc64el": "ppc64le"}
"""What Go calls a processor where Debian calls it otherwise."""
_BLOCK = 1 << 20
_LARGEST_JSON = 4 << 20
Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Layer:
    """One layer: its name in the box, its SHA-256 there and uncompressed, where they are known."""

    name: str
    stored: str | None
    expanded: str | None


class Box(Protocol):
    """Where the pieces of an image lie."""

    what: str

    def open(self, name: str) -> IO[bytes]:
        """A piece, to be read and sought in. Raises IntegrityError when it is not there."""

    def has(self, name: str) -> bool:
        """Whether the piece is there."""


class DirectoryBox:
    """An image layout in a directory of our own."""

    def __init__(self, directory: Path, what: str) -> None:
        self.what = what
        self._directory = directory

    def open(self, name: str) -> IO[bytes]:
        """A file of the layout."""
        if not self.has(name):
            raise IntegrityError(f"{self.what} is damaged: it has no {name}")
        return (self._directory / name).open("rb")

    def has(self, name: str) -> bool:
        """Whether the file is there."""
        return (self._directory / name).is_file()


class TarBox:
    """An image in an uncompressed tar."""

    def __init__(self, archive: tarfile.TarFile, what: str) -> None:
        self.what = what
        self._archive = archive
        self._members = {_plain(member.name): member for member in archive.getmembers()}

    def open(self, name: str) -> IO[bytes]:
        """A member; a link to another member is followed (older versions of Docker)."""
        try:
            member = self._archive.extractfile(self._members[name])
        except KeyError:
            member = None
        if member is None:
            raise IntegrityError(f"{self.what} is damaged: it has no {name}")
        return member

    def has(self, name: str) -> bool:
        """Whether the member is there."""
        return name in self._members


def unpack(path: Path, root: Path, scratch: Path, arch: Arch | None = None) -> None:
    """Unpack a user's archive of any kind into the empty ``root``.

    ``scratch`` is an empty directory for what has to be uncompressed first; ``arch`` chooses
    among the images of an archive for several processors. Raises UsageError for a file that is
    no archive or holds several images, IntegrityError for one that is damaged or not safe, and
    HostError; an OSError of the disk passes.
    """
    if _is_image(path):
        with _boxed(path, scratch) as box:
            _layers(box, root, arch)
    else:
        with _opened(path) as stream:
            Unpacker(root).apply(stream, path.name, layered=False)


def unpack_layout(directory: Path, what: str, root: Path, arch: Arch) -> None:
    """Unpack the image for ``arch`` of an OCI layout. Raises as ``unpack`` does."""
    _layers(DirectoryBox(directory, what), root, arch)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    with path.open("rb") as file, compression.expanded(file, path.name) as stream:
        yield stream


def go_name(arch: Arch) -> str:
    """What images and registries call a processor: GOARCH (OCI image-index.md, platform)."""
    return _GO_NAMES.get(arch.debian, arch.debian)


def _is_image(path: Path) -> bool:
    """Whether the first member tells of an image. Raises UsageError for no tar at all."""
    try:
        with _opened(path) as stream, tarfile.open(fileobj=stream, mode="r|") as archive:
            for member in archive:
                if top := _plain(member.name).partition("/")[0]:
                    return _OF_AN_IMAGE.fullmatch(top) is not None
    except tarfile.ReadError as error:
        raise UsageError(f"{path} is not an archive of an image", remedy=_FORMS) from error
    raise UsageError(f"{path} is an empty archive", remedy=_FORMS)


@contextlib.contextmanager
def _boxed(path: Path, scratch: Path) -> Iterator[TarBox]:
    """The pieces of an image, which are wanted in another order than they come in."""
    plain = path
    with path.open("rb") as stream:
        compressed = compression.method(stream.read(16)) is not None
    if compressed:
        plain = scratch / "image.tar"
        with _opened(path) as source, plain.open("wb") as sink:
            shutil.copyfileobj(source, sink, _BLOCK)
    try:
        with tarfile.open(plain, mode="r:") as archive:
            yield TarBox(archive, path.name)
    except (tarfile.TarError, EOFError) as error:
        raise IntegrityError(f"{path.name} is damaged: {error}") from error


def _layers(box: Box, root: Path, arch: Arch | None) -> None:
    unpacker = Unpacker(root)
    for number, layer in enumerate(_listed(box, arch), 1):
        what = f"layer {number} of {box.what}"
        with box.open(layer.name) as raw:
            stored = _Hashed(raw)
            with compression.expanded(cast("IO[bytes]", stored), what) as stream:
                inside = _Hashed(stream)
                unpacker.apply(cast("IO[bytes]", inside), what, layered=True)
                inside.check(layer.expanded, what)
            stored.check(layer.stored, what)


def _listed(box: Box, arch: Arch | None) -> list[Layer]:
    """The layers of the one image, the lowest first."""
    try:
        return _found(box, arch)
    except (LookupError, TypeError, AttributeError) as error:
        raise IntegrityError(f"{box.what} is damaged: it does not tell its layers") from error


def _found(box: Box, arch: Arch | None) -> list[Layer]:
    if box.has("index.json"):
        return _of_layout(box, _json(box, "index.json"), arch)
    if not box.has("manifest.json"):
        raise UsageError(f"{box.what} has neither index.json nor manifest.json", remedy=_FORMS)
    images = _json(box, "manifest.json")
    if len(images) != 1:
        raise _several(box, len(images))
    names = [_plain(name) for name in images[0]["Layers"]]
    known = _diff_ids(_json(box, _plain(images[0]["Config"])))
    return _joined(box, [(name, None) for name in names], known)


def _of_layout(box: Box, index: Json, arch: Arch | None) -> list[Layer]:
    """Follow an index to the manifest of one image, through another index if need be."""
    manifest = _blob(box, _chosen(box, index, arch))
    if "manifests" in manifest:
        manifest = _blob(box, _chosen(box, manifest, arch))
    names = [(_blob_name(box, one["digest"]), one["digest"]) for one in manifest["layers"]]
    return _joined(box, names, _diff_ids(_blob(box, manifest["config"])))


def _chosen(box: Box, index: Json, arch: Arch | None) -> Json:
    """The one image of an index, or the one for the processor."""
    found = [one for one in index["manifests"] if _architecture(one) != "unknown"]
    if len(found) > 1 and arch is not None:
        found = [one for one in found if _architecture(one) == go_name(arch)]
    if len(found) != 1:
        raise _several(box, len(found))
    return cast("Json", found[0])


def _architecture(descriptor: Json) -> object:
    """``unknown`` marks what is no image: a build's attestation."""
    return (descriptor.get("platform") or {}).get("architecture")


def _several(box: Box, count: int) -> UsageError:
    held = f"{count} images" if count else "no image"
    return UsageError(
        f"{box.what} holds {held} where one is expected",
        remedy="Save the one image alone, for one processor.",
    )


def _joined(
    box: Box, names: list[tuple[str, str | None]], expanded: tuple[str, ...]
) -> list[Layer]:
    if len(names) != len(expanded):
        raise IntegrityError(
            f"{box.what} is damaged: {len(names)} layers, but {len(expanded)} hashes of them"
        )
    return [
        Layer(name=name, stored=stored, expanded=inside)
        for (name, stored), inside in zip(names, expanded, strict=True)
    ]


def _diff_ids(config: Json) -> tuple[str, ...]:
    return tuple(config["rootfs"]["diff_ids"])


def _blob(box: Box, descriptor: Json) -> Json:
    digest = descriptor["digest"]
    found: Json = _json(box, _blob_name(box, digest), digest)
    return found


def _blob_name(box: Box, digest: str) -> str:
    if not re.fullmatch("sha256:[0-9a-f]{64}", digest):
        raise IntegrityError(f"{box.what} is damaged: {digest!r} is no SHA-256")
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"


def _json(box: Box, name: str, digest: str | None = None) -> Any:
    with box.open(name) as stream:
        content = stream.read(_LARGEST_JSON)
    if digest and digest != f"sha256:{hashlib.sha256(content).hexdigest()}":
        raise IntegrityError(f"{name} of {box.what} is not what its name promises")
    try:
        return json.loads(content)
    except ValueError as error:
        raise IntegrityError(f"{box.what} is damaged: {name} is no JSON") from error


class _Hashed:
    """A stream that is hashed as far as it is read in order; ``check`` reads the rest."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self._hashed = 0
        self._position = 0

    def read(self, size: int = -1) -> bytes:
        block = self._stream.read(size)
        fresh = block[max(0, self._hashed - self._position) :]
        self._hash.update(fresh)
        self._position += len(block)
        self._hashed = max(self._hashed, self._position)
        return block

    def seek(self, offset: int) -> None:
        """Go back to the beginning, which was hashed already."""
        self._stream.seek(offset)
        self._position = offset

    def check(self, digest: str | None, what: str) -> None:
        while self.read(_BLOCK):
            pass
        if digest not in {None, f"sha256:{self._hash.hexdigest()}"}:
            raise IntegrityError(
                f"{what} has the wrong hash: expected {digest}, "
                f"got sha256:{self._hash.hexdigest()}"
            )


def _plain(name: str) -> str:
    return name.removeprefix("./").strip("/")
