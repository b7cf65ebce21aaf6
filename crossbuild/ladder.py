"""What was tried for one wheel: which compilers, in which image, for how long, and its end.

A ladder is climbed from the fastest way to the surest one. The report has all of it, so that
whoever reads that a wheel was made also reads what it took.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Any

from crossbuild import wording
from crossbuild.era import said
from crossbuild.errors import CrossbuildError


class Rung(enum.Enum):
    """Which compilers made a wheel (DESIGN section 4, the ladder), and who called them."""

    NATIVE = "native compiler"
    EMULATED = "emulated compiler"
    CIBUILDWHEEL = "cibuildwheel"
    CIBUILDWHEEL_NATIVE = "cibuildwheel with the native compiler"

    @property
    def by_cibuildwheel(self) -> bool:
        """Whether cibuildwheel built and repaired it, as the package's authors say."""
        return self in {Rung.CIBUILDWHEEL, Rung.CIBUILDWHEEL_NATIVE}


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try at a wheel, ``seconds`` long. ``error``: why it made none that is of use, or None.

    ``added`` are the packages that its ``image`` had got for it, and the C libraries that were
    built from source for it. ``era``: when its build
    requirements are of, None: of the day. ``adapted``: what was done about C for an older CPython.
    """

    rung: Rung
    image: str
    seconds: float
    added: tuple[str, ...] = ()
    era: dt.datetime | None = None
    error: str | None = None
    adapted: str | None = None

    def to_json(self) -> dict[str, object]:
        """Give each by its name, ``era`` as in ISO 8601."""
        return {
            "rung": self.rung.value,
            "image": self.image,
            "seconds": round(self.seconds, 3),
            "added": list(self.added),
            "era": self.era.isoformat() if self.era else None,
            "error": self.error,
            "adapted": self.adapted,
        }


def from_json(said: Mapping[str, Any]) -> Attempt:
    """Read ``Attempt.to_json`` again. Raises KeyError, TypeError, ValueError."""
    return Attempt(
        rung=Rung(said["rung"]),
        image=str(said["image"]),
        seconds=float(said["seconds"]),
        added=tuple(map(str, said["added"])),
        era=dt.datetime.fromisoformat(said["era"]) if said["era"] else None,
        error=said["error"],
        adapted=said.get("adapted"),
    )


@dataclass(kw_only=True, slots=True)
class Climb:
    """The attempts at one wheel so far, in their order; ``era``, ``adapted`` are of the next."""

    era: dt.datetime | None = None
    adapted: str | None = None
    attempts: list[Attempt] = field(default_factory=list)

    @contextmanager
    def trying(self, rung: Rung, image: str, added: Sequence[str]) -> Iterator[None]:
        """Note an attempt, whatever comes of it."""
        began, failed = monotonic(), "it was interrupted"
        tried = Attempt(
            rung=rung,
            image=image,
            seconds=0,
            added=tuple(added),
            era=self.era,
            adapted=self.adapted,
        )
        try:
            yield
            failed = ""
        except CrossbuildError as error:
            failed = said(error)
            raise
        finally:
            passed = monotonic() - began
            self.attempts.append(replace(tried, seconds=passed, error=failed or None))

    def accepted(self, rung: Rung, image: str) -> None:
        """Note that what was made there last is of use after all."""
        for place in reversed(range(len(self.attempts))):
            attempt = self.attempts[place]
            if (attempt.rung, attempt.image) == (rung, image):
                self.attempts[place] = replace(attempt, error=None)
                return

    def useless(self, why: str) -> None:
        """Note that what the last attempt made is of no use."""
        self.attempts[-1] = replace(self.attempts[-1], error=why)


def told(attempts: Sequence[Attempt]) -> str:
    """Attempts for people: ``native compiler 3.1s, with libpq-dev added 6.5s``."""
    return ", ".join(_steps(attempts))


def _steps(attempts: Sequence[Attempt]) -> Iterator[str]:
    """Each attempt by what is other than in the one before."""
    before: Attempt | None = None
    for attempt in attempts:
        new = [name for name in attempt.added if not before or name not in before.added]
        words = [
            f"in {attempt.image}" if before and attempt.image != before.image else "",
            f"with {wording.listing(new)} added" if new else "",
            f"with the build requirements of {attempt.era:%Y-%m}"
            if attempt.era and (not before or attempt.era != before.era)
            else "",
            attempt.adapted if attempt.adapted and not (before and before.adapted) else "",
        ]
        changed = " ".join(filter(None, words))
        if not before or attempt.rung is not before.rung or not changed:
            changed = f"{attempt.rung.value} {changed}".rstrip()
        yield f"{changed} {wording.duration(attempt.seconds)}"
        before = attempt
