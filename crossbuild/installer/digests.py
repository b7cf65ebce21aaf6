"""Hashes and checksums, with what this Python has of them."""

import os

from crossbuild.installer.failure import LACKING, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, BinaryIO

CHUNK = 1 << 20
STRONG = ("sha256", "sha384", "sha512")
"""What RECORD may be written in (PEP 427: sha256 or better)."""


def hasher(algorithm: str = "sha256") -> "Any":
    """A new hash object. Raises Failure where this Python has no such hash at all."""
    try:
        import hashlib

        return hashlib.new(algorithm)
    except (ImportError, ValueError):
        pass
    for module in ("_sha2", "_sha256", "_sha512", "_blake2"):
        try:
            return getattr(__import__(module), algorithm)()
        except (ImportError, AttributeError):
            continue
    remedy = "Use a Python that was built with the module hashlib."
    raise Failure(LACKING, f"this Python has no {algorithm}", remedy)


def sha256_of(file: "BinaryIO") -> str:
    """The SHA-256 of an open file from its beginning to its end, in hexadecimal."""
    return str(hashed(file).hexdigest())


def hashed(file: "BinaryIO", algorithm: str = "sha256") -> "Any":
    """The hash object that has had all of an open file, some of it at a time."""
    file.seek(0)
    digest = hasher(algorithm)
    chunk = file.read(CHUNK)
    while chunk:
        digest.update(chunk)
        chunk = file.read(CHUNK)
    return digest


def urlsafe(digest: bytes) -> str:
    """A digest as RECORD has it: base64 with - and _, without the padding (PEP 376)."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    signs = []
    for at in range(0, len(digest), 3):
        part = digest[at : at + 3]
        number = int.from_bytes(part.ljust(3, b"\0"), "big")
        signs += [alphabet[number >> shift & 63] for shift in (18, 12, 6, 0)[: len(part) + 1]]
    return "".join(signs)


def recorded(data: bytes) -> "tuple[str, int]":
    """The second and third column of RECORD for a file with this content."""
    digest = hasher()
    digest.update(data)
    return "sha256=" + urlsafe(digest.digest()), len(data)


def checksum() -> "Callable[[bytes, int], int] | None":
    """CRC-32 as zip archives have it; None where neither zlib nor binascii is there."""
    for module in ("zlib", "binascii"):
        try:
            return __import__(module).crc32  # type: ignore[no-any-return]
        except (ImportError, AttributeError):
            continue
    return None


def sync_directory(path: str) -> None:
    """Bring the names in a directory to the disk, where its file system can do that."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(handle)
    except OSError:
        pass
    finally:
        os.close(handle)
