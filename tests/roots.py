"""Prepared roots, shared by every test of a run that needs emulation.

Unpacking takes a while and reads the Debian mirror: ``CROSSBUILD_TEST_CACHE`` names a
directory to keep the roots in between runs.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossbuild import catalog
from crossbuild.catalog import Role
from crossbuild.engine import emulation, opening
from crossbuild.engine.base import Engine, Root
from crossbuild.errors import HostError
from crossbuild.store import Store

IMAGE = catalog.image("bookworm-aarch64")


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """A store that lasts for the run, or longer; with ``-n``, one for all its processes."""
    if kept := os.environ.get("CROSSBUILD_TEST_CACHE"):
        return Store(Path(kept))
    if "PYTEST_XDIST_WORKER" in os.environ:
        return Store(tmp_path_factory.getbasetemp().parent / "shared-store")
    return Store(tmp_path_factory.mktemp("shared-store"))


@pytest.fixture(scope="session")
def engine(shared_store: Store, request: pytest.FixtureRequest) -> Engine:
    """The embedded engine, or the one a test names; skips where the host cannot have it."""
    name: str = getattr(request, "param", "rootfs")
    try:
        emulation.how(IMAGE.arch)
        found = opening.opened(shared_store, name=name, environment=dict(os.environ))
        found.check(IMAGE)
    except HostError as error:
        pytest.skip(f"the engine {name} cannot run {IMAGE.name} here: {error}")
    return found


@pytest.fixture(scope="session")
def target_root(engine: Engine) -> Root:
    """A clean machine."""
    return engine.prepare(IMAGE, Role.TARGET)


@pytest.fixture(scope="session")
def build_root(engine: Engine) -> Root:
    """A machine with headers and compilers."""
    return engine.prepare(IMAGE, Role.BUILD)
