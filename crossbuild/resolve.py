"""The first stage: which version of what, for the target; and what each build of it needs.

uv chooses the versions from a view of the index that holds only what the target can use
(``loopback``); policy wheel-first is a search above it (``solving``); what is built gets an
environment of its own (``environments``). No code of any package runs outside the inspector.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild.errors import UsageError
from crossbuild.model import (
    BuildStep,
    EnvironmentPin,
    Formats,
    Inspection,
    Kind,
    Note,
    Policy,
    Resolution,
    Wanted,
)
from crossbuild.recipe import Recipe
from crossbuild.report import Level, Message, Reporter, waiting
from crossbuild.resolution.candidates import Release, kinds
from crossbuild.resolution.environments import Environments, Inspector
from crossbuild.resolution.impasse import explain
from crossbuild.resolution.projection import bare
from crossbuild.resolution.solving import Found, Goal, Pick, Solver, Stuck
from crossbuild.resolution.supply import Direct, Packages, Supply
from crossbuild.resolution.uv import Uv
from crossbuild.target import Target

__all__ = ["Inspector", "earlier", "resolve"]


def resolve(
    wanted: Wanted,
    target: Target,
    *,
    uv: Uv,
    index: Packages,
    inspector: Inspector,
    refused: Mapping[str, str],
    reporter: Reporter,
) -> Resolution:
    """Choose the closure of ``wanted`` on ``target``, and the closures of its builds.

    ``refused`` maps file names or URLs to why they must not be used. Raises UsageError for
    requirements nobody can answer (version control, markers that ask for the kernel),
    UnknownPackageError, ResolutionError, NetworkError, and what the inspector raises.
    """
    requirements = _applying(wanted.requirements, target)
    constraints = _applying(wanted.constraints, target)
    supply = Supply(
        index,
        target,
        whole=inspector.published,
        direct=_direct([*requirements, *constraints], index),
        refused=refused,
    )
    goal = Goal(
        requirements=tuple(_named(item) for item in requirements),
        constraints=tuple(_named(item) for item in constraints if item.url is None),
        formats=wanted.formats,
    )
    resolution = _resolved(goal, wanted.policy, Solver(uv, supply), inspector, reporter)
    for file, reason in supply.refused.items() - refused.items():
        text = f"{file} is refused: {reason}"
        reporter.emit(Message(text=text, level=Level.WARNING))
    return resolution


def earlier(
    step: BuildStep,
    target: Target,
    why: str,
    *,
    uv: Uv,
    index: Packages,
    inspector: Inspector,
) -> Iterator[BuildStep]:
    """The step with build requirements of an earlier time, latest time first; see ``era``.

    ``why``: what came of those it has. Raises NetworkError, and what the inspector raises.
    """
    supply = Supply(index, target, whole=inspector.published, direct={}, refused={})
    release = Release(version=step.pin.version, verdicts=(), wheel=None, sdist=step.source)
    pick = Pick(name=step.pin.name, release=release, extras=frozenset(), built=True)
    today = [f"{item.name} {item.version}" for item in step.environment]
    environments = Environments(Solver(uv, supply), inspector)
    for inspection, pins in environments.past(pick, today, why):
        environment = tuple(
            EnvironmentPin(name=pin.name, version=pin.version, file=pin.files[0]) for pin in pins
        )
        yield replace(step, system=inspection.system, environment=environment, era=inspection.era)


def furnished(
    step: BuildStep,
    target: Target,
    recipe: Recipe,
    *,
    uv: Uv,
    index: Packages,
    inspector: Inspector,
) -> BuildStep | None:
    """The step with a recipe that has more build requirements; None where they cannot be had.

    Raises NetworkError.
    """
    supply = Supply(index, target, whole=inspector.published, direct={}, refused={})
    more = (*step.system.requires, *map(str, recipe.build_requires))
    inspection = Inspection(
        name=step.pin.name,
        version=step.pin.version,
        system=replace(step.system, requires=more),
        metadata=None,
        recipe=recipe,
        era=step.era,
    )
    pins = Environments(Solver(uv, supply), inspector).furnished(inspection)
    if pins is None:
        return None
    environment = tuple(
        EnvironmentPin(name=pin.name, version=pin.version, file=pin.files[0]) for pin in pins
    )
    return replace(step, system=inspection.system, environment=environment, recipe=recipe)


def _resolved(
    goal: Goal, policy: Policy, solver: Solver, inspector: Inspector, reporter: Reporter
) -> Resolution:
    supply = solver.supply
    environments = Environments(solver, inspector)
    with waiting(reporter, "choosing versions"):
        found = _solved(goal, policy, solver, environments)
    with waiting(reporter, "choosing versions for the builds"):
        environments.settle(found)
    requested = frozenset(canonicalize_name(item.name) for item in goal.requirements)
    return Resolution(
        pins=solver.pins(found, requested),
        sources=dict(sorted(environments.sources.items())),
        environments=dict(sorted(environments.closures.items())),
        newest=_newest(goal, found, solver) if policy is Policy.WHEEL_FIRST else {},
        elsewhere=_elsewhere(found, goal.formats, supply),
        notes=(*_notes(found, supply), *environments.notes),
        refused=supply.refused,
    )


def _applying(requirements: Iterable[Requirement], target: Target) -> list[Requirement]:
    """Drop what is not for the target. Raises UsageError where nobody can tell."""
    return [bare(item) for item in requirements if target.evaluate(item)]


def _named(requirement: Requirement) -> Requirement:
    """Ask for a package by its name: its one file is all there is of it in the supply."""
    copy = bare(requirement)
    copy.url = None
    return copy


def _direct(requirements: Iterable[Requirement], index: Packages) -> dict[NormalizedName, Direct]:
    """Look up the files that are named by their address."""
    found: dict[NormalizedName, Direct] = {}
    for requirement in requirements:
        if requirement.url is None:
            continue
        if "+" in requirement.url.partition(":")[0]:
            raise UsageError(
                f"{requirement.name} is asked for from version control, "
                "and crossbuild takes released files",
                remedy="Check it out, run `python -m build --sdist` there, and give the file "
                "in dist/.",
            )
        version, file = index.direct(requirement)
        direct = Direct(version=version, file=file)
        name = canonicalize_name(requirement.name)
        if found.setdefault(name, direct) != direct:
            raise UsageError(f"{name} is asked for at two addresses", remedy="Leave one out.")
    return found


def _solved(goal: Goal, policy: Policy, solver: Solver, environments: Environments) -> Found:
    result = solver.solve(goal, policy, environments.learn)
    if isinstance(result, Stuck):
        raise explain(goal, result, solver.supply)
    return result


def _newest(goal: Goal, found: Found, solver: Solver) -> dict[NormalizedName, Version]:
    """Name the versions that policy newest would choose instead, as far as is known for free."""
    if not any(_hides_newer(goal, found, name, solver.supply) for name in found.seen):
        return {}
    other = solver.search(goal, Policy.NEWEST)
    if isinstance(other, Stuck):
        return {}
    newest = {pick.name: pick.release.version for pick in other.picks}
    return {
        pick.name: newest[pick.name]
        for pick in found.picks
        if newest.get(pick.name, pick.release.version) != pick.release.version
    }


def _hides_newer(goal: Goal, found: Found, name: NormalizedName, supply: Supply) -> bool:
    """Whether wheel-first kept back a newer version of a package because it has no wheel."""
    chosen = {pick.name: pick.release.version for pick in found.picks}
    return any(
        release.wheel is None and release.sdist is not None and release.yanked is None
        for version, release in supply.releases(name, goal.formats).items()
        if name not in chosen or version > chosen[name]
    )


def _elsewhere(found: Found, formats: Formats, supply: Supply) -> dict[NormalizedName, Version]:
    """Of what is built though wheels would do: the newest other version that has one."""
    result: dict[NormalizedName, Version] = {}
    for pick in found.built:
        if Kind.WHEEL in kinds(formats, pick.name):
            releases = supply.releases(pick.name, formats).values()
            versions = [item.version for item in releases if item.wheel and item.yanked is None]
            if versions:
                result[pick.name] = max(versions)
    return result


def _notes(found: Found, supply: Supply) -> Iterator[Note]:
    """What the choice rests on that the user may want to know."""
    full = supply.target.python_full_version
    for pick in found.picks:
        if pick.release.yanked is not None:
            reason = pick.release.yanked or "no reason given"
            yield Note(name=pick.name, text=f"{pick.release.version} was yanked: {reason}")
        projection = supply.requires(pick.name, pick.release)
        for extra in sorted(pick.extras.difference(projection.extras)):
            yield Note(name=pick.name, text=f"{pick.release.version} has no extra named {extra}")
        for remark in projection.assumed:
            if remark.extra in {None, *pick.extras}:
                text = f"{remark.text} hangs on the patch release: taken as {full}, tell --python"
                yield Note(name=pick.name, text=text)
