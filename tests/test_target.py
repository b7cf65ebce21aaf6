"""The target: tags as packaging yields them, markers, and words for what does not fit."""

from __future__ import annotations

import json

import pytest
from packaging import _manylinux, _musllinux
from packaging import tags as packaging_tags
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.tags import Tag, parse_tag

from crossbuild.errors import UsageError
from crossbuild.model import Refusal
from crossbuild.platforms import ARCHES, Arch, Family
from crossbuild.target import Target

pytestmark = pytest.mark.pure

AARCH64 = Target.parse("manylinux2014_aarch64", "3.11")


@pytest.mark.parametrize(
    ("platform", "expected"),
    [
        (
            "manylinux2014_aarch64",
            ["linux_aarch64", "manylinux_2_17_aarch64", "manylinux2014_aarch64"],
        ),
        (
            "manylinux_2_19_aarch64",
            [
                "linux_aarch64",
                "manylinux_2_19_aarch64",
                "manylinux_2_18_aarch64",
                "manylinux_2_17_aarch64",
                "manylinux2014_aarch64",
            ],
        ),
        (
            "manylinux2010_x86_64",
            ["linux_x86_64", "manylinux_2_12_x86_64", "manylinux2010_x86_64"]
            + [f"manylinux_2_{minor}_x86_64" for minor in range(11, 4, -1)]
            + ["manylinux1_x86_64"],
        ),
        (
            "musllinux_1_2_armv7l",
            [
                "linux_armv7l",
                "musllinux_1_2_armv7l",
                "musllinux_1_1_armv7l",
                "musllinux_1_0_armv7l",
            ],
        ),
        ("linux_s390x", ["linux_s390x"]),
    ],
)
def test_platform_tags(platform: str, expected: list[str]) -> None:
    assert list(Target.parse(platform, "3.11").platform_tags) == expected


def test_tags_in_order() -> None:
    target = Target.parse("linux_aarch64", "3.13")
    assert [str(tag) for tag in target.tags[:5]] == [
        "cp313-cp313-linux_aarch64",
        "cp313-abi3-linux_aarch64",
        "cp313-none-linux_aarch64",
        "cp312-abi3-linux_aarch64",
        "cp311-abi3-linux_aarch64",
    ]
    assert [str(tag) for tag in target.tags[-3:]] == [
        "py32-none-any",
        "py31-none-any",
        "py30-none-any",
    ]
    assert len(set(target.tags)) == len(target.tags)


def test_python_3_7_has_the_abi_with_the_m() -> None:
    target = Target.parse("manylinux2014_aarch64", "3.7")
    assert target.accepts(parse_tag("cp37-cp37m-manylinux2014_aarch64"))
    assert not target.accepts(parse_tag("cp37-cp37-manylinux2014_aarch64"))


@pytest.mark.parametrize("arch", ARCHES.values(), ids=str)
@pytest.mark.parametrize(
    ("family", "floor"),
    [
        (Family.MANYLINUX, (2, 17)),
        (Family.MANYLINUX, (2, 41)),
        (Family.MUSLLINUX, (1, 2)),
        (Family.LINUX, None),
    ],
)
def test_platform_tags_are_those_of_packaging(
    monkeypatch: pytest.MonkeyPatch, arch: Arch, family: Family, floor: tuple[int, int] | None
) -> None:
    glibc = floor if family is Family.MANYLINUX and floor else (-1, -1)
    musl = floor if family is Family.MUSLLINUX and floor else None
    found_musl = _musllinux._MuslVersion(*musl) if musl else None
    monkeypatch.setattr("sysconfig.get_platform", lambda: f"linux-{arch}")
    monkeypatch.setattr(_manylinux, "_have_compatible_abi", lambda *_: True)
    monkeypatch.setattr(_manylinux, "_get_glibc_version", lambda: _manylinux._GLibCVersion(*glibc))
    monkeypatch.setattr(_musllinux, "_get_musl_version", lambda _: found_musl)
    expected = list(packaging_tags._linux_platforms(is_32bit=arch.bits == 32))
    target = Target(
        platform="any", family=family, arch=arch, floor=floor, python=(3, 11), patch=None
    )
    assert list(target.platform_tags) == expected


def test_two_names_of_one_floor_are_one_target() -> None:
    new = Target.parse("manylinux_2_17_aarch64", "3.11")
    assert new == AARCH64
    assert hash(new) == hash(AARCH64)
    assert new.platform != AARCH64.platform
    assert new.repair_platforms == ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
    assert Target.parse("manylinux_2_28_aarch64", "3.11").repair_platforms == (
        "manylinux_2_28_aarch64",
    )


@pytest.mark.parametrize(
    ("platform", "message", "remedy"),
    [
        ("manylinux2014-aarch64", "unknown target", "Did you mean manylinux2014_aarch64?"),
        ("manylinux2015_aarch64", "unknown target", "Did you mean manylinux2014_aarch64?"),
        ("manylinux2014_aarh64", "unknown target", "Did you mean manylinux2014_aarch64?"),
        ("aarch64", "unknown target", "Did you mean manylinux2014_aarch64?"),
        ("linux/arm64", "unknown target", "Did you mean manylinux2014_aarch64?"),
        ("aarch64-manylinux_2_28", "unknown target", "Did you mean manylinux_2_28_aarch64?"),
        ("manylinux_2_28", "unknown target", "Did you mean manylinux_2_28_aarch64?"),
        ("musllinux_arm64", "unknown target", "Did you mean musllinux_1_2_aarch64?"),
        ("armv8l", "unknown target", "Did you mean manylinux2014_armv7l?"),
        ("manylinux_2_017_aarch64", "unknown target", "Did you mean manylinux_2_17_aarch64?"),
        ("win_amd64", "unknown target", "Only Linux can be a target."),
        ("macosx_11_0_arm64", "unknown target", "Only Linux can be a target."),
        ("", "unknown target ''", "Targets are manylinux2014_ARCH"),
        ("manylinux2010_aarch64", "begins at glibc 2.17", "Use manylinux2014_aarch64."),
        ("manylinux_2_4_x86_64", "begins at glibc 2.5", "Use manylinux2014_x86_64."),
    ],
)
def test_a_target_that_does_not_exist(platform: str, message: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse(platform, "3.11")
    assert message in str(caught.value)
    assert remedy in caught.value.remedy


def test_the_list_of_forms_names_every_processor() -> None:
    with pytest.raises(UsageError) as caught:
        Target.parse("nonsense", "3.11")
    assert not caught.value.remedy.startswith("Did you mean")
    assert all(name in caught.value.remedy for name in ARCHES)


@pytest.mark.parametrize(
    ("python", "release", "patch", "full"),
    [
        ("3.11", (3, 11), None, "3.11.0"),
        ("3.11.4", (3, 11), 4, "3.11.4"),
        ("3.7", (3, 7), None, "3.7.0"),
        ("3.14", (3, 14), None, "3.14.0"),
    ],
)
def test_python_versions(
    python: str, release: tuple[int, int], patch: int | None, full: str
) -> None:
    target = Target.parse("linux_aarch64", python)
    assert (target.python, target.patch) == (release, patch)
    assert target.python_full_version == full
    assert target.markers["python_full_version"] == full
    assert target.markers["implementation_version"] == full


@pytest.mark.parametrize(
    ("python", "requires_python", "expected"),
    [
        ("3.9", ">=3.8", True),
        ("3.9", ">=3.9.2", True),
        ("3.9", "!=3.9.0,!=3.9.1,>=3.8", True),
        ("3.9", "~=3.9.0", True),
        ("3.9", "<3.9", False),
        ("3.9", ">=3.10", False),
        ("3.9", "!=3.9.*", False),
        ("3.9.1", "!=3.9.0,!=3.9.1,>=3.8", False),
        ("3.9.2", "!=3.9.0,!=3.9.1,>=3.8", True),
    ],
)
def test_requires_python(python: str, requires_python: str, expected: bool) -> None:
    target = Target.parse("manylinux2014_aarch64", python)
    assert target.accepts_python(SpecifierSet(requires_python)) is expected


@pytest.mark.parametrize(
    ("python", "remedy"),
    [
        ("311", "Did you mean 3.11?"),
        ("cp311", "Did you mean 3.11?"),
        ("3.13t", "Did you mean 3.13?"),
        ("3", "Give it as X.Y"),
        ("3.x", "Give it as X.Y"),
        ("4.0", "Give it as X.Y"),
        ("2.7", "The oldest is 3.7."),
        ("3.6", "The oldest is 3.7."),
    ],
)
def test_python_versions_that_are_none(python: str, remedy: str) -> None:
    with pytest.raises(UsageError, match="Python") as caught:
        Target.parse("linux_aarch64", python)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("requirement", "extras", "expected"),
    [
        ("a", (), True),
        ("a; python_version < '3.12'", (), True),
        ("a; platform_machine == 'x86_64'", (), False),
        ("a; sys_platform == 'win32' or os_name == 'posix'", (), True),
        ("a; extra == 'fast'", (), False),
        ("a; extra == 'fast'", ("fast",), True),
        ("a; extra == 'fast_io'", ("fast-io",), True),
        ("a; extra == 'fast' and python_version < '3'", ("fast",), False),
        ("a; extra == 'fast' or extra == 'safe'", ("safe", "other"), True),
        ("a; sys_platform == 'darwin' and platform_release >= '20'", (), False),
        ("a; os_name == 'posix' or platform_version == '#1'", (), True),
        ("a; (platform_release ~= '5.1' or os_name == 'nt') and os_name == 'nt'", (), False),
    ],
)
def test_markers(requirement: str, extras: tuple[str, ...], expected: bool) -> None:
    assert AARCH64.evaluate(Requirement(requirement), frozenset(extras)) is expected


@pytest.mark.parametrize(
    "marker",
    [
        "platform_release >= '5'",
        "'Debian' in platform_version",
        "os_name == 'posix' and platform_release != '4.19'",
    ],
)
def test_a_marker_that_asks_for_the_kernel(marker: str) -> None:
    with pytest.raises(UsageError, match="the requirement own-package") as caught:
        AARCH64.evaluate(Requirement(f"own-package>=2; {marker}"))
    assert "platform_release or platform_version" in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("tags", "refusal", "reason"),
    [
        ("cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64", "tag", "built for x86_64"),
        ("cp311-cp311-linux_armv7l", "tag", "built for armv7l"),
        ("cp311-cp311-win_amd64", "tag", "built for Windows"),
        ("cp311-cp311-macosx_11_0_arm64", "tag", "built for macOS"),
        ("pp39-pypy39_pp73-manylinux2014_aarch64", "tag", "built for PyPy 3.9"),
        ("py2-none-any", "tag", "built for Python 2"),
        ("cp27-cp27mu-manylinux2014_aarch64", "tag", "built for Python 2"),
        ("cp311-cp311-musllinux_1_2_aarch64", "tag", "needs musl, the target has glibc"),
        ("py3-cp311-any", "tag", "the target does not know the tag py3-cp311-any"),
        (
            "cp312-cp312-manylinux_2_17_aarch64.manylinux2014_aarch64",
            "python",
            "needs CPython 3.12, the target has 3.11",
        ),
        ("cp312-abi3-manylinux2014_aarch64", "python", "needs CPython 3.12 or later"),
        ("py312-none-any", "python", "needs Python 3.12 or later"),
        (
            "cp313-cp313t-manylinux2014_aarch64",
            "python",
            "needs the free-threaded CPython 3.13",
        ),
        (
            "cp311-cp311d-manylinux2014_aarch64",
            "python",
            "needs a CPython 3.11 with the ABI cp311d",
        ),
        (
            "cp311-cp311-manylinux_2_34_aarch64",
            "floor",
            "needs glibc 2.34, the target has 2.17",
        ),
        (
            "cp311-cp311-manylinux_2_27_aarch64.manylinux_2_28_aarch64",
            "floor",
            "needs glibc 2.27, the target has 2.17",
        ),
        (
            "cp311-cp311-manylinux_2_28_aarch64.musllinux_1_2_aarch64",
            "floor",
            "needs glibc 2.28, the target has 2.17",
        ),
    ],
)
def test_why_a_wheel_does_not_fit(tags: str, refusal: str, reason: str) -> None:
    parsed = parse_tag(tags)
    assert AARCH64.refusal(parsed) == (Refusal(refusal), reason)
    assert not AARCH64.accepts(parsed)


@pytest.mark.parametrize(
    ("platform", "tags", "reason"),
    [
        (
            "linux_aarch64",
            "cp311-cp311-manylinux2014_aarch64",
            "needs glibc 2.17, which a target linux_aarch64 does not promise",
        ),
        (
            "musllinux_1_1_aarch64",
            "cp311-cp311-musllinux_1_2_aarch64",
            "needs musl 1.2, the target has 1.1",
        ),
        (
            "musllinux_1_1_aarch64",
            "cp311-cp311-manylinux2014_aarch64",
            "needs glibc, the target has musl",
        ),
    ],
)
def test_why_a_wheel_does_not_fit_other_targets(platform: str, tags: str, reason: str) -> None:
    refusal = Target.parse(platform, "3.11").refusal(parse_tag(tags))
    assert refusal is not None
    assert refusal[1] == reason


def test_the_better_tag_has_the_lower_rank() -> None:
    own = AARCH64.rank(parse_tag("cp311-cp311-manylinux2014_aarch64"))
    stable = AARCH64.rank(parse_tag("cp38-abi3-manylinux2014_aarch64"))
    pure = AARCH64.rank(parse_tag("py2.py3-none-any"))
    assert own is not None
    assert stable is not None
    assert pure is not None
    assert own < stable < pure
    assert AARCH64.refusal(parse_tag("py2.py3-none-any")) is None
    assert AARCH64.rank([Tag("cp311", "cp311", "win32")]) is None


def test_json() -> None:
    assert json.loads(json.dumps(AARCH64.to_json())) == {
        "name": None,
        "platform": "manylinux2014_aarch64",
        "family": "manylinux",
        "arch": "aarch64",
        "floor": "2.17",
        "python": "3.11",
        "interpreter": "cp311",
        "reported": None,
    }
