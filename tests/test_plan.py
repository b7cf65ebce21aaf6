"""The plan: one step per package with its reason, and the document it becomes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from crossbuild.errors import ResolutionError
from crossbuild.model import (
    BuildStep,
    BuildSystem,
    EnvironmentPin,
    FetchStep,
    File,
    Formats,
    Inspection,
    Kind,
    Note,
    PackageKey,
    Pin,
    Plan,
    Purpose,
    Refusal,
    Resolution,
    ReuseStep,
    Wanted,
)
from crossbuild.plan import best_wheel, plan, to_json
from crossbuild.target import Target
from tests.shelf import FITS, FOREIGN, PURE, name

pytestmark = pytest.mark.pure

TARGET = Target.parse("manylinux2014_aarch64", "3.11")


def wheel(package: str, version: str, tag: str = PURE, size: int | None = 1000) -> File:
    filename = f"{package}-{version}-{tag}.whl"
    url = f"https://index.example/{filename}"
    return File(filename=filename, url=url, kind=Kind.WHEEL, sha256="a" * 64, size=size)


def sdist(package: str, version: str) -> File:
    filename = f"{package}-{version}.tar.gz"
    url = f"https://index.example/{filename}"
    return File(filename=filename, url=url, kind=Kind.SDIST, sha256="b" * 64)


def pin(package: str, version: str, *files: File, built: bool = False) -> Pin:
    return Pin(name=name(package), version=Version(version), files=files, built=built)


def key(item: Pin) -> PackageKey:
    return item.name, item.version


def said(item: Pin, *requires: str) -> Inspection:
    system = BuildSystem(backend="backend", backend_path=(), requires=requires)
    return Inspection(name=item.name, version=item.version, system=system, metadata=None)


NUMPY = pin("numpy", "1", wheel("numpy", "1", FITS), sdist("numpy", "1"), built=True)
SOURCE = pin("source", "1", wheel("source", "1", FOREIGN), sdist("source", "1"), built=True)
TOOL = pin("tool", "2", sdist("tool", "2"), built=True)
BASE = pin("base", "1", wheel("base", "1", FITS), wheel("base", "1"))
PLAIN = pin("plain", "1", wheel("plain", "1", FITS), wheel("plain", "1"), sdist("plain", "1"))
FOUND = Resolution(
    pins=(NUMPY, PLAIN, SOURCE),
    sources={
        key(NUMPY): said(NUMPY, "base"),
        key(SOURCE): said(SOURCE, "tool", "numpy"),
        key(TOOL): said(TOOL, "base"),
    },
    environments={
        key(NUMPY): (BASE,),
        key(SOURCE): (NUMPY, TOOL),
        key(TOOL): (BASE,),
    },
    refused={},
    newest={name("plain"): Version("2")},
    elsewhere={name("source"): Version("0.9")},
    notes=(Note(name=name("source"), text="something"),),
)
FORMATS = Formats(no_binary=frozenset({name("numpy")}))
WANTED = Wanted(
    requirements=(Requirement("numpy"), Requirement("plain @ https://me:pw@a.example/p-1.zip")),
    constraints=(Requirement("source<2"),),
    formats=FORMATS,
)


def planned(found: Resolution = FOUND, existing: dict[str, str] | None = None) -> Plan:
    return plan(found, TARGET, FORMATS, existing or {})


def test_every_package_gets_one_step() -> None:
    numpy, plain, source = planned().steps
    assert isinstance(numpy, BuildStep)
    assert isinstance(plain, FetchStep)
    assert isinstance(source, BuildStep)
    assert plain.file.filename == f"plain-1-{FITS}.whl"
    assert source.source.filename == "source-1.tar.gz"
    assert source.system.requires == ("tool", "numpy")
    assert [(v.file.filename, v.refusal) for v in numpy.verdicts] == [
        (f"numpy-1-{FITS}.whl", Refusal.POLICY),
        ("numpy-1.tar.gz", None),
    ]
    assert [(v.refusal, v.reason) for v in source.verdicts] == [
        (Refusal.TAG, "built for x86_64"),
        (None, ""),
    ]


def test_a_build_installs_wheels_and_waits_for_the_plans_own() -> None:
    found = planned()
    source = found.builds[1]
    assert source.environment == (
        EnvironmentPin(name=name("numpy"), version=Version("1"), file=None),
        EnvironmentPin(name=name("tool"), version=Version("2"), file=None),
    )
    assert source.after == ("numpy", "tool")
    (base,) = found.builds[0].environment
    assert base.file is not None
    assert base.file.filename == f"base-1-{FITS}.whl"


def test_what_only_builds_need_is_built_apart() -> None:
    found = planned()
    (tool,) = found.build_requirements
    assert tool.pin.label == "tool 2"
    assert tool.purpose is Purpose.BUILD_REQUIREMENT
    assert tool.pin.required_by == ("source",)
    assert [step.purpose for step in found.builds] == [
        Purpose.TARGET,
        Purpose.TARGET,
        Purpose.BUILD_REQUIREMENT,
    ]


def test_a_wheel_that_is_there_is_reused_if_it_is_the_same() -> None:
    filename = f"plain-1-{FITS}.whl"
    assert isinstance(planned(existing={filename: "a" * 64}).steps[1], ReuseStep)
    assert isinstance(planned(existing={filename: "c" * 64}).steps[1], FetchStep)


def test_unsound_files_are_used_nowhere() -> None:
    refused = {f"{package}-1-{FITS}.whl": "it lies" for package in ("plain", "base")}
    found = planned(replace(FOUND, refused=refused))
    step = found.steps[1]
    assert isinstance(step, FetchStep)
    assert step.file.filename == f"plain-1-{PURE}.whl"
    assert [verdict.reason for verdict in step.verdicts] == ["it lies", "", ""]
    (base,) = found.builds[0].environment
    assert base.file is not None
    assert base.file.filename == f"base-1-{PURE}.whl"


def test_notes_compare_policies() -> None:
    assert [(note.name, note.text) for note in planned().notes] == [
        ("plain", "policy newest would choose 2"),
        ("source", "built; the newest version with a wheel for the target is 0.9"),
        ("source", "something"),
    ]


def test_the_best_wheel_is_the_one_whose_tag_comes_first() -> None:
    assert best_wheel(PLAIN, TARGET).filename == f"plain-1-{FITS}.whl"
    builds = [wheel("a", f"1-{number}") for number in (2, 10, 9)]
    assert best_wheel(pin("a", "1", *builds), TARGET).filename == f"a-1-10-{PURE}.whl"
    with pytest.raises(ResolutionError, match="source 1 has no wheel"):
        best_wheel(SOURCE, TARGET)


def test_the_document_holds_what_the_plan_says() -> None:
    document = json.loads(json.dumps(to_json(planned(), TARGET, WANTED)))
    assert document["schema"] == "crossbuild-plan/1"
    assert document["target"]["platform"] == "manylinux2014_aarch64"
    assert document["requirements"] == ["numpy", "plain @ https://a.example/p-1.zip"]
    assert document["constraints"] == ["source<2"]
    assert document["policy"] == "wheel-first"
    assert document["formats"]["no_binary"] == ["numpy"]
    assert document["formats"]["hashes"] == []
    assert document["totals"] == {
        "fetch": 1,
        "build": 2,
        "reuse": 0,
        "build_requirements": 1,
        "fetch_bytes": 1000,
    }
    numpy, plain, source = document["packages"]
    assert [item["step"] for item in (numpy, plain, source)] == ["build", "fetch", "build"]
    assert plain["build"] is None
    assert plain["file"]["size"] == 1000
    assert numpy["candidates"][0]["refusal"] == "policy"
    assert source["candidates"][0]["reason"] == "built for x86_64"
    assert source["build"] == {
        "backend": "backend",
        "backend_path": [],
        "requires": ["tool", "numpy"],
        "recipe": None,
        "era": None,
        "environment": [
            {"name": "numpy", "version": "1", "file": None},
            {"name": "tool", "version": "2", "file": None},
        ],
    }
    assert document["build_requirements"][0]["required_by"] == ["source"]
    assert document["notes"][0] == {"name": "plain", "text": "policy newest would choose 2"}


def test_an_unknown_size_leaves_the_total_unknown() -> None:
    nameless = pin("plain", "1", wheel("plain", "1", size=None))
    found = plan(replace(FOUND, pins=(nameless,), environments={}), TARGET, FORMATS, {})
    totals = to_json(found, TARGET, WANTED)["totals"]
    assert isinstance(totals, dict)
    assert totals["fetch_bytes"] is None
