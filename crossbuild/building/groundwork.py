"""The C libraries that a recipe has built first, for the target's floor: its groundwork.

They are cross-compiled: the shell, make and perl of a build are programs of the host's own
processor, in a root of their own, and only the compilers know the target. So what takes an hour
under emulation takes a minute. Sources are got on the host before, and held to their hashes; the
sandbox has no network. What comes out is kept in the store, and is found again by what it was
made from.

A build finds in its environment ``CC`` and its like, ``PREFIX`` (to be told to ``configure``; the
libraries it needs are there already), ``DESTDIR`` (to be told to ``make install``), ``TRIPLET``
(``aarch64-linux-gnu``) and ``ARCH`` (``aarch64``).
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from crossbuild.building import archive, diagnosis, sources
from crossbuild.building.diagnosis import Witness
from crossbuild.catalog import Debian, Image, Role
from crossbuild.disk import guarded, hash_of
from crossbuild.engine.base import WORK, Engine, ExecResult, Limits, Root, Tree
from crossbuild.engine.images import native, within
from crossbuild.errors import BuildError, HostError, IntegrityError
from crossbuild.library import DebianSource, FileSource, Library
from crossbuild.model import File, Kind
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain.zig import Toolchain

MOUNT = "/opt/crossbuild/libraries"
"""Where the libraries are in a session: their prefix, since paths get into them."""

_UNWINDER_MOUNT = "/opt/crossbuild/unwinder"
"""Where the compilers find the one library that they expect of the target's own system."""

_UNWINDER = "libgcc_s.so.1"
_SCHEMA = 1
"""Raise it when the same libraries would be built differently."""

_SUITE, _GLIBC = "bookworm", (2, 36)
_TOOLS = (
    *("bash", "bzip2", "coreutils", "dash", "diffutils", "file", "findutils", "grep"),
    *(
        "gzip",
        "libc-bin",
        "m4",
        "make",
        "mawk",
        "patch",
        "perl",
        "pkg-config",
        "sed",
        "tar",
        "xz-utils",
    ),
)
_HERE = f"{WORK}/source"
_MADE = f"{WORK}/made"
_PACKED = f"{WORK}/made.tar"

_BEFORE = """\
mkdir -p "$DESTDIR$PREFIX"
[ ! -d "$PREFIX" ] || cp -a "$PREFIX/." "$DESTDIR$PREFIX"
if [ -f debian/patches/series ]; then
  sed 's/#.*//' debian/patches/series | while read -r name options; do
    [ -z "$name" ] || patch -s -p1 -i "debian/patches/$name"
  done
fi
"""
_AFTER = f"""\
find "$DESTDIR$PREFIX" -name '*.la' -delete
rm -rf "$DESTDIR$PREFIX/share/doc" "$DESTDIR$PREFIX/share/man"
tar -C "$DESTDIR$PREFIX" -cf {_PACKED} .
"""


class Shelf(Protocol):
    """Who has the source packages of a distribution."""

    def files(self, source: DebianSource) -> Path:
        """A directory with the files of a source package, its ``.dsc`` among them.

        Raises HostError, IntegrityError, NetworkError, StorageError.
        """


@dataclass(frozen=True, kw_only=True, slots=True)
class Laid:
    """Libraries that were built: ``tree`` is for ``MOUNT``; ``labels`` say which they are."""

    tree: Tree
    labels: tuple[str, ...]

    @property
    def libraries(self) -> Path:
        """The directory on the host that the shared ones are in."""
        return self.tree.path / "lib"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Source:
    """A source on the host: its archives, and what it is called."""

    label: str
    archive: Path
    packaging: Path | None = None

    @property
    def inputs(self) -> list[str]:
        """What stands for it in a key."""
        return [hash_of(path) for path in (self.archive, self.packaging) if path is not None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Groundwork:
    """Builds libraries for one target. Safe to use from several threads.

    ``root`` is one of the target; ``download`` fetches files to the store; ``jobs`` is how many
    processes a build may run.
    """

    engine: Engine
    root: Root
    store: Store
    toolchain: Toolchain
    target: Target
    shelf: Shelf
    download: Callable[[Sequence[File]], list[Path]]
    reporter: Reporter
    limits: Limits
    jobs: int

    def lay(self, libraries: Sequence[Library]) -> Laid:
        """All of them in one tree, each built with those before it, from the store or now.

        Raises BuildError and LimitError for one that cannot be built, IntegrityError, HostError,
        NetworkError, StorageError.
        """
        laid: Laid | None = None
        for library in libraries:
            laid = self._with(laid, library)
        if laid is None:
            raise ValueError("there are no libraries")
        return laid

    def _with(self, before: Laid | None, library: Library) -> Laid:
        source = self._source(library)
        key = self._key(before, library, source)
        what = f"building {source.label} for {self.target.platform}"

        def fill(tree: Path) -> None:
            with waiting(self.reporter, what):
                self._build(before, library, source, tree)

        path = self.store.make_tree(key, fill, what=what)
        labels = (*(before.labels if before else ()), source.label)
        return Laid(tree=Tree(key=key, path=path), labels=labels)

    def _key(self, before: Laid | None, library: Library, source: _Source) -> str:
        made_from = [
            *(str(_SCHEMA), self.toolchain.key, before.tree.key if before else ""),
            *(library.build, *library.tools, "", *source.inputs),
        ]
        digest = hashlib.sha256(json.dumps(made_from).encode()).hexdigest()[:32]
        return f"libraries-{library.name}-{digest}"

    def _source(self, library: Library) -> _Source:
        source = library.source
        if isinstance(source, FileSource):
            name = source.url.rpartition("/")[2]
            file = File(filename=name, url=source.url, kind=Kind.SDIST, sha256=source.sha256)
            return _Source(label=name, archive=self.download([file])[0])
        return _packaged(self.shelf.files(source), source)

    def _build(self, before: Laid | None, library: Library, source: _Source, tree: Path) -> None:
        log = self.store.root / "logs" / f"{library.name}-{self.target.platform}.log"
        root = self.engine.prepare(_image(library.tools), Role.BUILD)
        trees = {**self.toolchain.trees, _UNWINDER_MOUNT: self._unwinder()}
        if before is not None:
            trees[MOUNT] = before.tree
        with self.store.scratch(library.name) as scratch:
            top = _unpacked(source, scratch)
            opened = self.engine.session(root, trees=trees, limits=self.limits)
            with opened as session, guarded(log.parent):
                log.parent.mkdir(parents=True, exist_ok=True)
                log.write_bytes(b"")
                session.put(top, _HERE)
                witness = Witness()
                result = session.run(
                    ["/bin/sh", "-ec", f"{_BEFORE}{library.build}\n{_AFTER}"],
                    env=self._variables(sources.epoch(top)),
                    cwd=_HERE,
                    log=log,
                    on_line=witness.hear,
                )
                if not result.ok:
                    raise _failure(source, result, witness, log)
                session.get(_PACKED, scratch / "made.tar")
            archive.extract(scratch / "made.tar", tree)

    def _unwinder(self) -> Tree:
        """The target's libgcc_s, which promises the same in every version that wheels meet."""
        key = f"unwinder-{self.root.key}"

        def fill(tree: Path) -> None:
            places = (f"/usr/lib/{self.target.arch.triplet}", "/usr/lib64", "/usr/lib")
            found = (within.found(self.root.path, f"{place}/{_UNWINDER}") for place in places)
            for path in filter(None, found):
                shutil.copyfile(path, tree / _UNWINDER)
                return
            raise HostError(
                f"the image {self.root.image.name} has no {_UNWINDER}",
                remedy="Take an image that has GCC's own library (Debian: libgcc-s1).",
            )

        return Tree(key=key, path=self.store.make_tree(key, fill))

    def _variables(self, epoch: int) -> Mapping[str, str]:
        return {
            **self.toolchain.environment,
            "CC": "cc",
            "CXX": "c++",
            "AR": "ar",
            "RANLIB": "ranlib",
            "LD": "ld",
            "PATH": f"{self.toolchain.path_prefix}:/usr/sbin:/usr/bin:/sbin:/bin",
            "PREFIX": MOUNT,
            "DESTDIR": _MADE,
            "TRIPLET": self.target.arch.triplet,
            "ARCH": self.target.arch.name,
            "CFLAGS": "-O2 -g0 -fPIC",
            "CXXFLAGS": "-O2 -g0 -fPIC",
            "CPPFLAGS": f"-I{MOUNT}/include",
            "LDFLAGS": f"-L{MOUNT}/lib -L{_UNWINDER_MOUNT}",
            "PKG_CONFIG_LIBDIR": f"{MOUNT}/lib/pkgconfig",
            "MAKEFLAGS": f"-j{self.jobs}",
            "CMAKE_BUILD_PARALLEL_LEVEL": str(self.jobs),
            "CMAKE_PREFIX_PATH": MOUNT,
            "SOURCE_DATE_EPOCH": str(epoch),
            "LC_ALL": "C.UTF-8",
            "TZ": "UTC",
        }


def variables(seen: Mapping[str, str]) -> dict[str, str]:
    """What makes a package's build find the libraries before those of the image.

    ``seen`` is what it sees besides.
    """

    def before(name: str, value: str, join: str) -> str:
        return join.join(filter(None, (value, seen.get(name))))

    return {
        "PATH": before("PATH", f"{MOUNT}/bin", ":"),
        "CPATH": before("CPATH", f"{MOUNT}/include", ":"),
        "LDFLAGS": before("LDFLAGS", f"-L{MOUNT}/lib", " "),
        "PKG_CONFIG_PATH": before("PKG_CONFIG_PATH", f"{MOUNT}/lib/pkgconfig", ":"),
        "CMAKE_PREFIX_PATH": before("CMAKE_PREFIX_PATH", MOUNT, ":"),
    }


def _image(tools: tuple[str, ...]) -> Image:
    """A root of the host's own processor with what builds of libraries call, and no library."""
    arch = native.host_arch()
    return Image(
        name=f"tools-{arch}",
        arch=arch,
        glibc=_GLIBC,
        interpreters=(),
        source=Debian(suite=_SUITE, build=(*_TOOLS, *tools), target=()),
        roles=frozenset({Role.BUILD}),
    )


def _packaged(directory: Path, source: DebianSource) -> _Source:
    """The archives of a source package of the format 3.0 (quilt) (dpkg-source(1))."""
    with guarded(directory):
        files = sorted(path for path in directory.iterdir() if path.suffix != ".asc")
    original = [path for path in files if ".orig." in path.name or ".orig-" in path.name]
    packaging = [path for path in files if ".debian.tar" in path.name]
    if len(original) != 1 or len(packaging) != 1:
        raise IntegrityError(f"the source {source} is not one archive and Debian's own part")
    version = packaging[0].name.partition(".debian.tar")[0].partition("_")[2]
    label = f"{source.package} {version}"
    return _Source(label=label, archive=original[0], packaging=packaging[0])


def _unpacked(source: _Source, scratch: Path) -> Path:
    """The top directory of a source, Debian's own part in its directory ``debian``."""
    directory = scratch / "source"
    directory.mkdir()
    archive.extract(source.archive, directory)
    found = list(directory.iterdir())
    top = found[0] if len(found) == 1 and found[0].is_dir() else directory
    if source.packaging is not None:
        own = scratch / "packaging"
        own.mkdir()
        archive.extract(source.packaging, own)
        shutil.rmtree(top / "debian", ignore_errors=True)
        (own / "debian").rename(top / "debian")
    return top


def _failure(source: _Source, result: ExecResult, witness: Witness, log: Path) -> BuildError:
    why = diagnosis.reason(None, witness, result.output)
    if result.stopped is not None:
        why = f"it passed the limit of {result.stopped.value}"
    return BuildError(
        f"{source.label} could not be built: {why}", log=log, tail=diagnosis.tail(result.output)
    )
