"""What a user may write for one requirement: PEP 508, a file, an address of a file.

Everything becomes a PEP 508 ``Requirement``; a file becomes ``name @ url`` with the name that
its file name says.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    NormalizedName,
    parse_sdist_filename,
    parse_wheel_filename,
)

from crossbuild.errors import UsageError

SDIST_SUFFIXES = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".zip")
_VCS = re.compile(r"(?:git|hg|svn|bzr)(?:\+|://)|git@")
_SCHEME = re.compile(r"(?:https?|file|ftp)://?")
_EXTRAS = re.compile(r"(?P<address>.+?)\s*(?P<extras>\[[^\[\]]*\])?\s*(?P<marker>;.*)?$")
_SINGLE_EQUALS = re.compile(r"\s*([A-Za-z0-9][\w.-]*)\s*=\s*([\w.*+!-]+)\s*$")
_ADDRESS_MARKER = re.compile(r"\s;")
_NAMED = re.compile(
    r"(?P<head>[A-Za-z0-9][\w.-]*\s*(?:\[[^\[\]]*\])?)\s*@\s*(?P<address>[^\s;]+)(?P<rest>.*)$",
    re.DOTALL,
)


def parse(text: str, directory: Path) -> Requirement:
    """Read one requirement; paths are relative to ``directory``.

    Raises UsageError for version-control addresses, directories, missing files, and what is no
    requirement at all; no message repeats a password.
    """
    text = text.strip()
    _refuse_address(text)
    if _VCS.match(text):
        raise _version_control(text)
    if named := _NAMED.match(text):
        return _named(named, directory)
    _refuse_list(text, directory)
    if _SCHEME.match(text):
        return _from_url(text, directory)
    if _is_path(text):
        return _from_path(text, directory)
    return _pep508(text)


def public(url: str) -> str:
    """The address without user name and password, fit for a message."""
    parts = urlsplit(url)
    if "@" not in parts.netloc:
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def _named(match: re.Match[str], directory: Path) -> Requirement:
    """``name @ address``: a relative path is welcome where PEP 508 wants a URL."""
    head, address, rest = match["head"].strip(), match["address"], match["rest"]
    if _VCS.match(address):
        raise _version_control(address)
    if not urlsplit(address).scheme:
        address = _existing(unquote(address), directory).as_uri()
    return _pep508(f"{head} @ {address} {rest.strip()}".rstrip())


def _from_url(text: str, directory: Path) -> Requirement:
    address, _, marker = text.partition(" ;")
    url, extras = _split_extras(address)
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = _existing(unquote(parts.path), directory)
        return _file(path.name, path.as_uri(), extras, marker)
    filename = unquote(parts.path.rpartition("/")[2])
    egg = parse_qs(parts.fragment).get("egg", [""])[0]
    if egg:
        return _pep508(_joined(egg, extras, url, marker))
    return _file(filename, url, extras, marker)


def _from_path(text: str, directory: Path) -> Requirement:
    address, _, marker = text.partition(" ;")
    if (directory / address).exists():
        path, extras = _existing(address, directory), ""
    else:
        name, extras = _split_extras(address)
        path = _existing(name, directory)
    return _file(path.name, path.as_uri(), extras, marker)


def _refuse_address(text: str) -> None:
    """What no reader of addresses understands (a bracket that is open), before one meets it."""
    named = _NAMED.match(text)
    try:
        urlsplit(named["address"] if named else text)
    except ValueError as error:
        raise UsageError(
            f"{re.sub(r'//[^/]*@', '//', text)!r} holds no valid address: {error}",
            remedy="Correct the part between // and the next /.",
        ) from None


def _refuse_list(text: str, directory: Path) -> None:
    """A file of requirements without its -r would be taken for a package of that name."""
    if text.endswith((".txt", ".in")) and (directory / text).is_file():
        raise UsageError(
            f"{text} is a file, not a package", remedy=f"To read requirements from it: -r {text}"
        )


def _split_extras(address: str) -> tuple[str, str]:
    match = _EXTRAS.match(address.strip())
    if match is None:
        return address, ""
    return match["address"], match["extras"] or ""


def _file(filename: str, url: str, extras: str, marker: str) -> Requirement:
    try:
        name = _name(filename)
    except (InvalidWheelFilename, InvalidSdistFilename) as error:
        raise UsageError(
            f"{public(url)} does not say by its file name which package and version it is",
            remedy=f"Write it as `NAME @ {public(url)}`.",
        ) from error
    return _pep508(_joined(name, extras, url, marker))


def _joined(name: str, extras: str, url: str, marker: str) -> str:
    return f"{name}{extras} @ {url}" + (f" ; {marker}" if marker else "")


def _name(filename: str) -> NormalizedName:
    """Read the package's name off a file name (PEP 427, PEP 625 and older sdist names)."""
    if filename.endswith(".whl"):
        return parse_wheel_filename(filename)[0]
    for suffix in SDIST_SUFFIXES:
        if filename.endswith(suffix):
            return parse_sdist_filename(f"{filename.removesuffix(suffix)}.tar.gz")[0]
    raise InvalidSdistFilename(filename)


def _is_path(text: str) -> bool:
    """Paths are told as pip tells them: by a separator, a leading dot, or an archive's suffix."""
    address = _ADDRESS_MARKER.split(text, maxsplit=1)[0]
    plain = _split_extras(address)[0]
    if plain.startswith((".", "~")) or plain.endswith((".whl", *SDIST_SUFFIXES)):
        return True
    return os.sep in plain


def _existing(address: str, directory: Path) -> Path:
    """Return the file's absolute path; a directory or nothing there is the user's mistake."""
    path = Path(os.path.normpath(directory / Path(address).expanduser()))
    if path.is_dir():
        raise UsageError(
            f"{address} is a directory, and crossbuild takes files",
            remedy=f"Run `python -m build --sdist {address}` and give the file in its dist/.",
        )
    if not path.is_file():
        raise UsageError(f"there is no file {address}")
    return path


def _version_control(address: str) -> UsageError:
    plain = address if address.startswith("git@") else public(address)
    return UsageError(
        f"{plain} is a version-control address, and crossbuild takes released files",
        remedy="Check it out, run `python -m build --sdist` there, and give the file in dist/.",
    )


def _pep508(text: str) -> Requirement:
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        said = str(error).splitlines()[0]
        shown = public(text) if _SCHEME.match(text) else re.sub(r"//[^/@\s]+@", "//", text)
        raise UsageError(
            f"{shown!r} is not a requirement: {said[:1].lower()}{said[1:]}",
            remedy=_advice(text),
        ) from error


def _advice(text: str) -> str:
    if match := _SINGLE_EQUALS.match(text):
        return f"For exactly that version write {match[1]}=={match[2]}."
    if len(words := text.split()) == 2 and words[1][:1].isdigit():
        return f"For exactly that version write {words[0]}=={words[1]}."
    return "Write it as PEP 508 has it, for example 'matplotlib>=3.8' or 'requests[socks]'."
