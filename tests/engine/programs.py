"""Stand-ins for host programs, found first on PATH."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def install(monkeypatch: pytest.MonkeyPatch, directory: Path, **scripts: str) -> None:
    """Put shell scripts before the host's programs; ``_`` in a name stands for ``-``."""
    directory.mkdir(exist_ok=True)
    for name, script in scripts.items():
        path = directory / name.replace("_", "-")
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")
