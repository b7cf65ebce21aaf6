"""Reads PNG files (RFC 2083), as far as tests need it: 8 bits a channel, not interlaced."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 6: 4}


@dataclass(frozen=True)
class Picture:
    """``rows`` has a sequence of channel values for each line."""

    width: int
    height: int
    channels: int
    rows: tuple[bytes, ...]

    def pixel(self, x: int, y: int) -> tuple[int, ...]:
        """Red, green, blue, and perhaps alpha."""
        return tuple(self.rows[y][x * self.channels : (x + 1) * self.channels])


def read(data: bytes) -> Picture:
    """Decode a file; every checksum is checked."""
    assert data.startswith(_SIGNATURE)
    chunks: dict[bytes, bytes] = {}
    at = len(_SIGNATURE)
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        body = data[at + 8 : at + 8 + size]
        (check,) = struct.unpack(">I", data[at + 8 + size : at + 12 + size])
        assert zlib.crc32(kind + body) == check
        chunks[kind] = chunks.get(kind, b"") + body
        at += 12 + size
    width, height, depth, color, *_, interlaced = struct.unpack(">IIBBBBB", chunks[b"IHDR"])
    assert (depth, interlaced) == (8, 0)
    channels = _CHANNELS[color]
    rows = _rows(zlib.decompress(chunks[b"IDAT"]), width * channels, channels)
    assert len(rows) == height
    return Picture(width, height, channels, tuple(rows))


def _rows(data: bytes, stride: int, channels: int) -> list[bytes]:
    rows: list[bytes] = []
    above = bytes(stride)
    for at in range(0, len(data), stride + 1):
        line = bytearray(data[at + 1 : at + 1 + stride])
        for index in range(stride):
            left = line[index - channels] if index >= channels else 0
            corner = above[index - channels] if index >= channels else 0
            guess = (0, left, above[index], (left + above[index]) // 2)
            kind = data[at]
            value = _paeth(left, above[index], corner) if kind == 4 else guess[kind]
            line[index] = (line[index] + value) & 255
        above = bytes(line)
        rows.append(above)
    return rows


def _paeth(left: int, above: int, corner: int) -> int:
    estimate = left + above - corner
    return min((left, above, corner), key=lambda value: abs(estimate - value))
