"""Doing jobs that wait for each other, a few at a time."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from typing import Generic, TypeVar

from crossbuild import process

K = TypeVar("K", bound=Hashable)
R = TypeVar("R")


class Skipped(Generic[K]):
    """The outcome of a job that was not done because ``cause``, which it waits for, failed."""

    def __init__(self, cause: K) -> None:
        self.cause = cause


def in_order(
    after: Mapping[K, Sequence[K]],
    work: Callable[[K], R],
    *,
    failed: Callable[[R], bool],
    jobs: int,
) -> dict[K, R | Skipped[K]]:
    """Do ``work`` for each key once all that it is ``after`` are done, at most ``jobs`` at once.

    A job that waits for a failed or skipped one is skipped. ``work`` reports failure in its
    result; an exception from it ends everything: running children are killed, then it is
    raised. Keys in ``after``'s values that are no keys are taken as done.
    Raises graphlib.CycleError when jobs wait for each other.
    """
    TopologicalSorter(after).prepare()
    outcome: dict[K, R | Skipped[K]] = {}
    running: dict[Future[R], K] = {}
    with ThreadPoolExecutor(max_workers=max(1, jobs)) as pool:
        try:
            while len(outcome) < len(after):
                _skip(after, outcome, failed)
                for key in _ready(after, outcome, running):
                    running[pool.submit(work, key)] = key
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    outcome[running.pop(future)] = future.result()
        except BaseException:
            process.terminate_all()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return {key: outcome[key] for key in after}


def _ready(
    after: Mapping[K, Sequence[K]],
    outcome: Mapping[K, R | Skipped[K]],
    running: Mapping[Future[R], K],
) -> list[K]:
    busy = set(running.values())
    return [
        key
        for key, needs in after.items()
        if key not in outcome
        and key not in busy
        and all(need in outcome or need not in after for need in needs)
    ]


def _skip(
    after: Mapping[K, Sequence[K]],
    outcome: dict[K, R | Skipped[K]],
    failed: Callable[[R], bool],
) -> None:
    changed = True
    while changed:
        changed = False
        for key, needs in after.items():
            cause = next((need for need in needs if _bad(outcome.get(need), failed)), None)
            if key not in outcome and cause is not None:
                outcome[key] = Skipped(cause)
                changed = True


def _bad(result: R | Skipped[K] | None, failed: Callable[[R], bool]) -> bool:
    if result is None:
        return False
    return isinstance(result, Skipped) or failed(result)
