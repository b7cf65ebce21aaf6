"""Running argv lists: the only module that imports ``subprocess``.

Every child is the leader of its own process group and is killed when the thread that started
it ends (``PR_SET_PDEATHSIG`` through util-linux ``setpriv`` where it is there), so that a
``kill -9`` of crossbuild leaves no child behind. ``terminate_all`` ends every running child
and refuses new ones: the run is over.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO

from crossbuild.errors import EXIT_INTERRUPTED, CrossbuildError, HostError

Child = subprocess.Popen[bytes]
"""A started program, as ``started`` yields it."""
PIPE = subprocess.PIPE
"""A stream of ``started`` that the caller reads or writes."""

_running: set[Child] = set()
_guard = threading.Lock()
_closing = threading.Event()


class CancelledError(CrossbuildError):
    """The run is being ended (Ctrl-C): nothing new may start."""

    exit_code = EXIT_INTERRUPTED

    def __init__(self) -> None:
        super().__init__("the run was interrupted")


class ProcessError(CrossbuildError):
    """A program that had to succeed did not; ``output`` is the end of what it printed."""

    def __init__(self, argv: Sequence[str], returncode: int, output: str) -> None:
        tail = output.strip().splitlines()
        said = f": {tail[-1].strip()}" if tail else ""
        super().__init__(f"{Path(argv[0]).name} ended with code {returncode}{said}")
        self.argv = tuple(argv)
        self.returncode = returncode
        self.output = output


@dataclass(frozen=True, kw_only=True, slots=True)
class Completed:
    """A finished program; ``seconds`` is wall time."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str
    seconds: float


@cache
def _leash() -> tuple[str, ...]:
    """The prefix that ties a child's life to the thread that started it (prctl(2))."""
    setpriv = shutil.which("setpriv")
    return (setpriv, "--pdeathsig", "KILL", "--") if setpriv else ()


def which(program: str) -> Path | None:
    """The program's path on the host, or None."""
    found = shutil.which(program)
    return Path(found) if found else None


@contextlib.contextmanager
def started(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | IO[bytes] = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.PIPE,
    stderr: int | IO[bytes] = subprocess.STDOUT,
) -> Iterator[Child]:
    """Start a program; whatever happens inside, its process group is dead on leaving.

    ``env`` replaces the environment. Raises HostError when the program is not there and
    CancelledError after ``terminate_all``.
    """
    if _closing.is_set():
        raise CancelledError
    if not _there(argv[0], env, cwd):
        raise HostError(f"{argv[0]} is not installed on this host")
    try:
        child = subprocess.Popen(
            [*_leash(), *argv],
            env=None if env is None else dict(env),
            cwd=cwd,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            start_new_session=True,
        )
    except FileNotFoundError as error:
        raise HostError(f"{argv[0]} is not installed on this host") from error
    with _guard:
        _running.add(child)
    try:
        # A run that ended since the first look did not see this child.
        check_cancelled()
        yield child
    finally:
        kill(child)
        with _guard:
            _running.discard(child)


def _there(program: str, env: Mapping[str, str] | None, cwd: Path | None) -> bool:
    """Whether execvp(3) finds the program: under the leash its failure would be setpriv's."""
    if os.sep in program:
        return Path(cwd or "", program).exists()
    path = None if env is None else env.get("PATH", os.defpath)
    return shutil.which(program, path=path) is not None


def check_cancelled() -> None:
    """Raise CancelledError when the run is being ended: long loops without children call this."""
    if _closing.is_set():
        raise CancelledError


def reopen() -> None:
    """Allow children again after ``terminate_all``: for a program or test that goes on."""
    _closing.clear()


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    input: str | None = None,
    timeout: float | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end and capture what it prints (decoded, bad bytes replaced).

    ``timeout`` is in seconds. Raises ProcessError when ``check`` and it returns non-zero or
    times out, HostError when it is not there.
    """
    began = time.monotonic()
    stdin = subprocess.DEVNULL if input is None else subprocess.PIPE
    with started(argv, env=env, cwd=cwd, stdin=stdin, stderr=subprocess.PIPE) as child:
        try:
            out, err = child.communicate(
                None if input is None else input.encode(), timeout=timeout
            )
        except subprocess.TimeoutExpired:
            raise ProcessError(argv, -1, f"no end after {timeout:g} s") from None
    done = Completed(
        argv=tuple(argv),
        returncode=child.returncode,
        stdout=out.decode(errors="replace"),
        stderr=err.decode(errors="replace"),
        seconds=time.monotonic() - began,
    )
    if check and done.returncode != 0:
        raise ProcessError(argv, done.returncode, done.stderr or done.stdout)
    return done


def foreground(argv: Sequence[str], *, stdout: int | None = None) -> int:
    """Run a program on the user's own terminal (``sudo`` asks for a password there).

    Nothing is captured; ``stdout`` is a file descriptor to use for its standard output.
    Returns its exit code, negative for a signal; raises HostError when it is not there.
    """
    if _closing.is_set():
        raise CancelledError
    try:
        return subprocess.run(argv, check=False, stdout=stdout).returncode
    except FileNotFoundError as error:
        raise HostError(f"{argv[0]} is not installed on this host") from error


def ended(child: Child, seconds: float) -> bool:
    """Wait at most so long for a child; whether it has ended."""
    try:
        child.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def kill(child: Child) -> None:
    """Kill a child's process group and reap the child; nothing if it ended."""
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
    for stream in (child.stdin, child.stdout, child.stderr):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
    child.wait()


def terminate_all() -> None:
    """Kill every child, from whichever thread it was started, and let no new one start."""
    _closing.set()
    with _guard:
        children = tuple(_running)
    for child in children:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child.pid, signal.SIGKILL)
