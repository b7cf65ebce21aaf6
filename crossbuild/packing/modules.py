"""Modules of the standard library for a Python that lacks them, as a wheel.

The wheel has a ``.pth`` file, whose directory ``site`` puts last on the path: no module that is
there is ever replaced. Only modules that are Python can be brought, and only those of the same
X.Y; with a module come those that it imports.
"""

from __future__ import annotations

import base64
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import tomli_w

from crossbuild import catalog, process, wording
from crossbuild.catalog import Role
from crossbuild.engine.base import WORK, Engine
from crossbuild.errors import HostError, UsageError
from crossbuild.packing import archives, cargo
from crossbuild.packing.cargo import Cargo, Item
from crossbuild.platforms import dotted
from crossbuild.target import Target

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = "crossbuild-stdlib"
USELESS = frozenset({"bz2", "ctypes", "ensurepip", "lzma", "sqlite3", "ssl", "venv"})
"""What a probe may miss, and is brought only where it is asked for: the front of something that
is no Python, and missing with that, or nothing that packages import."""
_DIRECTORY = "crossbuild_stdlib"
_PYENV = ".pyenv/versions"


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What an interpreter has: ``files`` by their place in the library; ``compiled``, no Python.

    ``unknown`` are modules that this Python never had.
    """

    version: str
    files: dict[str, Path]
    compiled: tuple[str, ...]
    unknown: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Sources:
    """Where Pythons may be: the user's ``home``, and the images that an engine can run.

    ``engine`` opens it for as long as it is needed; None: there is none.
    """

    home: Path
    engine: Callable[[], AbstractContextManager[Engine]] | None = None


def completed(
    load: Cargo, asked: Sequence[str] | None, target: Target, sources: Sources, scratch: Path
) -> tuple[Cargo, tuple[str, ...]]:
    """The wheelhouse with the modules that were asked for; for None those a probe found missing.

    Also what has to be said. Raises UsageError for modules that cannot be brought, HostError
    where no Python has them; of a probe's, what cannot be brought is only said.
    """
    missing = target.reported.missing if target.reported else ()
    names = sorted(set(missing) - USELESS) if asked is None else list(asked)
    if not names:
        return load, ()
    try:
        found = _searched(names, target, sources, scratch / "library")
    except HostError as error:
        if asked is not None:
            raise
        return load, (_lacking(names, target, f": {error}"),)
    if found is None:
        return _unserved(load, names, target, asked is None)
    impossible = [*found.compiled, *found.unknown]
    text = f"{wording.listing(impossible)} cannot be brought: not Python code of CPython's library"
    if impossible and asked is not None:
        raise UsageError(text, remedy="Leave out what is compiled or is no standard module.")
    notes = (text,) if impossible else ()
    if not found.files:
        return load, notes
    modules = wording.listing([name for name in names if name not in impossible])
    notes = (f"Modules of CPython {found.version}, where they are missing: {modules}", *notes)
    return brought(load, found, target, scratch), notes


def _searched(
    names: Sequence[str], target: Target, sources: Sources, directory: Path
) -> Found | None:
    """What a Python of this host has of them, else one of an image; None: there is no such."""
    python = interpreter(target, sources.home)
    if python:
        return find(python, names, directory)
    if sources.engine is None:
        return None
    with sources.engine() as engine:
        return find_in_image(target, names, engine, directory)


def _unserved(
    load: Cargo, names: Sequence[str], target: Target, automatic: bool
) -> tuple[Cargo, tuple[str, ...]]:
    if automatic:
        return load, (_lacking(names, target),)
    text = f"no CPython {target.python_version} on this host or in an image"
    raise HostError(f"{text} has {wording.listing(names)} to bring", remedy=_remedy(target))


def _lacking(names: Sequence[str], target: Target, why: str = "") -> str:
    """What is said where nobody asked for modules, and they cannot be brought."""
    text = f"no CPython {target.python_version} on this host or in an image has them to bring"
    return f"The target lacks {wording.listing(names)}, and {text}{why}. {_remedy(target)}"


def _remedy(target: Target) -> str:
    return f"Install one, for example with `uv python install {target.python_version}`."


def interpreter(target: Target, home: Path) -> Path | None:
    """A Python of this host with the target's X.Y; None where there is none."""
    version = target.python_version
    if sys.version_info[:2] == target.python:
        return Path(sys.executable)
    there = [process.which(f"python{version}")]
    there += sorted((home / _PYENV).glob(f"{version}.*/bin/python{version}"), reverse=True)
    return next((path for path in there if path and _is(path, version)), None)


def _is(path: Path, version: str) -> bool:
    """Whether it is one, and not the shim of one that is not there."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = process.run([str(path), "-I", "-S", "-c", code], check=False)
    return done.returncode == 0 and done.stdout.strip() == version


def find(python: Path, names: Sequence[str], directory: Path) -> Found:
    """Have an interpreter copy modules, and what they need, to ``directory``, which is made.

    Raises HostError if it fails.
    """
    directory.mkdir()
    with resources.as_file(_script()) as script:
        argv = [str(python), "-I", "-S", str(script), str(directory), *names]
        done = process.run(argv, check=False)
    if done.returncode != 0:
        raise _speechless(str(python), done.stderr)
    return _found(directory)


def find_in_image(
    target: Target, names: Sequence[str], engine: Engine, directory: Path
) -> Found | None:
    """The same by the Python of an image of the target's; None where no image has it.

    Raises HostError if it fails, or nothing of the image can run here.
    """
    image = next(filter(catalog.from_packages, catalog.images_for(target, Role.TARGET)), None)
    python = image.interpreter(target.python) if image else None
    if image is None or python is None:
        return None
    library = f"{WORK}/library"
    with engine.session(engine.prepare(image, Role.TARGET)) as session:
        with resources.as_file(_script()) as script:
            session.put(script, f"{WORK}/modules.py")
        argv = [python.command, "-I", "-S", f"{WORK}/modules.py", library, *names]
        done = session.run(argv)
        if not done.ok:
            raise _speechless(f"{python.command} of {image.name}", done.output)
        session.get(library, directory)
    return _found(directory)


def _script() -> Any:
    return resources.files("crossbuild.packing").joinpath("modules_script.py")


def _speechless(python: str, said: str) -> HostError:
    last = "".join(said.strip().splitlines()[-1:])
    return HostError(f"{python} cannot tell where its modules are: {last}")


def _found(directory: Path) -> Found:
    told: dict[str, Any] = json.loads((directory / "answer.json").read_bytes())
    return Found(
        version=told["version"],
        files={name: directory / name for name in told["files"]},
        compiled=tuple(told["compiled"]),
        unknown=tuple(told["unknown"]),
    )


def brought(load: Cargo, found: Found, target: Target, scratch: Path) -> Cargo:
    """The wheelhouse with the wheel of these modules, to be installed with all the others.

    The same interpreter gives the same bytes.
    """
    wheel = _wheel(found, target, scratch)
    lists = [
        cargo.written(scratch, name, text.encode()) for name, text in _texts(load, wheel, found)
    ]
    return cargo.changed(load, [wheel, *lists], scratch)


def _wheel(found: Found, target: Target, scratch: Path) -> Item:
    name = f"{_DIRECTORY}-{found.version}"
    tag = f"{target.interpreter}-none-any"
    info = f"{name}.dist-info"
    made = scratch / "modules"
    texts = {
        f"{_DIRECTORY}.pth": f"{_DIRECTORY}\n",
        f"{info}/METADATA": "Metadata-Version: 2.1\n"
        f"Name: {PROJECT}\nVersion: {found.version}\n"
        f"Summary: Modules of CPython {dotted(target.python)}, for where they are missing\n"
        f"License: PSF-2.0\nRequires-Python: =={target.python_version}.*\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: crossbuild\n"
        f"Root-Is-Purelib: true\nTag: {tag}\n",
    }
    members = [
        (f"{_DIRECTORY}/{place}", cargo.item_of(path.parent, path.name))
        for place, path in found.files.items()
    ]
    members += [(key, cargo.written(made, key, text.encode())) for key, text in texts.items()]
    rows = [f"{member},sha256={_base64(item)},{item.size}\n" for member, item in members]
    record = f"{info}/RECORD"
    text = "".join([*rows, f"{record},,\n"])
    members.append((record, cargo.written(made, record, text.encode())))
    path = scratch / f"{name}-{tag}.whl"
    with path.open("wb") as stream:
        archives.write_members(members, stream)
    return cargo.item_of(scratch, path.name)


def _base64(item: Item) -> str:
    return base64.urlsafe_b64encode(bytes.fromhex(item.sha256)).rstrip(b"=").decode()


def _texts(load: Cargo, wheel: Item, found: Found) -> Iterator[tuple[str, str]]:
    """The files that say what is to be installed, with one package more."""
    if requirements := load.named("requirements.txt"):
        line = f"{PROJECT}=={found.version} --hash=sha256:{wheel.sha256}"
        lines = [*requirements.path.read_text(encoding="utf-8").splitlines(), line]
        yield "requirements.txt", "".join(f"{one}\n" for one in sorted(lines))
    if lock := load.named("pylock.toml"):
        document = tomllib.loads(lock.path.read_text(encoding="utf-8"))
        described = {
            "name": wheel.name,
            "path": f"./{wheel.name}",
            "size": wheel.size,
            "hashes": {"sha256": wheel.sha256},
        }
        package = {"name": PROJECT, "version": found.version, "wheels": [described]}
        document["packages"] = sorted(
            [*document["packages"], package], key=lambda one: str(one["name"])
        )
        yield "pylock.toml", tomli_w.dumps(document)
