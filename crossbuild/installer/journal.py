"""The transaction: a list of steps on the disk that is carried out whole, or undone.

In the library's directory lies, while a run changes something, ``.crossbuild-install``:

``lock``      held by the run; two never go on at once
``new/``      the new files, each under its whole path
``old/``      what was replaced or removed, by number
``journal``   the steps, written when ``new`` is complete and before anything else is touched
``undo``      the steps are being taken back

A run that finds a journal carries the steps out to their end (or back, with ``undo``), whoever
was killed in the middle; each step can be done twice. Without a journal nothing was touched, and
what lies there is swept away.
"""

import errno
import os

from crossbuild.installer.digests import CHUNK, sync_directory
from crossbuild.installer.failure import UNWRITABLE, Failure, reason, unwritable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

STATE = ".crossbuild-install"
HEAD = "crossbuild-install/1"
END = "end"
ASIDE = ".crossbuild-new"
FEW = 32


class Journal:
    """The state directory of one library directory, locked. Use it as a context."""

    def __init__(self, library: str, say: "Callable[[str], None]") -> None:
        self.library = library
        self.state = os.path.join(library, STATE)
        self.new = os.path.join(self.state, "new")
        self.old = os.path.join(self.state, "old")
        self.file = os.path.join(self.state, "journal")
        self.undo = os.path.join(self.state, "undo")
        self.say = say
        self.made: "list[str]" = []
        self.lock: "Any" = None

    def __enter__(self) -> "Journal":
        try:
            self.made = make_directories(self.library)
            self.acquire()
            self.recover()
        except OSError as error:
            self.release()
            raise unwritable(self.library, error) from None
        except Failure:
            self.release()
            raise
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if not os.path.exists(self.file):
            self.leave()
            for directory in reversed(self.made):
                if not remove_directory(directory):
                    break
        else:
            self.release()

    def release(self) -> None:
        """Give the lock back, and leave everything as it lies."""
        if self.lock is not None:
            self.lock.close()
            self.lock = None

    def acquire(self) -> None:
        """Take the lock; a run that ends takes its file away, so look whether it is still it."""
        path = os.path.join(self.state, "lock")
        while True:
            make_directories(self.state)
            try:
                self.lock = open(path, "ab")
            except FileNotFoundError:
                continue
            self.wait()
            try:
                if os.path.samestat(os.stat(path), os.fstat(self.lock.fileno())):
                    return
            except FileNotFoundError:
                pass
            self.lock.close()

    def wait(self) -> None:
        try:
            os.lockf(self.lock.fileno(), os.F_TLOCK, 0)
        except (BlockingIOError, PermissionError):
            self.say(f"waiting for another run in {self.library} to end")
            os.lockf(self.lock.fileno(), os.F_LOCK, 0)

    def leave(self) -> None:
        """Take the state directory away, its lock last."""
        if self.lock is None:
            return
        self.sweep()
        try:
            os.unlink(os.path.join(self.state, "lock"))
        except OSError:
            pass
        remove_directory(self.state)
        self.release()

    def recover(self) -> None:
        """Bring to its end what a killed run left."""
        steps = self.read()
        if steps is None:
            self.sweep()
            return
        if os.path.exists(self.undo):
            self.back(steps)
            self.say("took back what a run that was killed had begun")
        else:
            self.forward(steps)
            self.say("finished what a run that was killed had begun")
        self.end(steps)

    def sweep(self) -> None:
        """Remove what no journal needs any more; what cannot be removed waits for the next run."""
        for path in (f"{self.file}.part", self.undo, self.new, self.old):
            try:
                remove_tree(path)
            except OSError:
                continue

    def staged(self, path: str) -> str:
        """Where the new file for a path waits."""
        return self.new + path

    def carry_out(self, steps: "list[tuple[str, str]]") -> None:
        """All steps, or none. Raises Failure when one cannot be done, with the others undone."""
        try:
            os.mkdir(self.old)
            bring_to_disk(self.new)
            self.write(steps)
        except OSError as error:
            raise unwritable(self.state, error) from None
        try:
            self.forward(steps)
        except OSError as error:
            self.take_back(steps)
            raise unwritable(error.filename or self.library, error) from None
        self.end(steps)

    def take_back(self, steps: "list[tuple[str, str]]") -> None:
        """Undo what was done of the steps. Raises Failure when not even that can be done now."""
        try:
            open(self.undo, "wb").close()
            sync_directory(self.state)  # a power cut must not turn the way back into one forward
            self.back(steps)
            self.end(steps)
        except OSError as error:
            message = f"{error.filename or self.library}: {reason(error)}, half way"
            remedy = "Mend that, then run `install.py --recover`: it takes back what was begun."
            raise Failure(UNWRITABLE, message, remedy) from None

    def write(self, steps: "list[tuple[str, str]]") -> None:
        lines = [HEAD, *(f"{kind} {escaped(path)}" for kind, path in steps), END, ""]
        with open(f"{self.file}.part", "wb") as file:
            file.write("\n".join(lines).encode("ascii"))
            file.flush()
            os.fsync(file.fileno())
        os.rename(f"{self.file}.part", self.file)
        sync_directory(self.state)

    def read(self) -> "list[tuple[str, str]] | None":
        """The steps of the journal; None where there is none."""
        try:
            with open(self.file, "rb") as file:
                lines = file.read().decode("ascii").split("\n")
        except FileNotFoundError:
            return None
        if lines[0] != HEAD or lines[-2:] != [END, ""]:
            message = f"{self.file} is not a journal that this install.py can read"
            raise Failure(UNWRITABLE, message, "Use the install.py that wrote it.")
        pairs = (line.partition(" ") for line in lines[1:-2])
        return [(kind, unescaped(path)) for kind, _, path in pairs]

    def forward(self, steps: "list[tuple[str, str]]") -> None:
        for number, (kind, path) in enumerate(steps):
            backup = os.path.join(self.old, str(number))
            if kind == "put" and os.path.lexists(self.staged(path)):
                relocate(self.staged(path), path)
            elif kind == "swap" and os.path.lexists(self.staged(path)):
                keep(path, backup)
                relocate(self.staged(path), path)
            elif kind == "remove" and os.path.lexists(path):
                take_away(path, backup)
            elif kind == "rmdir":
                remove_directory(path)

    def back(self, steps: "list[tuple[str, str]]") -> None:
        for number, (kind, path) in reversed(list(enumerate(steps))):
            backup = os.path.join(self.old, str(number))
            remove_tree(path + ASIDE)
            if kind == "put":
                remove_tree(path)
            elif kind in ("swap", "remove") and os.path.lexists(backup):
                relocate(backup, path)
            elif kind == "rmdir":
                make_directories(path)

    def end(self, steps: "list[tuple[str, str]]") -> None:
        """Everything is on the disk: forget the steps."""
        for directory in sorted({os.path.dirname(path) for _, path in steps}):
            sync_directory(directory)
        os.unlink(self.file)
        sync_directory(self.state)
        self.sweep()


def escaped(path: str) -> str:
    """A path in ASCII, without line ends."""
    raw = os.fsencode(path)
    return "".join(chr(one) if 32 < one < 127 and one != 37 else f"%{one:02x}" for one in raw)


def unescaped(text: str) -> str:
    parts = text.encode("ascii").split(b"%")
    raw = parts[0] + b"".join(bytes([int(part[:2], 16)]) + part[2:] for part in parts[1:])
    return os.fsdecode(raw)


def keep(path: str, backup: str) -> None:
    """Put what is at a path aside, without a moment in which nothing is there where that goes."""
    if os.path.lexists(backup) or not os.path.lexists(path):
        return
    try:
        os.link(path, backup, follow_symlinks=False)
    except (OSError, NotImplementedError):
        relocate(path, backup)


def take_away(path: str, backup: str) -> None:
    """Put aside what is at a path; it may have been copied and not yet been removed."""
    if os.path.lexists(backup):
        remove_tree(path)
    else:
        relocate(path, backup)


def relocate(source: str, destination: str) -> None:
    """Rename; where that crosses a mount, copy beside the destination and rename there."""
    try:
        os.rename(source, destination)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        aside = destination + ASIDE
        remove_tree(aside)
        copy_tree(source, aside)
        if os.path.isdir(destination) and not os.path.islink(destination):
            remove_tree(destination)
        os.rename(aside, destination)
        if os.path.isdir(source) and not os.path.islink(source):
            # Of a directory that is half removed another run would copy the half.
            os.rename(source, source + ASIDE)
            source += ASIDE
        remove_tree(source)


def copy_tree(source: str, destination: str) -> None:
    """Copy a file, a symbolic link or a directory with modes and times."""
    if os.path.islink(source):
        os.symlink(os.readlink(source), destination)
        return
    stat = os.stat(source)
    if os.path.isdir(source):
        os.mkdir(destination)
        for name in os.listdir(source):
            copy_tree(os.path.join(source, name), os.path.join(destination, name))
    else:
        with open(source, "rb") as content, open(destination, "wb") as copy:
            chunk = content.read(CHUNK)
            while chunk:
                copy.write(chunk)
                chunk = content.read(CHUNK)
            copy.flush()
            os.fsync(copy.fileno())
    os.chmod(destination, stat.st_mode & 0o7777)
    os.utime(destination, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def bring_to_disk(directory: str) -> None:
    """See to it that what lies below survives a power cut: one by one where it is little.

    That is quick; for many files, one call for all file systems is quicker by far.
    """
    files, directories = [], []
    for top, _, names in os.walk(directory):
        directories.append(top)
        files += [os.path.join(top, name) for name in names]
        if len(files) > FEW:
            os.sync()
            return
    for path in files:
        if not os.path.islink(path):
            with open(path, "rb") as file:
                os.fsync(file.fileno())
    for path in reversed(directories):
        sync_directory(path)


def make_directories(path: str) -> "list[str]":
    """Make a directory and those above it; those that were missing, uppermost first."""
    missing = []
    while not os.path.isdir(path):
        missing.append(path)
        path = os.path.dirname(path)
    for directory in reversed(missing):
        try:
            os.mkdir(directory)
        except FileExistsError:
            if not os.path.isdir(directory):
                raise
    return missing[::-1]


def remove_directory(path: str) -> bool:
    """Remove a directory if it is there and empty."""
    try:
        os.rmdir(path)
    except OSError:
        return False
    return True


def remove_tree(path: str) -> None:
    """Remove whatever is at a path, if anything is."""
    if os.path.isdir(path) and not os.path.islink(path):
        for name in os.listdir(path):
            remove_tree(os.path.join(path, name))
        os.rmdir(path)
    elif os.path.lexists(path):
        os.unlink(path)
