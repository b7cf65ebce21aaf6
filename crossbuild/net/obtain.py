"""Bringing one distribution file into the store, whoever else wants it at the same time."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

from crossbuild import process
from crossbuild.errors import IntegrityError, UsageError
from crossbuild.model import File
from crossbuild.net.http import Http
from crossbuild.report import Reporter, Transfer
from crossbuild.store import Store

_TELL_EVERY = 0.1


def obtain(file: File, *, store: Store, http: Http, reporter: Reporter) -> tuple[Path, str]:
    """The file's path in the store, and its SHA-256; downloaded or copied if it is not there.

    A download goes on where an earlier one, of any process, stopped; a second process that
    wants the same file waits and takes it from the store. Raises IntegrityError when the bytes
    are not those of ``file.sha256``, NetworkError, StorageError, and UsageError for a local
    file that cannot be read.
    """
    if file.sha256 is not None and (found := store.file(file.sha256, file.filename)):
        return found, file.sha256
    if is_local(file.url):
        return _copied(file, store)
    key = file.sha256 or file.url
    with store.partial(key, what=file.filename, on_wait=process.check_cancelled) as partial:
        if file.sha256 is not None and (found := store.file(file.sha256, file.filename)):
            return found, file.sha256
        return _downloaded(file, partial, store, http, reporter)


def is_local(url: str) -> bool:
    """Whether the address is a ``file:`` URL: a file of this machine."""
    return urlsplit(url).scheme == "file"


def local_path(url: str) -> Path:
    """The path that a ``file:`` URL means."""
    return Path(unquote(urlsplit(url).path))


def _copied(file: File, store: Store) -> tuple[Path, str]:
    with store.scratch("copy") as directory:
        copy = directory / file.filename
        try:
            shutil.copyfile(local_path(file.url), copy)
        except (FileNotFoundError, IsADirectoryError, PermissionError) as error:
            said = (error.strerror or "").lower()
            raise UsageError(f"{local_path(file.url)} cannot be read: {said}") from error
        return store.adopt(copy, file.filename, file.sha256)


def _downloaded(
    file: File, partial: Path, store: Store, http: Http, reporter: Reporter
) -> tuple[Path, str]:
    if file.sha256 is None:
        # Nothing would tell whether the bytes of an earlier run still belong to the file.
        partial.unlink(missing_ok=True)
    try:
        return _attempt(file, partial, store, http, reporter)
    except IntegrityError:
        # Old bytes under a partial name, or a glitch on the way: once more, from nothing.
        return _attempt(file, partial, store, http, reporter)


def _attempt(
    file: File, partial: Path, store: Store, http: Http, reporter: Reporter
) -> tuple[Path, str]:
    progress = _Progress(file, reporter)
    found: tuple[Path, str] | None = None
    try:
        http.download(file.url, partial, progress.show)
        found = store.adopt(partial, file.filename, file.sha256)
        return found
    except IntegrityError as error:
        partial.unlink(missing_ok=True)
        host = urlsplit(file.url).netloc
        raise IntegrityError(
            str(error),
            remedy=f"What {host} sends is not what the index promises; nothing of it was kept.",
        ) from error
    finally:
        progress.end(ok=found is not None)


class _Progress:
    """Reports a download, but not every block of it."""

    def __init__(self, file: File, reporter: Reporter) -> None:
        self._reporter = reporter
        self._filename = file.filename
        self._received = 0
        self._total = file.size
        self._told = 0.0

    def show(self, received: int, total: int | None) -> None:
        self._received, self._total = received, total if total is not None else self._total
        if time.monotonic() - self._told >= _TELL_EVERY:
            self._told = time.monotonic()
            self._emit(done=False)

    def end(self, *, ok: bool) -> None:
        self._emit(done=True, ok=ok)

    def _emit(self, *, done: bool, ok: bool = True) -> None:
        event = Transfer(
            filename=self._filename,
            received=self._received,
            total=self._total,
            done=done,
            ok=ok,
        )
        self._reporter.emit(event)
