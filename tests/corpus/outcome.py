"""What became of a package: one row of the result, from crossbuild's own documents."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crossbuild.errors import BuildError
from tests.corpus.listing import Entry

UNDECIDED = frozenset({4, 6, 7, 130})
"""Exit codes that tell of the network, the host or an interruption, and of no package."""
CONFIRMED = frozenset({"build", "asked"})
"""The steps of packages that have no wheel for their target."""
_LOG = re.compile(r"\s*Its whole output is in \S+")
_PATH = re.compile(r"/\S*/(?=logs/)")


@dataclass(frozen=True, kw_only=True, slots=True)
class Ran:
    """A command that ended: ``document`` is its JSON, ``seconds`` its whole time."""

    code: int
    document: Mapping[str, Any]
    seconds: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Versions:
    """What made the rows: ``date`` in UTC (ISO 8601), ``crossbuild`` and its ``commit``."""

    date: str
    crossbuild: str
    commit: str


def row(entry: Entry, planned: Ran, ran: Ran, versions: Versions, image: str) -> dict[str, object]:
    """A row: the package, what was planned, what came out, or the diagnosis.

    ``step`` is the plan's word: ``build`` confirms that the package belongs here. It is ``asked``
    where there is no plan, for its sdist could not even tell its requirements: the resolver
    asks none that has a wheel.
    """
    made = _named(ran.document.get("packages", ()), entry.name)
    smoke = ran.document.get("smoke") or {}
    diagnosis = _diagnosis(ran.document, entry.name)
    step = _named(planned.document.get("packages", ()), entry.name).get("step")
    asked = planned.code == BuildError.exit_code and step is None
    proven = ran.code == 0 and smoke.get("state") == "passed"
    return {
        "package": entry.name,
        "version": entry.version,
        "python": entry.python,
        "target": entry.target,
        "kind": entry.kind.value,
        "step": "asked" if asked else step,
        "proven": proven,
        "exit_code": ran.code,
        "rung": made.get("rung"),
        "seconds": round(planned.seconds + ran.seconds, 1),
        "phases": made.get("phases", {}),
        "wheel": made.get("file"),
        "tag": _tag(made.get("file")),
        "grafted": made.get("grafted", []),
        "smoke": smoke.get("state"),
        "diagnosis": diagnosis,
        "image": image,
        "date": versions.date,
        "crossbuild": versions.crossbuild,
        "commit": versions.commit,
    }


def _named(packages: Any, name: str) -> Mapping[str, Any]:
    return next((item for item in packages if item["name"] == name), {})


def _tag(wheel: str | None) -> str | None:
    return "-".join(wheel.removesuffix(".whl").split("-")[-3:]) if wheel else None


def _diagnosis(document: Mapping[str, Any], name: str) -> str | None:
    """The sentence that says why: of the package, another's, the proof, the run."""
    failures = document.get("failures", ())
    failed = _named(failures, name) or next(iter(failures), {})
    smoke = document.get("smoke") or {}
    error = document.get("error", {})
    said = failed.get("error") or smoke.get("reason") or error.get("message")
    imports = [item for item in smoke.get("imports", ()) if item["error"]]
    if imports and not failures:
        last = (item["error"].strip().splitlines()[-1] for item in imports)
        named = (item["module"] for item in imports)
        said = "; ".join(f"{name}: {line}" for name, line in zip(named, last, strict=True))
    return _PATH.sub("", _LOG.sub("", said)) if said else None
