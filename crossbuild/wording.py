"""How amounts are written for people: sizes, durations, counts, lists."""

from __future__ import annotations

from collections.abc import Sequence


def size(amount: int) -> str:
    """Bytes in decimal units, three figures: ``950 B``, ``14.2 MB``, ``1.07 GB``."""
    if amount < 1000:
        return f"{amount} B"
    value = float(amount)
    for unit in ("kB", "MB", "GB"):
        value /= 1000
        if value < 999.5:
            return f"{_figures(value)} {unit}"
    return f"{_figures(value / 1000)} TB"


def _figures(value: float) -> str:
    if value < 9.995:
        return f"{value:.2f}"
    return f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def duration(seconds: float) -> str:
    """Seconds as ``0.3s``, ``42s``, ``2m 05s`` or ``1h 02m``."""
    if seconds < 9.95:
        return f"{seconds:.1f}s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m {whole % 60:02}s"
    return f"{whole // 3600}h {whole % 3600 // 60:02}m"


def elapsed(seconds: float) -> str:
    """Whole seconds of something that goes on: ``4s``, ``2m 05s``."""
    return f"{int(seconds)}s" if seconds < 60 else duration(int(seconds))


def part(done: int, whole: int) -> str:
    """How much of a size is done, the unit once: ``6.1 of 14.2 MB``."""
    first, second = size(done), size(whole)
    number, _, unit = first.partition(" ")
    return f"{number} of {second}" if second.endswith(f" {unit}") else f"{first} of {second}"


def count(number: int, noun: str, plural: str = "") -> str:
    """``1 wheel``, ``14 wheels``."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"


def listing(words: Sequence[str], last: str = "and") -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"
