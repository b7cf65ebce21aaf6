"""Files into and out of a container's ``WORK``: as ``transfer``, but through tar streams.

The daemon resolves names inside the container alone, so the host is never in danger of a link
in there; what comes out is looked at before any of it is written.
"""

from __future__ import annotations

import contextlib
import shutil
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO

from crossbuild.disk import full_guarded, guarded
from crossbuild.engine.base import WORK
from crossbuild.engine.containers import tarring
from crossbuild.engine.containers.container import Container, Kind
from crossbuild.engine.sandboxes.sandbox import UID
from crossbuild.errors import IntegrityError, UsageError

_IN_MEMORY = 4 << 20


class Copier:
    """Copies for one container; ``scratch`` is a host directory for what is under way."""

    def __init__(self, container: Container, scratch: Path) -> None:
        self._container = container
        self._scratch = scratch

    def put(self, source: Path, destination: str) -> None:
        """Copy a host file or directory to ``destination``; see ``transfer.put``."""
        missing = self._missing(destination)
        name = str(PurePosixPath(destination).relative_to(WORK))
        name = "" if name == "." else name
        if source.is_dir() and not missing:
            self._check_below(source, destination)
        with self._spool() as stream:
            with tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as tar:
                for parent in missing[:-1]:
                    tar.addfile(tarring.directory(parent, UID, 0o755))
                tarring.add(tar, source, name, owner=UID)
            stream.seek(0)
            self._container.put(stream, WORK)

    def get(self, source: str, destination: Path) -> None:
        """Copy what is at ``source`` to ``destination`` on the host; see ``transfer.get``."""
        if self._missing(source):
            raise IntegrityError(f"the command left no {source}")
        with self._archive(source) as tar:
            entries = [(entry, _below(entry, source)) for entry in tar.getmembers()]
            for entry, name in entries:
                _refuse_special(entry, name, source)
            with guarded(destination.parent):
                destination.parent.mkdir(parents=True, exist_ok=True)
                for entry, name in entries:
                    _write(tar, entry, destination / name)

    def keep(self, destination: Path) -> None:
        """Copy all of ``WORK`` to ``destination``: links as links, nothing special."""
        with self._archive(WORK) as tar, guarded(destination.parent):
            entries = [(entry, _below(entry, WORK)) for entry in tar.getmembers()]
            destination.mkdir(parents=True)
            for entry, name in entries:
                if entry.isdir() or entry.isreg() or entry.islnk():
                    with contextlib.suppress(IntegrityError):
                        _write(tar, entry, destination / name)
            for entry, name in entries:  # last, so that nothing is written through one
                if entry.issym():
                    (destination / name).symlink_to(entry.linkname)

    def _missing(self, path: str) -> list[str]:
        """The directories below ``WORK`` on the way to a path, and it, that are not there.

        Raises UsageError when it is not below ``WORK``, IntegrityError for a link on the way.
        """
        pure = PurePosixPath(path)
        if not pure.is_relative_to(WORK) or ".." in pure.parts:
            raise UsageError(f"{path!r} is not below {WORK}")
        parts = pure.relative_to(WORK).parts
        names = ["/".join(parts[: count + 1]) for count in range(len(parts))]
        for position, name in enumerate(names):
            kind = self._container.kind(f"{WORK}/{name}")
            if kind is None:
                return names[position:]
            if kind is Kind.LINK:
                raise IntegrityError(f"{WORK}/{name} is a symbolic link")
        return []

    def _check_below(self, source: Path, destination: str) -> None:
        """Refuse to write a directory over one that has a link in its way."""
        with self._archive(destination) as tar:
            links = {_below(entry, destination) for entry in tar.getmembers() if entry.issym()}
        for name in sorted(links):
            if (source / name).exists():
                raise IntegrityError(f"{destination}/{name} is a symbolic link")

    @contextlib.contextmanager
    def _archive(self, path: str) -> Iterator[tarfile.TarFile]:
        """What is at a path, as the daemon packs it."""
        with self._spool() as stream:
            self._container.get(path, stream)
            stream.seek(0)
            try:
                with tarfile.open(fileobj=stream, mode="r:") as tar:
                    yield tar
            except tarfile.TarError as error:
                raise IntegrityError(f"{path} came out of the container damaged") from error

    @contextlib.contextmanager
    def _spool(self) -> Iterator[IO[bytes]]:
        with (
            full_guarded(self._scratch),
            tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY, dir=str(self._scratch)) as stream,
        ):
            yield stream


def _below(entry: tarfile.TarInfo, source: str) -> Path:
    """An entry's path below what was asked for; the archive's names begin with its last part.

    Raises IntegrityError for a name that leads elsewhere: no file system has such.
    """
    pure = PurePosixPath(entry.name)
    if pure.is_absolute() or ".." in pure.parts or pure.parts[:1] != (PurePosixPath(source).name,):
        raise IntegrityError(f"{source} came out of the container with the name {entry.name!r}")
    return Path(*pure.parts[1:])


def _refuse_special(entry: tarfile.TarInfo, name: Path, source: str) -> None:
    if not (entry.isreg() or entry.isdir() or entry.islnk()):
        kind = Kind.LINK if entry.issym() else Kind.OTHER
        where = source if name == Path() else f"{source}/{name}"
        raise IntegrityError(f"{where} is {kind.value}, and is not taken over")


def _write(tar: tarfile.TarFile, entry: tarfile.TarInfo, path: Path) -> None:
    """Write a directory or file; one with several names is written for each."""
    if entry.isdir():
        path.mkdir(exist_ok=True)
        return
    try:
        content = tar.extractfile(entry)
    except KeyError:  # another name of something that is not in the archive
        content = None
    if content is None:
        raise IntegrityError(f"{entry.name} came out of the container without its content")
    with content, path.open("wb") as stream:
        shutil.copyfileobj(content, stream)
    path.chmod(0o755 if entry.mode & stat.S_IXUSR else 0o644)
