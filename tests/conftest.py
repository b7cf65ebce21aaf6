"""What most tests share: a mini index and a store of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild.store import Store
from tests.miniindex import MiniIndex
from tests.roots import build_root, engine, shared_store, target_root

__all__ = ["build_root", "engine", "shared_store", "target_root"]


@pytest.fixture
def mini_index() -> Iterator[MiniIndex]:
    """A package index on 127.0.0.1, empty at first."""
    with MiniIndex() as index:
        yield index


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store below the test's own directory."""
    return Store(tmp_path / "cache")
