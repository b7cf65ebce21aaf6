"""Generators that run native: programs whose output is decided by what they are given alone.

Cython writes the same C on every processor, and ninja and cmake only start other programs; so
of each the wheel for the host's processor is used, of the very version that the build
environment has. Everything that asks which machine this is stays emulated: Python itself, what
it starts by ``sys.executable``, and programs that a build makes and runs.
"""

from __future__ import annotations

import hashlib
import os
import platform
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from packaging.utils import NormalizedName, parse_wheel_filename
from packaging.version import Version

from crossbuild import catalog, wording
from crossbuild.building.environment import PREFIX
from crossbuild.catalog import Debian
from crossbuild.disk import hash_of
from crossbuild.engine.base import Tree
from crossbuild.engine.images import native
from crossbuild.engine.images.native import Kit, Natives
from crossbuild.errors import CrossbuildError, UnknownPackageError
from crossbuild.model import File
from crossbuild.net.index import Index
from crossbuild.platforms import Floor, dotted
from crossbuild.process import CancelledError
from crossbuild.report import Level, Message, Reporter
from crossbuild.resolution.candidates import Judge
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target

MOUNT = "/opt/crossbuild/native"
"""Where a native Python, its loader and its C library are in a session."""

TOOLS = "/opt/crossbuild/tools"
"""Where the native programs of a build environment are."""

_SCHEMA = 1
"""Raise it when the same wheels would be laid out differently."""

_PROGRAMS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"cmake": ("cmake", "ctest", "cpack"), "cython": ("cython",), "ninja": ("ninja",)}
)
"""The distributions whose programs run native. Not cythonize: it compiles, for its own Python."""

_COMPILED = ("{name}/data/bin/{program}", "bin/{program}")
"""Where the wheels of cmake and ninja have their programs, unpacked."""

# Cython finds .pxd files of other packages on sys.path. UNAME_MACHINE is a name in Cython's IF.
_CYTHON = """\
#!{python} -S
import os, platform, sys
sys.path[0] = "{library}"
sys.path.append("{packages}")
uname = os.uname()
platform.uname = lambda: (*uname[:4], "{machine}", "")
from Cython.Compiler.Main import setuptools_main
sys.exit(setuptools_main())
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Generators:
    """What a session needs to run generators native.

    ``trees`` are to be mounted at their paths; ``path_prefix`` goes before the environment's own
    programs on PATH. ``key`` stands for all that decides what comes out of them.
    """

    key: str
    trees: Mapping[str, Tree]
    path_prefix: str = f"{TOOLS}/bin"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Suite:
    """The suite that native programs come from: its C library and the Python it has."""

    name: str
    glibc: Floor
    python: tuple[int, int]

    @property
    def host(self) -> Target:
        """What wheels for the native Python have to fit."""
        glibc = "_".join(map(str, self.glibc))
        return Target.parse(f"manylinux_{glibc}_{native.host_arch()}", dotted(self.python))

    @property
    def kit(self) -> Kit:
        """The native Python; ninja and cmake want the C++ library, too."""
        version = dotted(self.python)
        return Kit(
            suite=self.name,
            packages=(f"python{version}-minimal", f"libpython{version}-stdlib", "libstdc++6"),
            mount=MOUNT,
            programs=(f"usr/bin/python{version}",),
        )


class Finder:
    """Finds the native programs that go with a build environment of one target.

    ``download`` fetches files to the store. Safe to use from several threads.
    """

    def __init__(
        self,
        *,
        natives: Natives,
        index: Index,
        download: Callable[[Sequence[File]], list[Path]],
        uv: Uv,
        store: Store,
        reporter: Reporter,
        target: Target,
    ) -> None:
        self._natives = natives
        self._index = index
        self._download = download
        self._uv = uv
        self._store = store
        self._reporter = reporter
        self._target = target
        self._known: dict[tuple[Path, ...], Generators | None] = {}
        self._guard = threading.Lock()

    def of(self, wheels: Sequence[Path]) -> Generators | None:
        """The native programs for an environment of these wheels; None: there are none.

        Where they cannot be had, for whatever reason, builds go on with the emulated ones, and
        that is said once.
        """
        with self._guard:
            wanted = tuple(wheels)
            if wanted not in self._known:
                self._known[wanted] = self._found(wanted)
            return self._known[wanted]

    def warm(self) -> None:
        """Unpack what every environment's native programs need; say where that cannot be."""
        suite = _suite(self._target)
        try:
            if suite is not None:
                self._natives.tree(suite.kit)
        except CancelledError:
            raise
        except CrossbuildError as error:
            self._tell("Cython, ninja and CMake", error)

    def _found(self, wheels: Sequence[Path]) -> Generators | None:
        pins = dict(pin for pin in map(_pin, wheels) if pin[0] in _PROGRAMS)
        suite = _suite(self._target)
        if not pins or suite is None:
            return None
        try:
            host = suite.host
            files = [file for name in sorted(pins) if (file := self._file(name, pins[name], host))]
            return self._made(suite, self._download(files)) if files else None
        except CancelledError:
            raise
        except CrossbuildError as error:
            self._tell(wording.listing(sorted(pins)), error)
            return None

    def _tell(self, names: str, error: CrossbuildError) -> None:
        text = f"{names} will run emulated, not native: {error}"
        self._reporter.emit(Message(text=text, level=Level.WARNING))

    def _file(self, name: NormalizedName, version: Version, host: Target) -> File | None:
        """The wheel of that version for the host; None where it is built or found elsewhere."""
        try:
            releases = self._index.project(name).releases
        except UnknownPackageError:
            return None
        return Judge(target=host).release(name, version, releases.get(version, ())).wheel

    def _made(self, suite: _Suite, wheels: Sequence[Path]) -> Generators:
        base = self._natives.tree(suite.kit)
        parts = [str(_SCHEMA), base.key, self._target.arch.name]
        parts += [f"{path.name} {hash_of(path)}" for path in wheels]
        key = f"env-tools-{hashlib.sha256(chr(10).join(parts).encode()).hexdigest()[:32]}"

        def fill(root: Path) -> None:
            self._uv.install(wheels, root / "lib", suite.host)
            (root / "bin").mkdir()
            for wheel in wheels:
                _offer(root, _pin(wheel)[0], self._target)

        path = self._store.make_tree(key, fill, what="native programs for the build")
        trees = {MOUNT: base, TOOLS: Tree(key=key, path=path)}
        return Generators(key=key, trees=MappingProxyType(trees))


def _offer(root: Path, name: NormalizedName, target: Target) -> None:
    """Put a distribution's programs into ``bin``."""
    for program in _PROGRAMS[name]:
        place = root / "bin" / program
        if name == "cython":
            place.write_text(_cython(target), encoding="utf-8")
            place.chmod(0o755)
        elif (found := _compiled(root / "lib", name, program)) is not None:
            native.adopt(found, MOUNT, native.host_arch())
            place.symlink_to(os.path.relpath(found, place.parent))


def _compiled(library: Path, name: str, program: str) -> Path | None:
    places = (library / item.format(name=name, program=program) for item in _COMPILED)
    return next((path for path in places if _is_elf(path)), None)


def _is_elf(path: Path) -> bool:
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


def _cython(target: Target) -> str:
    version = dotted(target.python)
    return _CYTHON.format(
        python=f"{MOUNT}/usr/bin/python{version}",
        library=f"{TOOLS}/lib",
        packages=f"{PREFIX}/lib/python{version}/site-packages",
        machine=target.arch.name,
    )


def _pin(wheel: Path) -> tuple[NormalizedName, Version]:
    name, version, _, _ = parse_wheel_filename(wheel.name)
    return name, version


def _suite(target: Target) -> _Suite | None:
    """The suite that has the target's Python, where its programs would be emulated."""
    if target.arch.name == platform.machine():
        return None
    for image in catalog.images():
        if isinstance(image.source, Debian) and image.interpreter(target.python):
            return _Suite(name=image.source.suite, glibc=image.glibc, python=target.python)
    return None
