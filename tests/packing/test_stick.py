"""A bundle in parts on a real FAT32 file system, and from there to another machine."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from crossbuild.packing.order import Form, Order
from tests.packing import wheelhouses

_PROGRAMS = ("mkfs.vfat", "mcopy", "mmd")
_PATH = "/usr/sbin:/sbin:/usr/bin:/bin"
_MISSING = [name for name in _PROGRAMS if shutil.which(name, path=_PATH) is None]
_SMALLEST = 34_000
"""KiB; FAT32 has 65525 clusters at least."""

pytestmark = pytest.mark.skipif(
    bool(_MISSING), reason=f"no {', '.join(_MISSING)} here: they are of dosfstools and mtools"
)


def run(*words: str | Path, directory: Path | None = None) -> str:
    done = subprocess.run(
        list(map(str, words)),
        capture_output=True,
        text=True,
        cwd=directory,
        env={"PATH": _PATH, "HOME": "/nonexistent"},
        check=True,
    )
    return done.stdout


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    image = tmp_path / "stick.img"
    run("mkfs.vfat", "-F", "32", "-C", image, str(_SMALLEST))
    return image


@pytest.mark.parametrize("form", [Form.TAR, Form.ZIP])
def test_there_and_back(stick: Path, tmp_path: Path, form: Form) -> None:
    wheelhouse = wheelhouses.wheelhouse(tmp_path)
    order = Order(wheelhouse=wheelhouse, form=form, output=tmp_path / "parts", split=30_000)
    made = wheelhouses.packed(order)
    run("mmd", "-i", stick, "::/parts")
    run("mcopy", "-i", stick, *sorted(made.output.iterdir()), "::/parts")
    there = tmp_path / "there"
    there.mkdir()
    run("mcopy", "-i", stick, "::/parts/*", there)
    assert sorted(path.name for path in there.iterdir()) == sorted(
        path.name for path in made.output.iterdir()
    )
    run(sys.executable, "join.py", directory=there)
    module = {Form.TAR: "tarfile", Form.ZIP: "zipfile"}[form]
    run(sys.executable, "-m", module, "-e", f"wheelhouse.{form.value}", ".", directory=there)
    run("sha256sum", "--strict", "-c", "SHA256SUMS", directory=there / "wheelhouse")
    site = tmp_path / "site"
    run(sys.executable, "-S", "install.py", "--target", site, directory=there / "wheelhouse")
    code = "import alpha, beta; print(alpha.__file__, alpha.VALUE, beta.VERSION)"
    said = run(
        sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(site)!r}); {code}"
    )
    assert said == f"{site}/alpha/__init__.py 1 2.0\n"


def test_a_part_lost_or_spoilt_on_the_stick_is_named(stick: Path, tmp_path: Path) -> None:
    order = Order(
        wheelhouse=wheelhouses.wheelhouse(tmp_path),
        form=Form.TAR,
        output=tmp_path / "parts",
        split=30_000,
    )
    made = wheelhouses.packed(order)
    spoilt = tmp_path / made.parts[1]
    spoilt.write_bytes(b"?" * 30_000)
    carried = [path for path in sorted(made.output.iterdir()) if path.name != made.parts[0]]
    run("mcopy", "-i", stick, *carried, "::/")
    run("mcopy", "-o", "-i", stick, spoilt, "::/")
    there = tmp_path / "there"
    there.mkdir()
    run("mcopy", "-i", stick, "::/*", there)
    done = subprocess.run(
        [sys.executable, "join.py"], cwd=there, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[:2] == [
        f"missing: {made.parts[0]}",
        f"damaged: {there / made.parts[1]}",
    ]
