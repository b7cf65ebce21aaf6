"""What happens to a wheelhouse at the other end: programs are run there and files come back."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild.carry import message
from crossbuild.carry.line import Line
from crossbuild.carry.message import Call
from crossbuild.disk import guarded, hash_of
from crossbuild.errors import ChannelError

INSTALLER = "install.py"
_LONGEST = 3600.0
"""Seconds that a program may run there: byte code is compiled slowly under emulation."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """A program that ran there: its exit code, and all that it printed."""

    arguments: tuple[str, ...]
    code: int
    output: str


def run(
    line: Line,
    script: str,
    arguments: Sequence[str] = (),
    *,
    home: str = "",
    searched: str = "",
) -> Ran:
    """Run a Python file of the other machine there, in the process that takes the message.

    ``home`` is the directory it runs in, empty: the one that Python was started in; ``searched``
    one more for its ``sys.path``, with ``{X.Y}`` for that Python's version. It is run once, also
    when the answer is lost and asked for again. Raises ChannelError.
    """
    number = secrets.token_hex(6)
    words = "\n".join(arguments).encode("utf-8", "surrogateescape")
    call = Call(function="run", arguments=(script, home, searched, number))
    told = line.ask(call, words, more=_LONGEST)
    code, size = map(int, told.split())
    log = f"{script.rpartition('/')[0]}/.run-{number}"
    output = b"".join(_blocks(line, log, size))
    forget(line, [log, f"{log}.code"])
    return Ran(arguments=tuple(arguments), code=code, output=output.decode("utf-8", "replace"))


def read(line: Line, path: str) -> bytes:
    """All of a small file there. Raises ChannelError."""
    told = line.ask(Call(function="measure", arguments=(path,))).split()
    return b"".join(_blocks(line, path, int(told[1])))


def bring(line: Line, source: str, destination: Path) -> None:
    """Bring a file of the other machine here; it has its name when it is whole and right.

    Raises ChannelError where there is none or it changed meanwhile; StorageError.
    """
    sha256, size = line.ask(Call(function="measure", arguments=(source,))).decode("ascii").split()
    part = destination.with_name(f".{destination.name}.{secrets.token_hex(6)}.part")
    try:
        with guarded(destination.parent), part.open("wb") as stream:
            for block in _blocks(line, source, int(size)):
                stream.write(block)
        with guarded(destination.parent):
            if hash_of(part) != sha256:
                raise ChannelError(
                    f"{source} changed while it was read there", remedy="Try again."
                )
            part.replace(destination)
    finally:
        part.unlink(missing_ok=True)


def clear(line: Line, directory: str) -> None:
    """Remove a directory there that a push made for itself, with all that is in it."""
    line.ask(Call(function="clear", arguments=(directory,)))


def forget(line: Line, paths: Sequence[str]) -> None:
    """Remove files there, and directories that are empty; what cannot be removed stays."""
    call = Call(function="forget", arguments=())
    for page in message.pages(paths, line.room(call)):
        line.ask(call, page)


def _blocks(line: Line, path: str, size: int) -> Iterator[bytes]:
    """The bytes of a file there, as many at once as one answer can bring."""
    room = line.answer_room
    for offset in range(0, size, room):
        yield line.ask(Call(function="read", arguments=(path, offset, min(room, size - offset))))
