"""What the proof says of each way it can end, on a session whose answers are told beforehand."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from crossbuild import catalog, smoke, smoke_driver
from crossbuild.catalog import Image, Role
from crossbuild.engine.base import ExecResult, Limits, Root, Stop, Tree
from crossbuild.errors import VerificationError
from crossbuild.proof import SmokeResult, SmokeState
from crossbuild.report import Silent
from crossbuild.target import Target

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
IMAGE = catalog.image("bookworm-aarch64")
(PYTHON,) = IMAGE.interpreters
FINE = ExecResult(returncode=0, signal=None, output="", seconds=1.0)
ROW = {"distribution": "zipp", "module": "zipp", "error": None, "seconds": 0.5}


class Scripted:
    """An engine and its session: one answer per command, and what the driver reports."""

    name = "scripted"

    def __init__(self, answers: Sequence[ExecResult], rows: Sequence[Mapping[str, Any]]) -> None:
        self.answers = list(answers)
        self.rows = rows
        self.commands: list[tuple[str, ...]] = []

    def check(self, image: Image) -> None:
        raise NotImplementedError(image)

    def prepare(self, image: Image, role: Role) -> Root:
        raise NotImplementedError(image, role)

    @contextmanager
    def session(self, *_: object, **__: object) -> Iterator[Scripted]:
        yield self

    def run(self, argv: Sequence[str], **_: object) -> ExecResult:
        self.commands.append(tuple(argv))
        return self.answers.pop(0) if self.answers else FINE

    def put(self, source: Path, destination: str) -> None:
        assert source.is_file(), destination

    def get(self, source: str, destination: Path) -> None:
        assert source.endswith(".json")
        destination.write_text(json.dumps(self.rows))


def prove(answers: Sequence[ExecResult], rows: Sequence[Mapping[str, Any]]) -> SmokeResult:
    engine = Scripted(answers, rows)
    nowhere = Path("/nowhere")
    return smoke.smoke(
        nowhere,
        smoke.Proof(modules={canonicalize_name("zipp"): ("zipp",)}),
        TARGET,
        engine=engine,
        root=Root(image=IMAGE, role=Role.TARGET, key="k", path=nowhere),
        python=PYTHON,
        pip=Tree(key="pip", path=nowhere),
        limits=Limits(),
        reporter=Silent(),
    )


def failing(output: str, stopped: Stop | None = None) -> ExecResult:
    return ExecResult(returncode=1, signal=None, output=output, seconds=1.0, stopped=stopped)


def test_everything_fine_is_a_pass_with_its_imports() -> None:
    result = prove([], [ROW])
    assert result.state is SmokeState.PASSED
    assert [item.module for item in result.imports] == ["zipp"]


@pytest.mark.parametrize(
    ("answers", "rows", "says"),
    [
        ([failing("No module named venv")], [], "virtual environment"),
        ([FINE, failing("x\nERROR: THESE PACKAGES DO NOT MATCH\n")], [], "ERROR: THESE PACKAGES"),
        ([FINE, failing("", Stop.WALL)], [], "wall time"),
        ([FINE, FINE, failing("zipp 1 requires nope")], [], "zipp 1 requires nope"),
        ([], [{**ROW, "error": "Traceback\nImportError: libz.so.1"}], "ImportError: libz.so.1"),
    ],
)
def test_each_failure_says_why_in_the_words_of_who_failed(
    answers: Sequence[ExecResult], rows: Sequence[Mapping[str, Any]], says: str
) -> None:
    result = prove(answers, rows)
    assert result.state is SmokeState.FAILED
    assert says in result.reason


def test_a_driver_that_dies_is_no_pass() -> None:
    with pytest.raises(VerificationError, match="ended early"):
        prove([FINE, FINE, FINE, failing("Killed")], [])


def test_pip_must_check_hashes_and_stay_offline() -> None:
    engine = Scripted([], [ROW])
    install = smoke._install(engine, PYTHON, "requirements.txt")
    assert install == ""
    (command,) = [words for words in engine.commands if "install" in words]
    assert {"--no-index", "--require-hashes"} <= set(command)


def test_not_run_is_never_passed_and_names_what_is_missing() -> None:
    result = smoke.not_run(Target.parse("manylinux2014_aarch64", "3.8"))
    assert result.state is SmokeState.NOT_RUN
    assert result.reason == "no image has CPython 3.8 and glibc 2.17 or newer for aarch64"
    assert "docker export" in result.remedy
    assert "crossbuild images import" in result.remedy


def test_the_driver_reports_each_module_by_itself(tmp_path: Path) -> None:
    pairs = json.dumps([["a", "json"], ["b", "no_such_module"]])
    results = tmp_path / "results.json"
    argv = [sys.executable, smoke_driver.__file__, pairs, str(results)]
    subprocess.run(argv, check=True)
    fine, broken = json.loads(results.read_text())
    assert fine["error"] is None
    assert "ModuleNotFoundError: No module named 'no_such_module'" in broken["error"]
