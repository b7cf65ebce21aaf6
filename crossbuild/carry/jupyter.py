"""``jupyter:CONNECTION_FILE``: a running kernel, by the file that it was started with."""

from __future__ import annotations

import asyncio
import queue
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.asynchronous.client import AsyncKernelClient

from crossbuild.errors import ChannelError, UsageError

_PATIENCE = 60.0
"""Seconds that a kernel gets to answer at first."""


class JupyterChannel:
    """One client of a kernel, which runs one message at a time.

    The client's sockets belong to an event loop of the channel's own, which ends with it.
    """

    lanes = 1

    def __init__(self, address: str, environment: Mapping[str, str]) -> None:
        """Connect. Raises ChannelError, UsageError for the file."""
        del environment
        path = Path(address).expanduser()
        self._client = AsyncKernelClient()
        try:
            self._client.load_connection_file(str(path))
        except (OSError, ValueError) as error:
            self._client.context.term()
            raise UsageError(
                f"{path} is no connection file: {error}",
                remedy="In the kernel, ipykernel.get_connection_file() names it.",
            ) from error
        self._loop = asyncio.new_event_loop()
        try:
            self._loop.run_until_complete(_ready(self._client))
        except RuntimeError as error:
            self.close()
            raise ChannelError(f"the kernel of {path} does not answer: {error}") from error

    def run(self, code: str, timeout: float) -> str:
        """What the code printed, in a namespace of its own. Raises ChannelError."""
        return self._loop.run_until_complete(
            _printed(self._client, f"exec({code!r},{{}})", timeout)
        )

    def close(self) -> None:
        """Let go of the kernel, which goes on."""
        if self._loop.is_closed():
            return
        self._client.stop_channels()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
        self._client.context.destroy(linger=0)


async def _ready(client: AsyncKernelClient) -> None:
    client.start_channels()
    await client.wait_for_ready(timeout=_PATIENCE)


async def _printed(client: AsyncKernelClient, code: str, timeout: float) -> str:
    """What the kernel tells of one request, until it is idle again."""
    number = client.execute(code, store_history=False, allow_stdin=False)
    end = time.monotonic() + timeout
    printed: list[str] = []
    while True:
        try:
            left = max(end - time.monotonic(), 0)
            told: dict[str, Any] = await client.get_iopub_msg(timeout=left)
        except queue.Empty:
            raise ChannelError(f"the kernel has no end after {timeout:g} s") from None
        if told["parent_header"].get("msg_id") != number:
            continue
        content = told["content"]
        if told["msg_type"] == "stream":
            printed.append(content["text"])
        elif told["msg_type"] == "error":
            printed.append(f"{content['ename']}: {content['evalue']}\n")
        elif told["msg_type"] == "status" and content["execution_state"] == "idle":
            return "".join(printed)
