"""The workflows' own command lines, to be run here as a runner of GitHub's would run them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

DIRECTORY = Path(__file__).parent.parent / ".github"
_EXPRESSION = re.compile(r"\$\{\{\s*(.+?)\s*\}\}")
SHELL = ("bash", "--noprofile", "--norc", "-eo", "pipefail", "-c")
"""How a runner starts ``shell: bash`` (docs.github.com: workflow syntax)."""


def read(path: str) -> dict[str, Any]:
    """A workflow or an action as a document."""
    document: dict[str, Any] = yaml.safe_load((DIRECTORY / path).read_text(encoding="utf-8"))
    return document


def step(job: str, name: str) -> Mapping[str, Any]:
    """A step of the reusable workflow, by its name."""
    steps = read("workflows/wheelhouse.yml")["jobs"][job]["steps"]
    (found,) = [item for item in steps if item.get("name") == name]
    return dict(found)


def environment(found: Mapping[str, Any], values: Mapping[str, str]) -> dict[str, str]:
    """The variables that a step sets; ``values`` are what its expressions stand for."""
    return {
        name: _EXPRESSION.sub(lambda match: values[match[1]], text)
        for name, text in found.get("env", {}).items()
    }
