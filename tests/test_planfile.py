"""The plan file: what is written is read again, and what is damaged is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from crossbuild import planfile
from crossbuild.errors import UsageError
from crossbuild.excess import Allowance
from crossbuild.model import (
    BuildStep,
    EnvironmentPin,
    FetchStep,
    Formats,
    Plan,
    Policy,
    Purpose,
    Wanted,
)
from crossbuild.planfile import Planned
from tests import answers
from tests.answers import TARGET, file, name

pytestmark = pytest.mark.pure

TOOL = replace(answers.built("tool", "2", {}), purpose=Purpose.BUILD_REQUIREMENT)
ENVIRONMENT = (
    EnvironmentPin(name=name("setuptools"), version=Version("80"), file=file("setuptools.whl")),
    EnvironmentPin(name=name("tool"), version=Version("2"), file=None),
)
SYSTEM = replace(answers.SYSTEM, backend_path=("backend",))
PLAN = Plan(
    steps=(
        answers.fetched("numpy", "1.26.4"),
        replace(answers.built("netifaces", "0.11.0", answers.NETIFACES), system=SYSTEM,
                environment=ENVIRONMENT),
    ),
    build_requirements=(TOOL,),
    notes=answers.PLAN.notes,
)  # fmt: skip
WANTED = Wanted(
    requirements=(Requirement("netifaces"), Requirement('numpy[x]<2; os_name == "posix"')),
    constraints=(Requirement("numpy<3"),),
    policy=Policy.NEWEST,
    formats=Formats(
        only_binary=frozenset({name("numpy")}),
        no_binary_all=True,
        hashes=frozenset({(name("numpy"), "0" * 64)}),
        hashes_required=True,
    ),
    floors=(Allowance(name=None, floor=(2, 28)), Allowance(name=name("numpy"), floor=(2, 34))),
)


def made(plan: Plan = PLAN) -> Planned:
    return planfile.planned(plan, TARGET, WANTED)


def built_pins(plan: Plan) -> Plan:
    """The plan as a reader knows it: that a pin is built is said by its step."""
    steps = tuple(
        replace(step, pin=replace(step.pin, built=True)) if isinstance(step, BuildStep) else step
        for step in plan.steps
    )
    extra = tuple(replace(s, pin=replace(s.pin, built=True)) for s in plan.build_requirements)
    return replace(plan, steps=steps, build_requirements=extra)


def bare(plan: Plan) -> Plan:
    """Without what a candidate's file is besides its name and address."""
    return replace(plan, steps=tuple(replace(step, verdicts=()) for step in plan.steps))


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "made" / "plan.json"
    planfile.write(path, made())
    found = planfile.read(path)
    assert found.digest == made().digest
    assert found.target == TARGET
    assert found.wanted == WANTED
    assert bare(found.plan) == bare(built_pins(PLAN))
    assert found.to_json() == made().to_json()
    assert [item.name for item in path.parent.iterdir()] == ["plan.json"]


def test_the_digest_is_of_what_is_said_not_of_its_layout(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(made().to_json(), sort_keys=True, indent=7), encoding="utf-8")
    assert planfile.read(path).digest == made().digest
    other = made(replace(PLAN, notes=()))
    assert other.digest != made().digest


def test_what_another_machine_had_is_fetched_here(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    planfile.write(path, made(answers.PLAN))
    steps = {step.pin.name: step for step in planfile.read(path).plan.steps}
    assert isinstance(steps[name("six")], FetchStep)


Damage = Callable[[dict[str, Any]], object]
DAMAGE: dict[str, tuple[Damage, str]] = {
    "another schema": (
        lambda d: d.update(schema="crossbuild-plan/2"),
        "its schema is 'crossbuild-plan/2', not 'crossbuild-plan/1'",
    ),
    "no schema": (dict.clear, "its schema is None"),
    "no packages": (lambda d: d.pop("packages"), "'packages' is missing"),
    "no list": (lambda d: d.update(packages="none"), "'none' stands where a list should"),
    "an unknown step": (lambda d: d["packages"][0].update(step="steal"), "'steal' is no step"),
    "no hash": (lambda d: d["packages"][0]["file"].update(sha256=None), "has no SHA-256"),
    "a short hash": (lambda d: d["packages"][0]["file"].update(sha256="abc"), "has no SHA-256"),
    "a path": (lambda d: d["packages"][0]["file"].update(filename="../x.whl"), "no file name"),
    "the parent": (lambda d: d["packages"][0]["file"].update(filename=".."), "no file name"),
    "an odd address": (
        lambda d: d["packages"][0]["file"].update(url="ftp://index.example/x"),
        "is no address to download",
    ),
    "no version": (lambda d: d["packages"][0].update(version="one"), "Invalid version: 'one'"),
    "no policy": (lambda d: d.update(policy="oldest"), "'oldest' is not a valid Policy"),
    "an unbuilt tool": (
        lambda d: d.update(build_requirements=[]),
        "a build needs tool 2, which it does not build",
    ),
    "a circle": (
        lambda d: d["build_requirements"][0]["build"].update(
            environment=[{"name": "netifaces", "version": "0.11.0", "file": None}]
        ),
        "nodes are in a cycle",
    ),
}


@pytest.mark.parametrize(("damage", "says"), DAMAGE.values(), ids=DAMAGE.keys())
def test_what_cannot_be_carried_out_is_refused(damage: Damage, says: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    document = json.loads(json.dumps(made().to_json()))
    damage(document)
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        planfile.read(path)
    assert says in str(caught.value)
    assert str(caught.value).startswith(f"{path} is no plan that can be carried out: ")
    assert "crossbuild plan" in caught.value.remedy


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 99_999])
def test_what_is_not_json_is_no_plan(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_bytes(content)
    with pytest.raises(UsageError, match=r"plan\.json is no plan: it is not JSON"):
        planfile.read(path)


def test_what_cannot_be_read_or_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        planfile.read(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="is a directory"):
        planfile.write(tmp_path, made())


def test_a_target_nobody_knows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    document = made().to_json()
    document["target"] = {"platform": "windows", "python": "3.11"}
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsageError, match="windows"):
        planfile.read(path)
