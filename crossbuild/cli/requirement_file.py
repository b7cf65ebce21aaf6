r"""pip's requirements file format, as far as it has a meaning here.

The format is pip's reference "Requirements File Format": one requirement or option per line,
``#`` comments, ``\`` continuation, ``${NAME}`` from the environment, nested ``-r`` and
``-c``, ``--hash`` per requirement. What has no meaning for a wheelhouse is an error that names
file and line, not a silent loss.
"""

from __future__ import annotations

import argparse
import codecs
import contextlib
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from crossbuild.cli.requirements import parse, public
from crossbuild.errors import CrossbuildError, UsageError

_COMMENT = re.compile(r"(^|\s+)#.*$")
_VARIABLE = re.compile(r"\$\{([A-Z0-9_]+)\}")
_OPTIONS = re.compile(r"\s(?=-)")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_EXPORTS = {"pyproject.toml", "uv.lock", "poetry.lock", "Pipfile", "Pipfile.lock", "pdm.lock"}
_REFUSED = {
    "--editable": "an editable install cannot travel; build an sdist and name its path",
    "--pre": "name the pre-release instead: NAME>=2.0rc1",
    "--config-settings": "crossbuild passes no settings to build backends",
    "--global-option": "crossbuild passes no options to setup.py",
}


@dataclass(kw_only=True, slots=True)
class Requested:
    """What files of requirements hold together, in the order read.

    ``hashes`` are the SHA-256 a package's files may have; a package that is not in it may have
    any. ``formats`` holds (option, value) of each ``--only-binary`` and ``--no-binary``.
    """

    requirements: list[Requirement] = field(default_factory=list)
    constraints: list[Requirement] = field(default_factory=list)
    hashes: dict[NormalizedName, frozenset[str]] = field(default_factory=dict)
    index_url: str | None = None
    extra_index_urls: list[str] = field(default_factory=list)
    find_links: list[str] = field(default_factory=list)
    no_index: bool = False
    trusted_hosts: list[str] = field(default_factory=list)
    formats: list[tuple[str, str]] = field(default_factory=list)
    require_hashes: bool = False


class _LineParser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown != message:
            raise UsageError(f"{unknown} is not understood here")
        raise UsageError(message.removeprefix("argument "))


def _line_parser() -> argparse.ArgumentParser:
    parser = _LineParser(add_help=False, allow_abbrev=False)
    parser.add_argument("-r", "--requirement")
    parser.add_argument("-c", "--constraint")
    parser.add_argument("-i", "--index-url", "--pypi-url")
    parser.add_argument("--extra-index-url")
    parser.add_argument("-f", "--find-links")
    parser.add_argument("--only-binary")
    parser.add_argument("--no-binary")
    for flag in ("--require-hashes", "--prefer-binary", "--use-pep517", "--pre", "--no-index"):
        parser.add_argument(flag, action="store_true")
    parser.add_argument("-e", "--editable")
    for option in ("--trusted-host", "--use-feature", "--config-settings", "--global-option"):
        parser.add_argument(option)
    parser.add_argument("--hash", action="append", default=[])
    return parser


def read(paths: list[Path], constraints: list[Path], environment: Mapping[str, str]) -> Requested:
    """Read requirement and constraint files.

    Raises UsageError that starts with ``file:line`` for a line that has no meaning, and one
    that names the file when it cannot be read.
    """
    reader = _Reader(environment)
    for path in paths:
        reader.read(_included(str(path), Path()), constraint=False)
    for path in constraints:
        reader.read(_included(str(path), Path()), constraint=True)
    return reader.found


class _Reader:
    def __init__(self, environment: Mapping[str, str]) -> None:
        self.found = Requested()
        self._environment = environment
        self._open: list[Path] = []
        self._parser = _line_parser()

    def read(self, path: Path, *, constraint: bool) -> None:
        resolved = path.resolve()
        if resolved in self._open:
            raise UsageError(f"{path} includes itself")
        self._open.append(resolved)
        for number, line in _logical_lines(_text(path)):
            with _at(path, number):
                self._line(self._expand(line), path, constraint)
        self._open.pop()

    def _expand(self, line: str) -> str:
        def value(match: re.Match[str]) -> str:
            found = self._environment.get(match[1])
            if found is None:
                raise UsageError(f"${{{match[1]}}} is not set in the environment")
            return found

        return _VARIABLE.sub(value, line)

    def _line(self, line: str, path: Path, constraint: bool) -> None:
        if line.startswith("-"):
            self._option(self._parse(line), path, constraint)
            return
        text, *options = _OPTIONS.split(line, maxsplit=1)
        requirement = parse(text, path.parent)
        given = self._parse(options[0]) if options else argparse.Namespace(hash=[])
        self._refuse(given)
        if given.hash:
            self._hash(canonicalize_name(requirement.name), given.hash)
        (self.found.constraints if constraint else self.found.requirements).append(requirement)

    def _parse(self, line: str) -> argparse.Namespace:
        try:
            return self._parser.parse_args(shlex.split(line))
        except ValueError as error:
            raise UsageError(f"{line} has an open quotation") from error

    def _refuse(self, given: argparse.Namespace) -> None:
        for option, why in _REFUSED.items():
            if getattr(given, option[2:].replace("-", "_"), None):
                raise UsageError(
                    f"{option} is not supported", remedy=f"{why[:1].upper()}{why[1:]}."
                )

    def _option(self, given: argparse.Namespace, path: Path, constraint: bool) -> None:
        self._refuse(given)
        found = self.found
        for nested, inherited in ((given.requirement, constraint), (given.constraint, True)):
            if nested:
                self.read(_included(nested, path.parent), constraint=inherited)
        if given.index_url:
            found.index_url = given.index_url
        if given.extra_index_url:
            found.extra_index_urls.append(given.extra_index_url)
        if given.find_links:
            local = path.parent / given.find_links
            found.find_links.append(str(local) if local.exists() else given.find_links)
        if given.trusted_host:
            found.trusted_hosts.append(given.trusted_host)
        found.no_index |= given.no_index
        for name in ("only_binary", "no_binary"):
            if value := getattr(given, name):
                found.formats.append((name, value))
        found.require_hashes |= given.require_hashes

    def _hash(self, name: NormalizedName, values: list[str]) -> None:
        allowed = []
        for value in values:
            algorithm, _, digest = value.partition(":")
            if algorithm == "sha256" and _SHA256.fullmatch(digest.lower()):
                allowed.append(digest.lower())
            elif algorithm not in {"sha384", "sha512"}:
                raise UsageError(f"--hash={value} is not sha256: and 64 hexadecimal digits")
        if not allowed:
            raise UsageError(
                f"{name} has hashes, but none is SHA-256",
                remedy="Write the file again with SHA-256 hashes, as pip-compile and uv do.",
            )
        self.found.hashes[name] = self.found.hashes.get(name, frozenset()) | frozenset(allowed)


class _LocatedError(UsageError):
    """An error that already says its file and line: an outer file adds nothing."""


@contextlib.contextmanager
def _at(path: Path, number: int) -> Iterator[None]:
    try:
        yield
    except _LocatedError:
        raise
    except CrossbuildError as error:
        raise _LocatedError(f"{path}:{number}: {error}", remedy=error.remedy) from error


def _included(name: str, directory: Path) -> Path:
    if name.startswith(("http:", "https:")):
        raise UsageError(
            f"{public(name)} is an address, and -r and -c take files",
            remedy="Download it and give its path.",
        )
    return directory / name


def _text(path: Path) -> str:
    if path.name in _EXPORTS or path.match("pylock*.toml"):
        raise UsageError(
            f"{path} is not in pip's requirements format",
            remedy="Export it first, for example `uv export --format requirements.txt`.",
        )
    try:
        data = path.read_bytes()
        for mark, encoding in _BOMS:
            if data.startswith(mark):
                return data[len(mark) :].decode(encoding)
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8 or UTF-16") from error
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}") from error


def _logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Yield number and text of each line that says something, continuations joined."""
    started, parts = 0, list[str]()
    for number, line in enumerate([*text.splitlines(), ""], start=1):
        comment = line.lstrip().startswith("#")
        started = started or number
        if line.endswith("\\") and not comment:
            parts.append(line[:-1].strip())
            continue
        whole = _COMMENT.sub("", " ".join([*parts, "" if comment else line])).strip()
        if whole:
            yield started, whole
        started, parts = 0, []
