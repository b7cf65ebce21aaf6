"""One wheelhouse on several machines: the user's own, exported, and one of Debian's packages."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild import catalog
from crossbuild.catalog import Role
from crossbuild.engine.base import Engine, Root
from tests import wheels
from tests.e2e.conftest import Crossbuild

pytestmark = [pytest.mark.emulation, pytest.mark.network]

B = "bullseye-aarch64"
LIBRARY = "libgomp.so.1"
"""The OpenMP runtime: compilers bring it, a clean machine lacks it, and no wheel is told so when
it loads it by name, as wheels of many do."""


@pytest.fixture(scope="session")
def equipped(engine: Engine) -> Root:
    """A machine like B with more installed: the compilers, and so their libraries."""
    return engine.prepare(catalog.image(B), Role.BUILD)


@pytest.fixture(scope="session")
def written(equipped: Root, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The machine as ``docker export`` writes one: no leading dot, the daemon's own files."""
    path = tmp_path_factory.mktemp("exported") / "machine.tar"
    with tarfile.open(path, "w") as archive:
        marker = tarfile.TarInfo(".dockerenv")
        archive.addfile(marker)
        for entry in sorted(equipped.path.iterdir()):
            archive.add(entry, entry.name)
    return path


@pytest.fixture(scope="session")
def exported(written: Path) -> Iterator[Path]:
    """The same from a real container, which never runs."""
    docker = shutil.which("docker")
    info = docker and subprocess.run([docker, "info"], capture_output=True, check=False)
    if not docker or not info or info.returncode:
        pytest.skip("no Docker daemon answers")

    def said(*words: str) -> str:
        done = subprocess.run([docker, *words], capture_output=True, check=True, text=True)
        return done.stdout.strip()

    image = said("import", "--platform", "linux/arm64", str(written))
    try:
        container = said("create", "--label", "crossbuild.test=images", image, "/bin/true")
        path = written.with_name("container.tar")
        said("export", container, "--output", str(path))
        said("rm", "--force", container)
        yield path
    finally:
        said("rmi", "--force", image)


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    """Two wheels that every static check finds sound."""
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    loads = f"import ctypes\n\nctypes.CDLL({LIBRARY!r})\n"
    wheels.wheel(directory, "fine", "1.0")
    wheels.wheel(directory, "parallel", "2.0", files={"parallel.py": loads}, requires=["fine"])
    return directory


@pytest.mark.parametrize("source", ["written", "exported"])
def test_the_wheel_that_is_broken_in_one_image_is_named(
    crossbuild: Crossbuild, wheelhouse: Path, source: str, request: pytest.FixtureRequest
) -> None:
    a = request.getfixturevalue(source)
    words = ("verify", str(wheelhouse), "--target", "debian-11", "--image", str(a), "--image", B)
    ran = crossbuild(*words, "--json")
    assert ran.code == 10, ran.stderr
    document = ran.document
    assert document["target"]["name"] == "debian-11"
    assert (document["target"]["platform"], document["target"]["python"]) == (
        "manylinux_2_31_aarch64",
        "3.9",
    )
    assert document["sound"]
    assert document["faults"] == []
    passed, failed = document["images"]
    assert (passed["state"], passed["broken"], passed["glibc"]) == ("passed", [], "2.31")
    assert [item["module"] for item in passed["imports"]] == ["fine", "parallel"]
    assert (failed["image"], failed["state"], failed["glibc"]) == (B, "failed", "2.31")
    assert failed["broken"] == ["parallel-2.0-py3-none-any.whl"]
    assert LIBRARY in failed["reason"]
    assert document["smoke"] == failed

    table = crossbuild(*words)
    assert table.code == 10
    rows = table.stdout.splitlines()
    head = next(number for number, row in enumerate(rows) if row.split()[:1] == ["image"])
    assert rows[head + 1].split()[:2] == [passed["image"], "2.31"]
    assert "2 modules imported" in rows[head + 1]
    assert rows[head + 2].split()[:2] == [B, "2.31"]
    assert "parallel-2.0-py3-none-any.whl" in rows[head + 2]
    assert f"{LIBRARY}: cannot open shared object file" in rows[head + 3]


def test_without_a_target_it_is_what_the_image_tells(
    crossbuild: Crossbuild, wheelhouse: Path, written: Path
) -> None:
    ran = crossbuild("verify", str(wheelhouse), "--image", str(written), "--json")
    assert ran.code == 0, ran.stderr
    target = ran.document["target"]
    assert (target["platform"], target["python"]) == ("manylinux_2_31_aarch64", "3.9.2")
    assert target["reported"]["markers"]["platform_machine"] == "aarch64"


def test_a_machine_that_no_image_is_like_is_not_proven(
    crossbuild: Crossbuild, wheelhouse: Path, written: Path
) -> None:
    kylin = ("verify", str(wheelhouse), "--target", "kylin-v10-sp1-desktop")
    ran = crossbuild(*kylin)
    assert ran.code == 12, ran.stderr
    assert "no image has CPython 3.8 and glibc 2.31 or newer for aarch64" in ran.stdout
    assert "docker export" in ran.stdout
    assert "crossbuild images import" in ran.stdout
    assert "kylin-v10-sp1-desktop has CPython 3.8, it seems" in ran.stderr

    ran = crossbuild(*kylin, "--image", str(written), "--json")
    assert ran.code == 12
    (row,) = ran.document["images"]
    assert row["state"] == "not run"
    assert "has CPython 3.9 for aarch64, the wheels are for CPython 3.8" in row["reason"]


def test_a_run_is_proven_where_the_user_says(crossbuild: Crossbuild, written: Path) -> None:
    words = ("six", "--target", "debian-11", "--image", str(written), "--image", B)
    ran = crossbuild(*words, "--json")
    assert ran.code == 0, ran.stderr
    assert [(row["image"], row["state"]) for row in ran.document["images"]] == [
        ("machine", "passed"),
        (B, "passed"),
    ]
    assert ran.document["smoke"]["state"] == "passed"
