"""Bundles that run by themselves: a zip that Python runs, and one text file of Python."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from crossbuild.assembly import assembled
from crossbuild.errors import UsageError
from crossbuild.packing import archives, cargo
from crossbuild.packing.archives import TOP, Sink
from crossbuild.packing.cargo import Cargo, Item
from crossbuild.packing.order import FAT32_LIMIT

_LINE = 57
"""Bytes of a line of 76 signs, the most that mail takes for granted (RFC 2045, 6.8)."""
_BLOCK = _LINE << 10
"""Bytes that one statement holds."""
_PROGRAM = 1 << 20
"""Bytes; the program that a zip begins with has a twentieth of it."""
_BEGINNING = "\ntry:\n"
"""Nothing of a text runs whose end is missing: that is then a SyntaxError."""
_END = "finally:\n start(globals(), written, (lambda: 0).__code__.co_filename)\n"


def write_pyz(load: Cargo, sink: Sink) -> None:
    """Write a zip of stored members that begins with its ``__main__.py``.

    Raises UsageError for one above 4 GiB: no Python before 3.13 runs it.
    """
    if load.size + _PROGRAM > FAT32_LIMIT:
        raise UsageError(
            "a pyz above 4 GiB runs with Python 3.13 and newer alone",
            remedy="Give --format tar, and run install.py where it is unpacked.",
        )
    with tempfile.TemporaryDirectory() as directory:
        program = assembled("crossbuild.opener.zipped").encode()
        main = cargo.written(Path(directory), "__main__.py", program)
        members = ((f"{TOP}/{item.name}", item) for item in load.items)
        archives.write_members(chain([(main.name, main)], members), sink)


def write_text(load: Cargo, sink: Sink) -> None:
    """Write a program in ASCII, of short lines, that has every file in it in base64."""
    statements = chain.from_iterable(map(_statements, load.items))
    for text in chain([assembled("crossbuild.opener.text"), _BEGINNING], statements, [_END]):
        sink.write(text.encode("ascii"))


def _statements(item: Item) -> Iterator[str]:
    yield f" begin({item.name!a}, {item.size})\n"
    with item.path.open("rb") as stream:
        while block := stream.read(_BLOCK):
            yield f' add("""\n{base64.encodebytes(block).decode()}""")\n'
