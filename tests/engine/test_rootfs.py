"""What only the embedded engine owes: it runs on this host, so it must leave nothing on it."""

from __future__ import annotations

import contextlib
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crossbuild import catalog, process
from crossbuild.catalog import Role
from crossbuild.engine import opening
from crossbuild.engine.base import Engine, Root
from crossbuild.errors import NetworkError, StorageError
from crossbuild.report import Event, Waiting
from crossbuild.store import Store
from tests.roots import IMAGE

pytestmark = [pytest.mark.emulation, pytest.mark.network]


class Recorder:
    """Keeps the events."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def processes_with(text: str) -> list[str]:
    """The command lines, of all processes of the host that have not ended, that hold a text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_bytes().decode(errors="replace"))
    return [line for line in found if text in line]


def within(seconds: float, condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


@contextlib.contextmanager
def victim(store: Store, what: str, until: str, engine: str = "rootfs") -> Iterator[None]:
    """Start one, wait until it says so, then kill it with SIGKILL and do the rest."""
    words = [str(store.root), IMAGE.name, what, engine]
    argv = [sys.executable, "-m", "tests.engine.victim", *words]
    with process.started(argv, cwd=Path(__file__).parents[2]) as child:
        assert child.stdout is not None
        for line in child.stdout:
            if line.decode().strip() == until:
                break
        else:
            pytest.fail("the victim ended too early")
        yield
        child.send_signal(signal.SIGKILL)
        child.wait()


def test_a_killed_crossbuild_leaves_no_process_and_no_mount(
    engine: Engine, target_root: Root, shared_store: Store
) -> None:
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    with victim(shared_store, "session", until="running"):
        assert within(10, lambda: len(processes_with("98765")) >= 2)
    assert within(5, lambda: processes_with("98765") == [])
    assert Path("/proc/self/mounts").read_text(encoding="utf-8") == mounts
    shared_store.sweep()
    with engine.session(target_root) as session:
        assert session.run(["true"]).ok


def test_a_root_that_was_half_unpacked_is_never_seen(tmp_path: Path) -> None:
    store = Store(tmp_path / "store")
    with victim(store, "prepare", until="ready"):
        unpacking = str(store.root)
        assert within(30, lambda: any("mmdebstrap" in line for line in processes_with(unpacking)))
        assert within(30, lambda: any((store.root / "scratch").glob("tree-*/tree/usr/bin")))
    assert within(5, lambda: processes_with(unpacking) == [])
    assert list((store.root / "trees").iterdir()) == []
    assert unpacking not in Path("/proc/self/mounts").read_text(encoding="utf-8")
    store.sweep()
    assert list((store.root / "scratch").iterdir()) == []


def test_a_mirror_that_cannot_be_reached_is_a_network_error(tmp_path: Path) -> None:
    recorder = Recorder()
    store = Store(tmp_path / "store")
    offline = opening.opened(store, mirror="http://127.0.0.1:9/debian", reporter=recorder)
    with pytest.raises(NetworkError, match=r"http://127.0.0.1:9/debian") as caught:
        offline.prepare(IMAGE, Role.TARGET)
    assert "--mirror" in caught.value.remedy
    assert list((store.root / "trees").iterdir()) == []
    what = "unpacking Debian bookworm for aarch64 (target)"
    assert recorder.events[0] == Waiting(what=what)
    last = recorder.events[-1]
    assert isinstance(last, Waiting)
    assert (last.what, last.done) == (what, True)


def test_every_root_is_keyed_by_its_content(target_root: Root, build_root: Root) -> None:
    assert target_root.key != build_root.key
    assert target_root.key.startswith(f"{IMAGE.name}-target-")
    manifest = (target_root.path / "etc/crossbuild-packages").read_text(encoding="utf-8")
    assert "python3.11_" in manifest


def test_nothing_in_a_root_runs_as_another_user(target_root: Root, build_root: Root) -> None:
    for root in (target_root, build_root):
        found = [path for path in root.path.rglob("*") if not path.is_symlink()]
        assert [path for path in found if path.stat().st_mode & 0o7000 and path.is_file()] == []


def test_the_standard_library_is_compiled(target_root: Root) -> None:
    library = target_root.path / "usr/lib/python3.11"
    tag = IMAGE.interpreters[0].cache_tag
    for module in ("argparse", "email/parser", "distutils/core"):
        path = library / f"{module}.py"
        assert (path.parent / "__pycache__" / f"{path.stem}.{tag}.pyc").exists()


def test_a_full_disk_is_said_to_be_full(
    engine: Engine, target_root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Full:
        f_bavail = 0
        f_frsize = 4096

    with engine.session(target_root) as session:
        assert session.run(["false"]).returncode == 1
        monkeypatch.setattr("os.statvfs", lambda _: Full)
        assert session.run(["true"]).ok, "what succeeds had room enough"
        with pytest.raises(StorageError, match="is full"):
            session.run(["false"])


def test_other_images_run_too(engine: Engine) -> None:
    """Each suite has its own glibc and layout; what is new in one may break there alone."""
    for image in filter(catalog.from_packages, catalog.images()):
        root = engine.prepare(image, Role.TARGET)
        code = "import ssl, multiprocessing as m, sys; m.Lock(); print(sys.version_info[:2])"
        with engine.session(root) as session:
            result = session.run([image.interpreters[0].command, "-c", code])
        assert result.output == f"{image.interpreters[0].version}\n"
