"""Telling the user something, whatever letters the terminal has."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO


def say(line: str) -> None:
    """Tell the user something."""
    put_line(sys.stdout, line)


def complain(line: str) -> None:
    """Tell the user what is wrong."""
    put_line(sys.stderr, line)


def put_line(stream: "TextIO", line: str) -> None:
    """Write a line at once; signs that the stream cannot write are escaped."""
    encoding = getattr(stream, "encoding", None) or "utf-8"
    stream.write(line.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()
