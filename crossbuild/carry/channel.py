"""A channel: anything that runs a piece of Python on another machine and gives what it printed.

The ones that crossbuild has are in ``schemes``. A package of yours adds one with an entry point in
the group ``crossbuild.channels``; its name is the scheme, and what it loads is called with what
follows the colon in ``--via SCHEME:ADDRESS``. Whole, for a machine with an HTTP shell::

    import urllib.request
    from crossbuild.errors import ChannelError

    class Shell:
        lanes = 2                    # how many such channels may be in use at a time

        def __init__(self, address, environment):
            self.url = "http:" + address

        def run(self, code, timeout):
            request = urllib.request.Request(self.url, code.encode("ascii"))
            try:
                with urllib.request.urlopen(request, timeout=timeout) as answer:
                    return answer.read().decode("ascii", "replace")
            except OSError as error:
                raise ChannelError(f"{self.url} does not answer: {error}") from error

        def close(self):
            pass

    # [project.entry-points."crossbuild.channels"]
    # shell = "mine.shell:Shell"     then: crossbuild push wheelhouse --via shell://machine.example

A channel need not be reliable: what is lost, doubled or damaged is found out and sent again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol


class Channel(Protocol):
    """One connection to the other machine, used by one thread at a time."""

    @property
    def lanes(self) -> int:
        """How many channels of this address may be in use at the same time."""

    def run(self, code: str, timeout: float) -> str:
        """Run ASCII source there, in lines of at most 76 signs; give what it printed, and noise.

        ``timeout`` is in seconds. What the code does to its global names may last or not. Raises
        ChannelError where the channel is cut, or there is no end after ``timeout``: the channel is
        then closed, and another is opened.
        """

    def close(self) -> None:
        """Let go of it; a second time nothing happens. Raises nothing."""


Opener = Callable[[str, Mapping[str, str]], Channel]
"""Opens a channel to an address, knowing the user's environment. Raises ChannelError."""
