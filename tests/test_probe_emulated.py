"""What each image is, by its own Python, against all that the catalog and the target claim."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild import catalog, probing
from crossbuild.catalog import Image, Interpreter
from crossbuild.engine.base import Engine
from crossbuild.platforms import dotted
from crossbuild.target import UNKNOWABLE, Target
from crossbuild.targets import choice, named, probe

pytestmark = [pytest.mark.emulation, pytest.mark.network]

CASES = [
    pytest.param(image, found, id=f"{image.name}-{found.tag}")
    for image in catalog.images()
    if catalog.from_packages(image)
    for found in image.interpreters
]
"""The images of a registry have their own test, where a registry is."""


@pytest.mark.parametrize(("image", "found"), CASES)
def test_an_image_is_what_the_catalog_claims(
    engine: Engine, image: Image, found: Interpreter
) -> None:
    told = probing.probe(image, found, engine)
    full = told["python"]["version"]
    claimed = Target.parse(f"manylinux_{image.glibc[0]}_{image.glibc[1]}_{image.arch}", full)
    assert told["libc"] == {
        "name": "glibc",
        "version": dotted(image.glibc),
        "found_by": "os.confstr",
    }
    assert told["tags"] == list(map(str, claimed.tags))
    kernel = {name: told["markers"].pop(name) for name in UNKNOWABLE}
    assert all(kernel.values())
    assert told["markers"] == claimed.markers
    assert told["platform"] == f"linux-{image.arch}"
    python = told["python"]
    assert tuple(python["version_info"][:2]) == found.version
    assert python["abis"] == [claimed.abi]
    assert python["cache_tag"] == found.cache_tag
    assert python["executable"] == found.command
    assert python["soabi"] == f"{found.cache_tag}-{image.arch.triplet}"
    assert python["ext_suffix"] == f".{python['soabi']}.so"
    assert python["bits"] == image.arch.bits
    assert not python["free_threaded"]
    assert told["modules"]["venv"]
    assert told["pip"] is None
    assert told["unknown"] == {"index": "LookupError: none is configured here"}
    assert told["programs"]


@pytest.mark.parametrize(("image", "found"), CASES)
def test_what_it_tells_is_the_target_that_is_named_after_it(
    engine: Engine, image: Image, found: Interpreter
) -> None:
    told = probe.target(probing.probe(image, found, engine), Path("probe.json"))
    (name,) = [
        item.name
        for item in named.distributions()
        if item.name.startswith("debian") and item.glibc == image.glibc
    ]
    claimed = choice.target(name, None, default_python="3.7", directory=Path())
    assert catalog.image_for(claimed, at_least_floor=True) == image
    assert (told.family, told.arch, told.floor, told.python) == (
        claimed.family,
        claimed.arch,
        claimed.floor,
        claimed.python,
    )
    assert told.tags == claimed.tags
    assert told.platform_tags == claimed.platform_tags
