"""Modules that become one file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from crossbuild.assembly import assembled, minified

FIRST = '''"""First."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

LIMIT = 3  # with a comment


def one(value: "Any") -> int:
    """Docstring."""
    return LIMIT + len(sys.argv) * 0  # "not a text"
'''
LAST = '''"""What it is."""

from demo.first import (
    LIMIT,
    one,
)


class Two:
    """Docstring."""

    def ask(self) -> str:
        return "# no comment"


def answer() -> int:
    return one(0) * LIMIT
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in [name for name in sys.modules if name.partition(".")[0] == "demo"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    directory = tmp_path / "demo"
    directory.mkdir()
    for name, text in {"__init__": "", "first": FIRST, "last": LAST}.items():
        (directory / f"{name}.py").write_text(text)
    return directory


def test_one_after_the_other_they_mean_the_same(package: Path) -> None:
    text = assembled("demo.last")
    assert text.startswith('#!/usr/bin/env python3\n"""What it is."""\n\nimport sys\n')
    assert "demo" not in text
    assert "typing" not in text
    for program in (text, minified(text)):
        names: dict[str, object] = {}
        exec(compile(program, "demo", "exec"), names)
        answer, two = names["answer"], names["Two"]
        assert callable(answer)
        assert callable(two)
        assert (answer(), two().ask()) == (9, "# no comment")


def test_the_smaller_form_has_nothing_for_people(package: Path) -> None:
    text = minified(assembled("demo.last"))
    assert "Docstring" not in text
    assert "with a comment" not in text
    assert "\n return LIMIT" in text
    assert "\n\n" not in text


@pytest.mark.parametrize(
    ("modules", "says"),
    [
        ({"last": "from demo.first import f as g\n"}, "last: .* renames nothing"),
        ({"last": "import demo.first\n"}, "last: .* cannot be assembled"),
        ({"last": "def f():\n    from demo.first import one\n"}, "at the top"),
        (
            {"last": "from demo.first import one\nLIMIT = 1\n"},
            "LIMIT is defined in first and in l",
        ),
        ({"last": "from demo.first import one\ndef one(): pass\n"}, "one is defined in first and"),
        (
            {"last": "from demo.first import f\n", "first": "from demo.last import g\n"},
            "last imports itself, by way of last, first",
        ),
    ],
)
def test_what_cannot_be_put_together(package: Path, modules: dict[str, str], says: str) -> None:
    for name, text in modules.items():
        (package / f"{name}.py").write_text(text)
    with pytest.raises(ValueError, match=says):
        assembled("demo.last")
