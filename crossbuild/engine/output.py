"""What a command prints, on its way to a log, to a listener and into the result."""

from __future__ import annotations

import os
import re
import select
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from crossbuild.disk import guarded

_TAIL = 64 << 10
_CHUNK = 64 << 10
_LONGEST_LINE = 64 << 10
_DRAIN = 1.0
_CRASH = re.compile(rb"qemu: uncaught target signal (\d+)")


class Output:
    """The reading end of a pipe; ``writer`` is for the child.

    ``log`` is appended to. Bytes that are not UTF-8 are replaced in ``tail`` and in lines. A
    context manager: it owns its descriptors.
    """

    def __init__(self, log: Path | None, on_line: Callable[[str], None] | None) -> None:
        self._log = log
        self._on_line = on_line
        self._stream: IO[bytes] | None = None
        self._line = b""
        self._tail = b""
        self._stack = ExitStack()
        self.total = 0
        self.last = time.monotonic()
        self.crash: int | None = None
        self.open = True

    def __enter__(self) -> Output:  # noqa: PYI034 - Self is not in Python 3.10
        if self._log is not None:
            with guarded(self._log.parent):
                self._log.parent.mkdir(parents=True, exist_ok=True)
                self._stream = self._stack.enter_context(self._log.open("ab", buffering=0))
        self._reader, self.writer = os.pipe()
        self._stack.callback(os.close, self._reader)
        self._stack.callback(self.close_writer)
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @property
    def tail(self) -> str:
        """The last 64 KiB."""
        return self._tail.decode(errors="replace")

    def close_writer(self) -> None:
        """Leave the writing end to the child alone, so that its end is seen."""
        if self.writer >= 0:
            os.close(self.writer)
            self.writer = -1

    def wait(self, seconds: float) -> bool:
        """Take what is printed within so many seconds; whether there was something."""
        if not select.select([self._reader], [], [], seconds)[0]:
            return False
        chunk = os.read(self._reader, _CHUNK)
        if chunk:
            self._take(chunk)
        else:
            self.open = False
        return True

    def drain(self) -> None:
        """Take what is left after the child ended."""
        while self.open and self.wait(_DRAIN):
            pass
        if self._line:
            self._emit(self._line)
            self._line = b""

    def _take(self, chunk: bytes) -> None:
        self.total += len(chunk)
        self.last = time.monotonic()
        self._tail = (self._tail + chunk)[-_TAIL:]
        if self._stream is not None and self._log is not None:
            with guarded(self._log.parent):
                self._stream.write(chunk)
        *lines, self._line = (self._line + chunk).split(b"\n")
        if len(self._line) > _LONGEST_LINE:
            lines.append(self._line)
            self._line = b""
        for line in lines:
            self._emit(line)

    def _emit(self, line: bytes) -> None:
        if found := _CRASH.search(line):
            self.crash = int(found[1])
        if self._on_line is not None:
            self._on_line(line.decode(errors="replace").rstrip("\r"))
