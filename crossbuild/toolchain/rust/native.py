"""Native Rust for an emulated build: the user's or Debian's, with the target's library.

rustc, cargo and what they link with are programs of the host that run inside the target's
container: they bring their C library along. Crates are got on the host, before the build, by
cargo itself: it reads the user's configuration and checks every hash of ``Cargo.lock``.
"""

from __future__ import annotations

import dataclasses
import platform as host
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from crossbuild import process
from crossbuild.disk import hash_of
from crossbuild.engine.base import Tree
from crossbuild.engine.images import debian
from crossbuild.engine.images.apt import host_archive
from crossbuild.errors import HostError
from crossbuild.platforms import dotted
from crossbuild.report import Message, Reporter, waiting
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.fronts.front import compile_front
from crossbuild.toolchain.rust import crates, own
from crossbuild.toolchain.rust.own import Installed
from crossbuild.toolchain.zig import MOUNT as C_MOUNT
from crossbuild.toolchain.zig import Toolchain
from crossbuild.wheels.patching import patchelf

MOUNT = "/opt/crossbuild/rust"
"""Where Rust is inside a session."""

OWN = "/opt/crossbuild/rust-own"
"""Where the user's Rust is inside a session, if it is that which builds."""

CRATES = "/opt/crossbuild/crates"
"""Where the crates of a build are inside a session: its CARGO_HOME."""

_SCHEMA = 2
"""Raise it when the same packages would be finished differently."""

_SUITE = "trixie"
_HOST = "x86_64-unknown-linux-gnu"
_TRIPLES = {"aarch64": "aarch64-unknown-linux-gnu"}
_LIBRARIES = "usr/lib/x86_64-linux-gnu"
_LOADER = f"{_LIBRARIES}/ld-linux-x86-64.so.2"
_PROGRAMS = (
    *("usr/bin/cargo", "usr/bin/rustc", "usr/bin/x86_64-linux-gnu-gcc-[0-9]*"),
    *("usr/bin/x86_64-linux-gnu-ld.bfd", "usr/bin/x86_64-linux-gnu-as"),
    *("usr/libexec/gcc/x86_64-linux-gnu/*/collect2", "usr/libexec/gcc/x86_64-linux-gnu/*/cc1"),
)
_USELESS = ("var", "tmp", "usr/share", "usr/sbin")
_TIMEOUT = 900.0
"""Seconds that getting the crates may take."""

_CONFIGURATION = f"""\
[source.crates-io]
replace-with = "crossbuild"
[source.crossbuild]
directory = "{CRATES}/vendor"
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Chosen:
    """The Rust of a build: where what is in a session, rustc's first; cargo on this host."""

    trees: Mapping[str, Tree]
    cargo: tuple[str, ...]
    said: str

    @property
    def key(self) -> str:
        return " ".join(tree.key for tree in self.trees.values())


@dataclass(frozen=True, kw_only=True, slots=True)
class Rust:
    """Gives builds Rust. ``environment`` is the user's: cargo reads its settings on the host."""

    store: Store
    target: Target
    reporter: Reporter
    mirror: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def join(
        self,
        toolchain: Toolchain,
        label: str,
        source: Path,
        *,
        library: str,
        python: tuple[int, int],
    ) -> Toolchain:
        """The toolchain with Rust and the crates of an unpacked sdist; slow the first time.

        ``library`` is the interpreter's standard library in the image. Raises BuildError (no
        usable Cargo.lock), HostError, IntegrityError, NetworkError, StorageError.
        """
        chosen = self._chosen()
        got = self._crates(chosen, label, source)
        self.reporter.emit(Message(text=f"{label}: built with {chosen.said}"))
        triple = _TRIPLES[self.target.arch.name]
        settings = variables(triple, library=library, python=dotted(python))
        programs = (f"{mount}/bin" for mount in chosen.trees)
        return dataclasses.replace(
            toolchain,
            key=f"{toolchain.key} {chosen.key} {got.key}",
            trees=MappingProxyType({**toolchain.trees, **chosen.trees, CRATES: got}),
            path_prefix=":".join([toolchain.path_prefix, *programs]),
            environment=MappingProxyType({**toolchain.environment, **settings}),
        )

    def key(self) -> str:
        """What stands for the compilers and libraries of Rust. Raises what ``tree`` raises."""
        return self._chosen().key

    def _chosen(self) -> _Chosen:
        """The user's Rust where it has the target's library, beside Debian's; else Debian's."""
        arch, debians = self.target.arch, self.tree()
        triple, release = _TRIPLES[arch.name], version(debians.path)
        installed = own.find(self.environment, _HOST, triple)
        if installed is not None and installed.complete:
            cargo: tuple[str, ...] = (str(installed.sysroot / "bin" / "cargo"),)
            trees = {OWN: self._copied(installed, triple), MOUNT: debians}
            return _Chosen(trees=trees, cargo=cargo, said=f"your Rust {installed.release}")
        loader = (str(debians.path / _LOADER), "--library-path", str(debians.path / _LIBRARIES))
        cargo = (*loader, str(debians.path / "usr/bin/cargo"))
        missing = installed and (
            f", as yours ({installed.release}) has no library for {arch}: "
            f"`rustup target add {triple}` gets it"
        )
        said = f"Debian's Rust {release}{missing or ''}"
        return _Chosen(trees={MOUNT: debians}, cargo=cargo, said=said)

    def _copied(self, installed: Installed, triple: str) -> Tree:
        key, what = f"rust-own-{_SCHEMA}-{installed.key}", f"copying your Rust {installed.release}"

        def fill(directory: Path) -> None:
            with waiting(self.reporter, what):
                own.copy(installed, directory, (_HOST, triple), f"{MOUNT}/{_LIBRARIES}")

        return Tree(key=key, path=self.store.make_tree(key, fill, what=what))

    def tree(self) -> Tree:
        """Debian's Rust, from the store or unpacked now (some 40 s).

        Its key stands for the exact version of every package. Raises HostError, NetworkError,
        IntegrityError, StorageError.
        """
        arch = self.target.arch
        what = f"unpacking Rust of Debian {_SUITE} for {arch}"

        def fill(root: Path) -> None:
            with waiting(self.reporter, what):
                debian.programs(
                    _SUITE, ("rustc", "cargo", f"libstd-rust-dev:{arch.debian}"),
                    ("amd64", arch.debian), root,
                    archive=host_archive(self.mirror), environment=self.environment,
                )  # fmt: skip
                _finish(root, Zig.find())

        path = self.store.make_tree(f"rust-{_SUITE}-{arch}-{_SCHEMA}", fill, what=what)
        return Tree(key=f"rust-{_SCHEMA}-{arch}-{debian.content_key(path)}", path=path)

    def _crates(self, chosen: _Chosen, label: str, source: Path) -> Tree:
        """The crates of an sdist; none where it has them itself."""
        if crates.brings_crates(source):
            key = "crates-none"
            return Tree(key=key, path=self.store.make_tree(key, lambda _: None))
        lock = crates.lock_of(source, label)
        crates.check(lock, label)
        key = f"crates-{hash_of(lock)}"
        what = f"getting the crates of {label}"

        def fill(directory: Path) -> None:
            with waiting(self.reporter, what):
                self._vendor(chosen.cargo, lock, directory, label)
            (directory / "config.toml").write_text(_CONFIGURATION, encoding="ascii")

        path = self.store.make_tree(key, fill, what=what)
        return Tree(key=key, path=path, lasting=False)

    def _vendor(self, cargo: tuple[str, ...], lock: Path, directory: Path, label: str) -> None:
        # Away from the sdist: cargo reads the configuration of the directory it is run in,
        # which can name programs to run.
        argv = [
            *(*cargo, "vendor", "--locked", "--versioned-dirs"),
            *("--manifest-path", str(lock.with_name("Cargo.toml")), str(directory / "vendor")),
        ]
        try:
            process.run(argv, env=self.environment, cwd=directory, timeout=_TIMEOUT)
        except process.ProcessError as error:
            raise crates.diagnosed(error.output, label) from error


def version(root: Path) -> str:
    """The version of the rustc in a tree, as upstream counts (``1.85.1``)."""
    return debian.version(root, "rustc").partition("+")[0]


def available(target: Target) -> bool:
    """Whether Rust can be had for builds: hosts and targets that its packages are known for."""
    return host.machine() == "x86_64" and target.arch.name in _TRIPLES


def variables(triple: str, *, library: str, python: str) -> dict[str, str]:
    """What cargo, maturin, setuptools-rust, PyO3 and the crate cc read, for a target."""
    name, host_name = triple.replace("-", "_"), _HOST.replace("-", "_")
    return {
        "CARGO_HOME": CRATES,
        "CARGO_NET_OFFLINE": "true",
        "CARGO_BUILD_TARGET": triple,
        f"CARGO_TARGET_{name.upper()}_LINKER": f"{C_MOUNT}/bin/cc",
        f"CARGO_TARGET_{host_name.upper()}_LINKER": f"{MOUNT}/bin/host-cc",
        f"CC_{name}": f"{C_MOUNT}/bin/cc",
        f"CXX_{name}": f"{C_MOUNT}/bin/c++",
        f"AR_{name}": f"{C_MOUNT}/bin/ar",
        f"CC_{host_name}": f"{MOUNT}/bin/host-cc",
        "PKG_CONFIG_ALLOW_CROSS": "1",
        "PYO3_CROSS_LIB_DIR": library,
        "PYO3_CROSS_PYTHON_VERSION": python,
    }


def _finish(root: Path, zig: Zig) -> None:
    """Let the programs find the loader and libraries where the tree will be mounted."""
    for name in _USELESS:
        shutil.rmtree(root / name, ignore_errors=True)
    programs = [path for pattern in _PROGRAMS for path in root.glob(pattern)]
    if not (root / "usr/bin/rustc").is_file() or len(programs) < len(_PROGRAMS):
        raise HostError(f"the packages of Rust of Debian {_SUITE} are not as they were")
    # LLVM's has a search path of its own, which would hide that of the programs (ld.so(8)).
    llvm = [path for path in (root / "usr/lib").rglob("libLLVM*.so*") if not path.is_symlink()]
    rpath = ("--force-rpath", "--set-rpath", f"{MOUNT}/{_LIBRARIES}")
    for path in (*programs, *llvm):
        process.run([str(patchelf()), *rpath, str(path)])
    for path in programs:
        process.run([str(patchelf()), "--set-interpreter", f"{MOUNT}/{_LOADER}", str(path)])
    (root / "bin").unlink()
    (root / "bin").mkdir()
    for name in ("cargo", "rustc"):
        (root / "bin" / name).symlink_to(f"../usr/bin/{name}")
    _host_cc(root, zig)


def _host_cc(root: Path, zig: Zig) -> None:
    work = root / "work"
    work.mkdir()
    texts = {"ROOT": MOUNT, "LIBRARIES": f"{MOUNT}/{_LIBRARIES}", "LOADER": f"{MOUNT}/{_LOADER}"}
    made = work / "host-cc"
    compile_front(zig, Path(__file__).with_name("hostcc.c"), made, texts)
    made.rename(root / "bin" / "host-cc")
    shutil.rmtree(work)
