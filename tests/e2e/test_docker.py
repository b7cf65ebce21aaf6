"""The whole job in containers: the same wheels, byte for byte, wherever the daemon is."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild.engine.containers.daemon import connect
from crossbuild.errors import HostError
from tests.e2e.conftest import TARGET, Crossbuild
from tests.seconddaemon import second_daemon

pytestmark = [pytest.mark.emulation, pytest.mark.network]

AWKWARD = ("hnswlib", "netifaces", "docopt")


def link(source: str, destination: str) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copy2(source, destination)


def unbuilt(cache: Path, copy: Path) -> Path:
    """A cache with the roots, toolchain and downloads of another, and nothing built."""
    for part in ("trees", "files"):
        shutil.copytree(cache / part, copy / part, symlinks=True, copy_function=link)
    return copy


@contextlib.contextmanager
def local_daemon() -> Iterator[str]:
    """The daemon of this host, or DOCKER_HOST's; skips where none answers."""
    try:
        found = connect(os.environ)
    except HostError as error:
        pytest.skip(str(error))
    found.close()
    yield found.address


def test_the_wheels_are_those_of_the_embedded_engine_wherever_the_daemon_is(
    crossbuild: Crossbuild, cache: Path, tmp_path: Path
) -> None:
    options = [*AWKWARD, "--target", TARGET, "--python", "3.11"]
    assert crossbuild("setup", "--target", TARGET, "--python", "3.11").code == 0

    def sums(name: str, engine: str, address: str) -> str:
        own = unbuilt(cache, tmp_path / f"cache-{name}")
        output = ("-o", name, "--engine", engine, "--json")
        ran = crossbuild(*options, *output, cache_dir=own, env={"DOCKER_HOST": address})
        assert ran.code == 0, ran.stderr
        assert ran.document["smoke"]["state"] == "passed"
        made = {it["name"]: it["origin"] for it in ran.document["packages"]}
        assert {made[package] for package in AWKWARD} == {"built"}
        return (tmp_path / name / "SHA256SUMS").read_text(encoding="ascii")

    with local_daemon() as here, second_daemon() as there:
        expected = sums("embedded", "rootfs", "unix:///nonexistent/docker.sock")
        assert sums("local", "docker", here) == expected
        assert sums("remote", "docker", there) == expected


def test_docker_without_a_daemon_is_an_error_at_once(crossbuild: Crossbuild) -> None:
    nowhere = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    ran = crossbuild("cycler", "--target", TARGET, "--engine", "docker", env=nowhere)
    assert ran.code == HostError.exit_code
    assert "no Docker daemon answers at unix:///nonexistent/docker.sock" in ran.complaint
    assert "--engine rootfs" in ran.stderr


def test_auto_takes_the_embedded_engine_where_no_daemon_answers(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    nowhere = {"DOCKER_HOST": "unix:///nonexistent/docker.sock"}
    options = ("--target", TARGET, "--python", "3.11", "--engine", "auto")
    ran = crossbuild("cycler", *options, "-v", env=nowhere)
    assert ran.code == 0, ran.stderr
    assert "the embedded engine is used: no Docker daemon answers" in ran.stderr
