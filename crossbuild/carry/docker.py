"""``docker:CONTAINER[:PYTHON]``: a running container, by Docker's SDK; DOCKER_HOST counts."""

from __future__ import annotations

import contextlib
import secrets
import socket
import struct
import time
from collections.abc import Mapping
from typing import cast

from crossbuild import process
from crossbuild.engine.containers import daemon
from crossbuild.errors import ChannelError, UsageError

_PYTHON = "python3"
_HEADER = struct.Struct(">BxxxL")
"""Before each piece of output: which stream, how many bytes (Engine API, attach)."""
_LOOK = 0.5
"""Seconds between two looks whether the run is being ended."""
_LOOP = """\
import sys
for count in iter(sys.stdin.readline, ''):
    code = sys.stdin.read(int(count))
    try:
        exec(code, {})
    except BaseException as error:
        print(type(error).__name__, error)
    print(sys.argv[1])
    sys.stdout.flush()
"""


class DockerChannel:
    """One Python in the container, which takes one message after the other."""

    lanes = 4

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        """Start it. Raises HostError without a daemon, ChannelError without such a container."""
        container, _, python = address.partition(":")
        if not container:
            raise UsageError("docker: names no container", remedy="Write docker:CONTAINER.")
        self._mark = f"cb-mark-{secrets.token_hex(6)}"
        self._daemon = daemon.connect(environment)
        try:
            self._socket = self._started(container, [python or _PYTHON, "-c", _LOOP, self._mark])
        except BaseException:
            self._daemon.close()
            raise

    def _started(self, container: str, argv: list[str]) -> socket.socket:
        from docker.errors import APIError

        api = self._daemon.api
        try:
            made = api.exec_create(container, argv, stdin=True)
            opened = api.exec_start(made["Id"], socket=True)
        except APIError as error:
            raise ChannelError(f"container {container}: {error.explanation or error}") from error
        self._opened = opened  # the response, without which the connection is closed
        return cast("socket.socket", getattr(opened, "_sock", opened))

    def run(self, code: str, timeout: float) -> str:
        """What the code printed in the container. Raises ChannelError."""
        end = time.monotonic() + timeout
        printed = bytearray()
        mark = self._mark.encode()
        try:
            self._socket.settimeout(timeout)
            self._socket.sendall(f"{len(code)}\n{code}".encode("ascii"))
            while mark not in printed[-len(mark) - 2 :]:
                printed += self._block(end)
        except OSError as error:
            raise ChannelError(f"the container is cut off: {error}") from error
        return printed.decode("utf-8", "replace")

    def _block(self, end: float) -> bytes:
        _, size = _HEADER.unpack(self._exactly(_HEADER.size, end))
        return self._exactly(size, end)

    def _exactly(self, size: int, end: float) -> bytes:
        data = bytearray()
        while len(data) < size:
            process.check_cancelled()
            left = end - time.monotonic()
            if left <= 0:
                raise ChannelError("the container gives no end of a message in time")
            self._socket.settimeout(min(left, _LOOK))
            try:
                block = self._socket.recv(size - len(data))
            except TimeoutError:
                continue
            if not block:
                raise ChannelError("Python in the container has ended")
            data += block
        return bytes(data)

    def close(self) -> None:
        """End the Python there: its standard input ends."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        for part in (getattr(self._opened, "_response", None), self._opened, self._socket):
            with contextlib.suppress(OSError):
                if part is not None:
                    part.close()
        self._daemon.close()
