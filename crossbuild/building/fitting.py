"""Makes libraries that were copied into a wheel fit the target's C library.

A distribution's libraries were linked with its own C library. Where all they want of it is
there in the target's, under an older version or in the shim that goes along, they are bound to
that (wheels/rebinding.py); where it is not, they stay as they are, and the wheel is refused.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crossbuild.excess import Fit
from crossbuild.toolchain.floor import CLibrary
from crossbuild.wheels import editing, elf, rebinding, wheel
from crossbuild.wheels.elf import SymbolVersion
from crossbuild.wheels.rebinding import Offers, Rebound
from crossbuild.wheels.wheel import WheelContents

_C_LIBRARY = "libc.so.6"
_BESIDE = "$ORIGIN"
_OF_PYTHON = ("Py", "_Py")

Excess = Callable[[SymbolVersion], bool]


@dataclass(frozen=True, kw_only=True, slots=True)
class _Fitting:
    """One wheel's fitting: ``excess`` is what the target's C library does not have."""

    contents: WheelContents
    excess: Excess
    library: CLibrary
    offers: Offers
    scratch: Path
    places: Sequence[Path]

    @property
    def home(self) -> str:
        """The directory of the wheel that copied libraries are in, or would be."""
        names = (PurePosixPath(member).parts[0] for member in self.contents.elves)
        there = next((name for name in names if name.endswith(".libs")), None)
        return there or f"{self.contents.name.replace('-', '_')}.libs"

    def fits(self) -> Iterator[tuple[str, Rebound]]:
        """Each copied library that is bound anew, by its place in the wheel."""
        with zipfile.ZipFile(self.contents.path) as archive:
            yield from self._own(archive)
            for member, info in self.contents.elves.items():
                copied = PurePosixPath(member).parent.name.endswith(".libs")
                if copied and any(map(self.excess, info.versions)):
                    found = self._bound(archive.read(member), member)
                    if found:
                        yield member, found

    def _own(self, archive: zipfile.ZipFile) -> Iterator[tuple[str, Rebound]]:
        """Each file of the package itself that finds in the shims what its linker left out."""
        left: dict[str, set[str]] = {}
        for member, symbol, version in dangling(self.contents, self.library, self.places):
            if self.excess(version):
                left.setdefault(member, set()).add(symbol)
        for member, symbols in left.items():
            path = PurePosixPath(member)
            if symbols <= self.offers.shims.keys() and not path.parts[0].endswith(".data"):
                shims = frozenset(self.offers.shims[symbol] for symbol in symbols)
                up = "/".join([_BESIDE, *[".."] * (len(path.parts) - 1), self.home])
                search = (up, *self.contents.elves[member].search)
                data = editing.searching(
                    archive.read(member), member, search, self.scratch, sorted(shims)
                )
                yield member, Rebound(data=data, libraries=shims, symbols=tuple(sorted(symbols)))

    def _bound(self, data: bytes, member: str) -> Rebound | None:
        found = rebinding.rebind(data, member, self.excess, self.offers)
        if found is None:
            return None
        info = self.contents.elves[member]
        more = sorted(found.libraries - {_C_LIBRARY, *info.needed})
        if not more:
            return found
        search = (_BESIDE, *info.search)
        patched = editing.searching(data, member, search, self.scratch, more)
        return rebinding.rebind(patched, member, self.excess, self.offers)


def obstacles(
    contents: WheelContents, member: str, excess: Excess, library: CLibrary
) -> dict[SymbolVersion, str]:
    """What keeps a copied library from being bound to the target's: versions, a symbol of each.

    Empty for any other file. A symbol is empty where its version itself is in the way.
    """
    if not PurePosixPath(member).parent.name.endswith(".libs"):
        return {}
    offers = rebinding.offered(library.stubs, library.shims)
    with zipfile.ZipFile(contents.path) as archive:
        found = rebinding.obstacles(archive.read(member), member, excess, offers)
    return {version: symbol for symbol, version in reversed(found)}


def dangling(
    contents: WheelContents, library: CLibrary, places: Sequence[Path]
) -> Iterator[tuple[str, str, SymbolVersion]]:
    """What the wheel's own code wants of the C library that only the image's has.

    A linker leaves a symbol that it does not find in a shared library for the loader to find,
    and the target's will not. ``places``: where the image's C library is. Gives the file, the
    symbol, and the version that the image's library has it under.
    """
    wanted = list(_wanted(contents))
    if not wanted:
        return
    offers = rebinding.offered(library.stubs, library.shims).symbols
    newer = rebinding.offered(_found(library.stubs, places), ()).symbols
    for member, symbol in wanted:
        if symbol in newer and symbol not in offers and not _provided(contents, symbol):
            yield member, symbol, newer[symbol]


def _wanted(contents: WheelContents) -> Iterator[tuple[str, str]]:
    """The symbols that a wheel's own files leave to the loader, but for those of Python."""
    for member in contents.elves:
        if not PurePosixPath(member).parent.name.endswith(".libs"):
            with wheel.member(contents.path, member) as stream:
                symbols = elf.unversioned(stream, member)
            yield from ((member, name) for name in symbols if not name.startswith(_OF_PYTHON))


def _found(names: Iterable[str], places: Sequence[Path]) -> dict[str, Path]:
    """The libraries of these names that are in the image."""
    there = ((name, place / name) for name in names for place in places)
    return {name: path for name, path in there if path.is_file()}


def _provided(contents: WheelContents, symbol: str) -> bool:
    """Whether another file of the wheel offers a symbol."""
    for member in contents.elves:
        with wheel.member(contents.path, member) as stream:
            if elf.defines(stream, member, symbol):
                return True
    return False


def fit(
    contents: WheelContents,
    excess: Excess,
    library: CLibrary,
    scratch: Path,
    places: Sequence[Path] = (),
) -> tuple[Path, tuple[Fit, ...]]:
    """The wheel with its copied libraries bound anew, and which they are.

    Its own code gets the shims beside, where it wants what only the C library in the image's
    ``places`` has. It is the same wheel where there is nothing to bind, else a new one in
    ``scratch`` whose RECORD is still the old one's.
    """
    fitting = _Fitting(
        contents=contents,
        excess=excess,
        library=library,
        offers=rebinding.offered(library.stubs, library.shims),
        scratch=scratch,
        places=places,
    )
    found = dict(fitting.fits())
    if not found:
        return contents.path, ()
    made = scratch / "fitted" / contents.path.name
    needed = frozenset[str]().union(*(bound.libraries for bound in found.values()))
    shims = {f"{fitting.home}/{shim.name}": shim for shim in library.shims if shim.name in needed}
    editing.edit(contents.path, made, {name: bound.data for name, bound in found.items()}, shims)
    return made, tuple(
        Fit(library=PurePosixPath(member).name, symbols=bound.symbols)
        for member, bound in found.items()
    )
