"""Targets by name: what the shipped files say, strict reading, and the nearest name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossbuild import catalog
from crossbuild.errors import UsageError
from crossbuild.target import Target
from crossbuild.targets import choice, named

GOOD = """\
describes = "A system"

[glibc]
value = "2.31"
certain = true
sources = ["somebody"]

[python]
value = "3.8"
certain = false
note = "ask"
sources = ["nobody"]

[arches]
value = ["aarch64", "x86_64"]
certain = true
sources = ["somebody"]
"""


def chosen(said: str, python: str | None = None) -> Target:
    return choice.target(said, python, default_python="3.11", directory=Path())


@pytest.mark.parametrize(
    ("said", "platform", "python"),
    [
        ("kylin-v10-sp1-desktop", "manylinux_2_31_aarch64", "3.8"),
        ("kylin-v10-server", "manylinux_2_28_aarch64", "3.7"),
        ("openeuler-22.03", "manylinux_2_34_aarch64", "3.9"),
        ("ubuntu-20.04", "manylinux_2_31_aarch64", "3.8"),
        ("ubuntu-22.04", "manylinux_2_35_aarch64", "3.10"),
        ("uos-20", "manylinux_2_28_aarch64", "3.7"),
        ("debian-11", "manylinux_2_31_aarch64", "3.9"),
        ("debian-11-x86_64", "manylinux_2_31_x86_64", "3.9"),
        ("debian-13-riscv64", "manylinux_2_41_riscv64", "3.13"),
    ],
)
def test_a_name_is_a_floor_a_processor_and_a_python(said: str, platform: str, python: str) -> None:
    found = chosen(said)
    assert found == Target.parse(platform, python)
    assert (found.name, found.platform) == (said, platform)
    assert str(found) == f"{said} ({platform}), CPython {python}"
    assert chosen(said, "3.12") == Target.parse(platform, "3.12")
    assert Target.from_json(json.loads(json.dumps(found.to_json()))).name == said


def test_a_tag_is_a_target_as_before() -> None:
    assert chosen("manylinux2014_aarch64") == Target.parse("manylinux2014_aarch64", "3.11")
    assert chosen("manylinux2014_aarch64").name == ""


@pytest.mark.parametrize(
    ("said", "guess"),
    [
        ("debain-11", "debian-11"),
        ("debian11", "debian-11"),
        ("debian-11-arm64", "debian-11"),
        ("Kylin_V10_SP1_Desktop", "kylin-v10-sp1-desktop"),
        ("kylin", "kylin-v10-server"),
        ("ubuntu20.04", "ubuntu-20.04"),
        ("openeuler", "openeuler-20.03"),
        ("manylinux2014_arm64", "manylinux2014_aarch64"),
        ("linux-aarch64", "manylinux2014_aarch64"),
    ],
)
def test_the_nearest_name_or_tag_is_told(said: str, guess: str) -> None:
    with pytest.raises(UsageError, match=f"unknown target '{said}'") as caught:
        chosen(said)
    assert caught.value.remedy.startswith(f"Did you mean {guess}? ")
    assert "crossbuild targets" in caught.value.remedy


def test_a_python_that_is_none_is_not_blamed_on_the_name() -> None:
    with pytest.raises(UsageError, match=r"Python 3\.6 is older"):
        chosen("debian-11", "3.6")


@pytest.mark.parametrize("item", named.distributions(), ids=lambda item: item.name)
def test_every_fact_says_where_it_comes_from(item: named.Named) -> None:
    assert [about for about, _ in item.facts] == ["glibc", "CPython", "processors"]
    for _, fact in item.facts:
        assert fact.sources
        assert fact.certain or fact.note
    assert item.arches[0].name == "aarch64"


def test_a_doubt_is_told_unless_the_user_knows_better() -> None:
    (doubt,) = choice.doubts("kylin-v10-server", None)
    assert doubt.startswith("kylin-v10-server has CPython 3.7, it seems: ")
    assert choice.doubts("kylin-v10-server", "3.7") == ()
    assert choice.doubts("debian-11", None) == ()
    assert choice.doubts("manylinux2014_aarch64", None) == ()


@pytest.mark.parametrize(
    ("name", "image"),
    [
        ("debian-11", "bullseye-aarch64"),
        ("debian-12", "bookworm-aarch64"),
        ("debian-13", "trixie-aarch64"),
        ("kylin-v10-sp1-desktop", None),
        ("kylin-v10-server", None),
        ("openeuler-22.03", None),
    ],
)
def test_where_wheels_for_it_are_proven(name: str, image: str | None) -> None:
    found = catalog.image_for(chosen(name), at_least_floor=True)
    assert (found and found.name) == image


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ('describes = "A system"\n', "", "describes: missing"),
        ('describes = "A system"\n', 'describes = "A"\nkernel = "5"\n', "kernel: unknown key"),
        ('value = "2.31"', 'value = "2"', "glibc.value: a version like"),
        ('value = "2.31"', "value = 2.31", "glibc.value: a text is expected"),
        ('sources = ["nobody"]', "sources = []", "python.sources: a list of texts"),
        ('note = "ask"\n', "", "python.note: missing"),
        ("certain = false", "certain = true", "python.note: unknown key"),
        ("certain = false", 'certain = "no"', "python.certain: true or false"),
        ('"x86_64"]', '"vax"]', "arches.value: 'vax' is none of"),
    ],
)
def test_what_is_not_understood_is_an_error_with_its_place(
    tmp_path: Path, old: str, new: str, where: str
) -> None:
    path = tmp_path / "system-1.toml"
    path.write_text(GOOD)
    assert named.read(path).name == "system-1"
    assert GOOD.count(old) == 1
    path.write_text(GOOD.replace(old, new))
    with pytest.raises(UsageError, match=r"system-1\.toml: ") as caught:
        named.read(path)
    assert where in str(caught.value)
