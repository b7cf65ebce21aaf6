"""Doing the same to many things, a few at a time, in threads that nobody has to wait for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

from crossbuild import process

T = TypeVar("T")
R = TypeVar("R")

_LOOK = 0.2
"""Seconds between two looks whether the run is being ended."""


def each(items: Sequence[T], work: Callable[[T], R], *, jobs: int) -> list[R]:
    """Do ``work`` on every item, at most ``jobs`` at once; the results are in their order.

    The first exception is raised at once and nothing new is begun; so is Ctrl-C and, when the
    run is being ended, CancelledError. The threads are daemons: one that sleeps in a read does
    not hold the process up.
    """
    todo: queue.SimpleQueue[int] = queue.SimpleQueue()
    done: queue.SimpleQueue[tuple[int, R | None, BaseException | None]] = queue.SimpleQueue()
    for index in range(len(items)):
        todo.put(index)
    given_up = threading.Event()

    def worker() -> None:
        while not given_up.is_set():
            try:
                index = todo.get_nowait()
            except queue.Empty:
                return
            try:
                done.put((index, work(items[index]), None))
            except BaseException as error:  # noqa: BLE001 - handed to the caller's thread
                given_up.set()
                done.put((index, None, error))

    for _ in range(min(jobs, len(items))):
        threading.Thread(target=worker, daemon=True).start()
    try:
        return _collected(done, len(items))
    finally:
        given_up.set()


def _collected(
    done: queue.SimpleQueue[tuple[int, R | None, BaseException | None]], count: int
) -> list[R]:
    results: dict[int, R] = {}
    while len(results) < count:
        try:
            index, result, error = done.get(timeout=_LOOK)
        except queue.Empty:
            process.check_cancelled()
            continue
        if error is not None:
            raise error
        results[index] = result  # type: ignore[assignment]
    return [results[index] for index in range(count)]
