"""What was proven by installing: in the target's own image, or in each that the user named."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from crossbuild import wording
from crossbuild.cli.page import Page, said
from crossbuild.platforms import dotted
from crossbuild.proof import SmokeResult, SmokeState

_KINDS = {
    SmokeState.PASSED: "done",
    SmokeState.FAILED: "failed",
    SmokeState.NOT_RUN: "warning",
    SmokeState.SKIPPED: "note",
}


def proven(page: Page, smoke: SmokeResult, images: Sequence[SmokeResult]) -> Table:
    """Show the proof's outcome: a row for each image that was named, else the one proof."""
    return _matrix(page, images) if images else _single(page, smoke)


def _single(page: Page, result: SmokeResult) -> Table:
    """Passed, failed with the tracebacks, or why it was not run."""
    if result.state is SmokeState.PASSED:
        modules = wording.count(len(result.imports), "module")
        text = f"Installed offline in a clean {result.image}, {modules} imported there"
        if result.earlier:
            return said(page, "done", f"{text}, in an earlier run with the same files")
        return said(page, "done", text, seconds=result.seconds)
    if result.state is SmokeState.FAILED:
        return said(page, "failed", f"The proof failed: {result.reason}", *_tracebacks(result))
    if result.state is SmokeState.SKIPPED:
        return said(page, "note", f"Not proven by installing: {result.reason}")
    return said(page, "warning", f"Not proven: {result.reason}", *_remedy(result))


def _matrix(page: Page, results: Sequence[SmokeResult]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    table.add_column("image", no_wrap=True)
    table.add_column("glibc")
    table.add_column("result")
    for result in results:
        glibc = dotted(result.glibc) if result.glibc else "?"
        table.add_row(Text(f"{result.image}", "bold cyan"), glibc, _outcome(page, result))
    return table


def _outcome(page: Page, result: SmokeResult) -> Table:
    """One cell: the state, the wheels at fault, and why."""
    kind = _KINDS[result.state]
    if result.state is SmokeState.PASSED:
        modules = wording.count(len(result.imports), "module")
        text = f"installed offline, {modules} imported"
        if result.earlier:
            return said(page, kind, f"{text}, in an earlier run with the same files")
        return said(page, kind, text, seconds=result.seconds)
    if result.state is SmokeState.FAILED:
        more = _tracebacks(result) if page.verbose else []
        return said(page, kind, wording.listing(result.broken) or "failed", result.reason, *more)
    return said(page, kind, f"{result.state.value}: {result.reason}", *_remedy(result))


def _tracebacks(result: SmokeResult) -> list[str]:
    return [item.error.strip() for item in result.imports if item.error is not None]


def _remedy(result: SmokeResult) -> list[str]:
    return [result.remedy] if result.remedy else []
