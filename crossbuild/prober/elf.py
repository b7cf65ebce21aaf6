"""The header of the interpreter's own file."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO


class Elf:
    """The header of the interpreter's own file."""

    def __init__(self) -> None:
        path = sys.executable or "/proc/self/exe"
        with open(path, "rb") as file:
            head = file.read(64)
            if head[:4] != b"\x7fELF":
                raise LookupError(f"{path} is not ELF")
            self.wide = head[4] == 2
            self.little = head[5] == 1
            self.machine = self.number(head, 18, 2)
            self.flags = self.number(head, 48 if self.wide else 36, 4)
            self.loader = self.find_loader(file, head)

    def number(self, data: bytes, offset: int, size: int) -> int:
        return int.from_bytes(data[offset : offset + size], "little" if self.little else "big")

    def find_loader(self, file: "BinaryIO", head: bytes) -> "str | None":
        """The path in PT_INTERP; None in a static program."""
        word = 8 if self.wide else 4
        table = self.number(head, 32 if self.wide else 28, word)
        entry, count = (self.number(head, (54 if self.wide else 42) + i, 2) for i in (0, 2))
        for index in range(count):
            file.seek(table + index * entry)
            row = file.read(entry)
            if self.number(row, 0, 4) == 3:
                file.seek(self.number(row, 8 if self.wide else 4, word))
                size = self.number(row, 32 if self.wide else 16, word)
                return os.fsdecode(file.read(size)).strip("\0")
        return None
