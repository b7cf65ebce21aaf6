"""What the proof says: the wheelhouse installed and imported in a clean machine of the target.

Durations are seconds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

from packaging.utils import NormalizedName


class SmokeState(enum.Enum):
    """What the smoke install said. NOT_RUN: nothing here can run it; SKIPPED: nobody wants it."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_RUN = "not run"
    SKIPPED = "skipped"


@dataclass(frozen=True, kw_only=True, slots=True)
class ImportResult:
    """One top-level module imported in a process of its own; ``error`` is its traceback."""

    distribution: NormalizedName
    module: str
    error: str | None
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class SmokeResult:
    """The proof inside a clean rootfs; ``reason`` says why it failed or did not run.

    ``image`` and ``glibc`` say where; ``broken`` has the wheels at fault, by file name, as far
    as they are known. ``earlier``: these very bytes passed in this very rootfs in an earlier run.
    """

    state: SmokeState
    reason: str = ""
    remedy: str = ""
    image: str | None = None
    glibc: tuple[int, int] | None = None
    broken: tuple[str, ...] = ()
    imports: tuple[ImportResult, ...] = ()
    seconds: float = 0.0
    earlier: bool = False
