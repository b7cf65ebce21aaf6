"""The command line: words in, an exit code out. The one place that prints, exits, reads env."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from crossbuild import process
from crossbuild.cli import arguments
from crossbuild.cli.arguments import Options
from crossbuild.cli.manual import manual
from crossbuild.cli.screen import Answer, Screen
from crossbuild.errors import (
    EXIT_INTERNAL,
    EXIT_INTERRUPTED,
    EXIT_OK,
    CrossbuildError,
    StorageError,
    UsageError,
)
from crossbuild.process import CancelledError

if TYPE_CHECKING:
    from crossbuild.cli.request import Surroundings

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
_PATIENCE = 3.0
"""Seconds that threads get to end after an interruption."""
_SHOW_CURSOR = "\x1b[?25h"


class DefectError(CrossbuildError):
    """An exception that nothing expected: crossbuild's own fault."""

    exit_code = EXIT_INTERNAL


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line and return its exit code; no exception leaves."""
    words = sys.argv[1:] if argv is None else list(argv)
    screen = _screen(json=arguments.wants_json(words))
    with _interruptible():
        try:
            return _main(words, screen)
        except (KeyboardInterrupt, CancelledError):
            return _interrupted(screen)
        except BrokenPipeError:
            screen.forget_output()
            return EXIT_OK
        except CrossbuildError as error:
            return screen.fail(error)
        except OSError as error:
            return screen.fail(_storage(error) or _defect(error, screen))
        except Exception as error:  # noqa: BLE001
            return screen.fail(_defect(error, screen))


def _screen(*, json: bool) -> Screen:
    """The three streams; Python has None for one that the caller closed."""
    source, out, err = (stream or io.StringIO() for stream in (sys.stdin, sys.stdout, sys.stderr))
    return Screen(source, out, err, json=json)


def _main(words: Sequence[str], screen: Screen) -> int:
    options = arguments.parse(words)
    if options.version:
        return _say_version(screen)
    if not words:
        screen.aside().write(manual(options.command))
        return UsageError.exit_code
    if options.help:
        screen.page().write(manual(options.command))
        return EXIT_OK
    answer = _answer(options, screen)
    try:
        screen.answer(answer, verbosity=options.verbose - options.quiet)
    except BrokenPipeError:
        # The work is done; only its reader has gone (`crossbuild plan … | head`).
        screen.forget_output()
    return answer.code


def _answer(options: Options, screen: Screen) -> Answer:
    # Imported late: -h, --version and mistakes in the words are answered at once.
    from crossbuild.cli.commands import COMMANDS, Call

    call = Call(options=options, around=_surroundings(), screen=screen)
    return COMMANDS[options.command](call)


def _surroundings() -> Surroundings:
    """The user's environment, home and directory. Raises UsageError where they are not there."""
    from crossbuild.cli.request import Surroundings

    try:
        return Surroundings(environment=dict(os.environ), home=Path.home(), directory=Path.cwd())
    except RuntimeError as error:
        raise UsageError("there is no home directory", remedy="Set HOME.") from error
    except FileNotFoundError as error:
        raise UsageError("the current directory is gone", remedy="Change to another.") from error


def _say_version(screen: Screen) -> int:
    try:
        version = metadata.version("crossbuild")
    except metadata.PackageNotFoundError:
        version = "unknown (it is not installed)"
    document = {"schema": "crossbuild-version/1", "version": version}
    screen.answer(
        Answer(
            code=EXIT_OK,
            document=document,
            show=lambda page: page.console.print(f"crossbuild {version}"),
        ),
        verbosity=0,
    )
    return EXIT_OK


@contextlib.contextmanager
def _interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a run as Ctrl-C does; a second signal ends it at once.

    What the caller had ignored (nohup, a shell's background job) stays ignored.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    count = 0

    def stop(number: int, frame: FrameType | None) -> None:
        del number, frame
        nonlocal count
        count += 1
        if count > 1:
            _leave_now()
        raise KeyboardInterrupt

    heard = [number for number in _SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _interrupted(screen: Screen) -> int:
    """End what still runs, then say so. Children die with their groups, mounts with them."""
    process.terminate_all()
    code = screen.fail(CancelledError())
    end = time.monotonic() + _PATIENCE
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join(max(end - time.monotonic(), 0))
            if thread.is_alive():
                _leave_now()
    return code


def _leave_now() -> None:
    """End without waiting for anyone: what is left of files is swept by the next run."""
    process.terminate_all()
    with contextlib.suppress(OSError, ValueError):
        if sys.stderr and sys.stderr.isatty():
            sys.stderr.write(_SHOW_CURSOR)
        for stream in filter(None, (sys.stderr, sys.stdout)):
            stream.flush()
    os._exit(EXIT_INTERRUPTED)


def _storage(error: OSError) -> StorageError | None:
    """A disk's answer that nobody put into words; None for any other error."""
    if error.errno not in _STORAGE:
        return None
    reason = os.strerror(error.errno or 0).lower()
    place = f"{error.filename} cannot be used" if error.filename else "a file cannot be used"
    return StorageError(
        f"{place}: {reason}", remedy="Look at the permissions and the space there."
    )


def _defect(error: Exception, screen: Screen) -> DefectError:
    """Keep the traceback in a file, without passwords, and name it."""
    text = screen.redact("".join(traceback.format_exception(error)))
    where = "The traceback could not be written."
    with contextlib.suppress(OSError):
        handle, name = tempfile.mkstemp(prefix="crossbuild-defect-", suffix=".txt")
        with os.fdopen(handle, "w", encoding="utf-8", errors="replace") as stream:
            stream.write(text)
        where = f"Please report it; the traceback is in {name}."
    said = str(error).strip().splitlines()
    what = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    return DefectError(f"a defect of crossbuild itself: {what}", remedy=where)
