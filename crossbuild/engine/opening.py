"""The engine of a run: chosen by name, put together from its parts."""

from __future__ import annotations

from collections.abc import Mapping

from crossbuild.engine.automatic import AutomaticEngine
from crossbuild.engine.base import Engine
from crossbuild.engine.images.registry import Registry
from crossbuild.engine.images.roots import Roots
from crossbuild.engine.rootfs import RootfsEngine
from crossbuild.engine.sandboxes.host import Host
from crossbuild.errors import UsageError
from crossbuild.report import Reporter, Silent
from crossbuild.store import Store

ENGINES = ("auto", "rootfs", "docker")
"""The names that ``opened`` knows."""


def opened(
    store: Store,
    *,
    name: str = "rootfs",
    reporter: Reporter | None = None,
    mirror: str | None = None,
    registry: Registry | None = None,
    environment: Mapping[str, str] | None = None,
) -> Engine:
    """Open the engine with this name; it works in ``store``.

    ``environment`` is the user's: its PATH and proxies serve to make roots, its DOCKER_HOST
    finds the daemon; none of it enters a session. ``mirror`` overrides the Debian mirror of
    the host's apt; ``registry`` has the images that are not made from packages. Raises
    HostError when ``docker`` is asked for and no daemon answers.
    """
    found = environment or {}
    said = reporter or Silent()
    host = Host(store, found.get("PATH"))
    roots = Roots(store, host, reporter=said, mirror=mirror, registry=registry, environment=found)
    embedded = RootfsEngine(host, roots)

    def docker() -> Engine:
        # The SDK takes a while to import; most commands need no daemon.
        from crossbuild.engine.containers.daemon import connect
        from crossbuild.engine.docker import DockerEngine

        return DockerEngine(connect(found), roots, store, said)

    if name == "auto":
        return AutomaticEngine(docker, embedded, said)
    if name == "docker":
        return docker()
    if name != "rootfs":
        raise UsageError(f"there is no engine {name!r}")
    return embedded
