"""``rpyc://HOST:PORT``: RPyC's classic server, which runs what it is sent (``rpyc_classic``)."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator, Mapping
from urllib.parse import urlsplit

import rpyc

from crossbuild.errors import ChannelError, UsageError

_PORT = 18812
"""RPyC's own choice for the classic server."""
_PATIENCE = 30.0
"""Seconds until a server that says nothing is not there."""
_RUNNER = """
def crossbuild_run(code):
    import io, sys
    kept, sys.stdout = sys.stdout, io.StringIO()
    try:
        exec(code, {})
    except BaseException as error:
        print(type(error).__name__, error)
    finally:
        screen, sys.stdout = sys.stdout, kept
    return screen.getvalue()
"""


class RpycChannel:
    """One connection. Standard output is the whole server's, so there is one lane."""

    lanes = 1

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        """Connect. Raises ChannelError, UsageError for an address."""
        del environment
        host, port = _place(address)
        with _translated(f"{host}:{port}"):
            connected = socket.create_connection((host, port), _PATIENCE)
            connected.settimeout(None)
            self._connection = rpyc.classic.connect_stream(rpyc.SocketStream(connected))
            self._connection.execute(_RUNNER)
        self._where = f"{host}:{port}"

    def run(self, code: str, timeout: float) -> str:
        """What the code printed there. Raises ChannelError."""
        with _translated(self._where):
            self._connection._config["sync_request_timeout"] = timeout
            return str(self._connection.namespace["crossbuild_run"](code))

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(EOFError, OSError):
            self._connection.close()


def _place(address: str) -> tuple[str, int]:
    remedy = "Write rpyc://HOST:PORT."
    try:
        where = urlsplit(f"rpyc:{address}")
        host, port = where.hostname, where.port or _PORT
    except ValueError as error:
        raise UsageError(f"rpyc:{address} cannot be read: {error}", remedy=remedy) from error
    if not host:
        raise UsageError(f"rpyc:{address} names no host", remedy=remedy)
    return host, port


@contextlib.contextmanager
def _translated(where: str) -> Iterator[None]:
    """Turn what goes wrong with the connection into a ChannelError."""
    try:
        yield
    except (EOFError, OSError, TimeoutError) as error:
        said = str(error) or type(error).__name__
        raise ChannelError(f"{where} is cut off: {said}") from error
    except AttributeError as error:
        raise ChannelError(
            f"{where} is no classic server: {error}", remedy="Start `rpyc_classic` there."
        ) from error
