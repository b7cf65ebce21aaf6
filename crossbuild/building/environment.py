"""Build environments: the layout of a virtual environment, made on the host, run on the target.

Wheels are unpacked by uv; nothing is executed to make one. The layout (PEP 405) rather than a
search path, because build backends start further Pythons: a symbolic link to the image's
interpreter beside ``pyvenv.cfg`` is all that makes each of them find these packages, process
their ``.pth`` files and ignore the image's own.
"""

from __future__ import annotations

import hashlib
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import process
from crossbuild.catalog import Interpreter
from crossbuild.disk import guarded, hash_of
from crossbuild.engine.base import Tree
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target

PREFIX = "/opt/crossbuild/env"
"""Where every build environment is mounted: always the same, since paths get into wheels."""

_SCHEMA = 1
"""Raise it when the same wheels would be laid out differently."""

_LONG_SHEBANG = b"#!/bin/sh\n'''exec' "


def key(wheels: Sequence[Path], interpreter: Interpreter, prefix: str = PREFIX) -> str:
    """What an environment is made from: the wheels' contents and the interpreter's place."""
    named = sorted(f"{path.name} {hash_of(path)}" for path in wheels)
    text = "\n".join([str(_SCHEMA), prefix, interpreter.tag, interpreter.path, *named])
    return f"env-{hashlib.sha256(text.encode()).hexdigest()[:32]}"


def names(tree: Tree) -> frozenset[NormalizedName]:
    """The names of the distributions in an environment."""
    found = tree.path.glob("lib/python*/site-packages/*.dist-info")
    return frozenset(canonicalize_name(path.name.partition("-")[0]) for path in found)


def make(
    wheels: Sequence[Path],
    interpreter: Interpreter,
    target: Target,
    *,
    uv: Uv,
    store: Store,
    prefix: str = PREFIX,
) -> Tree:
    """The environment with these wheels and nothing else, from the store or made now.

    To be mounted at ``prefix``. Raises IntegrityError for a wheel that cannot be unpacked.
    """
    name = key(wheels, interpreter, prefix)

    def fill(directory: Path) -> None:
        with guarded(directory):
            packages = _packages(directory, interpreter)
            packages.mkdir(parents=True)
            uv.install(wheels, packages, target)
            _lay_out(directory, packages, wheels, prefix)
            _link(directory, interpreter)
            _compile(packages, interpreter, prefix)

    return Tree(key=name, path=store.make_tree(name, fill, what="the build environment"))


def _packages(directory: Path, interpreter: Interpreter) -> Path:
    major, minor = interpreter.version
    return directory / "lib" / f"python{major}.{minor}" / "site-packages"


def _lay_out(directory: Path, packages: Path, wheels: Sequence[Path], prefix: str) -> None:
    """Move what ``uv pip install --target`` leaves among the packages to where it belongs."""
    programs = directory / "bin"
    if (packages / "bin").is_dir():
        (packages / "bin").rename(programs)
    programs.mkdir(exist_ok=True)
    for program in programs.iterdir():
        _point(program, prefix)
    # A set: two wheels may bring the same file, of which uv keeps one.
    for data in sorted({data for wheel in wheels for data in _data_files(wheel)}):
        destination = directory / data
        destination.parent.mkdir(parents=True, exist_ok=True)
        (packages / data).replace(destination)


def _point(program: Path, prefix: str) -> None:
    """Make a script's first line name the environment's interpreter instead of this host's.

    uv writes a long path as a shell line inside a Python string, as distlib does.
    """
    text = program.read_bytes()
    lines = 0
    if text.startswith(_LONG_SHEBANG):
        lines = 3
    elif text.startswith(b"#!") and b"python" in text.partition(b"\n")[0]:
        lines = 1
    if lines:
        rest = text.split(b"\n", lines)[lines]
        program.write_bytes(f"#!{prefix}/bin/python\n".encode() + rest)


def _data_files(wheel: Path) -> list[PurePosixPath]:
    """The files that a wheel wants below the prefix itself (PEP 427, the ``data`` scheme)."""
    with zipfile.ZipFile(wheel) as archive:
        paths = [PurePosixPath(item.filename) for item in archive.infolist() if not item.is_dir()]
    return [
        PurePosixPath(*path.parts[2:])
        for path in paths
        if len(path.parts) > 2 and path.parts[0].endswith(".data") and path.parts[1] == "data"
    ]


def _link(directory: Path, interpreter: Interpreter) -> None:
    """Make it a virtual environment of the image's interpreter (PEP 405)."""
    major, minor = interpreter.version
    for name in ("python", "python3", f"python{major}.{minor}"):
        (directory / "bin" / name).symlink_to(interpreter.path)
    home = PurePosixPath(interpreter.path).parent
    (directory / "pyvenv.cfg").write_text(
        f"home = {home}\ninclude-system-site-packages = false\nversion = {major}.{minor}\n"
    )


def _compile(packages: Path, interpreter: Interpreter, prefix: str) -> None:
    """Compile what every build imports, where this host has the interpreter's byte code.

    Byte code is the same for every processor; without it each emulated process compiles
    setuptools anew, since the environment is read-only.
    """
    if sys.implementation.cache_tag == interpreter.cache_tag:
        options = ("-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash")
        mounted = f"{prefix}/{packages.relative_to(packages.parents[2])}"
        paths = ("-s", str(packages), "-p", mounted, "-x", "/tests?/", str(packages))
        argv = [sys.executable, "-I", *options, *paths]
        process.run(argv, check=False)
