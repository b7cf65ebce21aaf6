"""Where the files of a wheel are installed in ``site-packages``, and the modules among them."""

from __future__ import annotations

from pathlib import PurePosixPath

from crossbuild.installer.importable import importable, installed_parts

__all__ = ["importable", "installed"]


def installed(member: str) -> PurePosixPath | None:
    """Where in ``site-packages`` a member is installed; None when it goes elsewhere (PEP 427)."""
    parts = installed_parts(member)
    return None if parts is None else PurePosixPath(*parts)
