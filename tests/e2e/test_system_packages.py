"""A package that needs a library of the system, built without anybody saying which."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossbuild.catalog import Role, image
from crossbuild.engine.images.roots import tree_key
from tests.e2e.conftest import Crossbuild

pytestmark = [pytest.mark.emulation, pytest.mark.network]

PSYCOPG2 = (
    *("psycopg2==2.9.10", "--recipes", "none"),
    *("--python", "3.9", "--target", "manylinux_2_28_aarch64"),
)


def report(output: Path) -> dict[str, object]:
    document = json.loads((output / "crossbuild-report.json").read_text())
    (package,) = document["packages"]
    assert isinstance(package, dict)
    return package


def test_what_a_build_lacks_is_added_and_grafted_and_not_looked_for_again(
    crossbuild: Crossbuild, cache: Path, tmp_path: Path
) -> None:
    clean = cache / "trees" / tree_key(image("bullseye-aarch64"), Role.TARGET)
    first = crossbuild(*PSYCOPG2, "--json")
    assert first.code == 0, first.stderr
    assert first.document["smoke"]["state"] == "passed"
    assert not list(clean.rglob("libpq*"))
    made = report(tmp_path / "wheelhouse")
    assert made["system_packages"] == [{"package": "libpq-dev", "lack": "pg_config"}]
    assert "libpq.so.5.13" in str(made["grafted"])

    second = crossbuild(*PSYCOPG2, "-o", "again", "--json")
    assert second.code == 0, second.stderr
    again = report(tmp_path / "again")
    assert (again["origin"], again["sha256"]) == ("built earlier", made["sha256"])
    assert again["system_packages"] == made["system_packages"]


def test_nothing_is_added_unasked(crossbuild: Crossbuild, tmp_path: Path) -> None:
    ran = crossbuild(*PSYCOPG2, "--no-auto-deps", "--json")
    assert ran.code == 8, ran.stderr
    assert "pg_config executable not found" in ran.stderr
    assert "added" not in ran.stderr
    assert not (tmp_path / "wheelhouse").exists()
