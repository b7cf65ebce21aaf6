"""The script of ``crossbuild probe``: what it tells, on each Python of this host, poor or not."""

from __future__ import annotations

import json
import os
import platform
import struct
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.tags import compatible_tags, cpython_tags

from crossbuild.target import Target
from crossbuild.targets import probe
from tests import pythons

SCRIPT = probe.script()
GLIBC = platform.libc_ver()[1]

NOT_ASKED = "LookupError: PIP_NO_INDEX says that none is to be asked"

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or platform.libc_ver()[0] != "glibc",
    reason="the answers expected are those of a Linux with glibc",
)


def told(python: str, *prelude: str, args: tuple[str, ...] = ()) -> dict[str, Any]:
    """What the script tells, after ``prelude`` made its Python poorer; it asks no index."""
    program = "\n".join([*prelude, f"exec(compile({SCRIPT!r}, 'probe', 'exec'))"])
    done = subprocess.run(
        [python, "-c", program, *args],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PIP_NO_INDEX": "1"},
    )
    assert done.stderr == ""
    answer: dict[str, Any] = json.loads(done.stdout) if not args else {}
    return answer


@pytest.mark.parametrize("version", pythons.each())
def test_tags_are_those_of_packaging(version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    answer = told(python)
    minor = int(version.partition(".")[2])
    floor = "_".join(GLIBC.split(".")[:2])
    platforms = Target.parse(f"manylinux_{floor}_{platform.machine()}", "3.11").platform_tags
    expected = [
        *cpython_tags((3, minor), answer["python"]["abis"], platforms),
        *compatible_tags((3, minor), f"cp3{minor}", platforms),
    ]
    assert answer["tags"] == list(map(str, expected))
    assert answer["python"]["abis"] == [f"cp3{minor}" + ("m" if minor < 8 else "")]
    assert answer["libc"] == {"name": "glibc", "version": GLIBC, "found_by": "os.confstr"}
    assert answer["unknown"] == {"index": NOT_ASKED}


@pytest.mark.network
@pytest.mark.parametrize("version", pythons.each(oldest=9))
def test_packaging_itself_agrees_there(version: str, tmp_path: Path) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    ask = (
        f"import sys; sys.path.insert(0, {str(pythons.packaging(version, tmp_path))!r})\n"
        "import json; from packaging import markers, tags\n"
        "print(json.dumps([list(map(str, tags.sys_tags())), markers.default_environment()]))"
    )
    done = subprocess.run([python, "-c", ask], capture_output=True, check=True)
    tags, markers = json.loads(done.stdout)
    answer = told(python)
    assert answer["tags"] == tags
    assert answer["markers"] == markers


@pytest.mark.parametrize("version", pythons.each(oldest=7, newest=8))
def test_pip_of_the_oldest_pythons_knows_the_same_tags(version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    ask = (
        "import json; from pip._vendor.packaging import tags\n"
        "print(json.dumps(list(map(str, tags.sys_tags()))))"
    )
    done = subprocess.run([python, "-c", ask], capture_output=True, check=True)
    later = {f"cp{version.replace('.', '')}-none-any"}  # packaging 21.3 has it first
    assert set(told(python)["tags"]) - set(json.loads(done.stdout)) <= later
    assert set(told(python)["tags"]) >= set(json.loads(done.stdout))


BLOCK = "import sys; sys.modules.update(dict.fromkeys({names!r}.split()))"
NO_CONFSTR = "import os; del os.confstr"
NO_PROC = """
import builtins
whole = builtins.open
def blind(path, *rest, **more):
    if str(path).startswith("/proc"):
        raise OSError("there is no /proc")
    return whole(path, *rest, **more)
builtins.open = blind
"""
EVERYTHING = (
    "bz2 ctypes ensurepip hashlib json lzma platform re site sqlite3 ssl struct subprocess "
    "sysconfig tempfile typing venv zipfile zlib"
)


@pytest.mark.parametrize(
    ("prelude", "found_by"),
    [
        ([BLOCK.format(names="platform")], "os.confstr"),
        ([BLOCK.format(names="sysconfig")], "os.confstr"),
        ([NO_CONFSTR], "ctypes"),
        ([NO_CONFSTR, BLOCK.format(names="ctypes")], "library"),
        ([NO_CONFSTR, BLOCK.format(names="ctypes"), NO_PROC], "library"),
        ([NO_CONFSTR, NO_PROC, BLOCK.format(names=EVERYTHING)], "library"),
    ],
    ids=["platform", "sysconfig", "confstr", "ctypes", "proc", "everything"],
)
@pytest.mark.parametrize("version", pythons.each())
def test_what_is_missing_changes_no_answer(
    version: str, prelude: list[str], found_by: str
) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    whole, poor = told(python), told(python, *prelude)
    assert poor["libc"] == {**whole["libc"], "found_by": found_by}
    for key in ("markers", "tags", "python", "platform"):
        assert poor[key] == whole[key], key


def test_missing_modules_and_unknown_places_are_told() -> None:
    answer = told(sys.executable, BLOCK.format(names="ctypes sysconfig ssl"))
    assert {name for name, there in answer["modules"].items() if not there} >= {"ctypes", "ssl"}
    assert answer["places"] is None
    assert "sysconfig" in answer["unknown"]["places"]


@pytest.mark.parametrize("version", pythons.each())
def test_a_bare_python_tells_all_the_same(version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    bare = "zipfile subprocess json ssl _ssl ctypes _ctypes socket zlib"
    answer = told(python, BLOCK.format(names=bare))
    lacking = {name for name, there in answer["modules"].items() if not there}
    assert lacking >= {"ctypes", "json", "ssl", "subprocess", "zipfile", "zlib"}
    assert answer["programs"] is True
    assert answer["sites"]["packages"]
    assert set(answer["free"]) == set(answer["writable"])
    assert min(answer["free"].values()) >= 0
    assert answer["unknown"] == {"index": NOT_ASKED}


@pytest.mark.parametrize("version", pythons.each(oldest=8))
def test_programs_that_may_not_be_started(version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    hook = (
        "import sys\ndef forbid(event, args):\n    if event in ('subprocess.Popen', 'os.fork'):\n"
        "        raise PermissionError('no programs here')\nsys.addaudithook(forbid)"
    )
    for names in ("", "subprocess"):
        answer = told(python, BLOCK.format(names=names), hook)
        assert answer["programs"] is False
        assert answer["unknown"]["programs"] == "PermissionError: no programs here"


def test_programs_that_may_not_be_started_where_there_are_no_hooks() -> None:
    broken = "import subprocess\nsubprocess.call = lambda argv: 126"
    answer = told(sys.executable, broken)
    assert (answer["programs"], answer["unknown"]["programs"]) == (
        False,
        "OSError: a program that does nothing ended with 126",
    )


def test_a_libc_that_nothing_tells_is_null_with_the_reasons() -> None:
    hidden = "import os; os.path.isfile = lambda path: False"
    names = BLOCK.format(names="ctypes platform")
    answer = told(sys.executable, NO_CONFSTR, names, hidden)
    assert answer["libc"] is None
    assert "confstr" in answer["unknown"]["libc"]
    assert "ctypes" in answer["unknown"]["libc"]
    assert {tag.partition("-")[2].partition("-")[2] for tag in answer["tags"]} == {
        f"linux_{platform.machine()}",
        "any",
    }


def test_a_python_without_arguments_tells_too() -> None:
    answer = told(sys.executable, "import sys; del sys.argv")
    assert answer["schema"] == "crossbuild-probe/1"


def test_it_writes_to_a_file_where_one_is_named(tmp_path: Path) -> None:
    file = tmp_path / "probe.json"
    told(sys.executable, args=(str(file),))
    answer = json.loads(file.read_bytes())
    assert answer["schema"] == "crossbuild-probe/1"
    assert answer["markers"] == default_environment()


@pytest.fixture(name="probe_script")
def assembled() -> types.ModuleType:
    """The script as a module that can be looked into."""
    module = types.ModuleType("probe")
    exec(compile(SCRIPT, "probe", "exec"), vars(module))
    return module


def elf(monkeypatch: pytest.MonkeyPatch, directory: Path, content: bytes) -> None:
    path = directory / "python"
    path.write_bytes(content)
    monkeypatch.setattr(sys, "executable", str(path))


@pytest.mark.parametrize(
    ("told_platform", "flags", "expected"),
    [
        ("linux-aarch64", 0x05000400, "manylinux_2_31_armv8l"),
        ("linux-armv7l", 0x05000400, "manylinux_2_31_armv7l"),
        ("linux-armv7l", 0x05000200, None),
    ],
)
def test_a_32_bit_python_on_arm(
    probe_script: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    told_platform: str,
    flags: int,
    expected: str | None,
) -> None:
    header = bytearray(52)
    header[:6] = b"\x7fELF\x01\x01"
    header[18:20] = (40).to_bytes(2, "little")
    header[36:40] = flags.to_bytes(4, "little")
    elf(monkeypatch, tmp_path, bytes(header))
    monkeypatch.setattr(probe_script, "BITS", 32)
    monkeypatch.setattr(probe_script, "host_platform", lambda: told_platform)
    names = list(probe_script.platforms({"name": "glibc", "version": "2.31", "found_by": "x"}))
    assert next((name for name in names if name.startswith("many")), None) == expected
    assert names == packagings(monkeypatch, told_platform, (2, 31))


def packagings(
    monkeypatch: pytest.MonkeyPatch, told_platform: str, glibc: tuple[int, int]
) -> list[str]:
    """The platform tags as packaging has them for this ELF file."""
    from packaging import _manylinux, _musllinux, tags

    monkeypatch.setattr("sysconfig.get_platform", lambda: told_platform)
    monkeypatch.setattr(_manylinux, "_get_glibc_version", lambda: _manylinux._GLibCVersion(*glibc))
    monkeypatch.setattr(_musllinux, "_get_musl_version", lambda _: None)
    return list(tags._linux_platforms(is_32bit=True))


def test_32_bit_x86(
    probe_script: types.ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    header = bytearray(52)
    header[:6] = b"\x7fELF\x01\x01"
    header[18:20] = (3).to_bytes(2, "little")
    elf(monkeypatch, tmp_path, bytes(header))
    monkeypatch.setattr(probe_script, "BITS", 32)
    monkeypatch.setattr(probe_script, "host_platform", lambda: "linux-x86_64")
    names = list(probe_script.platforms({"name": "glibc", "version": "2.17", "found_by": "x"}))
    assert names == packagings(monkeypatch, "linux-x86_64", (2, 17))
    assert names[:3] == ["linux_i686", "manylinux_2_17_i686", "manylinux2014_i686"]


def program(loader: str) -> bytes:
    """A 64-bit ELF file with nothing in it but the name of its loader."""
    name = loader.encode() + b"\0"
    header = struct.pack("<16sHHIQQQIHHH", b"\x7fELF\x02\x01", 3, 62, 1, 0, 64, 0, 0, 64, 56, 1)
    return (
        header.ljust(64, b"\0") + struct.pack("<IIQQQQQQ", 3, 4, 120, 0, 0, len(name), 0, 1) + name
    )


@pytest.mark.parametrize("blocked", ["", "subprocess"])
def test_musl_tells_its_version_when_its_loader_is_asked(tmp_path: Path, blocked: str) -> None:
    loader = tmp_path / "ld-musl-aarch64.so.1"
    loader.write_text("#!/bin/sh\nprintf 'musl libc (aarch64)\\nVersion 1.2.5\\nDynamic\\n' >&2\n")
    loader.chmod(0o755)
    (tmp_path / "python").write_bytes(program(str(loader)))
    prelude = f"import sys; sys.executable = {str(tmp_path / 'python')!r}"
    answer = told(sys.executable, prelude, BLOCK.format(names=blocked))
    assert answer["libc"] == {"name": "musl", "version": "1.2.5", "found_by": "loader"}
    target = Target.parse(f"musllinux_1_2_{platform.machine()}", platform.python_version())
    assert answer["tags"] == list(map(str, target.tags))


def test_a_distribution_may_refuse_manylinux(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = told(
        sys.executable,
        "import sys, types; m = sys.modules['_manylinux'] = types.ModuleType('_manylinux')",
        "m.manylinux_compatible = lambda major, minor, arch: minor < 18",
    )
    names = {tag.split("-")[2] for tag in answer["tags"]}
    assert f"manylinux_2_17_{platform.machine()}" in names
    assert f"manylinux_2_18_{platform.machine()}" not in names


@pytest.mark.parametrize(
    ("version", "expected"), [("2.31", (2, 31)), ("2.20-2014.11", (2, 20)), ("2.3.4", (2, 3))]
)
def test_patched_versions_of_glibc(
    probe_script: types.ModuleType, version: str, expected: tuple[int, int]
) -> None:
    assert probe_script.numbers(version) == expected


@pytest.mark.parametrize(
    "text", ["plain", 'a "b" \\ c', "é麒麟", "\U0001f40d", "\x00\n\x7f", "\udc80"]
)
def test_texts_survive(probe_script: types.ModuleType, text: str) -> None:
    assert json.loads(probe_script.encoded({"key": [text, None, True, 3, [], {}]})) == {
        "key": [text, None, True, 3, [], {}]
    }
