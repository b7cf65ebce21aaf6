"""install.py killed anywhere: the site is as it was or complete once the next run has looked."""

from __future__ import annotations

import py_compile
import random
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from crossbuild.installer import digests, journal
from crossbuild.installer.failure import Failure
from crossbuild.installer.journal import STATE, Journal
from tests import houses, wheels

FLAGS = ("-S", "-I")
POINTS = 50
BETWEEN = """
import builtins, os, signal
CALLS = 0
LIMIT = {limit}

def counting(call):
    def counted(*arguments, **options):
        global CALLS
        reads = call is plain and "w" not in "".join(map(str, arguments[1:2]))
        CALLS += not reads
        if CALLS == LIMIT and not reads:
            {end}
        return call(*arguments, **options)
    return counted

plain = open
os.fsync = lambda handle: None  # the machine goes on: no power cut is tried here
for name in {names!r}.split():
    setattr(os, name, counting(getattr(os, name)))
builtins.open = counting(plain)
"""
CHANGES = "rename link unlink rmdir mkdir fsync"
GROWTH = "rename link mkdir fsync"
KILL = "os.kill(os.getpid(), signal.SIGKILL)"
FULL = "raise OSError(28, 'No space left on device', arguments[0])"
UNHURT = "import os\nos.fsync = lambda handle: None"
ELSEWHERE = f"""
def apart(call):
    def crossing(source, destination, **options):
        inside = ["{STATE}" in os.path.dirname(str(path)) for path in (source, destination)]
        if inside[0] != inside[1]:
            raise OSError(18, "Invalid cross-device link", source)
        return call(source, destination, **options)
    return crossing
os.rename, os.link = apart(os.rename), apart(os.link)
"""
COUNT = """
import atexit
atexit.register(lambda: print('CALLS', CALLS))
"""


@pytest.fixture(scope="module")
def houses_of_two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheelhouse and the next one: files and directories that stay, change, come and go."""
    old, new = tmp_path_factory.mktemp("old"), tmp_path_factory.mktemp("new")
    point = "[console_scripts]\n{} = app:main\n"
    first = {
        "app/__init__.py": "V = 1\n",
        "app/same.py": "",
        "app/gone/deep/file.txt": "1",
        "app-1.0.data/data/share/app/old.txt": "old",
        "app-1.0.dist-info/entry_points.txt": point.format("app"),
    }
    second = {
        "app/__init__.py": "V = 2\n",
        "app/same.py": "",
        "app/new/file.txt": "2",
        "app-2.0.data/data/share/app/new.txt": "new",
        "app-2.0.dist-info/entry_points.txt": point.format("app2"),
    }
    wheels.wheel(old, "app", "1.0", files=first)
    wheels.wheel(new, "app", "2.0", files=second, requires=["fresh"])
    wheels.wheel(new, "fresh", "1.0", files={"fresh/__init__.py": "", "fresh/x.py": "y = 1\n"})
    return houses.house(old), houses.house(new)


class Sites:
    """A site with the old wheelhouse installed, and what it is before and after the new one."""

    def __init__(self, old: Path, new: Path, directory: Path) -> None:
        self.new = new
        py_compile.compile(str(new / "install.py"), cfile=str(new / "install.pyc"), doraise=True)
        self.origin = directory / "origin"
        self.root = directory / "root"
        assert houses.install(old, "--root", self.root, "--no-compile", flags=FLAGS).code == 0
        self.root.rename(self.origin)
        self.before = self.begin()
        said = self.run(BETWEEN.format(names=CHANGES, limit=0, end="pass") + COUNT).said
        self.calls = int(said.rpartition("CALLS ")[2])
        self.after = houses.snapshot(self.root)

    def begin(self) -> Mapping[str, object]:
        """Make the site as it was at first."""
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.copytree(self.origin, self.root, symlinks=True)
        return houses.snapshot(self.root)

    def run(self, prelude: str = UNHURT, *arguments: str) -> houses.Done:
        words = ("--root", self.root, "--no-compile", *arguments)
        return houses.install(self.new, *words, flags=FLAGS, prelude=prelude, name="install.pyc")

    def kill(self, at: int, *arguments: str, elsewhere: str = "") -> None:
        prelude = BETWEEN.format(names=CHANGES, limit=at, end=KILL) + elsewhere
        done = self.run(prelude, *arguments)
        assert done.code in (-9, 0), done.error

    def now(self) -> Mapping[str, object]:
        """What a Python would see: all but the state directory."""
        return {path: it for path, it in houses.snapshot(self.root).items() if STATE not in path}

    def journal(self) -> bool:
        return any(self.root.rglob(f"{STATE}/journal"))


@pytest.fixture(scope="module")
def sites(houses_of_two: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Sites:
    """Sites to break."""
    return Sites(*houses_of_two, tmp_path_factory.mktemp("sites"))


def test_there_is_something_to_kill(sites: Sites) -> None:
    assert sites.calls > POINTS
    assert sites.before != sites.after
    names = {Path(path).name for path in sites.after.keys() - sites.before.keys()}
    assert {"fresh", "new", "new.txt", "app2", "app-2.0.dist-info"} <= names
    gone = {Path(path).name for path in sites.before.keys() - sites.after.keys()}
    assert {"gone", "deep", "file.txt", "old.txt", "app", "app-1.0.dist-info"} <= gone | {"app"}


def test_after_a_kill_the_site_is_as_before_or_complete(sites: Sites) -> None:
    points = random.Random(20261126).sample(range(1, sites.calls + 1), POINTS)
    seen = set()
    for at in points:
        sites.begin()
        sites.kill(at)
        if not sites.journal():
            assert sites.now() in (sites.before, sites.after), at
        assert sites.run(UNHURT, "--recover").code == 0
        found = houses.snapshot(sites.root)
        assert found in (sites.before, sites.after), at
        seen.add(found == sites.after)
        assert sites.run().code == 0
        assert houses.snapshot(sites.root) == sites.after, at
    assert seen == {True, False}


def test_a_run_killed_while_it_mends_is_mended_by_the_next(sites: Sites) -> None:
    chance = random.Random(427)
    for at in chance.sample(range(sites.calls // 2, sites.calls + 1), 10):
        sites.begin()
        sites.kill(at)
        sites.kill(chance.randrange(1, 40), "--recover")
        sites.kill(chance.randrange(1, 40))
        assert sites.run(UNHURT, "--recover").code == 0
        assert houses.snapshot(sites.root) in (sites.before, sites.after), at
        assert sites.run().code == 0
        assert houses.snapshot(sites.root) == sites.after, at


def test_places_on_other_file_systems_are_no_exception(sites: Sites) -> None:
    """Nothing can be renamed out of the state directory, or linked into it."""
    for at in [0, *random.Random(18).sample(range(sites.calls // 2, sites.calls + 20), 15)]:
        sites.begin()
        sites.kill(at, elsewhere=ELSEWHERE)
        assert sites.run(UNHURT + ELSEWHERE, "--recover").code == 0
        found = houses.snapshot(sites.root)
        assert found in ((sites.after,) if at == 0 else (sites.before, sites.after)), at
    for at in random.Random(28).sample(range(sites.calls // 2, sites.calls), 10):
        sites.begin()
        code = sites.run(BETWEEN.format(names=GROWTH, limit=at, end=FULL) + ELSEWHERE).code
        assert code in (0, 7)
        assert houses.snapshot(sites.root) == (sites.before if code else sites.after), at


def test_a_disk_that_fills_up_leaves_the_site_as_it_was(sites: Sites) -> None:
    for at in random.Random(28).sample(range(20, sites.calls - 20), 20):
        sites.begin()
        done = sites.run(BETWEEN.format(names=GROWTH, limit=at, end=FULL))
        assert done.error.count("\n") <= 1, done.error
        if done.code:
            assert (done.code, "o space left on device" in done.error) == (7, True), done.error
            assert houses.snapshot(sites.root) == sites.before, at
        else:
            assert houses.snapshot(sites.root) == sites.after, at


def test_two_runs_at_once_follow_each_other(sites: Sites) -> None:
    sites.begin()
    # The second begins while the first holds the lock, and says so; the first then goes on.
    prelude = f"""
import os, subprocess, sys
rename = os.rename
def first(*names):
    os.rename = rename
    argv = [sys.executable, "-S", "-I", {str(sites.new / "install.py")!r}, *sys.argv[1:]]
    globals()["other"] = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    print("SAID", other.stdout.readline(), end="")
    return rename(*names)
os.rename = first
import atexit
atexit.register(lambda: print("THEN", other.communicate()[0]))
"""
    done = sites.run(prelude)
    assert done.code == 0
    assert "SAID waiting for another run in " in done.said
    assert "app 2.0 is there already" in done.said.partition("THEN")[2]
    assert houses.snapshot(sites.root) == sites.after


def test_the_way_back_is_on_the_disk_before_it_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a power cut another run must know that it was taken back, or it would go forward."""
    known: list[bool] = []
    kept: list[bool] = []
    move, remove, sync = journal.relocate, journal.remove_tree, digests.sync_directory

    def relocate(source: str, destination: str) -> None:
        if destination.endswith("second"):
            raise OSError(5, "Input/output error", destination)
        move(source, destination)

    def sync_directory(path: str) -> None:
        sync(path)
        if path.endswith(STATE) and Path(path, "undo").exists():
            known.append(True)

    def remove_tree(path: str) -> None:
        if path == str(tmp_path / "first"):
            kept.append(bool(known))
        remove(path)

    for name, other in (("relocate", relocate), ("remove_tree", remove_tree)):
        monkeypatch.setattr(journal, name, other)
    monkeypatch.setattr(journal, "sync_directory", sync_directory)
    with Journal(str(tmp_path), print) as opened:
        steps = [("put", str(tmp_path / name)) for name in ("first", "second")]
        for _, path in steps:
            journal.make_directories(str(Path(opened.staged(path)).parent))
            Path(opened.staged(path)).write_text("new")
        with pytest.raises(Failure, match="input/output"):
            opened.carry_out(steps)
    assert kept == [True]
    assert list(tmp_path.iterdir()) == []
