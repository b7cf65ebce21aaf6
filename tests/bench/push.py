"""``python -m tests.bench.push``: a large wheel over ``exec:``, its memory, its cuts, its speed.

The wheel is pushed whole for the time, then again while crossbuild is killed several times. The
peak memory of every process of both sides is asked of the kernel (VmHWM, proc(5)), and what a push
of a small file takes is what they start with. The same bytes through ``base64 | python`` and
``base64 | base64 -d`` are what the speed is compared to.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

from crossbuild.cli import reading
from crossbuild.disk import hash_of

MESSAGE = 1 << 20
_BLOCK = 1 << 20
_METER = """\
import atexit, os, sys
def tell():
    with open("/proc/self/status") as lines:
        peak = [line.split()[1] for line in lines if line.startswith("VmHWM")][0]
    with open(os.environ["METER"], "a") as log:
        log.write(peak + "\\n")
atexit.register(tell)
"""
_DECODER = "import base64, sys; base64.decode(sys.stdin.buffer, sys.stdout.buffer)"


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Peaks in bytes: of crossbuild, and of the largest process at the other end."""

    here: int
    there: int


@dataclass(frozen=True, kw_only=True)
class Figures:
    """``grown`` is the peak above the start; ``carried`` what each run brought before its cut."""

    size: int
    seconds: float
    grown: Memory
    carried: tuple[int, ...]
    right: bool


class Bench:
    """Pushes from one directory below ``root`` to another, with every process metered."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheelhouse = root / "wheelhouse"
        self.there = root / "there"
        self.wheelhouse.mkdir()
        (root / "meter").mkdir()
        (root / "meter" / "sitecustomize.py").write_text(_METER)

    def push(self, *, cut_at: int | None = None) -> Memory:
        """Push once; with ``cut_at``, kill crossbuild as soon as so many bytes are there."""
        here, there = self.root / "here.log", self.root / "there.log"
        for log in (here, there):
            log.write_text("")
        meter = str(self.root / "meter")
        python = ["env", f"PYTHONPATH={meter}", f"METER={there}", sys.executable, "-"]
        argv = [sys.executable, "-m", "crossbuild", "push", str(self.wheelhouse), "--no-install"]
        argv += ["--via", f"exec:{shlex.join(python)}", "--remote-dir", str(self.there)]
        argv += ["--message-limit", str(MESSAGE), "--quiet"]
        environment = {**_plain(), "PYTHONPATH": meter, "METER": str(here)}
        with subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL) as child:
            while cut_at is not None and child.poll() is None and self.arrived() < cut_at:
                time.sleep(0.01)
            if cut_at is not None:
                child.send_signal(signal.SIGKILL)
        if cut_at is None and child.returncode != 0:
            raise RuntimeError(f"the push ended with code {child.returncode}")
        return Memory(here=_peak(here), there=_peak(there))

    def arrived(self) -> int:
        """The bytes that the other side has noted so far."""
        journals = list(self.there.glob(".*.log"))
        lines = journals[0].read_text().splitlines() if journals else []
        return sum(int(line.split()[1]) for line in lines if len(line.split()) == 2)

    def reset(self) -> None:
        """Forget what arrived."""
        shutil.rmtree(self.there, ignore_errors=True)


def measure(root: Path, size: int, cuts: int) -> Figures:
    """Make a wheel of about ``size`` bytes in ``root``, and push it whole and in spite of cuts."""
    bench = Bench(root)
    (bench.wheelhouse / "small.whl").write_bytes(b"small")
    start = bench.push()
    (bench.wheelhouse / "small.whl").unlink()
    path = wheel(bench.wheelhouse, size)
    bench.reset()
    began = time.monotonic()
    peaks = [bench.push()]
    seconds = time.monotonic() - began
    bench.reset()
    carried, before = [], 0
    for number in range(1, cuts + 1):
        peaks.append(bench.push(cut_at=size * number // (cuts + 1)))
        carried.append(bench.arrived() - before)
        before = bench.arrived()
    peaks.append(bench.push())
    return Figures(
        size=path.stat().st_size,
        seconds=seconds,
        grown=Memory(
            here=max(peak.here for peak in peaks) - start.here,
            there=max(peak.there for peak in peaks) - start.there,
        ),
        carried=(*carried, path.stat().st_size - before),
        right=hash_of(bench.there / path.name) == hash_of(path),
    )


def wheel(directory: Path, size: int) -> Path:
    """A valid wheel, stored, with one member of so many bytes that look like noise."""
    path = directory / "big-1.0-py3-none-any.whl"
    info = {"METADATA": "Metadata-Version: 2.1\nName: big\nVersion: 1.0\n"}
    info["WHEEL"] = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    digest = hashlib.sha256()
    noise = Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        with archive.open("big/data", "w", force_zip64=True) as member:
            for left in range(size, 0, -_BLOCK):
                block = noise.randbytes(min(_BLOCK, left))
                digest.update(block)
                member.write(block)
        recorded = base64.urlsafe_b64encode(digest.digest()).decode().rstrip("=")
        info["RECORD"] = f"big/data,sha256={recorded},{size}\n"
        for name, text in info.items():
            archive.writestr(f"big-1.0.dist-info/{name}", text)
    return path


def piped(source: Path, destination: Path, decoder: Sequence[str]) -> float:
    """Seconds that the same bytes take through ``base64 | decoder``."""
    began = time.monotonic()
    with destination.open("wb") as out:
        encoder = subprocess.Popen(["base64", str(source)], stdout=subprocess.PIPE, env=_plain())
        with encoder:
            subprocess.run(decoder, stdin=encoder.stdout, stdout=out, check=True, env=_plain())
    seconds = time.monotonic() - began
    destination.unlink()
    return seconds


def _plain() -> Mapping[str, str]:
    """The environment without what makes Python read byte by byte."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}


def _peak(log: Path) -> int:
    return max((int(line) << 10 for line in log.read_text().split()), default=0)


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.bench.push")
    parser.add_argument("--size", type=reading.amount, default=1 << 30)
    parser.add_argument("--cuts", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        figures = measure(root, options.size, options.cuts)
        path, copy = root / "wheelhouse" / "big-1.0-py3-none-any.whl", root / "copy"
        pipes = {
            "base64 | python": piped(path, copy, [sys.executable, "-c", _DECODER]),
            "base64 | base64 -d": piped(path, copy, ["base64", "-d"]),
        }
    megabytes = figures.size / 1e6
    told = {
        "bytes": figures.size,
        "message": MESSAGE,
        "seconds": round(figures.seconds, 1),
        "MB/s": round(megabytes / figures.seconds, 1),
        "ratio": {name: round(seconds / figures.seconds, 2) for name, seconds in pipes.items()},
        "pipes, MB/s": {name: round(megabytes / seconds, 1) for name, seconds in pipes.items()},
        "peak above start, MiB": {
            "here": round(figures.grown.here / 2**20, 1),
            "there": round(figures.grown.there / 2**20, 1),
        },
        "carried between the cuts": figures.carried,
        "hash right": figures.right,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")


if __name__ == "__main__":
    main()
