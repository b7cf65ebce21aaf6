"""Source distributions: unpacked safely, and read for what they say of themselves.

Nothing here runs a line of the sdist's code. What only its backend can tell is left open
(``Inspection.metadata`` is None) and asked in a sandbox, by ``asking``.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from packaging.metadata import RawMetadata, parse_email
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import (
    InvalidName,
    NormalizedName,
    canonicalize_name,
)
from packaging.version import InvalidVersion, Version

from crossbuild.building.archive import SUFFIXES, MemberKind, extract, members
from crossbuild.errors import IntegrityError
from crossbuild.model import BuildSystem, Inspection, SourceMetadata

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

LEGACY = BuildSystem(
    backend="setuptools.build_meta:__legacy__", backend_path=(), requires=("setuptools>=40.8.0",)
)
"""What an sdist with a ``setup.py`` and no build system is built with (PEP 517, as pip does)."""

_TELLING = ("pyproject.toml", "setup.py")
_READ = frozenset({*_TELLING, "PKG-INFO"})
_LONGEST = 4 << 20
_STATIC_SINCE = Version("2.2")
_NEEDED_FIELDS = frozenset({"requires-dist", "requires-python", "provides-extra"})
_NEEDED_KEYS = frozenset({"dependencies", "optional-dependencies", "requires-python"})


def unpack(archive: Path, directory: Path, filename: str | None = None) -> Path:
    """Unpack an sdist into ``directory``, which must be empty; return its top directory.

    ``filename`` (default: the archive's own) tells the format. Raises IntegrityError, naming
    the member, for anything that would leave the directory, for devices, and for archives
    that are damaged or hold no project; StorageError when the disk refuses.
    """
    extract(archive, directory, filename)
    entries = [entry for entry in directory.iterdir() if entry.is_dir()]
    tops = {"": directory, **{entry.name: entry for entry in entries}}
    telling = [name for name, top in tops.items() if any((top / t).is_file() for t in _TELLING)]
    return tops[_top(telling, filename or archive.name)]


def epoch(directory: Path) -> int:
    """The time of an unpacked sdist's newest file, in seconds, for ``SOURCE_DATE_EPOCH``."""
    newest = 0
    for parent, _, names in os.walk(directory):
        for name in names:
            newest = max(newest, int(Path(parent, name).lstat().st_mtime))
    return newest


def inspect(archive: Path, filename: str | None = None) -> Inspection:
    """Read an sdist's name, version, build system and static metadata, without unpacking it.

    ``metadata`` is None unless PKG-INFO promises it (PEP 643) or ``[project]`` states all of
    it (PEP 621). Raises IntegrityError for damaged archives and unreadable declarations.
    """
    label = filename or archive.name
    found = _read(archive, label)
    top = _top([name for name, files in found.items() if not files.keys().isdisjoint(_TELLING)],
               label)  # fmt: skip
    files = found[top]
    pyproject = _pyproject(files.get("pyproject.toml"), label)
    info, _ = parse_email(files.get("PKG-INFO", b""))
    name, version = _identity(label, top, info)
    return Inspection(
        name=name,
        version=version,
        system=_fitting(_system(pyproject, label), files.get("setup.py", b"")),
        metadata=_from_pkg_info(info) or _from_project(pyproject.get("project")),
    )


def core_metadata(text: str) -> SourceMetadata | None:
    """What METADATA says (PEP 566), or None where it is not of the standard's form."""
    return _of(parse_email(text)[0])


def _read(archive: Path, label: str) -> Mapping[str, Mapping[str, bytes]]:
    """The files that tell something: by top directory (empty: none), then by name."""
    found: dict[str, dict[str, bytes]] = defaultdict(dict)
    for member in members(archive, label):
        parts = member.path.parts
        if member.stream is None or member.kind is not MemberKind.FILE or len(parts) > 2:
            continue
        if parts[-1] in _READ:
            data = member.stream.read(_LONGEST + 1)
            if len(data) > _LONGEST:
                raise IntegrityError(f"{str(member.path)!r} in {label} is absurdly long")
            found["/".join(parts[:-1])][parts[-1]] = data
    return found


def _top(candidates: Iterable[str], label: str) -> str:
    """The directory that holds the project; ``""`` where the archive has no top directory."""
    tops = sorted(candidates)
    if not tops:
        raise IntegrityError(f"{label} holds neither pyproject.toml nor setup.py")
    if len(tops) > 1 and tops[0]:
        raise IntegrityError(f"{label} holds several projects: {', '.join(tops)}")
    return tops[0]


def _pyproject(data: bytes | None, label: str) -> Mapping[str, Any]:
    if data is None:
        return {}
    try:
        return tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"pyproject.toml in {label} cannot be read: {error}") from error


def _identity(label: str, top: str, info: RawMetadata) -> tuple[NormalizedName, Version]:
    """Name and version: the file name's, else PKG-INFO's, else the top directory's.

    Before PEP 625 a version could hold a hyphen, which only PKG-INFO can tell from the name's.
    """
    stem = next((label.removesuffix(s) for s in SUFFIXES if label.endswith(s)), label)
    told = (info.get("name", ""), info.get("version", ""))
    same = canonicalize_name("-".join(told)) == canonicalize_name(stem)
    for name, version in (told if same else _split(stem), told, _split(top)):
        with contextlib.suppress(InvalidName, InvalidVersion):
            return canonicalize_name(name, validate=True), Version(version)
    raise IntegrityError(f"{label} does not tell which package and version it is")


def _split(stem: str) -> tuple[str, str]:
    name, _, version = stem.rpartition("-")
    return name, version


def _system(pyproject: Mapping[str, Any], label: str) -> BuildSystem:
    """The build system as PEP 517 and PEP 518 define it, with pip's reading of the gaps."""
    table = pyproject.get("build-system")
    if table is None:
        return LEGACY
    where = f"[build-system] in {label}"
    if not isinstance(table, dict):
        raise IntegrityError(f"{where} is not a table")
    requires = _strings(table.get("requires"), f"requires of {where}")
    for requirement in requires:
        _check_requirement(requirement, where)
    backend = table.get("build-backend")
    if backend is None:
        missing = all(_name_of(item) != "setuptools" for item in requires)
        extra = LEGACY.requires if missing else ()
        return BuildSystem(backend=LEGACY.backend, backend_path=(), requires=requires + extra)
    if not isinstance(backend, str):
        raise IntegrityError(f"build-backend of {where} is not a string")
    path = _strings(table.get("backend-path", []), f"backend-path of {where}")
    for part in path:
        if Path(part).is_absolute() or ".." in Path(part).parts:
            raise IntegrityError(f"backend-path of {where} leaves the source: {part!r}")
    return BuildSystem(backend=backend, backend_path=path, requires=requires)


def _fitting(system: BuildSystem, setup_py: bytes) -> BuildSystem:
    """Ask for a setuptools that still has what an old ``setup.py`` imports.

    setuptools 82 dropped pkg_resources; who wrote ``import pkg_resources`` before could not know.
    """
    uses = system.backend.startswith("setuptools.build_meta") and b"pkg_resources" in setup_py
    if not uses:
        return system
    return replace(system, requires=(*system.requires, "setuptools<82"))


def _from_pkg_info(info: RawMetadata) -> SourceMetadata | None:
    """PEP 643: fields of Metadata 2.2 and later are final unless they are called dynamic."""
    dynamic = {field.lower() for field in info.get("dynamic", [])}
    try:
        if Version(info.get("metadata_version", "0")) < _STATIC_SINCE:
            return None
    except InvalidVersion:
        return None
    return None if dynamic & _NEEDED_FIELDS else _of(info)


def _of(info: RawMetadata) -> SourceMetadata | None:
    return _metadata(
        info.get("requires_dist", []), info.get("requires_python"), info.get("provides_extra", [])
    )


def _from_project(project: object) -> SourceMetadata | None:
    """PEP 621: what ``[project]`` states, unless one of the needed keys is dynamic."""
    if not isinstance(project, dict) or not _typed(project):
        return None
    if set(project.get("dynamic", [])) & _NEEDED_KEYS:
        return None
    optional = project.get("optional-dependencies", {})
    requires = list(project.get("dependencies", []))
    try:
        for extra, requirements in optional.items():
            requires += [_with_extra(item, extra) for item in requirements]
    except InvalidRequirement:
        return None
    return _metadata(requires, project.get("requires-python"), list(optional))


def _typed(project: Mapping[str, Any]) -> bool:
    """Whether the keys that are read here have the types that PEP 621 gives them."""
    optional = project.get("optional-dependencies", {})
    if not isinstance(optional, dict) or not isinstance(project.get("requires-python", ""), str):
        return False
    lists = (project.get("dynamic", []), project.get("dependencies", []), *optional.values())
    return all(
        isinstance(items, list) and all(isinstance(item, str) for item in items) for items in lists
    )


def _with_extra(requirement: str, extra: str) -> str:
    parsed = Requirement(requirement)
    condition = f'extra == "{canonicalize_name(extra)}"'
    marker = f"({parsed.marker}) and {condition}" if parsed.marker else condition
    parsed.marker = None
    return f"{parsed} ; {marker}" if parsed.url else f"{parsed}; {marker}"


def _metadata(requires: list[str], python: str | None, extras: list[str]) -> SourceMetadata | None:
    """The values, or None where they are not of their standard's form."""
    try:
        for item in requires:
            Requirement(item)
        SpecifierSet(python or "")
    except (InvalidRequirement, InvalidSpecifier):
        return None
    return SourceMetadata(
        requires_dist=tuple(requires),
        requires_python=python,
        extras=tuple(canonicalize_name(extra) for extra in extras),
    )


def _strings(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise IntegrityError(f"{where} is not a list of strings")
    return tuple(value)


def _check_requirement(text: str, where: str) -> None:
    try:
        Requirement(text)
    except InvalidRequirement as error:
        raise IntegrityError(f"requires of {where} holds {text!r}, no requirement") from error


def _name_of(requirement: str) -> NormalizedName:
    return canonicalize_name(Requirement(requirement).name)
