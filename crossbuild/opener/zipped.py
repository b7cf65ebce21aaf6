"""A wheelhouse that installs itself: python3 FILE install"""

import os
import sys

from crossbuild.installer.archive import Archive
from crossbuild.opener.opening import Contents, opened

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

TOP = "wheelhouse/"


class Zipped(Contents):
    """What is in the zip archive that this program lies in, too."""

    def __init__(self, file: "BinaryIO", label: str) -> None:
        self.archive = Archive(file, label)
        members = self.archive.members.values()
        self.sizes = {
            member.name[len(TOP) :]: member.size
            for member in members
            if member.name.startswith(TOP)
        }

    def chunks(self, name: str) -> "Iterator[bytes]":
        return self.archive.chunks(TOP + name)


def start(words: "list[str]") -> int:
    path = os.path.dirname(os.path.abspath(__file__))
    name = os.path.basename(path)
    with open(path, "rb") as file:
        return opened(words, lambda: Zipped(file, name), name)


if __name__ == "__main__":
    sys.exit(start(sys.argv[1:]))
