"""Locks between processes and threads: ``flock(2)`` on a file that exists while it is held.

A lock ends with the process that holds it, however that process ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import itertools
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

_PAUSES = (0.01, 0.02, 0.05, 0.1)
_LONG_PAUSE = 0.2


@contextlib.contextmanager
def held(path: Path, on_wait: Callable[[float], None]) -> Iterator[None]:
    """Hold the lock ``path``; wait for it as long as another process or thread has it.

    ``on_wait`` gets the seconds waited so far, several times a second, and may raise to give
    up. Polled, because a thread that sleeps in flock(2) cannot be woken by Ctrl-C.
    """
    descriptor = _waited_for(path, on_wait)
    with released(path, descriptor):
        yield


def _waited_for(path: Path, on_wait: Callable[[float], None]) -> int:
    began = time.monotonic()
    pauses = itertools.chain(_PAUSES, itertools.repeat(_LONG_PAUSE))
    while (descriptor := try_lock(path)) is None:
        time.sleep(next(pauses))
        on_wait(time.monotonic() - began)
    return descriptor


def try_lock(path: Path) -> int | None:
    """Lock ``path`` at once and return its descriptor, or None when another holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Its last holder unlinked the file between our open and our lock: not this file.
        if os.fstat(descriptor).st_ino == path.stat().st_ino:
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextlib.contextmanager
def released(path: Path, descriptor: int) -> Iterator[None]:
    """Release a lock that ``try_lock`` gave when the block ends."""
    try:
        yield
    finally:
        # Unlinked while it is held: who waits for it sees the name gone and opens it anew.
        path.unlink(missing_ok=True)
        os.close(descriptor)
