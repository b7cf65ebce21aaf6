"""What machine a root is, told without running anything in it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from crossbuild.engine.images import inspection
from crossbuild.engine.images.unpacking import Unpacker
from crossbuild.errors import UsageError
from tests.machines import glibc, machine, program
from tests.tars import Member, file, link, tar


def root(tmp_path: Path, *members: Member) -> Path:
    Unpacker(tmp_path).apply(io.BytesIO(tar(members)), "mine", layered=False)
    return tmp_path


def test_a_machine_like_kylin_desktop(tmp_path: Path) -> None:
    found = inspection.inspect(root(tmp_path, *machine()), "mine")
    assert (found.arch.name, found.glibc) == ("aarch64", (2, 31))
    (interpreter,) = found.interpreters
    assert (interpreter.tag, interpreter.version) == ("cp38-cp38", (3, 8))
    assert interpreter.path == "/usr/bin/python3.8"


@pytest.mark.parametrize("arch", ["x86_64", "armv7l", "s390x", "loongarch64", "riscv64"])
def test_the_processor_is_that_of_the_programs(tmp_path: Path, arch: str) -> None:
    assert inspection.inspect(root(tmp_path, *machine(arch=arch)), "mine").arch.name == arch


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param(["usr/bin/python3.7"], {"cp37-cp37m": "/usr/bin/python3.7"}, id="m"),
        pytest.param(
            ["usr/bin/python3.9", "usr/local/bin/python3.9", "usr/bin/python3.11"],
            {"cp39-cp39": "/usr/local/bin/python3.9", "cp311-cp311": "/usr/bin/python3.11"},
            id="the one that PATH finds, the oldest first",
        ),
        pytest.param(
            ["usr/libexec/platform-python3.6"],
            {"cp36-cp36m": "/usr/libexec/platform-python3.6"},
            id="the system's own of RHEL and its like",
        ),
        pytest.param(
            [
                "opt/_internal/cpython-3.12.1/bin/python3.12",
                link("opt/python/cp312-cp312", "/opt/_internal/cpython-3.12.1"),
            ],
            {"cp312-cp312": "/opt/_internal/cpython-3.12.1/bin/python3.12"},
            id="PyPA's",
        ),
        pytest.param(
            ["root/.pyenv/versions/3.10.4/bin/python3.10", "opt/mine/bin/python3.13"],
            {
                "cp310-cp310": "/root/.pyenv/versions/3.10.4/bin/python3.10",
                "cp313-cp313": "/opt/mine/bin/python3.13",
            },
            id="installed by hand",
        ),
        pytest.param(
            [
                "usr/bin/python3.8",
                *("usr/bin/python3.5", "usr/bin/python2.7", "usr/bin/python3.99-config"),
                file("usr/bin/python3.12", b"#!/bin/sh\n", mode=0o755),
                file("usr/bin/python3.13", program("x86_64"), mode=0o755),
                link("usr/bin/python3.14", "/usr/bin/gone"),
                link("usr/bin/python3.15", "/usr/bin/python3.15"),
            ],
            {"cp38-cp38": "/usr/bin/python3.8"},
            id="no scripts, no other processor, no dead links",
        ),
    ],
)
def test_pythons_are_found(
    tmp_path: Path, members: list[str | Member], expected: dict[str, str]
) -> None:
    names = [name for name in members if isinstance(name, str)]
    others = [member for member in members if not isinstance(member, str)]
    found = inspection.inspect(root(tmp_path, *machine(names), *others), "mine")
    assert {one.tag: one.path for one in found.interpreters} == expected


def test_a_link_to_the_hosts_own_python_is_none(tmp_path: Path) -> None:
    host = tmp_path / "host-python3.8"
    host.write_bytes(program())
    inside = tmp_path / "root"
    inside.mkdir()
    made = root(inside, *machine([]), link("usr/bin/python3.8", str(host)))
    with pytest.raises(UsageError, match="has no CPython"):
        inspection.inspect(made, "mine")


@pytest.mark.parametrize("version", ["2.17", "2.28", "2.41"])
def test_glibc_says_its_version(tmp_path: Path, version: str) -> None:
    assert inspection.inspect(root(tmp_path, *machine(version=version)), "mine").glibc == tuple(
        map(int, version.split("."))
    )


def test_the_name_of_an_older_glibc_tells_too(tmp_path: Path) -> None:
    silent = file("usr/lib/aarch64-linux-gnu/libc-2.31.so", program(), mode=0o755)
    assert inspection.inspect(root(tmp_path, *machine(), silent), "mine").glibc == (2, 31)


def test_the_glibc_of_another_processor_does_not_count(tmp_path: Path) -> None:
    other = file("lib/libc.so.6", glibc("2.17", "x86_64"))
    assert inspection.inspect(root(tmp_path, *machine(), other), "mine").glibc == (2, 31)


@pytest.mark.parametrize(
    ("members", "sentence"),
    [
        ([file("etc/passwd")], "mine is not the root of a Linux machine"),
        ([file("bin/sh", b"#!/bin/busybox")], "mine is not the root of a Linux machine"),
        ([file("my/bin/sh", program())], "mine is not the root of a Linux machine"),
        ([file("bin/sh", program())], "mine has no glibc for aarch64"),
        (machine([]), "mine has no CPython 3.6 or newer"),
    ],
)
def test_what_no_wheel_could_be_tried_in_is_refused(
    tmp_path: Path, members: list[Member], sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        inspection.inspect(root(tmp_path, *members), "mine")
    assert sentence in str(caught.value)
    assert caught.value.remedy
