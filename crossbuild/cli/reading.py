"""How option values are read from words: each reader raises ValueError with one sentence."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable
from typing import TypeVar

from packaging.utils import InvalidName, canonicalize_name

from crossbuild import wording
from crossbuild.carry import message
from crossbuild.excess import Allowance
from crossbuild.model import Builder, Formats, Policy
from crossbuild.packing.order import FAT32_LIMIT, Form
from crossbuild.platforms import LEGACY

E = TypeVar("E", bound=enum.Enum)

ENGINES = ("auto", "rootfs", "docker")
_DURATION = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s?)?")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
_FLOOR = re.compile(r"(manylinux(?:1|2010|2014)|manylinux_2_(\d{1,3}))")
_PYTHON_TAG = re.compile(r"(?:cp)?([23])(\d{1,2})")


def duration(text: str) -> float:
    """Read seconds from ``90``, ``90s``, ``15m``, ``2h`` or ``1h30m``."""
    match = _DURATION.fullmatch(text.strip().lower())
    hours, minutes, seconds = (float(part or 0) for part in match.groups()) if match else (0, 0, 0)
    total = hours * 3600 + minutes * 60 + seconds
    if total <= 0:
        raise ValueError(f"{text!r} is not a time above zero; write 90s, 15m or 2h")
    return total


def amount(text: str) -> int:
    """Read bytes from ``8G``, ``512M`` or a plain number."""
    match = _SIZE.fullmatch(text.strip())
    value = int(float(match[1]) * _UNITS[match[2].upper()]) if match else 0
    if value <= 0:
        raise ValueError(f"{text!r} is not an amount of memory; write 8G or 512M")
    return value


def part_size(text: str) -> int:
    """Read bytes as ``amount`` does, or ``fat32`` for the largest file that FAT32 holds."""
    if text.strip().lower() in {"fat", "fat32", "vfat"}:
        return FAT32_LIMIT
    try:
        return amount(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is not a size; write 100M, 1G or fat32") from error


def modules(text: str) -> tuple[str, ...]:
    """Read a comma list of modules' names; ``none`` is none."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ValueError(f"{name!r} is no name of a module")
    return () if names == ["none"] else tuple(names)


def bundle_form(text: str) -> Form:
    """Read a bundle's format."""
    return _one_of(Form, text, "format")


def _one_of(kind: type[E], text: str, noun: str) -> E:
    """A member of an enum by its value."""
    try:
        return kind(text)
    except ValueError as error:
        known = wording.listing([member.value for member in kind])
        raise ValueError(f"{text!r} is no {noun}; there are {known}") from error


def message_limit(text: str) -> int:
    """Read bytes of a message, as ``amount``; fewer than 4 KiB hold none."""
    limit = amount(text)
    if limit < message.SMALLEST:
        raise ValueError(f"{text!r} is too little for a message; the least is 4K")
    return limit


def positive(text: str) -> int:
    """Read a whole number of 1 or more."""
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 10_000):
        raise ValueError(f"{text!r} is not a number from 1 to 9999")
    return int(text)


def days(text: str) -> float:
    """Read a number of days, fractions too."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise ValueError(f"{text!r} is not a number of days")
    return number


def policy(text: str) -> Policy:
    """Read ``wheel-first`` or ``newest``."""
    return _one_of(Policy, text, "policy")


def builder(text: str) -> Builder:
    """Read ``crossbuild``, ``cibuildwheel`` or ``cibuildwheel+native``."""
    return _one_of(Builder, text, "builder")


def engine(text: str) -> str:
    """Read the name of an engine."""
    if text not in ENGINES:
        raise ValueError(f"{text!r} is no engine; there are {' and '.join(ENGINES)}")
    return text


def python_version(text: str) -> str:
    """Take ``cp311`` and ``311`` for ``3.11``; everything else is left for Target to judge."""
    match = _PYTHON_TAG.fullmatch(text.strip())
    return f"{match[1]}.{match[2]}" if match else text.strip()


def format_rule(text: str) -> tuple[str, ...]:
    """Read a comma list of package names, ``:all:`` and ``:none:``."""
    return tuple(_name(part.strip()) for part in text.split(",") if part.strip())


def formats(rules: Iterable[tuple[str, str]]) -> Formats:
    """Fold (``only_binary`` or ``no_binary``, comma list) in their order, as pip does.

    ``:all:`` forgets the names before it, ``:none:`` empties its option, and a name is taken
    from the other option.
    """
    names: dict[str, set[str]] = {"only_binary": set(), "no_binary": set()}
    for option, value in rules:
        other = names["no_binary" if option == "only_binary" else "only_binary"]
        for word in format_rule(value):
            _apply(word, names[option], other)
    only, no = names["only_binary"], names["no_binary"]
    return Formats(
        only_binary=frozenset(canonicalize_name(name) for name in only - {":all:"}),
        only_binary_all=":all:" in only,
        no_binary=frozenset(canonicalize_name(name) for name in no - {":all:"}),
        no_binary_all=":all:" in no,
    )


def allowance(text: str) -> Allowance:
    """Read ``manylinux_2_28``, for any package, or ``NAME=manylinux_2_28``."""
    name, _, tag = text.rpartition("=")
    match = _FLOOR.fullmatch(tag)
    if match is None:
        raise ValueError(f"{text!r} allows no floor; write manylinux_2_28, or NAME=manylinux_2_28")
    try:
        package = canonicalize_name(name, validate=True) if "=" in text else None
    except InvalidName as error:
        raise ValueError(f"{name!r} is no package name") from error
    floor = next((floor for floor, old in LEGACY.items() if old == match[1]), None)
    return Allowance(name=package, floor=floor or (2, int(match[2])))


def _name(word: str) -> str:
    if word in {":all:", ":none:"}:
        return word
    try:
        return canonicalize_name(word, validate=True)
    except InvalidName as error:
        raise ValueError(f"{word!r} is neither a package name nor :all: nor :none:") from error


def _apply(word: str, own: set[str], other: set[str]) -> None:
    if word == ":all:":
        own.clear()
        other.clear()
        own.add(word)
    elif word == ":none:":
        own.clear()
    else:
        own.add(word)
        other.discard(word)
