"""Makes all that a static library defines invisible outside of what it is linked into.

A library that was not compiled for shared ones reaches its own data directly, which a linker
refuses where another library might put its own in the place (System V ABI, "Symbol Visibility").
Hidden, nobody can; and two modules of a process keep their own copies apart. Visibility is two
bits of a symbol's ``st_other``: no size changes, so the archive's index stays right (ar(5)).
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.sections import SymbolTableSection

_MAGIC, _HEADER = b"!<arch>\n", 60
_HIDDEN = 2
_OTHER = 5
"""Where ``st_other`` is in an ``Elf64_Sym``."""


def hide(library: Path) -> None:
    """Hide every global symbol that a member of the archive defines. ELF of 64 bits only."""
    data = bytearray(library.read_bytes())
    for start, end in list(_members(data)):
        if data[start : start + 4] == b"\x7fELF":
            for place in list(_definitions(bytes(data[start:end]))):
                data[start + place + _OTHER] |= _HIDDEN
    library.write_bytes(data)


def _members(data: bytearray) -> Iterator[tuple[int, int]]:
    """Where the content of each member begins and ends."""
    place = len(_MAGIC)
    while place + _HEADER <= len(data):
        size = int(data[place + 48 : place + 58])
        place += _HEADER
        yield place, place + size
        place += size + size % 2


def _definitions(member: bytes) -> Iterator[int]:
    """Where the symbols are that a member defines for others."""
    for section in ELFFile(io.BytesIO(member)).iter_sections():
        if isinstance(section, SymbolTableSection):
            for number, symbol in enumerate(section.iter_symbols()):
                local = symbol["st_info"]["bind"] == "STB_LOCAL"
                if not local and symbol["st_shndx"] != "SHN_UNDEF":
                    yield section["sh_offset"] + number * section["sh_entsize"]
