"""A wheelhouse as one archive, written front to back: the same files give the same bytes.

Nothing is compressed (wheels are), so that what unpacks it needs no zlib, and nothing is sought
in the output, so that it may be cut into parts while it is written.
"""

from __future__ import annotations

import struct
import tarfile
from collections.abc import Iterable
from typing import Protocol

from crossbuild.packing.cargo import Cargo, Item, blocks

TOP = "wheelhouse"
"""The directory in which an archive holds everything."""
_EPOCH = 315532800
"""1980-01-01 UTC, the first time a zip can hold, in seconds."""
_DATE = (1 << 5) | 1
"""The same day as zip writes it; the time of midnight is 0."""
_MODE = 0o644
_LIMIT = 0xFFFFFFFF
_MOST = 0xFFFF
_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END = struct.Struct("<4s4H2LH")
_END64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")


class Sink(Protocol):
    """What takes bytes, in order."""

    def write(self, data: bytes, /) -> int:
        """Take some bytes and say how many."""
        ...


def write_tar(cargo: Cargo, sink: Sink) -> None:
    """Write a tar in GNU's format, which takes members of any size."""
    # tarfile asks for no more than ``write`` in its mode "w|".
    with tarfile.open(fileobj=sink, mode="w|", format=tarfile.GNU_FORMAT) as archive:  # type: ignore[call-overload]
        for item in cargo.items:
            member = tarfile.TarInfo(f"{TOP}/{item.name}")
            member.size, member.mtime, member.mode = item.size, _EPOCH, _MODE
            with item.path.open("rb") as stream:
                archive.addfile(member, stream)


def write_zip(cargo: Cargo, sink: Sink) -> None:
    """Write a zip of stored members, with ZIP64 only where it is needed (APPNOTE 6.3.10)."""
    write_members(((f"{TOP}/{item.name}", item) for item in cargo.items), sink)


def write_members(members: Iterable[tuple[str, Item]], sink: Sink) -> None:
    """Write a zip of these files under these names.

    zipfile would seek back to each member's header, or leave size and CRC-32 out of it.
    """
    central, offset = [], 0
    for name, item in members:
        encoded = name.encode("utf-8")
        central.append(_central(encoded, item, offset))
        offset += _say(sink, _local(encoded, item))
        for block in blocks(item.path):
            offset += _say(sink, block)
    size = sum(_say(sink, entry) for entry in central)
    _say(sink, _end(len(central), size, offset))


def _say(sink: Sink, data: bytes) -> int:
    sink.write(data)
    return len(data)


def _flags(name: bytes) -> int:
    return 0 if name.isascii() else 0x800


def _local(name: bytes, item: Item) -> bytes:
    wide = item.size >= _LIMIT
    size = _LIMIT if wide else item.size
    extra = struct.pack("<2H2Q", 1, 16, item.size, item.size) if wide else b""
    version = 45 if wide else 20
    head = (b"PK\x03\x04", version, _flags(name), 0, 0, _DATE, item.crc, size, size)
    return _LOCAL.pack(*head, len(name), len(extra)) + name + extra


def _central(name: bytes, item: Item, offset: int) -> bytes:
    wide = [item.size, item.size] if item.size >= _LIMIT else []
    wide += [offset] if offset >= _LIMIT else []
    extra = struct.pack(f"<2H{len(wide)}Q", 1, 8 * len(wide), *wide) if wide else b""
    size, place = min(item.size, _LIMIT), min(offset, _LIMIT)
    version = 45 if wide else 20
    made_by = 3 << 8 | version
    head = (b"PK\x01\x02", made_by, version, _flags(name), 0, 0, _DATE, item.crc, size, size)
    mode = (0o100000 | _MODE) << 16
    return _CENTRAL.pack(*head, len(name), len(extra), 0, 0, 0, mode, place) + name + extra


def _end(count: int, size: int, offset: int) -> bytes:
    """The end of the archive; its ZIP64 form before it where a number does not fit."""
    short = min(count, _MOST)
    end = _END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, _LIMIT), min(offset, _LIMIT), 0)
    if count < _MOST and max(size, offset) < _LIMIT:
        return end
    large = _END64.pack(b"PK\x06\x06", 44, 45, 45, 0, 0, count, count, size, offset)
    return large + _LOCATOR.pack(b"PK\x06\x07", 0, offset + size, 1) + end
