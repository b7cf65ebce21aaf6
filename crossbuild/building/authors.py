"""What a package may say of its own build: the part of ``[tool.cibuildwheel]`` that is obeyed.

cibuildwheel does what a project's pyproject.toml says, for it is meant for one's own. Here the
project is a stranger's, and some settings reach out of the container: ``audit-command`` is run
on the host, ``test-environment`` is expanded there, ``container-engine`` can mount the host's
disk, ``dependency-versions`` copies any file in, ``environment-pass`` any variable. So the
settings are an allow-list: what decides how the wheel comes to be, and happens inside.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from crossbuild.errors import IntegrityError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_OBEYED = frozenset(
    {
        *("before-all", "before-build", "build-verbosity", "config-settings", "environment"),
        *("repair-wheel-command",),
    }
)
"""Every one of them ends in a command or a variable inside the container."""

_OURS = frozenset({"archs", "build", "build-frontend", "enable", "skip"})
"""Which wheels there are to be, and by which installer: asked and answered before."""

_FRONTENDS = frozenset({"build", "pip"})
_PLATFORM = "linux"
_OTHER_PLATFORMS = frozenset({"android", "ios", "macos", "pyodide", "windows"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Wishes:
    """The table to give to cibuildwheel, and the names of the settings that are not in it."""

    table: Mapping[str, Any]
    ignored: tuple[str, ...]


def wishes(source: Path) -> Wishes:
    """Read the project at ``source``. Raises IntegrityError where its table is none."""
    path = source / "pyproject.toml"
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise IntegrityError(f"pyproject.toml of {source.name} cannot be read: {error}") from error
    tool = document.get("tool", {})
    said = tool.get("cibuildwheel", {}) if isinstance(tool, dict) else {}
    if not isinstance(said, dict):
        raise IntegrityError(f"[tool.cibuildwheel] of {source.name} is not a table")
    return of(said)


def of(said: Mapping[str, Any]) -> Wishes:
    """Sort the settings of a ``[tool.cibuildwheel]`` table."""
    table = {**_obeyed(said), **_frontend(said)}
    if isinstance(own := said.get(_PLATFORM), dict):
        table[_PLATFORM] = _obeyed(own)
    overrides = [item for item in _tables(said.get("overrides")) if "select" in item]
    if overrides:
        table["overrides"] = [
            {"select": item["select"], **_obeyed(item)}
            for item in overrides
            if item.keys() & _OBEYED
        ]
    return Wishes(table=table, ignored=tuple(sorted(set(_ignored(said)))))


def _obeyed(said: Mapping[str, Any]) -> dict[str, Any]:
    """The obeyed settings of one table, and how they add to those of the table above."""
    kept = {name: value for name, value in said.items() if name in _OBEYED}
    inherit = said.get("inherit")
    if isinstance(inherit, dict):
        rules = {name: rule for name, rule in inherit.items() if name in kept}
        kept.update({"inherit": rules} if rules else {})
    return kept


def _frontend(said: Mapping[str, Any]) -> dict[str, Any]:
    """The build frontend with its arguments; uv, which the image has not, only saves time."""
    value = said.get("build-frontend")
    name = value.get("name") if isinstance(value, dict) else value
    plain = str(name).partition(";")[0].strip()
    return {"build-frontend": value} if plain in _FRONTENDS else {}


def _ignored(said: Mapping[str, Any]) -> Iterator[str]:
    known = _OBEYED | _OURS | _OTHER_PLATFORMS | {_PLATFORM, "inherit", "overrides", "select"}
    tables = [said, *_tables([said.get(_PLATFORM)]), *_tables(said.get("overrides"))]
    return (name for table in tables for name in table if name not in known)


def _tables(value: object) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []
