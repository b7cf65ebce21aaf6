"""Who builds what: the groups of a plan, and the matrix of a workflow."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from packaging.version import Version

from crossbuild import matrix
from crossbuild.errors import UsageError
from crossbuild.model import BuildStep, EnvironmentPin, Plan, Purpose
from tests import answers
from tests.answers import TARGET, name

pytestmark = pytest.mark.pure


def built(label: str, *needs: str, purpose: Purpose = Purpose.TARGET) -> BuildStep:
    package, version = label.split()
    environment = tuple(
        EnvironmentPin(name=name(need.split()[0]), version=Version(need.split()[1]), file=None)
        for need in needs
    )
    step = answers.built(package, version, {})
    return replace(step, environment=environment, purpose=purpose)


def tool(label: str, *needs: str) -> BuildStep:
    return built(label, *needs, purpose=Purpose.BUILD_REQUIREMENT)


def grouped(plan: Plan, most: int = 256) -> list[list[str]]:
    return [[step.pin.label for step in one.steps] for one in matrix.groups(plan, most)]


TIED = Plan(
    steps=(
        built("apple 1", "tool 2"),
        answers.fetched("numpy", "1.26.4"),
        built("berry 1"),
        built("cherry 1", "maker 1"),
        built("date 1", "apple 1"),
    ),
    build_requirements=(tool("maker 1", "tool 3"), tool("tool 2"), tool("tool 3")),
)


def test_builds_that_need_each_other_are_one_group() -> None:
    assert grouped(TIED) == [
        ["apple 1", "date 1", "tool 2"],
        ["berry 1"],
        ["cherry 1", "maker 1", "tool 3"],
    ]


def test_a_shared_tool_ties_those_who_use_it() -> None:
    plan = Plan(
        steps=(built("a 1", "tool 1"), built("b 1"), built("c 1", "tool 1")),
        build_requirements=(tool("tool 1"),),
    )
    assert grouped(plan) == [["a 1", "c 1", "tool 1"], ["b 1"]]


def test_more_groups_than_jobs_are_dealt_out() -> None:
    plan = Plan(steps=tuple(built(f"p{number} 1") for number in range(5)))
    assert grouped(plan, most=2) == [["p0 1", "p2 1", "p4 1"], ["p1 1", "p3 1"]]
    many = Plan(steps=tuple(built(f"p{number} 1") for number in range(999)))
    assert len(matrix.groups(many)) == 256
    assert sum(len(one.steps) for one in matrix.groups(many)) == 999


def test_a_group_is_found_by_its_id_and_carries_its_plan() -> None:
    found = matrix.group(TIED, "apple-1")
    plan = matrix.restricted(TIED, found.steps)
    assert [step.pin.label for step in plan.steps] == ["apple 1", "date 1"]
    assert [step.pin.label for step in plan.build_requirements] == ["tool 2"]
    assert plan.builds == found.steps


@pytest.mark.parametrize("step", ["tool-2", "apple", "", "numpy-1.26.4"])
def test_an_unknown_step_is_answered_with_the_ids(step: str) -> None:
    with pytest.raises(UsageError, match=f"the plan has no step '{step}'") as caught:
        matrix.group(TIED, step)
    assert caught.value.remedy == "Its steps are apple-1, berry-1, cherry-1."
    with pytest.raises(UsageError) as caught:
        matrix.group(Plan(steps=()), step)
    assert caught.value.remedy == "It builds nothing."


def test_an_id_is_fit_for_a_file_and_a_name_for_people() -> None:
    odd = Plan(steps=(built("odd 1!2.0+local.1"),))
    assert matrix.groups(odd)[0].id == "odd-1_2.0_local.1"
    first, berry, _ = matrix.groups(TIED)
    assert (first.name, berry.name) == ("apple 1, date 1, tool 2", "berry 1")
    (one,) = matrix.groups(TIED, most=1)
    assert one.name == "apple 1, date 1, tool 2 and 4 more"


def test_the_matrix_is_one_line_with_an_entry_for_each_group() -> None:
    line = matrix.line(TIED, TARGET)
    assert "\n" not in line
    assert ", " not in line.replace("1, ", "1,")
    entries = json.loads(line)["include"]
    assert [entry["id"] for entry in entries] == ["apple-1", "berry-1", "cherry-1"]
    assert entries[0] == {
        "id": "apple-1",
        "name": "apple 1, date 1, tool 2",
        "python": "3.11",
        "target": "manylinux2014_aarch64",
        "packages": ["apple 1", "date 1", "tool 2"],
    }


def test_nothing_to_build_is_an_empty_matrix() -> None:
    assert matrix.line(Plan(steps=(answers.fetched("numpy", "1"),)), TARGET) == '{"include":[]}'


def test_a_matrix_that_no_job_can_hand_on_is_refused() -> None:
    steps = tuple(built(f"{'long' * 200}{number} 1") for number in range(700))
    with pytest.raises(UsageError, match=r"and a job's outputs may have 1048576"):
        matrix.line(Plan(steps=steps), TARGET)
