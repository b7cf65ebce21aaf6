"""Downloads into the store: whole or not at all, resumed, shared, stopped."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.errors import (
    CrossbuildError,
    IntegrityError,
    NetworkError,
    StorageError,
    UsageError,
)
from crossbuild.fetch import fetch
from crossbuild.model import File, Kind
from crossbuild.net.http import Http
from crossbuild.report import Event, Silent, Transfer
from crossbuild.store import Store
from tests.miniindex import MiniIndex

CONTENT = bytes(range(256)) * 2048


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


@pytest.fixture
def ending() -> Iterator[None]:
    yield
    process.reopen()


def offered(index: MiniIndex, directory: Path, name: str = "a-1.tar.gz", more: int = 0) -> File:
    path = directory / name
    path.write_bytes(CONTENT + bytes(more))
    index.add(path)
    return File(
        filename=name,
        url=index.file_url(name),
        kind=Kind.SDIST,
        sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
    )


def fetched(store: Store, *files: File) -> list[Path | CrossbuildError]:
    got = fetch(files, store=store, http=Http(pause=0.001), jobs=2, reporter=Silent())
    return [got[file.url] for file in files]


def left(store: Store) -> list[str]:
    return [path.name for path in (store.root / "partial").iterdir()]


def test_files_come_to_the_store(mini_index: MiniIndex, store: Store, tmp_path: Path) -> None:
    files = [offered(mini_index, tmp_path, f"a-{n}.tar.gz", n) for n in range(12)]
    paths = fetched(store, *files, files[0])
    assert all(isinstance(path, Path) for path in paths)
    assert [path.name for path in paths if isinstance(path, Path)] == [
        *(file.filename for file in files),
        files[0].filename,
    ]
    assert len(mini_index.requests) == 12
    assert left(store) == []


def test_what_is_there_is_not_downloaded_again(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    recorder = Recorder()
    for _ in range(2):
        fetch([file], store=store, http=Http(), jobs=1, reporter=recorder)
    assert len(mini_index.requests) == 1
    assert len([e for e in recorder.events if isinstance(e, Transfer) and e.done]) == 1


def test_progress_is_told(mini_index: MiniIndex, store: Store, tmp_path: Path) -> None:
    file = offered(mini_index, tmp_path)
    recorder = Recorder()
    fetch([file], store=store, http=Http(), jobs=1, reporter=recorder)
    size = len(CONTENT)
    assert recorder.events[0] == Transfer(filename=file.filename, received=0, total=size)
    assert recorder.events[-1] == Transfer(
        filename=file.filename, received=size, total=size, done=True
    )


@pytest.mark.parametrize("change", [{"sha256": "0" * 64}, {"url": "http://127.0.0.1:9/a.zip"}])
def test_a_download_that_fails_is_not_told_as_done(
    mini_index: MiniIndex, store: Store, tmp_path: Path, change: dict[str, str]
) -> None:
    file = replace(offered(mini_index, tmp_path), **change)  # type: ignore[arg-type]
    recorder = Recorder()
    fetch([file], store=store, http=Http(pause=0.001), jobs=1, reporter=recorder)
    ends = [event for event in recorder.events if isinstance(event, Transfer) and event.done]
    assert ends
    assert not any(event.ok for event in ends)


def test_one_failure_leaves_the_others_alone(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    good = offered(mini_index, tmp_path)
    missing = replace(good, url=mini_index.file_url("missing"), filename="missing")
    # Not in the store under that name and hash, so it has to be asked for.
    path, error = fetched(store, good, missing)
    assert isinstance(path, Path)
    assert isinstance(error, NetworkError)


def test_a_wrong_hash_is_tried_twice_and_kept_never(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    (error,) = fetched(store, replace(file, sha256="0" * 64))
    assert isinstance(error, IntegrityError)
    assert str(error) == (
        f"a-1.tar.gz has the wrong hash: expected sha256 {'0' * 64}, got {file.sha256}"
    )
    assert "is not what the index promises" in error.remedy
    assert len(mini_index.requests) == 2
    assert left(store) == []
    assert list((store.root / "files").iterdir()) == []


def test_a_partial_of_an_earlier_run_is_continued(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    with store.partial(str(file.sha256)) as partial:
        partial.write_bytes(CONTENT[:1000])
    (path,) = fetched(store, file)
    assert isinstance(path, Path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in mini_index.requests] == ["bytes=1000-"]


def test_a_spoiled_partial_is_downloaded_from_scratch(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    with store.partial(str(file.sha256)) as partial:
        partial.write_bytes(b"x" * 1000)
    (path,) = fetched(store, file)
    assert isinstance(path, Path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in mini_index.requests] == ["bytes=1000-", None]


def test_without_a_hash_nothing_is_continued(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = replace(offered(mini_index, tmp_path), sha256=None)
    with store.partial(file.url) as partial:
        partial.write_bytes(CONTENT[:1000])
    (path,) = fetched(store, file)
    assert isinstance(path, Path)
    assert path.read_bytes() == CONTENT
    assert [asked.range for asked in mini_index.requests] == [None]


def test_a_download_that_broke_off_is_kept_for_the_next_run(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    mini_index.faults.cut_after, mini_index.faults.cuts = 100_000, 1
    mini_index.faults.fail_after = 1
    (error,) = fetched(store, file)
    assert isinstance(error, NetworkError)
    assert len(left(store)) == 1
    mini_index.faults.fail_after = None
    (path,) = fetched(store, file)
    assert isinstance(path, Path)
    assert mini_index.requests[-1].range == "bytes=100000-"


def test_local_files_are_copied(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "a b-1.tar.gz"
    path.write_bytes(CONTENT)
    digest = hashlib.sha256(CONTENT).hexdigest()
    file = File(filename=path.name, url=path.as_uri(), kind=Kind.SDIST, sha256=digest)
    wrong = replace(file, url=f"{file.url}?", sha256="0" * 64)
    missing = replace(file, url=(tmp_path / "missing").as_uri(), sha256="1" * 64)
    copied, bad, absent = fetched(store, file, wrong, missing)
    assert isinstance(copied, Path)
    assert copied.read_bytes() == CONTENT
    assert path.exists()
    assert isinstance(bad, IntegrityError)
    assert isinstance(absent, UsageError)
    assert str(absent) == f"{tmp_path}/missing cannot be read: no such file or directory"


def test_a_full_disk_is_told(
    mini_index: MiniIndex, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Http, "download", full)
    (error,) = fetched(store, offered(mini_index, tmp_path))
    assert isinstance(error, StorageError)
    assert str(error) == f"the disk that holds {store.root} is full"


DOWNLOADER = """
import sys
from pathlib import Path
from crossbuild.fetch import fetch
from crossbuild.net.http import Http
from crossbuild.model import File, Kind
from crossbuild.report import Silent
from crossbuild.store import Store
root, url, sha256 = sys.argv[1:]
file = File(filename="a-1.tar.gz", url=url, kind=Kind.SDIST, sha256=sha256)
got = fetch([file], store=Store(Path(root)), http=Http(), jobs=1, reporter=Silent())
print(got[url])
"""


def downloader(store: Store, file: File) -> subprocess.Popen[str]:
    # Ctrl-C works although a shell's background jobs, and what they start, ignore it.
    argv = ["env", "--default-signal=INT", sys.executable, "-c", DOWNLOADER]
    argv += [str(store.root), file.url, str(file.sha256)]
    return subprocess.Popen(
        argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=Path.cwd()
    )


def partial_size(store: Store) -> int:
    return sum(path.stat().st_size for path in (store.root / "partial").iterdir())


def wait_for_bytes(store: Store) -> None:
    deadline = time.monotonic() + 20
    while partial_size(store) == 0:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_killed_download_is_continued_and_never_visible(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    mini_index.faults.slow = 0.02
    with downloader(store, file) as child:
        wait_for_bytes(store)
        child.kill()
    assert list((store.root / "files").iterdir()) == []
    had = partial_size(store)
    assert 0 < had < len(CONTENT)
    mini_index.faults.slow = 0
    (path,) = fetched(store, file)
    assert isinstance(path, Path)
    assert path.read_bytes() == CONTENT
    assert mini_index.requests[-1].range == f"bytes={had}-"


def test_two_processes_download_once(mini_index: MiniIndex, store: Store, tmp_path: Path) -> None:
    file = offered(mini_index, tmp_path)
    mini_index.faults.slow = 0.01
    with downloader(store, file) as one, downloader(store, file) as two:
        outputs = [child.communicate()[0].strip() for child in (one, two)]
    assert outputs == [str(store.file(str(file.sha256), file.filename))] * 2
    assert len(mini_index.requests) == 1


def test_ctrl_c_does_not_wait_for_servers(
    mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    file = offered(mini_index, tmp_path)
    mini_index.faults.slow = 30
    with downloader(store, file) as child:
        while not mini_index.requests:
            time.sleep(0.01)
        began = time.monotonic()
        os.kill(child.pid, signal.SIGINT)
        child.communicate()
        assert time.monotonic() - began < 5
    assert child.returncode != 0


@pytest.mark.usefixtures("ending")
def test_a_run_that_ends_stops_all(mini_index: MiniIndex, store: Store, tmp_path: Path) -> None:
    file = offered(mini_index, tmp_path)
    mini_index.faults.slow = 0.05
    threading.Timer(0.2, process.terminate_all).start()
    with pytest.raises(process.CancelledError):
        fetched(store, file)
    assert list((store.root / "files").iterdir()) == []
