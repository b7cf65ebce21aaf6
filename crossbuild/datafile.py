"""Strict reading of the data files that ship with crossbuild, and of the user's.

What is not understood is an error that names the file and the key.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from crossbuild.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_REMEDY = "Correct the file, or install crossbuild again."
_NAME = re.compile(r"[a-z0-9][a-z0-9+._-]+")


class Table:
    """A table of TOML or JSON that knows where it stands, for errors that say so.

    Every reader raises UsageError for a key that is missing or has another kind of value;
    ``remedy`` is what to do about a wrong file.
    """

    def __init__(
        self, path: Path, name: str, values: Mapping[str, Any], remedy: str = _REMEDY
    ) -> None:
        self._path = path
        self._name = name
        self._remedy = remedy
        self._values = MappingProxyType(dict(values))

    @property
    def keys(self) -> tuple[str, ...]:
        """Every key of the table, in the order of the file."""
        return tuple(self._values)

    def wrong(self, key: str, reason: str) -> UsageError:
        """The error that says what is wrong with a key."""
        where = f"{self._name}.{key}" if self._name else key
        return UsageError(f"{self._path}: {where}: {reason}", remedy=self._remedy)

    def text(self, key: str) -> str:
        """A text that is not empty."""
        value = self._value(key)
        if not isinstance(value, str) or not value:
            raise self.wrong(key, "a text is expected")
        return value

    def texts(self, key: str, *, empty: bool = False) -> tuple[str, ...]:
        """A list of one text or more; ``empty``: or of none."""
        value = self._value(key)
        if not isinstance(value, list) or not (value or empty):
            raise self.wrong(key, "a list of texts is expected")
        for item in value:
            if not isinstance(item, str) or not item:
                raise self.wrong(key, f"{item!r} is not a text")
        return tuple(value)

    def flag(self, key: str) -> bool:
        """True or false."""
        value = self._value(key)
        if not isinstance(value, bool):
            raise self.wrong(key, "true or false is expected")
        return value

    def name(self, key: str) -> str:
        """A name, as packages of a distribution have them."""
        value = self.text(key)
        if not _NAME.fullmatch(value):
            raise self.wrong(key, f"{value!r} is not a name")
        return value

    def names(self, key: str) -> tuple[str, ...]:
        """A list of one name or more."""
        value = self._value(key)
        if not isinstance(value, list) or not value:
            raise self.wrong(key, "a list of names is expected")
        for item in value:
            if not isinstance(item, str) or not _NAME.fullmatch(item):
                raise self.wrong(key, f"{item!r} is not a name")
        return tuple(value)

    def table(self, key: str) -> Table:
        """A table that is not empty."""
        value = self._value(key)
        if not isinstance(value, dict) or not value:
            raise self.wrong(key, "a table is expected")
        name = f"{self._name}.{key}" if self._name else key
        return Table(self._path, name, value, self._remedy)

    def tables(self, key: str) -> tuple[Table, ...]:
        """A list of one table or more."""
        value = self._value(key)
        if not isinstance(value, list) or not value:
            raise self.wrong(key, "a list of tables is expected")
        for item in value:
            if not isinstance(item, dict):
                raise self.wrong(key, f"{item!r} is not a table")
        name = f"{self._name}.{key}" if self._name else key
        return tuple(
            Table(self._path, f"{name}[{place}]", item, self._remedy)
            for place, item in enumerate(value)
        )

    def is_list(self, key: str) -> bool:
        """Whether a key has several values."""
        return isinstance(self._values.get(key), list)

    def check_keys(self, *known: str) -> None:
        """Refuse every key that is not ``known``."""
        for key in self._values:
            if key not in known:
                raise self.wrong(key, "unknown key")

    def _value(self, key: str) -> Any:
        if key not in self._values:
            raise self.wrong(key, "missing")
        return self._values[key]


def load(path: Path) -> Table:
    """The top table of a file. Raises UsageError for what is not TOML."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is not TOML: {error}", remedy=_REMEDY) from error
    return Table(path, "", document)
