"""Build requirements of an earlier time: which time, when they are turned to, what is kept."""

from __future__ import annotations

import datetime as dt
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from crossbuild import era
from crossbuild.building.backend import Workshop
from crossbuild.engine.base import Limits
from crossbuild.era import Era
from crossbuild.errors import BuildError
from crossbuild.making import Maker
from crossbuild.model import BuildStep, Failure, Origin, Plan, Resolution, VerifiedWheel, Wanted
from crossbuild.net.configuration import Indexes
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.plan import plan as planned
from crossbuild.report import Message
from crossbuild.resolution.uv import Uv
from crossbuild.resolve import resolve
from crossbuild.store import Store
from crossbuild.workbench import Services, Workbench
from tests.fakeengine import FakeEngine, Outcome
from tests.miniindex import MiniIndex
from tests.shelf import Shelf, name, versions
from tests.test_backend import HOOK, TARGET, Recorder, workshop
from tests.test_build import made
from tests.wheels import metadata, sdist, wheel


def at(text: str) -> dt.datetime:
    return dt.datetime.fromisoformat(f"{text}T00:00:00+00:00")


@pytest.mark.pure
@pytest.mark.parametrize(
    ("uploaded", "python", "times"),
    [
        ("2021-01-20", (3, 11), ["2023-01-22", "2021-10-24", "2021-04-24"]),
        ("2017-05-23", (3, 9), ["2021-01-03", "2019-10-06", "2019-04-06"]),
        ("2022-06-01", (3, 11), ["2023-01-22", "2022-06-01"]),
        ("2024-08-22", (3, 11), ["2024-08-22", "2025-05-19"]),
        ("2024-08-22", (3, 99), []),
        (None, (3, 11), []),
    ],
)
def test_the_clock_goes_back_to_the_sdist_or_to_its_python(
    uploaded: str | None, python: tuple[int, int], times: list[str]
) -> None:
    found = era.times(at(uploaded) if uploaded else None, python)
    assert [f"{time:%Y-%m-%d}" for time in found] == times


@pytest.mark.pure
def test_an_era_is_read_as_it_was_written() -> None:
    one = Era(until=at("2021-01-20"), why="it broke", instead=("tool 1",))
    assert era.from_json(one.to_json()) == one
    assert era.from_json(None) is None
    with pytest.raises(ValueError, match="time zone"):
        era.from_json({**one.to_json(), "until": "2021-01-20T00:00:00"})


def broken(text: str, eras: int = era.MOST) -> BuildError:
    error = BuildError(f"old 1 could not be built: {text}")
    error.eras = eras
    return error


@pytest.fixture
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Shelf:
    uv = replace(Uv.find(), cache=tmp_path_factory.mktemp("uv"))
    shelf = Shelf(uv=uv)
    shelf.sdist("old", "1", build=["tool"], static=False, uploaded=at("2023-03-01"))
    shelf.wheel("tool", "1", uploaded=at("2022-12-01"))
    shelf.wheel("tool", "2", uploaded=at("2023-02-01"))
    shelf.wheel("tool", "3", uploaded=at("2025-02-01"))
    shelf.breaking = {"tool 3": broken("tool has no Feature")}
    return shelf


def solve(shelf: Shelf, *requirements: str) -> Resolution:
    return resolve(
        Wanted(requirements=tuple(map(Requirement, requirements or ["old"]))),
        TARGET,
        uv=shelf.uv,
        index=shelf,
        inspector=shelf,
        refused={},
        reporter=Recorder(),
    )


def test_a_backend_that_todays_tools_break_is_asked_with_those_of_its_time(shelf: Shelf) -> None:
    found = solve(shelf)
    key = name("old"), Version("1")
    assert versions(found.environments[key]) == ["tool 2"]
    assert [environment for _, environment in shelf.asked] == [["tool 3"], ["tool 2"]]
    assert found.sources[key].era == Era(
        until=at("2023-03-01"), why="tool has no Feature", instead=("tool 2",)
    )
    assert [note.text for note in found.notes] == [
        (
            "1 is built with the build requirements of 2023-03 (tool 2): those of today failed: "
            "tool has no Feature"
        )
    ]
    (step,) = planned(found, TARGET, Wanted(requirements=()).formats, {}).builds
    assert step.era == found.sources[key].era
    assert [str(item.version) for item in step.environment] == ["2"]


def test_what_worked_before_is_not_tried_with_todays_again(shelf: Shelf) -> None:
    known = Era(until=at("2023-03-01"), why="it broke", instead=("tool 2",))
    for table in (shelf.inspections, shelf.dynamics):
        table["old-1.tar.gz"] = replace(table["old-1.tar.gz"], era=known)
    assert versions(solve(shelf).environments[name("old"), Version("1")]) == ["tool 2"]
    assert [environment for _, environment in shelf.asked] == [["tool 2"]]


def test_an_era_that_the_index_no_longer_has_is_forgotten(shelf: Shelf) -> None:
    gone = Era(until=at("2001-01-01"), why="it broke", instead=("tool 0",))
    shelf.inspections["old-1.tar.gz"] = replace(shelf.inspections["old-1.tar.gz"], era=gone)
    assert versions(solve(shelf).environments[name("old"), Version("1")]) == ["tool 2"]


def test_both_failures_are_told(shelf: Shelf) -> None:
    shelf.breaking["tool 2"] = broken("tool is too old")
    with pytest.raises(BuildError) as caught:
        solve(shelf)
    assert str(caught.value) == (
        "old 1 could not be built: tool has no Feature "
        "(with the build requirements of 2023-03 (tool 2): tool is too old)"
    )


@pytest.mark.parametrize("why", ["it lacks a header", "nobody knows when", "nothing is older"])
def test_no_earlier_time_is_tried_where_it_would_not_help(shelf: Shelf, why: str) -> None:
    if why == "it lacks a header":
        shelf.breaking = {"tool 3": broken(why, eras=0)}
    if why == "nobody knows when":
        shelf.projects.pop(name("old"))
        shelf.sdist("old", "1", build=["tool"], static=False)
    if why == "nothing is older":
        shelf.projects.pop(name("tool"))
        shelf.wheel("tool", "3", uploaded=at("2020-01-01"))
    with pytest.raises(BuildError) as caught:
        solve(shelf)
    assert "build requirements of" not in str(caught.value)
    assert len(shelf.asked) == 1


GONE = {"error": {**HOOK["error"], "type": "AttributeError", "message": "no Feature"}}
FAILED = Outcome(answer=GONE, returncode=1)
ASKED = Outcome(answer={"requires": []})


class Bench(Workbench):
    """One whose workshop runs nothing."""

    shop: Workshop

    @property
    def workshop(self) -> Workshop:
        return self.shop

    @property
    def _asker(self) -> Workshop:
        return self.shop


class Shop:
    """An index with an sdist of 2023 and a tool of each year, and who builds it."""

    def __init__(self, directory: Path, index: MiniIndex) -> None:
        self.directory = directory
        self.store = Store(directory / "cache")
        self.reporter = Recorder()
        pyproject = '[build-system]\nrequires = ["tool"]\nbuild-backend = "tool"\n'
        said = metadata("demo", "1.0")
        self.source = sdist(directory, "demo", "1.0", pyproject=pyproject, pkg_info=said)
        index.add(self.source, uploaded="2023-03-01T10:00:00.123456Z")
        for version, year in (("1", 2023), ("2", 2025)):
            path = wheel(directory, "tool", version)
            index.add(path, core_metadata=True, uploaded=f"{year}-02-01T00:00:00Z")
        self.services = Services(
            store=self.store,
            http=Http(pause=0.001),
            index=Index(Indexes(urls=(index.url.rstrip("/"),)), Http(pause=0.001), self.store),
            uv=Uv.find(),
            engine=FakeEngine(directory / "unused"),
            reporter=self.reporter,
            jobs=1,
        )

    def plan(self, asked: str = "demo") -> Plan:
        bench, _ = self._bench(ASKED)
        found = resolve(
            Wanted(requirements=(Requirement(asked),)),
            TARGET,
            uv=self.services.uv,
            index=self.services.index,
            inspector=bench,
            refused={},
            reporter=self.reporter,
        )
        return planned(found, TARGET, Wanted(requirements=()).formats, {})

    def make(self, plan: Plan, *outcomes: Outcome) -> tuple[VerifiedWheel | Failure, FakeEngine]:
        bench, engine = self._bench(*outcomes)
        result = Maker(TARGET, self.services, bench, keep=False).make(plan)
        outcome: list[VerifiedWheel | Failure] = [*result.wheels.values(), *result.failures]
        assert not engine.outcomes
        return outcome[0], engine

    def _bench(self, *outcomes: Outcome) -> tuple[Bench, FakeEngine]:
        engine = FakeEngine(self.directory / "fake", *outcomes)
        bench = Bench(self.services, TARGET, Limits())
        bench.shop = workshop(self.store, engine, reporter=self.reporter)
        return bench, engine

    @property
    def wheel(self) -> Outcome:
        return made(self.directory / "made", tag="py3-none-any", code=False)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    with MiniIndex() as index:
        yield Shop(tmp_path, index)


def tools(steps: Sequence[BuildStep]) -> list[str]:
    return [f"{item.name} {item.version}" for step in steps for item in step.environment]


def test_a_build_that_todays_tools_break_is_made_with_those_of_its_time(shop: Shop) -> None:
    plan = shop.plan()
    assert tools(plan.builds) == ["tool 2"]
    found, _ = shop.make(plan, FAILED, ASKED, shop.wheel)
    assert isinstance(found, VerifiedWheel)
    assert found.provenance.era is not None
    assert found.provenance.era.instead == ("tool 1",)
    assert found.provenance.era.why == "AttributeError: no Feature"
    assert [(attempt.error, attempt.era) for attempt in found.provenance.tried] == [
        ("AttributeError: no Feature", None),
        (None, found.provenance.era.until),
    ]
    said = [event.text for event in shop.reporter.events if isinstance(event, Message)]
    assert len(said) == 1
    assert said[0].startswith("demo 1.0: trying the build requirements of 2023-03 (tool 1), for ")
    assert said[0].endswith("AttributeError: no Feature")


def test_the_second_run_begins_where_the_first_one_ended(shop: Shop) -> None:
    first = shop.plan()
    shop.make(first, FAILED, ASKED, shop.wheel)
    second = shop.plan()
    assert tools(second.builds) == ["tool 1"]
    for plan in (first, second):  # the first as a plan file has it
        found, engine = shop.make(plan)
        assert isinstance(found, VerifiedWheel)
        assert found.provenance.origin is Origin.BUILT_EARLIER
        assert len(found.provenance.tried) == 2
        assert found.provenance.era is not None
        assert not engine.asked


def test_when_neither_works_both_are_told_and_nothing_is_remembered(shop: Shop) -> None:
    other = {"error": {**HOOK["error"], "type": "TypeError", "message": "too old"}}
    found, _ = shop.make(shop.plan(), FAILED, ASKED, Outcome(answer=other, returncode=1))
    assert isinstance(found, Failure)
    assert found.error == (
        "demo 1.0 could not be built: AttributeError: no Feature "
        "(with the build requirements of 2023-03 (tool 1): TypeError: too old)"
    )
    assert [attempt.error for attempt in found.tried] == [
        "AttributeError: no Feature",
        "TypeError: too old",
    ]
    assert tools(shop.plan().builds) == ["tool 2"]


def test_an_era_that_helps_no_more_is_forgotten(shop: Shop) -> None:
    shop.make(shop.plan(), FAILED, ASKED, shop.wheel)
    shutil.rmtree(shop.store.root / "records" / "built")
    second = shop.plan()
    assert tools(second.builds) == ["tool 1"]
    found, _ = shop.make(second, FAILED)
    assert isinstance(found, Failure)
    assert tools(shop.plan().builds) == ["tool 2"]


def test_the_same_end_in_every_time_is_told_once(shop: Shop) -> None:
    found, _ = shop.make(shop.plan(), FAILED, ASKED, FAILED)
    assert isinstance(found, Failure)
    assert found.error == "demo 1.0 could not be built: AttributeError: no Feature"
    assert len(found.tried) == 2


def test_a_missing_header_is_no_question_of_time(shop: Shop) -> None:
    lacking = Outcome(answer=HOOK, output="a.c:1:1: fatal error: b.h: No such file or directory\n")
    found, _ = shop.make(shop.plan(), lacking)
    assert isinstance(found, Failure)
    assert "build requirements of" not in found.error
