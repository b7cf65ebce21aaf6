"""Small ELF files for any processor, written by hand: what a linker would leave, no code."""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crossbuild.platforms import ARCHES, Arch

EM = {
    "EM_386": 3,
    "EM_PPC64": 21,
    "EM_S390": 22,
    "EM_ARM": 40,
    "EM_X86_64": 62,
    "EM_AARCH64": 183,
    "EM_CUDA": 190,
    "EM_RISCV": 243,
    "EM_LOONGARCH": 258,
}
ET = {"ET_REL": 1, "ET_EXEC": 2, "ET_DYN": 3}
_DT = {
    "NULL": 0,
    "NEEDED": 1,
    "HASH": 4,
    "STRTAB": 5,
    "SYMTAB": 6,
    "STRSZ": 10,
    "SYMENT": 11,
    "SONAME": 14,
    "RPATH": 15,
    "RUNPATH": 29,
    "VERSYM": 0x6FFFFFF0,
    "VERNEED": 0x6FFFFFFE,
    "VERNEEDNUM": 0x6FFFFFFF,
}


@dataclass(frozen=True, kw_only=True)
class Elf:
    """What to write. ``versions`` maps a library to the versions wanted of it, each with the
    symbol that wants it (empty: none does); ``exports`` are the symbols that it defines.
    """

    arch: Arch = ARCHES["aarch64"]
    machine: str | None = None
    type: str = "ET_DYN"
    needed: Sequence[str] = ()
    versions: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    exports: Sequence[str] = ()
    soname: str | None = None
    runpath: str | None = None
    rpath: str | None = None


def shared_object(**what: object) -> bytes:
    """The bytes of an ELF file with program headers and a dynamic segment, and no sections."""
    return _Writer(Elf(**what)).written()  # type: ignore[arg-type]


class _Writer:
    """Lays the tables out one after another; file offsets are addresses."""

    def __init__(self, elf: Elf) -> None:
        self._elf = elf
        self._wide = elf.arch.bits == 64
        self._order = "<" if elf.arch.little_endian else ">"
        self._strings = bytearray(b"\0")
        self._image = bytearray(64 + 2 * 56 if self._wide else 52 + 2 * 32)

    def written(self) -> bytes:
        symbols, numbers = self._symbols()
        versions = self._versions()
        tags = [("NEEDED", self._string(name)) for name in self._elf.needed]
        texts = {name: getattr(self._elf, name) for name in ("soname", "runpath", "rpath")}
        tags += [(name.upper(), self._string(text)) for name, text in texts.items() if text]
        count = len(numbers)
        tags.append(("HASH", self._place(self._words(1, count, 0, *[0] * count))))
        tags.append(("SYMTAB", self._place(symbols)))
        tags.append(("SYMENT", 24 if self._wide else 16))
        tags.append(("VERSYM", self._place(self._pack(f"{count}H", *numbers))))
        if versions:
            tags.append(("VERNEED", self._place(versions)))
            tags.append(("VERNEEDNUM", len(self._elf.versions)))
        tags.append(("STRSZ", len(self._strings)))
        tags.append(("STRTAB", self._place(bytes(self._strings))))
        dynamic = b"".join(self._dynamic(*tag) for tag in [*tags, ("NULL", 0)])
        at = self._place(dynamic)
        head = self._header() + self._segment(1, 0, len(self._image))
        head += self._segment(2, at, len(dynamic))
        self._image[: len(head)] = head
        return bytes(self._image)

    def _symbols(self) -> tuple[bytes, list[int]]:
        """The dynamic symbols, and the version number of each."""
        table, numbers = [self._symbol("", defined=False)], [0]
        number = 1
        for versions in self._elf.versions.values():
            for symbol in versions.values():
                number += 1
                if symbol:
                    table.append(self._symbol(symbol, defined=False))
                    numbers.append(number)
        for symbol in self._elf.exports:
            table.append(self._symbol(symbol, defined=True))
            numbers.append(1)
        return b"".join(table), numbers

    def _symbol(self, name: str, *, defined: bool) -> bytes:
        at, section = self._string(name), 1 if defined else 0
        if self._wide:
            return self._pack("IBBHQQ", at, 0x12, 0, section, 0, 0)
        return self._pack("IIIBBH", at, 0, 0, 0x12, 0, section)

    def _versions(self) -> bytes:
        """The table of DT_VERNEED."""
        table, number = b"", 1
        for place, (library, versions) in enumerate(self._elf.versions.items()):
            last = place == len(self._elf.versions) - 1
            size = 16 + 16 * len(versions)
            following = 0 if last else size
            file = self._string(library)
            table += self._pack("HHIII", 1, len(versions), file, 16, following)
            for index, name in enumerate(versions):
                number += 1
                following = 0 if index == len(versions) - 1 else 16
                table += self._pack("IHHII", 0, 0, number, self._string(name), following)
        return table

    def _header(self) -> bytes:
        ident = b"\x7fELF" + bytes([2 if self._wide else 1, 1 if self._order == "<" else 2, 1])
        size, entry = (64, 56) if self._wide else (52, 32)
        machine = EM[self._elf.machine or self._elf.arch.machine]
        start = (ET[self._elf.type], machine, 1, 0, size, 0, 0, size, entry, 2, 0, 0, 0)
        return ident.ljust(16, b"\0") + self._pack(
            "HHIQQQIHHHHHH" if self._wide else "HHIIIIIHHHHHH", *start
        )

    def _segment(self, kind: int, at: int, size: int) -> bytes:
        if self._wide:
            return self._pack("IIQQQQQQ", kind, 4, at, at, at, size, size, 8)
        return self._pack("IIIIIIII", kind, at, at, at, size, size, 4, 8)

    def _dynamic(self, tag: str, value: int) -> bytes:
        return self._pack("QQ" if self._wide else "II", _DT[tag], value)

    def _string(self, text: str) -> int:
        at = len(self._strings)
        self._strings += text.encode() + b"\0"
        return at

    def _words(self, *values: int) -> bytes:
        return self._pack(f"{len(values)}I", *values)

    def _place(self, data: bytes) -> int:
        at = len(self._image) + -len(self._image) % 8
        self._image = self._image.ljust(at, b"\0") + data
        return at

    def _pack(self, form: str, *values: int) -> bytes:
        return struct.pack(self._order + form, *values)
