"""What a probe told, for people: the machine, what it lacks, and what to do next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from crossbuild import wording
from crossbuild.cli import quickstart
from crossbuild.cli.page import Page
from crossbuild.target import Target

_PACKING = {"zlib", "zipfile"}
_UNKNOWN = "not told"


def show(page: Page, document: Mapping[str, Any], target: Target, path: Path) -> None:
    """Show a probe: a row for each thing that decides how packages get there."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, value in _rows(document, target):
        table.add_row(Text(name, "dim"), Text(value))
    page.write(Text(str(target), "bold"), table, Text())
    index = target.reported.index if target.reported else None
    if index:
        page.write(quickstart.text(index, ["PACKAGE"]))
        return
    lacking = set(target.reported.missing if target.reported else ())
    page.write(
        Text("Offline:", "bold"),
        Text(f"  crossbuild PACKAGE --target {path}"),
        Text(f"  crossbuild bundle wheelhouse{' --stored' if lacking & _PACKING else ''}"),
    )


def _rows(document: Mapping[str, Any], target: Target) -> Iterator[tuple[str, str]]:
    python = document["python"]
    missing = target.reported.missing if target.reported else ()
    yield "Python", f"{python['version']}, {python.get('executable') or 'embedded'}"
    libc = document.get("libc")
    yield "C library", f"{libc['name']} {libc['version']}" if libc else _UNKNOWN
    yield "pip", f"{document.get('pip') or 'none'}"
    yield "lacks", wording.listing(missing) or "nothing that is looked for"
    programs = {True: "may be started", False: "may not be started"}
    yield "programs", programs.get(document.get("programs", None), _UNKNOWN)
    yield from _directories(document)
    index = document.get("index")
    reached = target.reported.index if target.reported else None
    yield "index", f"{reached} answers" if reached else _silence(index)


def _directories(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    free = document.get("free") or {}
    for path, may in (document.get("writable") or {}).items():
        room = f", {wording.size(free[path])} free" if path in free else ""
        yield "writable" if may else "read-only", f"{path}{room}"


def _silence(index: Any) -> str:
    if not isinstance(index, dict):
        return "none that is known of"
    return f"{index.get('url')} does not answer: {index.get('error')}"
