"""``repl:COMMAND`` and ``pty:COMMAND``: Python's own prompt, on pipes or on a terminal.

``repl:python3 -i``, ``repl:ssh HOST python3 -i``, ``pty:picocom /dev/ttyUSB0``: what is typed
there is Python, and one Python takes every message. Prompts, echoes and banners may come as they
like.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import termios
import time
from collections.abc import Iterator, Mapping

from crossbuild import process
from crossbuild.carry.execution import words
from crossbuild.errors import ChannelError
from crossbuild.process import PIPE, Child

_PIECE = 4000
"""Bytes that are written at once."""
_BLOCK = 1 << 16
_LOOK = 0.2
"""Seconds between two looks whether the run is being ended."""
_LFLAG = 3
_PLAIN = {"TERM": "dumb", "PYTHON_BASIC_REPL": "1"}
"""No colours, and no prompt that redraws what is typed."""
_READER = (
    "import sys\\nprint({ready})\\nsys.stdout.flush()\\n"
    "try:exec(''.join([sys.stdin.readline()for i in range({count})]),{{}})\\n"
    "except BaseException as e:print(type(e).__name__,e)\\nprint({end})"
)


class _Prompt:
    """A Python prompt that takes messages one after the other."""

    lanes = 1

    def __init__(self, stack: contextlib.ExitStack, child: Child, ends: tuple[int, int]) -> None:
        self._stack = stack
        self._child = child
        self._reading, self._writing = ends

    def close(self) -> None:
        """End the command."""
        self._stack.close()

    def _talk(self, typed: str, mark: str, end: float) -> str:
        """Type something and give what is printed until a mark.

        Raises ChannelError when the command ends, or the mark does not come before ``end``.
        """
        left = memoryview(typed.encode("ascii"))
        printed = bytearray()
        while mark.encode() not in printed[-_BLOCK - len(mark) :]:
            if time.monotonic() > end:
                raise ChannelError("no end of a message in time")
            process.check_cancelled()
            written, block = self._moved(left)
            left = left[written:]
            printed += block
        return printed.decode("utf-8", "replace")

    def _moved(self, typed: memoryview) -> tuple[int, bytes]:
        """Write and read what can be now, for echoes fill a terminal that nobody reads."""
        writing = [self._writing] if typed else []
        ready = select.select([self._reading], writing, [], _LOOK)
        try:
            written = os.write(self._writing, typed[:_PIECE]) if ready[1] else 0
            block = os.read(self._reading, _BLOCK) if ready[0] else None
        except OSError:  # the other end of a terminal or pipe is gone
            written, block = 0, b""
        if block == b"":
            code = self._child.returncode if process.ended(self._child, 1.0) else "unknown"
            raise ChannelError(f"the command ended with code {code}")
        return written, block or b""


class ReplChannel(_Prompt):
    """A Python prompt on pipes: what it reads it may read ahead, so all is typed at the prompt."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        argv = words("repl", address)
        with contextlib.ExitStack() as stack:
            child = stack.enter_context(
                process.started(argv, env={**environment, **_PLAIN}, stdin=PIPE)
            )
            assert child.stdin is not None
            assert child.stdout is not None
            os.set_blocking(child.stdin.fileno(), False)
            ends = child.stdout.fileno(), child.stdin.fileno()
            super().__init__(stack.pop_all(), child, ends)

    def run(self, code: str, timeout: float) -> str:
        """Type the code and give what was printed. Raises ChannelError."""
        end, said = _mark()
        pieces = [code[at : at + _PIECE] for at in range(0, len(code), _PIECE)]
        lines = ["_cb=[]", *(f"_cb.append({piece!r})" for piece in pieces)]
        lines += ["exec(''.join(_cb),{})", f"del _cb;print({said})"]
        typed = "".join(f"{line}\n" for line in lines)
        return self._talk(typed, end, time.monotonic() + timeout)


class PtyChannel(_Prompt):
    """A Python prompt on a terminal: the code is read as input, which no line editor slows."""

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        argv = words("pty", address)
        with contextlib.ExitStack() as stack:
            ours, theirs = stack.enter_context(_terminal())
            with open(theirs, "rb", buffering=0) as end:  # noqa: PTH123 - a descriptor
                child = stack.enter_context(
                    process.started(
                        argv, env={**environment, **_PLAIN}, stdin=end, stdout=end, stderr=end
                    )
                )
            super().__init__(stack.pop_all(), child, (ours, ours))

    def run(self, code: str, timeout: float) -> str:
        """Type a reader, wait for it, and type what it reads. Raises ChannelError."""
        until = time.monotonic() + timeout
        ready, said_ready = _mark()
        end, said_end = _mark()
        text = code if code.endswith("\n") else f"{code}\n"
        reader = _READER.format(ready=said_ready, count=text.count("\n"), end=said_end)
        self._talk(f'exec("{reader}",{{}})\n', ready, until)
        return self._talk(text, end, until)


def _mark() -> tuple[str, str]:
    """Something that is printed once, and an expression for it that an echo does not show."""
    mark = f"cb-mark-{secrets.token_hex(6)}"
    return mark, f"'{mark[:5]}'+'{mark[5:]}'"


@contextlib.contextmanager
def _terminal() -> Iterator[tuple[int, int]]:
    """Both ends of a terminal that takes lines and echoes nothing; the first is closed at last."""
    ours, theirs = os.openpty()
    try:
        settings = termios.tcgetattr(theirs)
        settings[_LFLAG] &= ~termios.ECHO
        termios.tcsetattr(theirs, termios.TCSANOW, settings)
        os.set_blocking(ours, False)
        yield ours, theirs
    finally:
        os.close(ours)
