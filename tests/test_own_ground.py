"""A wheel that does not fit is built again on the libraries of its recipe, and found again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from crossbuild import repair
from crossbuild.building.backend import Workshop
from crossbuild.building.groundwork import MOUNT, Groundwork, Laid
from crossbuild.disk import hash_of
from crossbuild.engine.base import Limits, Tree
from crossbuild.errors import BuildError, FloorError
from crossbuild.library import FileSource, Library
from crossbuild.making import Maker
from crossbuild.model import BuildStep, Failure, Origin, Plan, RepairedWheel, VerifiedWheel
from crossbuild.net.configuration import Indexes
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.recipe import Recipe
from crossbuild.report import Message
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.workbench import Services
from tests.fakeengine import FakeEngine, Outcome
from tests.test_backend import TARGET, Recorder, workshop
from tests.test_build import made, step
from tests.test_era import Bench as ErasBench
from tests.wheels import sdist


class Workbench(ErasBench):
    """One with no other image."""

    def older(self) -> Iterator[Workshop]:
        return iter(())


LIBRARY = Library(
    name="low", why="x", source=FileSource(url="https://h.example/low.tar.gz", sha256="0"),
    build="make",
)  # fmt: skip
RECIPE = Recipe(name=canonicalize_name("demo"), why="It is a test.", sources=(LIBRARY,))


class Bench:
    """A maker whose wheels fit only on own libraries, in a tree of the store."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.directory = directory
        self.store = Store(directory / "cache")
        self.reporter = Recorder()
        self.archive = sdist(directory, "demo", "1.0", setup_py="")
        self.laid: list[tuple[Library, ...]] = []
        self.services = Services(
            store=self.store,
            http=Http(),
            index=Index(Indexes(urls=()), Http(), self.store),
            uv=Uv.find(),
            engine=FakeEngine(directory / "unused"),
            reporter=self.reporter,
            jobs=1,
        )
        monkeypatch.setattr(repair, "repair", self.repair)
        monkeypatch.setattr(Groundwork, "lay", lambda _, libraries: self.lay(libraries))

    def repair(
        self, raw: Any, target: Any, root: Any, output: Path, *, laid: Path | None, **rest: Any
    ) -> Any:
        if laid is None:
            raise FloorError("libhigh.so needs GLIBC_2.34", needs="manylinux_2_34_aarch64")
        assert laid == self.store.tree("low") / "lib"  # type: ignore[operator]
        output.mkdir()
        path = Path(shutil.copy(raw.path, output))
        return RepairedWheel(path=path, sha256=hash_of(path), grafted=("liblow.so",))

    def lay(self, libraries: tuple[Library, ...]) -> Laid:
        self.laid.append(libraries)
        path = self.store.make_tree("low", lambda tree: (tree / "lib").mkdir())
        return Laid(tree=Tree(key="low", path=path), labels=("low 1",))

    def make(
        self, *outcomes: Outcome, recipe: Recipe | None = RECIPE
    ) -> tuple[VerifiedWheel | Failure, FakeEngine]:
        engine = FakeEngine(self.directory / "fake", *outcomes)
        bench = Workbench(self.services, TARGET, Limits())
        bench.shop = workshop(self.store, engine, reporter=self.reporter)
        bench.shop._groundwork = object.__new__(Groundwork)
        known: BuildStep = replace(step(self.archive, sha256=None), recipe=recipe)
        result = Maker(TARGET, self.services, bench, keep=False).make(Plan(steps=(known,)))
        assert not engine.outcomes
        outcome: list[VerifiedWheel | Failure] = [*result.wheels.values(), *result.failures]
        return outcome[0], engine

    @property
    def wheel(self) -> Outcome:
        return made(self.directory / "made", tag="py3-none-any", code=False)


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(tmp_path, monkeypatch)


def test_what_does_not_fit_is_built_on_the_recipes_own_libraries(bench: Bench) -> None:
    found, engine = bench.make(bench.wheel, bench.wheel)
    assert isinstance(found, VerifiedWheel)
    assert found.provenance.libraries == ("low 1",)
    assert bench.laid == [(LIBRARY,)]
    plain, own = engine.asked
    assert MOUNT not in plain.trees
    assert own.trees[MOUNT].key == "low"
    assert own.env["PATH"].startswith(f"{MOUNT}/bin:")
    said = [event.text for event in bench.reporter.events if isinstance(event, Message)]
    assert said == ["demo 1.0: building low from source first, for libhigh.so needs GLIBC_2.34"]


def test_the_second_run_builds_nothing(bench: Bench) -> None:
    bench.make(bench.wheel, bench.wheel)
    found, engine = bench.make()
    assert isinstance(found, VerifiedWheel)
    assert found.provenance.origin is Origin.BUILT_EARLIER
    assert found.provenance.libraries == ("low 1",)
    assert not engine.asked


def test_a_library_that_fails_is_told_beside_what_did_not_fit(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lay(libraries: object) -> Laid:
        raise BuildError("low 1 could not be built: no", remedy="Look.")

    monkeypatch.setattr(bench, "lay", lay)
    found, _ = bench.make(bench.wheel)
    assert isinstance(found, Failure)
    assert found.error == "libhigh.so needs GLIBC_2.34; low 1 could not be built: no"
    assert found.exit_code == FloorError.exit_code
    assert "--allow-floor demo=manylinux_2_34" in found.remedy


@pytest.mark.parametrize("recipe", [None, replace(RECIPE, sources=())])
def test_without_sources_nothing_is_tried(bench: Bench, recipe: Recipe | None) -> None:
    found, _ = bench.make(bench.wheel, recipe=recipe)
    assert isinstance(found, Failure)
    assert found.error == "libhigh.so needs GLIBC_2.34"
    assert bench.laid == []
