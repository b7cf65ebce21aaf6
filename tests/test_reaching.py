"""Libraries of a wheel's own that its files would not find: aarch64 code that zig makes here."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from crossbuild import repair
from crossbuild.wheels import wheel
from tests.test_repair import ENTRY, MODULE, Lab, packed, target

WHERE = f"pkg/{MODULE}"
OWN = f"int own(void); {ENTRY} {{ return own(); }}"


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """An image that has a library of the wheel's, too, and is not to be asked for it."""
    lab = Lab(root=tmp_path_factory.mktemp("image"))
    lab.library("libc.so.6", "int old(void){return 0;}", script="GLIBC_2.17 { global: old; };")
    lab.library("libbeside.so.1", "int beside(void){return 9;}")
    lab.library("libown.so.1", "int beside(void); int own(void){return beside();}",
                ["libbeside.so.1"])  # fmt: skip
    return lab


def files(image: Lab, directory: Path, *flags: str) -> dict[str, str | bytes]:
    """A module, and in a directory beside it its library with one that this needs."""
    place = image.root / "usr/lib/aarch64-linux-gnu"
    own = {f"pkg/lib/{name}": (place / name).read_bytes() for name in
           ("libown.so.1", "libbeside.so.1")}  # fmt: skip
    return {WHERE: image.compile(directory / MODULE, OWN, ["libown.so.1"], flags), **own}


def test_a_library_in_a_directory_beside_is_led_to(image: Lab, tmp_path: Path) -> None:
    built = packed(tmp_path, files(image, tmp_path))
    made = repair.repair(built, target(), image.image, tmp_path / "out")
    contents = wheel.read(made.path)
    assert made.grafted == ()
    assert contents.elves[WHERE].search == ("$ORIGIN/lib",)
    assert contents.elves["pkg/lib/libown.so.1"].search == ("$ORIGIN",)
    assert contents.elves["pkg/lib/libbeside.so.1"].search == ()
    again = repair.repair(built, target(), image.image, tmp_path / "again")
    assert again.sha256 == made.sha256


def test_of_two_the_nearer_one_is_taken(image: Lab, tmp_path: Path) -> None:
    inside = files(image, tmp_path)
    far = {name.replace("pkg/lib/", "other/"): data for name, data in inside.items()}
    inside |= {name: data for name, data in far.items() if name not in inside}
    made = repair.repair(packed(tmp_path, inside), target(), image.image, tmp_path / "out")
    assert wheel.read(made.path).elves[WHERE].search == ("$ORIGIN/lib",)


def test_who_finds_it_is_not_touched(image: Lab, tmp_path: Path) -> None:
    flags = ("-Wl,-rpath,$ORIGIN/lib",)
    inside = files(image, tmp_path, *flags)
    lone = image.compile(tmp_path / "lib.so", "int own(void){return 1;}")
    inside = {WHERE: inside[WHERE], "pkg/lib/libown.so.1": lone}
    made = repair.repair(packed(tmp_path, inside), target(), image.image, tmp_path / "out")
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read(WHERE) == inside[WHERE]


def test_what_every_machine_has_is_not_looked_for_in_the_wheel(image: Lab, tmp_path: Path) -> None:
    code = f"int old(void); {ENTRY} {{ return old(); }}"
    module = image.compile(tmp_path / MODULE, code, ["libc.so.6"])
    inside: dict[str, str | bytes] = {WHERE: module, "pkg/lib/libc.so.6": module}
    made = repair.repair(packed(tmp_path, inside), target(), image.image, tmp_path / "out")
    assert wheel.read(made.path).elves[WHERE].search == ()
