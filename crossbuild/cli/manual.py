"""The help that ``-h`` shows, laid out from the grammar."""

from __future__ import annotations

from rich.console import Group
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crossbuild.cli.grammar import COMMANDS, EXIT_CODES, OVERVIEW, Command
from crossbuild.cli.vocabulary import Option

_NAMES = 29
"""Columns of the options' names."""


def manual(name: str) -> Group:
    """The help of a command; that of ``run`` tells of the others too."""
    command = COMMANDS[name]
    prog = "crossbuild" if name == "run" else f"crossbuild {name}"
    usage = Text.assemble(("Usage: ", "bold"), (prog, "bold cyan"), f" {command.words} [OPTIONS]")
    parts = [usage, Text(), *_about(name, command), *_groups(command)]
    if name == "run":
        parts += [_heading("Exit codes"), Padding(Text(EXIT_CODES), (0, 0, 0, 2), expand=False)]
    return Group(*(parts if name == "run" else parts[:-1]))


def _about(name: str, command: Command) -> list[Text | Padding]:
    summary = OVERVIEW if name == "run" else f"{command.summary[:1].upper()}{command.summary[1:]}."
    parts: list[Text | Padding] = [Text(summary), Text()]
    if command.examples:
        lines = [Text(f"  {example}") for example in command.examples]
        parts += [_heading("Examples"), *lines, Text()]
    if name == "run":
        parts += [_heading("Commands"), _commands(), Text()]
    return parts


def _commands() -> Padding:
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, command in COMMANDS.items():
        table.add_row(Text(name, "cyan"), Text(command.summary))
    return Padding(table, (0, 0, 0, 2), expand=False)


def _groups(command: Command) -> list[Text | Table]:
    """The options, in columns that agree between the groups."""
    parts: list[Text | Table] = []
    for group in command.groups:
        table = Table.grid(padding=(0, 2, 0, 0))
        table.add_column(width=_NAMES)
        table.add_column()
        for option in group.options:
            table.add_row(_names(option), Text(option.help))
        parts += [_heading(group.title), table, Text()]
    return parts


def _heading(title: str) -> Text:
    return Text(title, "bold")


def _names(option: Option) -> Text:
    short = [name for name in option.names if not name.startswith("--")]
    long = [name for name in option.names if name.startswith("--")]
    text = Text("  " + (f"{short[0]}, " if short else "    "))
    text.append(long[0])
    text.stylize("cyan", 2)
    return text.append(f" {option.metavar}", "dim") if option.metavar else text
