"""A wheel of 32 MB over ``exec:``, cut and resumed: what it takes of memory on both sides."""

from __future__ import annotations

from pathlib import Path

from tests.bench.push import measure

SIZE = 32 << 20
CUTS = 2


def test_memory_does_not_grow_with_the_file_and_cuts_lose_little(tmp_path: Path) -> None:
    figures = measure(tmp_path, SIZE, CUTS)
    assert figures.right
    assert 0 <= figures.grown.here < 64 << 20
    assert 0 <= figures.grown.there < 16 << 20
    assert len(figures.carried) == CUTS + 1
    assert all(amount > 0 for amount in figures.carried)
    assert sum(figures.carried) == figures.size
