"""A wheelhouse that installs itself, as text: python3 FILE install

In another program: exec(text, {"arguments": ["install"]}) leaves the exit code in ``code``.
"""

import os
import sys

from crossbuild.installer.failure import DAMAGED, Failure
from crossbuild.opener.opening import AGAIN, Contents, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class Written(Contents):
    """What is written below, in base64."""

    def __init__(self) -> None:
        self.sizes = {}
        self.texts: "dict[str, list[str]]" = {}
        self.last: "list[str]" = []

    def begin(self, name: str, size: int) -> None:
        """What ``add`` gets from now on is of this file."""
        self.sizes[name] = size
        self.texts[name] = self.last = []

    def add(self, text: str) -> None:
        self.last.append(text)

    def chunks(self, name: str) -> "Iterator[bytes]":
        import binascii

        size = 0
        for text in self.texts[name]:
            try:
                chunk = binascii.a2b_base64(text)
            except binascii.Error as error:
                raise Failure(DAMAGED, f"{name} is damaged: {error}", AGAIN) from None
            size += len(chunk)
            yield chunk
        if size != self.sizes[name]:
            raise Failure(DAMAGED, f"{name} has {size} bytes, not {self.sizes[name]}", AGAIN)


def start(space: "dict[str, Any]", contents: Written, file: str) -> None:
    """Run as a program, or inside another one, as whoever executes this says.

    ``file`` is what this code was compiled from.
    """
    argv = getattr(sys, "argv", None) or [""]
    itself = {os.path.abspath(file), "-" if file == "<stdin>" else file}
    called = {os.path.abspath(argv[0]), argv[0]}
    ran = space.get("__name__") == "__main__" and not itself.isdisjoint(called)
    words = argv[1:] if ran else space.get("arguments", [])
    space["code"] = opened(words, lambda: contents, os.path.basename(file))
    if ran:
        sys.exit(space["code"])


written = Written()
begin, add = written.begin, written.add
