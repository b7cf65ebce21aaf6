"""A recipe at work: each of its fields arrives where it is meant for, and changes the key."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from crossbuild import build, recipes
from crossbuild.building import sources
from crossbuild.building.calling import HookError
from crossbuild.engine.base import Root
from crossbuild.ladder import Climb, Rung
from crossbuild.model import RawWheel
from crossbuild.recipe import Recipe
from tests.fakeengine import Outcome
from tests.test_build import FAILED, made, step
from tests.test_mending import CONFIG, Bench

PATCH = """\
--- a/setup.py
+++ b/setup.py
@@ -0,0 +1 @@
+PATCHED = True
"""
OK = Outcome(output="done\n")


def recipe(directory: Path, text: str, patch: str = PATCH) -> Recipe:
    (directory / "demo.patch").write_text(patch)
    path = directory / "demo.toml"
    path.write_text(f"why = 'It is a test.'\n{text}")
    (found,) = recipes.read_file(path)
    return found


def patches(patch: str = PATCH) -> str:
    sha256 = hashlib.sha256(patch.encode()).hexdigest()
    return f'patches = [{{file = "demo.patch", sha256 = "{sha256}"}}]'


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def built(bench: Bench, said: Recipe, *outcomes: Outcome, mends: bool = True) -> RawWheel:
    bench.engine.outcomes = list(outcomes)
    return build.build(
        replace(step(bench.archive), recipe=said),
        bench.archive,
        [],
        workshop=bench.workshop(mends=mends).known(bench.archive, said),
        output=bench.directory / "out",
        log=bench.directory / "demo.log",
        climb=Climb(),
    )


def roots(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The roots that sessions are opened in, from here on."""
    opened: list[str] = []
    session = bench.engine.session

    def noted(root: Root, **rest: Any) -> Any:
        opened.append(root.key)
        return session(root, **rest)

    monkeypatch.setattr(bench.engine, "session", noted)
    return opened


def test_variables_settings_and_the_command_before(bench: Bench, tmp_path: Path) -> None:
    said = recipe(
        tmp_path,
        'before-all = "./configure"\n'
        '[environment]\nA = "$CC $A"\nPATH = "/opt/x:$PATH"\n'
        '[config-settings]\none = "1"\nmany = ["a", "b"]\n',
    )
    (bench.directory / "work").mkdir()
    built(bench, said, OK, made(tmp_path / "wheels"))
    before, hook = bench.engine.asked
    assert before.argv == ("/bin/sh", "-ec", "./configure")
    assert before.cwd.endswith("/build/demo-1.0")
    assert before.env == hook.env
    assert (hook.env["A"], hook.env["PATH"].split(":")[0]) == ("cc $A", "/opt/x")
    assert hook.request["settings"] == {"one": "1", "many": ["a", "b"]}


def test_a_command_before_that_fails_is_told_with_its_last_line(
    bench: Bench, tmp_path: Path
) -> None:
    said = recipe(tmp_path, 'before-all = "./configure"\ncompilers = ["image"]')
    with pytest.raises(HookError, match="before-all of its recipe failed: no such thing"):
        built(bench, said, Outcome(output="checking\nno such thing\n", returncode=1))


def test_packages_are_there_before_the_first_attempt_and_without_a_mender(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = recipe(tmp_path, 'system.debian = ["libpq-dev"]')
    opened = roots(bench, monkeypatch)
    raw = built(bench, said, made(tmp_path / "wheels"), mends=False)
    assert [str(item) for item in raw.added] == ["libpq-dev (recipe)"]
    assert opened == ["bookworm-aarch64-build+libpq-dev"]


def test_what_a_build_lacks_besides_is_remembered_with_the_recipe(
    bench: Bench, tmp_path: Path
) -> None:
    said = recipe(tmp_path, 'system.debian = ["libfoo-dev"]')
    raw = built(bench, said, CONFIG, made(tmp_path / "wheels"))
    assert [str(item) for item in raw.added] == ["libfoo-dev (recipe)", "libpq-dev (pg_config)"]
    assert bench.workshop().known(bench.archive, said).added == raw.added
    assert bench.workshop().known(bench.archive).added == ()


@pytest.mark.parametrize(
    ("compilers", "rungs"), [("native", [Rung.NATIVE]), ("image", [Rung.EMULATED])]
)
def test_only_the_compilers_that_are_allowed_are_tried(
    bench: Bench, tmp_path: Path, compilers: str, rungs: list[Rung]
) -> None:
    said = recipe(tmp_path, f'compilers = ["{compilers}"]')
    with pytest.raises(HookError, match="no such thing"):
        built(bench, said, FAILED, made(tmp_path / "wheels"))
    assert bench.rungs == rungs


def test_a_patch_is_applied_to_what_is_unpacked(bench: Bench, tmp_path: Path) -> None:
    shop = bench.workshop().known(bench.archive, recipe(tmp_path, patches()))
    with shop.unpacked(bench.archive, "demo") as top:
        assert (top / "setup.py").read_text() == "PATCHED = True\n"
        patched = sources.epoch(top)
    with bench.workshop().unpacked(bench.archive, "demo") as top:
        assert (top / "setup.py").read_text() == ""
        assert patched == sources.epoch(top) + 2, "the hour of the build gets into no wheel"


def test_the_key_of_a_build_has_the_recipe_in_it(bench: Bench, tmp_path: Path) -> None:
    def key(said: Recipe | None) -> str:
        shop = bench.workshop().known(bench.archive, said)
        return build.key(step(bench.archive), [], shop)

    texts = ("", 'environment.A = "1"', patches(), 'system.debian = ["libpq-dev"]')
    keys = [key(None), *(key(recipe(tmp_path, text)) for text in texts)]
    assert len(set(keys)) == len(keys)
