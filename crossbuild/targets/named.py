"""Machines by the name of their distribution: which C library, Python and processors it has.

A distribution is one file ``images/targets/NAME.toml``, read strictly. Each fact in it says
where it comes from; what is not certain is marked, and shown to whoever relies on it.
"""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from crossbuild import datafile
from crossbuild.datafile import Table
from crossbuild.platforms import ARCHES, Arch, Floor


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """Something known of a distribution: whether for certain, by whom, and what to mind."""

    text: str
    certain: bool
    sources: tuple[str, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """A distribution. ``arches`` has the usual processor first; ``python`` is X.Y."""

    name: str
    describes: str
    glibc: Floor
    python: str
    arches: tuple[Arch, ...]
    facts: tuple[tuple[str, Fact], ...]

    @property
    def doubts(self) -> tuple[str, ...]:
        """What is not certain of it, a sentence each."""
        return tuple(
            f"{self.name} has {what} {fact.text}, it seems: {fact.note}"
            for what, fact in self.facts
            if not fact.certain
        )


@cache
def distributions() -> tuple[Named, ...]:
    """Every distribution, by name. Raises UsageError for a file that is not understood."""
    return tuple(map(read, sorted(_directory().glob("*.toml"))))


def find(text: str) -> tuple[Named, Arch] | None:
    """The distribution and the processor that ``NAME`` or ``NAME-ARCH`` means; None: neither."""
    for found in distributions():
        if text == found.name:
            return found, found.arches[0]
        for arch in found.arches:
            if text == f"{found.name}-{arch}":
                return found, arch
    return None


def nearest(text: str) -> str | None:
    """The name that was meant, where one is near enough."""
    names = [found.name for found in distributions()]
    name = re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
    begun = [one for one in names if len(name) > 2 and one.startswith(name)]
    more = [one for one in names if name.startswith(one)]
    near = begun or more or difflib.get_close_matches(name, names, n=1, cutoff=0.75)
    return near[0] if near else None


def read(path: Path) -> Named:
    """The distribution that a file describes.

    Raises UsageError naming the file and the key that is unknown, missing or wrong.
    """
    table = datafile.load(path)
    table.check_keys("describes", "glibc", "python", "arches")
    arches = table.table("arches")
    names = arches.names("value")
    for name in names:
        if name not in ARCHES:
            raise arches.wrong("value", f"{name!r} is none of {', '.join(ARCHES)}")
    glibc, python = (_version(table.table(key)) for key in ("glibc", "python"))
    major, minor = map(int, glibc.split("."))
    return Named(
        name=path.stem,
        describes=table.text("describes"),
        glibc=(major, minor),
        python=python,
        arches=tuple(ARCHES[name] for name in names),
        facts=(
            ("glibc", _fact(table.table("glibc"), glibc)),
            ("CPython", _fact(table.table("python"), python)),
            ("processors", _fact(arches, ", ".join(names))),
        ),
    )


def _fact(table: Table, text: str) -> Fact:
    """Read what every fact has. A doubt without its reason helps nobody: ``note`` says it."""
    certain = table.flag("certain")
    table.check_keys("value", "certain", "sources", *(() if certain else ("note",)))
    note = "" if certain else table.text("note")
    return Fact(text=text, certain=certain, sources=table.texts("sources"), note=note)


def _version(table: Table) -> str:
    value = table.text("value")
    if not re.fullmatch(r"\d+\.\d+", value):
        raise table.wrong("value", "a version like 2.31 is expected")
    return value


def _directory() -> Path:
    """Where the files are: inside an installed wheel, else beside an editable checkout."""
    package = Path(__file__).parent.parent
    shipped = package / "data" / "images" / "targets"
    return shipped if shipped.is_dir() else package.parent / "images" / "targets"
