"""``--verify``: whether what is installed is what RECORD says, and which modules show it."""

import os

from crossbuild.installer.digests import STRONG, hashed, urlsafe
from crossbuild.installer.failure import reason
from crossbuild.installer.importable import importable
from crossbuild.installer.installed import Distribution
from crossbuild.installer.texts import rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def faults(distribution: Distribution) -> "Iterator[str]":
    """The files that are gone or have other bytes than RECORD says."""
    try:
        listed = list(rows(distribution.read("RECORD") or ""))
    except ValueError as error:
        yield f"its RECORD is damaged: {error}"
        return
    for name, expected, _ in listed:
        path = os.path.normpath(os.path.join(distribution.location, name))
        algorithm, _, wanted = expected.partition("=")
        if not os.path.lexists(path):
            if algorithm:
                yield f"{name} is gone"
        elif algorithm in STRONG:
            try:
                if digest_of(path, algorithm) != wanted.rstrip("="):
                    yield f"{name} has other bytes than RECORD says"
            except OSError as error:
                yield f"{name} cannot be read: {reason(error)}"


def digest_of(path: str, algorithm: str) -> str:
    """The hash of a file as RECORD has it."""
    with open(path, "rb") as file:
        return urlsafe(hashed(file, algorithm).digest())


def modules_of(distribution: Distribution) -> "tuple[str, ...]":
    """The modules whose import shows that it works."""
    try:
        names = [row[0] for row in rows(distribution.read("RECORD") or "")]
    except ValueError:
        return ()
    inside = [name for name in names if not name.startswith(("../", "/"))]
    return importable(inside, (distribution.read("top_level.txt") or "").split())
