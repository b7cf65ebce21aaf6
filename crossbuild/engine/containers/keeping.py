"""What crossbuild keeps in a daemon for later runs: shown and pruned with the cache."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping

from docker.errors import APIError

from crossbuild.engine.containers.daemon import Daemon, connect
from crossbuild.engine.containers.labels import KEEP, RUN
from crossbuild.engine.containers.loading import REPOSITORY
from crossbuild.engine.containers.sweeping import sweep
from crossbuild.engine.containers.volumes import Volumes
from crossbuild.errors import HostError
from crossbuild.store import Store, Usage

IMAGES, VOLUMES = "docker images", "docker volumes"
_IN_USE = 409


def usage(environment: Mapping[str, str]) -> tuple[Usage, ...]:
    """What is kept in the daemon of ``environment``; nothing where none answers."""
    try:
        daemon = connect(environment)
        with contextlib.closing(daemon), daemon.talking("say how much it holds"):
            found = daemon.api.df()
    except HostError:
        return ()
    images = [each["Size"] for each in found.get("Images") or () if _ours(each)]
    volumes = [
        max(0, (each.get("UsageData") or {}).get("Size") or 0)
        for each in found.get("Volumes") or ()
        if {KEEP, RUN} & set(each.get("Labels") or ())
    ]
    return tuple(
        Usage(kind=kind, entries=len(sizes), bytes=sum(sizes))
        for kind, sizes in ((IMAGES, images), (VOLUMES, volumes))
        if sizes
    )


def prune(environment: Mapping[str, str], store: Store) -> None:
    """Remove it all, but not what is in use; nothing where no daemon answers."""
    try:
        daemon = connect(environment)
    except HostError:
        return
    with contextlib.closing(daemon):
        volumes = Volumes(daemon, store)
        sweep(daemon, volumes)
        volumes.prune()
        with daemon.talking("remove an image"):
            for each in filter(_ours, daemon.api.images()):
                _remove(daemon, each["RepoTags"])


def _remove(daemon: Daemon, names: list[str]) -> None:
    for name in names:
        try:
            daemon.api.remove_image(name)
        except APIError as error:
            if error.status_code != _IN_USE:
                raise


def _ours(image: Mapping[str, list[str] | None]) -> bool:
    names = image.get("RepoTags") or []
    return bool(names) and all(name.startswith(f"{REPOSITORY}/") for name in names)
