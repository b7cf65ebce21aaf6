"""A recipe with all that one can say, on a package that cannot be built without it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests import wheels
from tests.e2e.conftest import TARGET, Crossbuild
from tests.test_recipe_building import patches, recipe

pytestmark = [pytest.mark.emulation, pytest.mark.network]

BACKEND = """\
import os
import tomli
from flit_core.buildapi import build_wheel as _build, prepare_metadata_for_build_wheel


def build_wheel(directory, settings=None, metadata=None):
    facts = [os.environ["DEMO"], settings, open("made").read(), tomli.__name__]
    with open("demo/__init__.py", "a") as module:
        module.write(f"FACTS = {facts!r}\\n")
    return _build(directory, None, metadata)
"""
PYPROJECT = """\
[build-system]
requires = ["flit_core"]
build-backend = "backend"
backend-path = ["."]

[project]
name = "demo"
version = "1.0"
description = "a test"
"""
PATCH = """\
--- a/demo/__init__.py
+++ b/demo/__init__.py
@@ -1 +1 @@
-'A broken demo.'
+'A mended demo.'
"""
RECIPE = """\
build-requires = ["tomli"]
build-constraints = ["flit_core<3.9", "tomli<2"]
before-all = "printf 'made before' > made"
test-imports = ["demo"]
test-command = "python -c 'import demo as d; assert (d.FACTS, d.__doc__[2]) == (TOLD, M)'"
environment.DEMO = "seen"
config-settings.key = "value"
"""


def test_everything_at_once_in_the_target(crossbuild: Crossbuild, tmp_path: Path) -> None:
    root = "demo-1.0"
    archive = wheels.write_tar(
        tmp_path / "demo-1.0.tar.gz",
        {
            f"{root}/pyproject.toml": PYPROJECT,
            f"{root}/backend.py": BACKEND,
            f"{root}/demo/__init__.py": "'A broken demo.'\n",
            f"{root}/PKG-INFO": wheels.metadata("demo", "1.0"),
        },
    )
    own = tmp_path / "own"
    own.mkdir()
    told = repr(["seen", {"key": "value"}, "made before", "tomli"]).replace("'", '\\"')
    said = RECIPE.replace("TOLD", told).replace("M)", '\\"m\\")')
    recipe(own, said + patches(PATCH), PATCH)
    words = (str(archive), "--target", TARGET, "--python", "3.11")
    mine = ("--recipes", str(own))

    ran = crossbuild(*words, *mine, "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["smoke"]["state"] == "passed"
    assert crossbuild("plan", *words, *mine, "-o", "plan.json").code == 0
    (package,) = json.loads((tmp_path / "plan.json").read_text())["packages"]
    chosen = {item["name"]: item["version"] for item in package["build"]["environment"]}
    assert chosen["flit-core"] < "3.9"
    assert chosen["tomli"] < "2"
    assert crossbuild("build", "plan.json").code == 0
    assert crossbuild("merge", "plan.json", "part", "-o", "merged").code == 0
    names = ("SHA256SUMS", "requirements.txt")
    for name in names:
        assert (tmp_path / "merged" / name).read_bytes() == (
            tmp_path / "wheelhouse" / name
        ).read_bytes()

    without = crossbuild(*words, "--recipes", "none")
    assert without.code == 8
    assert "DEMO" in without.stderr or "tomli" in without.stderr


def test_a_module_that_nobody_else_can_import_is_left_to_the_command(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    """As uwsgidecorators, which only uWSGI's own server can import."""
    archive = wheels.write_tar(
        tmp_path / "demo-1.0.tar.gz",
        {
            "demo-1.0/setup.py": "from setuptools import setup\nsetup(name='demo', version='1.0',"
            " py_modules=['demo'])\n",
            "demo-1.0/demo.py": "import server_of_demo\n",
            "demo-1.0/PKG-INFO": wheels.metadata("demo", "1.0"),
        },
    )
    own = tmp_path / "own"
    own.mkdir()
    recipe(own, "test-imports = []\ntest-command = 'python -c pass'\n")
    words = (str(archive), "--target", TARGET, "--python", "3.11", "--json")
    ran = crossbuild(*words, "--recipes", str(own))
    assert ran.code == 0, ran.stderr
    assert (ran.document["smoke"]["state"], ran.document["smoke"]["imports"]) == ("passed", [])
    without = crossbuild(*words, "--recipes", "none")
    assert "No module named 'server_of_demo'" in without.document["smoke"]["reason"]
