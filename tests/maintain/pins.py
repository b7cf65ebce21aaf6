"""Write images/manylinux*.toml from the list that cibuildwheel pins its own images with.

    python -m tests.maintain.pins                    # from the cibuildwheel that is installed
    python -m tests.maintain.pins --registry HOST    # and the last image with CPython 3.8

CPython 3.8 left the images on 2026-05-07. The last release of cibuildwheel before that, 3.4.1,
pins its image by the tag alone (digests came between 4.1.0 and 4.2.0), so the digest can only
be asked of a registry. Without it there is no such file.
"""

from __future__ import annotations

import argparse
import configparser
import importlib.metadata
import importlib.resources
import os
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crossbuild import process
from crossbuild.catalog import DIGEST
from crossbuild.engine.images import registry
from crossbuild.engine.images.registry import Registry

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from importlib.abc import Traversable

IMAGES = Path(__file__).parents[2] / "images"
GLIBC = {"manylinux2014": "2.17", "manylinux_2_28": "2.28", "manylinux_2_34": "2.34"}
ARCH = "aarch64"
_PIN = re.compile(
    r"[^/\s]+/(?P<repository>\S+)@(?P<digest>sha256:[0-9a-f]{64})\s+#\s+(?P<tag>\S+)"
)
_PYTHON = re.compile(r"cp(\d+)-cp\1m?")
_FROM = "the list of pinned images of cibuildwheel {version}"
OLD_TAG = "2026.03.20-1"
OLD_PYTHONS = tuple(f"cp3{minor}-cp3{minor}" for minor in range(8, 15))
"""Those of cibuildwheel 3.4.1 (resources/build-platforms.toml), which pins this tag."""


@dataclass(frozen=True, kw_only=True)
class Pinned:
    """One image: what its file is written from."""

    name: str
    floor: str
    repository: str
    tag: str
    digest: str
    pythons: tuple[str, ...]
    origin: str


def listed(resources: Traversable, version: str) -> list[Pinned]:
    """What a cibuildwheel pins; ``resources`` is its directory of that name."""
    parser = configparser.ConfigParser()
    parser.read_string((resources / "pinned_docker_images.cfg").read_text(encoding="utf-8"))
    pythons = _pythons((resources / "build-platforms.toml").read_text(encoding="utf-8"))
    found = []
    for name in GLIBC:
        match = _PIN.fullmatch(parser[ARCH][name])
        if match is None:
            raise SystemExit(f"cibuildwheel {version} pins {name} without a digest")
        found.append(
            Pinned(
                name=name,
                floor=name,
                repository=match["repository"],
                tag=match["tag"],
                digest=match["digest"],
                pythons=pythons,
                origin=_FROM.format(version=version),
            )
        )
    return found


def written(pinned: Pinned) -> str:
    """The whole file."""
    pythons = "\n".join(f'{tag} = "/opt/python/{tag}/bin/python"' for tag in pinned.pythons)
    repository = pinned.repository.replace(ARCH, "ARCH")
    return f"""\
# PyPA's image, by its digest. The registry that has it is the user's to say (--registry).
# Written by `python -m tests.maintain.pins` from {pinned.origin}.
roles = ["build"]
glibc = "{GLIBC[pinned.floor]}"
arches = ["{ARCH}"]

[pythons]
{pythons}

[oci]
repository = "{repository}"
tag = "{pinned.tag}"

[oci.digests]
{ARCH} = "{pinned.digest}"
"""


def named_version(path: Path) -> str:
    """The version of cibuildwheel that a file says it was written from."""
    match = re.search(_FROM.format(version=r"(\S+)") + r"\.\n", path.read_text(encoding="utf-8"))
    if match is None:
        raise SystemExit(f"{path} does not say from which cibuildwheel it is")
    return match[1]


def old(place: Registry) -> Pinned:
    """The last manylinux2014 that has CPython 3.8, with the digest that a registry gives."""
    repository = f"pypa/manylinux2014_{ARCH}"
    argv = [
        *("skopeo", "inspect", "--no-tags", "--format", "{{.Digest}}"),
        f"--tls-verify={str(not place.unchecked).lower()}",
        f"docker://{place.place}/{repository}:{OLD_TAG}",
    ]
    digest = process.run(argv, env=dict(os.environ)).stdout.strip()
    if not DIGEST.fullmatch(digest):
        raise SystemExit(f"{digest!r} is no digest")
    return Pinned(
        name="manylinux2014-cp38",
        floor="manylinux2014",
        repository=repository,
        tag=OLD_TAG,
        digest=digest,
        pythons=OLD_PYTHONS,
        origin="a registry, for the last tag with CPython 3.8",
    )


def write(found: Iterable[Pinned], directory: Path) -> None:
    """Write the file of each image."""
    for pinned in found:
        path = directory / f"{pinned.name}.toml"
        path.write_text(written(pinned), encoding="utf-8")
        print(f"{path}: {pinned.tag} {pinned.digest}")


def main(argv: Sequence[str], directory: Path = IMAGES) -> None:
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.maintain.pins")
    parser.add_argument("--registry", type=registry.parse, metavar="HOST")
    place = parser.parse_args(argv).registry
    version = importlib.metadata.version("cibuildwheel")
    found = listed(importlib.resources.files("cibuildwheel") / "resources", version)
    write([*found, *([old(place)] if place else [])], directory)


def _pythons(text: str) -> tuple[str, ...]:
    configurations = tomllib.loads(text)["linux"]["python_configurations"]
    tags = [
        Path(one["path_str"]).name
        for one in configurations
        if one["identifier"].endswith(f"-manylinux_{ARCH}")
    ]
    return tuple(tag for tag in tags if _PYTHON.fullmatch(tag))


if __name__ == "__main__":
    main(sys.argv[1:])
