"""What a bundle does that runs by itself: install, list, verify, unpack."""

import os

from crossbuild.installer.digests import hasher
from crossbuild.installer.failure import DAMAGED, LACKING, UNWRITABLE, USAGE, Failure, reason
from crossbuild.installer.saying import complain, exit_code, say

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

USAGE_TEXT = """\
usage: python3 {name} COMMAND

A wheelhouse, with the program that installs it: no pip, no network.

  install [OPTION]...  install what it holds; `install --help` lists the options
  list                 say what it holds
  verify               hold every byte against the list of hashes
  unpack DIRECTORY     write the wheelhouse there
"""
LIST = "SHA256SUMS"
AGAIN = "Carry it over again from where it was made."


class Contents:
    """What is in a bundle: ``sizes`` by name. Its subclasses know where."""

    sizes: "dict[str, int]"

    def chunks(self, name: str) -> "Iterator[bytes]":
        """A file's bytes, some at a time."""
        raise NotImplementedError

    def sums(self) -> "dict[str, str]":
        """The hashes that it lists. Raises Failure where it lists none."""
        if LIST not in self.sizes:
            raise Failure(DAMAGED, f"there is no {LIST} in this bundle", AGAIN)
        lines = b"".join(self.chunks(LIST)).decode("utf-8", "replace").splitlines()
        pairs = [line.partition("  ") for line in lines]
        return {name: digest for digest, _, name in pairs}

    def checked(self, name: str, expected: "str | None") -> "Iterator[bytes]":
        """The same as ``chunks``. Raises Failure at its end for another hash."""
        digest = hasher()
        for chunk in self.chunks(name):
            digest.update(chunk)
            yield chunk
        if expected is not None and digest.hexdigest() != expected:
            raise Failure(DAMAGED, f"{name} has not the hash that it should have", AGAIN)


def opened(words: "Sequence[str]", contents: "Callable[[], Contents]", name: str) -> int:
    """Do what the words say; the exit code. ``name`` is what the bundle is called."""
    return exit_code(lambda: obey(list(words), contents(), name), name, "interrupted")


def obey(words: "list[str]", contents: Contents, name: str) -> int:
    command, rest = (words[0] if words else ""), words[1:]
    if command == "install":
        return install(rest, contents)
    if command == "unpack" and len(rest) == 1:
        unpack(contents, rest[0], "Make room, or name another directory.")
        return tell(f"{rest[0]}: {len(contents.sizes)} files")
    if command == "verify" and not rest:
        return tell(f"whole: {verify(contents)} files")
    if command == "list" and not rest:
        lines = [f"{size:>12}  {file}" for file, size in sorted(contents.sizes.items())]
        return tell("\n".join(lines))
    tell(USAGE_TEXT.format(name=name).rstrip())
    return 0 if command in ("", "-h", "--help", "help") else USAGE


def tell(text: str) -> int:
    say(text)
    return 0


def verify(contents: Contents) -> int:
    """Read everything; how many files were listed. Raises Failure for what is not as listed."""
    sums = contents.sums()
    for name, digest in sums.items():
        if name not in contents.sizes:
            raise Failure(DAMAGED, f"{name} is missing from this bundle", AGAIN)
        for _ in contents.checked(name, digest):
            pass
    return len(sums)


def unpack(contents: Contents, directory: str, remedy: str) -> None:
    """Write every file, checked; one gets its name when it is whole.

    Raises Failure, with this remedy where the directory cannot be written.
    """
    sums = contents.sums()
    try:
        os.makedirs(directory, exist_ok=True)
        for name in contents.sizes:
            if os.path.isabs(name) or ".." in name.split("/"):
                raise Failure(DAMAGED, f"{name} would be written elsewhere", AGAIN)
            path = os.path.join(directory, *name.split("/"))
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_whole(path, contents.checked(name, sums.get(name)))
    except OSError as error:
        message = f"{directory} cannot be written: {reason(error)}"
        raise Failure(UNWRITABLE, message, remedy) from None


def write_whole(path: str, chunks: "Iterator[bytes]") -> None:
    """Write a file aside and rename it into place; nothing is left of one that fails."""
    part = path + ".part"
    try:
        with open(part, "wb") as file:
            file.writelines(chunks)
        os.replace(part, path)
    finally:
        if os.path.lexists(part):
            os.remove(part)


def install(words: "list[str]", contents: Contents) -> int:
    """Run install.py over what is unpacked for as long as it takes."""
    if "install.py" not in contents.sizes:
        raise Failure(LACKING, "this bundle has no install.py", "Unpack it, and use pip there.")
    directory = temporary()
    try:
        unpack(contents, directory, "Make room, or set TMPDIR to a directory that can be written.")
        with open(os.path.join(directory, "install.py"), encoding="utf-8") as file:
            text = file.read()
        space: "dict[str, Any]" = {"__name__": "install"}
        exec(compile(text, "install.py", "exec"), space)
        return int(space["main"](words, directory))
    finally:
        remove(directory)


def temporary() -> str:
    """A new directory of this user's own. Raises Failure where none can be made."""
    errors = []
    for place in (os.environ.get("TMPDIR"), "/tmp", "/var/tmp", os.getcwd()):
        if place:
            path = os.path.join(place, f"wheelhouse-{os.getpid()}-{os.urandom(8).hex()}")
            try:
                os.mkdir(path, 0o700)
            except OSError as error:
                errors.append(f"{place}: {reason(error)}")
            else:
                return path
    remedy = "Set TMPDIR to a directory that can be written."
    raise Failure(UNWRITABLE, f"there is no room to unpack in ({'; '.join(errors)})", remedy)


def remove(directory: str) -> None:
    """Remove a directory and what is in it; where that cannot be done, say what is left."""
    try:
        for top, names, files in os.walk(directory, topdown=False):
            for name in files:
                os.remove(os.path.join(top, name))
            for name in names:
                os.rmdir(os.path.join(top, name))
        os.rmdir(directory)
    except OSError as error:
        complain(f"warning: {directory} is left over: {reason(error)}")
