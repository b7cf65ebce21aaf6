"""How the commands about the host answer: doctor, setup and cache."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.table import Table
from rich.text import Text

from crossbuild import wording
from crossbuild.cli import doctor, provision
from crossbuild.cli.doctor import Check, State
from crossbuild.cli.page import Page
from crossbuild.cli.provision import Provision
from crossbuild.platforms import Arch
from crossbuild.store import Usage

_KINDS = {
    "files": "downloads and built wheels",
    "trees": "root file systems, toolchains, build environments",
    "records": "what was learned of packages",
    "partial": "unfinished downloads",
    "scratch": "work in progress",
    "docker images": "Docker: images of the root file systems",
    "docker volumes": "Docker: toolchains, build environments",
}


def examined(page: Page, checks: Sequence[Check], arch: Arch) -> None:
    """Show the doctor's findings, each with its remedy, and the sum of them."""
    styles = {
        State.OK: (page.signs.done, "bold green"),
        State.WARNING: (page.signs.warning, "bold yellow"),
        State.MISSING: (page.signs.failed, "bold red"),
    }
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(width=1)
    table.add_column(no_wrap=True)
    for check in checks:
        mark, style = styles[check.state]
        found = Text(check.found, "" if check.state is not State.OK else "dim")
        if check.remedy:
            found.append(f"\n{check.remedy}", "bold")
        table.add_row(Text(mark, style), Text(check.name), found)
    page.write(table, Text(), _sum(checks, arch))


def _sum(checks: Sequence[Check], arch: Arch) -> Text:
    if doctor.able(checks):
        return Text(f"This host can do the whole job for {arch}.", "bold")
    missing = [check.name for check in checks if check.state is State.MISSING]
    text = Text(f"Not ready for {arch}: {wording.listing(missing)}.", "bold")
    if provision.needs(checks):
        text.append("\n`crossbuild setup` installs the packages that are missing.", "")
    return text


def provided(page: Page, plan: Provision, beyond: Sequence[Check]) -> None:
    """Show what setup would run, and what it leaves to the user."""
    if plan.commands:
        page.write(Text("To install what is missing:", "bold"), Text())
        for command in plan.commands:
            page.console.print(Text(f"  {shlex.join(command)}"), soft_wrap=True)
    elif not plan.left:
        page.write(Text("Every package is here."))
    left = [*plan.left, *(_advice(check) for check in beyond)]
    if left:
        page.write(Text(), Text("Left to you:", "bold"), Text())
        for line in left:
            page.console.print(Text(f"  {line}"), soft_wrap=True)


def _advice(check: Check) -> str:
    return f"{check.name}: {check.found}. {check.remedy}".strip()


def usage(page: Page, root: Path, parts: Sequence[Usage], removed: int | None) -> None:
    """Show how much the cache holds of what; ``removed`` are bytes, None where none were to be."""
    if removed is not None:
        page.write(Text(f"Removed {wording.size(removed)}."), Text())
    total = sum(part.bytes for part in parts)
    head = Text.assemble((str(root), "bold cyan"), f"  {wording.size(total)}")
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column()
    table.add_column(justify="right")
    table.add_column(justify="right")
    for part in parts:
        name = _KINDS.get(part.kind, part.kind)
        size, entries = wording.size(part.bytes), f"{part.entries}"
        table.add_row(Text(f"  {name}"), Text(entries, "dim"), Text(size))
    page.write(head, Text(), table)
