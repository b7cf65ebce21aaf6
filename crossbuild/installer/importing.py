"""Importing what was installed, to see whether that works: in a child where one can be had.

A module may end the interpreter that imports it, by a crash or by ``os._exit``. In a child that
costs the child alone: what it was at is told, and another goes on with the rest. Without fork, or
beside other threads (a kernel's, which no child would have), it is done in this process.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

LONGEST_FAULT = 1000
"""Signs of an error; a line of them goes through a pipe at once (PIPE_BUF)."""
SIGNALS = {4: "SIGILL", 6: "SIGABRT", 7: "SIGBUS", 8: "SIGFPE", 9: "SIGKILL", 11: "SIGSEGV"}


def imported_from(
    directories: "Sequence[str]", names: "Sequence[str]"
) -> "Iterator[tuple[str, str]]":
    """Each module with why it cannot be imported from these directories; empty: it can."""
    left = list(names)
    while left:
        child = forked() if alone() else None
        if child is None:
            for name, fault in zip(left, faults_of(directories, left)):  # noqa: B905 - 3.10's
                yield name, fault
            return
        for fault in answers(child, directories, left):
            yield left.pop(0), fault


def alone() -> bool:
    """Whether this is the only thread, as far as this Python tells."""
    try:
        return len(sys._current_frames()) == 1
    except AttributeError:
        return False


def forked() -> "tuple[int, int, int] | None":
    """A child (0 in it) and both ends of a pipe from it; None where none may be had."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    ends = os.pipe()
    try:
        return (os.fork(), *ends)
    except (AttributeError, OSError, RuntimeError):
        for end in ends:
            os.close(end)
        return None


def answers(
    child: "tuple[int, int, int]", directories: "Sequence[str]", names: "Sequence[str]"
) -> "Iterator[str]":
    """What the child finds, module by module; at last how it ended, if that was too early."""
    number, reading, writing = child
    if number == 0:
        answer(writing, directories, names)
    os.close(writing)
    count, status = 0, None
    try:
        with open(reading, "rb") as lines:
            while count < len(names):
                line = lines.readline()
                if not line.endswith(b"\n"):
                    break
                count += 1
                yield line.decode("utf-8").rstrip("\n")
        status = os.waitpid(number, 0)[1]
    finally:
        if status is None:
            os.kill(number, 9)
            os.waitpid(number, 0)
    if count < len(names):
        yield ended_by(status)


def answer(writing: int, directories: "Sequence[str]", names: "Sequence[str]") -> None:
    """The child's part. It ends here, whatever happens, and nothing of the parent's is run."""
    try:
        for fault in faults_of(directories, names):
            os.write(writing, fault.encode("utf-8", "backslashreplace") + b"\n")
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(0)


def ended_by(status: int) -> str:
    """How a child ended, in the words of wait(2)."""
    number = status & 127
    if number:
        return (
            f"it ends the interpreter by signal {number} ({SIGNALS.get(number, 'see signal(7)')})"
        )
    return f"it ends the interpreter with code {status >> 8}"


def faults_of(directories: "Sequence[str]", names: "Sequence[str]") -> "Iterator[str]":
    """For each module why it cannot be imported here; empty: it can."""
    import importlib

    before = list(sys.path)
    sys.path[:0] = [directory for directory in directories if directory not in sys.path]
    sys.path += [path for directory in directories for path in added(directory)]
    importlib.invalidate_caches()
    try:
        for name in names:
            fault = ""
            try:
                importlib.import_module(name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001
                fault = " ".join(f"{type(error).__name__}: {error}".split())
            yield fault[:LONGEST_FAULT]
    finally:
        sys.path[:] = before


def added(directory: str) -> "Iterator[str]":
    """The directories that ``.pth`` files add when a Python starts there; this one did not."""
    names = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
    for name in names:
        if name.endswith(".pth"):
            with open(os.path.join(directory, name), encoding="utf-8", errors="replace") as file:
                lines = [line.rstrip() for line in file]
            for line in lines:
                path = os.path.join(directory, line)
                if (
                    line
                    and not line.startswith(("#", "import ", "import\t"))
                    and (os.path.isdir(path) and path not in sys.path)
                ):
                    yield path
