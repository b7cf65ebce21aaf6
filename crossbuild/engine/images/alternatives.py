"""The links that maintainer scripts would have made with update-alternatives(1).

A root is unpacked and never configured, so none of its packages' scripts runs; but Debian's BLAS
is ``libblas.so`` only by such a link, and its mawk is ``awk``. What the scripts say is read
instead: the arguments of their calls, where those are written out.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild.engine.images.within import entry, found

_PROGRAM = "update-alternatives"
_FOLLOWERS = frozenset({"--slave", "--follower"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Choice:
    """One way to have a thing: each link with the file it leads to, the thing's own first."""

    links: tuple[tuple[str, str], ...]
    priority: int


def link(root: Path, scripts: str) -> None:
    """Make the links in ``root`` that these maintainer scripts would, the choices automatic.

    What is not there is linked to by none, and what is there already stays. The links are
    relative, and straight to their files: whoever reads a root from outside can follow them.
    """
    best: dict[str, Choice] = {}
    for choice in choices(scripts):
        name, path = choice.links[0]
        if found(root, path) and (name not in best or choice.priority > best[name].priority):
            best[name] = choice
    for choice in best.values():
        for name, path in choice.links:
            if found(root, path):
                _link(entry(root, name), entry(root, path))


def choices(scripts: str) -> Iterator[Choice]:
    """What calls of update-alternatives install; those with variables in them are left out."""
    for line in scripts.replace("\\\n", " ").splitlines():
        if _PROGRAM in line:
            yield from _installed(_words(line))


def _words(line: str) -> list[str]:
    """The words of a line of sh(1); nothing of one that ends inside a quotation."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
    lexer.whitespace_split = True
    try:
        return list(lexer)
    except ValueError:
        return []


def _installed(words: Sequence[str]) -> Iterator[Choice]:
    for place, word in enumerate(words):
        if word != "--install" or len(words) < place + 5:
            continue
        name, _, path, priority = words[place + 1 : place + 5]
        links = ((name, path), *_followers(words[place + 5 :]))
        if priority.lstrip("-").isdecimal() and all(map(_plain, links)):
            yield Choice(links=links, priority=int(priority))


def _followers(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """What comes along with a choice, up to the end of its call."""
    while len(words) >= 4 and words[0] in _FOLLOWERS:
        yield words[1], words[3]
        words = words[4:]


def _plain(pair: tuple[str, str]) -> bool:
    return all(name.startswith("/") and "$" not in name for name in pair)


def _link(place: Path, path: Path) -> None:
    if not os.path.lexists(place):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.symlink_to(os.path.relpath(path, place.parent))
