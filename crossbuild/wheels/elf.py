"""What an ELF file needs of the machine that loads it.

Read as the dynamic loader reads it, from the dynamic segment: section headers may be stripped,
or lie (System V ABI, chapter 5; LSB 5, symbol versioning).
"""

from __future__ import annotations

import array
import contextlib
import struct
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, NamedTuple

from elftools.common.exceptions import ELFError
from elftools.common.utils import parse_cstring_from_stream, struct_parse
from elftools.construct import ConstructError
from elftools.elf.dynamic import DynamicSegment
from elftools.elf.elffile import ELFFile

from crossbuild.errors import IntegrityError

MAGIC = b"\x7fELF"
_MOST_VERSIONS = 1 << 15
"""A symbol's version is numbered in 15 bits, so no honest file has more."""
_ANY_VERSION = 1
"""VER_NDX_GLOBAL; 0 is VER_NDX_LOCAL."""
_DAMAGED = (
    *(ELFError, ConstructError, struct.error),
    *(AssertionError, AttributeError, LookupError, OverflowError, TypeError, ValueError),
)
"""What pyelftools raises for bytes that make no sense, found by feeding it such bytes."""


@dataclass(frozen=True, kw_only=True, slots=True, order=True)
class SymbolVersion:
    """A version of another library's symbols: ``GLIBC_2.34`` of ``libc.so.6``."""

    library: str
    name: str


@dataclass(frozen=True, kw_only=True, slots=True)
class ElfInfo:
    """The head of an ELF file and what its dynamic segment asks for.

    ``machine`` and ``type`` are e_machine and e_type as pyelftools spells them (``EM_AARCH64``,
    ``ET_DYN``); ``search`` is DT_RUNPATH, or DT_RPATH where there is no DT_RUNPATH; ``program``:
    it names a loader to be run by (PT_INTERP).
    """

    machine: str
    type: str
    bits: int
    little_endian: bool
    needed: tuple[str, ...] = ()
    versions: frozenset[SymbolVersion] = frozenset()
    search: tuple[str, ...] = ()
    soname: str | None = None
    program: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """One entry of DT_VERNEED: the version, its number in DT_VERSYM, its place in the file."""

    version: SymbolVersion
    number: int
    place: int


class Wish(NamedTuple):
    """One symbol of a version: its place in the table, the version's number, its name.

    ``weak``: the file does without it, and looks whether it is there before it is used.
    """

    place: int
    number: int
    name: str
    weak: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Bindings:
    """What a file wants of other libraries, and where in the file that is said.

    ``versions`` is where DT_VERSYM begins.
    """

    needs: tuple[Need, ...]
    symbols: tuple[Wish, ...]
    versions: int
    little_endian: bool


def read(stream: IO[bytes], name: str) -> ElfInfo:
    """Read a file that begins with ``MAGIC`` from a seekable stream.

    Raises IntegrityError, naming it ``name``, when it is not the ELF it says it is.
    """
    with _readable(name):
        return _info(_opened(stream))


def symbol(stream: IO[bytes], name: str, version: SymbolVersion) -> str | None:
    """The first symbol that wants this version; None when the file only wants it as a whole.

    Raises IntegrityError as ``read`` does.
    """
    with _readable(name):
        elf = _opened(stream)
        segment = _dynamic(elf)
        if segment is None:
            return None
        numbers = {need.number for need in _needs(elf, segment) if need.version == version}
        for place, number in enumerate(_symbol_numbers(elf, segment)):
            if number in numbers:
                return str(segment.get_symbol(place).name)
    return None


def bindings(stream: IO[bytes], name: str) -> Bindings:
    """What the file wants of other libraries, symbol by symbol.

    Raises IntegrityError as ``read`` does.
    """
    with _readable(name):
        file = _opened(stream)
        segment = _dynamic(file)
        needs = tuple(_needs(file, segment))
        offset = segment.get_table_offset("DT_VERSYM")[1] if segment else None
        if segment is None or offset is None:
            return Bindings(needs=(), symbols=(), versions=0, little_endian=file.little_endian)
        wanted = {need.number for need in needs}
        symbols = tuple(
            _wish(segment, place, number)
            for place, number in enumerate(_symbol_numbers(file, segment))
            if number in wanted
        )
        return Bindings(
            needs=needs, symbols=symbols, versions=offset, little_endian=file.little_endian
        )


def _wish(segment: DynamicSegment, place: int, number: int) -> Wish:
    symbol = segment.get_symbol(place)
    weak = symbol["st_info"]["bind"] == "STB_WEAK"
    return Wish(place=place, number=number, name=str(symbol.name), weak=weak)


def unversioned(stream: IO[bytes], name: str) -> tuple[str, ...]:
    """The symbols that the file has to find elsewhere, of whatever version.

    Raises IntegrityError as ``read`` does.
    """
    with _readable(name):
        file = _opened(stream)
        segment = _dynamic(file)
        if segment is None:
            return ()
        numbers = _symbol_numbers(file, segment)
        return tuple(
            str(symbol.name)
            for place, symbol in enumerate(segment.iter_symbols())
            if symbol.name
            and symbol["st_shndx"] == "SHN_UNDEF"
            and symbol["st_info"]["bind"] == "STB_GLOBAL"
            and (not numbers or numbers[place] <= _ANY_VERSION)
        )


def defines(stream: IO[bytes], name: str, symbol: str) -> bool:
    """Whether the file offers a symbol of this name to others.

    Raises IntegrityError as ``read`` does.
    """
    with _readable(name):
        segment = _dynamic(_opened(stream))
        found = segment.get_symbol_by_name(symbol) if segment else None
        return any(item["st_shndx"] != "SHN_UNDEF" for item in found or ())


def _info(elf: ELFFile) -> ElfInfo:
    segment = _dynamic(elf)
    tags = list(segment.iter_tags()) if segment else []
    texts: dict[str, list[str]] = {}
    for tag in tags:
        for attribute in ("needed", "runpath", "rpath", "soname"):
            if hasattr(tag, attribute):
                texts.setdefault(attribute, []).append(getattr(tag, attribute))
    search = texts.get("runpath") or texts.get("rpath") or []
    return ElfInfo(
        machine=str(elf["e_machine"]),
        type=str(elf["e_type"]),
        bits=elf.elfclass,
        little_endian=elf.little_endian,
        needed=tuple(texts.get("needed", ())),
        versions=frozenset(need.version for need in _needs(elf, segment)),
        search=tuple(path for item in search for path in item.split(":") if path),
        soname=next(iter(texts.get("soname", ())), None),
        program=any(item["p_type"] == "PT_INTERP" for item in elf.iter_segments()),
    )


def _opened(stream: IO[bytes]) -> ELFFile:
    stream.seek(0)
    return ELFFile(stream)


def _dynamic(elf: ELFFile) -> DynamicSegment | None:
    segments = elf.iter_segments(type="PT_DYNAMIC")
    return next((item for item in segments if isinstance(item, DynamicSegment)), None)


def _needs(elf: ELFFile, segment: DynamicSegment | None) -> Iterator[Need]:
    """The entries of DT_VERNEED."""
    for count, need in enumerate(_all_needs(elf, segment)):
        if count > _MOST_VERSIONS:
            raise ELFError("its table of symbol versions has no end")
        yield need


def _all_needs(elf: ELFFile, segment: DynamicSegment | None) -> Iterator[Need]:
    offset = segment.get_table_offset("DT_VERNEED")[1] if segment else None
    names = segment.get_table_offset("DT_STRTAB")[1] if segment else None
    if offset is None or names is None:
        return
    for _ in range(_MOST_VERSIONS):
        file = struct_parse(elf.structs.Elf_Verneed, elf.stream, stream_pos=offset)
        library = _text(elf, names + file["vn_file"])
        entry = offset + file["vn_aux"]
        for _ in range(file["vn_cnt"]):
            need = struct_parse(elf.structs.Elf_Vernaux, elf.stream, stream_pos=entry)
            version = SymbolVersion(library=library, name=_text(elf, names + need["vna_name"]))
            yield Need(version=version, number=need["vna_other"], place=entry)
            entry += need["vna_next"]
        if not file["vn_next"]:
            return
        offset += file["vn_next"]


def _symbol_numbers(elf: ELFFile, segment: DynamicSegment) -> array.array[int]:
    """DT_VERSYM: the number of each dynamic symbol's version, in the symbols' order."""
    offset = segment.get_table_offset("DT_VERSYM")[1]
    if offset is None:
        return array.array("H")
    size = 2 * segment.num_symbols()
    elf.stream.seek(offset)
    numbers = array.array("H", elf.stream.read(size))
    if elf.little_endian != (sys.byteorder == "little"):
        numbers.byteswap()
    return numbers


def _text(elf: ELFFile, offset: int) -> str:
    text = parse_cstring_from_stream(elf.stream, offset)
    if text is None:
        raise ELFError("a name has no end")
    return text.decode("utf-8", "surrogateescape")


@contextlib.contextmanager
def _readable(name: str) -> Iterator[None]:
    try:
        yield
    except _DAMAGED as error:
        raise IntegrityError(f"{name} begins like ELF and is damaged: {error}") from error
