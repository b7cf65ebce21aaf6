"""Wheels that need more of the C library than the target promises: refused, or allowed by name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.tags import Tag, parse_tag

from crossbuild import bundle, catalog, document, floors
from crossbuild.building.backend import Workshop
from crossbuild.building.mending import Mender
from crossbuild.checkup import Order, check_up
from crossbuild.cli import reading, tables
from crossbuild.engine.base import Limits
from crossbuild.errors import HostError
from crossbuild.excess import Allowance
from crossbuild.ladder import Rung
from crossbuild.making import Maker
from crossbuild.model import Failure, Origin, Plan, RunResult, VerifiedWheel, Wanted
from crossbuild.proof import SmokeResult, SmokeState
from crossbuild.recipe import Recipe
from crossbuild.report import Message
from crossbuild.target import Reported, Target
from crossbuild.wheels import promises
from tests.fakeengine import FakeEngine, Outcome
from tests.miniindex import MiniIndex
from tests.shelf import name
from tests.test_backend import TARGET, Recorder, toolchain, workshop
from tests.test_era import Bench, Shop
from tests.test_mending import CONFIG, PACKAGES, Engine
from tests.test_mending import Shelf as Packages
from tests.test_render import shown
from tests.test_repair import ENTRY, MODULE, TAG, Lab, lab
from tests.wheels import wheel

__all__ = ["lab"]

LIFTED = "manylinux_2_34_aarch64"
FITS = f"demo-1.0-cp311-cp311-{LIFTED}.whl"
ANY = Allowance(name=None, floor=(2, 34))


def tags(*platforms: str) -> frozenset[Tag]:
    return parse_tag(f"cp311-cp311-{'.'.join(platforms)}")


@pytest.mark.parametrize(
    ("platforms", "beyond"),
    [
        (["manylinux2014_aarch64"], None),
        (["manylinux_2_29_aarch64"], "manylinux_2_29_aarch64"),
        (["manylinux_2_36_aarch64", "manylinux_2_29_aarch64"], "manylinux_2_29_aarch64"),
        (["manylinux_2_29_x86_64"], None),
        (["musllinux_1_2_aarch64"], None),
        (["win_amd64"], None),
        (["any"], None),
    ],
)
def test_what_a_wheel_needs_beyond_the_target(platforms: list[str], beyond: str | None) -> None:
    assert floors.beyond(tags(*platforms), TARGET) == beyond


def test_a_lifted_target_takes_what_the_lower_one_takes_and_more() -> None:
    higher = floors.lifted(TARGET, (2, 34))
    assert (higher.floor, higher.platform) == ((2, 34), LIFTED)
    assert higher.accepts(tags(LIFTED))
    assert higher.accepts(tags("manylinux2014_aarch64"))
    assert floors.lifted(higher, (2, 17)) == higher
    bare = Target.parse("linux_aarch64", "3.11")
    assert floors.lifted(bare, (2, 34)) == bare


def test_a_target_that_was_probed_keeps_what_it_told() -> None:
    told = Reported(tags=tuple(TARGET.tags), markers=(("platform_release", "6.1"),))
    higher = floors.lifted(replace(TARGET, reported=told), (2, 34))
    assert higher.accepts(tags(LIFTED))
    assert higher.markers["platform_release"] == "6.1"


@pytest.mark.parametrize(
    ("allowances", "floor"),
    [
        ([], (2, 17)),
        ([ANY], (2, 34)),
        ([Allowance(name=name("demo"), floor=(2, 28)), ANY], (2, 34)),
        ([Allowance(name=name("demo"), floor=(2, 28))], (2, 28)),
        ([Allowance(name=name("other"), floor=(2, 28))], (2, 17)),
        ([Allowance(name=None, floor=(2, 5))], (2, 17)),
    ],
)
def test_the_highest_floor_that_is_allowed(
    allowances: list[Allowance], floor: tuple[int, int]
) -> None:
    assert floors.limit(TARGET, allowances, name("demo")).floor == floor


@pytest.mark.parametrize(
    ("said", "allowance"),
    [
        ("manylinux_2_28", Allowance(name=None, floor=(2, 28))),
        ("manylinux2014", Allowance(name=None, floor=(2, 17))),
        ("My_Pkg=manylinux_2_34", Allowance(name=name("my-pkg"), floor=(2, 34))),
    ],
)
def test_an_allowance_is_read(said: str, allowance: Allowance) -> None:
    assert reading.allowance(said) == allowance


@pytest.mark.parametrize("said", ["", "2.28", "manylinux_2_28_x86_64", "=manylinux_2_28", "a b=c"])
def test_what_is_no_allowance(said: str) -> None:
    with pytest.raises(ValueError, match=r"write manylinux_2_28|is no package name"):
        reading.allowance(said)


def test_the_floors_that_are_tried_one_after_the_other() -> None:
    found = promises.higher(TARGET, (2, 29))
    assert (found[-1], found[-2]) == ((2, 29), (2, 28))
    assert list(found) == sorted(found)
    assert found[0] > (2, 17)
    assert promises.higher(TARGET, (2, 17)) == ()


def test_the_proof_is_made_where_the_c_library_is_new_enough() -> None:
    needed = floors.needed(TARGET, [tags("manylinux_2_34_aarch64"), tags("any")])
    image = catalog.image_for(needed, at_least_floor=True)
    assert image
    assert image.glibc >= (2, 34)
    older = floors.needed(replace(TARGET, python=(3, 9)), [parse_tag(f"cp39-cp39-{LIFTED}")])
    assert catalog.image_for(older, at_least_floor=True) is None


class Floors(Shop):
    """The shop, where what is built may be allowed to need more; ``older``: another workshop."""

    older: Workshop | None = None

    def made(
        self, plan: Plan, *outcomes: Outcome, allowed: tuple[Allowance, ...] = ()
    ) -> tuple[VerifiedWheel | Failure, FakeEngine]:
        engine = FakeEngine(self.directory / "fake", *outcomes)
        bench = Older(self.services, TARGET, Limits())
        bench.shop = workshop(self.store, engine, tools=toolchain(self.directory))
        bench.second = self._second(engine)
        maker = Maker(TARGET, self.services, bench, keep=False, allowed=allowed)
        result = maker.make(plan)
        assert not engine.outcomes
        outcome: list[VerifiedWheel | Failure] = [*result.wheels.values(), *result.failures]
        return outcome[0], engine

    def _second(self, engine: FakeEngine) -> Workshop | None:
        return None


class Older(Bench):
    """A bench that may have a second image."""

    second: Workshop | None

    def older(self) -> Iterator[Workshop]:
        yield from [self.second] if self.second else []


class TwoImages(Floors):
    """One that also has an image of another name."""

    def _second(self, engine: FakeEngine) -> Workshop | None:
        shop = workshop(self.store, engine, tools=toolchain(self.directory))
        image = replace(shop.root.image, name="older")
        shop.root = replace(shop.root, image=image, key="older")
        return shop


class Lacking(Workshop):
    """A workshop whose image lacks a package that a recipe wants."""

    def known(self, archive: Path, recipe: Recipe | None = None) -> Workshop:
        raise HostError("older has no package libnew-dev")


class Unequipped(TwoImages):
    """One whose other image lacks something."""

    def _second(self, engine: FakeEngine) -> Workshop | None:
        shop = super()._second(engine)
        assert shop
        shop.__class__ = Lacking
        return shop


class Mended(Floors):
    """One whose builds get the packages that they lack."""

    def made(
        self, plan: Plan, *outcomes: Outcome, allowed: tuple[Allowance, ...] = ()
    ) -> tuple[VerifiedWheel | Failure, FakeEngine]:
        engine = Engine(self.directory / "fake", *outcomes)
        bench = Older(self.services, TARGET, Limits())
        mender = Mender(supplies=Packages(PACKAGES), store=self.store, reporter=self.reporter)
        tools = toolchain(self.directory)
        bench.shop = workshop(self.store, engine, tools=tools, mender=mender)
        bench.second = None
        result = Maker(TARGET, self.services, bench, keep=False, allowed=allowed).make(plan)
        outcome: list[VerifiedWheel | Failure] = [*result.wheels.values(), *result.failures]
        return outcome[0], engine


@pytest.fixture(params=[Floors])
def shop(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Floors]:
    with MiniIndex() as index:
        yield request.param(tmp_path, index)


def built(lab: Lab, directory: Path, symbol: str) -> Outcome:
    """The hooks make a wheel whose module needs this symbol of the C library."""
    code = f"int {symbol}(void); {ENTRY} {{ return {symbol}(); }}"
    module = lab.compile(directory / symbol / MODULE, code, ["libc.so.6"])
    path = wheel(directory, "demo", "1.0", tag=TAG, files={MODULE: module})
    files = {f"out/{path.name}": path.read_bytes()}
    return Outcome(answer={"wheel": path.name}, files=files)


def test_nothing_above_the_floor_is_made_unasked(lab: Lab, shop: Floors, tmp_path: Path) -> None:
    found, _ = shop.made(shop.plan(), built(lab, tmp_path, "new"))
    assert isinstance(found, Failure)
    assert "needs GLIBC_2.34 of libc.so.6 (new)" in found.error
    assert found.remedy == (
        f"It fits {LIFTED}: make the wheels for that target, or take this one as it is with "
        "--allow-floor demo=manylinux_2_34. manylinux2014-aarch64 has an older C library: name "
        "a registry that has that image (--registry HOST)."
    )
    assert found.exit_code == 9
    assert [attempt.error for attempt in found.tried] == [found.error]


@pytest.mark.parametrize(
    "allowance",
    [Allowance(name=None, floor=(2, 33)), Allowance(name=name("other"), floor=(2, 34))],
)
def test_what_is_allowed_otherwise_is_no_excuse(
    lab: Lab, shop: Floors, tmp_path: Path, allowance: Allowance
) -> None:
    found, _ = shop.made(shop.plan(), built(lab, tmp_path, "new"), allowed=(allowance,))
    assert isinstance(found, Failure)


def test_what_is_allowed_keeps_the_tag_of_what_it_needs(
    lab: Lab, shop: Floors, tmp_path: Path
) -> None:
    plan = shop.plan()
    allowed = (Allowance(name=name("demo"), floor=(2, 36)),)
    found, _ = shop.made(plan, built(lab, tmp_path, "new"), allowed=allowed)
    assert isinstance(found, VerifiedWheel)
    assert found.path.name == FITS
    assert [(attempt.rung, attempt.error) for attempt in found.provenance.tried] == [
        (Rung.NATIVE, None)
    ]
    warning = f"demo 1.0: needs {LIFTED}, more than manylinux2014_aarch64 promises"
    said = [event.text for event in shop.reporter.events if isinstance(event, Message)]
    assert warning in said
    again, engine = shop.made(plan, allowed=allowed)
    assert isinstance(again, VerifiedWheel)
    assert again.provenance.origin is Origin.BUILT_EARLIER
    assert not engine.asked
    unasked, _ = shop.made(plan)
    assert isinstance(unasked, Failure), "what was kept for a higher floor is for that alone"


def test_what_was_built_in_vain_is_not_built_again(lab: Lab, shop: Floors, tmp_path: Path) -> None:
    plan = shop.plan()
    first, _ = shop.made(plan, built(lab, tmp_path, "new"))
    assert isinstance(first, Failure)
    second, engine = shop.made(plan, allowed=(ANY,))
    assert isinstance(second, VerifiedWheel)
    assert not engine.asked
    (attempt,) = second.provenance.tried
    assert attempt.seconds == pytest.approx(first.tried[0].seconds, abs=0.01)
    assert attempt.error is None


@pytest.mark.parametrize("shop", [Mended], indirect=True)
def test_what_got_packages_and_is_above_the_floor_is_built_once(
    lab: Lab, shop: Floors, tmp_path: Path
) -> None:
    """Slycot 0.5.4 was built twice, a quarter of an hour each."""
    found, engine = shop.made(shop.plan(), CONFIG, built(lab, tmp_path, "new"), allowed=(ANY,))
    assert isinstance(found, VerifiedWheel)
    assert found.path.name == FITS
    assert len(engine.asked) == 2
    assert [str(item) for item in found.provenance.added] == ["libpq-dev (pg_config)"]


@pytest.mark.parametrize("shop", [TwoImages], indirect=True)
def test_an_older_image_is_tried_before_anything_is_allowed(
    lab: Lab, shop: Floors, tmp_path: Path
) -> None:
    outcomes = built(lab, tmp_path, "new"), built(lab, tmp_path, "old")
    found, _ = shop.made(shop.plan(), *outcomes, allowed=(ANY,))
    assert isinstance(found, VerifiedWheel)
    assert "manylinux2014_aarch64" in found.path.name
    ends = [(attempt.image, attempt.error is None) for attempt in found.provenance.tried]
    assert ends == [("bookworm-aarch64", False), ("older", True)]


@pytest.mark.parametrize("shop", [TwoImages], indirect=True)
def test_where_the_older_image_fails_too_the_first_reason_is_told(
    lab: Lab, shop: Floors, tmp_path: Path
) -> None:
    failed = Outcome(answer={"error": {"kind": "hook", "type": "ImportError", "message": "no"}})
    found, _ = shop.made(shop.plan(), built(lab, tmp_path, "new"), failed)
    assert isinstance(found, Failure)
    assert "GLIBC_2.34" in found.error
    assert [attempt.image for attempt in found.tried] == ["bookworm-aarch64", "older"]


@pytest.mark.parametrize("shop", [Unequipped], indirect=True)
def test_an_older_image_that_lacks_a_package_is_passed_over(
    lab: Lab, shop: Floors, tmp_path: Path
) -> None:
    found, _ = shop.made(shop.plan(), built(lab, tmp_path, "new"), allowed=(ANY,))
    assert isinstance(found, VerifiedWheel)
    assert found.path.name == FITS
    said = [event.text for event in shop.reporter.events if isinstance(event, Message)]
    assert "demo 1.0: older could not be tried: older has no package libnew-dev" in said


@pytest.fixture
def above(lab: Lab, shop: Floors, tmp_path: Path) -> tuple[Plan, VerifiedWheel]:
    plan = shop.plan()
    found, _ = shop.made(plan, built(lab, tmp_path, "new"), allowed=(ANY,))
    assert isinstance(found, VerifiedWheel)
    return plan, found


def test_report_and_answer_say_what_it_needs(above: tuple[Plan, VerifiedWheel]) -> None:
    plan, found = above
    result = RunResult(
        plan=plan,
        wheels=(found,),
        failures=(),
        smoke=SmokeResult(state=SmokeState.SKIPPED, reason="not asked for"),
        output=Path("wheelhouse"),
    )
    said: dict[str, Any] = document.report(result, Wanted(requirements=()), TARGET)
    assert said["packages"][0]["needs"] == LIFTED
    text = shown(lambda page: tables.result(page, result, TARGET))
    assert f"! demo 1.0 needs {LIFTED}: more than the target promises" in text


@pytest.mark.parametrize(
    ("allowances", "sound"),
    [
        ((), False),
        ((ANY,), True),
        ((Allowance(name=name("demo"), floor=(2, 34)),), True),
        ((Allowance(name=name("demo"), floor=(2, 33)),), False),
        ((Allowance(name=name("other"), floor=(2, 34)),), False),
    ],
)
def test_verify_takes_it_by_that_name_alone(
    above: tuple[Plan, VerifiedWheel],
    tmp_path: Path,
    allowances: tuple[Allowance, ...],
    sound: bool,
) -> None:
    directory = tmp_path / "wheels"
    directory.mkdir()
    (directory / FITS).write_bytes(above[1].path.read_bytes())
    services: Any = SimpleNamespace(reporter=Recorder())
    order = Order(directory=directory, target=TARGET, smoke=False, floors=allowances)
    found = check_up(order, services)
    assert found.sound is sound
    text = shown(lambda page: tables.verified(page, found, TARGET))
    assert (f"demo 1.0 needs {LIFTED}: more than the target promises" in text) is sound


def test_the_readme_of_the_wheelhouse_says_it(
    above: tuple[Plan, VerifiedWheel], tmp_path: Path
) -> None:
    directory = tmp_path / "house"
    directory.mkdir()
    bundle.fill(directory, [above[1]], TARGET)
    text = " ".join((directory / "README.txt").read_text().split())
    assert f"demo 1.0 needs more of the C library than was asked for: {LIFTED}. Where" in text
    assert "demo 1.0 需要更新的 C 库" in text
