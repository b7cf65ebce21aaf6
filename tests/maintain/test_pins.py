"""The images of PyPA are held to the list they were written from."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

from crossbuild import catalog, process
from crossbuild.catalog import Oci
from crossbuild.engine.images import registry
from tests.maintain import pins
from tests.registry import serving
from tests.tars import file, laid_out, layout, tar

FILES = [pins.IMAGES / f"{name}.toml" for name in pins.GLIBC]
LIST = """\
[x86_64]
manylinux2014 = registry.example/pypa/manylinux2014_x86_64@sha256:{other}  # 2030.01.02-1
[aarch64]
manylinux2014 = registry.example/pypa/manylinux2014_aarch64@sha256:{digest}  # 2030.01.02-1
manylinux_2_28 = registry.example/pypa/manylinux_2_28_aarch64@sha256:{digest}  # 2030.01.02-1
manylinux_2_34 = registry.example/pypa/manylinux_2_34_aarch64@sha256:{digest}  # 2030.01.02-1
"""
CONFIGURATIONS = [
    ("cp312-manylinux_x86_64", "cp312-cp312"),
    ("cp311-manylinux_aarch64", "cp311-cp311"),
    ("cp314t-manylinux_aarch64", "cp314-cp314t"),
    ("pp311-manylinux_aarch64", "pp311-pypy311_pp80"),
    ("cp310-musllinux_aarch64", "cp310-cp310"),
]
PLATFORMS = "\n".join(
    f'[[linux.python_configurations]]\nidentifier = "{name}"\npath_str = "/opt/python/{tag}"'
    for name, tag in CONFIGURATIONS
)


def resources(directory: Path, listed: str = LIST) -> Path:
    text = listed.format(digest="a" * 64, other="b" * 64)
    (directory / "pinned_docker_images.cfg").write_text(text, encoding="utf-8")
    (directory / "build-platforms.toml").write_text(PLATFORMS, encoding="utf-8")
    return directory


def test_a_list_becomes_files_that_the_catalog_understands(tmp_path: Path) -> None:
    pins.write(pins.listed(resources(tmp_path), "9.9"), tmp_path)
    (image,) = catalog.read(tmp_path / "manylinux_2_28.toml")
    assert image.source == Oci(
        repository="pypa/manylinux_2_28_aarch64",
        tag="2030.01.02-1",
        digest=f"sha256:{'a' * 64}",
    )
    assert (image.name, image.glibc) == ("manylinux_2_28-aarch64", (2, 28))
    assert [found.tag for found in image.interpreters] == ["cp311-cp311"]
    assert pins.named_version(tmp_path / "manylinux_2_28.toml") == "9.9"


def test_a_list_without_digests_is_refused(tmp_path: Path) -> None:
    plain = re.sub(r"@sha256:\S+  # (\S+)", r":\1", LIST)
    with pytest.raises(SystemExit, match="pins manylinux2014 without a digest"):
        pins.listed(resources(tmp_path, plain), "3.4.1")


@pytest.mark.network
def test_the_files_are_what_the_version_that_they_name_pins(tmp_path: Path) -> None:
    versions = {pins.named_version(path) for path in FILES}
    assert len(versions) == 1
    version = versions.pop()
    for pinned in pins.listed(_of_cibuildwheel(version, tmp_path), version):
        path = pins.IMAGES / f"{pinned.name}.toml"
        assert path.read_text(encoding="utf-8") == pins.written(pinned)


def _of_cibuildwheel(version: str, directory: Path) -> zipfile.Path:
    """The data of this cibuildwheel, installed here or not."""
    argv = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-deps",
        "--ignore-requires-python",
    ]
    process.run([*argv, "--dest", str(directory), f"cibuildwheel=={version}"])
    (wheel,) = directory.glob("cibuildwheel-*.whl")
    return zipfile.Path(wheel, "cibuildwheel/resources/")


def test_the_image_with_cpython_38_is_asked_of_a_registry(tmp_path: Path) -> None:
    layers = [tar([file("a")])]
    with serving(tmp_path / "registry") as local:
        digest = local.push(
            laid_out(layout(layers), tmp_path / "layout"),
            "pypa/manylinux2014_aarch64",
            pins.OLD_TAG,
        )
        pins.write([pins.old(registry.parse(local.place))], tmp_path)
    (image,) = catalog.read(tmp_path / "manylinux2014-cp38.toml")
    assert image.source == Oci(
        repository="pypa/manylinux2014_aarch64", tag=pins.OLD_TAG, digest=digest
    )
    assert image.interpreter((3, 8)) is not None
