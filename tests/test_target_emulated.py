"""The target's tags and markers, asked of packaging itself inside emulated targets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from crossbuild import catalog
from crossbuild.catalog import Image, Role
from crossbuild.engine.base import WORK, Engine
from crossbuild.platforms import dotted
from crossbuild.target import Target
from tests import pythons

pytestmark = [pytest.mark.emulation, pytest.mark.network]

PLATFORMS = (
    "manylinux2014_aarch64",
    "manylinux_2_28_aarch64",
    "manylinux_2_41_aarch64",
    "musllinux_1_2_aarch64",
    "linux_aarch64",
)
PROBE = """
import json, sys
from packaging import _manylinux, _musllinux, markers, tags

def forced(family, version):
    glibc = version if family == "manylinux" else (-1, -1)
    musl = _musllinux._MuslVersion(*version) if family == "musllinux" else None
    _manylinux._get_glibc_version = lambda: _manylinux._GLibCVersion(*glibc)
    _musllinux._get_musl_version = lambda executable: musl
    return list(map(str, tags.sys_tags()))

own = list(map(str, tags.sys_tags()))
floors = json.loads(sys.argv[1])
answer = {name: forced(family, version) for name, (family, version) in floors.items()}
with open("answer.json", "w") as file:
    json.dump({"own": own, "forced": answer, "markers": markers.default_environment()}, file)
"""
"""Asks for the tags at the image's own glibc first, then at each floor."""


def _asked(engine: Engine, image: Image, python: str, directory: Path) -> dict[str, Any]:
    """What packaging, copied into the sandbox, says of that interpreter there."""
    targets = [Target.parse(platform, python) for platform in PLATFORMS]
    floors = {item.platform: (item.family.value, item.floor) for item in targets}
    probe = directory / "probe.py"
    probe.write_text(PROBE)
    interpreter = image.interpreter(targets[0].python)
    assert interpreter is not None
    with engine.session(engine.prepare(image, Role.TARGET)) as session:
        known = pythons.packaging(python, directory / "site") / "packaging"
        session.put(known, f"{WORK}/packaging")
        session.put(probe, f"{WORK}/probe.py")
        done = session.run([interpreter.command, f"{WORK}/probe.py", json.dumps(floors)])
        assert done.ok, done.output
        session.get(f"{WORK}/answer.json", directory / "answer.json")
    answer: dict[str, Any] = json.loads((directory / "answer.json").read_text())
    return answer


CASES = [
    (image, found.version)
    for image in filter(catalog.from_packages, catalog.images())
    for found in image.interpreters
]


@pytest.mark.parametrize(("image", "python"), CASES, ids=[image.name for image, _ in CASES])
def test_tags_and_markers_are_those_inside(
    engine: Engine, image: Image, python: tuple[int, int], tmp_path: Path
) -> None:
    answer = _asked(engine, image, dotted(python), tmp_path)
    for platform, tags in answer["forced"].items():
        assert [str(tag) for tag in Target.parse(platform, dotted(python)).tags] == tags, platform
    native = f"manylinux_{image.glibc[0]}_{image.glibc[1]}_{image.arch}"
    full = answer["markers"]["python_full_version"]
    target = Target.parse(native, full)
    assert [str(tag) for tag in target.tags] == answer["own"]
    kernel = {"platform_release", "platform_version"}
    assert target.markers == {k: v for k, v in answer["markers"].items() if k not in kernel}
