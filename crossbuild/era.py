"""An earlier time whose build requirements a package is built with, because today's break it.

An sdist that bounds its build requirements from below alone was made with the releases of its
day, and some later one is as good as sure to break it: Cython 3, setuptools without
``use_2to3``. The index says when each file was uploaded (PEP 700), so that the releases of
that day can be had again. The clock is put back no further than it has to be: a setuptools
older than the target's Python cannot be expected to know it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from crossbuild import wording
from crossbuild.errors import BuildError, CrossbuildError

MOST = 3
"""Times that are tried for one package."""

_FINAL = {
    (3, 8): dt.date(2019, 10, 14),
    (3, 9): dt.date(2020, 10, 5),
    (3, 10): dt.date(2021, 10, 4),
    (3, 11): dt.date(2022, 10, 24),
    (3, 12): dt.date(2023, 10, 2),
    (3, 13): dt.date(2024, 10, 7),
    (3, 14): dt.date(2025, 10, 7),
}
"""When each CPython became final (PEP 569, 596, 619, 664, 693, 719, 745)."""

_WHEELS = dt.timedelta(days=90)
"""By then the tools have wheels for a new Python: numpy took three weeks for 3.9."""
_SETTLED = dt.timedelta(days=270)
"""By then what an sdist was made ahead of is there: h5py 3.11 for the numpy 2.0 to come."""
_ALPHAS = (dt.timedelta(days=365), dt.timedelta(days=548))
"""Before a Python is final: its first alpha, and its branch. What was released then may run on
it already, and still has what was removed in the meantime."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Era:
    """Build requirements as they were ``until`` a time; ``why``: what came of today's.

    ``instead`` are those that are not today's, as ``name version``.
    """

    until: dt.datetime
    why: str
    instead: tuple[str, ...] = ()

    def __str__(self) -> str:
        releases = f" ({', '.join(self.instead)})" if self.instead else ""
        return f"the build requirements of {self.until:%Y-%m}{releases}"

    @property
    def text(self) -> str:
        """One sentence for people."""
        return f"built with {self}: those of today failed: {self.why}"

    def to_json(self) -> dict[str, object]:
        """Give ``until`` (ISO 8601, UTC), ``instead`` and ``why``."""
        return {
            "until": self.until.isoformat(),
            "instead": list(self.instead),
            "why": self.why,
        }


def from_json(said: Mapping[str, Any] | None) -> Era | None:
    """Read ``Era.to_json`` again. Raises KeyError, TypeError, ValueError."""
    if said is None:
        return None
    until = dt.datetime.fromisoformat(said["until"])
    if until.tzinfo is None:
        raise ValueError(f"{said['until']} is in no time zone")
    return Era(until=until, instead=tuple(map(str, said["instead"])), why=str(said["why"]))


def times(uploaded: dt.datetime | None, python: tuple[int, int]) -> tuple[dt.datetime, ...]:
    """The times whose releases are worth trying for an sdist on a Python, the best guess first.

    None for an sdist of which nobody knows when it was ``uploaded``, or a Python of which nobody
    knows when it was final.
    """
    final = _FINAL.get(python)
    if uploaded is None or final is None:
        return ()
    start = dt.datetime.combine(final, dt.time(), dt.timezone.utc)
    known = (start + _WHEELS, *(start - before for before in _ALPHAS))
    found = tuple(dict.fromkeys(max(uploaded, time) for time in known))[:MOST]
    return (*found, uploaded + _SETTLED) if found == (uploaded,) else found


def dated(error: BuildError, era: Era) -> Era:
    """The era, with why it was turned to: what an error says besides the package's name."""
    return replace(era, why=said(error))


def said(error: CrossbuildError) -> str:
    """What an error says besides which package it is about."""
    return str(error).partition("could not be built: ")[2] or str(error)


def all_failed(first: BuildError, later: Mapping[str, BuildError]) -> BuildError:
    """Today's failure, which tells also how those with earlier releases ended, by era.

    Those that ended in the same way are not worth a word.
    """
    others = {era: error for era, error in later.items() if said(error) != said(first)}
    if not others:
        return first
    tries = wording.listing([f"{era}: {said(error)}" for era, error in others.items()])
    both = BuildError(f"{first} (with {tries})", remedy=first.remedy, tail=first.tail)
    both.log, both.phase = first.log, first.phase
    return both
