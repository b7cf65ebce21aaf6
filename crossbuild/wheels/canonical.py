"""One form for every wheel that is built here: the same contents give the same bytes.

Backends and auditwheel leave what varies: directory entries, the order and times of members,
modes that depend on a umask. Members go in sorted order, ``.dist-info`` after the rest and
RECORD last (PEP 427 recommends that end), each with one time and one of two modes.
"""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import zipfile
import zlib
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path, PurePosixPath
from typing import IO

from crossbuild.disk import guarded
from crossbuild.errors import IntegrityError

_EARLIEST = 315532800
"""1980-01-01 UTC: the first time a zip can hold."""
_SIGNATURES = ("RECORD.jws", "RECORD.p7s")
_BLOCK = 1 << 20
_FILE = 0o100644
_PROGRAM = 0o100755
_UNIX = 3
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError),
)


def rewrite(source: Path, destination: Path, epoch: int) -> None:
    """Write the wheel ``source`` in its one form to ``destination``, with a RECORD of its own.

    Every member gets the time ``epoch``, in seconds (UTC, even, not before 1980). Signatures
    of the old RECORD are dropped. Raises IntegrityError for an archive that is damaged or has
    two members of one name, StorageError when ``destination`` cannot be written.
    """
    time = datetime.fromtimestamp(max(epoch, _EARLIEST), tz=timezone.utc)
    try:
        with zipfile.ZipFile(source) as old, guarded(destination.parent):
            members = _ordered(old, source.name)
            with zipfile.ZipFile(destination, "w", zipfile.ZIP_DEFLATED) as new:
                _copy(old, members, new, time.timetuple()[:6])
    except _DAMAGED as error:
        raise IntegrityError(f"{source.name} is damaged or no wheel: {error}") from error


def epoch(wheel: Path) -> int:
    """The time of a wheel's newest member, in seconds: of every member, once it was rewritten."""
    with zipfile.ZipFile(wheel) as archive:
        newest = max(item.date_time for item in archive.infolist())
    return int(datetime(*newest, tzinfo=timezone.utc).timestamp())


def _ordered(archive: zipfile.ZipFile, name: str) -> list[zipfile.ZipInfo]:
    files = [item for item in archive.infolist() if not item.is_dir()]
    names = {item.filename for item in files}
    if len(names) < len(files):
        raise IntegrityError(f"{name} holds two members of one name")
    kept = [item for item in files if not _is_record(item.filename, *_SIGNATURES)]
    return sorted(kept, key=_place)


def _place(item: zipfile.ZipInfo) -> tuple[bool, bool, tuple[str, ...]]:
    path = PurePosixPath(item.filename)
    last = _is_record(item.filename, "RECORD")
    return path.parts[0].endswith(".dist-info"), last, path.parts


def _is_record(member: str, *names: str) -> bool:
    path = PurePosixPath(member)
    return len(path.parts) == 2 and path.parts[0].endswith(".dist-info") and path.name in names


def _copy(
    old: zipfile.ZipFile,
    members: list[zipfile.ZipInfo],
    new: zipfile.ZipFile,
    time: tuple[int, ...],
) -> None:
    text = io.StringIO()
    record = csv.writer(text, lineterminator="\n")
    for member in members:
        item = _item(member, time)
        if _is_record(member.filename, "RECORD"):
            record.writerow((member.filename, "", ""))
            new.writestr(item, text.getvalue())
            continue
        with old.open(member) as stream, new.open(item, "w") as output:
            digest, size = _pour(stream, output)
        record.writerow((member.filename, f"sha256={digest}", size))


def _pour(stream: IO[bytes], output: IO[bytes]) -> tuple[str, int]:
    """Copy to the end; the hash as RECORD spells it, and the size."""
    digest, size = hashlib.sha256(), 0
    for block in _blocks(stream):
        digest.update(block)
        size += len(block)
        output.write(block)
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode(), size


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BLOCK):
        yield block


def _item(member: zipfile.ZipInfo, time: tuple[int, ...]) -> zipfile.ZipInfo:
    year, month, day, hour, minute, second = time
    item = zipfile.ZipInfo(member.filename, (year, month, day, hour, minute, second & ~1))
    item.compress_type = zipfile.ZIP_DEFLATED
    item.create_system = _UNIX
    mode = _PROGRAM if member.external_attr >> 16 & 0o111 else _FILE
    item.external_attr = mode << 16
    item.file_size = member.file_size  # tells zipfile whether a large file needs ZIP64
    return item
