"""Whether a set of wheels is a whole, by the target's markers and extras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from packaging.requirements import Requirement

from crossbuild import pipeline, verify
from crossbuild.errors import UsageError, VerificationError
from crossbuild.target import Target
from crossbuild.wheels import wheel
from crossbuild.wheels.findings import FindingKind
from crossbuild.wheels.wheel import WheelContents
from tests import wheels
from tests.elves import shared_object

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
TAG = "cp311-cp311-manylinux2014_aarch64"


class House:
    """A directory of wheels that grows."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.wheels: list[WheelContents] = []

    def add(
        self,
        name: str,
        *requires: str,
        version: str = "1.0",
        tag: str = "py3-none-any",
        files: Mapping[str, str | bytes] | None = None,
    ) -> None:
        path = wheels.wheel(
            self._directory, name, version, requires=requires, tag=tag, files=files
        )
        self.wheels.append(wheel.read(path))

    def said(self, *wanted: str) -> list[str]:
        requirements = [Requirement(text) for text in wanted]
        return [str(finding) for finding in verify.closure(self.wheels, requirements, TARGET)]


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def test_what_only_a_built_wheel_says_is_named_with_a_way_out(house: House) -> None:
    """Pygobject 3.42.2 wants pycairo, without which its sdist cannot be asked."""
    house.add("pygobject", "pycairo>=1.16")
    request: Any = SimpleNamespace(
        target=TARGET, wanted=SimpleNamespace(requirements=(Requirement("pygobject"),))
    )
    with pytest.raises(VerificationError, match=r"pycairo>=1\.16, which pygobject 1\.0") as told:
        pipeline._check_closure(request, house.wheels)
    assert "one more requirement" in told.value.remedy


def test_a_whole(house: House) -> None:
    house.add("top", "middle>=1", "only-on-windows; sys_platform == 'win32'")
    house.add("middle", "bottom[fast]", "top")
    house.add("bottom", "speed; extra == 'fast'", "tests; extra == 'test'")
    house.add("speed")
    assert house.said("Top") == []


def test_what_is_missing_is_named_with_who_requires_it(house: House) -> None:
    house.add("top", "gone>=2; python_version > '3'")
    assert house.said("top", "lost[fast]") == [
        "lost[fast], which was asked for, is not in the wheelhouse",
        "gone>=2, which top 1.0 requires, is not in the wheelhouse",
    ]


def test_a_version_that_does_not_do(house: House) -> None:
    house.add("top", "other>=2")
    house.add("other")
    assert house.said("top") == [
        "other-1.0-py3-none-any.whl: other 1.0 is not the other>=2 that top 1.0 requires"
    ]


def test_pre_releases_and_addresses_do(house: House) -> None:
    house.add("top", "other>=2.0rc1", "third @ https://index.example/third-2.0-py3-none-any.whl")
    house.add("other", version="2.0rc1")
    house.add("third", version="2.0")
    assert house.said("top") == []


def test_extras_that_come_late(house: House) -> None:
    house.add("one", "both")
    house.add("two", "both[fast]")
    house.add("both", "speed; extra == 'fast'")
    assert house.said("one", "two") == ["speed, which both 1.0 requires, is not in the wheelhouse"]


def test_what_is_left_over(house: House) -> None:
    house.add("top")
    house.add("spare")
    assert house.said("top") == ["spare-1.0-py3-none-any.whl: nothing requires spare"]
    assert verify.closure(house.wheels, None, TARGET) == ()


def test_two_versions_of_one(house: House) -> None:
    house.add("top")
    house.add("top", version="2.0")
    found = verify.closure(house.wheels, [Requirement("top")], TARGET)
    assert [finding.kind for finding in found] == [FindingKind.LEFT_OVER] * 2
    assert {finding.text for finding in found} == {"top is there 2 times"}


def test_a_root_that_the_target_does_not_need(house: House) -> None:
    house.add("top")
    assert house.said("top", "other; sys_platform == 'win32'") == []


def test_a_marker_that_asks_for_the_kernel(house: House) -> None:
    house.add("top", "other; platform_release >= '5'")
    with pytest.raises(UsageError, match="the requirement other"):
        house.said("top")


@pytest.mark.parametrize(("brought", "sound"), [(["torch/lib/libtorch.so"], True), ([], False)])
def test_a_library_of_another_wheel(house: House, brought: Sequence[str], sound: bool) -> None:
    code = shared_object(needed=["libtorch.so", "libc.so.6"])
    house.add("torchvision", "torch", tag=TAG, files={"torchvision/_C.so": code})
    files: dict[str, str | bytes] = {"torch/__init__.py": ""}
    files.update({name: shared_object(needed=["libc.so.6"]) for name in brought})
    house.add("torch", tag=TAG, files=files)
    assert verify.findings(house.wheels[0].path, TARGET) == ()
    found = verify.closure(house.wheels, [Requirement("torchvision")], TARGET)
    assert found == verify.borrowed(house.wheels, TARGET)
    expected = [] if sound else [(house.wheels[0].filename, FindingKind.LIBRARY, True)]
    assert [(item.file, item.kind, item.fatal) for item in found] == expected
    assert sound or found[0].text == (
        "torchvision/_C.so needs libtorch.so, which is not in any of the wheels and not "
        "promised by manylinux2014_aarch64"
    )


def test_a_library_in_a_directory_of_another_wheel(house: House) -> None:
    code = shared_object(needed=["libshiboken6.so.6"], runpath="$ORIGIN/../shiboken6")
    house.add("pyside6", tag=TAG, files={"PySide6/QtCore.so": code})
    assert verify.findings(house.wheels[0].path, TARGET) == ()
    (finding,) = verify.borrowed(house.wheels, TARGET)
    assert "needs libshiboken6.so.6, which is not in any of the wheels" in finding.text
    library = shared_object(needed=["libc.so.6"])
    house.add("shiboken6", tag=TAG, files={"shiboken6/libshiboken6.so.6": library})
    assert verify.borrowed(house.wheels, TARGET) == ()


def test_an_optional_library_makes_no_hole(house: House) -> None:
    files = {
        "numba/_core.so": shared_object(needed=["libc.so.6"]),
        "numba/omppool.so": shared_object(needed=["libgomp.so.1.0.0"]),
    }
    house.add("numba", "numpy; sys_platform == 'win32'", tag=TAG, files=files)
    assert house.said("numba") == []
    assert [finding.fatal for finding in verify.borrowed(house.wheels, TARGET)] == [False]


def test_optional_is_what_other_modules_do_without(house: House) -> None:
    files = {
        "PyQt6/QtCore.so": shared_object(needed=["libQt6Core.so.6"]),
        "PyQt6/QtGui.so": shared_object(needed=["libQt6Core.so.6", "libxkbcommon.so.0"]),
    }
    house.add("pyqt6", "pyqt6-qt6", tag=TAG, files=files)
    first, second = verify.borrowed(house.wheels, TARGET)
    assert (first.fatal, second.fatal) == (True, True)
    assert first.text.startswith("PyQt6/QtCore.so and 1 more file need libQt6Core.so.6, which")
    assert second.text.startswith("PyQt6/QtGui.so needs libxkbcommon.so.0, which")
    library = shared_object(needed=["libc.so.6"])
    house.add("pyqt6-qt6", tag=TAG, files={"PyQt6/Qt6/lib/libQt6Core.so.6": library})
    (finding,) = verify.borrowed(house.wheels, TARGET)
    assert not finding.fatal
    assert "QtGui.so needs libxkbcommon.so.0" in finding.text


def test_its_own_directory_is_no_other_wheels(house: House) -> None:
    code = shared_object(needed=["libown.so.1"], runpath="$ORIGIN/../own.libs:/opt/lib")
    house.add("own", tag=TAG, files={"own/_code.so": code, "own.libs/readme.txt": ""})
    (finding,) = verify.findings(house.wheels[0].path, TARGET)
    assert "needs libown.so.1, which is not in the wheel" in finding.text


def test_a_target_that_promises_nothing_lacks_nothing(house: House) -> None:
    code = shared_object(needed=["libtorch.so"])
    house.add("own", "torch", tag="cp311-cp311-linux_aarch64", files={"own.so": code})
    assert verify.borrowed(house.wheels, Target.parse("linux_aarch64", "3.11")) == ()
