"""Where an answer is written, and the marked sentences that every answer is made of."""

from __future__ import annotations

from dataclasses import dataclass

from rich.console import Console, Group, RenderableType
from rich.table import Table
from rich.text import Text

from crossbuild import wording
from crossbuild.cli.render import Glyphs, glyphs


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Where an answer is written: ``wide`` when nothing has to fit a screen."""

    console: Console
    verbose: bool = False

    @property
    def signs(self) -> Glyphs:
        """The signs that the console can show."""
        return glyphs(self.console)

    @property
    def width(self) -> int:
        """Columns that a line may take."""
        return self.console.width

    def write(self, *parts: RenderableType) -> None:
        """Write parts one below the other; off the screen without blanks at the lines' ends."""
        if self.console.is_terminal:
            self.console.print(Group(*parts))
            return
        with self.console.capture() as captured:
            self.console.print(Group(*parts))
        lines = captured.get().splitlines()
        self.console.file.write("".join(f"{line.rstrip()}\n" for line in lines))


def said(page: Page, kind: str, head: str, *more: str, seconds: float | None = None) -> Table:
    """A marked sentence with more lines below it, all wrapping under themselves.

    ``kind`` is ``done``, ``failed``, ``warning`` or ``note``; ``seconds`` is how long it took.
    """
    signs = page.signs
    mark, style = {
        "done": (signs.done, "bold green"),
        "failed": (signs.failed, "bold red"),
        "warning": (signs.warning, "bold yellow"),
        "note": (signs.dot, "dim"),
    }[kind]
    text = Text(head)
    if seconds is not None:
        text.append(f"  {wording.duration(seconds)}", "dim")
    for line in more:
        text.append(f"\n{line}", "dim")
    table = Table.grid(padding=(0, 1, 0, 0))
    table.add_row(Text(mark, style), text)
    return table
