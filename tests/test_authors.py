"""What of [tool.cibuildwheel] is obeyed: nothing that reaches out of the container."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crossbuild.building import authors
from crossbuild.errors import IntegrityError

OBEYED: dict[str, Any] = {
    "before-all": "make lib",
    "before-build": ["./configure", "make"],
    "build-verbosity": 1,
    "config-settings": {"editable_mode": "compat"},
    "environment": {"A": "$(pwd)"},
    "repair-wheel-command": "cp {wheel} {dest_dir}",
}
REACHING: dict[str, Any] = {
    "audit-command": "touch /tmp/on-the-host",
    "audit-requires": ["evil"],
    "container-engine": "docker; create_args: --volume /:/host",
    "dependency-versions": "file:/etc/shadow",
    "environment-pass": ["SECRET"],
    "manylinux-aarch64-image": "somebody/elses",
    "test-command": "pytest",
    "test-environment": {"A": "$(touch /tmp/on-the-host)"},
}


def test_what_happens_in_the_container_is_obeyed() -> None:
    found = authors.of({**OBEYED, "build": "cp3*", "skip": "pp*", "macos": {"archs": "arm64"}})
    assert found.table == OBEYED
    assert found.ignored == ()


@pytest.mark.parametrize("where", ["top", "linux", "override"])
def test_what_reaches_out_of_it_is_not(where: str) -> None:
    said: dict[str, Any] = {
        "top": REACHING,
        "linux": {"linux": REACHING},
        "override": {"overrides": [{"select": "*", **REACHING, "before-build": "make"}]},
    }[where]
    found = authors.of(said)
    assert (
        found.table
        == {
            "top": {},
            "linux": {"linux": {}},
            "override": {"overrides": [{"select": "*", "before-build": "make"}]},
        }[where]
    )
    assert found.ignored == tuple(sorted(REACHING))


def test_overrides_and_inheritance_stay_where_they_are_about_what_is_obeyed() -> None:
    inherit = {"environment": "append", "test-command": "append"}
    found = authors.of(
        {
            "linux": {"environment": "A=1", "inherit": inherit},
            "overrides": [
                {"select": "*musl*", "test-command": "true"},
                {"select": "cp3*", "environment": "B=2", "inherit": inherit},
            ],
        }
    )
    kept = {"environment": "append"}
    assert found.table == {
        "linux": {"environment": "A=1", "inherit": kept},
        "overrides": [{"select": "cp3*", "environment": "B=2", "inherit": kept}],
    }


@pytest.mark.parametrize(
    ("value", "obeyed"),
    [
        ("pip", True),
        ("build; args: --no-isolation", True),
        ({"name": "pip", "args": ["-v"]}, True),
        ("uv", False),
        ({"name": "build[uv]"}, False),
        ("default", False),
    ],
)
def test_the_frontend_is_one_that_the_image_has(value: object, obeyed: bool) -> None:
    found = authors.of({"build-frontend": value})
    assert found.table == ({"build-frontend": value} if obeyed else {})
    assert found.ignored == ()


def test_a_project_without_settings(tmp_path: Path) -> None:
    assert authors.wishes(tmp_path) == authors.Wishes(table={}, ignored=())
    (tmp_path / "pyproject.toml").write_text("[tool.other]\n")
    assert authors.wishes(tmp_path).table == {}


@pytest.mark.parametrize("text", ["[tool", "[tool]\ncibuildwheel = 1\n", "\xff"])
def test_a_project_that_cannot_be_read(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_bytes(text.encode("latin-1"))
    with pytest.raises(IntegrityError, match=tmp_path.name):
        authors.wishes(tmp_path)
