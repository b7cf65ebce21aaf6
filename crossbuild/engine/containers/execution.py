"""One command in a running container: started, read, and asked how it ended."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Mapping, Sequence

import requests
import urllib3

from crossbuild.engine.containers.container import Container
from crossbuild.errors import HostError

_HEADER = struct.Struct(">BxxxL")
"""Before each piece of output: which stream, how many bytes (Engine API, attach)."""
_NOT_STARTED = frozenset({126, 127, 128})
_LOST = 30.0


class Execution:
    """A started command. Its output is copied to ``writer``, a descriptor, by a thread.

    ``writer`` is this object's to close. Raises HostError when the daemon does not start it.
    """

    def __init__(
        self,
        container: Container,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str,
        writer: int,
    ) -> None:
        self._daemon = container.daemon
        self._program = argv[0]
        self._writer = writer
        try:
            with self._daemon.talking(f"start {argv[0]}"):
                made = self._daemon.api.exec_create(
                    container.identity, list(argv), environment=dict(environment), workdir=cwd
                )
                self._identity = made["Id"]
                path = f"/exec/{self._identity}/start"
                said = {"Detach": False, "Tty": False}
                self._answer = self._daemon.request(
                    "POST", path, json=said, stream=True, timeout=None
                )
        except BaseException:
            os.close(writer)
            raise
        self._thread = threading.Thread(target=self._copy, daemon=True)
        self._thread.start()

    def ended(self, seconds: float) -> bool:
        """Wait at most so long for the end of its output; whether that has come."""
        self._thread.join(seconds)
        return not self._thread.is_alive()

    def close(self) -> None:
        """Stop reading: for a command that was killed."""
        self._thread.join(_LOST)
        self._answer.close()

    def returncode(self, output: str) -> int:
        """Its exit code, 128 and the number of the signal that ended it.

        ``output`` is the end of what it printed. Raises HostError when it was not started.
        """
        with self._daemon.talking(f"ask how {self._program} ended"):
            found = self._daemon.api.exec_inspect(self._identity)
        code = found["ExitCode"]
        if code in _NOT_STARTED and not found.get("Pid"):
            reason = (output.strip().splitlines() or ["no reason was given"])[-1]
            raise HostError(f"the sandbox could not start the command: {reason}")
        return -1 if code is None else int(code)

    def _copy(self) -> None:
        try:
            while header := self._answer.raw.read(_HEADER.size):
                _, left = _HEADER.unpack(header)
                while left and (data := self._answer.raw.read(min(left, 1 << 16))):
                    left -= len(data)
                    _write(self._writer, data)
        except (OSError, struct.error, requests.RequestException, urllib3.exceptions.HTTPError):
            pass  # the daemon, or the reader, is gone: how the command ended tells
        finally:
            os.close(self._writer)


def _write(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
