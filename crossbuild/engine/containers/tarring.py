"""Tar streams: how trees and files travel to a daemon that shares no file system with us."""

from __future__ import annotations

import io
import os
import stat
import tarfile
from collections.abc import Container, Iterator
from pathlib import Path
from typing import IO

from crossbuild.disk import guarded

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def pack(
    stream: IO[bytes], source: Path, name: str, *, owner: int = 0, public: bool = False
) -> None:
    """Write an archive with what ``add`` would add. Raises StorageError."""
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        add(tar, source, name, owner=owner, public=public)


def pack_root(stream: IO[bytes], root: Path, without: Container[str]) -> None:
    """Write an archive of a root, root's own and for all to read, but for some top directories.

    Raises StorageError.
    """
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.iterdir()):
            if path.name not in without:
                add(tar, path, path.name, public=True)


def add(
    tar: tarfile.TarFile, source: Path, name: str, *, owner: int = 0, public: bool = False
) -> None:
    """Add a file, or a directory with everything below it, as ``name`` (empty: the top).

    Everything belongs to ``owner`` (user and group number). ``public`` lets only the owner
    write, and everybody read: for what is mounted or run by others. Raises StorageError.
    """
    with guarded(source):
        for path, inside in _walk(source, name):
            _add(tar, path, inside, owner=owner, public=public)


def directory(name: str, owner: int, mode: int) -> tarfile.TarInfo:
    """An empty directory in an archive."""
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, mode
    entry.uid = entry.gid = owner
    return entry


def content(tar: tarfile.TarFile, name: str, data: bytes, mode: int = 0o644) -> None:
    """Add bytes to an archive as a file of root's."""
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(data), mode
    tar.addfile(entry, io.BytesIO(data))


def _walk(source: Path, name: str) -> Iterator[tuple[Path, str]]:
    """Every path with its name in the archive, parents first, in the same order everywhere."""
    if name:
        yield source, name
    if source.is_dir() and not source.is_symlink():
        for child in sorted(os.listdir(source)):  # noqa: PTH208 - names, and many of them
            yield from _walk(source / child, f"{name}/{child}" if name else child)


def _add(tar: tarfile.TarFile, path: Path, name: str, *, owner: int, public: bool) -> None:
    entry = tar.gettarinfo(path, name)
    if entry is None:  # a socket: nothing that a tree or a source can mean
        return
    entry.uid = entry.gid = owner
    entry.uname = entry.gname = ""
    if public and not entry.issym():
        entry.mode = (entry.mode | stat.S_IRGRP | stat.S_IROTH) & ~_OTHERS_WRITE
        if entry.isdir():
            entry.mode |= stat.S_IXGRP | stat.S_IXOTH
    if entry.isreg():
        with path.open("rb") as content:
            tar.addfile(entry, content)
    else:
        tar.addfile(entry)
