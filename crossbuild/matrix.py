"""The builds of a plan, dealt out to machines: what each one builds, and the matrix of a workflow.

A group is what one machine builds. Steps whose builds install each other's wheels are one group:
each wheel is made once, on one machine, and nothing waits for another machine or hangs on two of
them making the same bytes. What has no such tie is a group of its own.

The document is the matrix of a GitHub Actions job, ``{"include": [...]}``, an object per group:

``id``        names the group: what ``crossbuild build --step`` takes; fit for the name of a file
``name``      its packages, for people; shortened where they are many
``python``, ``target``  as in the plan
``packages``  its packages and versions, in the order of their names

Without builds ``include`` is empty, which a workflow has to test for: an empty matrix is an error
to GitHub.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from crossbuild.errors import UsageError
from crossbuild.model import BuildStep, PackageKey, Plan, Purpose
from crossbuild.target import Target

MOST_JOBS = 256
"""What one matrix may generate (docs.github.com: Actions limits)."""
MOST_BYTES = 1 << 20
"""What the outputs of one job may hold, counted in UTF-16 (docs.github.com: job outputs)."""
_SHOWN = 3
_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """BUILD steps that one machine builds, those of the closure first."""

    steps: tuple[BuildStep, ...]

    @property
    def id(self) -> str:
        """``hnswlib-0.8.0``, after the first of its steps."""
        pin = self.steps[0].pin
        return _UNFIT.sub("_", f"{pin.name}-{pin.version}")

    @property
    def name(self) -> str:
        """Its packages, for people."""
        labels = [step.pin.label for step in self.steps]
        left = len(labels) - _SHOWN
        return ", ".join(labels[:_SHOWN]) + (f" and {left} more" if left > 0 else "")


def groups(plan: Plan, most: int = MOST_JOBS) -> tuple[Group, ...]:
    """Deal out the plan's builds, in its order: at most ``most`` groups."""
    tied = list(_tied(plan.builds))
    packed = [list[BuildStep]() for _ in tied[:most]]
    for place, steps in enumerate(tied):
        packed[place % most] += steps
    return tuple(Group(steps=tuple(steps)) for steps in packed)


def group(plan: Plan, step: str) -> Group:
    """The group with this id. Raises UsageError that lists the ids."""
    found = groups(plan)
    for one in found:
        if one.id == step:
            return one
    known = ", ".join(one.id for one in found)
    remedy = f"Its steps are {known}." if known else "It builds nothing."
    raise UsageError(f"the plan has no step {step!r}", remedy=remedy)


def restricted(plan: Plan, builds: Iterable[BuildStep]) -> Plan:
    """The plan with these of its BUILD steps and nothing else."""
    kept = tuple(builds)
    return replace(
        plan,
        steps=tuple(step for step in kept if step.purpose is Purpose.TARGET),
        build_requirements=tuple(step for step in kept if step.purpose is not Purpose.TARGET),
    )


def to_json(plan: Plan, target: Target) -> dict[str, object]:
    """Give the matrix that this module describes."""
    return {
        "include": [
            {
                "id": one.id,
                "name": one.name,
                "python": target.python_given,
                "target": target.platform,
                "packages": [
                    step.pin.label for step in sorted(one.steps, key=lambda step: step.pin.name)
                ],
            }
            for one in groups(plan)
        ]
    }


def line(plan: Plan, target: Target) -> str:
    """The matrix as one line of JSON. Raises UsageError when no job output can hold it."""
    text = json.dumps(to_json(plan, target), separators=(",", ":"))
    size = len(text.encode("utf-16-le"))
    if size > MOST_BYTES:
        raise UsageError(
            f"the matrix has {size} bytes, and a job's outputs may have {MOST_BYTES}",
            remedy="Split the requirements into several plans.",
        )
    return text


def _tied(builds: Sequence[BuildStep]) -> Iterator[list[BuildStep]]:
    """The builds in sets that install nothing of each other's, in the order of the plan."""
    leader: dict[PackageKey, PackageKey] = {_key(step): _key(step) for step in builds}

    def first(key: PackageKey) -> PackageKey:
        while leader[key] != key:
            key = leader[key]
        return key

    for step in builds:
        for need in step.environment:
            if need.file is None:
                leader[first((need.name, need.version))] = first(_key(step))
    for key in dict.fromkeys(first(_key(step)) for step in builds):
        yield [step for step in builds if first(_key(step)) == key]


def _key(step: BuildStep) -> PackageKey:
    return step.pin.name, step.pin.version
