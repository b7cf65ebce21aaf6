"""Wheels repacked without compression: the same members, new hashes everywhere."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.pylock import Pylock

from crossbuild.disk import hash_of
from crossbuild.errors import IntegrityError
from crossbuild.packing import cargo
from crossbuild.packing.order import Form, Order
from crossbuild.wheels import wheel
from tests import wheels
from tests.packing import wheelhouses

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture
def made(tmp_path: Path) -> tuple[Path, Path]:
    """A wheelhouse, and the directory that it is when stored."""
    script = wheels.wheel(
        tmp_path,
        "gamma",
        "3.0",
        files={"gamma.py": "x = 1\n" * 999, "gamma-3.0.data/scripts/g": ""},
    )
    wheelhouse = wheelhouses.wheelhouse(tmp_path, script)
    order = Order(
        wheelhouse=wheelhouse, form=Form.DIRECTORY, output=tmp_path / "stored", stored=True
    )
    return wheelhouse, wheelhouses.packed(order).output


def test_members_are_as_they_were_and_stored(made: tuple[Path, Path]) -> None:
    before, after = made
    names = sorted(path.name for path in before.iterdir())
    assert sorted(path.name for path in after.iterdir()) == names
    for path in before.glob("*.whl"):
        with zipfile.ZipFile(path) as old, zipfile.ZipFile(after / path.name) as new:
            assert any(item.compress_type != zipfile.ZIP_STORED for item in old.infolist())
            for one, other in zip(old.infolist(), new.infolist(), strict=True):
                assert other.compress_type == zipfile.ZIP_STORED
                assert (one.filename, one.date_time) == (other.filename, other.date_time)
                assert one.external_attr == other.external_attr
                assert old.read(one) == new.read(other)
        assert wheel.read(after / path.name).members  # holds every byte against RECORD


def test_every_list_has_the_new_hashes(made: tuple[Path, Path], tmp_path: Path) -> None:
    _, after = made
    load = cargo.read(after)
    assert {item.name for item in load.wheels} == {path.name for path in after.glob("*.whl")}
    lock = Pylock.from_dict(tomllib.loads((after / "pylock.toml").read_text(encoding="utf-8")))
    for package in lock.packages:
        (locked,) = package.wheels or ()
        path = after / (locked.name or "")
        assert (locked.hashes["sha256"], locked.size) == (hash_of(path), path.stat().st_size)
    report = json.loads((after / "crossbuild-report.json").read_bytes())
    for package in report["packages"]:
        path = after / package["file"]
        assert (package["sha256"], package["size"]) == (hash_of(path), path.stat().st_size)
    words = "-m pip install --no-index --find-links . --require-hashes -r requirements.txt"
    done = subprocess.run(
        [sys.executable, *words.split(), "--target", str(tmp_path / "site")],
        cwd=after,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("form", [Form.TAR, Form.ZIP])
def test_it_is_the_same_each_time(made: tuple[Path, Path], tmp_path: Path, form: Form) -> None:
    wheelhouse, _ = made
    hashes = {
        wheelhouses.packed(
            Order(wheelhouse=wheelhouse, form=form, output=tmp_path / name, stored=True)
        ).sha256
        for name in ("one", "two")
    }
    assert len(hashes) == 1


def test_a_wheel_that_is_no_zip_is_named(tmp_path: Path) -> None:
    odd = tmp_path / "odd-1.0-py3-none-any.whl"
    odd.write_bytes(b"no zip")
    order = Order(
        wheelhouse=wheelhouses.wheelhouse(tmp_path, odd),
        form=Form.TAR,
        output=tmp_path / "out",
        stored=True,
    )
    with pytest.raises(IntegrityError, match="odd"):
        wheelhouses.packed(order)
