"""Unpacking wheels aside, and the steps that bring them into their places."""

import os

from crossbuild.installer.bytecode import cached_path, compiled
from crossbuild.installer.digests import hasher, recorded, urlsafe
from crossbuild.installer.failure import DAMAGED, UNWRITABLE, Failure, unwritable
from crossbuild.installer.installed import Distribution, belongings, emptied
from crossbuild.installer.journal import Journal, make_directories
from crossbuild.installer.schemes import Scheme
from crossbuild.installer.scripts import is_wrapper, rewritten, wrappers
from crossbuild.installer.texts import record_text
from crossbuild.installer.wheelfile import SIGNATURES, Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, BinaryIO

INSTALLER = b"crossbuild\n"


class Stage:
    """Unpacks one wheel into the journal's ``new``, and writes its RECORD there."""

    def __init__(self, wheel: Wheel, scheme: Scheme, journal: Journal) -> None:
        self.wheel = wheel
        self.scheme = scheme
        self.journal = journal
        self.library = wheel.library(scheme)
        self.table: "dict[str, tuple[str, str]]" = {}
        self.ready: "set[str]" = set()

    def unpack(self, compile_all: bool) -> None:
        """All of it. Raises Failure for what is damaged or does not fit on the disk."""
        try:
            for name in self.wheel.members:
                self.take(name)
            for name, body in wrappers(self.wheel.points, self.scheme.executable).items():
                self.generate(os.path.join(self.scheme.paths["scripts"], name), body, 0o777)
            if compile_all:
                self.compile_modules()
            info = os.path.join(self.library, self.wheel.info)
            self.generate(os.path.join(info, "INSTALLER"), INSTALLER)
            self.note(os.path.join(info, "RECORD"), "", "")
            text = record_text((path, *row) for path, row in self.table.items())
            self.write(os.path.join(info, "RECORD"), [text.encode("utf-8")])
        except (IsADirectoryError, NotADirectoryError, FileExistsError) as error:
            raise self.clash(error.filename) from None
        except OSError as error:
            raise unwritable(self.journal.library, error) from None

    def clash(self, path: str) -> Failure:
        place = path[len(self.journal.new) :]
        return self.wheel.wrong(f"has a file and a directory at {place}", DAMAGED)

    def take(self, name: str) -> None:
        """Unpack one member, but for what is written anew."""
        info, _, rest = name.partition("/")
        if info == self.wheel.info and rest in ("RECORD", "INSTALLER"):
            return
        part, below = self.wheel.destination(name)
        path = os.path.join(self.scheme.directory(part, self.wheel.name.project), below)
        if part == "scripts" and is_wrapper(below, self.wheel.points):
            return
        signature = info == self.wheel.info and rest in SIGNATURES
        row = self.wheel.rows.get(name, ("", "", ""))
        content = self.checked(name, row[1], signature)
        if part == "scripts":
            self.take_script(path, content, row)
            return
        mode = 0o777 if self.wheel.archive.members[name].executable else 0o666
        self.write(path, content, mode)
        self.note(path, row[1], row[2])

    def take_script(
        self, path: str, content: "Iterator[bytes]", row: "tuple[str, str, str]"
    ) -> None:
        """A program of the wheel's own: its first line may have to name the interpreter."""
        head = b""
        for chunk in content:
            head += chunk
            if b"\n" in head:
                break
        line, end, rest = head.partition(b"\n")
        first = rewritten(line + end, self.scheme.executable)
        digest = hasher()
        size = self.write(path, counted([first + rest], content, digest), 0o777)
        changed = first != line + end
        new = "sha256=" + urlsafe(digest.digest()), str(size)
        self.note(path, *(new if changed else (row[1], row[2])))

    def checked(self, name: str, expected: str, free: bool) -> "Iterator[bytes]":
        """The content of a member, held against RECORD."""
        algorithm, _, wanted = expected.partition("=")
        digest = hasher(algorithm or "sha256")
        for chunk in self.wheel.archive.chunks(name):
            digest.update(chunk)
            yield chunk
        if not free and urlsafe(digest.digest()) != wanted.rstrip("="):
            raise self.wheel.wrong(f"holds {name!r}, which has not the hash that RECORD gives")

    def write(self, path: str, content: "Iterable[bytes]", mode: int = 0o666) -> int:
        """Write a staged file; how long it is. A later one replaces an earlier one."""
        staged = self.journal.staged(path)
        directory = os.path.dirname(staged)
        if directory not in self.ready:
            make_directories(directory)
            self.ready.add(directory)
        size = 0
        with opened(staged, mode) as file:
            for chunk in content:
                size += len(chunk)
                file.write(chunk)
        return size

    def note(self, path: str, digest: str, size: str) -> None:
        """Give a file its row of RECORD."""
        relative = os.path.relpath(path, self.library)
        self.table[relative.replace(os.sep, "/")] = (digest, size)

    def generate(self, path: str, body: bytes, mode: int = 0o666) -> None:
        self.write(path, [body], mode)
        digest, size = recorded(body)
        self.note(path, digest, str(size))

    def compile_modules(self) -> None:
        for relative in sorted(path for path in self.table if path.endswith(".py")):
            path = os.path.normpath(os.path.join(self.library, relative))
            code = compiled(self.journal.staged(path), path)
            if code is not None:
                self.write(cached_path(path), [code])
                self.note(cached_path(path), "", "")


def opened(path: str, mode: int) -> "BinaryIO":
    """A new file; the umask has its say about the mode."""
    if os.path.lexists(path) and not os.path.isdir(path):
        os.unlink(path)
    return open(path, "wb", opener=lambda name, flags: os.open(name, flags, mode))


def counted(first: "list[bytes]", rest: "Iterator[bytes]", digest: "Any") -> "Iterator[bytes]":
    """Both, hashed in passing."""
    for part in (first, rest):
        for chunk in part:
            digest.update(chunk)
            yield chunk


def steps_for(
    journal: Journal, replaced: "Iterable[Distribution]", scheme: Scheme
) -> "list[tuple[str, str]]":
    """What to do on the disk: put and swap what is staged, remove what is not wanted any more.

    Raises Failure where something of another kind is in the way, or a directory is closed.
    """
    roots = scheme.roots()
    old = {path for one in replaced for path in belongings(one, roots)}
    new: "list[tuple[str, str]]" = []
    staged = set(walk(journal, os.sep, new)) if os.path.isdir(journal.new) else set()
    gone = sorted(old - staged)
    bare = [path for path in emptied(gone, roots) if not os.path.isdir(journal.staged(path))]
    steps = new + [("remove", path) for path in gone] + [("rmdir", path) for path in bare]
    for directory in sorted({os.path.dirname(path) for _, path in steps}):
        if not os.access(directory, os.W_OK):
            raise Failure(UNWRITABLE, f"{directory} cannot be written by this user")
    return steps


def walk(journal: Journal, directory: str, steps: "list[tuple[str, str]]") -> "Iterator[str]":
    """The staged files that meet something in their places; the steps for all, meanwhile."""
    for name in sorted(os.listdir(journal.staged(directory))):
        path = os.path.join(directory, name)
        staged_directory = os.path.isdir(journal.staged(path))
        if not os.path.lexists(path):
            steps.append(("put", path))
        elif staged_directory and os.path.isdir(path):
            yield from walk(journal, path, steps)
        elif staged_directory or (os.path.isdir(path) and not os.path.islink(path)):
            raise Failure(UNWRITABLE, f"{path} is in the way: it is of another kind")
        else:
            steps.append(("swap", path))
            yield path
