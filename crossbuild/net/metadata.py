"""Core metadata of a wheel, read without downloading the wheel.

A wheel is a zip with its directory at the end, and its metadata is as a rule right before
that: one range request is enough for most.
"""

from __future__ import annotations

import io
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name

from crossbuild.model import SourceMetadata
from crossbuild.net.http import Http, Part

if TYPE_CHECKING:
    from typing_extensions import Buffer

_TAIL = 1 << 16
_LARGEST = 16 << 20
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, KeyError, ValueError, NotImplementedError)


def parsed(text: bytes) -> SourceMetadata:
    """Read core metadata; fields that are wrong are read as if they were not there."""
    raw, _ = parse_email(text)
    return SourceMetadata(
        requires_dist=tuple(raw.get("requires_dist", ())),
        requires_python=raw.get("requires_python"),
        extras=tuple(raw.get("provides_extra", ())),
    )


def of_local_wheel(path: Path) -> SourceMetadata | None:
    """The metadata of a wheel on this host, or None when it is not readable as a wheel."""
    try:
        with path.open("rb") as stream:
            return _of_zip(stream, path.name)
    except OSError:
        return None


def of_remote_wheel(url: str, filename: str, http: Http) -> SourceMetadata | None:
    """The metadata of a wheel on a server, or None when it gives no parts of files.

    Raises NetworkError when the server fails.
    """
    tail = http.part(url, f"-{_TAIL}")
    if tail is None:
        return None

    def read(start: int, end: int) -> bytes:
        part = http.part(url, f"{start}-{end - 1}")
        if part is None or part.start != start or len(part.content) != end - start:
            raise EOFError
        return part.content

    with io.BufferedReader(_Remote(tail, read)) as stream:
        return _of_zip(stream, filename)


def _of_zip(stream: IO[bytes], filename: str) -> SourceMetadata | None:
    project = canonicalize_name(filename.split("-", maxsplit=1)[0])
    try:
        with zipfile.ZipFile(stream) as archive:
            members = [info for info in archive.infolist() if _is_metadata(info.filename, project)]
            if len(members) != 1 or members[0].file_size > _LARGEST:
                return None
            return parsed(archive.read(members[0]))
    except _BROKEN:
        return None


def _is_metadata(member: str, project: str) -> bool:
    directory, _, name = member.partition("/")
    if name != "METADATA" or not directory.endswith(".dist-info"):
        return False
    return canonicalize_name(directory.split("-")[0]) == project


class _Remote(io.RawIOBase):
    """A file on a server of which the end is here; the rest is asked for as it is read."""

    def __init__(self, tail: Part, read: Callable[[int, int], bytes]) -> None:
        self._parts = [tail]
        self._tail = tail.start
        self._end = tail.start + len(tail.content)
        self._read = read
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self._end}[whence]
        self._position = max(0, origin + offset)
        return self._position

    def readinto(self, buffer: Buffer) -> int:
        view = memoryview(buffer)
        found = self._at(self._position)[: len(view)]
        view[: len(found)] = found
        self._position += len(found)
        return len(found)

    def _at(self, position: int) -> bytes:
        """Some bytes from here on; none at the end."""
        for part in self._parts:
            if part.start <= position < part.start + len(part.content):
                return part.content[position - part.start :]
        if position >= self._end:
            return b""
        content = self._read(position, min(position + _TAIL, self._tail))
        self._parts.append(Part(start=position, content=content))
        return content
