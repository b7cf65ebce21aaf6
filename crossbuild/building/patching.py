"""Applying a recipe's unified diff to an unpacked sdist: exactly, or not at all.

No fuzz, no offsets, no guesses at paths, unlike patch(1): a diff that does not fit was made for
another release.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crossbuild.disk import guarded
from crossbuild.errors import BuildError
from crossbuild.recipe import Patch

LATER = 2
"""Seconds by which what is patched is newer than the rest: a zip counts in two."""

_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_REMEDY = "Mend the recipe, or build without it: --recipes none."


@dataclass(frozen=True, kw_only=True, slots=True)
class _Hunk:
    start: int
    old: tuple[str, ...]
    new: tuple[str, ...]


def apply(patch: Patch, top: Path, label: str, time: int) -> None:
    """Change the files below ``top`` as a patch says (diff -u).

    A prefix ``a/`` or ``b/`` is dropped from its paths. What is written is dated ``time``, in
    seconds since the epoch: the hour of the build must not get into its SOURCE_DATE_EPOCH. Raises
    BuildError where a file or a line is not what the patch says it is.
    """
    try:
        for old, new, hunks in _files(_lines(patch.text)):
            _change(top, old, new, hunks, time)
    except ValueError as error:
        raise BuildError(
            f"{label}: the patch {patch.file} does not fit: {error}", remedy=_REMEDY
        ) from error


def _change(top: Path, old: str, new: str, hunks: Sequence[_Hunk], time: int) -> None:
    name = old if new == "/dev/null" else new
    path = _below(top, name)
    with guarded(path.parent):
        if old == "/dev/null":
            if path.exists():
                raise ValueError(f"{name} is there already")
            before: list[str] = []
        elif path.is_file():
            before = _lines(path.read_bytes().decode())
        else:
            raise ValueError(f"there is no {name}")
        after = _patched(name, before, hunks)
        if new == "/dev/null":
            if after:
                raise ValueError(f"{name} is not empty after it")
            path.unlink()
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes("".join(after).encode())
        os.utime(path, (time, time))


def _below(top: Path, name: str) -> Path:
    pure = PurePosixPath(name)
    parts = pure.parts[1:] if pure.parts[:1] in {("a",), ("b",)} else pure.parts
    path = top.joinpath(*parts)
    if pure.is_absolute() or ".." in parts or not parts:
        raise ValueError(f"{name} is not in the sdist")
    if not path.resolve().is_relative_to(top.resolve()):
        raise ValueError(f"{name} leads out of the sdist")
    return path


def _patched(name: str, before: list[str], hunks: Sequence[_Hunk]) -> list[str]:
    after: list[str] = []
    done = 0
    for hunk in hunks:
        # A hunk without old lines stands after the line that it names.
        start = hunk.start - 1 if hunk.old else hunk.start
        if start < done or tuple(before[start : start + len(hunk.old)]) != hunk.old:
            raise ValueError(f"{name} is different from line {hunk.start}")
        after += [*before[done:start], *hunk.new]
        done = start + len(hunk.old)
    return after + before[done:]


def _files(lines: Sequence[str]) -> Iterator[tuple[str, str, tuple[_Hunk, ...]]]:
    """Each file of a diff: its old and its new name, and its hunks."""
    if not any(map(_HUNK.match, lines)):
        raise ValueError("it is no unified diff")
    place = 0
    while place < len(lines):
        if not (lines[place].startswith("--- ") and lines[place + 1 : place + 2]):
            place += 1
            continue
        old, new = (_name(line) for line in lines[place : place + 2])
        place += 2
        hunks = []
        while place < len(lines) and (match := _HUNK.match(lines[place])):
            hunk, place = _hunk(lines, place + 1, match)
            hunks.append(hunk)
        yield old, new, tuple(hunks)


def _name(line: str) -> str:
    return line[4:].partition("\t")[0].strip()


def _hunk(lines: Sequence[str], place: int, match: re.Match[str]) -> tuple[_Hunk, int]:
    """Read as many lines as a hunk's head announces."""
    left, right = (int(match[group] or 1) for group in (2, 3))
    old: list[str] = []
    new: list[str] = []
    last: tuple[list[str], ...] = ()
    for line in lines[place:]:
        if line.startswith("\\"):  # "No newline at end of file", about the line before
            for side in last:
                side[-1] = side[-1].rstrip("\n")
        elif (len(old), len(new)) == (left, right):
            break
        else:
            if line[0] not in " -+\n":
                raise ValueError(f"its line {line.strip()!r} says nothing that a diff can say")
            sides = ((old, " -\n"), (new, " +\n"))
            last = tuple(side for side, signs in sides if line[0] in signs)
            for side in last:
                side.append(line[1:] or "\n")
        place += 1
    if (len(old), len(new)) != (left, right):
        raise ValueError(f"its hunk {match[0]} has other lines than it says")
    return _Hunk(start=int(match[1]), old=tuple(old), new=tuple(new)), place


def _lines(text: str) -> list[str]:
    """The lines with their ends; only a line feed ends one."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)
