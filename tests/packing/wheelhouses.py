"""A small wheelhouse, as ``bundle.fill`` makes it."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from packaging.utils import parse_wheel_filename

from crossbuild import bundle
from crossbuild.disk import hash_of
from crossbuild.model import File, Kind, Origin, Provenance, VerifiedWheel
from crossbuild.packing import bundling
from crossbuild.packing.bundling import Bundle
from crossbuild.packing.modules import Sources
from crossbuild.packing.order import Order
from crossbuild.target import Target
from tests import wheels

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
NAMES = ("alpha", "beta")
"""The packages in it; beta asks for alpha."""


def wheelhouse(directory: Path, *more: Path, target: Target = TARGET) -> Path:
    """Make one of two pure packages and what is given, in a new directory."""
    made = directory / "made"
    made.mkdir()
    files: dict[str, str | bytes] = {"alpha/__init__.py": "VALUE = 1\n"}
    files["alpha/data.bin"] = random.Random(0).randbytes(80_000)
    paths = [
        wheels.wheel(made, "alpha", "1.0", files=files),
        wheels.wheel(made, "beta", "2.0", requires=["alpha"]),
        *more,
    ]
    output = directory / "wheelhouse"
    with bundle.staging(output) as staging:
        bundle.fill(staging, [verified(path) for path in paths], target)
        packages = [
            {"file": path.name, "sha256": hash_of(path), "size": path.stat().st_size}
            for path in paths
        ]
        report = {
            "schema": "crossbuild-report/1",
            "target": target.to_json(),
            "packages": packages,
        }
        bundle.publish(staging, output, report)
    return output


def verified(path: Path) -> VerifiedWheel:
    """The wheel as a run has it at its end."""
    name, version, _, _ = parse_wheel_filename(path.name)
    digest = hash_of(path)
    source = File(filename=path.name, url=path.as_uri(), kind=Kind.WHEEL, sha256=digest)
    return VerifiedWheel(
        name=name,
        version=version,
        path=path,
        sha256=digest,
        size=path.stat().st_size,
        provenance=Provenance(origin=Origin.FETCHED, source=source),
    )


def packed(order: Order) -> Bundle:
    """Pack, with a directory for what is made on the way that is gone afterwards."""
    with tempfile.TemporaryDirectory() as scratch:
        return bundling.pack(order, Path(scratch), Sources(home=Path.home()))
