"""``exec:COMMAND``: a command that reads Python on its standard input, once for each message.

``exec:ssh HOST python3 -``, ``exec:docker exec -i NAME python3 -``, or a program of the user's.
Python reads all of a script before it runs any of it, so each message is a process.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from crossbuild import process
from crossbuild.errors import ChannelError, HostError, UsageError
from crossbuild.process import ProcessError


def words(scheme: str, address: str) -> list[str]:
    """The words of a command, by the shell's rules of quoting.

    Raises UsageError, and HostError where the first is no program of this host.
    """
    try:
        argv = shlex.split(address)
    except ValueError as error:
        raise UsageError(f"{scheme}:{address} is not quoted well: {error}") from error
    if not argv:
        raise UsageError(
            f"{scheme}: names no command", remedy=f"For example --via '{scheme}:ssh HOST python3'."
        )
    if process.which(argv[0]) is None:
        raise HostError(
            f"{scheme}: its command {argv[0]} is not on this host",
            remedy="Install it, or name another command that reaches the other machine's Python.",
        )
    return argv


class ExecChannel:
    """A process for each message."""

    lanes = 4

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        self._argv = words("exec", address)
        self._environment = environment

    def run(self, code: str, timeout: float) -> str:
        """What the process printed. Raises ChannelError when it does not end in time.

        How it ended is no matter: an answer that came whole is one. HostError: no such command.
        """
        try:
            done = process.run(
                self._argv, env=self._environment, input=code, timeout=timeout, check=False
            )
        except ProcessError as error:
            raise ChannelError(str(error)) from error
        return f"{done.stdout}\n{done.stderr}"

    def close(self) -> None:
        """Nothing stays open."""
