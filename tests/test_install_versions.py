"""install.py's own versions, requirements and markers say what packaging says."""

from __future__ import annotations

import itertools

import pytest
from packaging.markers import Marker, default_environment
from packaging.requirements import Requirement as Known
from packaging.specifiers import SpecifierSet
from packaging.version import Version as KnownVersion

from crossbuild.installer.requirement import Requirement
from crossbuild.installer.versions import Version, contains

pytestmark = pytest.mark.pure

VERSIONS = (
    "0.9 1.0 1.0.0 1.0.1 1.1 1.0a1 1.0b2 1.0rc1 1.0.post1 1.0-1 1.0.dev3 1.0a1.dev2 "
    "1.0.post2.dev1 1!0.5 1.0+local.1 1.0+local.2 1.0+abc v1.2 1.10 2.0 2.0.0rc1 "
    "2019.1 1.0.post1+x 1.2.3.4 "
)
SPECIFIERS = (
    ">=1.0 <=1.0 ==1.0 !=1.0 >1.0 <1.0 ~=1.0 ~=1.0.0 ==1.0.* !=1.0.* ==1.* <2.0 "
    "<2.0rc1 >1.0.post1 ===1.0 ==1.0+local.1 >=1.0,<2,!=1.1 ~=1.0a1 >=1!0 ==1!0.* "
    ">1.0a1 ~=1.2.3 "
)


def test_versions_sort_as_they_should() -> None:
    for left, right in itertools.product(VERSIONS.split(), repeat=2):
        known = KnownVersion(left), KnownVersion(right)
        mine = Version(left).key, Version(right).key
        assert (mine[0] < mine[1]) == (known[0] < known[1]), (left, right)
        assert (mine[0] == mine[1]) == (known[0] == known[1]), (left, right)


@pytest.mark.parametrize("specifier", SPECIFIERS.split())
def test_specifiers_hold_what_they_should(specifier: str) -> None:
    known = SpecifierSet(specifier)
    for version in VERSIONS.split():
        assert contains(specifier, version) == known.contains(version, prereleases=True), version


@pytest.mark.parametrize("text", ["x", "1.0.", "1..0", "", "1.0-foo"])
def test_what_is_no_version_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        Version(text)


@pytest.mark.parametrize("text", [">=x", "1.0", "=>1", ">="])
def test_what_is_no_specifier_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no version"):
        contains(text, "1.0")


MARKERS = [
    "python_version < '3.8'",
    "python_version >= '3.8' and sys_platform == 'linux'",
    "python_version in '2.7 3.9 3.11'",
    "os_name == 'nt' or (platform_machine == 'aarch64' and python_version > '3.6')",
    "extra == 'Test_It'",
    "python_full_version == '3.9.*'",
    "platform_python_implementation != 'PyPy' and implementation_name == 'cpython'",
    "platform_system not in 'Windows Darwin'",
    '"linux" in sys_platform',
    "platform_release >= '5'",
    "'3.8' <= python_version",
]


@pytest.mark.parametrize("text", MARKERS)
@pytest.mark.parametrize("python", ["3.6", "3.9", "3.11"])
@pytest.mark.parametrize("machine", ["aarch64", "x86_64"])
def test_markers_hold_where_they_should(text: str, python: str, machine: str) -> None:
    environment: dict[str, str] = {
        **default_environment(),  # type: ignore[dict-item]
        "python_version": python,
        "python_full_version": f"{python}.4",
        "platform_machine": machine,
        "platform_release": "5.15.0-91-generic",
    }
    mine = Requirement(f"x; {text}").applies(environment, "test-it")
    assert mine == Marker(text).evaluate({**environment, "extra": "test-it"})


@pytest.mark.parametrize(
    "text",
    [
        "foo",
        "Foo.Bar_baz[a,B_c]>=1,<2; python_version < '3'",
        "foo (>=1.0)",
        "foo [x] (==1.0) ; extra == 'y'",
        "foo~=1.0",
        "foo @ https://example.invalid/foo-1.0-py3-none-any.whl ; os_name == 'posix'",
    ],
)
def test_requirements_are_read_as_they_are_meant(text: str) -> None:
    known, mine = Known(text), Requirement(text)
    assert mine.name == known.name.lower().replace(".", "-").replace("_", "-")
    assert mine.extras == {extra.lower().replace("_", "-") for extra in known.extras}
    assert SpecifierSet(mine.specifier) == known.specifier
    assert bool(mine.marker.strip()) == (known.marker is not None)


def test_a_star_behind_an_order_is_forgiven() -> None:
    assert contains(">=2.6.*", "2.6")
    assert not contains(">=2.6.*", "2.5")


@pytest.mark.parametrize("text", ["", "; os_name == 'x'", "-foo", "!"])
def test_what_is_no_requirement_is_told(text: str) -> None:
    with pytest.raises(ValueError, match="is no requirement"):
        Requirement(text)


@pytest.mark.parametrize(
    "marker",
    ["python_version", "foo == 'x'", "os_name == 'a' and", "(os_name == 'a'", "'a' ~ 'b'"],
)
def test_what_is_no_marker_is_told(marker: str) -> None:
    with pytest.raises(ValueError, match=r"is no|is not closed"):
        Requirement(f"x; {marker}").applies({"os_name": "posix"})
