"""``--verify``: what is installed is what RECORD says, and can be imported, in this process."""

import os
import sys

from crossbuild.installer.digests import STRONG, hasher, sha256_of, urlsafe
from crossbuild.installer.importable import importable
from crossbuild.installer.installed import Distribution
from crossbuild.installer.texts import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


def faults(distribution: Distribution) -> "Iterator[str]":
    """The files that are gone or have other bytes than RECORD says."""
    for name, expected, _ in rows(distribution.read("RECORD") or ""):
        path = os.path.normpath(os.path.join(distribution.location, name))
        algorithm, _, wanted = expected.partition("=")
        if not os.path.lexists(path):
            if algorithm:
                yield f"{name} is gone"
        elif algorithm in STRONG and digest_of(path, algorithm) != wanted.rstrip("="):
            yield f"{name} has other bytes than RECORD says"


def digest_of(path: str, algorithm: str) -> str:
    """The hash of a file as RECORD has it."""
    with open(path, "rb") as file:
        if algorithm == "sha256":
            return urlsafe(bytes.fromhex(sha256_of(file)))
        digest = hasher(algorithm)
        digest.update(file.read())
        return urlsafe(digest.digest())


def modules_of(distribution: Distribution) -> "tuple[str, ...]":
    """The modules whose import shows that it works."""
    names = [row[0] for row in rows(distribution.read("RECORD") or "")]
    inside = [name for name in names if not name.startswith(("../", "/"))]
    return importable(inside, (distribution.read("top_level.txt") or "").split())


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


def unimportable(names: "Iterable[str]", directories: "list[str]") -> "Iterator[str]":
    """The modules that cannot be imported from these directories, and why."""
    import importlib

    before = list(sys.path)
    sys.path[:0] = [directory for directory in directories if directory not in sys.path]
    sys.path += [path for directory in directories for path in added(directory)]
    importlib.invalidate_caches()
    try:
        for name in names:
            try:
                importlib.import_module(name)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001
                yield f"import {name}: {type(error).__name__}: {error}"
    finally:
        sys.path[:] = before
