"""One stream of bytes as files of a size that a stick or a mail takes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import IO

from crossbuild.errors import UsageError
from crossbuild.packing.order import FAT32_LIMIT

_MOST = 999


class Parts(AbstractContextManager["Parts"]):
    """Takes bytes in order and writes them to ``NAME.001``, ``NAME.002``, …, in a directory.

    Each part but the last has exactly ``size`` bytes, FAT32's limit at most. ``sums`` has, at
    the end, each part's SHA-256, ``whole`` that of all together. Raises UsageError for more
    than 999 parts.
    """

    def __init__(self, directory: Path, name: str, size: int) -> None:
        self.sums: dict[str, str] = {}
        self._directory, self._name = directory, name
        self._size = min(size, FAT32_LIMIT)
        self._whole = hashlib.sha256()
        self._digest = hashlib.sha256()
        self._room = 0
        self._file: IO[bytes] | None = None

    @property
    def whole(self) -> str:
        """The SHA-256 of what was written."""
        return self._whole.hexdigest()

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""
        self._whole.update(data)
        view = memoryview(data)
        while view:
            if not self._room:
                self._next()
            assert self._file is not None
            piece = view[: self._room]
            self._file.write(piece)
            self._digest.update(piece)
            self._room -= len(piece)
            view = view[len(piece) :]
        return len(data)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
        /,
    ) -> None:
        """End the last part."""
        self._close()

    def _next(self) -> None:
        self._close()
        number = len(self.sums) + 1
        if number > _MOST:
            raise UsageError(
                f"parts of {self._size} bytes would be more than {_MOST}",
                remedy="Give --split a larger size.",
            )
        self._digest = hashlib.sha256()
        self._file = (self._directory / f"{self._name}.{number:03}").open("wb")
        self._room = self._size

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self.sums[Path(self._file.name).name] = self._digest.hexdigest()
            self._file = None


def lines(sums: dict[str, str]) -> Iterator[str]:
    """The hashes as sha256sum(1) reads them."""
    return (f"{digest}  {name}\n" for name, digest in sums.items())
