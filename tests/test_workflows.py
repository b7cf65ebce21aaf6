"""The workflows: what they run exists, and what they use is pinned. zizmor reads the rest."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbuild.cli import arguments
from tests import workflow

FILES = sorted(
    str(path.relative_to(workflow.DIRECTORY)) for path in workflow.DIRECTORY.glob("*/**/*.yml")
)
PINNED = re.compile(r"uses: (\$/\S+|[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
STEPS = {("plan", "Plan"): "plan", ("build", "Build"): "build", ("merge", "Merge"): "merge"}


def found(value: Any, key: str) -> Iterator[Any]:
    """Every value under a key, however deep."""
    if isinstance(value, dict):
        for name, item in value.items():
            yield from [item] if name == key else found(item, key)
    elif isinstance(value, list):
        for item in value:
            yield from found(item, key)


def calls(script: str) -> Iterator[list[str]]:
    """The words of each crossbuild call in a script, without what it sends elsewhere."""
    for line in script.splitlines():
        words = shlex.split(line)
        if words[:1] == ["crossbuild"]:
            end = words.index(">") if ">" in words else len(words)
            yield [word for word in words[1:end] if "[@]" not in word]


def test_there_are_workflows() -> None:
    assert set(FILES) == {
        "actions/crossbuild/action.yml",
        "workflows/ci.yml",
        "workflows/corpus.yml",
        "workflows/example.yml",
        "workflows/release.yml",
        "workflows/wheelhouse.yml",
    }


@pytest.mark.parametrize("path", FILES)
def test_every_call_of_crossbuild_is_one_that_it_understands(path: str) -> None:
    for script in found(workflow.read(path), "run"):
        for words in calls(script) if isinstance(script, str) else ():
            values = [word.replace("$PYTHON", "3.11") for word in words]
            assert arguments.parse(values).command in {"plan", "build", "merge", "run", "setup"}


@pytest.mark.parametrize(("job", "name"), STEPS)
def test_each_job_does_its_piece(job: str, name: str) -> None:
    ((command, *_),) = list(calls(workflow.step(job, name)["run"]))
    assert command == STEPS[job, name]


@pytest.mark.parametrize("path", FILES)
def test_what_is_used_is_pinned_and_says_its_version(path: str) -> None:
    lines = (workflow.DIRECTORY / path).read_text(encoding="utf-8").splitlines()
    used = [line.strip().removeprefix("- ") for line in lines if re.match(r"[\s-]*uses:", line)]
    assert used
    assert [line for line in used if not PINNED.match(line)] == []
    local = [line[len("uses: $/") :] for line in used if line.startswith("uses: $/")]
    for place in local:
        there: Path = workflow.DIRECTORY.parent / place
        assert there.is_file() or (there / "action.yml").is_file()


@pytest.mark.parametrize("path", [path for path in FILES if path.startswith("workflows/")])
def test_a_workflow_may_read_and_no_more(path: str) -> None:
    document = workflow.read(path)
    assert document["permissions"] == {"contents": "read"}
    jobs = {name: job["permissions"] for name, job in document["jobs"].items()
            if "permissions" in job}  # fmt: skip
    expected = {"publish": {"id-token": "write"}} if path == "workflows/release.yml" else {}
    assert jobs == expected
