"""A probe's JSON as a target: it overrides every guess, and is read strictly."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.tags import parse_tag

from crossbuild.errors import UsageError
from crossbuild.model import Refusal
from crossbuild.platforms import Family
from crossbuild.target import Target
from crossbuild.targets import choice, probe
from tests.probes import KYLIN, MARKERS, TOLD, told


def read(directory: Path, document: object) -> Target:
    path = directory / "probe.json"
    path.write_text(json.dumps(document))
    return choice.target("probe.json", None, default_python="3.11", directory=directory)


def test_it_is_what_the_interpreter_told(tmp_path: Path) -> None:
    target = read(tmp_path, TOLD)
    assert str(target) == "probe.json (manylinux_2_31_aarch64), CPython 3.8.10"
    assert (target.family, target.arch.name, target.floor) == (
        Family.MANYLINUX,
        "aarch64",
        (2, 31),
    )
    assert (target.python, target.patch) == ((3, 8), 10)
    assert target.markers == MARKERS
    assert list(map(str, target.tags)) == TOLD["tags"]
    assert target.platform_tags == KYLIN.platform_tags
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    assert again == target
    assert str(again) == str(target)


def test_what_decides_how_packages_get_there_is_kept(tmp_path: Path) -> None:
    index = {"url": "http://index.example/simple", "reachable": True, "how": "asked"}
    target = read(tmp_path, told(index=index, modules={"zlib": False, "json": True}))
    again = Target.from_json(json.loads(json.dumps(target.to_json())))
    for reported in (target.reported, again.reported):
        assert reported is not None
        assert reported.missing == ("zlib",)
        assert reported.index == "http://index.example/simple"
        assert (reported.executable, reported.pip) == ("/usr/bin/python3", False)
    for index in ({}, {"url": "", "reachable": True}, {"url": "x", "reachable": False}):
        unreached = read(tmp_path, told(index=index)).reported
        assert unreached is not None
        assert unreached.index is None
    assert target == read(tmp_path, TOLD)


def test_the_order_of_the_tags_is_the_machines_own(tmp_path: Path) -> None:
    swapped = [*TOLD["tags"][1:], TOLD["tags"][0]]
    target = read(tmp_path, told(tags=swapped))
    assert list(map(str, target.tags)) == swapped
    assert target.rank(parse_tag(swapped[0])) == 0
    assert target.rank(parse_tag(TOLD["tags"][0])) == len(swapped) - 1


def test_a_distribution_that_refuses_manylinux_lowers_the_floor(tmp_path: Path) -> None:
    fewer = [tag for tag in TOLD["tags"] if not any(f"_2_{n}_" in tag for n in range(18, 32))]
    target = read(tmp_path, told(tags=fewer))
    assert target.floor == (2, 17)
    assert target.repair_platforms == ("manylinux_2_17_aarch64", "manylinux2014_aarch64")
    refusal = target.refusal(parse_tag("cp38-cp38-manylinux_2_28_aarch64"))
    assert refusal == (Refusal.FLOOR, "needs glibc 2.28, the target has 2.17")


def test_without_manylinux_it_is_plain_linux(tmp_path: Path) -> None:
    plain = [tag for tag in TOLD["tags"] if "manylinux" not in tag]
    target = read(tmp_path, told(tags=plain, libc=None))
    assert (target.family, target.floor) == (Family.LINUX, None)
    assert target.repair_platforms == ("linux_aarch64",)


def test_musl(tmp_path: Path) -> None:
    alpine = Target.parse("musllinux_1_2_aarch64", "3.8")
    target = read(tmp_path, told(tags=list(map(str, alpine.tags))))
    assert (target.family, target.floor) == (Family.MUSLLINUX, (1, 2))


def test_a_32_bit_python_on_a_64_bit_kernel(tmp_path: Path) -> None:
    own = [f"cp38-cp38-{name}" for name in ("linux_armv8l", "linux_armv7l")]
    tags = [*own, "cp38-cp38-manylinux_2_31_armv8l", "cp38-cp38-manylinux_2_31_armv7l"]
    target = read(tmp_path, told(tags=tags))
    assert (target.arch.name, target.floor) == ("armv7l", (2, 31))
    assert target.markers["platform_machine"] == "aarch64"
    assert target.accepts(parse_tag("cp38-cp38-manylinux_2_31_armv8l"))


@pytest.mark.parametrize(
    ("marker", "expected"),
    [
        ("platform_release == '5.4.18-85-generic'", True),
        ("platform_release == '6.1.0'", False),
        ("'KYLINOS' in platform_version", True),
        ("python_full_version < '3.8.11'", True),
        ("platform_machine == 'x86_64'", False),
    ],
)
def test_markers_are_the_machines_the_kernels_too(
    tmp_path: Path, marker: str, expected: bool
) -> None:
    target = read(tmp_path, TOLD)
    assert target.evaluate(Requirement(f"x; {marker}")) is expected


def test_without_a_probe_the_remedy_is_one() -> None:
    with pytest.raises(UsageError, match="asks for the kernel") as caught:
        KYLIN.evaluate(Requirement("x; platform_release >= '5.4'"))
    assert "crossbuild probe" in caught.value.remedy


def test_distributions_that_add_to_their_version(tmp_path: Path) -> None:
    markers = {**MARKERS, "python_full_version": "3.8.10+"}
    target = read(tmp_path, told(markers=markers))
    assert target.evaluate(Requirement("x; python_full_version >= '3.8.10'"))
    assert target.patch == 10


def test_a_probe_of_this_host(tmp_path: Path) -> None:
    path = tmp_path / "here.json"
    script = tmp_path / "probe.py"
    script.write_text(probe.script())
    quiet = {**os.environ, "PIP_NO_INDEX": "1"}
    subprocess.run([sys.executable, str(script), str(path)], check=True, env=quiet)
    target = probe.read(path)
    assert target.arch.name == platform.machine()
    assert target.markers == default_environment()
    assert target.python == sys.version_info[:2]
    if platform.libc_ver()[0] == "glibc":
        assert target.floor == tuple(map(int, platform.libc_ver()[1].split(".")[:2]))


def python(**changes: Any) -> dict[str, Any]:
    return {**TOLD["python"], **changes}


@pytest.mark.parametrize(
    ("document", "says"),
    [
        ([], "is no probe of a Python"),
        ({}, "schema: 'crossbuild-probe/1' is expected"),
        (told(schema="crossbuild-probe/2"), "schema: 'crossbuild-probe/1' is expected"),
        ({key: TOLD[key] for key in TOLD if key != "tags"}, "tags: missing"),
        (told(tags=None, unknown={"tags": "LookupError: no"}), "tags: the target's Python could"),
        (told(tags=[]), "tags: a list of texts"),
        (told(tags=["cp38-cp38"]), "tags: 'cp38-cp38' is not one tag"),
        (told(tags=["cp38.cp39-abi3-linux_aarch64"]), "is not one tag"),
        (told(tags=["cp39-cp39-linux_aarch64"]), "tags: cp39-cp39-linux_aarch64 is first"),
        (told(tags=["cp38-cp38-linux_i686"]), "tags: linux_i686 is not Linux on one"),
        (told(tags=["cp38-cp38-win_amd64"]), "tags: no tag is not Linux on one"),
        (told(markers={"os_name": "posix"}), "markers.implementation_name: missing"),
        (told(python=python(implementation="pypy")), "for CPython, not pypy"),
        (told(python=python(free_threaded=True)), "python.free_threaded: a free-threaded"),
        (told(python=python(version="3.6.9")), "python.version: the oldest Python served is 3.7"),
        (told(python=python(version="three")), "python.version: a version like"),
        (told(python=python(version="3.8")), "python.version: a version like"),
    ],
)
def test_what_is_wrong_is_told_with_the_file_and_the_key(
    tmp_path: Path, document: object, says: str
) -> None:
    with pytest.raises(UsageError, match=r"probe\.json") as caught:
        read(tmp_path, document)
    assert says in str(caught.value)
    assert "crossbuild probe" in caught.value.remedy


def test_what_a_later_script_tells_besides_is_passed_over(tmp_path: Path) -> None:
    more = told(colour="red", markers={**MARKERS, "later": "x"}, python=python(gil="no"))
    assert read(tmp_path, more) == read(tmp_path, TOLD)
    fewer = {key: TOLD[key] for key in ("schema", "markers", "python", "libc", "platform", "tags")}
    assert read(tmp_path, fewer) == read(tmp_path, TOLD)


def test_files_that_are_not_there_or_no_json(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read: no such file"):
        choice.target("./absent.json", None, default_python="3.11", directory=tmp_path)
    (tmp_path / "bad.json").write_text("print()")
    with pytest.raises(UsageError, match=r"bad\.json is not JSON"):
        choice.target("bad.json", None, default_python="3.11", directory=tmp_path)


def test_another_python_than_the_one_probed_is_refused(tmp_path: Path) -> None:
    read(tmp_path, TOLD)
    options: dict[str, Any] = {"default_python": "3.11", "directory": tmp_path}
    assert choice.target("probe.json", "3.8", **options).patch == 10
    with pytest.raises(UsageError, match=r"tells of CPython 3\.8\.10, --python says 3\.9"):
        choice.target("probe.json", "3.9", **options)
