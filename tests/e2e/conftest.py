"""The command line in a process of its own, with one cache that all these tests share."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crossbuild.cli import arguments
from crossbuild.cli.grammar import COMMANDS
from crossbuild.store import Store

TARGET = "manylinux2014_aarch64"


@dataclass(frozen=True)
class Ran:
    """What a run of the command left."""

    code: int
    stdout: str
    stderr: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on standard output."""
        value: dict[str, Any] = json.loads(self.stdout)
        return value

    @property
    def complaint(self) -> str:
        """The one line that says what went wrong."""
        lines = [line for line in self.stderr.splitlines() if "error:" in line]
        assert len(lines) == 1, self.stderr
        return lines[0]


Crossbuild = Callable[..., Ran]


@pytest.fixture(scope="session")
def cache(shared_store: Store) -> Path:
    """The cache that all emulation tests of a session share: roots and toolchain once."""
    return shared_store.root


def mounts() -> list[str]:
    """What is mounted on this host, but for containers of whoever uses its Docker daemon now."""
    lines = Path("/proc/mounts").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "docker" not in line]


def argv(words: Sequence[str], cache: Path) -> list[str]:
    """The command as a list, run by this interpreter; the embedded engine if none is named."""
    command = COMMANDS[arguments._split(words)[0]]
    chooses = any("--engine" in option.names for option in command.options)
    engine = ["--engine", "rootfs"] if chooses and "--engine" not in words else []
    return [sys.executable, "-m", "crossbuild", *words, *engine, "--cache-dir", str(cache)]


def finished(command: Sequence[str], directory: Path, env: Mapping[str, str]) -> Ran:
    """Run a command line of crossbuild to its end, which may not be a traceback."""
    done = subprocess.run(
        command,
        cwd=directory,
        env={**os.environ, **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback (most recent call last)" not in done.stderr, done.stderr
    return Ran(code=done.returncode, stdout=done.stdout, stderr=done.stderr)


@pytest.fixture
def crossbuild(cache: Path, tmp_path: Path) -> Crossbuild:
    """Run ``crossbuild`` to its end in an empty directory."""

    def run(*words: str, env: Mapping[str, str] | None = None, cache_dir: Path = cache) -> Ran:
        return finished(argv(words, cache_dir), tmp_path, env or {})

    return run
