"""The workshop against an engine that runs nothing: what goes in, what comes out, what is kept."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from crossbuild import catalog
from crossbuild.building import asking, sources
from crossbuild.building.backend import Workshop
from crossbuild.building.calling import CrashError, HookError, Job
from crossbuild.building.cibuildwheel import Cibuildwheel
from crossbuild.building.environment import PREFIX
from crossbuild.building.mending import Mender
from crossbuild.catalog import Role
from crossbuild.engine.base import Limits, Stop, Tree
from crossbuild.errors import BuildError, HostError, LimitError
from crossbuild.ladder import Rung
from crossbuild.model import Inspection
from crossbuild.report import Event, Waiting
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain.zig import Toolchain
from tests.fakeengine import FakeEngine, Outcome
from tests.wheels import metadata, sdist, wheel

IMAGE = catalog.image("bookworm-aarch64")
TARGET = Target.parse("manylinux2014_aarch64", "3.11")
SETUP = "from setuptools import setup; setup()"
METADATA = metadata("demo", "1.0", requires=["numpy>=1.20"], requires_python=">=3.8")


class Recorder:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def emit(self, event: Event) -> None:
        self.events.append(event)


def toolchain(directory: Path, key: str = "tools-1") -> Toolchain:
    return Toolchain(
        key=key,
        trees=MappingProxyType({"/opt/crossbuild/toolchain": Tree(key=key, path=directory)}),
        path_prefix="/opt/crossbuild/toolchain/bin",
        environment=MappingProxyType({"CC": "cc"}),
        foreign=MappingProxyType({"LIBRARY_PATH": "/opt/crossbuild/toolchain/floor/lib"}),
    )


def workshop(
    store: Store,
    engine: FakeEngine,
    *,
    tools: Toolchain | None = None,
    target: Target = TARGET,
    reporter: Recorder | None = None,
    limits: Limits | None = None,
    cibuildwheel: Cibuildwheel | None = None,
    mender: Mender | None = None,
) -> Workshop:
    return Workshop(
        engine=engine,
        root=engine.prepare(IMAGE, Role.BUILD),
        toolchain=tools,
        store=store,
        uv=Uv.find(),
        target=target,
        reporter=reporter,
        jobs=3,
        limits=limits or Limits(),
        cibuildwheel=cibuildwheel,
        mender=mender,
    )


@pytest.fixture
def environment(store: Store, tmp_path: Path) -> Tree:
    """An environment that has ``setuptools``, in name."""
    installed = wheel(tmp_path, "setuptools", "70.0")
    return workshop(store, FakeEngine(tmp_path / "engine")).environment([installed])


def told(directory: Path, **about: str) -> tuple[Path, Inspection]:
    archive = sdist(directory, "demo", "1.0", setup_py=SETUP, **about)  # type: ignore[arg-type]
    return archive, sources.inspect(archive)


def job(directory: Path, environment: Tree, **changes: object) -> Job:
    archive, inspection = told(directory)
    source = directory / "source"
    source.mkdir()
    top = sources.unpack(archive, source)
    plain = Job(
        label="demo 1.0",
        source=top,
        system=inspection.system,
        environment=environment,
        python=(3, 11),
        epoch=1600000000,
        log=directory / "demo.log",
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def test_inspection_adds_what_only_the_backend_knows(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    answer = {"requires": ["wheel", "setuptools>=40.8.0"], "metadata": METADATA}
    engine = FakeEngine(tmp_path / "fake", Outcome(answer=answer))
    found = asking.inspect(workshop(store, engine), *told(tmp_path), environment)
    assert found.system.requires == ("setuptools>=40.8.0", "wheel")
    assert found.metadata is not None
    assert found.metadata.requires_dist == ("numpy>=1.20",)
    assert found.metadata.requires_python == ">=3.8"
    asked = engine.asked[0].request
    assert asked["hooks"] == ["requires", "metadata"]
    assert asked["backend"] == "setuptools.build_meta:__legacy__"
    assert asked["known"] == ["setuptools"]


def test_inspection_asks_only_for_what_is_not_known(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    engine = FakeEngine(tmp_path / "fake", Outcome(answer={"requires": []}))
    archive, inspection = told(tmp_path, pkg_info=METADATA)
    found = asking.inspect(workshop(store, engine), archive, inspection, environment)
    assert engine.asked[0].request["hooks"] == ["requires"]
    assert found == inspection


def test_metadata_stays_open_while_a_requirement_is_missing(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    engine = FakeEngine(
        tmp_path / "fake",
        Outcome(answer={"requires": ["cython; python_version < '3'"]}),
        Outcome(answer={"requires": ["cython; python_version < '3'"], "metadata": METADATA}),
    )
    shop = workshop(store, engine)
    archive, inspection = told(tmp_path)
    first = asking.inspect(shop, archive, inspection, environment)
    assert first.metadata is None
    second = asking.inspect(shop, archive, first, environment)
    assert second.metadata is not None
    assert second.system == first.system
    assert engine.asked[1].request["known"] == ["cython", "setuptools"]


def test_an_answer_is_kept_for_the_same_question_only(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    answer = {"requires": [], "metadata": METADATA}
    engine = FakeEngine(tmp_path / "fake", *[Outcome(answer=answer)] * 4)
    shop = workshop(store, engine)
    archive, inspection = told(tmp_path)
    assert asking.inspect(shop, archive, inspection, environment) == asking.inspect(
        shop, archive, inspection, environment
    )
    assert len(engine.asked) == 1
    bare = shop.environment([])
    asking.inspect(shop, archive, inspection, bare)
    assert len(engine.asked) == 2
    newer = Target.parse("manylinux_2_28_aarch64", "3.11")
    asking.inspect(workshop(store, engine, target=newer), archive, inspection, environment)
    assert len(engine.asked) == 3
    archive.write_bytes(archive.read_bytes() + b"\0")
    asking.inspect(shop, archive, inspection, environment)
    assert len(engine.asked) == 4


def test_a_long_wait_is_told(store: Store, tmp_path: Path, environment: Tree) -> None:
    reporter = Recorder()
    engine = FakeEngine(tmp_path / "fake", Outcome(answer={"requires": [], "metadata": METADATA}))
    asking.inspect(workshop(store, engine, reporter=reporter), *told(tmp_path), environment)
    waits = [event for event in reporter.events if isinstance(event, Waiting)]
    assert [wait.done for wait in waits] == [False, True]
    assert "demo 1.0" in waits[0].what


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ({"requires": ["not a requirement"], "metadata": METADATA}, "'not a requirement'"),
        ({"requires": [], "metadata": "Requires-Dist: ???\n"}, "cannot be understood"),
    ],
)
def test_answers_that_make_no_sense(
    store: Store, tmp_path: Path, environment: Tree, answer: object, said: str
) -> None:
    engine = FakeEngine(tmp_path / "fake", Outcome(answer=answer))
    with pytest.raises(BuildError, match=said):
        asking.inspect(workshop(store, engine), *told(tmp_path), environment)


def test_a_build_sees_nothing_of_the_host(
    store: Store, tmp_path: Path, environment: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "hunter2")
    engine = FakeEngine(
        tmp_path / "fake", Outcome(answer={"wheel": "w.whl"}, files={"out/w.whl": b"wheel"})
    )
    shop = workshop(store, engine, tools=toolchain(tmp_path))
    made = shop.build(job(tmp_path, environment), Rung.NATIVE, tmp_path / "out")
    assert made.read_bytes() == b"wheel"
    asked = engine.asked[0]
    assert dict(asked.env) == {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "SOURCE_DATE_EPOCH": "1600000000",
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        "MAKEFLAGS": "-j3",
        "CMAKE_BUILD_PARALLEL_LEVEL": "3",
        "CMAKE_POLICY_VERSION_MINIMUM": "3.5",
        "NPY_NUM_BUILD_JOBS": "3",
        "CC": "cc",
        "PATH": f"/opt/crossbuild/toolchain/bin:{PREFIX}/bin:/opt/python/cp311-cp311/bin"
        ":/usr/local/bin:/usr/bin:/bin",
    }
    assert asked.argv[0] == f"{PREFIX}/bin/python"
    assert asked.cwd == "/work/build/demo-1.0"
    assert asked.request["hooks"] == ["wheel"]
    assert asked.sources == ("demo-1.0/setup.py", "hooks.py")
    assert set(asked.trees) == {PREFIX, "/opt/crossbuild/toolchain"}


@pytest.mark.parametrize(("floor", "lent"), [("2_17", True), ("2_36", False)])
def test_the_images_own_compilers_get_the_targets_c_library_where_theirs_is_newer(
    store: Store, tmp_path: Path, environment: Tree, floor: str, lent: bool
) -> None:
    engine = FakeEngine(
        tmp_path / "fake", Outcome(answer={"wheel": "w.whl"}, files={"out/w.whl": b""})
    )
    target = Target.parse(f"manylinux_{floor}_aarch64", "3.11")
    shop = workshop(store, engine, tools=toolchain(tmp_path), target=target)
    shop.build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")
    assert ("/opt/crossbuild/toolchain" in engine.asked[0].trees) == lent
    assert ("LIBRARY_PATH" in engine.asked[0].env) == lent
    assert engine.asked[0].env["PATH"].startswith(f"{PREFIX}/bin:")
    assert "CC" not in engine.asked[0].env
    assert engine.asked[0].env["CFLAGS"] == "-g0"


@pytest.mark.parametrize("name", ["../w.whl", "/etc/w.whl", "w.zip", ""])
def test_a_wheel_has_a_plain_name(
    store: Store, tmp_path: Path, environment: Tree, name: str
) -> None:
    engine = FakeEngine(tmp_path / "fake", Outcome(answer={"wheel": name}))
    with pytest.raises(HookError, match="names no wheel"):
        workshop(store, engine).build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")


HOOK = {"error": {"kind": "hook", "type": "SystemExit", "message": "error: command 'cc' failed"}}
GONE = {"error": {"kind": "backend", "type": "BackendError", "message": "No module named 'x'"}}
NO = {"error": {"kind": "unsupported", "type": "UnsupportedOperation", "message": "not here"}}
MISSING = {"error": {"kind": "hook", "type": "ModuleNotFoundError", "message": "No module 'x'"}}
UNREAD = {"error": {"kind": "hook", "type": "ConfigurationTypeError", "message": "no list"}}
OFFLINE = {
    "error": {
        "kind": "hook",
        "type": "URLError",
        "message": "<urlopen error [Errno 101] Network is unreachable>",
    }
}

FAILURES = {
    "compiler": (
        Outcome(answer=HOOK, output="a.c:1:1: error: no\n", returncode=1),
        HookError,
        "demo 1.0 could not be built: a.c:1:1: error: no",
        False,
    ),
    "backend": (Outcome(answer=GONE, returncode=1), HookError, "No module named 'x'", True),
    "unsupported": (Outcome(answer=NO, returncode=1), HookError, "not here", True),
    "module": (Outcome(answer=MISSING, returncode=1), HookError, "No module 'x'", True),
    "pyproject": (Outcome(answer=UNREAD, returncode=1), HookError, "TypeError: no list", True),
    "network": (
        Outcome(answer=OFFLINE, returncode=1),
        HookError,
        "URLError: <urlopen error [Errno 101] Network is unreachable>",
        True,
    ),
    "silent end": (Outcome(output="x\n", returncode=3), HookError, "could not be built: x", False),
    "no JSON": (Outcome(answer=b"{"), HookError, "it printed nothing", False),
    "no object": (Outcome(answer=b"[]"), HookError, "it printed nothing", False),
    "crash": (
        Outcome(signal=11, returncode=139, output="qemu: uncaught target signal 11\n"),
        CrashError,
        "crashed under QEMU with signal 11",
        True,
    ),
    "crash of a tool": (
        Outcome(answer=HOOK, signal=6, returncode=1, output="a.c:1:1: error: no\n"),
        CrashError,
        "signal 6: a.c:1:1: error: no",
        False,
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_failures_say_why_and_where(
    store: Store, tmp_path: Path, environment: Tree, case: str
) -> None:
    outcome, kind, said, final = FAILURES[case]
    engine = FakeEngine(tmp_path / "fake", outcome)
    with pytest.raises(HookError) as raised:
        workshop(store, engine).build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")
    error = raised.value
    assert type(error) is kind
    assert said in str(error)
    assert error.final is final
    assert error.log == tmp_path / "demo.log"
    assert str(error.log) in error.remedy
    assert error.tail == tuple(outcome.output.split("\n")[:-1])


@pytest.mark.parametrize(
    ("answer", "said"),
    [(OFFLINE, "Builds have no network"), (MISSING, "does not say that its build needs")],
)
def test_what_to_do_is_told_where_it_is_known(
    store: Store, tmp_path: Path, environment: Tree, answer: object, said: str
) -> None:
    engine = FakeEngine(tmp_path / "fake", Outcome(answer=answer, returncode=1))
    with pytest.raises(HookError) as raised:
        workshop(store, engine).build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")
    assert raised.value.remedy.startswith((said, f"Its sdist {said}"))


@pytest.mark.parametrize("stop", Stop)
def test_a_limit_is_named(store: Store, tmp_path: Path, environment: Tree, stop: Stop) -> None:
    engine = FakeEngine(tmp_path / "fake", Outcome(stopped=stop, returncode=-9, signal=9))
    with pytest.raises(LimitError) as raised:
        workshop(store, engine).build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")
    assert str(raised.value) == (
        f"demo 1.0 was ended after 1 s for passing the limit of {stop.value}"
    )
    assert "demo.log" in raised.value.remedy


def test_an_answer_without_end_is_not_read(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    endless = b'{"wheel": "' + b"x" * (17 << 20) + b'"}'
    engine = FakeEngine(tmp_path / "fake", Outcome(answer=endless))
    with pytest.raises(HookError, match="it printed nothing"):
        workshop(store, engine).build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")


def test_limits_reach_the_session(store: Store, tmp_path: Path, environment: Tree) -> None:
    limits = Limits(wall=1.0, idle=2.0)
    engine = FakeEngine(
        tmp_path / "fake", Outcome(answer={"wheel": "w.whl"}, files={"out/w.whl": b""})
    )
    shop = workshop(store, engine, limits=limits)
    shop.build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")
    assert engine.asked[0].limits == limits


def test_a_failure_is_kept_where_asked_and_replaces_an_older_one(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    kept = tmp_path / "kept"
    (kept / "emulated" / "old").mkdir(parents=True)
    engine = FakeEngine(tmp_path / "fake", Outcome(answer=HOOK, files={"trace": b"x"}))
    with pytest.raises(HookError):
        workshop(store, engine).build(
            job(tmp_path, environment, keep=kept), Rung.EMULATED, tmp_path / "out"
        )
    assert (kept / "emulated/build/trace").read_bytes() == b"x"
    assert not (kept / "emulated/old").exists()


def test_a_python_that_the_image_has_not(store: Store, tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"has no CPython 3\.8"):
        workshop(
            store,
            FakeEngine(tmp_path),
            target=Target.parse("manylinux2014_aarch64", "3.8"),
        )


def test_nothing_of_a_build_is_left_on_the_host(
    store: Store, tmp_path: Path, environment: Tree
) -> None:
    engine = FakeEngine(tmp_path / "fake", Outcome(answer=HOOK))
    before = sorted((store.root / "scratch").iterdir())
    with pytest.raises(HookError):
        workshop(store, engine).build(job(tmp_path, environment), Rung.EMULATED, tmp_path / "out")
    assert sorted((store.root / "scratch").iterdir()) == before
