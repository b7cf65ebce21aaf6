"""Reading source archives that strangers made: every member checked before a byte is written.

The rules are those of PEP 721 and ``tarfile``'s data filter, stated here because the filter is
not in every Python 3.10 and does not exist for zip: no absolute name, no ``..``, no link that
leaves the directory, no device, pipe or socket. On top: no two members of one name that differ,
and nothing that unpacks to an absurd size.
"""

from __future__ import annotations

import bz2
import contextlib
import enum
import gzip
import lzma
import os
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from crossbuild.disk import guarded
from crossbuild.errors import IntegrityError

SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tbz", ".tar.xz", ".txz", ".tar", ".zip")
"""What a source distribution may be packed as; PEP 625 leaves only the first."""

_EARLIEST = 315532800
"""1980-01-01 UTC: the first time a zip, and so a wheel, can hold."""
_LATEST = 4354819198
"""2107-12-31: the last one."""
_MOST_MEMBERS = 200_000
_ALWAYS_ALLOWED = 64 << 20
_LARGEST = 4 << 30
_RATIO = 100
_BLOCK = 1 << 20
_DECODERS: dict[bytes, Callable[..., Any]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ\0": lzma.open,
}
"""What opens a packed tar, by the bytes it starts with."""
_DAMAGED = (
    tarfile.TarError, zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError,
    NotImplementedError, RuntimeError, ValueError,
)  # fmt: skip
"""What the decoders raise for bytes they cannot make sense of."""


class MemberError(IntegrityError):
    """A member that no honest archive has; ``members`` and ``extract`` add the archive's name."""

    default_remedy = "Do not use this archive; tell the package's maintainers and its index."


class MemberKind(enum.Enum):
    """What a member is; anything else is refused."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symbolic link"
    HARDLINK = "hard link"


@dataclass(frozen=True, kw_only=True, slots=True)
class Member:
    """One checked member: ``path`` is relative, without ``..``; ``link`` as the archive says.

    ``stream`` gives the bytes of a FILE and can be read only until the next member is taken.
    ``modified`` is in seconds since the epoch, within what a zip can hold.
    """

    path: PurePosixPath
    kind: MemberKind
    executable: bool
    modified: int
    link: str
    stream: IO[bytes] | None


class _Checked:
    """A stream of at most ``limit`` bytes whose every failure is an IntegrityError."""

    def __init__(self, stream: IO[bytes], limit: int, name: str) -> None:
        self._stream = stream
        self._left = limit
        self._limit = limit
        self._name = name

    def read(self, size: int = -1) -> bytes:
        wanted = self._left + 1 if size < 0 else min(size, self._left + 1)
        with _readable(self._name):
            data = self._stream.read(wanted)
        self._left -= len(data)
        if self._left < 0:
            raise _absurd(self._name, self._limit)
        return data


class _Allowance:
    """The bytes that may still be written; a hard link or a hole takes none of the archive."""

    def __init__(self, limit: int, name: str) -> None:
        self._left = limit
        self._limit = limit
        self._name = name

    def spend(self, amount: int) -> None:
        """Count bytes. Raises IntegrityError when they are more than are left."""
        self._left -= amount
        if self._left < 0:
            raise _absurd(self._name, self._limit)


def members(archive: Path, filename: str | None = None) -> Iterator[Member]:
    """Yield the members of a source archive in their order, each one checked.

    ``filename`` (default: the archive's own) tells the format. Raises IntegrityError, naming
    the member, for anything unsafe, and naming the archive when it is damaged.
    """
    name = filename or archive.name
    seen = 0
    with _readable(name):
        found = (
            _zip_members(archive, name) if name.endswith(".zip") else _tar_members(archive, name)
        )
        for member in found:
            seen += 1
            if seen > _MOST_MEMBERS:
                raise IntegrityError(f"{name} holds more than {_MOST_MEMBERS} members")
            yield member


def extract(archive: Path, directory: Path, filename: str | None = None) -> None:
    """Unpack a source archive into ``directory``, which must be empty.

    Files get mode 0644 or 0755, they and links the archive's times; owners are the caller's.
    Links are made last, so nothing can be written through one. Raises IntegrityError as
    ``members`` does, StorageError when the disk refuses.
    """
    with _readable(filename or archive.name):
        _extract(archive, directory, filename)


def _extract(archive: Path, directory: Path, filename: str | None) -> None:
    links: dict[Path, Member] = {}
    allowance = _Allowance(_limit(archive), filename or archive.name)
    for member in members(archive, filename):
        path = directory / member.path
        if path in links:
            raise _duplicate(member)
        if member.kind is MemberKind.SYMLINK:
            links[path] = member
            continue
        with guarded(directory), _blamed(member):
            _place(member, path, directory, allowance)
    with guarded(directory):
        _link(links, directory)


def _place(member: Member, path: Path, directory: Path, allowance: _Allowance) -> None:
    if member.kind is MemberKind.DIRECTORY:
        path.mkdir(parents=True, exist_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        if not _same(member, path, directory):
            raise _duplicate(member)
        return
    with path.open("xb") as output:
        for block in _blocks(member, directory):
            allowance.spend(len(block))
            output.write(block)
    path.chmod(0o755 if member.executable else 0o644)
    os.utime(path, (member.modified, member.modified))


def _blocks(member: Member, directory: Path) -> Iterator[bytes]:
    """The bytes of a file; a hard link's are those of the member it names."""
    with contextlib.ExitStack() as stack:
        stream = member.stream
        if member.kind is MemberKind.HARDLINK:
            original = directory / _safe(member.link, member.link)
            if not original.is_file():
                raise _bad_link(member)
            stream = stack.enter_context(original.open("rb"))
        while stream is not None and (block := stream.read(_BLOCK)):
            yield block


def _same(member: Member, path: Path, directory: Path) -> bool:
    """The member says nothing new: the file is there already, with these very bytes."""
    if not path.is_file():
        return False
    with path.open("rb") as there:
        same = all(there.read(len(block)) == block for block in _blocks(member, directory))
        return same and not there.read(1)


def _link(links: dict[Path, Member], directory: Path) -> None:
    for path, member in links.items():
        with _blamed(member):
            if not _stays(member):
                raise _bad_link(member)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(member.link)
            os.utime(path, (member.modified, member.modified), follow_symlinks=False)
    # Links through links can leave although each one alone seems to stay.
    top = Path(os.path.realpath(directory))
    for path, member in links.items():
        if not Path(os.path.realpath(path)).is_relative_to(top):
            raise _bad_link(member)


def _stays(member: Member) -> bool:
    if member.link.startswith("/") or not member.link or "\0" in member.link:
        return False
    depth = len(member.path.parts) - 1
    for part in PurePosixPath(member.link).parts:
        depth += -1 if part == ".." else 1
        if depth < 0:
            return False
    return True


def _tar_members(archive: Path, name: str) -> Iterator[Member]:
    limit = _limit(archive)
    with _decompressed(archive, name) as stream:
        checked = cast("IO[bytes]", _Checked(stream, limit, name))
        with tarfile.open(fileobj=checked, mode="r|") as tar:
            for info in tar:
                kind = _tar_kind(info)
                yield Member(
                    path=_safe(info.name, info.name),
                    kind=kind,
                    executable=bool(info.mode & 0o111),
                    modified=_clamped(int(info.mtime)),
                    link=info.linkname,
                    stream=_tar_stream(tar, info) if kind is MemberKind.FILE else None,
                )


def _tar_stream(tar: tarfile.TarFile, info: tarfile.TarInfo) -> IO[bytes]:
    stream = cast("IO[bytes]", tar.extractfile(info))
    return cast("IO[bytes]", _Checked(stream, info.size, info.name))


@contextlib.contextmanager
def _decompressed(archive: Path, name: str) -> Iterator[IO[bytes]]:
    """The bytes inside, whatever packed them: old uploads lie in their suffix, so look."""
    with archive.open("rb") as raw:
        magic = raw.read(6)
        raw.seek(0)
        decoders = [decoder for start, decoder in _DECODERS.items() if magic.startswith(start)]
        if not decoders and not name.endswith(".tar"):
            raise IntegrityError(f"{name} is not a source archive of a known format")
        opened = decoders[0](raw) if decoders else raw
        with opened:
            yield opened


def _tar_kind(info: tarfile.TarInfo) -> MemberKind:
    if info.isfile():
        return MemberKind.FILE
    if info.isdir():
        return MemberKind.DIRECTORY
    if info.issym():
        return MemberKind.SYMLINK
    if info.islnk():
        return MemberKind.HARDLINK
    raise MemberError(f"the archive member {info.name!r} is a device or a pipe")


def _zip_members(archive: Path, name: str) -> Iterator[Member]:
    allowance = _Allowance(_limit(archive), name)
    with zipfile.ZipFile(archive) as opened:
        for info in opened.infolist():
            kind = _zip_kind(info)
            allowance.spend(info.file_size)
            with opened.open(info) as stream:
                checked = cast("IO[bytes]", _Checked(stream, info.file_size, info.filename))
                link = kind is MemberKind.SYMLINK
                yield Member(
                    path=_safe(info.filename, info.filename),
                    kind=kind,
                    executable=bool(info.external_attr >> 16 & 0o111),
                    modified=_zip_time(info),
                    link=checked.read(4096).decode("utf-8", "replace") if link else "",
                    stream=None if kind is not MemberKind.FILE else checked,
                )


def _zip_kind(info: zipfile.ZipInfo) -> MemberKind:
    mode = info.external_attr >> 16
    if info.is_dir():
        return MemberKind.DIRECTORY
    if stat.S_ISLNK(mode):
        return MemberKind.SYMLINK
    if stat.S_IFMT(mode) in {0, stat.S_IFREG}:
        return MemberKind.FILE
    raise MemberError(f"the archive member {info.filename!r} is a device or a pipe")


def _zip_time(info: zipfile.ZipInfo) -> int:
    """A zip holds local time of an unknown place; taken as UTC so that every host agrees."""
    with contextlib.suppress(ValueError):
        return _clamped(int(datetime(*info.date_time, tzinfo=timezone.utc).timestamp()))
    return _EARLIEST


def _safe(name: str, member: str) -> PurePosixPath:
    """The member's path below the directory; IntegrityError when it would leave it."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise MemberError(f"the archive member {member!r} leaves the archive's directory")
    return path


def _limit(archive: Path) -> int:
    allowed = max(_ALWAYS_ALLOWED, archive.stat().st_size * _RATIO)
    return min(allowed, _LARGEST)


def _absurd(name: str, limit: int) -> IntegrityError:
    return IntegrityError(
        f"{name} unpacks to more than {limit >> 20} MiB, "
        "which no honest source archive of its size does"
    )


def _clamped(modified: int) -> int:
    return max(_EARLIEST, min(modified, _LATEST))


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    """Name the archive, and say that it is damaged where a decoder only says where it stumbled."""
    try:
        yield
    except MemberError as error:
        raise IntegrityError(f"{name} is refused: {error}", remedy=error.remedy) from error
    except _DAMAGED as error:
        raise IntegrityError(f"{name} is damaged or no source archive: {error}") from error
    except OSError as error:
        # gzip and bz2 report bad data as an OSError that no system call made.
        if error.errno is not None:
            raise
        raise IntegrityError(f"{name} is damaged or no source archive: {error}") from error


@contextlib.contextmanager
def _blamed(member: Member) -> Iterator[None]:
    """Name the member when its path collides with another's (a file where a directory is)."""
    try:
        yield
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise _duplicate(member) from error


def _duplicate(member: Member) -> MemberError:
    return MemberError(
        f"the archive member {str(member.path)!r} is there twice with different contents"
    )


def _bad_link(member: Member) -> MemberError:
    return MemberError(
        f"the archive member {str(member.path)!r} is a {member.kind.value} "
        f"to {member.link!r}, which is not in the archive"
    )
