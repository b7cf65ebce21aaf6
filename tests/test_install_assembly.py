"""install.py is one file: what goes into it, and what it refuses to be made of."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from crossbuild.installer import assembly
from tests import houses, pythons, wheels


def test_it_imports_nothing_of_ours_and_is_the_same_each_time() -> None:
    text = assembly.script()
    imported = {
        name
        for node in ast.walk(ast.parse(text, feature_version=(3, 6)))
        for name in (
            [item.name for item in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert {"os", "sys", "re"} <= imported
    assert not {name for name in imported if name.startswith("crossbuild")}
    assembly.script.cache_clear()
    assert assembly.script() == text


def test_at_its_top_it_imports_only_what_every_python_has() -> None:
    body = ast.parse(assembly.script()).body
    top = {item.name for node in body if isinstance(node, ast.Import) for item in node.names}
    assert top == {"errno", "os", "re", "sys"}
    assert not [node for node in body if isinstance(node, ast.ImportFrom)]


@pytest.mark.parametrize("version", pythons.each())
def test_every_python_runs_it_without_site_packages(tmp_path: Path, version: str) -> None:
    wheels.wheel(tmp_path, "plain", "1.0")
    houses.house(tmp_path)
    python = pythons.interpreter(version)
    assert python is not None
    site = tmp_path / "site"
    done = houses.install(tmp_path, "--target", site, python=python, flags=("-S", "-I"))
    assert (done.code, done.error) == (0, "")
    assert "Installed plain 1.0" in done.said
    assert (site / "plain.py").read_text() == "VERSION = '1.0'\n"


def test_it_runs_through_a_pipe_and_inside_another_program(tmp_path: Path) -> None:
    wheels.wheel(tmp_path, "plain", "1.0")
    houses.house(tmp_path)
    text = (tmp_path / "install.py").read_text()
    argv = [sys.executable, "-", "--target", str(tmp_path / "piped")]
    done = subprocess.run(argv, input=text.encode(), cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert (tmp_path / "piped" / "plain.py").is_file()
    space: dict[str, object] = {}
    exec(compile(text, "install.py", "exec"), space)
    main = space["main"]
    assert callable(main)
    assert main(["--target", str(tmp_path / "inside")], str(tmp_path)) == 0
    assert (tmp_path / "inside" / "plain.py").is_file()
    assert main(["--nonsense"], str(tmp_path)) == 2
