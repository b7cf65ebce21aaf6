"""What to do where the target turns out to reach a package index: three steps, no wheelhouse."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from rich.text import Text


def steps(packages: Sequence[str], modules: Sequence[str] = ()) -> tuple[str, str, str]:
    """The commands for the target: get pip, install, verify."""
    check = f"python3 -c {shlex.quote('import ' + modules[0])}" if modules else ""
    return (
        "python3 -m ensurepip --upgrade",
        f"python3 -m pip install {shlex.join(packages)}",
        check or "python3 -m pip check",
    )


def text(index: str, packages: Sequence[str], modules: Sequence[str] = ()) -> Text:
    """Say so, and show them."""
    first, second, third = steps(packages, modules)
    head = f"The target reaches {index}: it needs no wheelhouse. There:\n"
    return Text.assemble(
        (head, "bold"),
        f"  {first}",
        ("   # where it has no pip\n", "dim"),
        f"  {second}\n  {third}",
    )
