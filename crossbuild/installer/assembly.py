"""``install.py``: the modules of this package in one file, for a machine without them."""

from __future__ import annotations

from functools import cache

from crossbuild.assembly import assembled

NAME = "install.py"


@cache
def script() -> str:
    """The text of ``install.py``: the same sources give the same bytes."""
    return assembled("crossbuild.installer.main")
