"""What a bundle carries: the files of a wheelhouse, each held against ``SHA256SUMS``."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crossbuild.disk import guarded
from crossbuild.errors import IntegrityError, UsageError

SUMS = "SHA256SUMS"
REPORT = "crossbuild-report.json"
SIGNATURES = (f"{SUMS}.minisig", f"{SUMS}.sig")
BLOCK = 1 << 20
_REMEDY = "Make the wheelhouse again, or copy it again from where it is whole."


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One file: its name in the wheelhouse, where it lies, its bytes, CRC-32 and SHA-256."""

    name: str
    path: Path
    size: int
    crc: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Cargo:
    """A whole wheelhouse, in the order of its files' names.

    ``listed`` are the files that ``SHA256SUMS`` has, in its order.
    """

    items: tuple[Item, ...]
    listed: tuple[str, ...] = ()

    @property
    def wheels(self) -> tuple[Item, ...]:
        """The wheels among the files."""
        return tuple(item for item in self.items if item.name.endswith(".whl"))

    def named(self, name: str) -> Item | None:
        """The file of that name; None where there is none."""
        return next((item for item in self.items if item.name == name), None)

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(item.size for item in self.items)


def read(directory: Path) -> Cargo:
    """Read a wheelhouse to its last byte: what ``SHA256SUMS`` lists, itself, and its report.

    Files that it does not list stay behind. Raises UsageError for a directory without
    ``SHA256SUMS``, IntegrityError for a file that is missing or has other bytes, StorageError.
    """
    if not (directory / SUMS).is_file():
        raise UsageError(
            f"{directory} is no wheelhouse: it has no {SUMS}",
            remedy="Name the directory that `crossbuild` made (its --output).",
        )
    with guarded(directory):
        listed = sums(directory / SUMS)
        items = [item_of(directory, name) for name in (*listed, SUMS)]
        more = (REPORT, *SIGNATURES)
        items += [item_of(directory, name) for name in more if (directory / name).is_file()]
    for item in items:
        if listed.get(item.name, item.sha256) != item.sha256:
            raise IntegrityError(f"{item.path} is not what {SUMS} says it is", remedy=_REMEDY)
    return Cargo(items=_sorted(items), listed=tuple(listed))


def changed(load: Cargo, items: Iterable[Item], scratch: Path) -> Cargo:
    """The wheelhouse with other files in the place of those of their names, or besides them.

    ``SHA256SUMS`` is written anew, in ``scratch``, and signatures of the old one are left out.
    """
    files = {item.name: item for item in load.items if item.name not in SIGNATURES}
    new = {item.name: item for item in items}
    files.update(new)
    listed = (*load.listed, *(name for name in new if name not in {*load.listed, REPORT}))
    text = "".join(f"{files[name].sha256}  {name}\n" for name in listed)
    files[SUMS] = written(scratch, SUMS, text.encode())
    return Cargo(items=_sorted(files.values()), listed=listed)


def written(scratch: Path, name: str, content: bytes) -> Item:
    """A file of a few lines, written to ``scratch``."""
    path = scratch / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return item_of(scratch, name)


def _sorted(items: Iterable[Item]) -> tuple[Item, ...]:
    return tuple(sorted(items, key=lambda item: item.name))


def sums(path: Path) -> Mapping[str, str]:
    """Map names to hashes as sha256sum(1) writes them. Raises IntegrityError for another text."""
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        digest, separator, name = line.partition("  ")
        parts = PurePosixPath(name).parts
        if not separator or len(digest) != 64 or not parts or ".." in parts or "/" in parts[0]:
            raise IntegrityError(f"{path} has a line that is no hash: {line!r}", remedy=_REMEDY)
        found[name] = digest
    return found


def item_of(directory: Path, name: str) -> Item:
    """Read one file. Raises IntegrityError when it is not there."""
    path = directory / name
    if not path.is_file():
        raise IntegrityError(f"{name} is missing from {directory}", remedy=_REMEDY)
    digest, crc, size = hashlib.sha256(), 0, 0
    for block in blocks(path):
        digest.update(block)
        crc = zlib.crc32(block, crc)
        size += len(block)
    return Item(name=name, path=path, size=size, crc=crc, sha256=digest.hexdigest())


def blocks(path: Path) -> Iterator[bytes]:
    """A file's bytes, a mebibyte at a time."""
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            yield block
