"""One wheelhouse in several images: what each row says, and what the whole comes to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from crossbuild import catalog, proving, smoke
from crossbuild.catalog import Image, Interpreter, Role
from crossbuild.engine.base import Root
from crossbuild.errors import HostError
from crossbuild.platforms import ARCHES
from crossbuild.proof import SmokeResult, SmokeState
from crossbuild.proving import Subject, prove_each, worst
from crossbuild.target import Target
from crossbuild.workbench import Services
from tests import wheels
from tests.elves import shared_object

TARGET = Target.parse("manylinux_2_31_aarch64", "3.9")
IMAGE = catalog.image("bullseye-aarch64")
OLDER = replace(IMAGE, name="older", glibc=(2, 28))
PASSED = SmokeResult(state=SmokeState.PASSED, image="one", glibc=(2, 31))


class Unable:
    """An engine that cannot run anything."""

    def prepare(self, image: Image, role: Role) -> Root:
        raise HostError(f"nothing of {image.name} runs here as {role.value}", remedy="Emulate.")


def services(engine: object) -> Services:
    nothing: Any = None
    return Services(
        store=nothing,
        http=nothing,
        index=nothing,
        uv=nothing,
        engine=cast("Any", engine),
        reporter=nothing,
        jobs=1,
    )


def subject(directory: Path, target: Target = TARGET) -> Subject:
    return Subject(wheelhouse=directory, target=target, modules={})


def native(directory: Path, floor: int, symbol: str) -> Path:
    """A wheel that needs a symbol of glibc."""
    module = shared_object(needed=["libc.so.6"], versions={"libc.so.6": {symbol: "thing"}})
    tag = f"cp39-cp39-manylinux_2_{floor}_aarch64"
    name = "_code.cpython-39-aarch64-linux-gnu.so"
    return wheels.wheel(directory, f"needs{floor}", "1.0", files={name: module}, tag=tag)


@pytest.mark.parametrize(
    ("image", "says"),
    [
        (replace(IMAGE, arch=ARCHES["x86_64"]), "has CPython 3.9 for x86_64"),
        (catalog.image("bookworm-aarch64"), "has CPython 3.11 for aarch64"),
        (replace(IMAGE, interpreters=()), "has no CPython, the wheels"),
    ],
)
def test_an_image_that_is_not_like_the_target_is_no_proof(
    tmp_path: Path, image: Image, says: str
) -> None:
    (row,) = prove_each(subject(tmp_path), services(Unable()), [image])
    assert row.state is SmokeState.NOT_RUN
    assert says in row.reason
    assert row.reason.endswith("the wheels are for CPython 3.9 for aarch64")
    assert (row.image, row.glibc) == (image.name, image.glibc)


def test_a_host_that_cannot_run_one_image_says_so_in_its_row(tmp_path: Path) -> None:
    rows = prove_each(subject(tmp_path), services(Unable()), [IMAGE, IMAGE])
    assert [row.state for row in rows] == [SmokeState.NOT_RUN] * 2
    assert rows[0].reason == "nothing of bullseye-aarch64 runs here as target"
    assert rows[0].remedy == "Emulate."


def test_wheels_that_need_a_newer_glibc_than_the_image_has_are_named_unrun(
    tmp_path: Path,
) -> None:
    native(tmp_path, 17, "GLIBC_2.17")
    new = native(tmp_path, 31, "GLIBC_2.30")
    lying = native(tmp_path, 28, "GLIBC_2.29")
    (row,) = prove_each(subject(tmp_path), services(Unable()), [OLDER])
    assert row.state is SmokeState.FAILED
    assert row.broken == (lying.name, new.name)
    assert f"{new.name}: its file name does not fit the target: needs glibc 2.31" in row.reason
    assert "thing@GLIBC_2.29" in row.reason
    assert (row.image, row.glibc) == ("older", (2, 28))


def test_wheels_that_need_no_more_are_tried(tmp_path: Path) -> None:
    native(tmp_path, 17, "GLIBC_2.17")
    (row,) = prove_each(subject(tmp_path), services(Unable()), [OLDER])
    assert row.state is SmokeState.NOT_RUN
    assert "runs here" in row.reason


def test_the_whole_is_as_bad_as_its_worst() -> None:
    def of(state: SmokeState) -> SmokeResult:
        return replace(PASSED, state=state, image=state.value)

    rows = [of(state) for state in SmokeState]
    assert worst(rows).image == "failed"
    assert worst([row for row in rows if row.state is not SmokeState.FAILED]).image == "not run"
    assert worst([PASSED]) is PASSED


@pytest.mark.parametrize(
    ("python", "version"), [((3, 7), "24.0"), ((3, 8), "25.0.1"), ((3, 13), "25.0.1")]
)
def test_pip_is_one_that_the_python_can_run(python: tuple[int, int], version: str) -> None:
    assert str(smoke.pip_for(python).version) == version


def test_the_interpreter_is_the_images_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Python 3.7's tag has an m, which no path made of the target's name would have."""
    found = Interpreter(tag="cp37-cp37m", version=(3, 7), path="/usr/bin/python3.7")
    image = replace(OLDER, interpreters=(found,))
    target = Target.parse("manylinux_2_28_aarch64", "3.7")
    asked: list[Interpreter] = []

    class Able(Unable):
        def prepare(self, image: Image, role: Role) -> Root:
            return Root(image=image, role=role, key="key", path=tmp_path)

    def remember(*_: object, python: Interpreter, **__: object) -> SmokeResult:
        asked.append(python)
        return PASSED

    class Nothing:
        record: Callable[..., None] = staticmethod(lambda *_: None)
        put_record: Callable[..., None] = staticmethod(lambda *_: None)

    monkeypatch.setattr(smoke, "smoke", remember)
    monkeypatch.setattr(smoke, "pip_tree", lambda *_: None)
    monkeypatch.setattr(proving, "_pip", lambda *_: None)
    (tmp_path / "SHA256SUMS").write_text("")
    able = replace(services(Able()), store=cast("Any", Nothing()))
    prove_each(subject(tmp_path, target), able, [image])
    assert [python.command for python in asked] == ["/opt/python/cp37-cp37m/bin/python"]
