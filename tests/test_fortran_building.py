"""A build that lacks gfortran gets a native one; what is emulated gets the image's own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from crossbuild import build
from crossbuild.building.backend import Workshop
from crossbuild.engine.base import Root, Tree
from crossbuild.errors import NetworkError
from crossbuild.ladder import Rung
from crossbuild.model import RawWheel
from crossbuild.toolchain.fortran.native import MOUNT
from crossbuild.toolchain.zig import Toolchain
from tests.fakeengine import Outcome
from tests.test_backend import HOOK
from tests.test_build import FAILED, made, step
from tests.test_mending import Bench

LACKING = Outcome(answer=HOOK, output="ERROR: Unknown compiler(s): [['gfortran']]\n", returncode=1)


class Fortran:
    """Joins a tree that is named; ``there``: whether it can be had."""

    there = True

    def join(self, toolchain: Toolchain) -> Toolchain:
        if not self.there:
            raise NetworkError("the mirror cannot be reached")
        trees = {**toolchain.trees, MOUNT: Tree(key="fortran-1", path=Path("/"))}
        return replace(toolchain, key="tools-1 fortran-1", trees=MappingProxyType(trees))


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    bench = Bench(tmp_path)
    bench.packages = {"gfortran": "gfortran"}
    plain = bench.workshop

    def workshop(**rest: Any) -> Workshop:
        shop = plain(**rest)
        shop._fortran = Fortran()  # type: ignore[assignment]
        return shop

    monkeypatch.setattr(bench, "workshop", workshop)
    return bench


def built(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *outcomes: Outcome
) -> tuple[RawWheel, list[str]]:
    """What a build makes, and the roots of its sessions."""
    opened: list[str] = []
    session = bench.engine.session

    def noted(root: Root, **rest: Any) -> Any:
        opened.append(root.key)
        return session(root, **rest)

    monkeypatch.setattr(bench.engine, "session", noted)
    return bench.build(*outcomes), opened


def test_what_lacks_it_is_built_by_a_native_one_in_the_plain_root(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raw, roots = built(bench, monkeypatch, LACKING, made(tmp_path / "w"))
    assert [str(item) for item in raw.added] == ["gfortran (gfortran)"]
    assert raw.rung is Rung.NATIVE
    plain, native = bench.engine.asked
    assert MOUNT not in plain.trees
    assert native.trees[MOUNT].key == "fortran-1"
    assert roots == ["bookworm-aarch64-build"] * 2


def test_the_key_stands_for_it_and_the_next_build_begins_with_it(
    bench: Bench, tmp_path: Path
) -> None:
    raw = bench.build(LACKING, made(tmp_path / "w"))
    known = bench.workshop().known(bench.archive)
    assert known.added == raw.added
    keys = [build.key(step(bench.archive), [], shop) for shop in (bench.workshop(), known)]
    assert keys[0] != keys[1]
    assert known.equipped(raw.added) is known


def test_where_native_compilers_fail_the_images_own_are_added(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    raw, roots = built(bench, monkeypatch, LACKING, FAILED, made(tmp_path / "w"))
    assert raw.rung is Rung.EMULATED
    plain = "bookworm-aarch64-build"
    assert roots == [plain, plain, f"{plain}+gfortran"]
    known = bench.workshop().known(bench.archive)
    assert known.root_of(Rung.NATIVE).key == plain
    assert known.root_of(Rung.EMULATED).key == f"{plain}+gfortran"


def test_where_it_cannot_be_had_the_images_own_runs_beside_the_native_compilers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Fortran, "there", False)
    raw, roots = built(bench, monkeypatch, LACKING, made(tmp_path / "w"))
    assert raw.rung is Rung.NATIVE
    assert roots[-1] == "bookworm-aarch64-build+gfortran"
    assert bench.said[0] == (
        "gfortran will run emulated, not native: the mirror cannot be reached"
    )
