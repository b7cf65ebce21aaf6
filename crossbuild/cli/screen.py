"""Where a command speaks: its answer on standard output, everything else on standard error.

With ``--json`` standard output gets exactly one JSON document, also when the command fails.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.text import Text

from crossbuild.cli.page import Page
from crossbuild.cli.render import Plain, Renderer, Terminal, showing
from crossbuild.errors import BuildError, CrossbuildError

_ENDLESS = 4096
"""Columns where nothing has to fit a screen: a file or a pipe."""
_PLAINER = {"…": "...", "·": "-", "→": "->", "✓": "+", "✗": "x", "━": "=", "─": "-"}


def _plainer(error: UnicodeError) -> tuple[str, int]:
    """What to write for characters that the terminal's encoding lacks (codecs error handler)."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    unwritable = error.object[error.start : error.end]
    return "".join(_PLAINER.get(sign, "?") for sign in unwritable), error.end


codecs.register_error("crossbuild", _plainer)


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What a command has to say: its exit code, a JSON document, and the same for people.

    ``line`` is said instead of all that, where a program asked for one line.
    """

    code: int
    document: Mapping[str, object]
    show: Callable[[Page], None]
    line: str | None = None


class Screen:
    """The streams of a command. ``redact`` takes passwords out of everything shown."""

    def __init__(self, source: TextIO, out: TextIO, err: TextIO, *, json: bool) -> None:
        self.json = json
        self.redact: Callable[[str], str] = str
        self._in = source
        self._out = _tolerant(out)
        self._err = _tolerant(err)
        self._answered = False

    def console(self) -> Console:
        """A console on standard error."""
        return _console(self._err)

    def page(self, *, verbose: bool = False) -> Page:
        """A page on standard output, or on standard error where that is for JSON."""
        return Page(console=_console(self._err if self.json else self._out), verbose=verbose)

    def aside(self) -> Page:
        """A page on standard error, for what comes before the answer."""
        return Page(console=self.console())

    @property
    def aside_descriptor(self) -> int:
        """Standard error, for programs that write to it themselves."""
        self._err.flush()
        return self._err.fileno()

    @property
    def attended(self) -> bool:
        """Whether there is someone who can answer a question."""
        return self._in.isatty()

    def confirmed(self, question: str) -> bool:
        """Ask for a yes; everything else is a no."""
        self._err.write(f"\n{question} [y/N] ")
        self._err.flush()
        return self._in.readline().strip().lower() in {"y", "yes"}

    def renderer(self, verbosity: int) -> Renderer:
        """What shows a run while it goes on: live on a terminal that can move its cursor."""
        console = self.console()
        live = self._err.isatty() and not console.is_dumb_terminal and verbosity >= 0
        kind = Terminal if live else Plain
        return kind(console, verbosity=verbosity, redact=self.redact)

    @contextlib.contextmanager
    def progress(self, verbosity: int) -> Iterator[Renderer]:
        """Show what goes on for as long as the context is open."""
        with showing(self.renderer(verbosity)) as renderer:
            yield renderer

    def answer(self, answer: Answer, *, verbosity: int) -> None:
        """Say the answer, once."""
        self._answered = True
        if answer.line is not None:
            self._out.write(f"{self.redact(answer.line)}\n")
        elif self.json:
            self._write(answer.document)
        elif verbosity > -2:
            answer.show(self.page(verbose=verbosity > 0))
        self._out.flush()

    def fail(self, error: CrossbuildError) -> int:
        """Say what went wrong and what to do, and return the exit code."""
        message, remedy = self.redact(str(error)), self.redact(error.remedy)
        with contextlib.suppress(OSError, ValueError):
            self._tell(message, remedy, error)
        if self.json and not self._answered:
            self._answered = True
            with contextlib.suppress(OSError, ValueError):
                self._write(_error_document(error, message, remedy))
        return error.exit_code

    def _tell(self, message: str, remedy: str, error: CrossbuildError) -> None:
        console = self.console()
        head = Text.assemble(("crossbuild: ", "bold"), ("error: ", "bold red"), message)
        console.print(head, soft_wrap=True)
        for line in error.tail if isinstance(error, BuildError) else ():
            console.print(Text(f"    {self.redact(line)}", "dim"), soft_wrap=True)
        if remedy:
            console.print(Text(f"  {remedy}"), soft_wrap=True)

    def _write(self, document: Mapping[str, object]) -> None:
        text = json.dumps(document, indent=2, ensure_ascii=False)
        self._out.write(f"{self.redact(text)}\n")
        self._out.flush()

    def forget_output(self) -> None:
        """Send what is still buffered nowhere: the reader of standard output has gone."""
        self._answered = True
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._out.fileno())
            os.close(nowhere)


def _error_document(error: CrossbuildError, message: str, remedy: str) -> Mapping[str, object]:
    """``crossbuild-error/1``: ``kind`` is the error's class, ``exit_code`` the command's."""
    return {
        "schema": "crossbuild-error/1",
        "error": {
            "kind": type(error).__name__,
            "message": message,
            "remedy": remedy,
            "exit_code": error.exit_code,
        },
    }


def _tolerant(stream: TextIO) -> TextIO:
    """Make a stream write something for every character, whatever the terminal's encoding."""
    reconfigure = getattr(stream, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="crossbuild")
    return stream


def _console(stream: TextIO) -> Console:
    width = None if stream.isatty() else _ENDLESS
    return Console(file=stream, width=width, highlight=False, markup=False, emoji=False)
