"""What needs a newer C library than the target's: what is allowed to, what was bound anew."""

from __future__ import annotations

from dataclasses import dataclass

from packaging.utils import NormalizedName


@dataclass(frozen=True, kw_only=True, slots=True)
class Allowance:
    """A C library newer than the target's that a built wheel may need; ``name`` None: any."""

    name: NormalizedName | None
    floor: tuple[int, int]


@dataclass(frozen=True, kw_only=True, slots=True)
class Fit:
    """A copied library that was bound to an older C library: these ``symbols`` of it."""

    library: str
    symbols: tuple[str, ...]
