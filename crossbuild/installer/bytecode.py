"""Byte code as compileall writes it, for a source that does not lie in its place yet (PEP 552)."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import CodeType


def cached_path(path: str) -> str:
    """Where the byte code of a module goes (PEP 3147)."""
    directory, name = os.path.split(path)
    name = f"{name[:-3]}.{sys.implementation.cache_tag}.pyc"
    return os.path.join(directory, "__pycache__", name)


def compiled(staged: str, final: str) -> "bytes | None":
    """The byte code of a staged module that will lie at ``final``; None where it is no Python.

    The time in it is the staged file's, which a rename keeps.
    """
    with open(staged, "rb") as file:
        source = file.read()
        stamp = os.fstat(file.fileno())
    code = silently_compiled(source, final)
    if code is None:
        return None
    import marshal
    from importlib.util import MAGIC_NUMBER

    numbers = [int(stamp.st_mtime), stamp.st_size]
    flags = [] if sys.version_info < (3, 7) else [0]
    words = [(number & 0xFFFFFFFF).to_bytes(4, "little") for number in flags + numbers]
    return b"".join([MAGIC_NUMBER, *words, marshal.dumps(code)])


def silently_compiled(source: bytes, path: str) -> "CodeType | None":
    """The code, without the warnings that are for its author."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return compile(source, path, "exec", dont_inherit=True)
        except (SyntaxError, ValueError, RecursionError, MemoryError, OverflowError):
            return None
