"""The store: what has a name is whole, whoever dies, and whoever else is at work."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from crossbuild import store as store_module
from crossbuild.disk import full_guarded, guarded, remove_tree, storage_error
from crossbuild.errors import IntegrityError, StorageError
from crossbuild.report import Event, Waiting
from crossbuild.store import Store

CONTENT = b"a wheel, say"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def temporary(tmp_path: Path) -> Path:
    path = tmp_path / "temporary"
    path.write_bytes(CONTENT)
    return path


def names(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def elsewhere(code: str, *argv: object) -> subprocess.Popen[str]:
    """Run code in another process; it says when it is ready by printing a line."""
    child = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, argv)], stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def killed(child: subprocess.Popen[str]) -> None:
    child.send_signal(signal.SIGKILL)
    child.wait()
    assert child.stdout is not None
    child.stdout.close()


def test_an_adopted_file_is_found_by_hash_and_name(store: Store, temporary: Path) -> None:
    path, sha256 = store.adopt(temporary, "a-1-py3-none-any.whl", SHA256)
    assert sha256 == SHA256
    assert path.name == "a-1-py3-none-any.whl"
    assert path.read_bytes() == CONTENT
    assert not temporary.exists()
    assert store.file(SHA256, "a-1-py3-none-any.whl") == path
    assert store.file(SHA256, "b-1-py3-none-any.whl") is None
    assert Store(store.root).file(SHA256, path.name) == path


def test_adopting_twice_keeps_the_first_file(store: Store, temporary: Path) -> None:
    first, _ = store.adopt(temporary, "a.whl", None)
    inode = first.stat().st_ino
    temporary.write_bytes(CONTENT)
    second, _ = store.adopt(temporary, "a.whl", SHA256)
    assert (second, second.stat().st_ino) == (first, inode)
    assert not temporary.exists()


def test_a_file_with_another_hash_is_refused(store: Store, temporary: Path) -> None:
    with pytest.raises(IntegrityError, match=f"a.whl .* expected sha256 {'0' * 64}, got {SHA256}"):
        store.adopt(temporary, "a.whl", "0" * 64)
    assert temporary.exists()
    assert names(store.root / "files") == []


@pytest.mark.parametrize("filename", ["", ".", "..", "../a.whl", "/etc/passwd"])
def test_an_unsafe_file_name_is_refused(store: Store, temporary: Path, filename: str) -> None:
    with pytest.raises(IntegrityError, match="unsafe name"):
        store.adopt(temporary, filename, SHA256)


def test_a_hash_that_is_a_path_is_refused(store: Store) -> None:
    with pytest.raises(IntegrityError, match="not a SHA-256"):
        store.file("../../etc", "passwd")


def test_a_file_from_another_file_system_is_copied(
    store: Store, temporary: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if self == temporary:
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        return real(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    path, _ = store.adopt(temporary, "a.whl", SHA256)
    assert path.read_bytes() == CONTENT
    assert not temporary.exists()
    assert names(store.root / "scratch") == []


def test_a_tree_is_filled_once(store: Store) -> None:
    calls: list[Path] = []

    def fill(directory: Path) -> None:
        calls.append(directory)
        (directory / "etc").mkdir()
        (directory / "etc" / "os-release").write_text("Debian")

    assert store.tree("bookworm-arm64") is None
    path = store.make_tree("bookworm-arm64", fill)
    assert store.make_tree("bookworm-arm64", fill) == path == store.tree("bookworm-arm64")
    assert (path / "etc" / "os-release").read_text() == "Debian"
    assert len(calls) == 1
    assert names(store.root / "scratch") == []


def test_a_tree_whose_filling_failed_is_not_there(store: Store) -> None:
    def fill(directory: Path) -> None:
        (directory / "half").write_text("")
        raise ValueError("no mirror")

    with pytest.raises(ValueError, match="no mirror"):
        store.make_tree("key", fill)
    assert store.tree("key") is None
    assert names(store.root / "trees") == names(store.root / "scratch") == []


def test_concurrent_callers_take_the_first_ones_tree(store: Store) -> None:
    calls: list[Path] = []

    def fill(directory: Path) -> None:
        calls.append(directory)
        time.sleep(0.1)

    paths: list[Path] = []
    threads = [
        threading.Thread(target=lambda: paths.append(store.make_tree("key", fill)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(calls) == 1
    assert paths == [store.root / "trees" / "key"] * 4


def test_a_tree_with_closed_directories_can_be_made_and_pruned(store: Store) -> None:
    def fill(directory: Path) -> None:
        closed = directory / "closed"
        closed.mkdir()
        (closed / "file").write_text("")
        (directory / "outside").symlink_to("/etc")
        (directory / "dangling").symlink_to("nowhere")
        os.mkfifo(directory / "fifo")
        closed.chmod(0)
        directory.chmod(0o555)

    path = store.make_tree("key", fill)
    assert (path / "outside").is_symlink()
    store.prune(older_than_days=None)
    assert store.tree("key") is None
    assert names(store.root / "scratch") == []
    assert Path("/etc/passwd").exists()


def test_keys_that_are_no_file_names_stay_apart(store: Store) -> None:
    keys = ["a/b", "a?b", "../x", "", "x" * 300, "x" * 301, "a.lock", "a"]
    paths = [store.make_tree(key, lambda _: None) for key in keys]
    assert len(set(paths)) == len(keys)
    assert {path.parent for path in paths} == {store.root / "trees"}


def test_a_record_is_read_back_and_replaced(store: Store) -> None:
    assert store.record("inspection", "key") is None
    store.put_record("inspection", "key", {"requires": ["numpy"]})
    store.put_record("inspection", "key", {"requires": ["cffi"]})
    assert store.record("inspection", "key") == {"requires": ["cffi"]}
    assert store.record("build", "key") is None


@pytest.mark.parametrize("text", ["", "{", "[1]", "\xff"])
def test_a_spoiled_record_counts_as_missing(store: Store, text: str) -> None:
    store.put_record("build", "key", {})
    (store.root / "records" / "build" / "key.json").write_text(text, encoding="latin-1")
    assert store.record("build", "key") is None


def test_a_partial_file_survives_failure(store: Store) -> None:
    def cut() -> None:
        with store.partial(SHA256) as path:
            path.write_bytes(CONTENT[:4])
            raise ValueError("cut")

    with pytest.raises(ValueError, match="cut"):
        cut()
    with store.partial(SHA256) as path:
        assert path.read_bytes() == CONTENT[:4]
        path.write_bytes(CONTENT)
        store.adopt(path, "a.whl", SHA256)
    assert store.file(SHA256, "a.whl") is not None
    assert names(store.root / "partial") == []


HOLDER = """
import sys, time
from pathlib import Path
from crossbuild.store import Store
store = Store(Path(sys.argv[1]))
with store.partial("key") as path, store.scratch("work") as directory:
    path.write_text("half")
    (directory / "file").write_text("")
    print("ready", flush=True)
    time.sleep(60)
"""


def test_what_a_killed_process_held_is_free_and_swept(store: Store) -> None:
    child = elsewhere(HOLDER, store.root)
    assert store.sweep() == 0
    assert len(names(store.root / "scratch")) == 2
    killed(child)
    with store.partial("key") as path:
        assert path.read_text() == "half"
    assert store.sweep() == 1
    assert names(store.root / "scratch") == names(store.root / "locks") == []


def test_a_lock_waits_for_another_process_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "_TELL_AFTER", 0.05)
    recorder = Recorder()
    store = Store(tmp_path, reporter=recorder)
    child = elsewhere(HOLDER, store.root)
    timer = threading.Timer(0.3, killed, [child])
    timer.start()
    began = time.monotonic()
    with store.partial("key", what="a.whl"):
        assert time.monotonic() - began > 0.2
    timer.join()
    start, end = recorder.events
    assert start == Waiting(what="a.whl, which another run is at work on")
    assert isinstance(end, Waiting)
    assert end.what == start.what
    assert end.done


def test_waiting_can_be_given_up(store: Store) -> None:
    def give_up() -> None:
        raise KeyboardInterrupt

    with store.lock("key"), pytest.raises(KeyboardInterrupt), store.lock("key", on_wait=give_up):
        pytest.fail("the lock was given twice")
    with store.lock("key"):
        assert names(store.root / "locks") == ["key"]
    assert names(store.root / "locks") == []


def test_a_lock_keeps_many_threads_apart(store: Store) -> None:
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(5):
            with store.lock("key"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 20
    assert set(most) == {1}


def test_a_killed_fill_leaves_no_tree(store: Store) -> None:
    code = """
import sys, time
from pathlib import Path
from crossbuild.store import Store
def fill(directory):
    (directory / "half").write_text("")
    print("ready", flush=True)
    time.sleep(60)
Store(Path(sys.argv[1])).make_tree("key", fill)
"""
    killed(elsewhere(code, store.root))
    assert store.tree("key") is None
    assert store.make_tree("key", lambda directory: None).is_dir()
    assert names(store.root / "trees" / "key") == []


def test_usage_counts_entries_and_bytes(store: Store, temporary: Path) -> None:
    store.adopt(temporary, "a.whl", None)
    (store.make_tree("key", lambda _: None) / "file").write_bytes(b"x" * 10_000)
    store.put_record("build", "key", {})
    usage = {part.kind: part for part in store.usage()}
    assert {kind: part.entries for kind, part in usage.items()} == {
        "files": 1,
        "trees": 1,
        "records": 1,
        "partial": 0,
        "scratch": 0,
    }
    assert usage["trees"].bytes >= 10_000


def test_prune_by_age_takes_what_was_not_used(store: Store, temporary: Path) -> None:
    old, _ = store.adopt(temporary, "old.whl", None)
    temporary.write_bytes(b"another")
    kept, sha256 = store.adopt(temporary, "kept.whl", None)
    for path in (old, kept):
        os.utime(path, (time.time() - 10 * 86400,) * 2)
    assert store.file(sha256, "kept.whl") == kept
    assert store.prune(older_than_days=5) > 0
    assert not old.parent.exists()
    assert kept.exists()


def test_prune_leaves_a_store_in_use_alone(store: Store, temporary: Path) -> None:
    path, _ = store.adopt(temporary, "a.whl", None)
    child = elsewhere(HOLDER, store.root)
    with pytest.raises(StorageError, match="another crossbuild run is using"):
        store.prune(older_than_days=None)
    assert path.exists()
    killed(child)
    store.prune(older_than_days=None)
    assert not path.exists()


@pytest.mark.parametrize(
    ("code", "message"),
    [
        (errno.ENOSPC, "the disk that holds /cache is full"),
        (errno.EDQUOT, "the disk that holds /cache is full"),
        (errno.EACCES, "the directory /cache cannot be written: permission denied"),
        (errno.EROFS, "the directory /cache cannot be written: read-only file system"),
        (errno.EIO, "the directory /cache cannot be used: input/output error"),
    ],
)
def test_errors_of_the_disk_name_the_directory(code: int, message: str) -> None:
    error = storage_error(OSError(code, os.strerror(code)), Path("/cache"))
    assert str(error) == message


def test_only_a_full_disk_is_translated_in_the_callers_block() -> None:
    with pytest.raises(StorageError), full_guarded(Path("/cache")):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(FileNotFoundError), full_guarded(Path("/cache")):
        raise FileNotFoundError(errno.ENOENT, "the caller's own")
    with pytest.raises(StorageError), guarded(Path("/cache")):
        raise FileNotFoundError(errno.ENOENT, "No such file")


def test_a_full_disk_in_a_scratch_directory_is_named(store: Store) -> None:
    with pytest.raises(StorageError, match=str(store.root)), store.scratch("work"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert names(store.root / "scratch") == []


def test_a_root_below_a_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be used: not a directory"):
        Store(tmp_path / "file" / "cache")


def test_removing_a_tree_that_is_not_there_is_nothing(tmp_path: Path) -> None:
    remove_tree(tmp_path / "missing")
    assert names(tmp_path) == []
