from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild import build
from crossbuild.building.backend import uses_rust
from crossbuild.building.calling import HookError
from crossbuild.errors import BuildError, CrossbuildError, IntegrityError, NetworkError
from crossbuild.ladder import Climb, Rung
from crossbuild.model import BuildSystem
from crossbuild.report import Silent
from crossbuild.store import Store
from crossbuild.toolchain.rust import crates, native
from crossbuild.toolchain.rust.native import Rust, variables
from crossbuild.toolchain.zig import Toolchain
from tests.test_backend import TARGET, toolchain
from tests.test_build import FAILED, step
from tests.test_mending import Bench

REGISTRY = "registry+https://registry.example/crates.io-index"


def locked(tmp_path: Path, text: str) -> Path:
    lock = tmp_path / "Cargo.lock"
    lock.write_text(text, encoding="utf-8")
    return lock


def package(source: str, *, checksum: bool = True) -> str:
    line = 'checksum = "00"\n' if checksum else ""
    origin = f'source = "{source}"\n' if source else ""
    return f'[[package]]\nname = "a"\nversion = "1.0.0"\n{origin}{line}'


def test_crates_of_the_registry_with_hashes_and_the_sdists_own_are_taken(tmp_path: Path) -> None:
    own = package("", checksum=False)
    crates.check(locked(tmp_path, own + package(REGISTRY)), "x 1")
    first = '[metadata]\n"checksum a 1.0.0 (registry)" = "00"\n'
    crates.check(locked(tmp_path, package(REGISTRY, checksum=False) + first), "x 1")


@pytest.mark.parametrize(
    ("text", "error", "said"),
    [
        (package(REGISTRY, checksum=False), IntegrityError, "no hash for the crate a 1.0.0"),
        (package("git+https://h.example/a#1"), BuildError, "wants the crate a 1.0.0 from git"),
        (package("registry+https://h.example/own"), BuildError, "not from the default registry"),
        ("[[package", IntegrityError, "cannot be read"),
        ("[[package]]\nname = 'a'\n", IntegrityError, "cannot be read: KeyError"),
        ("[[package]]\nname = 'a'\nversion = '1'\nsource = 3\n", IntegrityError, "be read"),
        ("package = 3\n", IntegrityError, "cannot be read: TypeError"),
        (
            f'# "checksum a 1.0.0 (registry)"\n{package(REGISTRY, checksum=False)}',
            IntegrityError,
            "no hash for the crate a 1.0.0",
        ),
    ],
)
def test_other_crates_are_refused(
    text: str, error: type[CrossbuildError], said: str, tmp_path: Path
) -> None:
    with pytest.raises(error, match=said):
        crates.check(locked(tmp_path, text), "x 1")


def test_the_topmost_lock_beside_a_manifest_counts(tmp_path: Path) -> None:
    for name in ("a/b", "src/_x", "z"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "Cargo.lock").touch()
    (tmp_path / "src/_x/Cargo.toml").touch()
    assert crates.lock_of(tmp_path, "x 1") == tmp_path / "src/_x/Cargo.lock"
    (tmp_path / "src/_x/Cargo.toml").unlink()
    with pytest.raises(
        BuildError, match=r"x 1 is written in Rust and its sdist has no Cargo\.lock"
    ):
        crates.lock_of(tmp_path, "x 1")


def test_an_sdist_may_bring_its_crates(tmp_path: Path) -> None:
    assert not crates.brings_crates(tmp_path)
    (tmp_path / ".cargo").mkdir()
    (tmp_path / ".cargo/config.toml").write_text("[build]\n", encoding="ascii")
    assert not crates.brings_crates(tmp_path)
    (tmp_path / ".cargo/config.toml").write_text("[source.crates-io]\n", encoding="ascii")
    assert crates.brings_crates(tmp_path)


@pytest.mark.parametrize(
    ("output", "error"),
    [
        ("error: failed to verify the checksum of `a v1`", IntegrityError),
        ("error: failed to download from h.example\nCould not resolve host", NetworkError),
        ("no end after 900 s", NetworkError),
        ("error: failed to parse manifest", BuildError),
        ("", BuildError),
    ],
)
def test_what_cargo_says_becomes_an_error(output: str, error: type[CrossbuildError]) -> None:
    assert type(crates.diagnosed(output, "x 1")) is error


def test_both_processors_have_their_linkers() -> None:
    found = variables("aarch64-unknown-linux-gnu", library="/usr/lib/python3.11", python="3.11")
    own = found["CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER"]
    host = found["CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_LINKER"]
    assert own == "/opt/crossbuild/toolchain/bin/cc"
    assert host == "/opt/crossbuild/rust/bin/host-cc"
    assert found["CARGO_BUILD_TARGET"] == "aarch64-unknown-linux-gnu"
    assert found["CC_aarch64_unknown_linux_gnu"] == own
    assert found["PYO3_CROSS_LIB_DIR"] == "/usr/lib/python3.11"


@pytest.mark.parametrize(
    ("requires", "expected"),
    [("maturin>=1", True), ("setuptools_rust", True), ("setuptools", False)],
)
def test_build_requirements_mean_rust(requires: str, expected: bool) -> None:
    system = BuildSystem(backend="b", backend_path=(), requires=(requires,))
    assert uses_rust(system) is expected


def test_cargo_is_run_where_the_sdist_cannot_configure_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads ``.cargo`` of the directory it is run in, which can name programs, on the host."""
    source = tmp_path / "demo-1.0"
    (source / ".cargo").mkdir(parents=True)
    for name in (".cargo/config.toml", "Cargo.toml", "Cargo.lock"):
        (source / name).touch()
    cargo = tmp_path / "cargo"
    cargo.write_text(f'#!/bin/sh\npwd > "{tmp_path}/where"\necho "$@" > "{tmp_path}/asked"\n')
    cargo.chmod(0o755)
    chosen = native._Chosen(trees={}, cargo=(str(cargo),), said="a Rust")
    monkeypatch.setattr(Rust, "_chosen", lambda _: chosen)
    rust = Rust(store=Store(tmp_path / "cache"), target=TARGET, reporter=Silent())
    joined = rust.join(toolchain(tmp_path), "demo 1.0", source, library="/usr/lib", python=(3, 11))
    where = Path((tmp_path / "where").read_text().strip())
    assert where.is_relative_to(tmp_path / "cache")
    assert "--locked" in (tmp_path / "asked").read_text().split()
    crate_tree = joined.trees[native.CRATES]
    assert "[source.crates-io]" in (crate_tree.path / "config.toml").read_text()


class Joined:
    """A Rust that adds nothing."""

    def join(self, toolchain: Toolchain, *_: object, **__: object) -> Toolchain:
        return toolchain


def test_no_emulated_compiler_is_tried_for_rust(tmp_path: Path) -> None:
    """There is no Rust for it in the image."""
    bench = Bench(tmp_path)
    shop = bench.workshop()
    shop._rust = Joined()  # type: ignore[assignment]
    asked = step(bench.archive)
    asked = replace(asked, system=replace(asked.system, requires=("maturin",)))
    bench.engine.outcomes = [FAILED]
    with pytest.raises(HookError, match="no such thing"):
        build.build(
            asked, bench.archive, [], workshop=shop, output=tmp_path / "out",
            log=tmp_path / "demo.log", climb=Climb(),
        )  # fmt: skip
    assert bench.rungs == [Rung.NATIVE]
