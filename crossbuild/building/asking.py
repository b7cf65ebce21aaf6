"""Asking the backend of an sdist for what only it knows: requirements and metadata."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from crossbuild.building import sources
from crossbuild.building.backend import Workshop
from crossbuild.building.calling import HookError, Job
from crossbuild.disk import guarded, hash_of
from crossbuild.engine.base import Tree
from crossbuild.errors import BuildError
from crossbuild.model import Inspection
from crossbuild.report import waiting

_KIND = "inspection"


def inspect(shop: Workshop, archive: Path, inspection: Inspection, tree: Tree) -> Inspection:
    """Ask an sdist's backend for its dynamic build requirements and its metadata.

    ``tree`` is the build environment. The new requirements are in ``system.requires`` of the
    result. Its ``metadata`` stays None while the environment lacks one of them: ask again with
    it. What the image lacks for that is added to it. The answer is kept in the store. Raises
    BuildError, LimitError, IntegrityError.
    """
    shop = shop.known(archive, inspection.recipe)
    while True:
        try:
            found = _inspected(shop, archive, inspection, tree)
        except HookError as error:
            better = shop.mended(error, f"{inspection.name} {inspection.version}")
            if better is None:
                raise
            shop = better
        else:
            shop.remember(archive)
            return found


def _inspected(shop: Workshop, archive: Path, inspection: Inspection, tree: Tree) -> Inspection:
    name = _key(shop, archive, inspection, tree)
    answer = shop.store.record(_KIND, name)
    if answer is None:
        answer = _asked(shop, archive, inspection, tree)
        shop.store.put_record(_KIND, name, answer)
    return _merged(inspection, answer)


def _key(shop: Workshop, archive: Path, inspection: Inspection, tree: Tree) -> str:
    asked = [*shop.inputs, hash_of(archive), tree.key, *_hooks(inspection)]
    text = json.dumps([*asked, dataclasses.asdict(inspection.system)])
    return hashlib.sha256(text.encode()).hexdigest()


def _asked(shop: Workshop, archive: Path, inspection: Inspection, tree: Tree) -> dict[str, Any]:
    label = f"{inspection.name} {inspection.version}"
    what = f"asking {label} for its requirements, under emulation"
    with waiting(shop.reporter, what), shop.unpacked(archive, inspection.name) as source:
        job = Job(
            label=label,
            source=source,
            system=inspection.system,
            environment=tree,
            python=shop.target.python,
            epoch=sources.epoch(source),
            log=_fresh_log(shop, inspection),
        )
        return shop.call(job, shop.rungs[0], _hooks(inspection))


def _fresh_log(shop: Workshop, inspection: Inspection) -> Path:
    name = f"{inspection.name}-{inspection.version}-{shop.target.interpreter}-inspect.log"
    log = shop.store.root / "logs" / name
    with guarded(log.parent):
        log.unlink(missing_ok=True)
    return log


def _hooks(inspection: Inspection) -> tuple[str, ...]:
    """The hooks to call: the metadata is asked for only where the sdist does not say it."""
    return ("requires",) if inspection.metadata else ("requires", "metadata")


def _merged(inspection: Inspection, answer: Mapping[str, Any]) -> Inspection:
    """The inspection with what its backend added. Raises BuildError for what is no answer."""
    label = f"{inspection.name} {inspection.version}"
    system = inspection.system
    added = [str(text) for text in answer.get("requires", []) if text not in system.requires]
    for text in added:
        try:
            Requirement(text)
        except InvalidRequirement as error:
            raise BuildError(f"{label} asks for {text!r}, which is no requirement") from error
    metadata = inspection.metadata
    if metadata is None and "metadata" in answer:
        metadata = sources.core_metadata(str(answer["metadata"]))
        if metadata is None:
            raise BuildError(f"{label} has metadata that cannot be understood")
    requires = system.requires + tuple(added)
    return dataclasses.replace(
        inspection, system=dataclasses.replace(system, requires=requires), metadata=metadata
    )
