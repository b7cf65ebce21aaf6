"""What an inspection asks a backend for, and what its answer adds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement

from crossbuild.building import sources
from crossbuild.errors import BuildError
from crossbuild.model import Inspection


def hooks(inspection: Inspection) -> tuple[str, ...]:
    """The hooks to call: the metadata is asked for only where the sdist does not say it."""
    return ("requires",) if inspection.metadata else ("requires", "metadata")


def merged(inspection: Inspection, answer: Mapping[str, Any]) -> Inspection:
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
