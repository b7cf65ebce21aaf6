"""Jobs that wait for each other."""

from __future__ import annotations

import threading
from graphlib import CycleError

import pytest

from crossbuild import process
from crossbuild.schedule import Skipped, in_order

pytestmark = pytest.mark.pure


@pytest.fixture(autouse=True)
def _children_allowed() -> None:
    process.reopen()


def test_a_job_waits_for_what_it_is_after() -> None:
    done: list[str] = []

    def work(key: str) -> bool:
        done.append(key)
        return True

    after = {"contourpy": ["numpy", "pybind11"], "numpy": ["cython"], "cython": []}
    result = in_order(after, work, failed=lambda ok: not ok, jobs=4)
    assert done == ["cython", "numpy", "contourpy"]
    assert list(result) == ["contourpy", "numpy", "cython"]


def test_what_waits_for_a_failure_is_skipped_with_its_cause_and_the_rest_goes_on() -> None:
    after = {"a": [], "b": ["a"], "c": ["b"], "d": []}
    result = in_order(after, lambda key: key != "a", failed=lambda ok: not ok, jobs=2)
    assert result["a"] is False
    assert result["d"] is True
    b, c = result["b"], result["c"]
    assert isinstance(b, Skipped)
    assert b.cause == "a"
    assert isinstance(c, Skipped)
    assert c.cause == "b"


def test_never_more_at_once_than_jobs() -> None:
    guard, here, most = threading.Lock(), 0, 0

    def work(_: int) -> bool:
        nonlocal here, most
        with guard:
            here += 1
            most = max(most, here)
        threading.Event().wait(0.01)
        with guard:
            here -= 1
        return True

    in_order({n: [] for n in range(12)}, work, failed=lambda ok: not ok, jobs=3)
    assert 1 <= most <= 3


def test_a_cycle_is_an_error_not_a_hang() -> None:
    with pytest.raises(CycleError):
        in_order({"a": ["b"], "b": ["a"]}, lambda _: True, failed=lambda ok: not ok, jobs=1)


def test_an_exception_ends_the_run_and_no_child_starts_after_it() -> None:
    def work(key: str) -> bool:
        raise RuntimeError(key)

    with pytest.raises(RuntimeError):
        in_order({"a": []}, work, failed=lambda ok: not ok, jobs=1)
    with pytest.raises(process.CancelledError):
        process.run(["true"])
    process.reopen()
