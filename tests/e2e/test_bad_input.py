"""Bad input: an exit code, one clear sentence, a remedy; no traceback, nothing half-written."""

from __future__ import annotations

import struct
import subprocess
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import wheels
from tests.e2e.conftest import TARGET, Crossbuild, argv, finished
from tests.miniindex import MiniIndex

HERE = ("--target", TARGET, "--python", "3.11")

Prepare = Callable[[Path, MiniIndex], Sequence[str]]


@dataclass(frozen=True)
class Case:
    """One kind of bad input: its words, its exit code and what the sentence must name."""

    name: str
    code: int
    says: tuple[str, ...]
    prepare: Prepare


def words(*given: str) -> Prepare:
    return lambda _, index: (*given, "--index-url", index.url)


def wrong_hash(directory: Path, index: MiniIndex) -> Sequence[str]:
    index.add(wheels.wheel(directory, "fibs", "1.0"), sha256="0" * 64)
    return ("fetch", "fibs", *HERE, "--index-url", index.url)


def truncated(directory: Path, index: MiniIndex) -> Sequence[str]:
    wheel = wheels.wheel(directory, "short", "1.0", files={"short.py": "x = 1\n" * 999})
    wheel.write_bytes(wheel.read_bytes()[:-60])
    index.add(wheel)
    return ("fetch", "short", *HERE, "--index-url", index.url)


def foreign_code(directory: Path, index: MiniIndex) -> Sequence[str]:
    """A wheel that says aarch64 and holds x86_64 code."""
    links = directory / "links"
    links.mkdir()
    code = (
        b"\x7fELF\x02\x01\x01"
        + bytes(9)
        + struct.pack("<HHIQQQIHHHHHH", 3, 62, 1, *[0] * 4, 64, 0, 0, 64, 0, 0)
    )
    tag = "cp311-cp311-manylinux_2_17_aarch64"
    wheels.wheel(links, "liar", "1.0", tag=tag, files={"liar.cpython-311.so": code})
    return ("fetch", "liar", *HERE, "--index-url", index.url, "--find-links", str(links))


def test_a_wheel_that_lies_is_planned_around_in_plain_sight(
    crossbuild: Crossbuild, tmp_path: Path, mini_index: MiniIndex
) -> None:
    words = foreign_code(tmp_path, mini_index)
    mini_index.add(wheels.wheel(tmp_path, "liar", "0.9"))
    options = ("--no-smoke", *words[2:], "--find-links", mini_index.links)
    ran = crossbuild("liar", *options, cache_dir=tmp_path / "cache")
    assert ran.code == 0, ran.stderr
    assert "liar-1.0-cp311-cp311-manylinux_2_17_aarch64.whl is refused" in ran.stderr
    assert "x86_64" in ran.stderr
    assert [path.name for path in (tmp_path / "wheelhouse").glob("*.whl")] == [
        "liar-0.9-py3-none-any.whl"
    ]


def outside(directory: Path, index: MiniIndex) -> Sequence[str]:
    path = directory / "climber-1.0.tar.gz"
    members = {
        "climber-1.0/PKG-INFO": wheels.metadata("climber", "1.0"),
        "climber-1.0/setup.py": "",
        "climber-1.0/../../../climbed": "x",
    }
    index.add(wheels.write_tar(path, members))
    return ("climber", *HERE, "--no-smoke", "--index-url", index.url)


def no_room(directory: Path, index: MiniIndex) -> Sequence[str]:
    index.add(wheels.wheel(directory, "fine", "1.0"))
    return ("fetch", "fine", *HERE, "--index-url", index.url, "--output", "/proc/wheelhouse")


def silence(_: Path, index: MiniIndex) -> Sequence[str]:
    del index
    return ("fetch", "anything", *HERE, "--index-url", "http://127.0.0.1:9/simple/")


NOWHERE = words("plan", "x", "--target", "manylinux2014_arch64")
GIT = words("plan", "x @ git+https://index.example/x", *HERE)

TABLE = (
    Case("unknown package", 3, ("no-such-thing",), words("plan", "no-such-thing", *HERE)),
    Case("unknown target", 2, ("manylinux2014_arch64",), NOWHERE),
    Case("VCS requirement", 2, ("git+https",), GIT),
    Case("no network", 4, ("127.0.0.1:9",), silence),
    Case("wrong hash", 5, ("fibs-1.0-py3-none-any.whl", "0" * 64), wrong_hash),
    Case("truncated wheel", 3, ("short-1.0-py3-none-any.whl", "damaged"), truncated),
    Case("x86_64 code under an aarch64 name", 10, ("liar-1.0", "x86_64"), foreign_code),
    Case("sdist with ../ members", 5, ("climber-1.0.tar.gz", "../"), outside),
    Case("output not writable", 7, ("/proc",), no_room),
)  # fmt: skip


@pytest.mark.parametrize("case", TABLE, ids=lambda case: case.name)
def test_one_sentence_and_a_documented_code(
    case: Case, crossbuild: Crossbuild, tmp_path: Path, mini_index: MiniIndex
) -> None:
    ran = crossbuild(*case.prepare(tmp_path, mini_index), cache_dir=tmp_path / "cache")
    assert ran.code == case.code, ran.stderr
    for part in case.says:
        assert part in ran.complaint
    assert not (tmp_path / "wheelhouse").exists()
    assert not list(tmp_path.glob(".wheelhouse*"))


def test_an_impossible_version_names_those_that_exist(
    crossbuild: Crossbuild, tmp_path: Path, mini_index: MiniIndex
) -> None:
    for version in ("1.0", "1.1"):
        mini_index.add(wheels.wheel(tmp_path, "fine", version))
    ran = crossbuild(
        "plan", "fine>=2", *HERE, "--index-url", mini_index.url, cache_dir=tmp_path / "cache"
    )
    assert ran.code == 3
    assert "no version of fine is >=2" in ran.complaint
    assert "1.1" in ran.stderr


def test_a_full_disk(tmp_path: Path, mini_index: MiniIndex) -> None:
    payload = bytes(range(256)) * 4096
    mini_index.add(wheels.wheel(tmp_path, "big", "1.0", files={"big.py": "", "big.bin": payload}))
    with zipfile.ZipFile(tmp_path / "big-1.0-py3-none-any.whl", "a") as archive:
        archive.comment = b"x" * 60000
    mini_index.add(tmp_path / "big-1.0-py3-none-any.whl")
    small = tmp_path / "small"
    small.mkdir()
    command = argv(
        ["fetch", "big", *HERE, "--index-url", mini_index.url, "--output", str(small / "w")],
        tmp_path / "cache",
    )
    script = 'mount -t tmpfs -o size=40k none "$0" && "$@"; code=$?; ls -A "$0"; exit $code'
    done = subprocess.run(
        [
            "unshare",
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            str(small),
            *command,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 7, done.stderr
    (complaint,) = [line for line in done.stderr.splitlines() if "error:" in line]
    assert "full" in complaint
    assert str(small) in complaint
    assert done.stdout.split() == []


SETUP = "from setuptools import setup\nsetup(name='evil', version='1.0', py_modules=[])\n"

HOSTILE = {
    "loops forever": ("while True: pass\n", ("evil 1.0", "time")),
    "falls silent": ("import time; time.sleep(10**6)\n", ("evil 1.0", "no output")),
    "opens a socket": (
        "import socket; socket.create_connection(('192.0.2.1', 80), 5)\n",
        ("evil 1.0", "unreachable"),
    ),
    "reads the host's /etc/shadow": (
        "open('/etc/shadow').read(); raise SystemExit('got it')\n",
        ("evil 1.0", "/etc/shadow"),
    ),
    "forks without end": (
        "import os\nwhile True:\n    os.fork()\n",
        ("evil 1.0", "processes"),
    ),
}


@pytest.mark.emulation
@pytest.mark.network
@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_setup_py_harms_only_itself(
    kind: str, crossbuild: Crossbuild, tmp_path: Path
) -> None:
    code, says = HOSTILE[kind]
    sdist = wheels.sdist(
        tmp_path, "evil", "1.0", setup_py=code + SETUP, pkg_info=wheels.metadata("evil", "1.0")
    )
    limits = ("--timeout", "25", "--idle-timeout", "8")
    ran = crossbuild(str(sdist), *HERE, "--no-smoke", *limits)
    assert ran.code == 8, ran.stderr
    for part in says:
        assert part in ran.stderr
    assert "got it" not in ran.stderr
    assert not (tmp_path / "wheelhouse").exists()


BARE = """\
rules=/proc/sys/fs/binfmt_misc
[ ! -d "$rules" ] || mount -t tmpfs none "$rules"
exec "$@"\
"""
"""Hides the emulators that the host has registered for everybody, Docker's for example."""


def test_no_emulator_is_said_at_once(tmp_path: Path, mini_index: MiniIndex) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith("qemu-"):
            (programs / program.name).symlink_to(program)
    mini_index.add(wheels.wheel(tmp_path, "fine", "1.0"))
    words = ["fine", *HERE, "--engine", "rootfs", "--index-url", mini_index.url]
    bare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", BARE, "sh"]
    command = [*bare, *argv(words, tmp_path / "cache")]
    ran = finished(command, tmp_path, {"PATH": str(programs)})
    assert ran.code == 6, ran.stderr
    assert "qemu-aarch64" in ran.complaint
    assert "qemu-user-static" in ran.stderr
    assert mini_index.requests == []
