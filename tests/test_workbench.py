"""Which image builds, and what is said where none can be had."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from crossbuild import catalog
from crossbuild.catalog import Image
from crossbuild.engine.base import Limits
from crossbuild.errors import HostError, NetworkError
from crossbuild.model import Builder
from crossbuild.report import Message
from crossbuild.target import Target
from crossbuild.workbench import Workbench
from tests.test_backend import Recorder


def bench(
    platform: str, python: str, obtainable: Callable[[Image], bool] = catalog.from_packages
) -> Workbench:
    services: Any = SimpleNamespace(obtainable=obtainable, builder=Builder.LADDER, store=None)
    return Workbench(services, Target.parse(platform, python), Limits())


def test_packages_come_before_a_registry() -> None:
    found = bench("manylinux2014_aarch64", "3.11", lambda _: True).image()
    assert found.name == "bookworm-aarch64"


def test_a_registry_has_what_packages_have_not() -> None:
    found = bench("manylinux2014_aarch64", "3.12", lambda _: True).image()
    assert found.name == "manylinux2014-aarch64"


@pytest.mark.parametrize(
    ("platform", "python", "remedy"),
    [
        ("manylinux2014_aarch64", "3.12", "manylinux2014-aarch64 has it: name a registry"),
        ("manylinux2014_aarch64", "3.7", "or Python 3.9, 3.11 or 3.13."),
        ("manylinux2014_s390x", "3.11", "wheels (--only-binary :all:)."),
    ],
)
def test_where_no_image_can_be_had_it_says_what_helps(
    platform: str, python: str, remedy: str
) -> None:
    with pytest.raises(HostError, match=f"no image has CPython {python}") as caught:
        bench(platform, python).image()
    assert remedy in caught.value.remedy


def test_what_would_have_an_older_c_library_is_named_only_where_it_cannot_be_had() -> None:
    here = bench("manylinux2014_aarch64", "3.11")
    elsewhere = here.older_elsewhere()
    assert elsewhere
    assert elsewhere.name == "manylinux2014-aarch64"
    assert bench("manylinux2014_aarch64", "3.11", lambda _: True).older_elsewhere() is None
    assert bench("manylinux2014_aarch64", "3.12", lambda _: True).older_elsewhere() is None


def test_an_older_image_that_cannot_be_had_now_is_passed_over(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = bench("manylinux2014_aarch64", "3.9", lambda _: True)
    recorder = Recorder()
    here._services.reporter = recorder  # type: ignore[misc]
    monkeypatch.setattr("crossbuild.toolchain.zig.prepare", lambda *_: None)
    oldest, *others = [image.name for image in here._older_images()]

    def opened(toolchain: object, *, image: Image) -> str:
        if image.name == oldest:
            raise NetworkError("nobody answers")
        return image.name

    monkeypatch.setattr(here, "_open", opened)
    assert list(map(str, here.older())) == others
    assert others
    (said,) = [event.text for event in recorder.events if isinstance(event, Message)]
    assert said == f"{oldest}, whose C library is older, cannot be had: nobody answers"
