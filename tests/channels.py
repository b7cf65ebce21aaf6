"""Channels for tests: Python run in this process, and every way a channel can be bad."""

from __future__ import annotations

import base64
import contextlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path

from crossbuild.carry.channel import Channel
from crossbuild.carry.line import Line
from crossbuild.errors import ChannelError


class Near:
    """Runs the code here: the other machine is this one."""

    lanes = 1

    def __init__(self) -> None:
        self.sent: list[str] = []
        self.printed: list[str] = []
        self.open = True

    def run(self, code: str, timeout: float) -> str:
        assert self.open
        self.sent.append(code)
        self.printed.append(self.said(code))
        return self.printed[-1]

    def said(self, code: str) -> str:
        """What the code prints, or the last line of a traceback."""
        screen = io.StringIO()
        with contextlib.redirect_stdout(screen):
            try:
                exec(compile(code, "message", "exec"), {})
            except Exception as error:  # noqa: BLE001
                print(f"{type(error).__name__}: {error}")
        return screen.getvalue()

    def close(self) -> None:
        self.open = False


class Bad(Near):
    """Every ``each``-th message meets a fault, which gets the code and the way to run it.

    ``number`` counts the messages over all channels that share it.
    """

    def __init__(self, fault: Fault, each: int, number: Iterator[int]) -> None:
        super().__init__()
        self._fault = fault
        self._each = each
        self._number = number

    def said(self, code: str) -> str:
        number = next(self._number)
        if number % self._each == self._each - 1:
            return self._fault(code, super().said, number)
        return super().said(code)


class Faulty:
    """A real channel, each ``each``-th message of which meets a fault."""

    lanes = 1

    def __init__(self, inner: Channel, fault: Fault, each: int, number: Iterator[int]) -> None:
        self._inner = inner
        self._fault = fault
        self._each = each
        self._number = number

    def run(self, code: str, timeout: float) -> str:
        number = next(self._number)
        if number % self._each == self._each - 1:
            return self._fault(code, lambda text: self._inner.run(text, timeout), number)
        return self._inner.run(code, timeout)

    def close(self) -> None:
        self._inner.close()


Fault = Callable[[str, Callable[[str], str], int], str]


def cut_before(code: str, run: Callable[[str], str], number: int) -> str:
    raise ChannelError("the connection was reset")


def cut_after(code: str, run: Callable[[str], str], number: int) -> str:
    run(code)
    raise ChannelError("the connection was reset")


def lost(code: str, run: Callable[[str], str], number: int) -> str:
    return ""


def truncated(code: str, run: Callable[[str], str], number: int) -> str:
    printed = run(code)
    return printed[: len(printed) // 2]


def doubled(code: str, run: Callable[[str], str], number: int) -> str:
    return run(code) + run(code)


def bit_out(code: str, run: Callable[[str], str], number: int) -> str:
    return run(flipped(code, number * 7919))


def bit_back(code: str, run: Callable[[str], str], number: int) -> str:
    return flipped(run(code), number * 7919)


def noise(code: str, run: Callable[[str], str], number: int) -> str:
    lines = run(code).splitlines()
    return "\n".join(f"\x1b[?2004h>>> {line}\r\n[  12.5] eth0: link up" for line in lines)


def wrapped(code: str, run: Callable[[str], str], number: int) -> str:
    printed = run(code)
    return "\r\n".join(printed[at : at + 40] for at in range(0, len(printed), 40))


def mail(code: str, run: Callable[[str], str], number: int) -> str:
    """The code goes through MIME, which breaks lines of more than 76 signs."""
    broken = base64.encodebytes(code.encode("ascii"))
    there = base64.decodebytes(broken).decode("ascii")
    lines = [line[at : at + 76] for line in there.split("\n") for at in range(0, len(line), 76)]
    return run("\r\n".join(lines) + "\r\n")


def limited(limit: int) -> Fault:
    """No message and no answer may be longer."""

    def run(code: str, ask: Callable[[str], str], number: int) -> str:
        assert len(code) <= limit
        printed = ask(code)
        assert len(printed) <= limit
        return printed

    return run


def flipped(text: str, at: int) -> str:
    """The text with one of its bits the other way round."""
    data = bytearray(text.encode("ascii"))
    position = at % (len(data) * 7)
    data[position // 7] ^= 1 << position % 7
    return data.decode("ascii")


class Limited(Near):
    """Takes no message longer than ``limit``, and gives none."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit = limit

    def said(self, code: str) -> str:
        assert len(code) <= self._limit
        printed = super().said(code)
        assert len(printed) <= self._limit
        return printed


def line(opened: Callable[[], Near], limit: int = 1 << 20) -> Line:
    """A line over such channels that loses no time when it waits."""
    return Line(opened, limit=limit, pause=0.0)


def tree(directory: Path, **files: bytes) -> Path:
    """A directory with these files."""
    for name, content in files.items():
        path = directory / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return directory
