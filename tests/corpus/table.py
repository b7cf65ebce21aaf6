"""The result as Markdown: a line per package, what is in the way of the others, and the sum."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.corpus import cause
from tests.corpus.listing import Kind
from tests.corpus.outcome import CONFIRMED
from tests.corpus.results import Row

_HEADER = """\
| package | Python | kind | rung | seconds | tag | proof |
|---|---|---|---|---|---|---|"""
_LONGEST = 160


def markdown(rows: Sequence[Row], total: int) -> str:
    """The table of ``rows``, of a list of ``total`` packages."""
    return "\n".join([_HEADER, *map(_line, rows), "", *_sum(rows, total)])


def _line(row: Row) -> str:
    cells = (
        f"{row['package']} {row['version']}",
        row["python"],
        row["kind"],
        row["rung"] or "",
        f"{row['seconds']:.0f}",
        row["tag"] or "",
        "passed" if row["proven"] else _said(row),
    )
    return f"| {' | '.join(cells)} |"


def _said(row: Row) -> str:
    text = " ".join((row["diagnosis"] or "no diagnosis").split()).replace("|", "\\|")
    short = text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
    return f"exit {row['exit_code']}, {_cause(row)}: {short}"


def _cause(row: Row) -> str:
    return cause.of(row["diagnosis"], row["exit_code"], Kind(row["kind"])).value


def _sum(rows: Sequence[Row], total: int) -> Iterator[str]:
    proven = sum(row["proven"] for row in rows)
    share = f" ({100 * proven / len(rows):.0f} %)" if rows else ""
    yield f"{proven} of {len(rows)} end proven{share}; {total - len(rows)} of {total} not run."
    unconfirmed = sorted(row["package"] for row in rows if row["step"] not in CONFIRMED)
    if unconfirmed:
        yield f"Not planned as builds: {', '.join(unconfirmed)}."
    causes = Counter(_cause(row) for row in rows if not row["proven"])
    for name, count in causes.most_common():
        failed = (row for row in rows if not row["proven"] and _cause(row) == name)
        yield f"- {name}: {count} ({', '.join(sorted(row['package'] for row in failed))})"
    for made in sorted({(row["date"][:10], row["commit"], row["image"]) for row in rows}):
        yield f"- {made[0]}, commit {made[1]}, {made[2]}"
