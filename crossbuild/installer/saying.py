"""Telling the user something, whatever letters the terminal has."""

import sys

from crossbuild.installer.failure import UNWRITABLE, Failure, reason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO

INTERRUPTED = 130


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


def exit_code(work: "Callable[[], int]", place: str, interrupted: str) -> int:
    """What some work gives; what goes wrong is said in a sentence and has its own exit code.

    ``place`` is what an error of the system is about where that says nothing of it;
    ``interrupted`` is what Ctrl-C left.
    """
    try:
        return work()
    except Failure as failure:
        complain(f"error: {failure.sentence()}")
        return failure.code
    except OSError as error:
        complain(f"error: {error.filename or place}: {reason(error)}.")
        return UNWRITABLE
    except KeyboardInterrupt:
        complain(interrupted)
        return INTERRUPTED
