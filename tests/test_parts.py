"""Parts: what a machine leaves, what a machine that joins them takes, and what it refuses."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement

from crossbuild import parts, planfile
from crossbuild.disk import hash_of
from crossbuild.errors import CrossbuildError, IntegrityError, UsageError
from crossbuild.excess import Fit
from crossbuild.ladder import Attempt, Rung
from crossbuild.model import (
    BuildStep,
    Failure,
    Origin,
    Plan,
    Provenance,
    VerifiedWheel,
    Wanted,
)
from crossbuild.parts import Part
from crossbuild.target import Target
from tests import answers, wheels
from tests.answers import TARGET

GOOD, FINE, BAD = (answers.built(name, "1.0", {}) for name in ("good", "fine", "bad"))
PLAN = Plan(steps=(BAD, FINE, answers.fetched("numpy", "1.26.4"), GOOD))
TRIED = (Attempt(rung=Rung.NATIVE, image="bookworm-aarch64", seconds=1.5, error="gcc: no"),)
FITTED = (Fit(library="libz.so.1", symbols=("stat", "open")),)
PLANNED = planfile.planned(PLAN, TARGET, Wanted(requirements=(Requirement("good"),)))


def made(step: BuildStep, directory: Path) -> VerifiedWheel:
    directory.mkdir(exist_ok=True)
    path = wheels.wheel(directory, step.pin.name, str(step.pin.version))
    return VerifiedWheel(
        name=step.pin.name,
        version=step.pin.version,
        path=path,
        sha256=hash_of(path),
        size=path.stat().st_size,
        provenance=Provenance(
            origin=Origin.BUILT,
            source=step.source,
            rung=Rung.NATIVE,
            phases={"build": 1.5},
            grafted=("libz.so.1",),
            tried=TRIED,
            fitted=FITTED,
        ),
    )


def failed(step: BuildStep, directory: Path) -> Failure:
    log = directory / "bad.log"
    log.write_text("gcc: no\n", encoding="utf-8")
    return replace(
        answers.FAILURE,
        name=step.pin.name,
        version=step.pin.version,
        log=log,
        tail=("gcc: no",),
        tried=TRIED,
    )


def left(directory: Path, part: Part) -> Path:
    """Leave a part as ``crossbuild build`` does."""
    directory.mkdir(parents=True)
    document = parts.to_json(parts.fill(directory, part), PLANNED)
    (directory / parts.RECORD).write_text(json.dumps(document), encoding="utf-8")
    return directory


@pytest.fixture
def whole(tmp_path: Path) -> tuple[Path, Path, Path]:
    """Three parts that are the whole plan; the wheels of the store are gone by then."""
    store = tmp_path / "store"
    store.mkdir()
    found = (
        left(tmp_path / "parts" / "a",
             Part(step="good-1.0", wheels=(made(GOOD, store),), failures=())),
        left(tmp_path / "parts" / "b",
             Part(step="fine-1.0", wheels=(made(FINE, store),), failures=())),
        left(tmp_path / "parts" / "c",
             Part(step="bad-1.0", wheels=(), failures=(failed(BAD, store),))),
    )  # fmt: skip
    shutil.rmtree(store)
    return found


def test_parts_are_joined_in_the_plans_order(whole: tuple[Path, Path, Path]) -> None:
    good, fine, bad = whole
    outcomes = parts.join([good, bad, fine], PLANNED)
    assert [outcome.name for outcome in outcomes] == ["bad", "fine", "good"]
    failure, _, wheel = outcomes
    assert isinstance(wheel, VerifiedWheel)
    assert wheel.path == good.resolve() / "good-1.0-py3-none-any.whl"
    assert wheel.sha256 == hash_of(wheel.path)
    assert wheel.provenance == Provenance(
        origin=Origin.BUILT,
        source=GOOD.source,
        rung=Rung.NATIVE,
        phases={"build": 1.5},
        grafted=("libz.so.1",),
        tried=TRIED,
        fitted=FITTED,
    )
    assert isinstance(failure, Failure)
    assert failure == replace(
        answers.FAILURE, name=BAD.pin.name, version=BAD.pin.version,
        log=bad.resolve() / "bad.log", tail=("gcc: no",), tried=TRIED,
    )  # fmt: skip


def test_a_directory_of_parts_is_as_good(whole: tuple[Path, Path, Path]) -> None:
    assert parts.join([whole[0].parent], PLANNED) == parts.join(whole, PLANNED)
    assert parts.join([whole[0].parent, whole[1]], PLANNED) == parts.join(whole, PLANNED)


def test_a_plan_without_builds_needs_no_parts(tmp_path: Path) -> None:
    plan = Plan(steps=(answers.fetched("numpy", "1.26.4"),))
    nothing = planfile.planned(plan, TARGET, PLANNED.wanted)
    assert parts.join([], nothing) == ()
    assert parts.join([tmp_path], nothing) == ()


def test_a_failure_is_the_exit_code(tmp_path: Path) -> None:
    failure = failed(BAD, tmp_path)
    assert Part(step=None, wheels=(), failures=(failure,)).exit_code == 8
    assert Part(step=None, wheels=(), failures=()).exit_code == 0


def refused(error: type[CrossbuildError], says: str, *directories: Path) -> CrossbuildError:
    with pytest.raises(error) as caught:
        parts.join(directories, PLANNED)
    assert says in str(caught.value)
    assert caught.value.remedy
    return caught.value


def test_a_missing_part_is_named(whole: tuple[Path, Path, Path], tmp_path: Path) -> None:
    refused(UsageError, f"no part has bad 1.0, fine 1.0 ({whole[0]})", whole[0])
    refused(UsageError, "no part has bad 1.0, fine 1.0, good 1.0 (no directory was named)")
    refused(UsageError, "is not a directory", tmp_path / "absent")


def test_a_step_in_two_parts_is_refused(whole: tuple[Path, Path, Path], tmp_path: Path) -> None:
    again = shutil.copytree(whole[0], tmp_path / "again")
    refused(UsageError, "good 1.0 is in two parts, ", *whole, again)


def test_a_part_of_another_plan_is_refused(whole: tuple[Path, Path, Path]) -> None:
    other = planfile.planned(PLAN, TARGET, Wanted(requirements=(Requirement("good<2"),)))
    with pytest.raises(UsageError, match=f"{whole[0]} belongs to another plan$"):
        parts.join(whole, other)
    elsewhere = Target.parse("manylinux_2_28_aarch64", "3.9")
    other = planfile.planned(PLAN, elsewhere, PLANNED.wanted)
    with pytest.raises(UsageError) as caught:
        parts.join(whole, other)
    assert str(caught.value).endswith(
        "belongs to another plan: it is for manylinux2014_aarch64, CPython 3.11, "
        "not manylinux_2_28_aarch64, CPython 3.9"
    )


def test_a_wheel_that_changed_or_went_is_refused(whole: tuple[Path, Path, Path]) -> None:
    (wheel,) = whole[0].glob("*.whl")
    wheel.write_bytes(wheel.read_bytes()[:-1])
    refused(IntegrityError, f"{wheel.name} has the wrong hash", *whole)
    wheel.unlink()
    refused(IntegrityError, f"lacks its wheel {wheel.name}", *whole)


Damage = Callable[[dict[str, Any]], object]
DAMAGE: dict[str, Damage] = {
    "no schema": lambda d: d.pop("schema"),
    "another schema": lambda d: d.update(schema="crossbuild-part/2"),
    "no plan": lambda d: d.pop("plan"),
    "no wheels": lambda d: d.update(wheels=None),
    "a wheel of no step": lambda d: d["wheels"][0].update(name="stranger"),
    "another step's wheel": lambda d: d["wheels"][0].update(name="fine"),
    "an odd version": lambda d: d["wheels"][0].update(version="one"),
    "an odd origin": lambda d: d["wheels"][0].update(origin="found"),
    "an odd rung": lambda d: d["wheels"][0].update(rung="ladder"),
    "no hash": lambda d: d["wheels"][0].pop("sha256"),
    "no file name": lambda d: d["wheels"][0].update(file=7),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_record_that_makes_no_sense_is_refused(
    damage: Damage, whole: tuple[Path, Path, Path]
) -> None:
    record = whole[0] / parts.RECORD
    document = json.loads(record.read_text(encoding="utf-8"))
    damage(document)
    record.write_text(json.dumps(document), encoding="utf-8")
    refused(IntegrityError, "is damaged: its part.json cannot be understood", *whole)


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff"])
def test_a_record_that_is_none_is_refused(content: bytes, whole: tuple[Path, Path, Path]) -> None:
    (whole[0] / parts.RECORD).write_bytes(content)
    refused(IntegrityError, "is damaged", *whole)


def test_no_record_reaches_out_of_its_part(whole: tuple[Path, Path, Path]) -> None:
    record = whole[0] / parts.RECORD
    (wheel,) = whole[0].glob("*.whl")
    outside = shutil.move(wheel, whole[0].parent / wheel.name)
    document = json.loads(record.read_text(encoding="utf-8"))
    document["wheels"][0]["file"] = str(outside)
    record.write_text(json.dumps(document), encoding="utf-8")
    refused(IntegrityError, f"lacks its wheel {wheel.name}", *whole)
