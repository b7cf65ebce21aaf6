"""What runs at the other end: these functions are sent as source, those that a message needs.

Python 3.6 or newer, with ``os``, ``sys``, ``binascii`` and SHA-256 in whatever module it is. What
a function needs of the others ``message`` knows. Each is a message of its own, that may be cut
off, come twice, or come late, and none holds more than a block of a file in memory.
"""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TextIO


def reply(nonce: str, kind: str, said: bytes) -> None:
    """Print an answer in numbered lines that can be told from whatever else is printed."""
    import binascii

    body = binascii.b2a_base64(said).decode("ascii").strip()
    count = len(body) // 900 + 1
    for index in range(count):
        piece = body[index * 900 : index * 900 + 900]
        line = f"{nonce}:{kind}:{index}:{count}:{piece}"
        check = binascii.crc32(line.encode())
        sys.stdout.write(f"\ncb:{line}:{check:08x}.\n")
    sys.stdout.flush()


def serve(nonce: str, work: "Callable[[], str | bytes]") -> None:
    """Answer with what ``work`` gives, or with what it raises, at most 600 signs of it."""
    try:
        kind, said = "ok", work()
    except Exception as error:  # noqa: BLE001
        kind, said = "no", f"{type(error).__name__}: {error}"[:600]
    reply(
        nonce, kind, said if isinstance(said, bytes) else said.encode("utf-8", "surrogateescape")
    )


def where(wanted: str, name: str, need: int) -> str:
    """The directory to write to: the one that was asked for, or the first usual one that will do.

    ``need`` bytes must be free there, unless ``name`` is there from an earlier time.
    """
    usual = [os.environ.get("TMPDIR"), "/var/tmp", "/tmp", os.path.expanduser("~"), os.getcwd()]
    tops = [f"{top}/crossbuild-{os.getuid()}" for top in usual if top]
    if wanted:
        tops, name = [os.path.abspath(os.path.expanduser(wanted))], ""
    refused = []
    for top in tops:
        try:
            why = unfit(top, name, need)
        except OSError as error:
            why = str(error)
        if not why:
            return os.path.join(top, name) if name else top
        refused.append(why)
    raise OSError("; ".join(refused))


def unfit(top: str, name: str, need: int) -> str:
    """Make a directory, and say why it cannot be used; empty: it can."""
    path = os.path.join(top, name)
    known = os.path.isdir(path)
    os.makedirs(top, 0o700, exist_ok=True)
    if name and (os.path.islink(top) or os.lstat(top).st_uid != os.getuid()):
        return top + " is somebody else's"
    os.makedirs(path, 0o700, exist_ok=True)
    trial = f"{path}/.trial-{os.getpid()}"
    os.close(os.open(trial, os.O_CREAT | os.O_WRONLY, 0o600))
    os.remove(trial)
    disk = os.statvfs(path)
    if known or disk.f_bavail * disk.f_frsize >= need:
        return ""
    os.rmdir(path)
    return f"{path}: fewer than {need} bytes are free"


def find(top: str, own: str, data: bytes) -> str:
    """For each line ``SIZE NAME`` the directory that has such a file, or ``-``.

    It is ``own``, or another one below ``top`` whose name is not longer.
    """
    others = [os.path.join(top, name) for name in sorted(os.listdir(top))] if top != own else []
    places = [own] + [path for path in others if path != own and len(path) <= len(own)]
    found = []
    for line in data.decode("utf-8", "surrogateescape").split("\n"):
        size, name = line.split(" ", 1)
        paths = [os.path.join(place, name) for place in places]
        fits = [os.path.isfile(path) and os.path.getsize(path) == int(size) for path in paths]
        found.append(places[fits.index(True)] if True in fits else "-")
    return "\n".join(found)


def digest(path: str) -> str:
    """The SHA-256 of a file."""
    for module in ("hashlib", "_sha256", "_sha2"):
        try:
            total = __import__(module).sha256()
            break
        except ImportError:
            continue
    with open(path, "rb") as file:
        block = file.read(1 << 18)
        while block:
            total.update(block)
            block = file.read(1 << 18)
    return str(total.hexdigest())


def adopt(source: str, path: str, expected: str) -> str:
    """Give a file that is there already the place of one that is not, if it is the same."""
    found = digest(source)
    if found == expected and source != path:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if os.path.exists(path):
            os.remove(path)
        try:
            os.link(source, path)
        except OSError:
            with open(source, "rb") as old, open(path + ".part", "wb") as new:
                block = old.read(1 << 18)
                while block:
                    new.write(block)
                    block = old.read(1 << 18)
            os.rename(path + ".part", path)
    return found


def place(part: str, path: str, expected: str, data: bytes) -> str:
    """Write a small file at once; what is left of a time when it came in pieces is removed."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    own = f"{part}.{os.getpid()}"
    with open(own, "wb") as file:
        file.write(data)
    found = digest(own)
    if found == expected:
        os.rename(own, path)
    for left in (own, part, part + ".log"):
        if os.path.exists(left):
            os.remove(left)
    outdate(part)
    return found


def outdate(part: str) -> None:
    """Remove what came of other contents of the file that ``part`` becomes: it was changed since.

    Names end in 16 digits of the hash and ``.part``, and may go on.
    """
    top, name = os.path.split(part)
    for other in os.listdir(top):
        pair = other[: len(name) - 21], other[len(name) - 5 : len(name)]
        if pair == (name[:-21], ".part") and not other.startswith(name):
            os.remove(os.path.join(top, other))


def begin(part: str) -> str:
    """Open a file that comes in pieces; tell which are there from an earlier time.

    Lines ``OFFSET LENGTH``, joined where they touch. What a cut left half written or garbled in
    the journal counts for nothing: its piece comes again.
    """
    os.makedirs(os.path.dirname(part), exist_ok=True)
    outdate(part)
    for path in (part, part + ".log"):
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))
    ranges = []  # type: list[list[int]]
    with open(part + ".log", "rb") as journal:
        for line in journal:
            words = line.split()
            if line.endswith(b"\n") and list(map(bytes.isdigit, words)) == [True, True]:
                start, end = int(words[0]), int(words[0]) + int(words[1])
                if ranges and start == ranges[-1][1]:
                    ranges[-1][1] = end
                else:
                    ranges.append([start, end])
    joined = []  # type: list[list[int]]
    for start, end in sorted(ranges):
        if joined and start <= joined[-1][1]:
            joined[-1][1] = max(joined[-1][1], end)
        else:
            joined.append([start, end])
    return "\n".join(f"{start} {end - start}" for start, end in joined)


def write(part: str, offset: int, data: bytes) -> str:
    """Write a piece, then note that it is there; nothing where the file is not begun."""
    handle = os.open(part, os.O_WRONLY)
    try:
        os.lseek(handle, offset, 0)
        left = memoryview(data)
        while left:
            left = left[os.write(handle, left) :]
    finally:
        os.close(handle)
    handle = os.open(part + ".log", os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, b"%d %d\n" % (offset, len(data)))
    finally:
        os.close(handle)
    return ""


def finish(part: str, path: str, expected: str) -> str:
    """Give a file its name if its bytes are right, else forget it; its SHA-256.

    A second message of this, where the answer was lost, finds what the first one left.
    """
    if not os.path.exists(part):
        return digest(path) if os.path.exists(path) else ""
    found = digest(part)
    if found == expected:
        os.rename(part, path)
    else:
        os.remove(part)
    os.remove(part + ".log")
    return found


def measure(path: str) -> str:
    """The SHA-256 of a file and its size."""
    return digest(path) + f" {os.path.getsize(path)}"


def read(path: str, offset: int, length: int) -> bytes:
    """Some bytes of a file."""
    with open(path, "rb") as file:
        file.seek(offset)
        return file.read(length)


def run(script: str, home: str, searched: str, number: str, data: bytes) -> str:
    """Run a file as a program, in this process, and keep what it prints in a file beside it.

    ``data`` has its arguments, one a line; ``home`` is where it runs, empty: here; ``searched``
    comes first on ``sys.path``. The answer is ``CODE SIZE``; a second message of this number
    waits for the first one, and gets what that got.
    """
    log = f"{os.path.dirname(script)}/.run-{number}"
    words = data.decode("utf-8", "surrogateescape").split("\n") if data else []
    with open(log, "a", encoding="utf-8", errors="backslashreplace") as file:
        try:
            os.lockf(file.fileno(), os.F_LOCK, 0)
        except OSError:
            pass  # a file system without locks
        if not os.path.exists(log + ".code"):
            file.truncate(0)
            code = program(script, words, home, searched, file)
            end = code if isinstance(code, int) else int(bool(code))
            with open(log + ".part", "w") as told:
                told.write(f"{end} {os.path.getsize(log)}")
            os.rename(log + ".part", log + ".code")
    with open(log + ".code") as told:
        return told.read()


def program(script: str, words: "list[str]", home: str, searched: str, file: "TextIO") -> object:
    """Run a file with these arguments, its output to ``file``; what it exits with."""
    kept, here = (sys.stdout, sys.stderr, sys.argv, sys.path), os.getcwd()
    version = f"{sys.version_info[0]}.{sys.version_info[1]}"
    place = [os.path.abspath(searched.replace("{X.Y}", version))] if searched else []
    sys.stdout, sys.stderr, sys.argv = file, file, [script, *words]
    sys.path = place + sys.path
    try:
        import site

        list(map(site.addsitedir, place))
    except ImportError:
        pass
    sys.path_importer_cache.clear()  # what was installed a moment ago counts
    code = 0  # type: object
    try:
        os.chdir(home or here)
        with open(script, "rb") as source:
            exec(
                compile(source.read(), script, "exec"),
                {"__name__": "__main__", "__file__": script},
            )
    except SystemExit as error:
        code = error.code
        if code and not isinstance(code, int):
            file.write(f"{code}\n")
    except BaseException as error:  # noqa: BLE001
        file.write(f"{type(error).__name__}: {error}\n")
        code = 70
    finally:
        sys.stdout, sys.stderr, sys.argv, sys.path = kept
        os.chdir(here)
        file.flush()
    return code


def clear(top: str) -> str:
    """Remove a directory of ours with all that is in it, and the one around it if empty."""
    for directory, names, files in os.walk(top, topdown=False):
        for name in files:
            os.remove(os.path.join(directory, name))
        for name in names:
            path = os.path.join(directory, name)
            if os.path.islink(path):
                os.remove(path)
            else:
                os.rmdir(path)
    for path in (top, os.path.dirname(top)):
        try:
            os.rmdir(path)
        except OSError:
            continue
    return ""


def forget(data: bytes) -> str:
    """Remove files, a line each; those that are not there are as well. Empty directories too."""
    for path in data.decode("utf-8", "surrogateescape").split("\n"):
        try:
            if os.path.isdir(path):
                os.rmdir(path)
            else:
                os.remove(path)
        except OSError:
            continue
    return ""
