"""What is asked of a bundle."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

FAT32_LIMIT = (1 << 32) - 1
"""The largest file that FAT32 holds, in bytes."""


class Form(enum.Enum):
    """What a bundle is."""

    DIRECTORY = "dir"
    TAR = "tar"
    ZIP = "zip"
    PYZ = "pyz"
    TEXT = "py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What is to be packed, and how.

    ``split``: bytes of a part, None: one file. ``stored``: wheels without compression.
    ``key``: what SHA256SUMS is signed with. ``modules`` are of the standard library, None: those
    that a probe found missing; ``pip`` is a wheel of pip to carry, too.
    """

    wheelhouse: Path
    form: Form
    output: Path | None = None
    split: int | None = None
    stored: bool = False
    key: Path | None = None
    modules: tuple[str, ...] | None = None
    pip: Path | None = None

    @property
    def name(self) -> str:
        """The name of the one file that a bundle is, joined where it was split."""
        return f"{self.wheelhouse.resolve().name}.{self.form.value}"
