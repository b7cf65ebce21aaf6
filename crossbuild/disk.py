"""Files and directories as the store and the wheelhouse need them: hashed, synced, removed.

Also the one place where an ``OSError`` becomes a StorageError that names the directory.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from crossbuild.errors import StorageError

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_BLOCK = 1 << 20


@contextlib.contextmanager
def guarded(directory: Path) -> Iterator[None]:
    """Turn every OSError inside into the StorageError that names ``directory``."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, directory) from error


@contextlib.contextmanager
def full_guarded(directory: Path) -> Iterator[None]:
    """Turn an OSError inside that says "disk full" into a StorageError, and no other."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise storage_error(error, directory) from error
        raise


def storage_error(error: OSError, directory: Path) -> StorageError:
    """The StorageError for an OSError met while writing below ``directory``."""
    if error.errno in _FULL:
        return StorageError(
            f"the disk that holds {directory} is full",
            remedy="Free some space there, or choose a directory on another disk; "
            "`crossbuild cache prune` removes what crossbuild keeps.",
        )
    reason = (error.strerror or str(error)).lower()
    if error.errno in _FORBIDDEN:
        return StorageError(
            f"the directory {directory} cannot be written: {reason}",
            remedy="Make it writable for this user, or choose another directory.",
        )
    return StorageError(f"the directory {directory} cannot be used: {reason}")


def hash_of(path: Path) -> str:
    """The SHA-256 of a file's bytes, in lower-case hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def sync(path: Path) -> None:
    """Wait until a file's bytes, or a directory's names, are on the disk (fsync(2))."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file_system(path: Path) -> None:
    """Wait until the whole file system that holds ``path`` is on the disk (syncfs(2)).

    For trees of thousands of files, where one fsync per file would take a minute.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if ctypes.CDLL(None, use_errno=True).syncfs(descriptor) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
    finally:
        os.close(descriptor)


def bytes_below(path: Path) -> int:
    """The bytes that a file, or every file below a directory, takes on the disk."""
    inside = (Path(top, name) for top, _, names in os.walk(path) for name in names)
    return sum(map(_allocated, (path, *inside)))


def _allocated(path: Path) -> int:
    try:
        return path.lstat().st_blocks * 512
    except FileNotFoundError:
        return 0


def remove_tree(path: Path) -> None:
    """Remove a directory with everything in it, directories that forbid writing too.

    Links are removed, never followed. Nothing happens when ``path`` is not there.
    """
    with contextlib.suppress(FileNotFoundError):
        _open_up(path)
        for directory, names, _ in os.walk(path):
            for name in names:
                _open_up(Path(directory, name))
        shutil.rmtree(path)


def _open_up(directory: Path) -> None:
    mode = directory.lstat().st_mode
    if stat.S_ISDIR(mode) and mode & stat.S_IRWXU != stat.S_IRWXU:
        directory.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
