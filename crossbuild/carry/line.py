"""A line to another machine: calls that are answered, over channels that break now and then."""

from __future__ import annotations

import contextlib
import queue
import random
import threading
import time
from collections.abc import Callable, Iterator

from crossbuild import process
from crossbuild.carry import message
from crossbuild.carry.channel import Channel
from crossbuild.carry.message import Call, Reply
from crossbuild.errors import ChannelError, UsageError

DEFAULT_LIMIT = 1 << 20
"""Bytes of one message, all of it included."""
PATIENCE = 120.0
"""Seconds that an answer may take."""
_TRIES = 8
_FIRST_TRIES = 3
"""While nothing was ever answered: then it is not the weather."""
_PAUSE = 0.2
_LONGEST_PAUSE = 5.0
_LOOK = 0.1
_TAIL = 300


class Line:
    """Calls functions of ``remote`` at the other end; its methods may be used from any thread.

    Every message is at most ``limit`` bytes. One that is lost, cut or damaged is sent again, over
    a new channel where the old one broke, a bounded number of times and after growing pauses;
    ``pause`` is the first, in seconds.
    """

    def __init__(
        self,
        opened: Callable[[], Channel],
        *,
        limit: int = DEFAULT_LIMIT,
        lanes: int | None = None,
        patience: float = PATIENCE,
        pause: float = _PAUSE,
    ) -> None:
        self._opened = opened
        self._limit = limit
        self._patience = patience
        self._pause = pause
        self._idle: queue.LifoQueue[Channel] = queue.LifoQueue()
        first = opened()
        self.lanes = max(min(lanes or first.lanes, first.lanes), 1)
        self._free = threading.BoundedSemaphore(self.lanes)
        self._idle.put(first)
        self._guard = threading.Lock()
        self._answered = False
        self.resent = 0
        """How many messages were sent more than once."""

    def close(self) -> None:
        """Close every channel."""
        with contextlib.suppress(queue.Empty):
            while True:
                self._idle.get_nowait().close()

    def room(self, call: Call) -> int:
        """How many bytes of data one message can take beside this call. Raises UsageError."""
        try:
            return message.room(call, self._limit)
        except ValueError as error:
            raise _too_small(self._limit) from error

    @property
    def answer_room(self) -> int:
        """How many bytes one answer can bring."""
        return message.answer_room(self._limit)

    def ask(
        self, call: Call, data: bytes = b"", *, more: float = 0.0, remedy: str | None = None
    ) -> bytes:
        """Call a function there and give what it answers.

        ``more`` seconds of patience are added; ``remedy`` is for a refusal. Raises ChannelError
        when the other end refuses, or gives no whole answer after every try; UsageError for a
        message that passes the limit; CancelledError when the run is being ended.
        """
        reply, reason = None, ""
        for count in range(_TRIES):
            if count:
                with self._guard:
                    self.resent += 1
                self._wait(count)
            reply, reason = self._try(call, data, self._patience + more)
            if reply is not None or (not self._answered and count + 1 >= _FIRST_TRIES):
                break
        if reply is None:
            raise self._silent(reason)
        self._answered = True
        said = reply.said
        if not reply.ok:
            why = said.decode("utf-8", "replace")
            raise ChannelError(f"the other end refuses: {why}", remedy=remedy)
        return said

    def _silent(self, reason: str) -> ChannelError:
        never = "Try by hand that the channel takes Python and gives what it prints."
        return ChannelError(
            f"the other end of the channel gives no answer: {reason}",
            remedy=None if self._answered else never,
        )

    def _try(self, call: Call, data: bytes, patience: float) -> tuple[Reply | None, str]:
        """One try: the answer, or why there is none."""
        sent = message.compose(call, data)
        if len(sent.text) > self._limit:
            raise _too_small(self._limit)
        with self._free:
            try:
                with self._channel() as channel:
                    printed = channel.run(sent.text, patience)
            except ChannelError as error:
                return None, str(error)
        reply = message.read(printed, sent.nonce)
        return reply, _tail(printed) or "it printed nothing"

    @contextlib.contextmanager
    def _channel(self) -> Iterator[Channel]:
        """One that is idle, else a new one; a broken one is let go."""
        try:
            channel = self._idle.get_nowait()
        except queue.Empty:
            channel = self._opened()
        try:
            yield channel
        except BaseException:
            channel.close()
            raise
        self._idle.put(channel)

    def _wait(self, count: int) -> None:
        longest = min(self._pause * 2 ** (count - 1), _LONGEST_PAUSE)
        end = time.monotonic() + longest * random.uniform(0.5, 1)  # noqa: S311
        while (left := end - time.monotonic()) > 0:
            process.check_cancelled()
            time.sleep(min(left, _LOOK))


def _too_small(limit: int) -> UsageError:
    return UsageError(
        f"a message of {limit} bytes does not hold the paths at the other end",
        remedy="Raise --message-limit, or name a shorter --remote-dir.",
    )


def _tail(printed: str) -> str:
    """The last of what was printed, in one line: mostly the error of a program in between."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    return lines[-1][-_TAIL:] if lines else ""
