"""The recipes that ship with crossbuild, and a user's own: one file ``NAME.toml`` per package.

A recipe is a table with the keys of ``_KEYS``; a file holds one, or several for different
versions as an array of tables ``recipe``. Read strictly: what is not understood is an error that
names the file and the key. C libraries that recipes have built first are in files
``libraries/NAME.toml`` beside them, or beside ours.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild import datafile
from crossbuild.datafile import Table
from crossbuild.errors import UsageError
from crossbuild.library import DebianSource, FileSource, Library
from crossbuild.recipe import Compilers, Patch, Recipe, Setting

FAMILIES = ("debian",)
"""Families of distributions whose packages an image can get."""

_KEYS = (
    "versions", "why", "system", "environment", "config-settings", "build-requires",
    "build-constraints", "patches", "before-all", "test-imports", "test-command", "compilers",
    "sources",
)  # fmt: skip
_LIBRARY_KEYS = ("why", "debian", "file", "tools", "build")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipes:
    """All that a run may use, in the order of their names."""

    known: tuple[Recipe, ...] = ()

    def of(self, name: NormalizedName, version: Version) -> Recipe | None:
        """The recipe for a version of a package: the first in its file that covers it."""
        own = (item for item in self.known if item.name == name)
        return next((item for item in own if item.covers(version)), None)


NONE = Recipes()


def shipped() -> Recipes:
    """The recipes that come with crossbuild."""
    return read(_directory())


def _directory() -> Path:
    """Where ours are: inside an installed wheel, else beside an editable checkout."""
    package = Path(__file__).parent
    installed = package / "data" / "recipes"
    return installed if installed.is_dir() else package.parent / "recipes"


def read(directory: Path) -> Recipes:
    """The recipes of a directory. Raises UsageError for what cannot be understood."""
    if not directory.is_dir():
        raise UsageError(
            f"there is no directory {directory} with recipes",
            remedy="--recipes takes a directory of files NAME.toml, or none.",
        )
    files = sorted(directory.glob("*.toml"))
    return Recipes(known=tuple(recipe for path in files for recipe in read_file(path)))


def overlaid(base: Recipes, own: Recipes) -> Recipes:
    """Both together; of a package that both know, what ``own`` says."""
    names = {item.name for item in own.known}
    rest = [item for item in base.known if item.name not in names]
    return Recipes(known=tuple(sorted([*rest, *own.known], key=lambda item: item.name)))


def read_file(path: Path) -> tuple[Recipe, ...]:
    """The recipes of one file. Raises UsageError for what cannot be understood."""
    name = canonicalize_name(path.stem)
    if name != path.stem:
        raise UsageError(f"{path}: the recipe of {name} belongs into {name}.toml")
    top = datafile.load(path)
    if "recipe" not in top.keys:
        return (_recipe(top, name, _Beside(path.parent)),)
    top.check_keys("recipe")
    return tuple(_recipe(table, name, _Beside(path.parent)) for table in top.tables("recipe"))


def from_json(document: Mapping[str, object], where: Path) -> Recipe:
    """Read what ``Recipe.to_json`` gave; ``where`` it stands, for errors. Raises UsageError."""
    table = Table(where, "recipe", {k: v for k, v in document.items() if k != "name"})
    name = document.get("name")
    if not isinstance(name, str):
        raise table.wrong("name", "a text is expected")
    return _recipe(table, canonicalize_name(name), _Inside())


class _Attached(Protocol):
    """Where what a recipe only names is found."""

    def patch(self, table: Table) -> Patch:
        """The patch that a table of ``patches`` means."""

    def libraries(self, table: Table) -> tuple[Library, ...]:
        """What ``sources`` means, each after those that it needs."""


def _recipe(table: Table, name: NormalizedName, attached: _Attached) -> Recipe:
    table.check_keys(*_KEYS)
    has = set(table.keys)
    return Recipe(
        name=name,
        why=_why(table),
        versions=_versions(table) if "versions" in has else SpecifierSet(),
        system=_system(table.table("system")) if "system" in has else {},
        environment=_environment(table) if "environment" in has else {},
        config_settings=_settings(table) if "config-settings" in has else {},
        build_requires=_requirements(table, "build-requires"),
        build_constraints=_requirements(table, "build-constraints"),
        patches=tuple(map(attached.patch, table.tables("patches"))) if "patches" in has else (),
        before_all=table.text("before-all") if "before-all" in has else None,
        test_imports=_imports(table) if "test-imports" in has else None,
        test_command=table.text("test-command") if "test-command" in has else None,
        compilers=_compilers(table) if "compilers" in has else tuple(Compilers),
        sources=attached.libraries(table) if "sources" in has else (),
    )


def _why(table: Table) -> str:
    why = table.text("why").strip()
    if "\n" in why:
        raise table.wrong("why", "one line is expected")
    return why


def _versions(table: Table) -> SpecifierSet:
    try:
        return SpecifierSet(table.text("versions"))
    except InvalidSpecifier as error:
        raise table.wrong("versions", "a range like >=2,<3 is expected") from error


def _system(table: Table) -> dict[str, tuple[str, ...]]:
    table.check_keys(*FAMILIES)
    return {family: table.names(family) for family in table.keys}


def _environment(table: Table) -> dict[str, str]:
    own = table.table("environment")
    for name in own.keys:
        if not _VARIABLE.fullmatch(name):
            raise own.wrong(name, "the name of a variable is expected")
    return {name: own.text(name) for name in own.keys}


def _settings(table: Table) -> dict[str, Setting]:
    own = table.table("config-settings")
    return {key: own.texts(key) if own.is_list(key) else own.text(key) for key in own.keys}


def _requirements(table: Table, key: str) -> tuple[Requirement, ...]:
    return tuple(_requirement(table, key, text) for text in _optional(table, key))


def _requirement(table: Table, key: str, text: str) -> Requirement:
    try:
        found = Requirement(text)
    except InvalidRequirement as error:
        raise table.wrong(key, f"{text!r} is no requirement") from error
    if found.url is not None:
        raise table.wrong(key, f"{text!r} names an address: indexes are the user's to say")
    return found


def _optional(table: Table, key: str) -> Iterable[str]:
    return table.texts(key) if key in table.keys else ()


def _imports(table: Table) -> tuple[str, ...]:
    names = table.texts("test-imports", empty=True)
    if not names and "test-command" not in table.keys:
        raise table.wrong("test-imports", "a module is expected, or a test-command instead")
    for name in names:
        if not _MODULE.fullmatch(name):
            raise table.wrong("test-imports", f"{name!r} is no module")
    return names


def _compilers(table: Table) -> tuple[Compilers, ...]:
    known = {item.value: item for item in Compilers}
    for name in (names := table.texts("compilers")):
        if name not in known:
            raise table.wrong("compilers", f"{name!r} is none of {', '.join(known)}")
    return tuple(item for item in Compilers if item.value in names)


@dataclass(frozen=True, kw_only=False, slots=True)
class _Beside:
    """Finds patches beside a recipe's file, and libraries in a directory beside it."""

    directory: Path

    def patch(self, table: Table) -> Patch:
        """Read a file and hold it to its hash."""
        table.check_keys("file", "sha256")
        file = table.text("file")
        if Path(file).name != file:
            raise table.wrong("file", "the name of a file beside the recipe is expected")
        try:
            data = (self.directory / file).read_bytes()
        except OSError as error:
            raise table.wrong("file", f"{file} cannot be read: {error.strerror}") from error
        return _hashed(table, file, data)

    def libraries(self, table: Table) -> tuple[Library, ...]:
        """Read the files of libraries, and of those that they need."""
        found: dict[str, Library] = {}
        for name in table.names("sources"):
            self._read(table, "sources", name, found, ())
        return tuple(found.values())

    def _read(
        self, table: Table, key: str, name: str, found: dict[str, Library], above: tuple[str, ...]
    ) -> None:
        if name in above:
            raise table.wrong(key, f"{name} needs itself")
        places = [item / "libraries" / f"{name}.toml" for item in (self.directory, _directory())]
        path = next((place for place in places if place.is_file()), None)
        if path is None:
            raise table.wrong(key, f"there is no {places[0]}")
        top = datafile.load(path)
        top.check_keys("needs", *_LIBRARY_KEYS)
        for need in top.names("needs") if "needs" in top.keys else ():
            self._read(top, "needs", need, found, (*above, name))
        found.setdefault(name, _library(top, name))


class _Inside:
    """Finds everything in the document itself."""

    def patch(self, table: Table) -> Patch:
        """Take the text, and hold it to its hash."""
        table.check_keys("file", "sha256", "text")
        return _hashed(table, table.text("file"), table.text("text").encode())

    def libraries(self, table: Table) -> tuple[Library, ...]:
        """Take the tables, which are in their order already."""
        found = table.tables("sources")
        for item in found:
            item.check_keys("name", *_LIBRARY_KEYS)
        return tuple(_library(item, item.text("name")) for item in found)


def _library(table: Table, name: str) -> Library:
    return Library(
        name=name,
        why=_why(table),
        source=_source(table),
        build=table.text("build"),
        tools=table.names("tools") if "tools" in table.keys else (),
    )


def _source(table: Table) -> DebianSource | FileSource:
    """Where a library's source is: one without a hash, or a promise of one, is refused."""
    if ("debian" in table.keys) == ("file" in table.keys):
        raise table.wrong("file", "one of the tables debian and file is expected")
    if "debian" in table.keys:
        own = table.table("debian")
        own.check_keys("suite", "source")
        return DebianSource(suite=own.name("suite"), package=own.name("source"))
    own = table.table("file")
    own.check_keys("url", "sha256")
    if not _SHA256.fullmatch(own.text("sha256")):
        raise own.wrong("sha256", "64 hexadecimal digits are expected")
    return FileSource(url=own.text("url"), sha256=own.text("sha256"))


def _hashed(table: Table, file: str, data: bytes) -> Patch:
    sha256 = hashlib.sha256(data).hexdigest()
    if table.text("sha256") != sha256:
        raise table.wrong("sha256", f"that of {file} is {sha256}")
    try:
        return Patch(file=file, sha256=sha256, text=data.decode())
    except UnicodeDecodeError as error:
        raise table.wrong("file", f"{file} is not UTF-8") from error
