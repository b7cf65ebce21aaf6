"""The proof of a filled wheelhouse, for a run and for ``verify`` alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import catalog, smoke
from crossbuild.catalog import Role
from crossbuild.engine.base import Limits, Root
from crossbuild.errors import IntegrityError
from crossbuild.model import ImportResult, SmokeResult, SmokeState
from crossbuild.smoke import Proof
from crossbuild.target import Target
from crossbuild.workbench import Services, download

_PROVEN = "proven"


def prove(
    wheelhouse: Path,
    modules: Mapping[NormalizedName, tuple[str, ...]],
    imports: tuple[str, ...],
    target: Target,
    services: Services,
) -> SmokeResult:
    """Install ``wheelhouse`` in the clean image of the target, and import ``modules``.

    ``imports`` are the user's own words (``--import``), imported besides.

    A proof that passed before, of the same bytes in the same image, is not made again.
    NOT_RUN where no image has the target's Python and a glibc that is new enough. Raises
    HostError when this host can run nothing of the target's, NetworkError when the image or
    pip cannot be fetched.
    """
    image = catalog.image_for(target, at_least_floor=True)
    if image is None:
        return smoke.not_run(target)
    root = services.engine.prepare(image, Role.TARGET)
    proof = Proof(modules={**modules, **_asked(imports)})
    key = _key(wheelhouse, proof, root, target)
    if (known := services.store.record(_PROVEN, key)) is not None:
        return _remembered(known, image.name)
    result = smoke.smoke(
        wheelhouse,
        proof,
        target,
        engine=services.engine,
        root=root,
        pip=smoke.pip_tree(_pip(services), target, services.store),
        limits=Limits(),
        reporter=services.reporter,
    )
    if result.state is SmokeState.PASSED:
        services.store.put_record(_PROVEN, key, {"imports": [asdict(i) for i in result.imports]})
    return result


def _key(wheelhouse: Path, proof: Proof, root: Root, target: Target) -> str:
    """Name everything the proof depends on: the bytes, the rootfs, pip, what is imported."""
    sums = (wheelhouse / "SHA256SUMS").read_bytes()
    modules = sorted((name, list(names)) for name, names in proof.modules.items())
    parts = [root.key, target.interpreter, smoke.PIP_SHA256, json.dumps(modules)]
    return hashlib.sha256(sums + "\n".join(parts).encode()).hexdigest()


def _remembered(known: Mapping[str, Any], image: str) -> SmokeResult:
    """Give the passed proof of an earlier run: nothing that it depends on has changed."""
    return SmokeResult(
        state=SmokeState.PASSED,
        image=image,
        imports=tuple(ImportResult(**row) for row in known["imports"]),
        earlier=True,
    )


def _pip(services: Services) -> Path:
    """The pinned pip, which the target has not."""
    releases = services.index.project("pip").releases
    files = releases.get(smoke.PIP_VERSION, ())
    for file in files:
        if file.sha256 == smoke.PIP_SHA256:
            return download([file], services)[0]
    raise IntegrityError(
        f"the index has no pip {smoke.PIP_VERSION} with the pinned hash",
        remedy="Use an index that mirrors pip unchanged, or --no-smoke.",
    )


def _asked(imports: tuple[str, ...]) -> Mapping[NormalizedName, tuple[str, ...]]:
    return {canonicalize_name("--import"): imports} if imports else {}
