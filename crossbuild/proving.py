"""The proof of a filled wheelhouse, for a run and for ``verify`` alike."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import catalog, platforms, smoke, verify, wording
from crossbuild.catalog import Image, Role
from crossbuild.engine.base import Limits, Root
from crossbuild.errors import HostError, IntegrityError
from crossbuild.platforms import Family, dotted
from crossbuild.proof import ImportResult, SmokeResult, SmokeState
from crossbuild.smoke import Proof
from crossbuild.target import Target
from crossbuild.workbench import Services, download

_PROVEN = "proven"
_GRAVITY = (SmokeState.FAILED, SmokeState.NOT_RUN, SmokeState.SKIPPED, SmokeState.PASSED)


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject:
    """What is to be proven: a wheelhouse with its list and its sums, for a target.

    ``modules`` are imported of each distribution; ``imports`` are the user's own words
    (``--import``), imported besides. ``commands`` are what recipes test with.
    """

    wheelhouse: Path
    target: Target
    modules: Mapping[NormalizedName, tuple[str, ...]]
    imports: tuple[str, ...] = ()
    commands: Mapping[NormalizedName, str] = field(default_factory=dict)


def prove(subject: Subject, services: Services, image: Image | None = None) -> SmokeResult:
    """Install the wheelhouse in a clean image of the target, and import its modules.

    ``image`` None: the catalog's for this target.

    A proof that passed before, of the same bytes in the same image, is not made again.
    NOT_RUN where no image has the target's Python and a glibc that is new enough, or where the
    one given has another Python or processor. Raises HostError when this host can run nothing
    of the target's, NetworkError when the image or pip cannot be fetched.
    """
    target = subject.target
    image = image or catalog.image_for(target, at_least_floor=True)
    if image is None:
        return smoke.not_run(target)
    python = image.interpreter(target.python)
    if python is None or image.arch != target.arch:
        return _another(image, target)
    root = services.engine.prepare(image, Role.TARGET)
    modules = {**subject.modules, **_asked(subject.imports)}
    proof = Proof(modules=modules, commands=subject.commands)
    key = _key(subject.wheelhouse, proof, root, target)
    if (known := services.store.record(_PROVEN, key)) is not None:
        return _remembered(known, image)
    result = smoke.smoke(
        subject.wheelhouse,
        proof,
        target,
        engine=services.engine,
        root=root,
        python=python,
        pip=smoke.pip_tree(_pip(services, target), target, services.store),
        limits=Limits(),
        reporter=services.reporter,
    )
    if result.state is SmokeState.PASSED:
        services.store.put_record(_PROVEN, key, {"imports": [asdict(i) for i in result.imports]})
    return result


def prove_each(
    subject: Subject, services: Services, images: Sequence[Image]
) -> tuple[SmokeResult, ...]:
    """Prove one wheelhouse in several images: what fails in one does not keep another from it.

    Raises NetworkError when pip or an image cannot be fetched.
    """
    results = []
    for image in images:
        try:
            result = _outgrown(image, subject) or prove(subject, services, image)
        except HostError as error:
            result = SmokeResult(state=SmokeState.NOT_RUN, reason=str(error), remedy=error.remedy)
        results.append(replace(result, image=image.name, glibc=image.glibc))
    return tuple(results)


def worst(results: Sequence[SmokeResult]) -> SmokeResult:
    """The result that says what the whole comes to: one that failed, else one that did not run."""
    return min(results, key=lambda result: _GRAVITY.index(result.state))


def _outgrown(image: Image, subject: Subject) -> SmokeResult | None:
    """What is known without running: wheels that need a newer glibc than the image has."""
    target = subject.target
    if target.family is not Family.MANYLINUX or not target.floor or image.glibc >= target.floor:
        return None
    tag = platforms.names(target.family, target.arch, image.glibc)[0]
    older = replace(target, platform=tag, floor=image.glibc, name="", reported=None)
    found = {
        path.name: faults
        for path in sorted(subject.wheelhouse.glob("*.whl"))
        if (faults := verify.findings(path, older))
    }
    if not found:
        return None
    return SmokeResult(
        state=SmokeState.FAILED,
        reason="; ".join(f"{name}: {faults[0].text}" for name, faults in found.items()),
        broken=tuple(found),
    )


def _another(image: Image, target: Target) -> SmokeResult:
    """The honest result for an image that is not like the target."""
    pythons = wording.listing([dotted(found.version) for found in image.interpreters])
    has = f"CPython {pythons} for {image.arch}" if pythons else "no CPython"
    wants = f"CPython {target.python_version} for {target.arch}"
    return SmokeResult(
        state=SmokeState.NOT_RUN,
        reason=f"{image.name} has {has}, the wheels are for {wants}",
        remedy="Give an image of such a machine, or make the wheels for this one with --python.",
        image=image.name,
        glibc=image.glibc,
    )


def _key(wheelhouse: Path, proof: Proof, root: Root, target: Target) -> str:
    """Name everything the proof depends on: the bytes, the rootfs, pip, what is imported."""
    sums = (wheelhouse / "SHA256SUMS").read_bytes()
    modules = sorted((name, list(names)) for name, names in proof.modules.items())
    pip = smoke.pip_for(target.python).sha256
    tests = [json.dumps(sorted(proof.commands.items()))] if proof.commands else []
    parts = [root.key, target.interpreter, pip, json.dumps(modules), *tests]
    return hashlib.sha256(sums + "\n".join(parts).encode()).hexdigest()


def _remembered(known: Mapping[str, Any], image: Image) -> SmokeResult:
    """Give the passed proof of an earlier run: nothing that it depends on has changed."""
    return SmokeResult(
        state=SmokeState.PASSED,
        image=image.name,
        glibc=image.glibc,
        imports=tuple(ImportResult(**row) for row in known["imports"]),
        earlier=True,
    )


def _pip(services: Services, target: Target) -> Path:
    """The pinned pip, which the target has not."""
    pip = smoke.pip_for(target.python)
    for file in services.index.project("pip").releases.get(pip.version, ()):
        if file.sha256 == pip.sha256:
            return download([file], services)[0]
    raise IntegrityError(
        f"the index has no pip {pip.version} with the pinned hash",
        remedy="Use an index that mirrors pip unchanged, or --no-smoke.",
    )


def _asked(imports: tuple[str, ...]) -> Mapping[NormalizedName, tuple[str, ...]]:
    return {canonicalize_name("--import"): imports} if imports else {}
