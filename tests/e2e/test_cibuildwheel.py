"""A package built by cibuildwheel itself, in Docker, as its authors describe it."""

from __future__ import annotations

import io
import json
import secrets
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import APIClient

from crossbuild import verify
from crossbuild.engine.base import Engine
from crossbuild.engine.containers import daemon
from crossbuild.engine.containers.labels import RUN
from crossbuild.target import Target
from tests.e2e.conftest import TARGET, Crossbuild
from tests.wheels import sdist

pytestmark = [
    pytest.mark.emulation,
    pytest.mark.network,
    pytest.mark.parametrize("engine", ["docker"], indirect=True, scope="session"),
]

PYPROJECT = """
[build-system]
requires = ["setuptools>=64"]
build-backend = "setuptools.build_meta"

[tool.cibuildwheel]
before-all = "echo before-all > /project/all.txt"
before-build = "python {{project}}/made_before.py {{package}}/before.txt"
audit-command = "touch {host}/audit {{wheel}}"
test-command = "true"
test-environment = {{ TRACE = "$(touch {host}/environment)" }}
container-engine = "docker; create_args: --volume {host}:/host"
environment-pass = ["CROSSBUILD_TEST_SECRET"]

[tool.cibuildwheel.linux]
environment = {{ TRACE = "$(echo in $(uname -m))" }}
repair-wheel-command = "python {{project}}/repair.py {{wheel}} {{dest_dir}}"
"""
"""What comes out of every obeyed line is in the wheel; every other one would leave a file."""

FILES = {
    "made_before.py": "import sys; open(sys.argv[1], 'w').write('before-build')",
    "repair.py": """\
import subprocess, sys, zipfile
wheel, directory = sys.argv[1:]
with zipfile.ZipFile(wheel, "a") as archive:
    archive.writestr("traced/repaired.txt", "repaired")
subprocess.check_call(["auditwheel", "repair", "-w", directory, wheel])
""",
    "traced.c": """\
#include <Python.h>
static struct PyModuleDef definition = {PyModuleDef_HEAD_INIT, "code"};
PyMODINIT_FUNC PyInit_code(void) { return PyModule_Create(&definition); }
""",
    "traced/__init__.py": "",
}
SETUP = """
import json, os, socket
from setuptools import Extension, setup
def offline():
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=5)
    except OSError:
        return True
said = {
    "all": open("all.txt").read().strip(),
    "before": open("before.txt").read(),
    "trace": os.environ["TRACE"],
    "environment": sorted(os.environ),
    "host": os.path.exists("/host"),
    "offline": offline(),
}
with open("traced/said.json", "w") as file:
    json.dump(said, file)
setup(
    name="traced", version="1.0", packages=["traced"], package_data={"traced": ["said.json"]},
    ext_modules=[Extension("traced.code", ["traced.c"])],
)
"""


@pytest.fixture
def client() -> Iterator[APIClient]:
    opened = daemon.connect({})
    yield opened.api
    opened.close()


def anew(files: dict[str, str]) -> dict[str, str]:
    """The files of an sdist that nobody built before: the cache may last longer than a run."""
    return {**files, "anew.txt": secrets.token_hex(8)}


def left(client: APIClient) -> list[str]:
    """The containers and volumes of runs that are over."""
    containers = client.containers(all=True, filters={"label": "crossbuild.build"})
    volumes = client.volumes(filters={"label": RUN})["Volumes"] or []
    kept = [v["Labels"].get("crossbuild.tree", "") for v in volumes]
    return [c["Id"] for c in containers] + [key for key in kept if "cibuildwheel" in key]


def test_a_package_is_built_as_its_authors_say(
    engine: Engine, crossbuild: Crossbuild, tmp_path: Path, client: APIClient
) -> None:
    host = tmp_path / "host"
    host.mkdir()
    archive = sdist(
        tmp_path, "traced", "1.0",
        pyproject=PYPROJECT.format(host=host), setup_py=SETUP, files=anew(FILES),
    )  # fmt: skip
    platform = "manylinux_2_28_aarch64"
    options = ("--target", platform, "--python", "3.11", "--engine", engine.name)
    ran = crossbuild(
        str(archive), *options, "--builder", "cibuildwheel", "--json",
        env={"CROSSBUILD_TEST_SECRET": "x"},
    )  # fmt: skip
    assert ran.code == 0, ran.stderr
    assert ran.document["smoke"]["state"] == "passed"
    assert ran.document["packages"][0]["rung"] == "cibuildwheel"
    (path,) = (tmp_path / "wheelhouse").glob("traced-*.whl")
    assert verify.findings(path, Target.parse(platform, "3.11")) == ()
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as wheel:
        said = json.loads(wheel.read("traced/said.json"))
        assert wheel.read("traced/repaired.txt") == b"repaired"
    assert (said["all"], said["before"], said["trace"]) == (
        "before-all",
        "before-build",
        "in aarch64",
    )
    assert said["offline"] is True
    assert said["host"] is False
    assert "CROSSBUILD_TEST_SECRET" not in said["environment"]
    assert list(host.iterdir()) == [], "nothing of the package's was run on this host"
    assert left(client) == []


def test_with_our_compilers_it_fits_an_older_target(
    engine: Engine, crossbuild: Crossbuild, tmp_path: Path
) -> None:
    """zig compiles for the target's own glibc, whatever the image's is."""
    archive = sdist(
        tmp_path, "traced", "1.0",
        pyproject=PYPROJECT.format(host=tmp_path), setup_py=SETUP, files=anew(FILES),
    )  # fmt: skip
    options = ("--target", TARGET, "--python", "3.11", "--engine", engine.name)
    ran = crossbuild(str(archive), *options, "--builder", "cibuildwheel+native", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["packages"][0]["rung"] == "cibuildwheel with the native compiler"
    assert ran.document["smoke"]["state"] == "passed"


def test_what_cannot_be_installed_says_so_and_leaves_nothing(
    engine: Engine, crossbuild: Crossbuild, tmp_path: Path, client: APIClient
) -> None:
    pyproject = PYPROJECT.format(host=tmp_path).replace(
        "python {project}/made_before.py {package}/before.txt", "pip install oldest-of-all"
    )
    archive = sdist(tmp_path, "traced", "1.1", pyproject=pyproject,
                    setup_py=SETUP.replace("1.0", "1.1"), files=anew(FILES))  # fmt: skip
    options = ("--target", TARGET, "--python", "3.11", "--engine", engine.name)
    ran = crossbuild(str(archive), *options, "--builder", "cibuildwheel")
    assert ran.code == 8, ran.stderr
    assert "version that satisfies the requirement oldest-of-all" in ran.stdout + ran.stderr
    assert "own build requirements and nothing else" in ran.stdout + ran.stderr
    assert left(client) == []


def test_a_limit_ends_the_container_too(
    engine: Engine, crossbuild: Crossbuild, tmp_path: Path, client: APIClient
) -> None:
    pyproject = PYPROJECT.format(host=tmp_path).replace("echo before-all", "sleep 1000; echo")
    archive = sdist(tmp_path, "traced", "1.2", pyproject=pyproject,
                    setup_py=SETUP.replace("1.0", "1.2"), files=anew(FILES))  # fmt: skip
    options = ("--target", TARGET, "--python", "3.11", "--engine", engine.name)
    ran = crossbuild(str(archive), *options, "--builder", "cibuildwheel", "--timeout", "20s")
    assert ran.code == 8, ran.stderr
    assert "passing the limit of wall time" in ran.stdout + ran.stderr
    assert left(client) == []


def test_a_package_without_code_is_built_without_it(
    engine: Engine, crossbuild: Crossbuild, tmp_path: Path
) -> None:
    archive = sdist(
        tmp_path, "pure", "0.0.0", files=anew({"pure/__init__.py": ""}),
        setup_py="import setuptools\nsetuptools.setup(name='pure', packages=['pure'])",
    )  # fmt: skip
    options = ("--target", TARGET, "--python", "3.11", "--engine", engine.name)
    ran = crossbuild(str(archive), *options, "--builder", "cibuildwheel", "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["packages"][0]["rung"] == "emulated compiler"
    assert "building without cibuildwheel: it has no code of its own" in ran.stderr


def test_the_embedded_engine_cannot(
    engine: Engine, crossbuild: Crossbuild, tmp_path: Path
) -> None:
    archive = sdist(tmp_path, "pure", "1.0", files={"pure.py": ""}, setup_py="")
    options = ("--target", TARGET, "--python", "3.11", "--engine", "rootfs")
    ran = crossbuild(str(archive), *options, "--builder", "cibuildwheel")
    assert ran.code == 6, ran.stderr
    assert "cibuildwheel builds in Docker alone" in ran.stdout + ran.stderr
