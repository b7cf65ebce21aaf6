"""The kinds of channels there are: ours, and those that installed packages add."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata

from crossbuild import wording
from crossbuild.carry.channel import Channel, Opener
from crossbuild.carry.conversation import PtyChannel, ReplChannel
from crossbuild.carry.execution import ExecChannel
from crossbuild.errors import UsageError

GROUP = "crossbuild.channels"
_OURS: Mapping[str, Opener] = {
    "exec": ExecChannel,
    "repl": ReplChannel,
    "pty": PtyChannel,
}


def opener(via: str) -> tuple[Opener, str]:
    """What opens ``SCHEME:ADDRESS``, and the address. Raises UsageError for an unknown scheme."""
    scheme, colon, address = via.partition(":")
    if colon and scheme in _OURS:
        return _OURS[scheme], address
    added = {point.name: point for point in metadata.entry_points(group=GROUP)}
    if colon and scheme in added:
        found: Opener = added[scheme].load()
        return found, address
    known = wording.listing([f"{name}:" for name in (*_OURS, *sorted(added))])
    raise UsageError(
        f"{via!r} is no channel",
        remedy=f"There are {known}; for example --via 'exec:ssh HOST python3 -'.",
    )


def opened(via: str, environment: Mapping[str, str]) -> Channel:
    """Open a channel. Raises UsageError, and what the channel raises."""
    open_, address = opener(via)
    return open_(address, environment)
