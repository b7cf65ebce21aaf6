"""Resolution: the closure for the target, what is built, what builds need, and why it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbuild.errors import (
    CrossbuildError,
    HostError,
    IntegrityError,
    NetworkError,
    ResolutionError,
    UnknownPackageError,
    UsageError,
)
from crossbuild.model import Formats, Note, Policy, Resolution, Wanted
from crossbuild.net.configuration import Indexes
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.report import Message
from crossbuild.resolution.uv import Uv
from crossbuild.resolve import resolve
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.targets import probe
from tests import probes
from tests.miniindex import MiniIndex
from tests.shelf import FITS, FOREIGN, Recorder, Shelf, name, plain, versions
from tests.wheels import HATCHLING, sdist, wheel

TARGET = Target.parse("manylinux2014_aarch64", "3.11")


@pytest.fixture(scope="module")
def uv(tmp_path_factory: pytest.TempPathFactory) -> Uv:
    """One that asks the host's Python once for all tests: half of what a call costs."""
    return replace(Uv.find(), cache=tmp_path_factory.mktemp("uv"))


@pytest.fixture
def shelf(uv: Uv) -> Shelf:
    return Shelf(uv=uv)


def wanted(
    *requirements: str,
    constraints: tuple[str, ...] = (),
    policy: Policy = Policy.WHEEL_FIRST,
    formats: Formats | None = None,
) -> Wanted:
    return Wanted(
        requirements=tuple(map(Requirement, requirements)),
        constraints=tuple(map(Requirement, constraints)),
        policy=policy,
        formats=formats or Formats(),
    )


def solve(
    shelf: Shelf,
    asked: Wanted,
    *,
    target: Target = TARGET,
    refused: Mapping[str, str] | None = None,
    reporter: Recorder | None = None,
) -> Resolution:
    return resolve(
        asked,
        target,
        uv=shelf.uv,
        index=shelf,
        inspector=shelf,
        refused=refused or {},
        reporter=reporter or Recorder(),
    )


def environment(found: Resolution, package: str, version: str) -> list[str]:
    return versions(found.environments[name(package), Version(version)])


def without_wheels(*packages: str) -> Formats:
    return Formats(no_binary=frozenset(map(name, packages)))


def test_the_closure_is_the_targets_not_the_hosts(shelf: Shelf) -> None:
    shelf.wheel("a", "1", requires=[
        'b; platform_machine == "aarch64"',
        'c; platform_machine == "x86_64"',
        'd; python_version < "3.9"',
        'e; extra == "y"',
    ], extras=["x", "y"])  # fmt: skip
    shelf.wheel("b", "1", FITS)
    shelf.wheel("b", "1", FITS.replace("11", "8"))
    shelf.wheel("b", "2", FOREIGN)
    shelf.wheel("d", "1", requires_python="<3.9")
    shelf.wheel("e", "1", requires=["d"])
    found = solve(shelf, wanted("a", 'c; platform_machine == "x86_64"'))
    assert versions(found.pins) == ["a 1", "b 1"]
    assert [pin.requested for pin in found.pins] == [True, False]
    assert [pin.required_by for pin in found.pins] == [(), ("a",)]
    assert len(found.pins[1].files) == 2
    old = solve(shelf, wanted("a[Y]", "b<2"), target=Target.parse("manylinux2014_aarch64", "3.8"))
    assert versions(old.pins) == ["a 1", "b 1", "d 1", "e 1"]
    assert old.pins[2].required_by == ("a", "e")


def test_what_a_machine_told_of_itself_is_what_is_resolved_for(shelf: Shelf) -> None:
    target = probe.target(probes.TOLD, Path("probe.json"))
    shelf.wheel("a", "1", requires=[
        "b; 'KYLINOS' in platform_version",
        "c; platform_release == '6.1'",
    ])  # fmt: skip
    shelf.wheel("b", "1", "cp38-cp38-manylinux_2_31_aarch64")
    shelf.wheel("b", "2", "cp38-cp38-manylinux_2_34_aarch64")
    found = solve(shelf, wanted("a"), target=target)
    assert versions(found.pins) == ["a 1", "b 1"]


def test_constraints_hold_where_their_markers_do(shelf: Shelf) -> None:
    for version in ("1", "2", "3"):
        shelf.wheel("a", version)
    limits = ("a<3", 'a<2; python_version < "3"', "nix<1")
    found = solve(shelf, wanted("a", constraints=limits))
    assert versions(found.pins) == ["a 2"]


def test_wheel_first_takes_an_older_version_and_says_what_newest_would(shelf: Shelf) -> None:
    shelf.wheel("a", "1", FITS)
    shelf.wheel("a", "2", FOREIGN)
    shelf.sdist("a", "2")
    found = solve(shelf, wanted("a"))
    assert versions(found.pins) == ["a 1"]
    assert plain(found.newest) == {"a": "2"}
    newest = solve(shelf, wanted("a", policy=Policy.NEWEST))
    assert versions(newest.pins) == ["a 2*"]
    assert plain(newest.newest) == {}
    assert plain(newest.elsewhere) == {"a": "1"}


def test_what_has_no_wheel_is_built_even_if_others_have(shelf: Shelf) -> None:
    shelf.wheel("a", "1", requires=["b"])
    shelf.sdist("b", "1", build=["tool"], dynamic_build=["helper"])
    shelf.wheel("tool", "5", requires=["more"])
    shelf.wheel("more", "1")
    shelf.wheel("helper", "1")
    found = solve(shelf, wanted("a"))
    assert versions(found.pins) == ["a 1", "b 1*"]
    assert shelf.asked == [("b-1.tar.gz", ["more 1", "tool 5"])]
    assert environment(found, "b", "1") == ["helper 1", "more 1", "tool 5"]
    assert found.sources[name("b"), Version("1")].system.requires == ("tool", "helper")
    assert not found.notes


def test_versions_with_wheels_that_do_not_go_together_are_built(shelf: Shelf) -> None:
    shelf.wheel("a", "1", requires=["b>=2", "c"])
    shelf.wheel("b", "1", FITS)
    shelf.sdist("b", "2")
    shelf.wheel("c", "1", FITS)
    shelf.sdist("c", "2")
    found = solve(shelf, wanted("a"))
    assert versions(found.pins) == ["a 1", "b 2*", "c 1"]
    assert plain(found.elsewhere) == {"b": "1"}
    assert plain(found.newest) == {"c": "2"}


def test_a_wheel_is_no_reason_for_a_prerelease(shelf: Shelf) -> None:
    shelf.sdist("a", "1")
    shelf.wheel("a", "2b1", FITS)
    assert versions(solve(shelf, wanted("a")).pins) == ["a 1*"]
    assert versions(solve(shelf, wanted("a>=2b1")).pins) == ["a 2b1"]


def test_a_backend_is_asked_for_what_only_it_knows(shelf: Shelf) -> None:
    shelf.sdist("a", "1", static=False, requires=["b<2", "nix; sys_platform == 'win32'"])
    shelf.wheel("b", "1")
    shelf.wheel("b", "2")
    found = solve(shelf, wanted("a", "b"))
    assert versions(found.pins) == ["a 1*", "b 1"]
    assert shelf.asked == [("a-1.tar.gz", [])]


def test_a_foreign_wheel_is_believed_before_a_backend_is_run(shelf: Shelf) -> None:
    shelf.sdist("a", "1", static=False)
    shelf.wheel("a", "1", FOREIGN, requires=["b"])
    shelf.wheel("b", "1")
    found = solve(shelf, wanted("a"))
    assert versions(found.pins) == ["a 1*", "b 1"]


def test_a_build_requirement_without_a_wheel_is_built_first(shelf: Shelf) -> None:
    shelf.sdist("a", "1", build=["tool"])
    shelf.sdist("tool", "1", build=["base", 'nix; platform_machine == "x86_64"'])
    shelf.wheel("base", "1")
    found = solve(shelf, wanted("a"))
    assert versions(found.pins) == ["a 1*"]
    assert environment(found, "a", "1") == ["tool 1*"]
    assert environment(found, "tool", "1") == ["base 1"]
    text = "its environment has to be built first: further requirements are not known"
    assert found.notes == (Note(name=name("a"), text=text),)


def test_builds_use_what_this_run_builds(shelf: Shelf) -> None:
    shelf.wheel("numpy", "1")
    shelf.wheel("numpy", "2")
    shelf.sdist("numpy", "1")
    shelf.sdist("fits", "1", requires=["numpy<2"], build=["numpy"])
    shelf.sdist("other", "1", build=["numpy>=2"])
    asked = wanted("fits", "other", "numpy", formats=without_wheels("numpy"))
    found = solve(shelf, asked)
    assert versions(found.pins) == ["fits 1*", "numpy 1*", "other 1*"]
    assert environment(found, "fits", "1") == ["numpy 1*"]
    assert environment(found, "other", "1") == ["numpy 2"]
    text = "built against the published wheel of numpy 2, not the 1 made here"
    assert found.notes == (Note(name=name("other"), text=text),)
    assert ("fits-1.tar.gz", ["numpy 2"]) in shelf.asked


def test_a_build_that_takes_itself_is_an_error(shelf: Shelf) -> None:
    shelf.sdist("a", "1", build=["b"])
    shelf.sdist("b", "1", build=["c"])
    shelf.sdist("c", "1", build=["a"])
    with pytest.raises(ResolutionError, match="a 1 needs b 1 needs c 1 needs a 1") as caught:
        solve(shelf, wanted("a"))
    assert "--find-links" in caught.value.remedy


def test_packages_built_for_each_other_use_published_wheels_once(shelf: Shelf) -> None:
    for package, needed in (("a", "b"), ("b", "a")):
        shelf.wheel(package, "1")
        shelf.sdist(package, "1", build=[needed])
    found = solve(shelf, wanted("a", "b", formats=without_wheels("a", "b")))
    assert environment(found, "a", "1") == ["b 1*"]
    assert environment(found, "b", "1") == ["a 1"]


def test_a_refused_file_is_not_chosen_again(shelf: Shelf) -> None:
    shelf.wheel("a", "1", FITS)
    bad = shelf.wheel("a", "2", FITS)
    assert versions(solve(shelf, wanted("a")).pins) == ["a 2"]
    reason = {bad.filename: "it holds x86_64 code"}
    found = solve(shelf, wanted("a"), refused=reason)
    assert versions(found.pins) == ["a 1"]
    assert found.refused == reason
    with pytest.raises(ResolutionError, match="it holds x86_64 code"):
        solve(shelf, wanted("a==2"), refused={bad.url: "it holds x86_64 code"})
    shelf.sdist("a", "2")
    assert versions(solve(shelf, wanted("a==2"), refused=reason).pins) == ["a 2*"]


@pytest.mark.parametrize(
    ("requires", "damaged"),
    [((), IntegrityError("a wheel is cut short")), (("this is none !",), None)],
)
def test_a_wheel_whose_metadata_cannot_be_read_is_refused_in_sight(
    shelf: Shelf, requires: tuple[str, ...], damaged: CrossbuildError | None
) -> None:
    shelf.wheel("a", "1")
    bad = shelf.wheel("a", "2", requires=requires, damaged=damaged)
    reporter = Recorder()
    found = solve(shelf, wanted("a"), reporter=reporter)
    assert versions(found.pins) == ["a 1"]
    assert list(found.refused) == [bad.filename]
    (text,) = [event.text for event in reporter.events if isinstance(event, Message)]
    assert text.startswith(f"{bad.filename} is refused: its metadata cannot be read: ")


def test_a_named_file_is_all_there_is_of_a_package(shelf: Shelf) -> None:
    shelf.wheel("a", "1", requires=["b @ https://other.example/b-9-py3-none-any.whl"])
    shelf.wheel("b", "2")
    address = "file:///there/b-1-py3-none-any.whl"
    shelf.published_metadata[address] = shelf.published_metadata[
        "https://index.example/b-2-py3-none-any.whl"
    ]
    found = solve(shelf, wanted("a", f"b @ {address}"))
    assert versions(found.pins) == ["a 1", "b 1"]
    assert [file.url for file in found.pins[1].files] == [address]
    assert found.pins[1].direct
    with pytest.raises(UsageError, match="b is asked for at two addresses"):
        solve(shelf, wanted(f"b @ {address}", "b @ file:///b-2-py3-none-any.whl"))


def test_notes_say_what_a_choice_rests_on(shelf: Shelf) -> None:
    shelf.wheel("a", "1", yanked="bad idea", requires=['b; python_full_version < "3.11.4"'])
    shelf.wheel("b", "1")
    found = solve(shelf, wanted("a[nix]==1"))
    texts = [note.text for note in found.notes]
    assert texts[:2] == ["1 was yanked: bad idea", "1 has no extra named nix"]
    assert "hangs on the patch release" in texts[2]
    exact = Target.parse("manylinux2014_aarch64", "3.11.2")
    assert versions(solve(shelf, wanted("a==1"), target=exact).pins) == ["a 1", "b 1"]


def stock(shelf: Shelf) -> None:
    """What the errors below are about."""
    shelf.wheel("good", "1")
    shelf.wheel("good", "2")
    shelf.wheel("foreign", "1", FOREIGN)
    shelf.wheel("late", "1", FITS)
    shelf.wheel("late", "2", FOREIGN)
    shelf.wheel("wants-late", "1", requires=["late>=2"])
    shelf.wheel("wants-old", "1", requires=["good<2"])
    shelf.wheel("floor", "1", "cp311-cp311-manylinux_2_28_aarch64")
    shelf.wheel("unhashed", "1", sha256=None)
    shelf.wheel("withdrawn", "1", yanked="")
    shelf.wheel("kernel", "1", requires=['good; platform_release > "5"'])
    shelf.wheel("addressed", "1", requires=["b @ git+https://code.example/b"])
    shelf.sdist("source", "1")
    shelf.sdist("unbuildable", "1", build=["nix"])
    shelf.broken[name("offline")] = NetworkError("index.example cannot be reached")


Parts = tuple[str, ...]
ERRORS: dict[str, tuple[type[CrossbuildError], Parts]] = {
    "nix": (UnknownPackageError, ("no package nix on index.example",)),
    "good==9": (ResolutionError, ("no version of good is ==9", "These exist: 2, 1.")),
    "foreign": (ResolutionError, ("no file of foreign", f"foreign-1-{FOREIGN}.whl", "x86_64")),
    "late==2": (ResolutionError, ("built for x86_64", "It can use these versions: 1.")),
    "floor": (ResolutionError, ("needs glibc 2.28, the target has 2.17", "newer libc")),
    "unhashed": (ResolutionError, ("no SHA-256", "index that gives hashes")),
    "withdrawn": (ResolutionError, ("withdrawn==1 was yanked",)),
    "wants-late": (ResolutionError, ("late>=2", "No newer file of late", "built for x86_64")),
    "wants-old good>=2": (ResolutionError, ("no versions go together", "good<2")),
    "kernel": (UsageError, ("kernel 1", "platform_release", "Take another version of kernel")),
    'good;platform_version=="1"': (UsageError, ("kernel of the machine", "leave that")),
    "addressed": (UsageError, ("addressed 1 requires a file by its address", "Ask for that")),
    "v@git+https://code.example/v": (UsageError, ("version control", "build --sdist")),
    "unbuildable": (ResolutionError, ("unbuildable 1 cannot be built: there is no package nix",)),
    "offline": (NetworkError, ("index.example cannot be reached", "connection")),
}


@pytest.mark.parametrize("asked", ERRORS)
def test_errors_name_what_is_wrong_and_what_to_do(shelf: Shelf, asked: str) -> None:
    stock(shelf)
    kind, parts = ERRORS[asked]
    with pytest.raises(CrossbuildError) as caught:
        solve(shelf, wanted(*asked.split()))
    text = f"{caught.value} {caught.value.remedy}"
    assert type(caught.value) is kind
    assert [part for part in parts if part not in text] == [], text
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("formats", "said"),
    [
        (Formats(hashes=frozenset({(canonicalize_name("good"), "f" * 64)})), "none of the --hash"),
        (Formats(hashes_required=True, only_binary_all=True), "no --hash for it"),
    ],
)
def test_hashes_that_nothing_has_are_the_thing_to_change(
    shelf: Shelf, formats: Formats, said: str
) -> None:
    stock(shelf)
    with pytest.raises(ResolutionError, match=said) as caught:
        solve(shelf, wanted("good", formats=formats))
    assert "--hash" in caught.value.remedy


def test_a_host_that_cannot_build_says_for_what_it_would_have_to(shelf: Shelf) -> None:
    stock(shelf)
    shelf.unable = HostError("no image has CPython 3.11 for aarch64", remedy="Take another.")
    with pytest.raises(HostError, match=r"source 1 has no wheel .*: no image has") as caught:
        solve(shelf, wanted("good", "source"))
    assert caught.value.remedy == "Take another."


def test_with_a_real_index_and_real_files(
    uv: Uv, mini_index: MiniIndex, store: Store, tmp_path: Path
) -> None:
    mini_index.add(wheel(tmp_path, "a", "1", requires=["b; python_version<'4'"]))
    mini_index.add(wheel(tmp_path, "b", "1", tag=FITS), core_metadata=True)
    mini_index.add(wheel(tmp_path, "b", "2", tag=FOREIGN), core_metadata=True)
    pyproject = "[project]\nname='c'\nversion='1'\ndependencies=['a']\n" + HATCHLING
    mini_index.add(sdist(tmp_path, "c", "1", pyproject=pyproject))
    mini_index.add(wheel(tmp_path, "hatchling", "1"))
    indexes = Indexes(urls=(mini_index.url.rstrip("/"),))
    inspector = Shelf(uv=uv, directory=tmp_path)
    found = resolve(
        wanted("c"),
        TARGET,
        uv=uv,
        index=Index(indexes, Http(pause=0.001), store),
        inspector=inspector,
        refused={},
        reporter=Recorder(),
    )
    assert versions(found.pins) == ["a 1", "b 1", "c 1*"]
    assert environment(found, "c", "1") == ["hatchling 1"]
    assert inspector.asked == [("c-1.tar.gz", ["hatchling 1"])]
    assert not [
        asked
        for asked in mini_index.asked(".whl")
        if asked.range is None and not asked.path.endswith(".metadata")
    ]


def only(*packages: str) -> Formats:
    return Formats(only_binary=frozenset(map(name, packages)), only_binary_all=not packages)


@pytest.mark.parametrize("formats", [only(), only("source")])
def test_only_binary_names_every_file_and_the_way_out(shelf: Shelf, formats: Formats) -> None:
    stock(shelf)
    shelf.wheel("source", "1", FOREIGN)
    with pytest.raises(ResolutionError) as caught:
        solve(shelf, wanted("source", formats=formats))
    assert f"source-1-{FOREIGN}.whl (built for x86_64)" in str(caught.value)
    assert "source-1.tar.gz (--only-binary wants wheels)" in str(caught.value)
    assert "--only-binary" in caught.value.remedy
