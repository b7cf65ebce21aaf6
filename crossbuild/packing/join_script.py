"""Joins what `crossbuild bundle --split` cut, after checking every part.

    python3 join.py [DIRECTORY...] [-o FILE]

The parts are looked for in the directories, which may be several sticks; without any, where
this script lies. Python 3.6 or newer, the standard library only, memory for one mebibyte.
Without Python: `cat NAME.[0-9]* > NAME`, and `sha256sum -c NAME.sha256`.

Ends with 0 when the file is whole, 1 when parts are missing or damaged or the disk does not take
it, 2 when it cannot tell what to join. FILE may be a directory to put it in; what is not whole
never has its name.
"""

import hashlib
import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO, TextIO

BLOCK = 1 << 20


class JoinError(Exception):
    """Says what is wrong, and the exit code."""

    def __init__(self, text: str, code: int) -> None:
        Exception.__init__(self, text)
        self.code = code


def blocks(path: str) -> "Iterator[bytes]":
    with open(path, "rb") as stream:
        block = stream.read(BLOCK)
        while block:
            yield block
            block = stream.read(BLOCK)


def listed(path: str) -> "list[tuple[str, str]]":
    """The names and hashes of a file as sha256sum writes it; a name may be of any letters."""
    with open(path, "rb") as stream:
        rows = [line.rstrip(b"\r\n").partition(b" ") for line in stream]
    return [
        (os.fsdecode(name[1:]), digest.decode("ascii", "replace").lower())
        for digest, _, name in rows
        if len(digest) == 64 and name[:1] in (b" ", b"*")
    ]


def found(places: "list[str]", name: str) -> "str | None":
    paths = [os.path.join(place, name) for place in places]
    return next((path for path in paths if os.path.isfile(path)), None)


def wanted(places: "list[str]") -> "tuple[str, str, list[tuple[str, str]]]":
    """What to join: its name, its hash, and its parts in order."""
    names = [name for place in places for name in sorted(os.listdir(place))]
    wholes = sorted({name for name in names if name.endswith(".sha256")})
    if len(wholes) != 1:
        seen = ", ".join(wholes) or "no file that ends in .sha256"
        raise JoinError("cannot tell what to join: there is " + seen, 2)
    path, sums = found(places, wholes[0]), found(places, "SHA256SUMS")
    if sums is None:
        raise JoinError("SHA256SUMS is missing: carry it over with the parts", 2)
    rows = listed(path or "")
    name, digest = rows[0] if rows else ("", "")
    if name + ".sha256" != wholes[0]:  # it is a file of this directory, never a path elsewhere
        raise JoinError(wholes[0] + " is damaged: carry it over again", 1)
    parts = [row for row in listed(sums) if row[0].rpartition(".")[0] == name]
    parts = sorted(row for row in parts if row[0].rpartition(".")[2].isdigit())
    if not parts:
        raise JoinError("SHA256SUMS is damaged: carry it over again", 1)
    return name, digest, parts


def check(path: str, digest: str, output: "BinaryIO | None", whole: "hashlib._Hash") -> bool:
    """Whether a part has the hash; what it holds goes to the output."""
    own = hashlib.sha256()
    for block in blocks(path):
        own.update(block)
        whole.update(block)
        if output is not None:
            output.write(block)
    return own.hexdigest() == digest


def join(places: "list[str]", output: "str | None") -> str:
    """Check every part, and join them; all that is wrong is said at once."""
    name, digest, parts = wanted(places)
    output = output or name
    if os.path.isdir(output):
        output = os.path.join(output, name)
    partial = output + ".joining"
    try:
        wrong = joined(places, name, digest, parts, partial)
        if wrong:
            raise JoinError("\n".join([*wrong, "Copy these again, and run this again."]), 1)
        os.replace(partial, output)
    except OSError as error:
        remedy = "Mend that (make room, or name another file with -o), and run this again."
        raise JoinError("stopped: {}\n{}".format(error, remedy), 1) from None
    finally:
        if os.path.exists(partial):
            os.remove(partial)
    return "{}: whole, {} parts, {} bytes".format(output, len(parts), os.path.getsize(output))


def joined(
    places: "list[str]", name: str, digest: str, parts: "list[tuple[str, str]]", partial: str
) -> "list[str]":
    """What is wrong with the parts; nothing: all of them are in ``partial``, and on the disk."""
    wrong = ["missing: " + part for part, _ in parts if found(places, part) is None]
    whole = hashlib.sha256()
    with open(os.devnull if wrong else partial, "wb") as stream:
        for part, expected in parts:
            path = found(places, part)
            if path and not check(path, expected, None if wrong else stream, whole):
                wrong.append("damaged: " + path)
        if not wrong:
            stream.flush()
            os.fsync(stream.fileno())
    if not wrong and whole.hexdigest() != digest:
        wrong.append("damaged: " + name + ", though no part is: its .sha256 or SHA256SUMS is")
    return wrong


def arguments(words: "list[str]") -> "tuple[list[str], str | None]":
    output, places = None, []
    words = list(words)
    while words:
        word = words.pop(0)
        if word == "-o" and words:
            output = words.pop(0)
        elif word.startswith("-"):
            raise JoinError((__doc__ or "").strip(), 2)
        elif not os.path.isdir(word):
            raise JoinError(word + " is no directory", 2)
        else:
            places.append(word)
    script = globals().get("__file__")
    return places or [os.path.dirname(os.path.abspath(script)) if script else "."], output


def say(stream: "TextIO", text: str) -> None:
    """Write a line; letters that this terminal has not are escaped."""
    encoding = stream.encoding or "ascii"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")


def main(words: "list[str]") -> int:
    try:
        say(sys.stdout, join(*arguments(words)))
    except JoinError as error:
        say(sys.stderr, str(error))
        return error.code
    except OSError as error:
        say(sys.stderr, "cannot be read: {}".format(error))
        return 1
    except KeyboardInterrupt:
        say(sys.stderr, "interrupted: nothing was joined, and the parts are as they were")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
