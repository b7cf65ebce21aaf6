"""A Rust of the user's: what is found, and that its copy compiles in a container of the target."""

from __future__ import annotations

import dataclasses
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from crossbuild.errors import StorageError
from crossbuild.report import Silent
from crossbuild.store import Store
from crossbuild.toolchain.rust import own
from crossbuild.toolchain.rust.native import Rust
from crossbuild.wheels import elf
from crossbuild.wheels.patching import patchelf
from tests.toolchain.conftest import TARGET, Box

HOST, TRIPLE = "x86_64-unknown-linux-gnu", "aarch64-unknown-linux-gnu"
ABOUT = f"rustc 1.95.0 (5980 2026-04-14)\nhost: {HOST}\nrelease: 1.95.0\n"


def toolchain(directory: Path, *, about: str = ABOUT, sysroot: str | None = None) -> Path:
    """The layout of a toolchain, with a rustc that says what it is asked."""
    files = [
        *("bin/cargo", "lib/librustc_driver-0a.so", "lib/libLLVM.so.22", "share/doc/x"),
        *(f"lib/rustlib/{triple}/lib/libstd-0b.rlib" for triple in (HOST, TRIPLE)),
        *(f"lib/rustlib/{HOST}/bin/gcc-ld/ld.lld", "lib/rustlib/wasm32-wasip1/lib/libstd-1.rlib"),
    ]
    for name in files:
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(name)
    rustc = directory / "bin" / "rustc"
    rustc.write_text(
        f'#!/bin/sh\n[ "$RUSTUP_AUTO_INSTALL" = 0 ] || exit 1\n'
        f'case $1 in -vV) printf "{about}";; *) echo {sysroot or directory};; esac\n'
    )
    rustc.chmod(0o755)
    return directory


def found(directory: Path) -> own.Installed | None:
    return own.find({"PATH": f"{directory}/bin:/usr/bin:/bin"}, HOST, TRIPLE)


def test_a_toolchain_with_the_targets_library_is_found(tmp_path: Path) -> None:
    installed = found(toolchain(tmp_path / "own"))
    assert installed is not None
    assert (installed.sysroot, installed.release) == (tmp_path / "own", "1.95.0")
    assert installed.complete


def test_one_without_it_is_found_and_known_as_such(tmp_path: Path) -> None:
    directory = toolchain(tmp_path / "own")
    shutil.rmtree(directory / "lib/rustlib" / TRIPLE)
    installed = found(directory)
    assert installed is not None
    assert not installed.complete


def test_the_key_changes_with_compiler_and_libraries(tmp_path: Path) -> None:
    first = found(toolchain(tmp_path / "a"))
    assert first is not None
    later = found(toolchain(tmp_path / "b", about=ABOUT.replace("5980", "5981")))
    same = found(toolchain(tmp_path / "c"))
    (tmp_path / "d").mkdir()
    other = toolchain(tmp_path / "d")
    (other / "lib/rustlib" / TRIPLE / "lib/libstd-0b.rlib").rename(
        other / "lib/rustlib" / TRIPLE / "lib/libstd-0c.rlib"
    )
    rebuilt = found(other)
    assert same is not None
    assert later is not None
    assert rebuilt is not None
    assert same.key == first.key
    assert len({first.key, later.key, rebuilt.key}) == 3


@pytest.mark.parametrize(
    ("about", "sysroot"),
    [
        (ABOUT.replace(HOST, "aarch64-unknown-linux-gnu"), None),
        (ABOUT.replace("release: ", ""), None),
        (ABOUT, "/usr"),
        (ABOUT, "/nonexistent"),
    ],
    ids=["of another host", "says nothing", "of a distribution", "is not there"],
)
def test_others_are_not_taken(about: str, sysroot: str | None, tmp_path: Path) -> None:
    assert found(toolchain(tmp_path / "own", about=about, sysroot=sysroot)) is None


def test_no_rustc_and_one_that_fails_are_none(tmp_path: Path) -> None:
    assert own.find({"PATH": str(tmp_path)}, HOST, TRIPLE) is None
    directory = toolchain(tmp_path / "own")
    (directory / "bin/rustc").write_text("#!/bin/sh\nexit 1\n")
    assert found(directory) is None


def test_only_what_a_build_needs_is_copied(tmp_path: Path) -> None:
    installed = found(toolchain(tmp_path / "own"))
    assert installed is not None
    own.copy(installed, tmp_path / "copy", (HOST, TRIPLE), "/beside")
    copied = {str(path.relative_to(tmp_path / "copy")) for path in (tmp_path / "copy").rglob("*")}
    assert {"bin/rustc", "bin/cargo", "lib/libLLVM.so.22"} <= copied
    assert f"lib/rustlib/{HOST}/bin/gcc-ld/ld.lld" in copied
    assert not {name for name in copied if "wasm32" in name or name.startswith("share")}


def test_a_toolchain_that_cannot_be_read_is_an_error_with_its_name(tmp_path: Path) -> None:
    gone = own.Installed(sysroot=tmp_path / "gone", release="1", key="k", complete=True)
    with pytest.raises(StorageError, match="copy"):
        own.copy(gone, tmp_path / "copy", (HOST, TRIPLE), "/beside")


# What follows makes a toolchain like rustup's out of Debian's, and builds with it.

CRATE = {
    "Cargo.toml": '[package]\nname = "demo"\nversion = "1.0.0"\nbuild = "build.rs"\n',
    "Cargo.lock": 'version = 3\n\n[[package]]\nname = "demo"\nversion = "1.0.0"\n',
    "build.rs": 'fn main() { println!("cargo:rustc-env=MADE_BY={}", std::env::consts::ARCH); }\n',
    "src/main.rs": 'fn main() { print!("{} by {}", std::env::consts::ARCH, env!("MADE_BY")); }',
}
BUILD = f"""
import os, pathlib, shutil, subprocess
for name, text in {CRATE!r}.items():
    path = pathlib.Path("/work/demo", name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
os.chdir("/work/demo")
print(os.path.dirname(shutil.which("rustc")))
subprocess.run(["cargo", "build", "--quiet", "--release", "--offline"], check=True)
made = "/work/demo/target/{TRIPLE}/release/demo"
print(subprocess.run([made], check=True, capture_output=True, text=True).stdout, end="")
"""


def rustups(debians: Path, directory: Path) -> Path:
    """Debian's Rust in the layout of rustup's, to be run on this host."""
    libraries = debians / "usr/lib/x86_64-linux-gnu"
    wanted = [*libraries.glob("librustc_driver-*.so"), *libraries.glob("libLLVM.so.*")]
    (directory / "lib").mkdir(parents=True)
    (directory / "bin").mkdir()
    shutil.copytree(debians / "usr/lib/rustlib", directory / "lib/rustlib")
    for path in wanted:
        shutil.copy(path, directory / "lib")
    loader = ("--set-interpreter", str(libraries / "ld-linux-x86-64.so.2"))
    rpath = ("--force-rpath", "--set-rpath", f"$ORIGIN/../lib:{libraries}")
    for name in ("rustc", "cargo"):
        shutil.copy(debians / "usr/bin" / name, directory / "bin")
        argv = [str(patchelf()), *rpath, *loader, str(directory / "bin" / name)]
        subprocess.run(argv, check=True)
    for path in (directory / "lib").glob("libLLVM*"):
        subprocess.run([str(patchelf()), *rpath, str(path)], check=True)
    return directory


@pytest.mark.emulation
@pytest.mark.network
def test_it_builds_for_the_target_and_its_build_scripts_run(
    box: Box, shared_store: Store, tmp_path: Path
) -> None:
    def rust(environment: Mapping[str, str]) -> Rust:
        return Rust(store=shared_store, target=TARGET, reporter=Silent(), environment=environment)

    environment = {**os.environ, "PATH": "/usr/bin:/bin"}
    debians = rust(environment)
    mine = rustups(debians.tree().path, tmp_path / "mine")
    users = rust({**environment, "PATH": f"{mine}/bin:/usr/bin:/bin"})
    assert users.key() != debians.key()
    source, script, made = tmp_path / "source", tmp_path / "script.py", tmp_path / "demo"
    for name, text in CRATE.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text)
    script.write_text(BUILD)
    joined = users.join(
        box.toolchain, "demo 1.0.0", source, library="/usr/lib/python3.11", python=(3, 11)
    )
    collected = (f"/work/demo/target/{TRIPLE}/release/demo", made)
    said = dataclasses.replace(box, toolchain=joined).run(script, collected)
    assert said.splitlines() == ["/opt/crossbuild/rust-own/bin", "aarch64 by x86_64"]
    with made.open("rb") as stream:
        assert elf.read(stream, "demo").machine == "EM_AARCH64"
