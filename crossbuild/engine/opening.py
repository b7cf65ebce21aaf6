"""The engine of a run: chosen by name, put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping

from crossbuild.engine.base import Engine
from crossbuild.engine.host import Host
from crossbuild.engine.registry import Registry
from crossbuild.engine.rootfs import RootfsEngine
from crossbuild.engine.roots import Roots
from crossbuild.report import Reporter, Silent
from crossbuild.store import Store


def opened(
    store: Store,
    *,
    reporter: Reporter | None = None,
    mirror: str | None = None,
    registry: Registry | None = None,
    environment: Mapping[str, str] | None = None,
) -> Engine:
    """Open the engine that works in ``store``.

    ``environment`` is the user's: its PATH and proxies serve to make roots and never enter a
    session. ``mirror`` overrides the Debian mirror of the host's apt; ``registry`` has the
    images that are not made from packages.
    """
    found = environment or {}
    host = Host(store, found.get("PATH"))
    roots = Roots(
        store,
        host,
        reporter=reporter or Silent(),
        mirror=mirror,
        registry=registry,
        environment=found,
    )
    return RootfsEngine(host, roots)
