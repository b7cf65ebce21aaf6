"""Wheels: what a file name promises, and what the archive really holds (PEP 427, 491)."""

from __future__ import annotations

import contextlib
import csv
import email.parser
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import IO, cast
from urllib.parse import urlsplit

from packaging.metadata import Metadata
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag
from packaging.utils import (
    InvalidWheelFilename,
    NormalizedName,
    canonicalize_name,
    parse_wheel_filename,
)
from packaging.version import Version

from crossbuild.errors import IntegrityError, StorageError
from crossbuild.model import File, Kind, Refusal, Verdict
from crossbuild.target import Target
from crossbuild.wheels import elf, modules, record
from crossbuild.wheels.elf import ElfInfo

_IN_MEMORY = 64 << 20
_LONGEST = 32 << 20
"""Bytes; the RECORD of a wheel with a hundred thousand files has a third of it."""
_DAMAGED = (
    *(zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError),
    *(ValueError, csv.Error),
)
"""What zipfile raises for an archive it cannot read (damaged, encrypted, oddly packed), and
the parsers of METADATA, WHEEL and RECORD for text that is none of these."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Filename:
    """What a wheel's file name says; ``build`` is empty without a build tag."""

    name: NormalizedName
    version: Version
    build: tuple[()] | tuple[int, str]
    tags: frozenset[Tag]


@dataclass(frozen=True, kw_only=True, slots=True)
class WheelContents:
    """A wheel that was read to its end, every byte held against RECORD.

    ``tags`` are the file name's, ``wheel_tags`` those of the WHEEL file. ``members`` are the
    files, ``elves`` those of them that are ELF, ``modules`` what to import to try it.
    """

    path: Path
    name: NormalizedName
    version: Version
    tags: frozenset[Tag]
    wheel_tags: frozenset[Tag]
    requires_dist: tuple[Requirement, ...]
    requires_python: SpecifierSet | None
    provides_extra: frozenset[NormalizedName]
    members: tuple[str, ...]
    elves: Mapping[str, ElfInfo]
    modules: tuple[str, ...]

    @property
    def filename(self) -> str:
        """The wheel's file name."""
        return self.path.name

    @property
    def pure(self) -> bool:
        """It claims to run anywhere: ``none-any``."""
        return all(tag.platform == "any" for tag in self.tags)


def parse_filename(filename: str) -> Filename:
    """Read a wheel's file name. Raises IntegrityError when it is not one (PEP 427)."""
    try:
        name, version, build, tags = parse_wheel_filename(filename)
    except InvalidWheelFilename as error:
        raise IntegrityError(f"{filename} is not named as a wheel has to be: {error}") from error
    return Filename(name=name, version=version, build=build, tags=tags)


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What else decides about a candidate. ``refused`` maps a file name or URL to the reason.

    ``pinned``: the version was asked for by ``==``, so a yanked file will do (PEP 592).
    ``direct``: the user named this very file, so it needs no hash from an index.
    ``allowed`` are the SHA-256 that the user's ``--hash`` allow, None: any.
    """

    kinds: frozenset[Kind] = frozenset(Kind)
    refused: Mapping[str, str] = field(default_factory=dict)
    pinned: bool = False
    direct: bool = False
    allowed: frozenset[str] | None = None


def candidate(file: File, target: Target, rules: Rules = Rules()) -> Verdict:
    """Decide about one file: the first check that refuses it gives the reason.

    Pure: only what the index says of the file counts.
    """
    found = (
        _tag(file, target)
        or _python(file, target)
        or _policy(file, rules)
        or _unsound(file, rules)
        or _yanked(file, rules)
        or _hash(file, rules)
        or _allowed(file, rules)
    )
    refusal, reason = found or (None, "")
    return Verdict(file=file, refusal=refusal, reason=reason)


_Found = tuple[Refusal, str] | None


def _unsound(file: File, rules: Rules) -> _Found:
    reason = rules.refused.get(file.filename) or rules.refused.get(file.url)
    return (Refusal.UNSOUND, reason) if reason else None


def _tag(file: File, target: Target) -> _Found:
    if file.kind is not Kind.WHEEL:
        return None
    try:
        return target.refusal(parse_filename(file.filename).tags)
    except IntegrityError as error:
        return Refusal.TAG, str(error)


def _python(file: File, target: Target) -> _Found:
    wanted = file.requires_python
    if wanted is None or target.accepts_python(wanted):
        return None
    return Refusal.PYTHON, f"needs Python {wanted}, the target has {target.python_given}"


def _policy(file: File, rules: Rules) -> _Found:
    if file.kind in rules.kinds:
        return None
    said = (
        "--no-binary forbids wheels" if file.kind is Kind.WHEEL else "--only-binary wants wheels"
    )
    return Refusal.POLICY, said


def _yanked(file: File, rules: Rules) -> _Found:
    if file.yanked is None or rules.pinned:
        return None
    return Refusal.YANKED, f"yanked: {file.yanked}" if file.yanked else "yanked"


def _hash(file: File, rules: Rules) -> _Found:
    if file.sha256 or rules.direct or urlsplit(file.url).scheme == "file":
        return None
    return Refusal.NO_HASH, "the index gives no SHA-256 for it"


def _allowed(file: File, rules: Rules) -> _Found:
    if rules.allowed is None or file.sha256 in rules.allowed:
        return None
    if not rules.allowed:
        return Refusal.HASH, "--require-hashes is given, and no --hash for it"
    return Refusal.HASH, "none of the --hash given for it is this file's"


def importable(path: Path) -> tuple[str, ...]:
    """The top-level modules to import for a proof that the distribution works.

    Reads only the archive's directory and ``top_level.txt``. Raises as ``read`` does.
    """
    with _opened(path) as archive:
        members = _members(archive, path.name)
        return _modules(archive, members, _info_directory(members, path.name))


def read(path: Path) -> WheelContents:
    """Read a whole wheel and hold every member against RECORD.

    Raises IntegrityError for an archive that is damaged, unsafe to unpack, incomplete, or not
    what its RECORD says; StorageError when the file cannot be read.
    """
    filename = parse_filename(path.name)
    with _opened(path) as archive:
        members = _members(archive, path.name)
        info = _info_directory(members, path.name)
        metadata = Metadata.from_email(_told(archive, f"{info}/METADATA"), validate=False)
        return WheelContents(
            path=path,
            name=canonicalize_name(metadata.name),
            version=metadata.version,
            tags=filename.tags,
            wheel_tags=_wheel_tags(_told(archive, f"{info}/WHEEL").decode()),
            requires_dist=tuple(metadata.requires_dist or ()),
            requires_python=metadata.requires_python,
            provides_extra=frozenset(metadata.provides_extra or ()),
            members=tuple(members),
            elves=_scan(archive, members, info, path.name),
            modules=_modules(archive, members, info),
        )


@contextlib.contextmanager
def member(path: Path, name: str) -> Iterator[IO[bytes]]:
    """Open one member of a wheel as a seekable stream. Raises as ``read`` does."""
    with _opened(path) as archive, archive.open(name) as stream, _seekable(stream) as copy:
        yield copy


@contextlib.contextmanager
def _seekable(stream: IO[bytes]) -> Iterator[IO[bytes]]:
    """A copy of a member that can be read at any place; going back in a zip starts it anew."""
    with tempfile.SpooledTemporaryFile(_IN_MEMORY) as copy:
        stream.seek(0)
        shutil.copyfileobj(stream, copy)
        yield cast("IO[bytes]", copy)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    """The archive; whatever goes wrong inside is an error that names the wheel."""
    try:
        with zipfile.ZipFile(path) as archive:
            yield archive
    except _DAMAGED as error:
        raise IntegrityError(f"{path.name} is damaged or no wheel: {error}") from error
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(f"the wheel {path} cannot be read: {reason}") from error


def _members(archive: zipfile.ZipFile, filename: str) -> dict[str, int]:
    """Every file of the archive with its size; directories have no entry."""
    members: dict[str, int] = {}
    for item in archive.infolist():
        path = PurePosixPath(item.filename)
        if path.is_absolute() or ".." in path.parts or "\\" in item.filename:
            raise IntegrityError(f"{filename}: the member {item.filename!r} leaves the wheel")
        if item.filename in members:
            raise IntegrityError(f"{filename}: two members are named {item.filename!r}")
        if not item.is_dir():
            members[item.filename] = item.file_size
    return members


def _info_directory(members: Collection[str], filename: str) -> str:
    """The one ``.dist-info`` directory, with the three files it must hold."""
    found = {member.partition("/")[0] for member in members if ".dist-info/" in member}
    found = {directory for directory in found if directory.endswith(".dist-info")}
    if len(found) != 1:
        raise IntegrityError(
            f"{filename} has {len(found) or 'no'} .dist-info directories instead of one"
        )
    directory = found.pop()
    for name in ("METADATA", "WHEEL", "RECORD"):
        if f"{directory}/{name}" not in members:
            raise IntegrityError(f"{filename} has no {directory}/{name}")
    return directory


def _told(archive: zipfile.ZipFile, name: str) -> bytes:
    """A file that says something of the wheel, whole: so it must be of a size to be read."""
    if archive.getinfo(name).file_size > _LONGEST:
        raise IntegrityError(f"{Path(archive.filename or '').name}: {name} is absurdly long")
    return archive.read(name)


def _wheel_tags(text: str) -> frozenset[Tag]:
    """The tags of the WHEEL file; compressed sets are expanded, as some tools leave them."""
    lines = email.parser.HeaderParser().parsestr(text).get_all("Tag", [])
    return frozenset(tag for line in lines for tag in parse_tag(line))


def _modules(archive: zipfile.ZipFile, members: Collection[str], info: str) -> tuple[str, ...]:
    listed = f"{info}/top_level.txt"
    told = _told(archive, listed) if listed in members else b""
    top_level = told.decode().split()
    return modules.importable(members, top_level)


def _scan(
    archive: zipfile.ZipFile, members: Mapping[str, int], info: str, filename: str
) -> dict[str, ElfInfo]:
    """Read every member once: its hash against RECORD, and its ELF head if it has one."""
    own = f"{info}/RECORD"
    rows = record.parse(_told(archive, own).decode())
    problems = [f"{name} {what}" for name, what in record.complaints(rows, members, own)]
    elves: dict[str, ElfInfo] = {}
    for name in members:
        with archive.open(name) as stream:
            if not record.matches(rows.get(name), stream):
                problems.append(f"{name} has not the hash that RECORD gives")
            stream.seek(0)
            if stream.read(len(elf.MAGIC)) == elf.MAGIC:
                with _seekable(stream) as copy:
                    elves[name] = elf.read(copy, f"{filename}: {name}")
    if problems:
        raise IntegrityError(f"{filename}: {'; '.join(problems)}")
    return elves
