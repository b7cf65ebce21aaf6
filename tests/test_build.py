"""The ladder of compilers, against an engine that runs nothing; then for real, twice."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbuild import build, repair, verify
from crossbuild.building import sources
from crossbuild.building.backend import Workshop
from crossbuild.engine.base import Limits, Root, Stop
from crossbuild.engine.rootfs import RootfsEngine
from crossbuild.errors import BuildError, IntegrityError, LimitError
from crossbuild.ladder import Climb, Rung
from crossbuild.model import BuildStep, BuildSystem, File, Kind, Pin, RawWheel, RepairedWheel
from crossbuild.report import Message
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain import zig
from tests.elves import shared_object
from tests.fakeengine import FakeEngine, Outcome
from tests.test_backend import GONE, HOOK, TARGET, Recorder, toolchain, workshop
from tests.wheels import sdist, wheel

PLATFORM = "cp311-cp311-linux_aarch64"
CODE = "demo.cpython-311-aarch64-linux-gnu.so"


def step(archive: Path, *, name: str = "demo", sha256: str | None = "0" * 64) -> BuildStep:
    file = File(filename=archive.name, url=archive.as_uri(), kind=Kind.SDIST, sha256=sha256)
    return BuildStep(
        pin=Pin(name=canonicalize_name(name), version=Version("1.0"), files=(file,)),
        source=file,
        verdicts=(),
        system=sources.inspect(archive).system,
        environment=(),
    )


def made(
    directory: Path, *, tag: str = PLATFORM, version: str = "1.0", code: bool = True
) -> Outcome:
    """The hooks make this wheel."""
    directory.mkdir(exist_ok=True)
    files: dict[str, str | bytes] = {"demo.py": ""}
    if code:
        files[CODE] = shared_object()
    path = wheel(directory, "demo", version, tag=tag, files=files)
    return Outcome(
        answer={"wheel": path.name}, files={f"out/{path.name}": path.read_bytes()}, output="ok\n"
    )


FAILED = Outcome(answer=HOOK, output="a.c:1:1: error: no such thing\n", returncode=1)
CRASHED = Outcome(signal=11, returncode=139, output="qemu: uncaught target signal 11\n")


class Bench:
    """A store, an sdist and everything that a build is called with."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(directory / "cache")
        self.archive = sdist(directory, "demo", "1.0", setup_py="")
        self.log = directory / "demo.log"
        self.reporter = Recorder()
        self.engine = FakeEngine(directory / "fake")
        self.climb = Climb()

    def build(self, *outcomes: Outcome, keep: bool = False, native: bool = True) -> RawWheel:
        self.engine.outcomes = list(outcomes)
        tools = toolchain(self.directory) if native else None
        shop = workshop(self.store, self.engine, tools=tools, reporter=self.reporter)
        return build.build(
            step(self.archive),
            self.archive,
            [],
            workshop=shop,
            output=self.directory / "out",
            log=self.log,
            climb=self.climb,
            keep=self.directory / "kept" if keep else None,
        )

    @property
    def rungs(self) -> list[Rung]:
        """The compilers of each attempt."""
        return [Rung.NATIVE if "CC" in asked.env else Rung.EMULATED for asked in self.engine.asked]

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.reporter.events if isinstance(event, Message)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_native_compilers_come_first(bench: Bench, tmp_path: Path) -> None:
    raw = bench.build(made(tmp_path / "w"))
    assert (raw.rung, bench.rungs) == (Rung.NATIVE, [Rung.NATIVE])
    assert raw.path == tmp_path / "out" / f"demo-1.0-{PLATFORM}.whl"
    assert set(raw.phases) == {"environment", "unpack", "native compiler"}
    assert raw.log.read_text() == "crossbuild: demo 1.0 with the native compiler\nok\n"
    assert bench.said == []
    assert [path.name for path in (tmp_path / "out").iterdir()] == [raw.path.name]


def test_the_wheel_is_in_its_one_form(bench: Bench, tmp_path: Path) -> None:
    raw = bench.build(made(tmp_path / "w"))
    with zipfile.ZipFile(raw.path) as archive:
        assert archive.namelist()[-1] == "demo-1.0.dist-info/RECORD"
        # The time of the sdist's newest file, as tests.wheels gives it.
        assert {item.date_time for item in archive.infolist()} == {(2020, 1, 1, 0, 0, 0)}
    assert bench.engine.asked[0].env["SOURCE_DATE_EPOCH"] == "1577836800"


def test_the_images_own_compilers_come_second(bench: Bench, tmp_path: Path) -> None:
    raw = bench.build(FAILED, made(tmp_path / "w"))
    assert (raw.rung, bench.rungs) == (Rung.EMULATED, [Rung.NATIVE, Rung.EMULATED])
    assert len(bench.said) == 1
    assert bench.said[0].startswith("demo 1.0: trying the image's own compilers")
    assert bench.said[0].endswith("a.c:1:1: error: no such thing")
    assert "native compiler\n" in raw.log.read_text()
    assert "emulated compiler\n" in raw.log.read_text()
    ends = [(attempt.rung, attempt.error) for attempt in bench.climb.attempts]
    assert ends == [(Rung.NATIVE, "a.c:1:1: error: no such thing"), (Rung.EMULATED, None)]


def test_without_a_toolchain_there_is_one_rung(bench: Bench, tmp_path: Path) -> None:
    assert bench.build(made(tmp_path / "w"), native=False).rung is Rung.EMULATED


def test_both_failures_are_told(bench: Bench) -> None:
    other = Outcome(answer=HOOK, output="b.c:2:2: error: other\n", returncode=1)
    with pytest.raises(BuildError) as raised:
        bench.build(FAILED, other)
    assert str(raised.value) == (
        "demo 1.0 could not be built: b.c:2:2: error: other "
        "(with the native compilers: a.c:1:1: error: no such thing)"
    )
    assert raised.value.remedy == f"Its whole output is in {bench.log}."
    assert raised.value.tail == ("b.c:2:2: error: other",)


def test_the_same_failure_is_told_once(bench: Bench) -> None:
    worded = Outcome(answer=HOOK, output="a.c:1:1: error: nothing like it\n", returncode=1)
    with pytest.raises(BuildError) as raised:
        bench.build(FAILED, worded)
    assert str(raised.value) == "demo 1.0 could not be built: a.c:1:1: error: nothing like it"


def test_what_no_compiler_would_change_is_not_tried_again(bench: Bench) -> None:
    with pytest.raises(BuildError, match="No module named"):
        bench.build(Outcome(answer=GONE, returncode=1))
    assert bench.rungs == [Rung.NATIVE]


@pytest.mark.parametrize("stop", Stop)
def test_a_limit_ends_it(bench: Bench, stop: Stop) -> None:
    with pytest.raises(LimitError, match=stop.value):
        bench.build(Outcome(stopped=stop, returncode=-9, signal=9))
    assert bench.rungs == [Rung.NATIVE]


def test_a_crash_is_tried_again_once(bench: Bench, tmp_path: Path) -> None:
    raw = bench.build(CRASHED, made(tmp_path / "w"))
    assert (raw.rung, bench.rungs) == (Rung.NATIVE, [Rung.NATIVE, Rung.NATIVE])
    assert ["building again, for QEMU crashed" in text for text in bench.said] == [True]
    assert [attempt.error is None for attempt in bench.climb.attempts] == [False, True]


def test_a_second_crash_is_the_end(bench: Bench) -> None:
    with pytest.raises(BuildError, match="crashed under QEMU with signal 11"):
        bench.build(CRASHED, CRASHED)
    assert bench.rungs == [Rung.NATIVE, Rung.NATIVE]


def test_a_wheel_that_lost_its_code_is_built_again(bench: Bench, tmp_path: Path) -> None:
    """An optional extension that does not compile is left out without an error."""
    raw = bench.build(made(tmp_path / "w", code=False), made(tmp_path / "w"))
    assert (raw.rung, bench.rungs) == (Rung.EMULATED, [Rung.NATIVE, Rung.EMULATED])
    assert "holds no code" in bench.said[0]
    assert "holds no code" in str(bench.climb.attempts[0].error)


@pytest.mark.parametrize("second", [FAILED, None])
def test_a_wheel_without_code_is_better_than_none(
    bench: Bench, tmp_path: Path, second: Outcome | None
) -> None:
    bare = made(tmp_path / "w", code=False)
    raw = bench.build(bare, second or bare)
    assert raw.path.name == f"demo-1.0-{PLATFORM}.whl"
    assert raw.rung is (Rung.NATIVE if second else Rung.EMULATED)


def test_a_pure_wheel_needs_no_code(bench: Bench, tmp_path: Path) -> None:
    raw = bench.build(made(tmp_path / "w", tag="py3-none-any", code=False))
    assert (raw.path.name, bench.rungs) == ("demo-1.0-py3-none-any.whl", [Rung.NATIVE])


def test_an_sdist_that_is_another_package(bench: Bench, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"building demo 1\.0 made demo 2\.0"):
        bench.build(made(tmp_path / "w", version="2.0"))


def test_a_wheel_that_is_none(bench: Bench) -> None:
    name = f"demo-1.0-{PLATFORM}.whl"
    with pytest.raises(IntegrityError, match="damaged"):
        bench.build(Outcome(answer={"wheel": name}, files={f"out/{name}": b"not a zip"}))


def test_what_failed_is_kept_only_when_asked(bench: Bench) -> None:
    with pytest.raises(BuildError):
        bench.build(FAILED, FAILED)
    assert not (bench.directory / "kept").exists()
    with pytest.raises(BuildError) as raised:
        bench.build(FAILED, FAILED, keep=True)
    kept = bench.directory / "kept" / "demo-1.0-cp311"
    assert sorted(path.name for path in kept.iterdir()) == ["emulated", "native"]
    assert (kept / "native/build/demo-1.0/setup.py").is_file()
    assert str(kept) in raised.value.remedy


def test_a_failed_rung_leaves_nothing_when_the_next_one_makes_it(
    bench: Bench, tmp_path: Path
) -> None:
    bench.build(FAILED, made(tmp_path / "w"), keep=True)
    assert not (bench.directory / "kept" / "demo-1.0-cp311").exists()


def test_the_log_is_written_anew(bench: Bench, tmp_path: Path) -> None:
    bench.log.write_text("an older build\n")
    bench.build(made(tmp_path / "w"))
    assert "older" not in bench.log.read_text()


class Keys:
    """Everything a key is made of, one thing changed at a time."""

    def __init__(self, directory: Path) -> None:
        bench = Bench(directory)
        self.engine = bench.engine
        self.store = bench.store
        self.step = step(bench.archive)
        self.wheels = [wheel(directory, "numpy", "1.0")]
        self.tools = toolchain(directory)
        self.target = TARGET
        self.directory = directory

    def key(self) -> str:
        shop = workshop(self.store, self.engine, tools=self.tools, target=self.target)
        return build.key(self.step, self.wheels, shop)

    def another_source(self) -> None:
        source = replace(self.step.source, sha256="1" * 64)
        self.step = replace(self.step, source=source)

    def another_backend(self) -> None:
        system = BuildSystem(backend="x", backend_path=(), requires=())
        self.step = replace(self.step, system=system)

    def another_toolchain(self) -> None:
        self.tools = toolchain(self.directory, "tools-2")

    def another_floor(self) -> None:
        self.target = Target.parse("manylinux_2_28_aarch64", "3.11")

    def another_requirement(self) -> None:
        self.wheels = [*self.wheels, wheel(self.directory, "cython", "3.0")]

    def another_build_of_a_requirement(self) -> None:
        self.wheels = [wheel(self.directory, "numpy", "1.0", files={"numpy.py": "other"})]

    def another_image(self) -> None:
        self.engine.prepare = lambda image, role: replace(  # type: ignore[method-assign]
            FakeEngine(self.directory).prepare(image, role), key="another"
        )


CHANGES: dict[str, Callable[[Keys], None]] = {
    name: getattr(Keys, name) for name in vars(Keys) if name.startswith("another")
}


@pytest.mark.parametrize("change", CHANGES)
def test_everything_that_decides_is_in_the_key(tmp_path: Path, change: str) -> None:
    keys = Keys(tmp_path)
    before = keys.key()
    assert keys.key() == before
    CHANGES[change](keys)
    assert keys.key() != before


def test_names_of_one_floor_share_their_wheels(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    before = keys.key()
    keys.target = Target.parse("manylinux_2_17_aarch64", "3.11")
    assert keys.key() == before


def test_a_local_source_is_known_by_its_content(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    archive = sdist(tmp_path, "demo", "1.0", setup_py="1")
    keys.step = step(archive, sha256=None)
    before = keys.key()
    sdist(tmp_path, "demo", "1.0", setup_py="2")
    assert keys.key() != before


def test_a_source_that_nobody_vouches_for(tmp_path: Path) -> None:
    keys = Keys(tmp_path)
    source = replace(keys.step.source, sha256=None, url="https://index.example/demo-1.0.tar.gz")
    keys.step = replace(keys.step, source=source)
    with pytest.raises(IntegrityError, match="nobody gives a SHA-256"):
        keys.key()


OWN_BACKEND = '[build-system]\nrequires = []\nbuild-backend = "own"\nbackend-path = ["backend"]\n'
BACKEND = """
import base64, hashlib, os, subprocess, sys, sysconfig, tempfile, time, zipfile

def build_wheel(directory, settings, metadata):
    place = tempfile.mkdtemp(dir=".")
    include = ["-I" + sysconfig.get_path(name) for name in ("include", "platinclude")]
    suffix = sysconfig.get_config_var("EXT_SUFFIX")
    module = os.path.join(place, "crossdemo" + suffix)
    subprocess.check_call(["cc", "-O2", "-fPIC", "-shared", *include,
                           "-DPLACE=" + repr(os.path.abspath(place)).replace("'", '"'),
                           "crossdemo.c", "-o", module])
    tag = "cp{0}{1}-cp{0}{1}-linux_aarch64".format(*sys.version_info)
    name = "crossdemo-1.0-" + tag + ".whl"
    info = "crossdemo-1.0.dist-info/"
    members = {
        info + "METADATA": "Metadata-Version: 2.1\\nName: crossdemo\\nVersion: 1.0\\n",
        info + "WHEEL": "Wheel-Version: 1.0\\nRoot-Is-Purelib: false\\nTag: " + tag + "\\n",
        "crossdemo_order.py": "NAMES = " + repr(list({"a", "b", "c", "d", "e"})),
        os.path.basename(module): open(module, "rb").read(),
    }
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        for path, content in members.items():
            archive.writestr(zipfile.ZipInfo(path, time.localtime()[:6]), content)
        archive.writestr(info + "RECORD", "")
    return name
"""

CODE_OF_IT = """
#include <Python.h>
static const char *text = PLACE __DATE__ __TIME__;
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "crossdemo", NULL, -1};
PyMODINIT_FUNC PyInit_crossdemo(void) { module.m_doc = text; return PyModule_Create(&module); }
"""


@pytest.mark.emulation
@pytest.mark.network
@pytest.mark.parametrize("native", [True, False])
def test_the_same_inputs_give_the_same_wheel(
    tmp_path: Path,
    shared_store: Store,
    engine: RootfsEngine,
    build_root: Root,
    native: bool,
) -> None:
    """An sdist that does all it can to differ: time, hash order, temporary names, no RECORD."""
    archive = sdist(
        tmp_path,
        "crossdemo",
        "1.0",
        pyproject=OWN_BACKEND,
        files={"backend/own.py": BACKEND, "crossdemo.c": CODE_OF_IT},
    )
    shop = Workshop(
        engine=engine,
        root=build_root,
        toolchain=zig.prepare(shared_store, TARGET, Recorder()) if native else None,
        store=shared_store,
        uv=Uv.find(),
        target=TARGET,
        limits=Limits(wall=300),
    )
    found = [_built_and_repaired(archive, shop, tmp_path / name) for name in ("one", "two")]
    assert {rung for _, rung in found} == {Rung.NATIVE if native else Rung.EMULATED}
    assert found[0][0].path.name == found[1][0].path.name
    assert found[0][0].sha256 == found[1][0].sha256


def _built_and_repaired(
    archive: Path, shop: Workshop, directory: Path
) -> tuple[RepairedWheel, Rung]:
    raw = build.build(
        step(archive, name="crossdemo"),
        archive,
        [],
        workshop=shop,
        output=directory,
        log=directory / "build.log",
        climb=Climb(),
    )
    repaired = repair.repair(raw, TARGET, shop.root, directory / "repaired")
    verify.check(repaired.path, TARGET)
    return repaired, raw.rung
