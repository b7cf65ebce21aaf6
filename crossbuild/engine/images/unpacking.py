"""Tar streams unpacked into a root, one over the other, and never outside it.

umoci does this for layers, but keeps setuid bits and, as root, makes devices and gives files
to other users; and what ``docker export`` writes is no OCI image. So there is one way for all
of them: every file becomes the caller's, who can read and remove it, and nothing else.

Layers follow the OCI image specification (layer.md, whiteouts).
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tarfile
from pathlib import Path, PurePosixPath
from typing import IO, cast

from crossbuild import process
from crossbuild.disk import remove_tree
from crossbuild.engine.images.within import entry, resolved
from crossbuild.errors import IntegrityError

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"
_OF_THE_KERNEL = frozenset({"dev", "proc", "sys"})
"""Their content is the running machine's: in a tar of one there can be anything."""
_CONTRADICTIONS = frozenset(
    {errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ELOOP, errno.ENAMETOOLONG}
)
"""What an archive that contradicts itself leads to."""


class Unpacker:
    """Unpacks into ``root``, a directory that nobody else writes to.

    Owners, setuid bits, devices, FIFOs and extended attributes are dropped; links are kept as
    they are, for they mean something only inside.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._dropped: set[str] = set()

    def apply(self, stream: IO[bytes], what: str, *, layered: bool) -> None:
        """Unpack a tar stream over what is there; ``layered``: with the whiteouts of a layer.

        Raises IntegrityError for a stream that is no tar, is cut short, or would write outside
        the root; an OSError of the disk passes.
        """
        new: set[Path] = set()
        watched = _Tail(stream)
        try:
            with tarfile.open(fileobj=cast("IO[bytes]", watched), mode="r|") as archive:
                for member in archive:
                    process.check_cancelled()
                    self._one(archive, member, new, what, layered=layered)
            # A layer has a hash; tarfile takes a plain tar cut between two members for whole.
            if not layered and not watched.is_end():
                raise tarfile.ReadError("it is cut short")
        except (tarfile.TarError, EOFError) as error:
            raise IntegrityError(f"{what} is damaged: {error}") from error

    def _one(
        self,
        archive: tarfile.TarFile,
        member: tarfile.TarInfo,
        new: set[Path],
        what: str,
        *,
        layered: bool,
    ) -> None:
        name = _safe(member.name, what)
        pure = PurePosixPath(name)
        if pure.parts[:1] and pure.parts[0] in _OF_THE_KERNEL and len(pure.parts) > 1:
            self._dropped.add(name)
            return
        try:
            path = entry(self._root, name)
            if layered and pure.name.startswith(_WHITEOUT):
                self._whiteout(path, new, what)
            else:
                self._write(archive, member, path, what)
                new.add(path)
        except OSError as error:
            if error.errno not in _CONTRADICTIONS:
                raise
            raise IntegrityError(f"{what} is damaged: {name}: {error.strerror}") from error

    def _whiteout(self, path: Path, new: set[Path], what: str) -> None:
        """Take away what earlier layers put there, and nothing that this one did."""
        if path.name == _OPAQUE:
            if path.parent.is_dir():
                self._empty(path.parent, new)
            return
        name = path.name.removeprefix(_WHITEOUT)
        if name in {"", ".", ".."}:
            raise IntegrityError(f"{what} has a whiteout of {name!r}")
        if not name.startswith(_WHITEOUT) and path.with_name(name) not in new:
            _remove(path.with_name(name))

    def _empty(self, directory: Path, new: set[Path]) -> None:
        kept = {parent for path in new for parent in (path, *path.parents)}
        for path in list(directory.iterdir()):
            if path not in kept:
                _remove(path)
            elif stat.S_ISDIR(path.lstat().st_mode):
                self._empty(path, new)

    def _write(
        self, archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path, what: str
    ) -> None:
        if member.isdir():
            self._directory(path, member.mode)
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        if member.issym():
            _remove(path)
            path.symlink_to(member.linkname)
        elif member.islnk():
            self._link(_safe(member.linkname, what), path, what)
        elif member.isreg():
            _remove(path)
            _file(archive, member, path)
        else:
            self._dropped.add(_safe(member.name, what))

    def _directory(self, path: Path, mode: int) -> None:
        if path == self._root:
            return
        if not (os.path.lexists(path) and stat.S_ISDIR(path.lstat().st_mode)):
            _remove(path)
            path.mkdir(parents=True)
        path.chmod(mode & 0o777 | stat.S_IRWXU)

    def _link(self, name: str, path: Path, what: str) -> None:
        existing = entry(self._root, name)
        if name in self._dropped:
            self._dropped.add(str(path.relative_to(self._root)))
        elif existing == path:
            return
        elif not os.path.lexists(existing) or stat.S_ISDIR(existing.lstat().st_mode):
            raise IntegrityError(f"{what} is damaged: it links to {name}, which is not in it")
        else:
            _remove(path)
            os.link(existing, path, follow_symlinks=False)


def write_text(root: Path, name: str, text: str) -> None:
    """Write a file inside a root, never through a link out of it."""
    path = entry(root, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    path.write_text(text, encoding="utf-8", errors="surrogateescape")


def read_text(root: Path, name: str) -> str:
    """A file inside a root, empty where there is none; bad bytes are kept (surrogateescape)."""
    path = resolved(root, name)
    if not path.is_file():
        return ""
    return path.read_text(encoding="utf-8", errors="surrogateescape")


class _Tail:
    """A stream whose last block is remembered: a tar ends with zeros (pax(1), ustar)."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._last = b""

    def read(self, size: int) -> bytes:
        block = self._stream.read(size)
        self._last = (self._last + block)[-tarfile.BLOCKSIZE :]
        return block

    def is_end(self) -> bool:
        """Read what is left; whether it ends as a tar does."""
        while self.read(1 << 20):
            pass
        return self._last == bytes(tarfile.BLOCKSIZE)


def _safe(name: str, what: str) -> str:
    """A member's name below the root. Raises IntegrityError for one that climbs out."""
    pure = PurePosixPath(name)
    if ".." in pure.parts:
        raise IntegrityError(
            f"{what} would write outside its own directory: {name!r}",
            remedy="Do not use it; get the image from where you trust it.",
        )
    return str(PurePosixPath(*(part for part in pure.parts if part.strip("/"))))


def _file(archive: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = archive.extractfile(member)
    if source is None:
        raise tarfile.ReadError(f"{member.name} has no content")
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    mode = member.mode & 0o777 | stat.S_IRUSR | stat.S_IWUSR
    with source, open(os.open(path, flags, mode), "wb") as out:  # noqa: PTH123 - a descriptor
        shutil.copyfileobj(source, out, 1 << 20)
        os.fchmod(out.fileno(), mode)
    if (size := path.lstat().st_size) != member.size:
        raise tarfile.ReadError(f"{member.name} has {size} of {member.size} bytes")
    with contextlib.suppress(OSError, OverflowError, ValueError):
        os.utime(path, (member.mtime, member.mtime))  # byte code is tied to its source's time


def _remove(path: Path) -> None:
    try:
        if stat.S_ISDIR(path.lstat().st_mode):
            remove_tree(path)
        else:
            path.unlink()
    except FileNotFoundError:
        return
