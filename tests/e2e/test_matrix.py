"""The lines of the workflow, each job in a clean directory: what one run makes, byte for byte."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import wheels, workflow
from tests.e2e.conftest import TARGET, Crossbuild

pytestmark = [pytest.mark.emulation, pytest.mark.network]

BUILT = ("hnswlib", "netifaces", "docopt")
FETCHED = ("cycler", "six", "idna", "packaging", "certifi")
PYTHON = "3.11"
HERE = ("--target", TARGET, "--python", PYTHON)
REPORT = "crossbuild-report.json"
SET_UP = ("root-bookworm-*", "toolchain-*", "zig-*")
"""What ``crossbuild setup --target`` leaves in the cache."""


@dataclass(frozen=True)
class Machine:
    """A directory and a cache of its own: root file systems and toolchain, and nothing else."""

    directory: Path
    cache: Path

    def run(self, job: str, name: str, values: Mapping[str, str]) -> Path:
        """Do a step of the workflow; the file that it wrote its outputs to."""
        outputs = self.directory / "outputs"
        step = workflow.step(job, name)
        env = {**workflow.environment(step, values), "GITHUB_OUTPUT": str(outputs)}
        self.call([*workflow.SHELL, step["run"]], env)
        return outputs

    def call(self, argv: list[str], env: Mapping[str, str]) -> None:
        own = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "CROSSBUILD_CACHE_DIR": str(self.cache),
            "XDG_CACHE_HOME": str(self.directory / "home"),
            "UV_CACHE_DIR": str(self.directory / "uv"),
            # No daemon answers: the lines choose the embedded engine by themselves.
            "DOCKER_HOST": f"unix://{self.directory}/no-daemon",
        }
        done = subprocess.run(
            argv,
            cwd=self.directory,
            env={**os.environ, **own, **env},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr


@pytest.fixture
def machines(crossbuild: Crossbuild, cache: Path, tmp_path: Path) -> Iterator[Machine]:
    """Machines that were set up alike and share nothing."""
    ready = crossbuild("setup", *HERE)
    assert ready.code == 0, ready.stderr

    def made() -> Iterator[Machine]:
        number = 0
        while True:
            number += 1
            directory = tmp_path / f"machine-{number}"
            trees = tmp_path / f"cache-{number}" / "trees"
            trees.mkdir(parents=True)
            directory.mkdir()
            for pattern in SET_UP:
                for tree in (cache / "trees").glob(pattern):
                    subprocess.run(["cp", "-al", str(tree), str(trees)], check=True)
            yield Machine(directory=directory, cache=trees.parent)

    return made()


def contents(wheelhouse: Path) -> dict[str, bytes]:
    """Every file but the report."""
    return {path.name: path.read_bytes() for path in wheelhouse.iterdir() if path.name != REPORT}


def timeless(value: Any) -> Any:
    """A report without what a clock said: no two runs have that in common."""
    if isinstance(value, dict):
        kept = {key: timeless(item) for key, item in value.items() if key != "seconds"}
        return {**kept, "phases": sorted(kept["phases"])} if "phases" in kept else kept
    return [timeless(item) for item in value] if isinstance(value, list) else value


def test_the_jobs_of_the_workflow_make_what_one_run_makes(
    machines: Iterator[Machine],
) -> None:
    requirements = "\n".join((*BUILT, *FETCHED))
    given = {"inputs.requirements": requirements, "inputs.target": TARGET, "inputs.python": PYTHON}
    planner, merger = next(machines), next(machines)
    said = planner.run("plan", "Plan", given).read_text(encoding="utf-8")
    matrix = json.loads(said.removeprefix("matrix="))
    assert [entry["packages"][0].split()[0] for entry in matrix["include"]] == sorted(BUILT)
    assert {(entry["target"], entry["python"]) for entry in matrix["include"]} == {
        (TARGET, PYTHON)
    }
    plan = planner.directory / "plan.json"
    for entry in matrix["include"]:
        builder = next(machines)
        shutil.copy(plan, builder.directory)
        builder.run("build", "Build", {"matrix.id": entry["id"]})
        part = merger.directory / "parts" / f"part-{TARGET}-py{PYTHON}-{entry['id']}"
        shutil.copytree(builder.directory / "part", part)
    shutil.copy(plan, merger.directory)
    merger.run("merge", "Merge", {})

    alone = next(machines)
    (alone.directory / "all.txt").write_text(requirements, encoding="utf-8")
    alone.call([sys.executable, "-m", "crossbuild", "-r", "all.txt", *HERE], {})

    merged, whole = (machine.directory / "wheelhouse" for machine in (merger, alone))
    assert contents(merged) == contents(whole)
    assert len(list(whole.glob("*.whl"))) >= len(BUILT) + len(FETCHED)
    reports = [json.loads((each / REPORT).read_bytes()) for each in (merged, whole)]
    assert timeless(reports[0]) == timeless(reports[1])
    assert reports[0]["smoke"]["state"] == "passed"
    assert {item["name"] for item in reports[0]["packages"] if item["origin"] == "built"} == set(
        BUILT
    )


def test_a_build_that_fails_is_red_and_the_rest_is_published(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    broken = wheels.write_tar(
        tmp_path / "broken-1.0.tar.gz",
        {
            "broken-1.0/PKG-INFO": wheels.metadata("broken", "1.0"),
            "broken-1.0/setup.py": (
                "import sys\nfrom setuptools import setup\n"
                "if 'bdist_wheel' in sys.argv: raise SystemExit('no luck today')\n"
                "setup(name='broken', version='1.0')\n"
            ),
        },
    )
    planned = crossbuild("plan", "docopt", str(broken), *HERE, "--matrix", "-o", "plan.json")
    assert planned.code == 0, planned.stderr
    assert "broken-1.0.tar.gz" in planned.stderr
    ids = [entry["id"] for entry in json.loads(planned.stdout)["include"]]
    assert ids == ["broken-1.0", "docopt-0.6.2"]
    codes = [crossbuild("build", "plan.json", "--step", i, "-o", f"parts/{i}").code for i in ids]
    assert codes == [8, 0]

    merged = crossbuild("merge", "plan.json", "parts", "--json")
    assert merged.code == 11, merged.stderr
    (failure,) = merged.document["failures"]
    assert failure["name"] == "broken"
    assert Path(failure["log"]).parent.name == "broken-1.0"
    assert "no luck today" in Path(failure["log"]).read_text(encoding="utf-8")
    assert [path.name for path in (tmp_path / "wheelhouse").glob("*.whl")] == [
        "docopt-0.6.2-py2.py3-none-any.whl"
    ]

    alone = crossbuild("merge", "plan.json", "parts/docopt-0.6.2", "-o", "other")
    assert alone.code == 2
    assert "no part has broken 1.0" in alone.complaint
    assert not (tmp_path / "other").exists()


def test_a_tool_that_has_to_be_built_is_built_where_it_is_used(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    links = tmp_path / "links"
    links.mkdir()
    setuptools = '[build-system]\nrequires = ["setuptools"{}]\n'
    script = "from setuptools import setup\n{}setup(name='{}', version='1.0', py_modules=['{}'])\n"
    for name, needs, first in (("tool", "", ""), ("user", ', "tool"', "import tool\n")):
        wheels.sdist(
            links,
            name,
            "1.0",
            pyproject=setuptools.format(needs),
            setup_py=script.format(first, name, name),
            files={f"{name}.py": f"NAME = '{name}'\n"},
        )
    find = ("--find-links", str(links))
    planned = crossbuild("plan", "user", *HERE, *find, "--matrix", "-o", "plan.json")
    assert planned.code == 0, planned.stderr
    (entry,) = json.loads(planned.stdout)["include"]
    assert entry["packages"] == ["tool 1.0", "user 1.0"]
    built = crossbuild("build", "plan.json", "--step", entry["id"])
    assert built.code == 0, built.stderr
    merged = crossbuild("merge", "plan.json", "part", "--json")
    assert merged.code == 0, merged.stderr
    assert [package["name"] for package in merged.document["packages"]] == ["user"]
    assert [tool["name"] for tool in merged.document["build_requirements"]] == ["tool"]


def test_the_action_makes_a_wheelhouse(machines: Iterator[Machine]) -> None:
    machine = next(machines)
    (step,) = [
        item
        for item in workflow.read("actions/crossbuild/action.yml")["runs"]["steps"]
        if item.get("name") == "Make the wheelhouse"
    ]
    values = {
        "inputs.requirements": "# for the test\ncycler\nsix",
        "inputs.target": TARGET,
        "inputs.python": PYTHON,
        "inputs.output": "out",
        "inputs.args": "--no-smoke --only-binary :all:",
    }
    machine.call([*workflow.SHELL, step["run"]], workflow.environment(step, values))
    assert (machine.directory / "out" / "requirements.txt").read_text(encoding="utf-8").count(
        "--hash=sha256:"
    ) == 2
