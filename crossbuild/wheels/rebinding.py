"""Binds a library to an older C library: to the older versions of what it calls, by name.

Each symbol that a library wants of glibc has a version, that of the glibc which last changed
it. A distribution links with its own glibc and so gets the newest: ``log`` of 2.29, ``dlopen``
of 2.34, when it moved from libdl.so.2. The target's glibc has both under an older version, to
which it would have been bound had it been linked there. What no older glibc has under any
version is left without one, for a library that offers it (toolchain/shim.c); so is what the
library itself can do without (a weak symbol, System V ABI, chapter 4).

The older version of a symbol does what the library was compiled for, or did before it was made
better: that is how it would have worked there. Not so where the header changed with it.

Only numbers in the tables are changed (LSB 5, "Symbol Versioning"), no code and no size.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from elftools.elf.elffile import ELFFile
from elftools.elf.gnuversions import GNUVerDefSection, GNUVerSymSection
from elftools.elf.sections import SymbolTableSection

from crossbuild.wheels import elf
from crossbuild.wheels.elf import Bindings, Need, SymbolVersion, Wish

_UNVERSIONED = 1
"""VER_NDX_GLOBAL: whoever offers the symbol will do."""
_HIDDEN = 0x8000
_ALIKE = frozenset({"_ZNSt18condition_variable4waitERSt11unique_lockISt5mutexE"})
"""What every libstdc++ has, under whichever version, and all of them alike."""

_CHANGED = re.compile(r"totalorder(mag)?(f|l|f\d+x?)?|cf[gs]et[io]?speed|tc[gs]etattr")
"""What older versions take other arguments for: numbers, not pointers to them (glibc 2.31, NEWS);
codes for speeds, not the speeds (2.42)."""
_MARK = "GLIBC_ABI_"
"""Begins what is no symbol's version but asks whether the loader knows a kind of table, as
GLIBC_ABI_DT_RELR does: one that does not would leave it unread."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offers:
    """What a C library offers: ``symbols`` with the version that links get, by library.

    ``alone`` are those that have one version only: they are found without it. ``shims`` maps
    those that libraries beside it have to these libraries.
    """

    symbols: Mapping[str, SymbolVersion]
    alone: frozenset[str] = frozenset()
    shims: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rebound:
    """A library bound anew. ``libraries`` have to be among those it needs, besides the C library.

    ``symbols`` are what was bound elsewhere.
    """

    data: bytes
    libraries: frozenset[str]
    symbols: tuple[str, ...]


@dataclass(kw_only=True, slots=True)
class _Moves:
    """Where symbols are bound to: the new number in DT_VERSYM of each place."""

    numbers: dict[int, int] = field(default_factory=dict)
    symbols: dict[str, None] = field(default_factory=dict)
    libraries: set[str] = field(default_factory=set)


def offered(stubs: Mapping[str, Path], shims: Iterable[Path]) -> Offers:
    """Read what the stubs of a C library offer; they map its libraries' names to files."""
    symbols: dict[str, SymbolVersion] = {}
    several: set[str] = set()
    for library, path in sorted(stubs.items()):
        for name, versions in _defined(path).items():
            if name in symbols or len(versions) > 1:
                several.add(name)
            symbols.setdefault(name, SymbolVersion(library=library, name=max(versions)[1]))
    beside = {name: shim.name for shim in shims for name in _defined(shim)}
    return Offers(symbols=symbols, alone=frozenset(symbols) - several, shims=beside)


def rebind(
    data: bytes, name: str, excess: Callable[[SymbolVersion], bool], offers: Offers
) -> Rebound | None:
    """Bind what is in ``excess`` to what is offered; None where something of it is not.

    Raises IntegrityError for a file that is not the ELF it says it is.
    """
    table = elf.bindings(io.BytesIO(data), name)
    beyond, kept = _sorted_out(table, excess)
    moves = _Moves()
    for wish in table.symbols:
        if wish.number in beyond and not _moved(wish, kept, offers, moves):
            return None
    changed = bytearray(data)
    for need in beyond.values():
        instead = _harmless(need, kept, offers)
        if instead is None:
            return None
        changed[need.place : need.place + 4] = data[instead.place : instead.place + 4]
        changed[need.place + 8 : need.place + 12] = data[instead.place + 8 : instead.place + 12]
    order = "<H" if table.little_endian else ">H"
    for place, number in moves.numbers.items():
        struct.pack_into(order, changed, table.versions + 2 * place, number)
    return Rebound(
        data=bytes(changed),
        libraries=frozenset(moves.libraries),
        symbols=tuple(moves.symbols),
    )


def obstacles(
    data: bytes, name: str, excess: Callable[[SymbolVersion], bool], offers: Offers
) -> list[tuple[str, SymbolVersion]]:
    """Why ``rebind`` gives None: each symbol that is offered nowhere, and its version.

    The symbol is empty where a version itself is in the way, and none of its symbols.
    """
    table = elf.bindings(io.BytesIO(data), name)
    beyond, kept = _sorted_out(table, excess)
    symbols = [
        (wish.name, beyond[wish.number].version)
        for wish in table.symbols
        if wish.number in beyond and not _moved(wish, kept, offers, _Moves())
    ]
    versions = [need.version for need in beyond.values() if _harmless(need, kept, offers) is None]
    return [*symbols, *(("", version) for version in versions)]


def _sorted_out(
    table: Bindings, excess: Callable[[SymbolVersion], bool]
) -> tuple[dict[int, Need], list[Need]]:
    """The needs in ``excess``, by number, and all others."""
    beyond = {need.number: need for need in table.needs if excess(need.version)}
    return beyond, [need for need in table.needs if need.number not in beyond]


def _moved(wish: Wish, kept: list[Need], offers: Offers, moves: _Moves) -> bool:
    """Find a symbol a new binding. The loader goes by a version's name, not by its library."""
    symbol = wish.name
    if _CHANGED.fullmatch(symbol):
        return False
    offer = offers.symbols.get(symbol)
    if offer is not None:
        number = next((need.number for need in kept if need.version.name == offer.name), None)
        if number is None and symbol in offers.alone:
            number = _UNVERSIONED
        library: str | None = offer.library
    else:
        library = offers.shims.get(symbol)
        number = _UNVERSIONED if library or wish.weak or symbol in _ALIKE else None
    if number is None:
        return False
    moves.numbers[wish.place] = number
    moves.symbols[symbol] = None
    if library:
        moves.libraries.add(library)
    return True


def _harmless(need: Need, kept: list[Need], offers: Offers) -> Need | None:
    """A version for the place of one that nothing wants any more: the same library has it too."""
    library = need.version.library
    if need.version.name.startswith(_MARK):
        return None
    same = next((other for other in kept if other.version.library == library), None)
    if same is not None:
        return same
    has = {offer.name for offer in offers.symbols.values() if offer.library == library}
    return next((other for other in kept if other.version.name in has), None)


def _defined(path: Path) -> dict[str, set[tuple[bool, str]]]:
    """The symbols that a library defines, each version with whether it is the default one."""
    with path.open("rb") as stream:
        file = ELFFile(stream)
        table = file.get_section_by_name(".dynsym")
        numbers = file.get_section_by_name(".gnu.version")
        names = _version_names(file)
        found: dict[str, set[tuple[bool, str]]] = {}
        assert isinstance(table, SymbolTableSection)
        for place, symbol in enumerate(table.iter_symbols()):
            if symbol["st_shndx"] == "SHN_UNDEF" or not symbol.name:
                continue
            number = _number(numbers, place)
            version = not number & _HIDDEN, names.get(number & ~_HIDDEN, "")
            found.setdefault(symbol.name, set()).add(version)
    return found


def _number(section: object, place: int) -> int:
    if not isinstance(section, GNUVerSymSection):
        return _UNVERSIONED
    value = section.get_symbol(place).entry["ndx"]
    return value if isinstance(value, int) else _UNVERSIONED


def _version_names(file: ELFFile) -> dict[int, str]:
    section = file.get_section_by_name(".gnu.version_d")
    if not isinstance(section, GNUVerDefSection):
        return {}
    return {
        definition["vd_ndx"]: next(names).name for definition, names in section.iter_versions()
    }
