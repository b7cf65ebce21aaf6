"""What runs that died left in a daemon: found by its labels and removed."""

from __future__ import annotations

import contextlib

from crossbuild.engine.containers.container import Container
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.labels import RUN, Run
from crossbuild.engine.containers.volumes import Volumes
from crossbuild.errors import CrossbuildError

_STALE = 3600.0
"""Seconds after which a stopped container of a run on another host belongs to nobody.

A session stops its container only to start it again at once; it stops by itself with its run.
"""
_IDLE = frozenset({"created", "exited", "dead"})


def sweep(daemon: Daemon, volumes: Volumes) -> int:
    """Remove the containers and volumes of dead runs; return how many there were.

    What cannot be removed stays, without an error, for the next sweep.
    """
    removed = 0
    with daemon.talking("list the containers"):
        found = daemon.api.containers(all=True, filters={"label": RUN})
    for each in found:
        if _dead(daemon, each["Labels"].get(RUN, ""), each["State"], each["Created"]):
            with contextlib.suppress(CrossbuildError):
                Container(daemon, each["Id"]).remove()
                removed += 1
    for name, labels in volumes.unfinished().items():
        run = Run.parse(labels.get(RUN, ""))
        if run is not None and run.here and not run.alive:
            with contextlib.suppress(CrossbuildError):
                removed += volumes.remove(name)
    return removed


def _dead(daemon: Daemon, label: str, state: str, created: float) -> bool:
    run = Run.parse(label)
    if run is None:
        return False
    if run.here:
        return not run.alive
    return state in _IDLE and daemon.clock() - created > _STALE
