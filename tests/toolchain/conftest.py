"""A launcher and a C sysroot made on the host; the whole toolchain in a sandbox."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.engine.base import Root
from crossbuild.engine.rootfs import RootfsEngine
from crossbuild.report import Silent
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain import floor, sysroot, zig
from crossbuild.toolchain import launcher as launcher_module
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.platform import Platform
from crossbuild.toolchain.sysroot import Layout
from crossbuild.toolchain.zig import Toolchain

TARGET = Target.parse("manylinux2014_aarch64", "3.11")


@dataclass(frozen=True)
class Tools:
    """A launcher laid out on the host; ``root`` is the toolchain's directory."""

    root: Path

    def words(self, name: str, *arguments: str) -> list[str]:
        """What the launcher would execute, without executing it."""
        done = self._run(name, arguments, "print")
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()

    def translated(self, *arguments: str, name: str = "gcc") -> list[str]:
        """What becomes of a compiler's arguments, without what is always added."""
        always = self.words(name)
        words = self.words(name, *arguments)
        assert words[: len(always)] == always
        return words[len(always) :]

    def listed(self, what: str) -> list[str]:
        """What the launcher says of itself: ``names`` or ``quirks``."""
        return self._run("cc", (), what).stdout.splitlines()

    def run(self, name: str, *arguments: str | Path) -> process.Completed:
        """Call a tool for real."""
        return self._run(name, [str(argument) for argument in arguments], "")

    def _run(self, name: str, arguments: Sequence[str], mode: str) -> process.Completed:
        argv = [str(self.root / "bin" / name), *arguments]
        return process.run(argv, env={"CROSSBUILD_LAUNCHER": mode}, check=False)


def _laid_out(root: Path, target: Target) -> Layout:
    layout = Layout(root=root)
    layout.work.mkdir(parents=True)
    found = Zig.find()
    launcher_module.install(found, Platform.of(target), layout, str(found.program))
    return layout


@pytest.fixture(scope="session")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The launcher for aarch64."""
    return Tools(_laid_out(tmp_path_factory.mktemp("tools") / "root", TARGET).root)


@pytest.fixture(scope="session")
def x86_tools(tmp_path_factory: pytest.TempPathFactory) -> Tools:
    """The launcher for x86_64."""
    target = Target.parse("manylinux2014_x86_64", "3.11")
    return Tools(_laid_out(tmp_path_factory.mktemp("x86") / "root", target).root)


@pytest.fixture(scope="session")
def c_tools(tmp_path_factory: pytest.TempPathFactory) -> tuple[Tools, Tools]:
    """Two toolchains for C, made in different directories by zigs with different caches."""
    one, other = (tmp_path_factory.mktemp("c") / name for name in ("one", "a-longer-name"))
    return c_toolchain(one, TARGET), c_toolchain(other, TARGET)


def c_toolchain(root: Path, target: Target) -> Tools:
    """A toolchain for C alone, usable on the host: 5 s of processor time."""
    layout = _laid_out(root, target)
    platform = Platform.of(target)
    sysroot.headers(Zig.find(), platform, layout)
    sysroot.c_library(Zig.find(), platform, layout)
    sysroot.finish(Zig.find(), platform, layout)
    if platform.floor is not None:
        floor.install(Zig.find(), layout)
    _image_unwinder(Tools(root), layout)
    return Tools(root)


def _image_unwinder(tools: Tools, layout: Layout) -> None:
    """Put something in the place of the library that links find in the image."""
    empty = layout.work / "empty.c"
    done = tools.run(
        *("gcc", "-shared", "-nostdlib", "-Wl,-soname,libgcc_s.so.1", empty),
        *("-o", layout.libraries / "libgcc_s.so.1"),
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def toolchain(shared_store: Store) -> Toolchain:
    """The whole toolchain, as builds get it."""
    return zig.prepare(shared_store, TARGET, Silent())


@dataclass(frozen=True)
class Box:
    """Runs scripts in a sandbox of the target that has the toolchain."""

    engine: RootfsEngine
    root: Root
    toolchain: Toolchain

    def run(self, script: Path, *collect: tuple[str, Path]) -> str:
        """Run a Python script under emulation; fetch files it made; give what it printed."""
        trees = dict(self.toolchain.trees)
        with self.engine.session(self.root, trees=trees) as session:
            session.put(script, "/work/script.py")
            path = f"{self.toolchain.path_prefix}:/usr/bin:/bin"
            argv = ["/opt/python/cp311-cp311/bin/python", "/work/script.py"]
            env = {**self.toolchain.environment, "PATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
            done = session.run(argv, env=env)
            assert done.returncode == 0, done.output
            for source, destination in collect:
                session.get(source, destination)
        return done.output


@pytest.fixture(scope="session")
def box(engine: RootfsEngine, build_root: Root, toolchain: Toolchain) -> Box:
    """A sandbox with the toolchain."""
    return Box(engine, build_root, toolchain)
