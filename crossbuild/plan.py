"""The second stage: one step per package, and why. Pure: the same resolution, the same plan.

``to_json`` gives a plan as schema ``crossbuild-plan/1``: a key may be added under it, none is
removed or changes its meaning. Sizes are bytes, hashes SHA-256 in hexadecimal, URLs hold no
credentials. All keys are always there:

``schema``     ``crossbuild-plan/1``
``target``     platform, family, arch, floor (null: none), python, interpreter
``requirements``, ``constraints``  as asked for (PEP 508)
``policy``     ``wheel-first`` or ``newest``
``floors``     what a built wheel may need beyond the target: objects with ``name`` (null: any
               package) and ``floor`` (of glibc, as ``2.28``)
``formats``    ``only_binary`` and ``no_binary`` (names), each with an ``…_all`` (true or false);
               ``hashes`` (pairs of name and SHA-256), ``hashes_required`` (true or false)
``packages``   one object per package of the closure, by name; see below
``build_requirements``  such objects for what is built only because a build needs it; ``step``
               is ``build`` in all of them
``totals``     ``fetch``, ``build``, ``reuse``: how many packages of the closure;
               ``build_requirements``: how many more are built; ``fetch_bytes``: the size of
               what is fetched for the closure, null where a size is unknown
``notes``      objects with ``name`` (a package) and ``text``: what the choice rests on, and
               where policy ``newest`` would choose another version

A package has these keys:

``name``, ``version``  normalized (PEP 503, PEP 440)
``step``       ``fetch`` (download the wheel), ``build`` (make it from the sdist) or ``reuse``
               (the wheelhouse has it already)
``requested``  true when the user named it
``required_by``  names of the packages of its closure that require it
``file``       the wheel, or for ``build`` the sdist: ``filename``, ``url``, ``sha256``,
               ``size``; the last two are null where unknown
``candidates``  every file of the version: ``filename``, ``url``, ``refusal`` and ``reason``.
               ``refusal`` is null for a file that could be used, else one of ``tag``,
               ``python``, ``floor``, ``yanked``, ``policy``, ``unsound``, ``no hash``
``build``      null unless ``step`` is ``build``; else ``backend``, ``backend_path`` (PEP 517),
               ``requires`` (as the sdist, its backend and its recipe say), ``recipe`` (null, or
               the keys of its file with the text of its patches), ``era`` (null, or of when the
               environment is, because with that of today it failed: ``until`` (ISO 8601),
               ``instead`` (texts), ``why``) and ``environment``: the closure of ``requires``,
               objects with ``name``, ``version`` and ``file`` (as above; null: a ``build`` of
               this plan)

``crossbuild.planfile`` reads such a document again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from packaging.utils import NormalizedName

from crossbuild.errors import ResolutionError
from crossbuild.model import (
    BuildStep,
    EnvironmentPin,
    FetchStep,
    File,
    Formats,
    Note,
    PackageKey,
    Pin,
    Plan,
    Purpose,
    Resolution,
    ReuseStep,
    Step,
    Verdict,
    Wanted,
)
from crossbuild.net.credentials import public
from crossbuild.platforms import dotted
from crossbuild.resolution.candidates import Judge, Release, best_wheel
from crossbuild.target import Target

__all__ = [
    "SCHEMA",
    "best_wheel",
    "file_of",
    "files",
    "plan",
    "reusing",
    "to_json",
    "with_files",
]

SCHEMA = "crossbuild-plan/1"


def plan(
    resolution: Resolution, target: Target, formats: Formats, existing: Mapping[str, str]
) -> Plan:
    """Decide a step for every package.

    ``existing`` maps the file names of a wheelhouse that is there to their SHA-256. ``formats``
    are what the closure was resolved with; they do not concern what only builds need. Raises
    ResolutionError when the resolution has a package of which no file can be used.
    """
    planner = _Planner(
        resolution=resolution,
        existing=existing,
        judge=Judge(target=target, formats=formats, refused=resolution.refused),
        tools=Judge(target=target, refused=resolution.refused),
    )
    steps = tuple(planner.step(pin) for pin in resolution.pins)
    planned = {_key(pin) for pin in resolution.pins}
    return Plan(
        steps=steps,
        build_requirements=tuple(planner.build_requirements(planned)),
        notes=(*_version_notes(resolution), *resolution.notes),
    )


def reusing(plan: Plan, existing: Mapping[str, str]) -> Plan:
    """The plan with REUSE for what it fetches and ``existing`` has: file names to SHA-256."""
    return replace(plan, steps=tuple(_reusing(step, existing) for step in plan.steps))


def _reusing(step: Step, existing: Mapping[str, str]) -> Step:
    if not isinstance(step, FetchStep):
        return step
    there = existing.get(step.file.filename)
    if there is None or there != step.file.sha256:
        return step
    return ReuseStep(pin=step.pin, file=step.file, verdicts=step.verdicts)


def file_of(step: Step) -> File:
    """What the step takes from an index: the wheel, or the sdist to build."""
    return step.source if isinstance(step, BuildStep) else step.file


def files(plan: Plan) -> Iterator[File]:
    """Every file that the plan takes: of its steps, and of its build environments."""
    yield from (file_of(step) for step in (*plan.steps, *plan.build_requirements))
    installed = (item.file for step in plan.builds for item in step.environment)
    yield from (file for file in installed if file is not None)


def with_files(plan: Plan, change: Callable[[File], File]) -> Plan:
    """The plan with each file of ``files`` changed."""
    return replace(
        plan,
        steps=tuple(_with_file(step, change) for step in plan.steps),
        build_requirements=tuple(_rebuilt(step, change) for step in plan.build_requirements),
    )


def _with_file(step: Step, change: Callable[[File], File]) -> Step:
    if isinstance(step, BuildStep):
        return _rebuilt(step, change)
    return replace(step, file=change(step.file))


def _rebuilt(step: BuildStep, change: Callable[[File], File]) -> BuildStep:
    environment = tuple(
        replace(item, file=item.file and change(item.file)) for item in step.environment
    )
    return replace(step, source=change(step.source), environment=environment)


def to_json(plan: Plan, target: Target, wanted: Wanted) -> dict[str, object]:
    """Give a plan as the document that this module describes."""
    return {
        "schema": SCHEMA,
        "target": target.to_json(),
        "requirements": [public(item) for item in wanted.requirements],
        "constraints": [public(item) for item in wanted.constraints],
        "policy": wanted.policy.value,
        "floors": [{"name": item.name, "floor": dotted(item.floor)} for item in wanted.floors],
        "formats": _formats(wanted.formats),
        "packages": [_package(step) for step in plan.steps],
        "build_requirements": [_package(step) for step in plan.build_requirements],
        "totals": _totals(plan),
        "notes": [{"name": note.name, "text": note.text} for note in plan.notes],
    }


@dataclass(frozen=True, kw_only=True, slots=True)
class _Planner:
    """Judges files as resolution did: ``judge`` the closure's, ``tools`` those of builds."""

    resolution: Resolution
    existing: Mapping[str, str]
    judge: Judge
    tools: Judge

    def step(self, pin: Pin) -> Step:
        release = self.judge.of(pin)
        if pin.built:
            return self._build(pin, release, Purpose.TARGET)
        wheel = _usable(pin, release.wheel)
        step = FetchStep(pin=pin, file=wheel, verdicts=release.verdicts)
        return _reusing(step, self.existing)

    def build_requirements(self, planned: set[PackageKey]) -> Iterator[BuildStep]:
        """Give the builds that no package of the closure is, each once, by name."""
        needed = {
            _key(pin): pin
            for environment in self.resolution.environments.values()
            for pin in environment
            if pin.built
        }
        for key in sorted(needed.keys() - planned):
            pin = replace(needed[key], required_by=self._builds_with(key))
            yield self._build(pin, self.tools.of(pin), Purpose.BUILD_REQUIREMENT)

    def _builds_with(self, key: PackageKey) -> tuple[NormalizedName, ...]:
        """The packages whose builds install this one."""
        environments = self.resolution.environments.items()
        return tuple(sorted({name for (name, _), pins in environments if key in map(_key, pins)}))

    def _build(self, pin: Pin, release: Release, purpose: Purpose) -> BuildStep:
        key = _key(pin)
        return BuildStep(
            pin=pin,
            source=_usable(pin, release.sdist),
            verdicts=release.verdicts,
            system=self.resolution.sources[key].system,
            recipe=self.resolution.sources[key].recipe,
            environment=tuple(self._installed(item) for item in self.resolution.environments[key]),
            purpose=purpose,
            era=self.resolution.sources[key].era,
        )

    def _installed(self, pin: Pin) -> EnvironmentPin:
        file = None if pin.built else _usable(pin, self.tools.of(pin).wheel)
        return EnvironmentPin(name=pin.name, version=pin.version, file=file)


def _key(pin: Pin) -> PackageKey:
    return pin.name, pin.version


def _usable(pin: Pin, file: File | None) -> File:
    if file is None:
        raise ResolutionError(f"{pin.label} was chosen and has no file that can be used")
    return file


def _version_notes(resolution: Resolution) -> Iterator[Note]:
    """Say where another version would be chosen, or fetched instead of built."""
    for name, version in sorted(resolution.newest.items()):
        yield Note(name=name, text=f"policy newest would choose {version}")
    for name, version in sorted(resolution.elsewhere.items()):
        text = f"built; the newest version with a wheel for the target is {version}"
        yield Note(name=name, text=text)


_WORDS: Mapping[type[Step], str] = {FetchStep: "fetch", BuildStep: "build", ReuseStep: "reuse"}


def _package(step: Step) -> dict[str, object]:
    return {
        "name": step.pin.name,
        "version": str(step.pin.version),
        "step": _WORDS[type(step)],
        "requested": step.pin.requested,
        "required_by": list(step.pin.required_by),
        "file": _described(file_of(step)),
        "candidates": [_candidate(verdict) for verdict in step.verdicts],
        "build": _built(step) if isinstance(step, BuildStep) else None,
    }


def _described(file: File) -> dict[str, object]:
    return {
        "filename": file.filename,
        "url": file.url,
        "sha256": file.sha256,
        "size": file.size,
    }


def _candidate(verdict: Verdict) -> dict[str, object]:
    return {
        "filename": verdict.file.filename,
        "url": verdict.file.url,
        "refusal": verdict.refusal.value if verdict.refusal else None,
        "reason": verdict.reason,
    }


def _built(step: BuildStep) -> dict[str, object]:
    return {
        "backend": step.system.backend,
        "backend_path": list(step.system.backend_path),
        "requires": list(step.system.requires),
        "recipe": step.recipe.to_json() if step.recipe else None,
        "environment": [
            {
                "name": item.name,
                "version": str(item.version),
                "file": _described(item.file) if item.file else None,
            }
            for item in step.environment
        ],
        "era": step.era.to_json() if step.era else None,
    }


def _formats(formats: Formats) -> dict[str, object]:
    return {
        "only_binary": sorted(formats.only_binary),
        "only_binary_all": formats.only_binary_all,
        "no_binary": sorted(formats.no_binary),
        "no_binary_all": formats.no_binary_all,
        "hashes": sorted(map(list, formats.hashes)),
        "hashes_required": formats.hashes_required,
    }


def _totals(plan: Plan) -> dict[str, int | None]:
    counts = Counter(_WORDS[type(step)] for step in plan.steps)
    return {
        **{word: counts[word] for word in _WORDS.values()},
        "build_requirements": len(plan.build_requirements),
        "fetch_bytes": _sum([s.file.size for s in plan.steps if isinstance(s, FetchStep)]),
    }


def _sum(sizes: Sequence[int | None]) -> int | None:
    known = [size for size in sizes if size is not None]
    return sum(known) if len(known) == len(sizes) else None
