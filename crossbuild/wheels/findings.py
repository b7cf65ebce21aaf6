"""What is wrong with a wheel or a wheelhouse, one finding at a time."""

from __future__ import annotations

import enum
from dataclasses import dataclass


class FindingKind(enum.Enum):
    """Which check found it."""

    ARCHIVE = "archive"
    NAME = "name"
    TAG = "tag"
    PYTHON = "python"
    MACHINE = "machine"
    SYMBOL = "symbol"
    LIBRARY = "library"
    MISSING = "missing"
    VERSION = "version"
    LEFT_OVER = "left over"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong. ``text`` says it without ``file``, the wheel's file name.

    ``file`` is empty for what concerns the whole wheelhouse. A finding that is not ``fatal`` is
    worth a look, and no reason to refuse the wheel.
    """

    file: str
    kind: FindingKind
    text: str
    fatal: bool = True

    def __str__(self) -> str:
        return f"{self.file}: {self.text}" if self.file else self.text
