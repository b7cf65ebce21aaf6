"""The interpreters of this host: pyenv's, and those on the path."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import uv
from _pytest.mark.structures import ParameterSet

NEWEST = 13


def interpreter(version: str) -> str | None:
    """An interpreter of X.Y, or None. pyenv's shims are no interpreters, but its versions are."""
    if version == f"3.{sys.version_info[1]}":
        return sys.executable
    root = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    found = sorted(root.glob(f"{version}.*/bin/python{version}"))
    if found:
        return str(found[-1])
    return shutil.which(f"python{version}", path="/usr/local/bin:/usr/bin")


def packaging(version: str, directory: Path) -> Path:
    """Install packaging into ``directory``, as new as Python X.Y can take it: not always ours."""
    argv = [uv.find_uv_bin(), "pip", "install", "--quiet", "--target", str(directory)]
    subprocess.run([*argv, "--python-version", version, "packaging"], check=True)
    return directory


def each(oldest: int = 6, newest: int = NEWEST) -> list[ParameterSet]:
    """One parameter per version; what this host has not is skipped, by name."""
    params = []
    for version in (f"3.{minor}" for minor in range(oldest, newest + 1)):
        reason = f"no Python {version} on this host"
        absent = pytest.mark.skipif(interpreter(version) is None, reason=reason)
        params.append(pytest.param(version, id=version, marks=absent))
    return params
