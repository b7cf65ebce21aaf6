"""What an sdist says of its crates, read before cargo is asked for them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from crossbuild.errors import BuildError, IntegrityError, NetworkError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_INDEX = "crates.io-index"
_OFFLINE = re.compile(r"download|network|resolve host|[Cc]ould not connect|timed? ?out|SSL")


def brings_crates(source: Path) -> bool:
    """Whether an sdist says itself where its crates are: it has them."""
    files = [source / ".cargo" / name for name in ("config.toml", "config")]
    return any(
        file.is_file() and "[source" in file.read_text("utf-8", "replace") for file in files
    )


def lock_of(source: Path, label: str) -> Path:
    """The Cargo.lock of an unpacked sdist, the topmost one. Raises BuildError without one."""
    found = [path for path in source.rglob("Cargo.lock") if path.with_name("Cargo.toml").is_file()]
    if not found:
        raise BuildError(
            f"{label} is written in Rust and its sdist has no Cargo.lock, so nobody says which "
            "crates it is to be built of",
            remedy="Take another version of it, or one that has a wheel.",
        )
    return min(found, key=lambda path: (len(path.parts), str(path)))


def check(lock: Path, label: str) -> None:
    """Raise for crates that cannot be got or proven: BuildError, or IntegrityError."""
    try:
        found = list(_elsewhere(tomllib.loads(lock.read_text(encoding="utf-8"))))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise IntegrityError(f"the Cargo.lock of {label} cannot be read: {error!r}") from error
    for crate, origin, hashed in found:
        if not (origin.startswith("registry+") and origin.endswith(_INDEX)):
            raise BuildError(
                f"{label} wants the crate {crate} from {origin.partition('+')[0]}, not from the "
                "default registry: such crates are not fetched",
                remedy="Take another version of it, or one that has a wheel.",
            )
        if not hashed:
            raise IntegrityError(f"the Cargo.lock of {label} has no hash for the crate {crate}")


def _elsewhere(document: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """The crates that are not in the sdist: name and version, origin, whether a hash is there."""
    # Before version 2 of the format the hashes were in a table of their own.
    table = tuple(document.get("metadata", {}))
    for package in document.get("package", []):
        crate, origin = f"{package['name']} {package['version']}", package.get("source")
        if origin is not None:
            listed = any(key.startswith(f"checksum {crate} ") for key in table)
            yield crate, origin.strip(), "checksum" in package or listed


def diagnosed(output: str, label: str) -> BuildError | IntegrityError | NetworkError:
    """The failure of cargo as the error a user can act on."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    said = next((line for line in lines if line.startswith("error")), lines[-1] if lines else "")
    message = f"the crates of {label} could not be got: {said.removeprefix('error: ')}"
    if "checksum" in output:
        return IntegrityError(message)
    if _OFFLINE.search(output) or "no end after" in output:
        remedy = "Check the connection, and the registry in cargo's own configuration."
        return NetworkError(message, remedy=remedy)
    return BuildError(message)
