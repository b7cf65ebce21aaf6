"""The record of what was tried: written down as it happens, told briefly, read again."""

from __future__ import annotations

import datetime as dt
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from packaging.requirements import Requirement
from rich.console import Console

from crossbuild import document, ladder
from crossbuild.cli import tables
from crossbuild.cli.page import Page
from crossbuild.errors import BuildError
from crossbuild.ladder import Attempt, Climb, Rung
from crossbuild.model import Failure, VerifiedWheel, Wanted
from tests import answers

ERA = dt.datetime(2021, 10, 4, tzinfo=dt.timezone.utc)
NATIVE = Attempt(rung=Rung.NATIVE, image="bookworm-aarch64", seconds=3.14, error="no ffi.h")
MENDED = replace(NATIVE, added=("libffi-dev",), seconds=6.5, error="a.c:1:1: error: no")
EMULATED = replace(MENDED, rung=Rung.EMULATED, seconds=65.0)
EARLIER = replace(EMULATED, rung=Rung.NATIVE, seconds=12.0, era=ERA)
OLDER = replace(EARLIER, image="manylinux2014-aarch64", added=(), error=None)


def test_every_attempt_is_noted_with_its_end() -> None:
    climb = Climb()
    with (
        pytest.raises(BuildError),
        climb.trying(Rung.NATIVE, "bookworm-aarch64", ["libffi-dev"]),
    ):
        raise BuildError("demo 1.0 could not be built: no such thing")
    climb.era = ERA
    with climb.trying(Rung.EMULATED, "bookworm-aarch64", []):
        pass
    assert [replace(attempt, seconds=0) for attempt in climb.attempts] == [
        Attempt(
            rung=Rung.NATIVE,
            image="bookworm-aarch64",
            seconds=0,
            added=("libffi-dev",),
            error="no such thing",
        ),
        Attempt(rung=Rung.EMULATED, image="bookworm-aarch64", seconds=0, era=ERA),
    ]
    climb.useless("it holds no code")
    assert climb.attempts[-1].error == "it holds no code"


def test_an_attempt_that_was_broken_off_is_noted_too() -> None:
    climb = Climb()
    with pytest.raises(KeyboardInterrupt), climb.trying(Rung.NATIVE, "bookworm-aarch64", []):
        raise KeyboardInterrupt
    assert climb.attempts[0].error == "it was interrupted"


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        ([NATIVE], "native compiler 3.1s"),
        ([MENDED], "native compiler with libffi-dev added 6.5s"),
        (
            [NATIVE, MENDED, EMULATED],
            "native compiler 3.1s, with libffi-dev added 6.5s, emulated compiler 1m 05s",
        ),
        (
            [EMULATED, EARLIER, OLDER],
            (
                "emulated compiler with libffi-dev added 1m 05s, "
                "native compiler with the build requirements of 2021-10 12s, "
                "in manylinux2014-aarch64 12s"
            ),
        ),
        ([NATIVE, NATIVE], "native compiler 3.1s, native compiler 3.1s"),
    ],
)
def test_attempts_are_told_by_what_is_new_in_each(tried: list[Attempt], expected: str) -> None:
    assert ladder.told(tried) == expected


@pytest.mark.parametrize("attempt", [NATIVE, MENDED, EARLIER, OLDER])
def test_an_attempt_is_read_as_it_was_written(attempt: Attempt) -> None:
    assert ladder.from_json(json.loads(json.dumps(attempt.to_json()))) == attempt


def test_the_report_has_the_attempts_of_wheels_and_failures() -> None:
    wheels = list(answers.WHEELS)
    origin = replace(wheels[3].provenance, tried=(EMULATED, OLDER))
    wheels[3] = replace(wheels[3], provenance=origin)
    failure = replace(answers.FAILURE, tried=(NATIVE, EMULATED))
    result = answers.result(wheels=tuple(wheels), failures=(failure,))
    wanted = Wanted(requirements=(Requirement("netifaces"),))
    said: dict[str, Any] = document.report(result, wanted, answers.TARGET)
    assert said["packages"][3]["tried"] == [EMULATED.to_json(), OLDER.to_json()]
    assert said["packages"][0]["tried"] == []
    assert said["failures"][0]["tried"] == [NATIVE.to_json(), EMULATED.to_json()]


@pytest.mark.parametrize(
    ("tried", "expected"),
    [
        ([NATIVE, replace(MENDED, error=None)], "native compiler, 9.8s\n"),
        (
            [NATIVE, MENDED, replace(EMULATED, error=None)],
            "native compiler, 9.8s, after native compiler with libffi-dev added 6.5s\n",
        ),
        (
            [NATIVE, replace(NATIVE, error=None, adapted="its C is written anew")],
            "native compiler, 9.8s, its C is written anew, after native compiler 3.1s\n",
        ),
    ],
)
def test_a_wheel_tells_which_compilers_failed_before(
    tried: Sequence[Attempt], expected: str
) -> None:
    origin = replace(answers.WHEELS[3].provenance, tried=tuple(tried))
    assert expected in shown(replace(answers.WHEELS[3], provenance=origin))


def test_a_failure_tells_what_was_tried() -> None:
    failure = replace(answers.FAILURE, tried=(NATIVE, MENDED))
    assert "Tried: native compiler 3.1s, with libffi-dev added 6.5s." in shown(failure=failure)


def shown(*wheels: VerifiedWheel, failure: Failure | None = None) -> str:
    """What people see of a run's end."""
    console = Console(width=160, file=io.StringIO())
    result = answers.result(
        wheels=wheels or answers.WHEELS, failures=(failure,) if failure else ()
    )
    tables.result(Page(console=console), result, answers.TARGET)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
