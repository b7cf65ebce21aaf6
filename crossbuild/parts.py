"""Parts: what one machine of several made of a plan, to be joined with what the others made.

A part is a directory: the wheels, the logs of what failed, and ``part.json``, schema
``crossbuild-part/1`` (a field may be added, none removed). Keys, all always there:

``step``      the id that was built (``crossbuild.matrix``); null: every build of the plan
``plan``      the plan's digest (``crossbuild.planfile``): a part belongs to one plan
``target``    as in the plan
``wheels``    name, version, file, sha256, size, origin, rung, phases (name to seconds), grafted,
              added (pairs of a package of the image's distribution and why), era (as in a plan),
              tried and fitted (as in a report), libraries (C libraries that were built first)
``failures``  name, version, step, error, remedy, exit_code, log (a file of the part, or null),
              tail (its last lines), tried and phase (as in a report)
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbuild import era, ladder
from crossbuild.disk import full_guarded, hash_of
from crossbuild.errors import EXIT_OK, IntegrityError, UsageError
from crossbuild.excess import Fit
from crossbuild.lack import Addition
from crossbuild.ladder import Attempt, Rung
from crossbuild.model import (
    BuildStep,
    Failure,
    Origin,
    PackageKey,
    Plan,
    Provenance,
    VerifiedWheel,
)
from crossbuild.planfile import Planned
from crossbuild.wheels import wheel

SCHEMA = "crossbuild-part/1"
RECORD = "part.json"
_AGAIN = "Build that step again, from the same plan file."

Outcome = VerifiedWheel | Failure


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """What came of some BUILD steps. ``step`` None: of all that the plan has."""

    step: str | None
    wheels: tuple[VerifiedWheel, ...]
    failures: tuple[Failure, ...]

    @property
    def exit_code(self) -> int:
        """The documented exit code: that of the first failure."""
        return self.failures[0].exit_code if self.failures else EXIT_OK


def fill(directory: Path, part: Part) -> Part:
    """Copy a part's wheels and logs to ``directory``; the part, as it is there.

    Raises StorageError.
    """
    with full_guarded(directory):
        return replace(
            part,
            wheels=tuple(
                replace(item, path=_copied(item.path, directory)) for item in part.wheels
            ),
            failures=tuple(
                replace(failure, log=failure.log and _copied(failure.log, directory))
                for failure in part.failures
            ),
        )


def _copied(source: Path, directory: Path) -> Path:
    return Path(shutil.copyfile(source, directory / source.name))


def to_json(part: Part, planned: Planned) -> dict[str, object]:
    """Give the document that this module describes."""
    return {
        "schema": SCHEMA,
        "step": part.step,
        "plan": planned.digest,
        "target": planned.target.to_json(),
        "wheels": [_wheel(item) for item in part.wheels],
        "failures": [_failure(failure) for failure in part.failures],
    }


def _wheel(made: VerifiedWheel) -> dict[str, object]:
    origin = made.provenance
    return {
        "name": made.name,
        "version": str(made.version),
        "file": made.path.name,
        "sha256": made.sha256,
        "size": made.size,
        "origin": origin.origin.value,
        "rung": origin.rung.value if origin.rung else None,
        "phases": dict(origin.phases or {}),
        "grafted": list(origin.grafted),
        "added": [[item.package, item.lack] for item in origin.added],
        "era": origin.era.to_json() if origin.era else None,
        "tried": [attempt.to_json() for attempt in origin.tried],
        "libraries": list(origin.libraries),
        "fitted": [asdict(item) for item in origin.fitted],
    }


def _failure(failure: Failure) -> dict[str, object]:
    return {
        "name": failure.name,
        "version": str(failure.version),
        "step": failure.step,
        "error": failure.error,
        "remedy": failure.remedy,
        "exit_code": failure.exit_code,
        "log": failure.log.name if failure.log else None,
        "tail": list(failure.tail),
        "tried": [attempt.to_json() for attempt in failure.tried],
        "phase": failure.phase,
    }


def join(directories: Sequence[Path], planned: Planned) -> tuple[Outcome, ...]:
    """Read parts: for each BUILD step of the plan its wheel, or its failure, in plan's order.

    Each directory is a part, or has parts in it. Raises UsageError for parts of another plan, of
    one step twice, or of too few steps; IntegrityError for a part that is damaged.
    """
    steps = {(step.pin.name, step.pin.version): step for step in planned.plan.builds}
    found: dict[PackageKey, tuple[Path, Outcome]] = {}
    for directory in dict.fromkeys(_places(directories)):
        for outcome in _read(directory, planned, steps):
            key = outcome.name, outcome.version
            if key in found:
                raise UsageError(
                    f"{outcome.name} {outcome.version} is in two parts, "
                    f"{found[key][0]} and {directory}",
                    remedy="Give one part for each step.",
                )
            found[key] = directory, outcome
    _check_whole(planned.plan, found, directories)
    return tuple(found[key][1] for key in steps)


def _places(directories: Sequence[Path]) -> Iterator[Path]:
    """The parts: of actions/download-artifact each is in a directory of its own."""
    for directory in directories:
        if not directory.is_dir():
            raise UsageError(
                f"{directory} is not a directory",
                remedy="Name the directories that `crossbuild build` left.",
            )
        below = sorted(path.parent.resolve() for path in directory.glob(f"*/{RECORD}"))
        yield from [directory.resolve()] if (directory / RECORD).is_file() else below


def _check_whole(plan: Plan, found: Iterable[PackageKey], looked: Sequence[Path]) -> None:
    there = set(found)
    absent = [s.pin.label for s in plan.builds if (s.pin.name, s.pin.version) not in there]
    if absent:
        where = ", ".join(map(str, looked)) or "no directory was named"
        raise UsageError(
            f"no part has {', '.join(absent)} ({where})",
            remedy="Build each step of the plan with `crossbuild build --step`, and name the "
            "directories of all parts.",
        )


def _read(
    directory: Path, planned: Planned, steps: Mapping[PackageKey, BuildStep]
) -> Iterator[Outcome]:
    try:
        document = json.loads((directory / RECORD).read_bytes())
        _check_plan(document, directory, planned)
        for said in document["wheels"]:
            step = steps[_key(said)]
            yield _verified(said, step, _intact(directory, said))
        for said in document["failures"]:
            step = steps[_key(said)]
            yield _failed(said, step, directory)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise IntegrityError(f"the part {directory} is damaged: its {RECORD} cannot be understood",
                             remedy=_AGAIN) from error  # fmt: skip


def _check_plan(document: Mapping[str, Any], directory: Path, planned: Planned) -> None:
    if document["schema"] != SCHEMA:
        raise ValueError(document["schema"])
    if document["plan"] == planned.digest:
        return
    its = document["target"]
    own = planned.target
    other = (its["platform"], its["python"]) != (own.platform, own.python_given)
    made = f": it is for {its['platform']}, CPython {its['python']}, not {own}" if other else ""
    raise UsageError(
        f"the part {directory} belongs to another plan{made}",
        remedy="Build and merge from one plan file.",
    )


def _key(said: Mapping[str, Any]) -> PackageKey:
    return canonicalize_name(said["name"]), Version(said["version"])


def _intact(directory: Path, said: Mapping[str, Any]) -> Path:
    """The wheel of a part, whose bytes are the ones it was made with."""
    path = directory / Path(said["file"]).name
    if not path.is_file():
        raise IntegrityError(f"the part {directory} lacks its wheel {path.name}", remedy=_AGAIN)
    named = wheel.parse_filename(path.name)
    if (named.name, named.version) != _key(said):
        raise ValueError(path.name)
    actual = hash_of(path)
    if actual != said["sha256"]:
        raise IntegrityError(
            f"{path} has the wrong hash: expected sha256 {said['sha256']}, got {actual}",
            remedy=_AGAIN,
        )
    return path


def _verified(said: Mapping[str, Any], step: BuildStep, path: Path) -> VerifiedWheel:
    return VerifiedWheel(
        name=step.pin.name,
        version=step.pin.version,
        path=path,
        sha256=said["sha256"],
        size=path.stat().st_size,
        provenance=Provenance(
            origin=Origin(said["origin"]),
            source=step.source,
            rung=Rung(said["rung"]) if said["rung"] else None,
            phases=said["phases"],
            grafted=tuple(said["grafted"]),
            added=tuple(Addition(package=item[0], lack=item[1]) for item in said.get("added", ())),
            era=era.from_json(said.get("era")),
            tried=_tried(said),
            libraries=tuple(said.get("libraries", ())),
            fitted=fits(said.get("fitted", ())),
        ),
    )


def _failed(said: Mapping[str, Any], step: BuildStep, directory: Path) -> Failure:
    return Failure(
        name=step.pin.name,
        version=step.pin.version,
        step=said["step"],
        error=said["error"],
        remedy=said["remedy"],
        exit_code=said["exit_code"],
        log=directory / Path(said["log"]).name if said["log"] else None,
        tail=tuple(said["tail"]),
        tried=_tried(said),
        phase=said.get("phase", ""),
    )


def fits(said: Iterable[Mapping[str, Any]]) -> tuple[Fit, ...]:
    """Read what ``asdict`` gave of libraries that were bound anew."""
    return tuple(Fit(library=item["library"], symbols=tuple(item["symbols"])) for item in said)


def _tried(said: Mapping[str, Any]) -> tuple[Attempt, ...]:
    """The attempts of a record; none in one that an older crossbuild wrote."""
    return tuple(map(ladder.from_json, said.get("tried", ())))
