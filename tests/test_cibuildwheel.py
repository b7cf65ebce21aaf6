"""cibuildwheel as a rung: with a program in its place here, with itself in Docker elsewhere."""

from __future__ import annotations

import importlib.metadata
import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crossbuild import process, repair
from crossbuild.building import cibuildwheel
from crossbuild.building.calling import CrashError, HookError, Job
from crossbuild.building.cibuildwheel import REQUIRES, Cibuildwheel, Place
from crossbuild.building.sources import LEGACY
from crossbuild.engine.base import Limits, Tree
from crossbuild.errors import HostError, LimitError
from crossbuild.ladder import Rung
from crossbuild.model import RawWheel
from crossbuild.store import Store
from tests.elves import shared_object
from tests.test_backend import TARGET
from tests.wheels import wheel

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

STAND_IN = """
import json, os, sys
sys.path[:] = json.loads(sys.argv.pop(1))
{change}
os.chdir(sys.argv.pop(1))
output = sys.argv[sys.argv.index("--output-dir") + 1]
settings = sys.argv[sys.argv.index("--config-file") + 1]
os.mkdir(output)
said = dict(argv=sys.argv, env=dict(os.environ), path=sys.path, settings=open(settings).read())
with open(output + "/demo-1.0-cp311-cp311-linux_aarch64.whl", "w") as file:
    json.dump(said, file)
"""


class Containers:
    """No daemon: says where it is, keeps what it was asked to mount."""

    key = "image"
    variables: Mapping[str, str] = {"DOCKER_HOST": "tcp://127.0.0.1:1"}

    def __init__(self) -> None:
        self.mounted: dict[str, list[str]] = {}
        self.left = 0

    @contextmanager
    def place(self, trees: Mapping[str, Tree], limits: Limits) -> Iterator[Place]:
        self.mounted = {
            path: sorted(p.name for p in t.path.iterdir()) for path, t in trees.items()
        }
        try:
            yield Place(image="crossbuild/it:1", arguments=("--network=none", "--label=a=b c"))
        finally:
            self.left += 1


@pytest.fixture
def containers() -> Containers:
    return Containers()


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Docker's program is there, and cibuildwheel."""
    monkeypatch.setattr(process, "which", lambda name: Path("/opt/docker/bin", name))
    monkeypatch.setattr(cibuildwheel, "version", lambda: "9")
    monkeypatch.setattr(cibuildwheel, "_START", STAND_IN.format(change=""))
    return monkeypatch


def job(directory: Path, pyproject: str = "") -> Job:
    source = directory / "demo-1.0"
    source.mkdir()
    (source / "pyproject.toml").write_text(pyproject)
    (source / "json.py").write_text("raise SystemExit('a stranger on the module search path')")
    needed = directory / "needed-1-py3-none-any.whl"
    needed.write_text("wheel")
    return Job(
        label="demo 1.0",
        source=source,
        system=LEGACY,
        environment=Tree(key="env", path=directory),
        python=(3, 11),
        epoch=1577836800,
        log=directory / "demo.log",
        wheels=(needed,),
    )


def built(
    directory: Path, containers: Containers, pyproject: str = "", limits: Limits | None = None
) -> dict[str, Any]:
    """What cibuildwheel was called with."""
    builder = Cibuildwheel(
        containers=containers,
        store=Store(directory / "cache"),
        target=TARGET,
        limits=limits or Limits(),
    )
    trees = {"/opt/tools": Tree(key="tools", path=directory / "demo-1.0")}
    work = job(directory, pyproject)
    made = builder.build(work, {"A": "1 2"}, trees, directory / "out")
    assert made == directory / "out" / "demo-1.0-cp311-cp311-linux_aarch64.whl"
    found: dict[str, Any] = json.loads(made.read_text())
    found["settings"] = tomllib.loads(found["settings"])["tool"]["cibuildwheel"]
    return found


def test_it_is_called_for_one_wheel_and_sees_nothing_of_the_users(
    tmp_path: Path, containers: Containers, stand_in: pytest.MonkeyPatch
) -> None:
    stand_in.setenv("SECRET", "x")
    stand_in.setenv("CIBW_BEFORE_ALL", "x")
    said = built(tmp_path, containers)
    assert said["argv"][1:3] == ["--only", "cp311-manylinux_aarch64"]
    own = {"CIBW_CACHE_PATH", "DOCKER_HOST", "HOME", "LANG", "NO_COLOR", "PATH"}
    own |= {"SOURCE_DATE_EPOCH", "TMPDIR"}
    assert said["env"].keys() - {"LC_CTYPE"} == own
    assert said["env"]["PATH"] == "/opt/docker/bin:/usr/bin:/bin"
    assert str(tmp_path / "demo-1.0") not in said["path"]
    assert containers.mounted == {
        REQUIRES: ["needed-1-py3-none-any.whl"],
        "/opt/tools": ["json.py", "pyproject.toml"],
    }
    assert containers.left == 1


def test_its_settings_are_the_packages_and_then_ours(
    tmp_path: Path, containers: Containers, stand_in: pytest.MonkeyPatch
) -> None:
    said = built(
        tmp_path,
        containers,
        "[tool.cibuildwheel]\nbefore-all = 'make'\naudit-command = 'evil'\n"
        "container-engine = 'podman'\n",
    )
    assert said["settings"] == {
        "before-all": "make",
        "audit-command": "",
        "container-engine": {
            "name": "docker",
            "create-args": [
                *("--network=none", "--label=a=b c", "--env=PIP_NO_INDEX=1"),
                *(f"--env=PIP_FIND_LINKS={REQUIRES}", "--env=A=1 2"),
            ],
            "disable-host-mount": True,
        },
        "dependency-versions": "latest",
        "manylinux-aarch64-image": "crossbuild/it:1",
        "test-skip": "*",
    }
    log = (tmp_path / "demo.log").read_text()
    assert log.splitlines()[0].endswith("do not count here: audit-command, container-engine")


@pytest.mark.parametrize(
    ("change", "why", "remedy", "final"),
    [
        ("print('a.c:1:2: error: no'); sys.exit(1)", "a.c:1:2: error: no", "", True),
        (
            "print('ERROR: No matching distribution found for cmake'); sys.exit(1)",
            "ERROR: No matching distribution found for cmake",
            "own build requirements and nothing else",
            True,
        ),
        ("print('pure'); sys.exit(5)", "no code of its own", "", False),
    ],
    ids=["compiler", "pip", "pure"],
)
def test_a_failure_says_why(
    tmp_path: Path,
    containers: Containers,
    stand_in: pytest.MonkeyPatch,
    change: str,
    why: str,
    remedy: str,
    final: bool,
) -> None:
    stand_in.setattr(cibuildwheel, "_START", STAND_IN.format(change=change))
    with pytest.raises(HookError, match="could not be built") as raised:
        built(tmp_path, containers)
    assert why in str(raised.value)
    assert remedy in raised.value.remedy
    assert str(tmp_path / "demo.log") in raised.value.remedy
    assert raised.value.final is final
    assert containers.left == 1


def test_a_crash_of_qemu_is_one(
    tmp_path: Path, containers: Containers, stand_in: pytest.MonkeyPatch
) -> None:
    change = "print('qemu: uncaught target signal 11 (x)'); sys.exit(1)"
    stand_in.setattr(cibuildwheel, "_START", STAND_IN.format(change=change))
    with pytest.raises(CrashError, match="signal 11"):
        built(tmp_path, containers)


def test_a_limit_ends_it(
    tmp_path: Path, containers: Containers, stand_in: pytest.MonkeyPatch
) -> None:
    change = "import time; print('begun', flush=True); time.sleep(60)"
    stand_in.setattr(cibuildwheel, "_START", STAND_IN.format(change=change))
    with pytest.raises(LimitError, match="wall time") as raised:
        built(tmp_path, containers, limits=Limits(wall=0.7))
    assert raised.value.tail == ("begun",)
    assert containers.left == 1


@pytest.mark.parametrize(
    "change",
    [
        "os.mkdir(sys.argv[-1]); sys.exit(0)",
        "os.mkdir(sys.argv[-1]); os.symlink('/etc/passwd', sys.argv[-1] + '/a.whl'); sys.exit(0)",
        "sys.exit(0)",
    ],
    ids=["nothing", "link", "no directory"],
)
def test_what_came_out_is_one_plain_file(
    tmp_path: Path, containers: Containers, stand_in: pytest.MonkeyPatch, change: str
) -> None:
    stand_in.setattr(cibuildwheel, "_START", STAND_IN.format(change=change))
    with pytest.raises(HookError, match="not one"):
        built(tmp_path, containers)


def test_without_docker_or_cibuildwheel(
    tmp_path: Path, containers: Containers, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process, "which", lambda _: None)
    with pytest.raises(HostError, match="the docker command"):
        built(tmp_path, containers)

    def gone(_: str) -> str:
        raise importlib.metadata.PackageNotFoundError

    monkeypatch.setattr(importlib.metadata, "version", gone)
    with pytest.raises(HostError, match="cibuildwheel is not installed") as raised:
        cibuildwheel.version()
    assert "crossbuild[cibuildwheel]" in raised.value.remedy


@pytest.mark.parametrize(
    ("tag", "rung", "kept"),
    [
        ("manylinux2014_aarch64", Rung.CIBUILDWHEEL, True),
        ("manylinux_2_17_aarch64", Rung.CIBUILDWHEEL_NATIVE, True),
        ("manylinux_2_17_aarch64", Rung.NATIVE, False),
        ("linux_aarch64", Rung.CIBUILDWHEEL, False),
        ("manylinux_2_34_aarch64", Rung.CIBUILDWHEEL, False),
    ],
)
def test_a_wheel_that_was_repaired_and_fits_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tag: str, rung: Rung, kept: bool
) -> None:
    class GraftedError(Exception):
        pass

    def graft(*_: object) -> Path:
        raise GraftedError

    monkeypatch.setattr(repair, "_graft", graft)
    files: dict[str, str | bytes] = {"demo.cpython-311-aarch64-linux-gnu.so": shared_object()}
    path = wheel(tmp_path, "demo", "1.0", tag=f"cp311-cp311-{tag}", files=files)
    raw = RawWheel(path=path, rung=rung, phases={}, log=tmp_path / "log")
    root: Any = None
    if kept:
        made = repair.repair(raw, TARGET, root, tmp_path / "out")
        assert made.path.read_bytes() == path.read_bytes()
    else:
        with pytest.raises(GraftedError):
            repair.repair(raw, TARGET, root, tmp_path / "out")
