"""The Rust that the user has: rustup's, or one laid out like it, with the target's library.

Its programs are copied and told to take the loader and the C library that lie beside Debian's
Rust, so that they run in a container of the target. What build scripts are linked with stays
Debian's. The layout is that of Rust's own archives: ``bin``, ``lib`` and
``lib/rustlib/TRIPLE/lib`` below ``rustc --print sysroot``.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from crossbuild.disk import guarded
from crossbuild.errors import CrossbuildError
from crossbuild.wheels.patching import patchelf

_RELEASE = re.compile(r"^release: (\S+)$", re.MULTILINE)
_TIMEOUT = 60.0
"""Seconds that rustc may take to say what it is."""


@dataclass(frozen=True, slots=True)
class Installed:
    """A toolchain of the user's: ``release`` as rustc says it, such as ``1.95.0``.

    ``key`` stands for its compiler and its libraries, by the hashes in their names.
    ``complete``: it has the library of the target.
    """

    sysroot: Path
    release: str
    key: str
    complete: bool


def find(environment: Mapping[str, str], host: str, triple: str) -> Installed | None:
    """The toolchain that ``rustc`` stands for in the user's environment; None: there is none.

    A distribution's rustc, which lies among all its other programs, is not taken.
    """
    program = shutil.which("rustc", path=environment.get("PATH", os.defpath))
    if program is None:
        return None
    # Away from any rust-toolchain.toml, and without fetching what is not installed (rustup).
    env = {**environment, "RUSTUP_AUTO_INSTALL": "0"}
    try:
        about = process.run([program, "-vV"], env=env, cwd=Path("/"), timeout=_TIMEOUT)
        root = process.run([program, "--print=sysroot"], env=env, cwd=Path("/"), timeout=_TIMEOUT)
    except CrossbuildError:
        return None
    sysroot, release = Path(root.stdout.strip()), _RELEASE.search(about.stdout)
    if release is None or f"host: {host}\n" not in about.stdout or not _laid_out(sysroot):
        return None
    names = sorted(path.name for path in _libraries(sysroot, (host, triple)))
    text = "\n".join([about.stdout, *names])
    return Installed(
        sysroot=sysroot,
        release=release[1],
        key=hashlib.sha256(text.encode()).hexdigest()[:16],
        complete=any(_library(sysroot, triple).glob("libstd-*.rlib")),
    )


def copy(installed: Installed, directory: Path, triples: Iterable[str], beside: str) -> None:
    """Fill ``directory`` with a toolchain whose programs take what they need from ``beside``.

    ``beside`` is a directory as it is named in a session: the C library with its loader.
    Raises StorageError, ProcessError.
    """
    with guarded(directory):
        for path in _wanted(installed.sysroot, tuple(triples)):
            made = directory / path.relative_to(installed.sysroot)
            made.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, made)
    loader = ("--set-interpreter", f"{beside}/ld-linux-x86-64.so.2")
    for path in directory.rglob("*"):
        if path.is_file() and path.parent.name in {"bin", "gcc-ld"}:
            _patch(path, beside, *loader)
        elif path.parent == directory / "lib" and ".so" in path.name:
            _patch(path, beside)


def _laid_out(sysroot: Path) -> bool:
    """Whether a sysroot is one of Rust's own archives and of nothing else."""
    drivers = (sysroot / "lib").glob("librustc_driver-*.so")
    programs = (sysroot / "bin" / name for name in ("rustc", "cargo"))
    return sysroot != Path("/usr") and any(drivers) and all(path.is_file() for path in programs)


def _library(sysroot: Path, triple: str) -> Path:
    return sysroot / "lib" / "rustlib" / triple / "lib"


def _libraries(sysroot: Path, triples: Iterable[str]) -> Iterator[Path]:
    yield from (sysroot / "lib").glob("*.so*")
    for triple in triples:
        yield from _library(sysroot, triple).glob("*")


def _wanted(sysroot: Path, triples: tuple[str, ...]) -> Iterator[Path]:
    """The files of a toolchain that a build needs: compiler, cargo, libraries, its own linker."""
    yield from (sysroot / "bin" / name for name in ("rustc", "cargo"))
    own = (path for triple in triples for path in _library(sysroot, triple).parent.rglob("*"))
    for path in (*(sysroot / "lib").glob("*.so*"), *own):
        if path.is_file():
            yield path


def _patch(path: Path, beside: str, *options: str) -> None:
    """Let a program or library look in ``beside``, too; leave alone what is no ELF file."""
    with path.open("rb") as file:
        if file.read(4) != b"\x7fELF":
            return
    rpath = ("--force-rpath", "--add-rpath", beside)
    process.run([str(patchelf()), *rpath, *options, str(path)])
