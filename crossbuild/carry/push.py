"""Pushing a wheelhouse over a line: only what is not there, from where it was cut, and proven.

A file is read, sent and written in pieces; neither end ever holds more of it than the messages
under way. What has arrived is noted at the other end, beside the file: a push that was cut, here
or there, goes on from that.
"""

from __future__ import annotations

import hashlib
import posixpath
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from crossbuild import parallel, wording
from crossbuild.carry import message
from crossbuild.carry.line import Line
from crossbuild.carry.message import Call
from crossbuild.disk import guarded, hash_of
from crossbuild.errors import ChannelError, UsageError
from crossbuild.report import Reporter, Stage, Transfer

_SLOWEST = 1 << 20
"""Bytes per second that a file is hashed with at the very least, under emulation too."""
_AT_A_TIME = 1024
"""Pieces that are handed out together: what is known of a file does not grow with it."""
_ELSEWHERE = "Make room there, or name a directory that can be written: --remote-dir DIR."
_TRIES = 3
"""How often a file is sent that arrives wrong though each piece of it came right."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Cargo:
    """A file to carry; ``name`` is its path below the wheelhouse, with slashes."""

    name: str
    path: Path
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pushed:
    """What a push left: every file is in ``directory`` of the other machine, its hash right.

    ``sent`` are those that were not there before; ``carried`` is their bytes in this push.
    """

    directory: str
    files: tuple[Cargo, ...]
    sent: tuple[str, ...]
    carried: int
    resent: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """Some bytes of a file."""

    offset: int
    length: int


def load(directory: Path) -> tuple[Cargo, ...]:
    """Every file of a wheelhouse, hidden ones left out, in the order of their names.

    Raises UsageError where there is none, StorageError where one cannot be read.
    """
    if not directory.is_dir():
        raise UsageError(f"{directory} is no directory", remedy="Name a wheelhouse.")
    with guarded(directory):
        below = [path for path in sorted(directory.rglob("*")) if path.is_file()]
        names = [(path.relative_to(directory).as_posix(), path) for path in below]
        shown = [pair for pair in names if not any(p.startswith(".") for p in pair[0].split("/"))]
        files = tuple(cargo(path, name) for name, path in shown)
    if not files:
        raise UsageError(f"{directory} has no files", remedy="Name a wheelhouse.")
    return files


def cargo(path: Path, name: str) -> Cargo:
    """A file as it is to be carried, under this name. Raises OSError."""
    return Cargo(name=name, path=path, size=path.stat().st_size, sha256=hash_of(path))


def push(
    files: Sequence[Cargo], line: Line, reporter: Reporter, *, remote_dir: str = ""
) -> Pushed:
    """Bring files to the other machine: into ``remote_dir``, else where it can be written.

    Raises ChannelError when the channel is cut for good, or the other machine refuses.
    """
    own = "" if remote_dir else _identity(files)
    need = sum(file.size for file in files)
    where = line.ask(Call(function="where", arguments=(remote_dir, own, need)), remedy=_ELSEWHERE)
    directory = where.decode("utf-8", "surrogateescape")
    missing = _missing(files, line, directory, own)
    reporter.emit(Stage(name="push", detail=f"to {directory}", steps=len(missing)))
    sender = _Sender(line, reporter, directory)
    small = [file for file in missing if file.size <= sender.small(file)]
    parallel.each(small, sender.place, jobs=line.lanes)
    for file in missing:
        if file not in small:
            sender.send(file)
    done = _outcome(files, missing, sender.carried)
    reporter.emit(Stage(name="push", detail=done, done=True))
    return Pushed(
        directory=directory,
        files=tuple(files),
        sent=tuple(file.name for file in missing),
        carried=sender.carried,
        resent=line.resent,
    )


def _identity(files: Sequence[Cargo]) -> str:
    """A directory name for just these files, the same whenever they are pushed."""
    lines = "".join(f"{file.sha256} {file.name}\n" for file in files)
    return hashlib.sha256(lines.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _outcome(files: Sequence[Cargo], missing: Sequence[Cargo], carried: int) -> str:
    here = len(files) - len(missing)
    known = f", {here} there already" if here and missing else ""
    if not missing:
        return f"nothing: {wording.count(here, 'file')}, all there already"
    return f"{wording.count(len(missing), 'file')}, {wording.size(carried)}{known}"


def _missing(files: Sequence[Cargo], line: Line, directory: str, own: str) -> list[Cargo]:
    """The files that the other machine lacks; one that an earlier push left is used again."""
    top = posixpath.dirname(directory) if own else directory
    call = Call(function="find", arguments=(top, directory))
    entries = [f"{file.size} {file.name}" for file in files]
    found: list[str] = []
    longest = len(directory.encode("utf-8", "surrogateescape")) + 1
    count = max(line.answer_room // longest, 1)
    for page in message.pages(entries, line.room(call), count):
        found += line.ask(call, page).decode("utf-8", "surrogateescape").split("\n")

    def lacks(item: tuple[Cargo, str]) -> bool:
        file, place = item
        if place == "-":
            return True
        source = posixpath.join(posixpath.join(top, place), file.name)
        arguments = (source, f"{directory}/{file.name}", file.sha256)
        there = line.ask(
            Call(function="adopt", arguments=arguments), more=2 * file.size / _SLOWEST
        )
        return there.decode("ascii") != file.sha256

    pairs = list(zip(files, found, strict=True))
    answers = parallel.each(pairs, lacks, jobs=line.lanes)
    return [file for file, lacking in zip(files, answers, strict=True) if lacking]


class _Sender:
    """Sends files and tells how far it is."""

    def __init__(self, line: Line, reporter: Reporter, directory: str) -> None:
        self._line = line
        self._reporter = reporter
        self._directory = directory
        self._guard = threading.Lock()
        self.carried = 0

    def _place(self, file: Cargo) -> Call:
        arguments = (self._part(file), self._path(file), file.sha256)
        return Call(function="place", arguments=arguments)

    def _part(self, file: Cargo) -> str:
        """The file while it comes; another one of that name has another."""
        head, _, name = self._path(file).rpartition("/")
        return f"{head}/.{name[:200]}.{file.sha256[:16]}.part"

    def _path(self, file: Cargo) -> str:
        return f"{self._directory}/{file.name}"

    def small(self, file: Cargo) -> int:
        """How large a file may be that goes in one message."""
        return self._line.room(self._place(file))

    def place(self, file: Cargo) -> None:
        """Send a file whole."""
        with guarded(file.path):
            data = file.path.read_bytes()
        found = self._line.ask(self._place(file), data).decode("ascii")
        if found != file.sha256:
            raise _wrong(file)
        self._count(len(data))
        self._tell(file, file.size, done=True)

    def send(self, file: Cargo) -> None:
        """Send a file in pieces: those that are not there yet, until its hash is right."""
        for _ in range(_TRIES):
            if self._sent(file) == file.sha256:
                self._tell(file, file.size, done=True)
                return
        raise _wrong(file)

    def _sent(self, file: Cargo) -> str:
        part = self._part(file)
        told = self._line.ask(Call(function="begin", arguments=(part,))).decode("ascii")
        there = [_piece(line) for line in told.splitlines()]
        progress = sum(piece.length for piece in there)
        self._tell(file, progress)
        lock = threading.Lock()

        def write(piece: Piece) -> None:
            nonlocal progress
            self._line.ask(_write(part, piece.offset), _bytes(file, piece))
            self._count(piece.length)
            with lock:
                progress += piece.length
                self._tell(file, progress)

        size = self._line.room(_write(part, file.size))
        todo = _pieces(there, file.size, size)
        while batch := list(islice(todo, _AT_A_TIME)):
            parallel.each(batch, write, jobs=self._line.lanes)
        call = Call(function="finish", arguments=(part, self._path(file), file.sha256))
        return self._line.ask(call, more=file.size / _SLOWEST).decode("ascii")

    def _count(self, amount: int) -> None:
        with self._guard:
            self.carried += amount

    def _tell(self, file: Cargo, received: int, *, done: bool = False) -> None:
        name = posixpath.basename(file.name)
        self._reporter.emit(Transfer(filename=name, received=received, total=file.size, done=done))


def _write(part: str, offset: int) -> Call:
    return Call(function="write", arguments=(part, offset))


def _piece(line: str) -> Piece:
    offset, length = line.split()
    return Piece(offset=int(offset), length=int(length))


def _pieces(there: Sequence[Piece], whole: int, size: int) -> Iterator[Piece]:
    """What lies between the pieces that are there, in pieces of at most ``size`` bytes."""
    position = 0
    for known in (*there, Piece(offset=whole, length=0)):
        for offset in range(position, known.offset, size):
            yield Piece(offset=offset, length=min(size, known.offset - offset))
        position = max(position, known.offset + known.length)


def _bytes(file: Cargo, piece: Piece) -> bytes:
    with guarded(file.path), file.path.open("rb") as stream:
        stream.seek(piece.offset)
        data = stream.read(piece.length)
    if len(data) != piece.length:
        raise UsageError(f"{file.path} became shorter meanwhile", remedy="Push it again.")
    return data


def _wrong(file: Cargo) -> ChannelError:
    return ChannelError(
        f"{file.name} arrives with another hash, though each of its pieces came right",
        remedy="Its disk there may be bad, or the file here was changed meanwhile: push again.",
    )
