"""``crossbuild recipes`` and ``crossbuild recipe``: what is listed, and what can be read again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossbuild import recipes
from crossbuild.cli.main import main
from crossbuild.store import Store

Capture = pytest.CaptureFixture[str]


def listed(words: list[str], capsys: Capture) -> dict[str, str]:
    assert main(["recipes", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    return {item["name"]: item["why"] for item in document["recipes"]}


def test_which_recipes_a_run_would_use(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "lxml.toml").write_text("why = 'mine'")
    ours = listed([], capsys)
    assert {"psycopg2", "lxml"} <= ours.keys()
    mine = listed(["--recipes", str(tmp_path)], capsys)
    assert mine.keys() == ours.keys()
    assert mine["lxml"] == "mine"
    assert listed(["--recipes", "none"], capsys) == {}
    assert main(["recipes", "--recipes", str(tmp_path / "absent")]) == 2
    assert "--recipes takes a directory" in capsys.readouterr().err


def test_people_see_a_line_for_each(capsys: Capture) -> None:
    assert main(["recipes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("psycopg2") and "pg_config" in line for line in lines)


def test_a_recipe_is_written_from_what_a_build_was_given(tmp_path: Path, capsys: Capture) -> None:
    cache = ["--cache-dir", str(tmp_path)]
    assert main(["recipe", "Demo_One", *cache]) == 2
    assert "no build of demo-one was given anything" in capsys.readouterr().err
    added = [["libldap2-dev", "lber.h"], ["libsasl2-dev", "sasl/sasl.h"], ["libx-dev", "recipe"]]
    Store(tmp_path).put_record("given", "demo-one", {"added": added})
    assert main(["recipe", "Demo_One", *cache]) == 0
    path = tmp_path / "demo-one.toml"
    path.write_text(capsys.readouterr().out)
    (found,) = recipes.read_file(path)
    assert found.system == {"debian": ("libldap2-dev", "libsasl2-dev", "libx-dev")}
    assert found.why.startswith("Its build asks for lber.h and sasl/sasl.h, ")
