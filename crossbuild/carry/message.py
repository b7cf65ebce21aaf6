"""Messages: a piece of Python that checks itself before it runs, and answers found amid noise.

A message is ASCII in lines of at most 76 signs (RFC 2045), so that nothing on its way breaks
them. Its code and its data are base64 under one SHA-256: whatever was changed on the way, nothing
of it runs. An answer is numbered lines, each with the message's number and a CRC-32; white space
counts for nothing, wherever it came from, and neither does anything between the lines.
"""

from __future__ import annotations

import ast
import binascii
import hashlib
import re
import secrets
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

SMALLEST = 4096
"""Bytes that a message may be limited to at the least."""
_WIDTH = 76
_ALWAYS = ("reply", "serve")
_CALLS = {
    "where": ("unfit",),
    "adopt": ("digest",),
    "begin": ("outdate",),
    "place": ("digest", "outdate"),
    "finish": ("digest",),
    "measure": ("digest",),
    "run": ("program",),
}
_LOADER = """\
import binascii
try:from hashlib import sha256
except ImportError:
 try:from _sha256 import sha256
 except ImportError:from _sha2 import sha256
a=binascii.a2b_base64
c=a('''
{code}''')
d=a('''
{data}''')
h=sha256(c);h.update(d)
if h.hexdigest()[:32]=="{check}":
 exec(c,{{"nonce":"{nonce}","data":d}})
else:print("the message came damaged")
"""
_LINE = 900
"""Signs of base64 in one line of an answer (``remote.reply``)."""
_FRAME = 64
"""Signs around them, with a few to spare."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """A function of ``remote`` and what it is called with; the data goes beside it."""

    function: str
    arguments: tuple[str | int, ...]

    @property
    def code(self) -> bytes:
        """Its source with all that it needs, and the call itself."""
        needed = [*_ALWAYS, *_CALLS.get(self.function, ()), self.function]
        words = [ascii(argument) for argument in self.arguments]
        words += ["data"] if "data" in _parameters(self.function) else []
        call = f"serve(nonce, lambda: {self.function}({', '.join(words)}))"
        return "\n".join(["import os, sys", *map(_source, needed), call]).encode("ascii")


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """What goes over a channel, and the number by which its answer is known."""

    text: str
    nonce: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """An answer that came whole. ``ok`` False: the call raised, and ``said`` is what it said."""

    ok: bool
    said: bytes


def compose(call: Call, data: bytes = b"") -> Message:
    """Make a message; each has a number of its own, also when it is sent again."""
    nonce = secrets.token_hex(6)
    code = call.code
    digest = hashlib.sha256(code)
    digest.update(data)
    text = _LOADER.format(
        code=_lines(code), data=_lines(data), check=digest.hexdigest()[:32], nonce=nonce
    )
    return Message(text=text, nonce=nonce)


def room(call: Call, limit: int) -> int:
    """How many bytes of data fit into a message of at most ``limit`` bytes beside this call.

    Raises ValueError when not one does.
    """
    left = limit - len(compose(call).text)
    whole = left // (_WIDTH + 1) * (_WIDTH // 4 * 3)
    if whole <= 0:
        raise ValueError(f"{limit} bytes are too few for a message")
    return whole


def answer_room(limit: int) -> int:
    """How many bytes an answer of at most ``limit`` bytes can tell."""
    return max(limit // (_LINE + _FRAME) * _LINE // 4 * 3 - 3, 1)


def read(printed: str, nonce: str) -> Reply | None:
    """The answer to the message of this number, in what a channel printed; None: not whole."""
    found = re.finditer(
        rf"cb:({nonce}:(ok|no):(\d+):(\d+):([A-Za-z0-9+/=]*)):([0-9a-f]{{8}})\.",
        re.sub(r"\s+", "", printed),
    )
    lines: dict[int, str] = {}
    for match in found:
        line, kind, index, count, body, check = match.groups()
        if binascii.crc32(line.encode("ascii")) == int(check, 16):
            lines[int(index)] = body
            if len(lines) == int(count):
                whole = "".join(lines[number] for number in sorted(lines))
                return Reply(ok=kind == "ok", said=binascii.a2b_base64(whole))
    return None


def pages(entries: Sequence[str], size: int, count: int | None = None) -> Iterator[bytes]:
    """Entries, a line each, in as few pieces as hold at most ``size`` bytes and ``count`` lines.

    Raises ValueError for an entry that is longer.
    """
    page: list[bytes] = []
    for entry in entries:
        line = entry.encode("utf-8", "surrogateescape")
        if len(line) > size:
            raise ValueError(f"{entry!r} is too long for a message")
        full = len(page) == count or sum(map(len, page)) + len(page) + len(line) > size
        if page and full:
            yield b"\n".join(page)
            page = []
        page.append(line)
    if page:
        yield b"\n".join(page)


def _lines(data: bytes) -> str:
    text = binascii.b2a_base64(data, newline=False).decode("ascii")
    return "".join(f"{text[at : at + _WIDTH]}\n" for at in range(0, len(text), _WIDTH))


@cache
def _functions() -> dict[str, ast.FunctionDef]:
    source = resources.files("crossbuild.carry").joinpath("remote.py").read_text(encoding="utf-8")
    nodes = ast.parse(source).body
    return {node.name: node for node in nodes if isinstance(node, ast.FunctionDef)}


def _parameters(function: str) -> list[str]:
    return [argument.arg for argument in _functions()[function].args.args]


@cache
def _source(function: str) -> str:
    """A function of ``remote`` without docstring and annotations: every byte is sent often."""
    node = ast.parse(ast.unparse(_functions()[function])).body[0]
    assert isinstance(node, ast.FunctionDef)
    node.returns = None
    for argument in node.args.args:
        argument.annotation = None
    if ast.get_docstring(node) is not None:
        del node.body[0]
    lines = ast.unparse(node).splitlines()
    return "\n".join(_shallow(line) for line in lines)


def _shallow(line: str) -> str:
    """One sign of indentation where there were four."""
    inner = line.lstrip(" ")
    return textwrap.indent(inner, " " * ((len(line) - len(inner)) // 4))
