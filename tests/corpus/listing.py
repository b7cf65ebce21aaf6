"""The list of packages, read strictly: ``packages.toml`` says what each key means."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from crossbuild import datafile
from crossbuild.datafile import Table

FILE = Path(__file__).with_name("packages.toml")
PYTHONS = ("3.9", "3.11", "3.13")
TARGETS = ("manylinux2014_aarch64", "manylinux_2_28_aarch64")
_KEYS = ("version", "python", "target", "kind", "system", "source", "heavy", "why")


class Kind(enum.Enum):
    """What a build needs most."""

    PURE = "pure"
    C = "c"
    CXX = "c++"
    CYTHON = "cython"
    CFFI = "cffi"
    CONFIGURE = "configure"
    SWIG = "swig"
    CMAKE = "cmake"
    MESON = "meson"
    RUST = "rust"
    FORTRAN = "fortran"


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One package of the list; ``source``: it has a wheel and is forced from source."""

    name: str
    version: str
    python: str
    target: str
    kind: Kind
    system: tuple[str, ...]
    source: bool
    heavy: bool
    why: str

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What a result belongs to."""
        return (self.name, self.version, self.python, self.target)

    @property
    def words(self) -> tuple[str, ...]:
        """The requirement and the options of a crossbuild command for it."""
        forced = ("--no-binary", self.name) if self.source else ()
        wanted = f"{self.name}=={self.version}"
        return (wanted, "--target", self.target, "--python", self.python, *forced)


def load(path: Path = FILE) -> tuple[Entry, ...]:
    """Every package of a list, in its order. Raises UsageError, which names file and key."""
    whole = datafile.load(path)
    return tuple(_entry(whole, name) for name in whole.keys)


def shard(entries: Sequence[Entry], number: int, count: int) -> tuple[Entry, ...]:
    """Part ``number`` of ``count``, from 1: each has about as many small and heavy ones."""
    return tuple(entries[number - 1 :: count])


def _entry(whole: Table, name: str) -> Entry:
    if name != canonicalize_name(name):
        raise whole.wrong(name, f"the name is written {canonicalize_name(name)}")
    table = whole.table(name)
    table.check_keys(*_KEYS)
    there = table.keys
    return Entry(
        name=name,
        version=_version(table),
        python=_one_of(table, "python", PYTHONS),
        target=_one_of(table, "target", TARGETS) if "target" in there else TARGETS[0],
        kind=Kind(_one_of(table, "kind", [kind.value for kind in Kind])),
        system=table.texts("system") if "system" in there else (),
        source=table.flag("source") if "source" in there else False,
        heavy=table.flag("heavy") if "heavy" in there else False,
        why=table.text("why"),
    )


def _version(table: Table) -> str:
    text = table.text("version")
    try:
        Version(text)
    except InvalidVersion as error:
        raise table.wrong("version", f"{text!r} is no version") from error
    return text


def _one_of(table: Table, key: str, known: Sequence[str]) -> str:
    value = table.text(key)
    if value not in known:
        raise table.wrong(key, f"{value!r} is none of {', '.join(known)}")
    return value
