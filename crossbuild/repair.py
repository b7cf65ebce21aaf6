"""Repair: make a built wheel fit every machine of the target's floor.

auditwheel copies the libraries that the floor does not promise from the build image into the
wheel and tags it; what then still needs more than the floor has is an error that names it.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from crossbuild import process
from crossbuild.building import fitting, reaching
from crossbuild.disk import guarded, hash_of, storage_error
from crossbuild.engine.base import Root
from crossbuild.engine.images import within
from crossbuild.errors import FloorError, RepairError
from crossbuild.excess import Fit
from crossbuild.model import RawWheel, RepairedWheel
from crossbuild.platforms import Family
from crossbuild.target import Target
from crossbuild.toolchain.floor import CLibrary
from crossbuild.wheels import canonical, elf, libraries, machines, promises, wheel
from crossbuild.wheels.elf import SymbolVersion
from crossbuild.wheels.patching import patchelf
from crossbuild.wheels.promises import Promise
from crossbuild.wheels.wheel import WheelContents

_LIBC = {Family.MANYLINUX: "glibc", Family.MUSLLINUX: "musl", Family.LINUX: None}
_HASHED = re.compile(r"(?P<stem>[^/]+?)-[0-9a-f]{8}(?P<suffix>\.[^/]+)")
_GRAFTED = re.compile(rf"[^/]+\.libs/{_HASHED.pattern}")
_PYTHON = re.compile(r"libpython\d+\.\d+\w*\.so[.\d]*")
_SHOWN = 3


def repair(
    raw: RawWheel,
    target: Target,
    root: Root,
    output: Path,
    *,
    laid: Path | None = None,
    c_library: CLibrary | None = None,
) -> RepairedWheel:
    """Make a wheel that fits the target out of a built one, in the directory ``output``.

    ``laid`` is a directory on the host whose libraries come before those of the root. What is
    copied in is bound to ``c_library``, the target's, if that has all it wants. A wheel
    without code of the target's processor is taken as it is; so is one that cibuildwheel
    repaired, where the target takes its tag. The same wheel and image give the same bytes.
    Raises FloorError that names the library, the symbol version and the lowest target that would
    do; RepairError where a library is not there; IntegrityError when the wheel is damaged;
    HostError without patchelf.
    """
    with guarded(output):
        output.mkdir(parents=True, exist_ok=True)
    contents = wheel.read(raw.path)
    if not _has_code(contents, target) or _is_repaired(raw, contents, target):
        made = output / raw.path.name
        with guarded(output):
            shutil.copyfile(raw.path, made)
        return RepairedWheel(path=made, sha256=hash_of(made), grafted=())
    with guarded(output), tempfile.TemporaryDirectory(dir=output, prefix=".repair-") as scratch:
        whole = _reaching(contents, target, Path(scratch))
        grafted = _graft(whole, target, root, laid, Path(scratch))
        places = _library_paths(target, root)
        grafted, fitted = _fit(grafted, target, c_library, Path(scratch), places)
        made = Path(scratch, grafted.name)
        canonical.rewrite(grafted, made, canonical.epoch(raw.path))
        repaired = wheel.read(made)
        _judge(repaired, target, c_library, places)
        made = made.replace(output / made.name)
    return _told(made, _grafted(contents, repaired), fitted)


def _told(made: Path, grafted: tuple[str, ...], fitted: tuple[Fit, ...]) -> RepairedWheel:
    """A repaired wheel, its copied libraries by the names they have in the image."""
    own = tuple(replace(item, library=_original(item.library)) for item in fitted)
    return RepairedWheel(path=made, sha256=hash_of(made), grafted=grafted, fitted=own)


def _reaching(contents: WheelContents, target: Target, scratch: Path) -> WheelContents:
    """The wheel whose files find the wheel's own libraries."""
    promise = promises.of(target)
    promised = promise.offers if promise else lambda _: False
    found = reaching.reach(contents, target.arch, promised, scratch)
    if found == contents.path:
        return contents
    made = scratch / "whole" / found.name
    made.parent.mkdir()
    canonical.rewrite(found, made, canonical.epoch(contents.path))
    return wheel.read(made)


def _fit(
    grafted: Path, target: Target, library: CLibrary | None, scratch: Path, places: list[Path]
) -> tuple[Path, tuple[Fit, ...]]:
    """Bind copied libraries that need a newer C library than the target's to the target's."""
    promise = promises.of(target)
    if promise is None or library is None:
        return grafted, ()
    own = _of_the_target(wheel.read(grafted), target)
    return fitting.fit(own, promise.lacks, library, scratch, places)


def _of_the_target(contents: WheelContents, target: Target) -> WheelContents:
    """The wheel as if it had no code for other processors: that is none of their C library's."""
    return replace(contents, elves=libraries.own(contents, target.arch))


def _is_repaired(raw: RawWheel, contents: WheelContents, target: Target) -> bool:
    """Whether the package's own repair made it fit: what it did besides is to be kept."""
    return raw.rung.by_cibuildwheel and target.accepts(contents.tags) and not _is_local(contents)


def _is_local(contents: WheelContents) -> bool:
    return any(tag.platform.startswith("linux_") for tag in contents.tags)


def _has_code(contents: WheelContents, target: Target) -> bool:
    """Whether the wheel holds code of the target's processor that is not only carried."""
    return any(
        machines.same(info, target.arch) and not machines.is_data(contents, member)
        for member, info in contents.elves.items()
    )


def _graft(
    contents: WheelContents, target: Target, root: Root, laid: Path | None, scratch: Path
) -> Path:
    """Run auditwheel in a process of its own; return the wheel it made below ``scratch``."""
    places = [*([laid] if laid else []), *_library_paths(target, root)]
    promise = promises.of(target)
    made = scratch / "out"
    made.mkdir()
    request = {
        "wheel": str(contents.path.absolute()),
        "output": str(made),
        "root": str(root.path),
        "ldpaths": list(map(str, places)),
        "architecture": target.arch.name,
        "libc": _LIBC[target.family],
        "policy": promise.policy.name if promise else None,
        "platforms": list(target.repair_platforms) if promise else [],
        "exclude": sorted(_provided_by_others(contents, target, promise)),
        "python": _has_python_in_it(contents),
    }
    answer = _ask(request, scratch, canonical.epoch(contents.path))
    if "errno" in answer:
        raise storage_error(OSError(answer["errno"], os.strerror(answer["errno"])), scratch.parent)
    if "wheel" in answer:
        return Path(answer["wheel"])
    said = answer.get("refused") or _missing(contents, target, root, places) or [answer["error"]]
    raise RepairError(f"{_subject(contents, target)}: {'; '.join(said[:_SHOWN])}")


def _ask(request: dict[str, Any], scratch: Path, epoch: int) -> dict[str, Any]:
    """Run ``grafting`` with an environment that holds nothing of the user's."""
    programs, temporary = scratch / "bin", scratch / "tmp"
    programs.mkdir()
    temporary.mkdir()
    (programs / "patchelf").symlink_to(patchelf())
    env = {
        "PATH": str(programs),
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
        "LANG": "C.UTF-8",
        "TMPDIR": str(temporary),
        "SOURCE_DATE_EPOCH": str(epoch),
    }
    argv = [sys.executable, "-m", "crossbuild.building.grafting"]
    try:
        done = process.run(argv, env=env, cwd=scratch, input=json.dumps(request))
    except process.ProcessError as error:
        name = Path(request["wheel"]).name
        raise RepairError(f"auditwheel broke down on {name}: {error}") from error
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _library_paths(target: Target, root: Root) -> list[Path]:
    """Where the image's loader looks (ld.so(8), Debian's multiarch directories first)."""
    triplet = target.arch.triplet
    paths = [
        *(f"{parent}/lib/{triplet}" for parent in ("/usr/local", "", "/usr")),
        *(f"{parent}/lib" for parent in ("/usr/local", "", "/usr")),
        *("/lib64", "/usr/lib64"),
    ]
    return [within.resolved(root.path, path) for path in paths]


def _provided_by_others(
    contents: WheelContents, target: Target, promise: Promise | None
) -> Iterator[str]:
    """Libraries that the loader will find in another wheel's directory."""
    lacks = libraries.lacks(contents, target.arch, promise) if promise else ()
    return (lack.library for lack in lacks if lack.elsewhere)


def _has_python_in_it(contents: WheelContents) -> bool:
    """Whether a program of the wheel runs Python in itself, as uWSGI does, and no module has one.

    Modules find Python in whoever loads them; such a program brings it along.
    """
    bound = [info for info in contents.elves.values() if any(map(_PYTHON.fullmatch, info.needed))]
    return bool(bound) and all(info.program for info in bound)


def _missing(contents: WheelContents, target: Target, root: Root, places: list[Path]) -> list[str]:
    """The libraries that auditwheel cannot have found, and who needs them."""
    promise = promises.of(target)
    return [
        f"{lack.library}, which {lack.member} needs, is neither in the wheel nor in the image "
        f"{root.image.name}"
        for lack in (libraries.lacks(contents, target.arch, promise) if promise else ())
        if not any(os.path.lexists(place / lack.library) for place in places)
    ]


def _judge(
    contents: WheelContents, target: Target, c_library: CLibrary | None, places: list[Path]
) -> None:
    """Raise FloorError when any file of the wheel needs a newer symbol than the floor has."""
    promise = promises.of(target)
    if promise is None:
        return
    excess, contents = promise.lacks, _of_the_target(contents, target)
    beyond: dict[str, SymbolVersion] = {}
    for member, info in contents.elves.items():
        if any(map(excess, info.versions)):
            hinder = fitting.obstacles(contents, member, excess, c_library) if c_library else {}
            needs = hinder or _needs(contents, member, filter(excess, info.versions))
            beyond.update((_needed(member, needs[it], it), it) for it in sorted(needs))
    for member, symbol, version in (
        fitting.dangling(contents, c_library, places) if c_library else ()
    ):
        if not promise.keeps(version):
            beyond[f"{member} needs {version.name} of {version.library} ({symbol})"] = version
    if not beyond:
        return
    shown = "; ".join(list(beyond)[:_SHOWN])
    more = f"; and {len(beyond) - _SHOWN} more" if len(beyond) > _SHOWN else ""
    lowest = promises.lowest(target, beyond.values())
    raise FloorError(f"{_subject(contents, target)}: {shown}{more}", needs=lowest)


def _needs(
    contents: WheelContents, member: str, versions: Iterable[SymbolVersion]
) -> dict[SymbolVersion, str]:
    """Versions, and a symbol that a file needs of each."""
    found = {}
    for version in versions:
        with wheel.member(contents.path, member) as stream:
            found[version] = elf.symbol(stream, member, version) or ""
    return found


def _needed(member: str, symbol: str, version: SymbolVersion) -> str:
    """``libexpat.so.1 (copied from the image) needs GLIBC_2.25 of libc.so.6 (getrandom)``."""
    match = _GRAFTED.fullmatch(member)
    who = f"{match['stem']}{match['suffix']} (copied from the image)" if match else member
    what = f" ({symbol})" if symbol else ""
    return f"{who} needs {version.name} of {version.library}{what}"


def _subject(contents: WheelContents, target: Target) -> str:
    return f"{contents.name} {contents.version} cannot be made to fit {target.platform}"


def _grafted(before: WheelContents, after: WheelContents) -> tuple[str, ...]:
    """The libraries that came in, by the names they have in the image."""
    new = sorted(set(after.members) - set(before.members))
    return tuple(_original(Path(member).name) for member in new if _GRAFTED.fullmatch(member))


def _original(name: str) -> str:
    """The name in the image of a library that was copied from there."""
    match = _HASHED.fullmatch(name)
    return f"{match['stem']}{match['suffix']}" if match else name
