"""The image for cibuildwheel and its place on the ladder; Docker itself is in tests.e2e."""

from __future__ import annotations

import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossbuild import build, catalog
from crossbuild.building import dressing
from crossbuild.building.calling import HookError
from crossbuild.catalog import Role
from crossbuild.engine.base import Limits, Root
from crossbuild.engine.containers import container
from crossbuild.errors import BuildError
from crossbuild.ladder import Climb, Rung
from crossbuild.model import RawWheel
from crossbuild.store import Store
from tests.fakeengine import FakeEngine, Outcome
from tests.test_backend import Recorder, toolchain, workshop
from tests.test_build import Bench, made, step
from tests.wheels import wheel

IMAGE = catalog.image("bookworm-aarch64")
INTERPRETER = IMAGE.interpreters[0]
PURE = HookError("demo could not be built: pure", why="it has no code of its own")
BROKEN = HookError("demo could not be built: no", why="no", final=True)


class Guest:
    """cibuildwheel, with one outcome: a wheel or an error."""

    inputs = ("cibuildwheel 9", "image")

    def __init__(self, outcome: Path | HookError) -> None:
        self.outcome = outcome
        self.asked: list[tuple[Any, dict[str, str], list[str]]] = []

    def build(self, job: Any, variables: dict[str, str], trees: Any, output: Path) -> Path:
        self.asked.append((job, variables, sorted(trees)))
        if isinstance(self.outcome, HookError):
            raise self.outcome
        output.mkdir(parents=True)
        return self.outcome.rename(output / self.outcome.name)


def built(bench: Bench, guest: Guest, *outcomes: Outcome, native: bool = False) -> RawWheel:
    bench.engine.outcomes = list(outcomes)
    cibuildwheel: Any = guest
    shop = workshop(
        bench.store,
        bench.engine,
        tools=toolchain(bench.directory) if native else None,
        reporter=bench.reporter,
        cibuildwheel=cibuildwheel,
    )
    return build.build(
        step(bench.archive), bench.archive, [],
        workshop=shop, output=bench.directory / "out", log=bench.log, climb=Climb(),
    )  # fmt: skip


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


@pytest.mark.parametrize("native", [False, True])
def test_it_builds_in_place_of_the_ladder(bench: Bench, tmp_path: Path, native: bool) -> None:
    guest = Guest(wheel(tmp_path, "demo", "1.0", tag="cp311-cp311-manylinux2014_aarch64"))
    raw = built(bench, guest, native=native)
    assert raw.rung is (Rung.CIBUILDWHEEL_NATIVE if native else Rung.CIBUILDWHEEL)
    assert bench.engine.asked == []
    ((job, variables, trees),) = guest.asked
    tools = toolchain(tmp_path)
    assert job.label == "demo 1.0"
    assert trees == (sorted(tools.trees) if native else [])
    assert ("PATH" in variables) is native
    assert variables.get("PATH", tools.path_prefix).startswith(tools.path_prefix)
    assert variables["MAKEFLAGS"] == "-j3"


def test_what_it_does_not_build_is_built_without_it(bench: Bench, tmp_path: Path) -> None:
    raw = built(bench, Guest(PURE), made(tmp_path / "w", tag="py3-none-any", code=False))
    assert raw.rung is Rung.EMULATED
    assert bench.said == ["demo 1.0: building without cibuildwheel: it has no code of its own"]


def test_its_failure_is_the_end(bench: Bench) -> None:
    with pytest.raises(BuildError, match="demo could not be built: no"):
        built(bench, Guest(BROKEN))
    assert bench.engine.asked == []


def test_both_failures_are_told(bench: Bench) -> None:
    broken = Outcome(output="a.c:1:1: error: other\n", returncode=1)
    with pytest.raises(BuildError) as raised:
        built(bench, Guest(PURE), broken)
    assert "a.c:1:1: error: other (with cibuildwheel: it has no code" in str(raised.value)


def test_who_builds_is_part_of_what_a_wheel_is_made_of(tmp_path: Path) -> None:
    store, engine = Store(tmp_path / "cache"), FakeEngine(tmp_path)
    guest: Any = Guest(PURE)
    without, with_it = (
        workshop(store, engine, reporter=Recorder(), cibuildwheel=item) for item in (None, guest)
    )
    assert with_it.inputs == (*without.inputs, *Guest.inputs)


def test_a_root_that_has_the_tools(tmp_path: Path) -> None:
    root = Root(image=IMAGE, role=Role.BUILD, key="k", path=tmp_path)
    assert not dressing.equipped(root, INTERPRETER)
    for name in (f"{INTERPRETER.directory}/pip".lstrip("/"), "usr/local/bin/auditwheel"):
        assert not dressing.equipped(root, INTERPRETER)
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    assert dressing.equipped(root, INTERPRETER)


@pytest.mark.parametrize(("tag", "linked"), [("cp311-cp311", True), ("cp39-cp39", False)])
def test_cibuildwheel_finds_the_python_it_calls_for_itself(tag: str, linked: bool) -> None:
    stream = dressing._surroundings(replace(INTERPRETER, tag=tag))
    with tarfile.open(fileobj=stream) as tar:
        found = {entry.name: entry.linkname for entry in tar.getmembers()}
    assert found == {"root": "", **({"opt/python/cp39-cp39": tag} if linked else {})}


def test_its_containers_are_as_confined_as_ours() -> None:
    limits = Limits(memory=1 << 30, processes=7, disk=1 << 20)
    ours = container.confinement(limits)
    words = list(dressing._confinement(limits))
    assert len(words) == sum(len(v) if isinstance(v, list) else 1 for v in ours.values())
    assert {"--network=none", "--cap-drop=ALL", "--security-opt=no-new-privileges"} <= set(words)
    assert {f"--memory={1 << 30}", f"--pids-limit={ours['pids_limit']}"} <= set(words)
    assert f"--ulimit=fsize={1 << 20}:{1 << 20}" in words
