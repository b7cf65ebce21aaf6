"""Requirements in, a proven wheelhouse out: real packages, real emulation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from packaging.utils import parse_wheel_filename

from crossbuild import verify
from crossbuild.target import Target
from tests.e2e.conftest import TARGET, Crossbuild

pytestmark = [pytest.mark.emulation, pytest.mark.network]

AWKWARD = ("hnswlib", "netifaces", "docopt")


def report(output: Path) -> dict[str, dict[str, object]]:
    document = json.loads((output / "crossbuild-report.json").read_text())
    return {package["name"]: package for package in document["packages"]}


def test_what_has_no_wheel_is_built_once_and_proven(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    options = ("--target", TARGET, "--python", "3.11")
    first = crossbuild(*AWKWARD, *options)
    assert first.code == 0, first.stderr
    output = tmp_path / "wheelhouse"
    tags = {
        path.name.split("-")[0]: {str(tag) for tag in parse_wheel_filename(path.name)[3]}
        for path in output.glob("*.whl")
    }
    platforms = ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
    native = {f"cp311-cp311-{platform}" for platform in platforms}
    assert tags["hnswlib"] == tags["netifaces"] == native
    assert "py3-none-any" in tags["docopt"]
    for path in output.glob("*.whl"):
        assert verify.findings(path, Target.parse(TARGET, "3.11")) == ()
    made = report(output)
    assert {made[name]["rung"] for name in ("hnswlib", "netifaces")} == {"native compiler"}
    before = {path.name: path.read_bytes() for path in output.glob("*.whl")}

    second = crossbuild(*AWKWARD, *options, "--json")
    assert second.code == 0, second.stderr
    assert {report(output)[name]["origin"] for name in AWKWARD} <= {"built earlier", "reused"}
    assert {path.name: path.read_bytes() for path in output.glob("*.whl")} == before
    assert second.document["smoke"]["state"] == "passed"


def test_the_closure_of_a_python_that_nobody_here_has(crossbuild: Crossbuild) -> None:
    ran = crossbuild("plan", "matplotlib", "--target", TARGET, "--python", "3.8", "--json")
    assert ran.code == 0, ran.stderr
    steps = {step["name"]: step["step"] for step in ran.document["packages"]}
    assert len(steps) == 14
    assert {"importlib-resources", "zipp"} <= set(steps)
    assert set(steps.values()) == {"fetch"}


def test_no_image_for_the_python_is_never_called_proven(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    ran = crossbuild("cycler", "--target", TARGET, "--python", "3.8", "--json")
    assert ran.code == 12, ran.stderr
    assert ran.document["smoke"]["state"] == "not run"
    assert "no image has CPython 3.8" in ran.document["smoke"]["reason"]
    assert list((tmp_path / "wheelhouse").glob("cycler-*.whl"))


def test_verify_proves_what_others_made(crossbuild: Crossbuild, tmp_path: Path) -> None:
    assert crossbuild("fetch", "cycler", "--target", TARGET, "--python", "3.11").code == 0
    sound = crossbuild("verify", "wheelhouse", "--target", TARGET, "--python", "3.11")
    assert sound.code == 0, sound.stderr
    (wheel,) = (tmp_path / "wheelhouse").glob("*.whl")
    wheel.write_bytes(wheel.read_bytes()[:-100])
    broken = crossbuild("verify", "wheelhouse", "--target", TARGET, "--python", "3.11")
    assert broken.code == 10
    assert wheel.name in broken.stdout + broken.stderr
