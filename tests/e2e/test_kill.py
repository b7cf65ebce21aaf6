"""``kill -9`` and Ctrl-C in the middle: nothing half-written is seen, nothing is left behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import wheels
from tests.e2e.conftest import TARGET, Crossbuild, argv, mounts
from tests.miniindex import MiniIndex

pytestmark = [pytest.mark.emulation, pytest.mark.network]

SLOW_SETUP = """
import sys, time
from setuptools import setup
if "bdist_wheel" in sys.argv:
    time.sleep(%d)
setup(name="slow", version="1.0", py_modules=["slow"])
"""


def slow_sdist(directory: Path, seconds: int) -> Path:
    pkg_info = wheels.metadata("slow", "1.0")
    files = {"slow.py": "VALUE = 1\n"}
    setup = SLOW_SETUP % seconds
    return wheels.sdist(directory, "slow", "1.0", setup_py=setup, pkg_info=pkg_info, files=files)


def descendants(pid: int) -> set[tuple[int, str]]:
    """Every process below ``pid``, as its number and the time it started."""
    parents: dict[int, tuple[int, str]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                parents[int(entry.name)] = (int(fields[1]), fields[19])
    below = {pid}
    while more := {child for child, (up, _) in parents.items() if up in below} - below:
        below |= more
    return {(child, parents[child][1]) for child in below - {pid}}


def alive(processes: set[tuple[int, str]]) -> set[tuple[int, str]]:
    return processes & descendants(1)


def eventually(condition: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.1)
    return False


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_in_the_middle_of_a_build(
    crossbuild: Crossbuild, cache: Path, tmp_path: Path, number: signal.Signals
) -> None:
    sdist = slow_sdist(tmp_path, 3600)
    options = ["--target", TARGET, "--python", "3.11", "--no-smoke"]
    before = mounts()
    with (tmp_path / "output").open("wb") as output:
        child = subprocess.Popen(
            ["env", "--default-signal=INT", *argv([str(sdist), *options], cache)],
            cwd=tmp_path,
            stdout=output,
            stderr=output,
        )
    said = tmp_path / "output"
    building = eventually(lambda: "slow 1.0: native compiler" in said.read_text(), 240)
    assert building, said.read_text()
    assert eventually(lambda: len(descendants(child.pid)) > 3)
    running = descendants(child.pid)
    child.send_signal(number)
    code = child.wait(timeout=30)
    assert code == (-signal.SIGKILL if number is signal.SIGKILL else 130)
    assert eventually(lambda: not alive(running)), alive(running)
    assert mounts() == before
    assert not (tmp_path / "wheelhouse").exists()
    if number is signal.SIGINT:
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {sdist.name, "output"}
    sdist.unlink()
    assert crossbuild(str(slow_sdist(tmp_path, 0)), *options).code == 0
    assert list((tmp_path / "wheelhouse").glob("slow-1.0-*.whl"))
    assert not list(tmp_path.glob(".wheelhouse*"))


def test_in_the_middle_of_a_download(
    crossbuild: Crossbuild, mini_index: MiniIndex, tmp_path: Path
) -> None:
    big = {"big.py": b"x = 1\n", "big.bin": os.urandom(2_000_000)}
    mini_index.add(wheels.wheel(tmp_path, "big", "1.0", files=big))
    cache = tmp_path / "cache"
    words = [
        "fetch", "big", "--target", TARGET, "--python", "3.11", "--index-url", mini_index.url,
    ]  # fmt: skip
    mini_index.faults.slow = 0.05
    child = subprocess.Popen(
        argv(words, cache), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    partial = cache / "partial"
    halfway = eventually(
        lambda: (
            partial.is_dir()
            and any(path.stat().st_size > 300_000 for path in partial.iterdir() if path.is_file())
        )
    )
    child.kill()
    child.wait()
    assert halfway
    assert not (tmp_path / "wheelhouse").exists()
    assert not list((cache / "files").rglob("*.whl"))
    mini_index.faults.slow = 0
    ran = crossbuild(*words, cache_dir=cache)
    assert ran.code == 0, ran.stderr
    ranges = [request.range for request in mini_index.asked("big-1.0") if request.range]
    assert ranges, "the second run did not resume"
    assert list((tmp_path / "wheelhouse").glob("big-1.0-*.whl"))
