"""Awkward wheels, as pypa/installer's and pip's own tests have them: nothing leaves the site."""

from __future__ import annotations

import base64
import hashlib
import json
import stat
import subprocess
import sys
import warnings
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from crossbuild.installer.archive import Archive
from tests import houses

INFO = "odd-1.0.dist-info"
DATA = "odd-1.0.data"
WHEEL = "Wheel-Version: {}\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
REFUSED = "refused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Odd:
    """A wheel and what becomes of it: the files in the site, or the sentence that refuses it.

    ``pip``: whether pip installs it; None: that depends on its version. Where it does and we
    do not, ``installer`` refuses, or the public index does; crossbuild itself never puts such a
    wheel into a wheelhouse.
    """

    members: Mapping[str, str] = field(default_factory=dict)
    more: tuple[tuple[str, str], ...] = ()
    record: Callable[[str], str] = lambda text: text
    version: str = "1.0"
    modes: Mapping[str, int] = field(default_factory=dict)
    patch: Callable[[bytes], bytes] = lambda data: data
    without: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    refusal: str = ""
    pip: bool | None


def points(text: str) -> dict[str, str]:
    return {f"{INFO}/entry_points.txt": f"[console_scripts]\n{text}\n"}


def second_copy(data: bytes) -> bytes:
    """Let the second member be stored where the first is."""
    first = data.index(b"PK\x01\x02")
    second = data.index(b"PK\x01\x02", first + 4)
    return data[: second + 42] + data[first + 42 : first + 46] + data[second + 46 :]


def encrypted(data: bytes) -> bytes:
    at = data.index(b"PK\x01\x02")
    return data[: at + 8] + bytes([data[at + 8] | 1]) + data[at + 9 :]


def shorter(data: bytes) -> bytes:
    """Let the first member say that it is but a byte long."""
    at = data.index(b"PK\x01\x02")
    return data[: at + 24] + b"\x01\0\0\0" + data[at + 28 :]


TABLE = {
    "spaces": Odd(members={"odd/a b.txt": "x"}, files=("odd/a b.txt",), pip=True),
    "unicode": Odd(members={"odd/é麒麟.txt": "x"}, files=("odd/é麒麟.txt",), pip=True),
    "comma and quote": Odd(members={'odd/a,"b".txt': "x"}, files=('odd/a,"b".txt',), pip=True),
    "leading dots": Odd(members={"odd/..b": "x", ".c": "y"}, files=("odd/..b", ".c"), pip=True),
    "case": Odd(
        members={"odd/A.txt": "1", "odd/a.txt": "2"}, files=("odd/A.txt", "odd/a.txt"), pip=True
    ),
    "symbolic link": Odd(
        members={"odd/link": "/etc/passwd"},
        modes={"odd/link": stat.S_IFLNK | 0o777},
        files=("odd/link",),
        pip=True,
    ),
    "device": Odd(
        members={"odd/dev": "x"},
        modes={"odd/dev": stat.S_IFBLK | 0o666},
        files=("odd/dev",),
        pip=True,
    ),
    "setuid": Odd(
        members={"odd/su": "x"},
        modes={"odd/su": stat.S_IFREG | 0o6755},
        files=("odd/su",),
        pip=True,
    ),
    "minor version": Odd(version="1.9", members={"odd.py": ""}, files=("odd.py",), pip=True),
    "CRLF": Odd(
        record=lambda text: text.replace("\n", "\r\n"),
        members={"odd.py": ""},
        files=("odd.py",),
        pip=True,
    ),
    "directories": Odd(members={"odd/": "", "odd/x": "1"}, files=("odd/x",), pip=True),
    "major version": Odd(version="2.0", refusal="is of version 2.0; 1 is known", pip=False),
    "no RECORD": Odd(without=("RECORD",), refusal="has no odd-1.0.dist-info/RECORD", pip=False),
    "no METADATA": Odd(
        without=("METADATA",), refusal="has no odd-1.0.dist-info/METADATA", pip=False
    ),
    "no WHEEL": Odd(without=("WHEEL",), refusal="has no odd-1.0.dist-info/WHEEL", pip=False),
    "two dist-infos": Odd(
        members={"more-1.0.dist-info/METADATA": ""},
        refusal="has 2 .dist-info directories",
        pip=False,
    ),
    "absolute": Odd(members={"{tmp}/evil": "x"}, refusal="leaves the wheel", pip=False),
    "dot dot": Odd(members={"../evil": "x"}, refusal="leaves the wheel", pip=False),
    "dot dot inside": Odd(members={"odd/../../evil": "x"}, refusal="leaves the wheel", pip=False),
    "dot dot in data": Odd(
        members={f"{DATA}/data/../../../../../../evil": "x"}, refusal="leaves the wheel", pip=False
    ),
    "odd data": Odd(
        members={f"{DATA}/etc/x": "x"}, refusal="the directories in .data are", pip=False
    ),
    "bare data": Odd(
        members={f"{DATA}/x": "x"}, refusal="the directories in .data are", pip=False
    ),
    "no function": Odd(
        members=points("odd = odd"), refusal="names no function to call", pip=False
    ),
    "script elsewhere": Odd(
        members=points("../../evil = odd:main"), refusal="which is no file's name", pip=None
    ),
    "backslash": Odd(members={"odd\\..\\evil": "x"}, refusal="leaves the wheel", pip=True),
    "twice": Odd(
        members={"odd.py": "1"}, more=(("odd.py", "2"),), refusal="two members are named", pip=True
    ),
    "wrong hash": Odd(
        members={"odd.py": "1"},
        record=lambda text: text.replace("odd.py,sha256=", "odd.py,sha256=x"),
        refusal="has not the hash that RECORD gives",
        pip=True,
    ),
    "weak hash": Odd(
        members={"odd.py": "1"},
        record=lambda text: text.replace("odd.py,sha256=", "odd.py,md5="),
        refusal="has no strong hash",
        pip=True,
    ),
    "unlisted": Odd(
        more=(("odd.py", "1"),), refusal="holds 'odd.py', which its RECORD does not list", pip=True
    ),
    "lost": Odd(
        record=lambda text: text + "odd.py,sha256=x,1\n", refusal="lacks 'odd.py'", pip=True
    ),
    "file and directory": Odd(
        members={"odd": "x", "odd/x": "1"}, refusal="has a file and a directory at", pip=False
    ),
    "overlap": Odd(members={"a": "1" * 99}, patch=second_copy, refusal="is damaged", pip=False),
    "encrypted": Odd(members={"a": "1" * 99}, patch=encrypted, refusal="is encrypted", pip=False),
    "longer than it says": Odd(
        members={"a": "1" * 99}, patch=shorter, refusal="is longer than it says", pip=False
    ),
    "cut off": Odd(patch=lambda data: data[:-9], refusal="has no end of a zip archive", pip=False),
    "no archive": Odd(patch=lambda data: b"not a zip", refusal="has no end of a zip", pip=False),
}


def made(odd: Odd, directory: Path, tmp: Path) -> Path:
    members = {
        **{name.format(tmp=tmp): text for name, text in odd.members.items()},
        f"{INFO}/METADATA": "Metadata-Version: 2.1\nName: odd\nVersion: 1.0\n",
        f"{INFO}/WHEEL": WHEEL.format(odd.version),
    }
    record = f"{INFO}/RECORD"
    rows = [row(name, text) for name, text in members.items() if not name.endswith("/")]
    members[record] = odd.record("\n".join([*rows, f"{record},,"]) + "\n")
    for name in odd.without:
        del members[f"{INFO}/{name}"]
    path = directory / "odd-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            item = zipfile.ZipInfo(name)
            item.external_attr = odd.modes.get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(item, text)
        for name, text in odd.more:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's: a name twice
                archive.writestr(zipfile.ZipInfo(name), text)
    path.write_bytes(odd.patch(path.read_bytes()))
    return path


def row(name: str, text: str) -> str:
    digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    quoted = '"' + name.replace('"', '""') + '"' if '"' in name or "," in name else name
    return f"{quoted},sha256={digest},{len(text.encode())}"


@pytest.mark.parametrize("name", TABLE)
def test_an_awkward_wheel(tmp_path: Path, name: str) -> None:
    odd = TABLE[name]
    place, site = tmp_path / "wheelhouse", tmp_path / "outer" / "site"
    place.mkdir()
    site.mkdir(parents=True)
    (site / "own.txt").write_text("was here")
    made(odd, place, tmp_path)
    houses.house(place)
    before = houses.snapshot(tmp_path)
    done = houses.install(place, "--target", site, flags=("-S", "-I"))
    after = houses.snapshot(tmp_path)
    if odd.refusal:
        code = 10 if odd.version == "2.0" else 5
        assert (done.code, odd.refusal in done.error) == (code, True), done
        assert done.error.count("\n") == 1
        assert after == before
        return
    assert (done.code, done.error) == (0, "")
    new = {Path(path).relative_to(site).as_posix() for path in after.keys() - before.keys()}
    assert set(odd.files) <= new
    for file in odd.files:
        told = odd.members[file].encode()
        mode = 0o755 if odd.modes.get(file, 0) & 0o170111 == 0o100111 else 0o644
        assert after[str(site / file)] == (mode, told)
    assert {path: after[path] for path in before if path != str(site)} == {
        path: before[path] for path in before if path != str(site)
    }


def test_pip_does_with_them_what_the_table_says(tmp_path: Path) -> None:
    paths = {}
    for number, (name, odd) in enumerate(TABLE.items()):
        directory = tmp_path / str(number)
        directory.mkdir()
        paths[name] = str(made(odd, directory, tmp_path))
    driver = """
import json, sys
from pip._internal.cli.main import main
paths, answer = json.loads(sys.argv[1]), {}
flags = ["install", "-q", "-q", "-q", "--no-index", "--no-deps", "--no-compile", "--root"]
for number, (name, path) in enumerate(paths.items()):
    answer[name] = main([*flags, f"{sys.argv[2]}/{number}", "--ignore-installed", path]) == 0
open(sys.argv[3], "w").write(json.dumps(answer))
"""
    told = tmp_path / "told.json"
    argv = [sys.executable, "-c", driver, json.dumps(paths), str(tmp_path / "roots"), str(told)]
    subprocess.run(argv, check=True, capture_output=True)
    sure = {name: odd.pip for name, odd in TABLE.items() if odd.pip is not None}
    answers = json.loads(told.read_text())
    assert {name: answers[name] for name in sure} == sure


def test_seventy_thousand_members_are_read(tmp_path: Path) -> None:
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(70_000):
            archive.writestr(zipfile.ZipInfo(f"many/{number}"), b"")
    with path.open("rb") as file:
        found = Archive(file, "many.zip")
        assert len(found.members) == 70_000
        assert list(found.chunks("many/69999")) == []


def test_what_stands_before_an_archive_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "program.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x", b"content" * 1000)
    path.write_bytes(b"#!/bin/sh\n" + path.read_bytes())
    with path.open("rb") as file:
        assert Archive(file, "program.zip").whole("x") == b"content" * 1000
