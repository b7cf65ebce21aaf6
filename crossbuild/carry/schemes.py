"""The kinds of channels there are: ours, and those that installed packages add."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from importlib.metadata import EntryPoint

from crossbuild import wording
from crossbuild.carry.channel import Channel, Opener
from crossbuild.errors import HostError, UsageError

GROUP = "crossbuild.channels"
_OURS = {
    "exec": "execution:ExecChannel",
    "repl": "conversation:ReplChannel",
    "pty": "conversation:PtyChannel",
    "jupyter": "jupyter:JupyterChannel",
    "rpyc": "rpyc:RpycChannel",
    "docker": "docker:DockerChannel",
}
"""Modules of this package; each is imported when it is asked for."""


def opened(via: str, environment: Mapping[str, str]) -> Channel:
    """Open the channel ``SCHEME:ADDRESS``.

    Raises UsageError, HostError where a package is missing, and what the channel raises.
    """
    scheme, colon, address = via.partition(":")
    known = {name: _ours(name, value) for name, value in _OURS.items()}
    known = {**{point.name: point for point in metadata.entry_points(group=GROUP)}, **known}
    if not colon or scheme not in known:
        names = wording.listing([f"{name}:" for name in (*_OURS, *sorted({*known} - {*_OURS}))])
        raise UsageError(
            f"{via!r} is no channel",
            remedy=f"There are {names}; for example --via 'exec:ssh HOST python3 -'.",
        )
    try:
        opener: Opener = known[scheme].load()
    except ImportError as error:
        remedy = f"pip install 'crossbuild[{scheme}]'" if scheme in _OURS else ""
        raise HostError(f"{scheme}: cannot be used: {error}", remedy=remedy) from error
    return opener(address, environment)


def _ours(name: str, value: str) -> EntryPoint:
    return EntryPoint(name=name, value=f"crossbuild.carry.{value}", group=GROUP)
