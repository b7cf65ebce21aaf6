"""RECORD, a wheel's list of its own files with their hashes (PEP 376, 427)."""

from __future__ import annotations

import base64
import csv
import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import IO

_CHUNK = 1 << 20
_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})
_SIGNATURES = (".jws", ".p7s")


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What RECORD says of one file; None where it says nothing. ``size`` in bytes."""

    algorithm: str | None
    digest: str | None
    size: int | None


def parse(text: str) -> Mapping[str, Row]:
    """Read RECORD. Raises ValueError for a row that has not three columns, or a bad size."""
    rows: dict[str, Row] = {}
    for columns in csv.reader(text.splitlines()):
        if not columns:
            continue
        if len(columns) != 3:
            raise ValueError(f"RECORD has a row with {len(columns)} columns instead of 3")
        path, digest, size = columns
        algorithm, separator, value = digest.partition("=")
        rows[path] = Row(
            algorithm=algorithm if separator else None,
            digest=value if separator else None,
            size=int(size) if size else None,
        )
    return rows


def covered(member: str, record: str) -> bool:
    """Whether RECORD must list this member with a hash: all but itself and its signatures."""
    return member not in (record, *(record + suffix for suffix in _SIGNATURES))


def complaints(
    rows: Mapping[str, Row], members: Mapping[str, int], record: str
) -> Iterator[tuple[str, str]]:
    """Every file that RECORD and the archive do not agree on having: its name, what is wrong."""
    for name, size in members.items():
        row = rows.get(name)
        if not covered(name, record):
            continue
        if row is None:
            yield name, "is not listed in RECORD"
        elif row.algorithm not in _ALGORITHMS:
            yield name, f"has no SHA-256 in RECORD but {row.algorithm or 'nothing'}"
        elif row.size is not None and row.size != size:
            yield name, f"has {size} bytes, RECORD says {row.size}"
    for name in rows:
        if name not in members and covered(name, record):
            yield name, "is listed in RECORD and not in the archive"


def matches(row: Row | None, stream: IO[bytes]) -> bool:
    """Whether the stream, read to its end, has the hash of the row; True where it has none."""
    algorithm = row.algorithm if row and row.algorithm in _ALGORITHMS else None
    digest = hashlib.new(algorithm or "sha256")
    while chunk := stream.read(_CHUNK):
        digest.update(chunk)
    if row is None or row.digest is None or algorithm is None:
        return True
    return base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode() == row.digest.rstrip(
        "="
    )
