"""The proof of a filled wheelhouse, for a run and for ``verify`` alike."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import catalog, smoke
from crossbuild.engine.base import Limits, Role
from crossbuild.errors import IntegrityError
from crossbuild.model import SmokeResult
from crossbuild.smoke import Proof
from crossbuild.target import Target
from crossbuild.workbench import Services, download


def prove(
    wheelhouse: Path,
    modules: Mapping[NormalizedName, tuple[str, ...]],
    imports: tuple[str, ...],
    target: Target,
    services: Services,
) -> SmokeResult:
    """Install ``wheelhouse`` in the clean image of the target, and import ``modules``.

    ``imports`` are the user's own words (``--import``), imported besides.

    NOT_RUN where no image has the target's Python and a glibc that is new enough. Raises
    HostError when this host can run nothing of the target's, NetworkError when the image or
    pip cannot be fetched.
    """
    image = catalog.image_for(target, at_least_floor=True)
    if image is None:
        return smoke.not_run(target)
    return smoke.smoke(
        wheelhouse,
        Proof(modules={**modules, **_asked(imports)}),
        target,
        engine=services.engine,
        root=services.engine.prepare(image.name, Role.TARGET),
        pip=smoke.pip_tree(_pip(services), target, services.store),
        limits=Limits(),
        reporter=services.reporter,
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
