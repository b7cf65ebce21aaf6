"""What most tests share: a mini index and a store of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from crossbuild.store import Store
from tests.miniindex import MiniIndex
from tests.roots import build_root, engine, shared_store, target_root

__all__ = ["build_root", "engine", "shared_store", "target_root"]

_OF_THE_DAEMON = frozenset(
    {
        "tests/e2e/test_cibuildwheel.py",
        "tests/e2e/test_docker.py",
        "tests/e2e/test_images.py",
        "tests/e2e/test_plain_user.py",
        "tests/e2e/test_private_index.py",
        "tests/engine/test_conformance.py",
        "tests/engine/test_docker.py",
        "tests/test_channels.py",
    }
)
"""Files whose tests count what the host's Docker daemon holds, or change what it runs with."""


class ByFile(LoadScopeScheduling):
    """With ``-n``, a file's tests stay together, and all that use the host's Docker daemon."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "the daemon" if file in _OF_THE_DAEMON else file


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> ByFile:
    """The scheduler of ``-n``: xdist's hook."""
    return ByFile(config, log)


@pytest.fixture
def mini_index() -> Iterator[MiniIndex]:
    """A package index on 127.0.0.1, empty at first."""
    with MiniIndex() as index:
        yield index


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An empty store below the test's own directory."""
    return Store(tmp_path / "cache")
