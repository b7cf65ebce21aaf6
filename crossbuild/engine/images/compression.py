"""Streams unpacked by what their first bytes say they are: gzip, xz, zstd, or nothing."""

from __future__ import annotations

import contextlib
import gzip
import lzma
import shutil
import threading
import zlib
from collections.abc import Iterator
from typing import IO, cast

from crossbuild import process
from crossbuild.errors import HostError, IntegrityError

_MAGIC = {b"\x1f\x8b": "gzip", b"\xfd7zXZ\x00": "xz", b"\x28\xb5\x2f\xfd": "zstd"}
_LONGEST = max(map(len, _MAGIC))
_BLOCK = 1 << 20
_BROKEN = (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile)
"""What reading a damaged stream raises."""


def method(head: bytes) -> str | None:
    """How a stream that begins so is compressed; None: it is not."""
    return next((name for magic, name in _MAGIC.items() if head.startswith(magic)), None)


@contextlib.contextmanager
def expanded(stream: IO[bytes], what: str) -> Iterator[IO[bytes]]:
    """The bytes that a seekable stream has once it is uncompressed.

    Raises HostError where zstd is needed and not installed, IntegrityError for bytes that are
    no such stream.
    """
    head = stream.read(_LONGEST)
    stream.seek(0)
    kind = method(head)
    try:
        if kind == "zstd":
            with _by_zstd(stream, what) as out:
                yield out
        elif kind is None:
            yield stream
        else:
            yield _reader(kind, stream)
    except _BROKEN as error:
        raise IntegrityError(f"{what} is damaged: {error}") from error


def _reader(kind: str, stream: IO[bytes]) -> IO[bytes]:
    if kind == "gzip":
        return cast("IO[bytes]", gzip.GzipFile(fileobj=stream))
    return cast("IO[bytes]", lzma.LZMAFile(stream))


@contextlib.contextmanager
def _by_zstd(stream: IO[bytes], what: str) -> Iterator[IO[bytes]]:
    """Python has no zstd of its own before 3.14: the program does it."""
    if process.which("zstd") is None:
        raise HostError(
            f"{what} is compressed with zstd, which is not installed on this host",
            remedy="Install the package zstd.",
        )
    # What it complains of must not get among the bytes.
    argv, pipe = ["zstd", "-dcq"], process.PIPE
    with process.started(argv, stdin=pipe, stderr=pipe) as child:
        if child.stdin is None or child.stdout is None:
            raise AssertionError("both were asked for")
        feeder = threading.Thread(target=_feed, args=(stream, child.stdin), daemon=True)
        feeder.start()
        yield child.stdout
        while child.stdout.read(_BLOCK):
            pass  # what a reader leaves: zstd would wait for it
        if not process.ended(child, 1.0) or child.returncode != 0:
            raise IntegrityError(f"{what} is damaged: zstd cannot read it to its end")
        feeder.join()


def _feed(stream: IO[bytes], sink: IO[bytes]) -> None:
    with contextlib.suppress(OSError, ValueError), sink:
        shutil.copyfileobj(stream, sink, _BLOCK)
