"""The cache on disk: content-addressed files, immutable trees, small records, locks.

Nothing half-written ever has a name that is looked up: everything is made in ``scratch``, in
the same file system, synced, and renamed into place. Locks die with the process that holds
them. Any number of crossbuild processes can share one store.

    files/ab/<sha256>/<filename>    what was downloaded or built
    trees/<key>/                    root file systems, build environments, toolchains
    records/<kind>/<key>.json       small facts
    partial/<key>                   downloads that go on where they stopped
    scratch/<label>-<random>/       work in progress, swept when its owner is dead
    locks/<key>                     one file per lock that is held
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
import time
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossbuild.disk import (
    bytes_below,
    full_guarded,
    guarded,
    hash_of,
    remove_tree,
    sync,
    sync_file_system,
)
from crossbuild.errors import IntegrityError, StorageError
from crossbuild.locks import held, released, try_lock
from crossbuild.report import Reporter, Silent, Waiting

_CACHEDIR_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n"
"""Tells backup programs that this is a cache (https://bford.info/cachedir/)."""

_ENTRIES = {
    "files": "files/*/*/*",
    "trees": "trees/*",
    "records": "records/*/*.json",
    "partial": "partial/*",
    "scratch": "scratch/*",
}
_SAFE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_TELL_AFTER = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Usage:
    """How many entries one part of the store has and the bytes they take on the disk."""

    kind: str
    entries: int
    bytes: int


class Store:
    """The cache below ``root``, which is made if it is not there.

    ``reporter`` is told when a lock takes longer than a second to get. This and every method
    raise StorageError when the directory cannot be written or its disk is full.
    """

    def __init__(self, root: Path, *, reporter: Reporter | None = None) -> None:
        self._root = root.absolute()
        self._reporter: Reporter = reporter or Silent()
        with guarded(self._root):
            for part in (*_ENTRIES, "locks"):
                (self._root / part).mkdir(parents=True, exist_ok=True)
            tag = self._root / "CACHEDIR.TAG"
            if not tag.exists():
                tag.write_text(_CACHEDIR_TAG, encoding="ascii")
            self._presence = os.open(self._root / "in-use", os.O_RDWR | os.O_CREAT, 0o666)
            weakref.finalize(self, os.close, self._presence)
            fcntl.flock(self._presence, fcntl.LOCK_SH)

    @property
    def root(self) -> Path:
        """The directory of this store, absolute."""
        return self._root

    def file(self, sha256: str, filename: str) -> Path | None:
        """The file with this hash under this name, or None."""
        path = self._file_path(sha256, filename)
        return _used(path) if path.is_file() else None

    def adopt(self, temporary: Path, filename: str, sha256: str | None) -> tuple[Path, str]:
        """Move a finished file into the store; return its path there and its hash.

        ``temporary`` may be in another file system and is gone afterwards. Raises
        IntegrityError, leaving ``temporary`` alone, when its hash is not ``sha256``.
        """
        with guarded(self._root):
            actual = hash_of(temporary)
        if sha256 is not None and actual != sha256:
            raise IntegrityError(
                f"{filename} has the wrong hash: expected sha256 {sha256}, got {actual}"
            )
        path = self._file_path(actual, filename)
        with guarded(self._root):
            if path.is_file():
                temporary.unlink()
            else:
                self._publish(temporary, path)
        return path, actual

    @contextlib.contextmanager
    def partial(
        self, key: str, *, what: str | None = None, on_wait: Callable[[], None] | None = None
    ) -> Iterator[Path]:
        """Hold, alone among all processes, a file that survives failure and kill.

        It may be absent at first. What is left in it on leaving is there for the next holder;
        ``adopt`` it inside to finish. ``what`` and ``on_wait`` are those of ``lock``.
        """
        locked = self.lock(f"partial-{key}", what=what or key, on_wait=on_wait)
        with locked, full_guarded(self._root):
            yield self._root / "partial" / _slug(key)

    def tree(self, key: str) -> Path | None:
        """The finished tree with this key, or None."""
        path = self._root / "trees" / _slug(key)
        return _used(path) if path.is_dir() else None

    def make_tree(
        self,
        key: str,
        fill: Callable[[Path], None],
        *,
        what: str | None = None,
        on_wait: Callable[[], None] | None = None,
    ) -> Path:
        """The tree with this key; where it is missing ``fill`` gets an empty directory.

        A tree must not be changed once it has its name. Concurrent callers wait for the first
        and take its tree; when its ``fill`` raises, the next one fills. ``what`` and
        ``on_wait`` are those of ``lock``.
        """
        if (found := self.tree(key)) is not None:
            return found
        with self.lock(f"tree-{key}", what=what or key, on_wait=on_wait):
            return self.tree(key) or self._filled(key, fill)

    def record(self, kind: str, key: str) -> dict[str, Any] | None:
        """The JSON object under this kind and key, or None."""
        path = self._record_path(kind, key)
        try:
            value = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None
        return value if _used(path) and isinstance(value, dict) else None

    def put_record(self, kind: str, key: str, value: Mapping[str, Any]) -> None:
        """Keep a JSON object under this kind and key, in place of any earlier one."""
        path = self._record_path(kind, key)
        with self.scratch("record") as directory, guarded(self._root):
            written = directory / path.name
            written.write_text(json.dumps(value, sort_keys=True), encoding="utf-8")
            self._publish(written, path)

    @contextlib.contextmanager
    def lock(
        self, key: str, *, what: str | None = None, on_wait: Callable[[], None] | None = None
    ) -> Iterator[None]:
        """Hold a lock that no other process or thread holds; not reentrant.

        ``what`` (default: the key) names what is waited for, in the event. ``on_wait`` is
        called several times a second while waiting and may raise to give up.
        """
        event = Waiting(what=f"{what or key}, which another run is at work on")
        told: list[Waiting] = []

        def waiting(seconds: float) -> None:
            if seconds > _TELL_AFTER and not told:
                told.append(event)
                self._reporter.emit(event)
            if on_wait is not None:
                on_wait()

        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            try:
                with guarded(self._root):
                    stack.enter_context(held(self._root / "locks" / _slug(key), waiting))
            finally:
                seconds = time.monotonic() - began
                for start in told:
                    self._reporter.emit(Waiting(what=start.what, done=True, seconds=seconds))
            yield

    @contextlib.contextmanager
    def scratch(self, label: str) -> Iterator[Path]:
        """An empty directory in the store's file system, removed on leaving."""
        name = f"{_slug(label)[:60]}-{secrets.token_hex(6)}"
        path = self._root / "scratch" / name
        with contextlib.ExitStack() as stack:
            with guarded(self._root):
                stack.enter_context(held(_lock_of(path), lambda _: None))
                path.mkdir(mode=0o700)
            # What cannot be removed must not hide the error underway; sweep comes back to it.
            stack.callback(_remove_softly, path)
            with full_guarded(self._root):
                yield path

    def sweep(self) -> int:
        """Remove the scratch directories whose owner is dead; return how many there were.

        What cannot be removed (another user's, on a broken disk) stays, without an error.
        """
        with guarded(self._root):
            entries = {_owner_of(entry) for entry in (self._root / "scratch").iterdir()}
        removed = 0
        for path in sorted(entries):
            with contextlib.suppress(OSError):
                if (descriptor := try_lock(_lock_of(path))) is not None:
                    with released(_lock_of(path), descriptor):
                        remove_tree(path)
                    removed += 1
        return removed

    def usage(self) -> tuple[Usage, ...]:
        """What each part of the store holds, in a fixed order."""
        with guarded(self._root):
            return tuple(self._usage(kind) for kind in _ENTRIES)

    def prune(self, *, older_than_days: float | None) -> int:
        """Remove what was not used for so many days (None: everything); return bytes freed.

        Raises StorageError, with nothing removed, while another process uses the store.
        """
        before = sum(part.bytes for part in self.usage())
        limit = None if older_than_days is None else time.time() - older_than_days * 86400
        with self._alone():
            self.sweep()
            for kind in ("files", "trees", "records", "partial"):
                for path in self._entries(kind):
                    if limit is None or path.lstat().st_mtime < limit:
                        self._discard(path)
        return before - sum(part.bytes for part in self.usage())

    def drop_trees(self, keys: Collection[str]) -> int:
        """Remove the trees with these keys, where they are; return bytes freed.

        Raises StorageError, with nothing removed, while another process uses the store.
        """
        with self._alone():
            paths = [self._root / "trees" / _slug(key) for key in keys]
            there = [path for path in paths if path.is_dir()]
            freed = sum(map(bytes_below, there))
            for path in there:
                self._discard(path)
        return freed

    def _file_path(self, sha256: str, filename: str) -> Path:
        if "/" in filename or filename in {"", ".", ".."}:
            raise IntegrityError(f"a file is offered under the unsafe name {filename!r}")
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            raise IntegrityError(f"{sha256!r}, given for {filename}, is not a SHA-256 hash")
        return self._root / "files" / sha256[:2] / sha256 / filename

    def _record_path(self, kind: str, key: str) -> Path:
        return self._root / "records" / _slug(kind) / f"{_slug(key)}.json"

    def _publish(self, temporary: Path, final: Path) -> None:
        """Give a finished file its name: synced first, so that the name never lies."""
        final.parent.mkdir(parents=True, exist_ok=True)
        try:
            _move(temporary, final)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            with self.scratch("adopt") as directory:
                _move(shutil.copyfile(temporary, directory / final.name), final)
            temporary.unlink()

    def _filled(self, key: str, fill: Callable[[Path], None]) -> Path:
        final = self._root / "trees" / _slug(key)
        with self.scratch(f"tree-{key}") as directory:
            made = directory / "tree"
            with guarded(self._root):
                made.mkdir()
                made.chmod(0o755)
            fill(made)
            with guarded(self._root):
                # Moving a directory rewrites its "..": its own mode must allow that.
                made.chmod(stat.S_IMODE(made.stat().st_mode) | stat.S_IRWXU)
                sync_file_system(made)
                made.rename(final)
                sync(final.parent)
        return final

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other process out: each holds ``in-use`` shared as long as it lives."""
        with guarded(self._root):
            try:
                fcntl.flock(self._presence, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                # flock(2): a failed conversion may have lost the lock it had.
                fcntl.flock(self._presence, fcntl.LOCK_SH)
                raise StorageError(
                    f"another crossbuild run is using the cache {self._root}",
                    remedy="Wait until it has ended, then run again.",
                ) from None
            try:
                yield
            finally:
                fcntl.flock(self._presence, fcntl.LOCK_SH)

    def _entries(self, kind: str) -> list[Path]:
        return [path for path in self._root.glob(_ENTRIES[kind]) if path.suffix != ".lock"]

    def _usage(self, kind: str) -> Usage:
        entries = self._entries(kind)
        return Usage(kind=kind, entries=len(entries), bytes=sum(map(bytes_below, entries)))

    def _discard(self, path: Path) -> None:
        """Take the name away first: a tree that is half removed must not be found."""
        if not path.is_dir():
            path.unlink()
            with contextlib.suppress(OSError):
                path.parent.rmdir()
            return
        with self.scratch("prune") as directory:
            path.chmod(stat.S_IMODE(path.stat().st_mode) | stat.S_IRWXU)
            path.rename(directory / "tree")


def _slug(key: str) -> str:
    """A file name for a key: the key itself where it can be, else its start and a hash."""
    if _SAFE_KEY.fullmatch(key) and not key.endswith(".lock"):
        return key
    digest = hashlib.sha256(key.encode()).hexdigest()[:32]
    return f"{re.sub('[^A-Za-z0-9]+', '-', key).strip('-')[:40] or 'key'}-{digest}"


def _used(path: Path) -> Path:
    """Remember for ``prune`` that this entry was used now, where its mode allows that."""
    with contextlib.suppress(OSError):
        os.utime(path)
    return path


def _lock_of(path: Path) -> Path:
    return path.with_name(f"{path.name}.lock")


def _owner_of(entry: Path) -> Path:
    """The scratch directory that an entry of ``scratch`` is, or is the lock of."""
    return entry.with_name(entry.name.removesuffix(".lock"))


def _remove_softly(path: Path) -> None:
    with contextlib.suppress(OSError):
        remove_tree(path)


def _move(temporary: Path, final: Path) -> None:
    temporary.chmod(0o644)
    sync(temporary)
    temporary.replace(final)
    sync(final.parent)
