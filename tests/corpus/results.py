"""The result: JSON lines, one row per package that was run; a later row replaces an earlier."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tests.corpus.listing import Entry

FILE = Path(__file__).with_name("results.jsonl")
Row = Mapping[str, Any]
Rows = Mapping[tuple[str, ...], Row]


def load(paths: Iterable[Path]) -> dict[tuple[str, ...], Row]:
    """The last row of each package in these files; a file that is not there has none."""
    found: dict[tuple[str, ...], Row] = {}
    for path in paths:
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else ()
        for row in map(json.loads, lines):
            key = (row["package"], row["version"], row["python"], row["target"])
            found[key] = row
    return found


def append(path: Path, row: Row) -> None:
    """Add a row at once and whole: an interrupted run loses none that it finished."""
    with path.open("a", encoding="utf-8") as stream:
        stream.write(f"{json.dumps(row, ensure_ascii=False)}\n")


def left(entries: Iterable[Entry], found: Rows, *, again: bool) -> tuple[Entry, ...]:
    """What is still to be run; ``again``: also what was not proven."""
    return tuple(
        entry
        for entry in entries
        if entry.key not in found or (again and not found[entry.key]["proven"])
    )


def lost(before: Rows, after: Rows) -> tuple[tuple[Row, Row | None], ...]:
    """What was proven before and is not any more: the row then, and now if there is one."""
    pairs = ((row, after.get(key)) for key, row in before.items() if row["proven"])
    return tuple((row, now) for row, now in pairs if now is None or not now["proven"])
