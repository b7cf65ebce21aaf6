"""Wheels: file names, candidates, archives read to the last byte, modules to import."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import parse_tag
from packaging.version import Version

from crossbuild.errors import IntegrityError, StorageError
from crossbuild.model import File, Kind, Refusal
from crossbuild.target import Target
from crossbuild.wheels import elf, modules, wheel
from crossbuild.wheels.wheel import Rules
from tests import wheels
from tests.elves import shared_object

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
SHA256 = "a" * 64


def _file(filename: str = "own-1.0-py3-none-any.whl", **what: object) -> File:
    kind = Kind.WHEEL if filename.endswith(".whl") else Kind.SDIST
    values: dict[str, object] = {
        "filename": filename,
        "url": f"https://index.example/{filename}",
        "kind": kind,
        "sha256": SHA256,
    }
    return File(**{**values, **what})  # type: ignore[arg-type]


def test_file_names() -> None:
    named = wheel.parse_filename("Own_Package-1.0-2x-cp311-abi3-manylinux2014_aarch64.whl")
    assert (named.name, named.version, named.build) == ("own-package", Version("1.0"), (2, "x"))
    assert named.tags == parse_tag("cp311-abi3-manylinux2014_aarch64")


@pytest.mark.parametrize(
    "filename", ["own.whl", "own-1.0.whl", "own-one-py3-none-any.whl", "own-1.0-py3-none-any.zip"]
)
def test_names_that_no_wheel_has(filename: str) -> None:
    with pytest.raises(IntegrityError, match="is not named as a wheel has to be") as caught:
        wheel.parse_filename(filename)
    assert filename in str(caught.value)


@pytest.mark.parametrize(
    ("file", "rules", "refusal", "reason"),
    [
        (_file(), Rules(), None, ""),
        (_file("own-1.0.tar.gz"), Rules(), None, ""),
        (
            _file("own-1.0-cp312-cp312-manylinux2014_aarch64.whl"),
            Rules(),
            Refusal.PYTHON,
            "needs CPython 3.12, the target has 3.11",
        ),
        (
            _file("own-1.0-cp311-cp311-manylinux_2_34_aarch64.whl"),
            Rules(),
            Refusal.FLOOR,
            "needs glibc 2.34, the target has 2.17",
        ),
        (
            _file(requires_python=SpecifierSet(">=3.12")),
            Rules(),
            Refusal.PYTHON,
            "needs Python >=3.12, the target has 3.11",
        ),
        (_file(requires_python=SpecifierSet(">=3.8")), Rules(), None, ""),
        (_file(yanked=""), Rules(), Refusal.YANKED, "yanked"),
        (_file(yanked="leaks"), Rules(), Refusal.YANKED, "yanked: leaks"),
        (_file(yanked="leaks"), Rules(pinned=True), None, ""),
        (
            _file(),
            Rules(kinds=frozenset({Kind.SDIST})),
            Refusal.POLICY,
            "--no-binary forbids wheels",
        ),
        (
            _file("own-1.0.tar.gz"),
            Rules(kinds=frozenset({Kind.WHEEL})),
            Refusal.POLICY,
            "--only-binary wants wheels",
        ),
        (
            _file(),
            Rules(refused={"own-1.0-py3-none-any.whl": "holds x86_64 code"}),
            Refusal.UNSOUND,
            "holds x86_64 code",
        ),
        (
            _file(),
            Rules(refused={"https://index.example/own-1.0-py3-none-any.whl": "cut"}),
            Refusal.UNSOUND,
            "cut",
        ),
        (_file(sha256=None), Rules(), Refusal.NO_HASH, "the index gives no SHA-256 for it"),
        (_file(sha256=None), Rules(direct=True), None, ""),
        (_file(sha256=None, url="file:///wheels/own-1.0-py3-none-any.whl"), Rules(), None, ""),
    ],
)
def test_candidates(file: File, rules: Rules, refusal: Refusal | None, reason: str) -> None:
    verdict = wheel.candidate(file, TARGET, rules)
    assert (verdict.file, verdict.refusal, verdict.reason) == (file, refusal, reason)


def test_a_candidate_that_is_not_named_as_a_wheel() -> None:
    verdict = wheel.candidate(_file("own.whl"), TARGET)
    assert verdict.refusal is Refusal.TAG
    assert verdict.reason.startswith("own.whl is not named as a wheel has to be")


def test_reads_a_wheel(tmp_path: Path) -> None:
    code = shared_object(needed=["libc.so.6"])
    path = wheels.wheel(
        tmp_path,
        "Own.Package",
        "1.0",
        tag="cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64",
        requires=["other>=2; extra == 'fast'"],
        requires_python=">=3.8",
        extras=["fast"],
        files={"own/__init__.py": "", "own/_code.so": code, "own.libs/libx.so.1": code},
    )
    contents = wheel.read(path)
    assert (contents.name, contents.version) == ("own-package", Version("1.0"))
    assert contents.tags == contents.wheel_tags
    assert not contents.pure
    assert contents.requires_dist == (Requirement("other>=2; extra == 'fast'"),)
    assert contents.requires_python == SpecifierSet(">=3.8")
    assert contents.provides_extra == {"fast"}
    assert set(contents.elves) == {"own/_code.so", "own.libs/libx.so.1"}
    assert contents.elves["own/_code.so"].needed == ("libc.so.6",)
    assert contents.modules == ("own",) == wheel.importable(path)
    assert "own_package-1.0.dist-info/RECORD" in contents.members


def test_opens_a_member_to_read_at_any_place(tmp_path: Path) -> None:
    code = shared_object(exports=["PyInit_own"])
    path = wheels.wheel(tmp_path, "own", "1.0", files={"own.so": code})
    with wheel.member(path, "own.so") as stream:
        assert elf.defines(stream, "own.so", "PyInit_own")


def _rewritten(path: Path, changes: Mapping[str, bytes | None]) -> Path:
    """The wheel again with members replaced, added, or (None) left out; RECORD as it was."""
    with zipfile.ZipFile(path) as archive:
        members = {item.filename: archive.read(item) for item in archive.infolist()}
    kept = {**members, **changes}
    return wheels.write_zip(path, {name: data for name, data in kept.items() if data is not None})


INFO = "own-1.0.dist-info"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"own.py": b"VERSION = 'x.y'\n"}, "own.py has not the hash that RECORD gives"),
        ({"own.py": b""}, "own.py has 0 bytes, RECORD says 16"),
        ({"own.py": None}, "own.py is listed in RECORD and not in the archive"),
        ({"more.py": b""}, "more.py is not listed in RECORD"),
        ({f"{INFO}/RECORD": None}, f"has no {INFO}/RECORD"),
        ({f"{INFO}/WHEEL": None}, f"has no {INFO}/WHEEL"),
        ({f"{INFO}/METADATA": None}, f"has no {INFO}/METADATA"),
        ({f"{INFO}/RECORD": b"own.py,,\n"}, "own.py has no SHA-256 in RECORD but nothing"),
        ({f"{INFO}/RECORD": b"own.py,md5=abc,\n"}, "own.py has no SHA-256 in RECORD but md5"),
        ({f"{INFO}/RECORD": b"own.py\n"}, "row with 1 columns instead of 3"),
        ({f"{INFO}/RECORD": b"own.py,,many\n"}, "invalid literal"),
        ({f"{INFO}/METADATA": b"Name: own\n"}, "'version' is a required field"),
        (
            {f"{INFO}/METADATA": b"Metadata-Version: 2.1\nName: own\nVersion: one\n"},
            "'one' is invalid for 'version'",
        ),
        ({f"{INFO}/WHEEL": b"Tag: py3\n"}, "must have exactly three components"),
        ({"../own.py": b""}, "the member '../own.py' leaves the wheel"),
        ({"/own.py": b""}, "the member '/own.py' leaves the wheel"),
        ({"a\\..\\own.py": b""}, "leaves the wheel"),
        ({"other-2.0.dist-info/METADATA": b""}, "has 2 .dist-info directories instead of one"),
        ({"own.so": b"\x7fELF and no more"}, "own.so begins like ELF and is damaged"),
    ],
)
def test_wheels_that_are_not_what_they_say(
    tmp_path: Path, changes: Mapping[str, bytes | None], message: str
) -> None:
    path = _rewritten(wheels.wheel(tmp_path, "own", "1.0"), changes)
    with pytest.raises(IntegrityError) as caught:
        wheel.read(path)
    assert str(caught.value).startswith("own-1.0-py3-none-any.whl")
    assert message in str(caught.value)


def test_signatures_need_no_row(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0")
    _rewritten(path, {f"{INFO}/RECORD.jws": b"{}", f"{INFO}/RECORD.p7s": b""})
    assert f"{INFO}/RECORD.jws" in wheel.read(path).members


def test_two_members_of_one_name(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0")
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("own.py", "import evil\n")
    with pytest.raises(IntegrityError, match=r"two members are named 'own\.py'"):
        wheel.read(path)


@pytest.mark.parametrize("left", [0, 100, -30])
def test_a_cut_wheel(tmp_path: Path, left: int) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0")
    path.write_bytes(path.read_bytes()[:left])
    for reader in (wheel.read, wheel.importable):
        with pytest.raises(
            IntegrityError, match=r"own-1\.0-py3-none-any\.whl is damaged or no wheel"
        ):
            reader(path)


def test_damage_inside_a_member(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0", files={"own.py": "x = 1\n" * 1000})
    data = bytearray(path.read_bytes())
    data[40] ^= 0xFF
    path.write_bytes(data)
    with pytest.raises(IntegrityError, match=r"own-1\.0-py3-none-any\.whl"):
        wheel.read(path)


@pytest.mark.parametrize("name", ["METADATA", "WHEEL", "RECORD"])
def test_what_tells_of_a_wheel_is_not_read_at_any_length(tmp_path: Path, name: str) -> None:
    """Two hundred kilobytes of a wheel could fill two gigabytes of memory."""
    path = wheels.wheel(tmp_path, "own", "1.0")
    long = tmp_path / "long" / path.name
    long.parent.mkdir()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(long, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.infolist():
            if not item.filename.endswith(f"/{name}"):
                new.writestr(item, old.read(item))
        new.writestr(f"own-1.0.dist-info/{name}", bytes(33 << 20))
    with pytest.raises(IntegrityError, match=rf"^{path.name}: own-1.0.dist-info/{name} is absurd"):
        wheel.read(long)


def test_a_wheel_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="no such file"):
        wheel.read(tmp_path / "own-1.0-py3-none-any.whl")


def test_a_renamed_wheel_keeps_its_own_metadata(tmp_path: Path) -> None:
    path = wheels.wheel(tmp_path, "own", "1.0")
    other = tmp_path / "other-2.0-py3-none-any.whl"
    shutil.move(path, other)
    assert wheel.read(other).name == "own"


@pytest.mark.parametrize(
    ("members", "top_level", "expected"),
    [
        (["own.py"], (), ["own"]),
        (["own/__init__.py", "own/a.py", "own/b/__init__.py"], (), ["own"]),
        (["own.cpython-311-aarch64-linux-gnu.so"], (), ["own"]),
        (["own.abi3.so"], (), ["own"]),
        (["own/__init__.cpython-311-aarch64-linux-gnu.so"], (), ["own"]),
        (["_cffi_backend.so", "cffi/__init__.py"], (), ["cffi"]),
        (["_own.py"], (), ["_own"]),
        (["ns/one/__init__.py", "ns/two.py", "ns/one/x.py"], (), ["ns.one", "ns.two"]),
        (["google/_upb/_message.so", "google/protobuf/__init__.py"], (), ["google.protobuf"]),
        (["own/__init__.py", "tests/__init__.py"], (), ["own"]),
        (["own/__init__.py", "docs/conf.py"], (), ["own"]),
        (["tests/__init__.py"], (), ["tests"]),
        (["own/__init__.py", "more/__init__.py"], ("own",), ["own"]),
        (["own/__init__.py"], ("gone",), ["own"]),
        (["own-1.0.data/purelib/own/__init__.py"], (), ["own"]),
        (["own-1.0.data/scripts/run.py", "own-1.0.data/data/x.py"], (), []),
        (["own.libs/libx-01234567.so.1", "own-stubs/__init__.py"], (), []),
        (["own-1.0.dist-info/METADATA", "own.pth", "own/data.txt"], (), []),
        (["own/__init__.pyi", "own/py.typed"], (), []),
        (["own/__pycache__/x.cpython-311.pyc", "own/__init__.py"], (), ["own"]),
    ],
)
def test_modules_to_import(
    members: list[str], top_level: tuple[str, ...], expected: list[str]
) -> None:
    assert list(modules.importable(members, top_level)) == expected


def test_top_level_txt_is_read(tmp_path: Path) -> None:
    files = {"own.py": "", "more.py": "", f"{INFO}/top_level.txt": "own\n"}
    path = wheels.wheel(tmp_path, "own", "1.0", files=files)
    assert wheel.importable(path) == ("own",)
