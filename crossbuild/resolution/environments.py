"""What builds need: for every package that is built, the closure of its build requirements.

A build requirement without a wheel is built too, in an environment of its own. What the run
builds anyway is used by the builds that accept it, so that all agree on one binary interface.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Protocol

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from crossbuild import era
from crossbuild.era import Era
from crossbuild.errors import BuildError, HostError, ResolutionError
from crossbuild.model import (
    File,
    Formats,
    Inspection,
    Note,
    PackageKey,
    Pin,
    Policy,
    SourceMetadata,
)
from crossbuild.resolution.impasse import explain
from crossbuild.resolution.projection import bare
from crossbuild.resolution.solving import Found, Goal, Pick, Solver, Stuck

_WHEELS = Formats(only_binary_all=True)

Path = tuple[PackageKey, ...]
"""The builds that wait for this one, outermost first."""
_Question = tuple[tuple[str, ...], tuple[str, ...], frozenset[NormalizedName], dt.datetime | None]
"""Requirements, constraints, the packages whose version is set, and as of when."""


class Inspector(Protocol):
    """Reads distributions; ``static`` and ``published`` run nothing, ``dynamic`` runs backends.

    All raise CrossbuildError: NetworkError, IntegrityError, HostError, BuildError.
    """

    def published(self, file: File) -> SourceMetadata:
        """Read a whole wheel for its metadata."""

    def static(self, file: File) -> Inspection:
        """Read what an sdist says of itself, and the era that it was built with before."""

    def dynamic(
        self, file: File, inspection: Inspection, environment: tuple[Pin, ...]
    ) -> Inspection:
        """Ask an sdist's backend for its build requirements, and for metadata if there is none.

        Each pin of ``environment`` has one file, the wheel to install.
        """

    def pass_over(self, inspection: Inspection, error: BuildError) -> None:
        """Say that a backend did not answer; raise ``error`` where there is no way without."""


class Environments:
    """The builds of one run. ``sources``, ``closures`` and ``notes`` grow with ``settle``."""

    def __init__(self, solver: Solver, inspector: Inspector) -> None:
        self._solver = solver
        self._inspector = inspector
        self._inspections: dict[PackageKey, Inspection] = {}
        self._asked: set[PackageKey] = set()
        self._solved: dict[_Question, Found] = {}
        self._pasts: dict[dt.datetime, Solver] = {}
        self._presets: dict[NormalizedName, Version] = {}
        self.sources: dict[PackageKey, Inspection] = {}
        self.closures: dict[PackageKey, tuple[Pin, ...]] = {}
        self.notes: list[Note] = []

    def learn(self, pick: Pick, path: Path = ()) -> bool:
        """Tell the supply what a release that has to be built requires; True when it is news.

        Its sdist is asked first, then a wheel for another platform, its backend last.
        """
        inspection = self._inspected(pick)
        if inspection.metadata is None:
            hearsay = self._solver.supply.hearsay(pick.release)
            inspection = replace(inspection, metadata=hearsay)
        if inspection.metadata is None:
            inspection = self._told(pick, inspection, path)
        self._inspections[pick.key] = inspection
        if inspection.metadata is None:
            self._note(pick, "what it requires is not known before it is built: taken as nothing")
            return False
        return self._solver.supply.learn(pick.name, pick.release, inspection.metadata)

    def settle(self, found: Found) -> None:
        """Fix the build environment of everything a solution builds, and of what those build.

        Raises ResolutionError where build requirements cannot be met or go in a circle.
        """
        self._presets = {pick.name: pick.release.version for pick in found.built}
        for pick in found.built:
            self._settle(pick, ())

    def _settle(self, pick: Pick, path: Path) -> None:
        if pick.key in self.closures:
            return
        inspection = self._told(pick, self._inspected(pick), path)
        path = _entered(pick, path)
        found = self._agreeing(inspection, path)
        if inspection.era is not None:
            self._note(pick, f"{pick.release.version} is {inspection.era.text}")
        self.sources[pick.key] = inspection
        for item in found.picks:
            built = self._presets.get(item.name)
            if item.built:
                self._settle(item, path)
            elif built is not None:
                text = (
                    f"built against the published wheel of {item.label}, not the {built} made here"
                )
                self._note(pick, text)
        self.closures[pick.key] = self._solver.pins(found)

    def _inspected(self, pick: Pick) -> Inspection:
        if pick.key not in self._inspections:
            inspection = self._inspector.static(pick.source)
            if inspection.era is not None and self._past(inspection) is None:
                inspection = replace(inspection, era=None)
            self._inspections[pick.key] = inspection
        return self._inspections[pick.key]

    def _told(self, pick: Pick, inspection: Inspection, path: Path) -> Inspection:
        """Let the backend name further requirements (PEP 517), and the metadata if need be.

        A backend may want the former installed before it tells the latter. It is asked with
        published wheels, also of what this run builds: those are there before any build.
        """
        path = _entered(pick, path)
        while pick.key not in self._asked:
            wheels = self._wheels(self._environment(inspection, path, {}))
            if wheels is None:
                text = "its environment has to be built first: further requirements are not known"
                self._note(pick, text)
                break
            told = self._ask(pick, inspection, wheels)
            if told.metadata is not None or told.system == inspection.system:
                self._asked.add(pick.key)
            inspection = told
        self._asked.add(pick.key)
        self._inspections[pick.key] = inspection
        return inspection

    def _ask(self, pick: Pick, inspection: Inspection, wheels: tuple[Pin, ...]) -> Inspection:
        try:
            return self._inspector.dynamic(pick.source, inspection, wheels)
        except HostError as error:
            text = f"{pick.label} has no wheel to use and cannot be built here: {error}"
            raise HostError(text, remedy=error.remedy) from error
        except BuildError as error:
            return self._ask_earlier(pick, inspection, wheels, error)

    def _ask_earlier(
        self, pick: Pick, inspection: Inspection, wheels: tuple[Pin, ...], error: BuildError
    ) -> Inspection:
        """Ask with the build requirements of an earlier time, of which one may still work."""
        failed: dict[str, BuildError] = {}
        earlier = self._earlier(pick, inspection, wheels, era.said(error))
        for past, older in islice(earlier, 0 if inspection.era else error.eras):
            try:
                return self._inspector.dynamic(pick.source, past, older)
            except BuildError as again:
                failed[f"{past.era}"] = again
        self._inspector.pass_over(inspection, era.all_failed(error, failed))
        return inspection

    def _earlier(
        self, pick: Pick, inspection: Inspection, wheels: tuple[Pin, ...], why: str
    ) -> Iterator[tuple[Inspection, tuple[Pin, ...]]]:
        """The environments of earlier times that are no other's again, latest time first."""
        supply = self._solver.supply
        uploaded = supply.uploaded(pick.key, pick.source)
        tried = [_labels(wheels)]
        for until in era.times(uploaded, supply.target.python):
            past = replace(inspection, era=Era(until=until, why=why))
            older = self._past(past)
            if older is not None and _labels(older) not in tried:
                tried.append(_labels(older))
                new = tuple(sorted(_labels(older) - tried[0]))
                yield replace(past, era=Era(until=until, why=why, instead=new)), older

    def _past(self, inspection: Inspection) -> tuple[Pin, ...] | None:
        """The environment of an era, as wheels of its time; None where there are not all."""
        path = ((inspection.name, inspection.version),)
        try:
            return self._wheels(self._environment(inspection, path, {}))
        except ResolutionError:
            return None

    def past(
        self, pick: Pick, today: Iterable[str], why: str
    ) -> Iterator[tuple[Inspection, tuple[Pin, ...]]]:
        """What an sdist can be built with besides the releases of ``today`` (``name version``).

        Its backend is asked anew with those of an earlier time, latest time first. ``why``: what
        came of those of today.
        """
        inspection = replace(self._inspector.static(pick.source), era=None)
        for first, _ in self._earlier(pick, inspection, (), why):
            self._asked.discard(pick.key)
            try:
                told = self._told(pick, first, ())
            except BuildError:
                told = first  # its build will fail too, and say why
            pins = self._past(told)
            labels = _labels(pins or ())
            if pins and told.era and not labels <= frozenset(today):
                instead = tuple(sorted(labels.difference(today)))
                yield replace(told, era=replace(told.era, instead=instead)), pins

    def furnished(self, inspection: Inspection) -> tuple[Pin, ...] | None:
        """The environment of an sdist as published wheels; None where there are not all."""
        return self._past(inspection)

    def _wheels(self, found: Found) -> tuple[Pin, ...] | None:
        """Give a solution as one published wheel each, None where one has to be built."""
        chosen = {pick.name: pick.release.wheel for pick in found.picks}
        pins = [(pin, chosen[pin.name]) for pin in self._solver.pins(found)]
        files = [(pin, wheel) for pin, wheel in pins if wheel is not None]
        if len(files) < len(pins):
            return None
        return tuple(replace(pin, files=(wheel,)) for pin, wheel in files)

    def _agreeing(self, inspection: Inspection, path: Path) -> Found:
        """Solve build requirements with what this run builds, where they accept it.

        What waits for this very build cannot be used by it.
        """
        waiting = {name for name, _ in path}
        presets = {name: v for name, v in self._presets.items() if name not in waiting}
        return self._environment(inspection, path, presets)

    def _environment(
        self, inspection: Inspection, path: Path, presets: Mapping[NormalizedName, Version]
    ) -> Found:
        """Solve the build requirements of the package at the end of ``path``."""
        until = inspection.era.until if inspection.era else None
        constraints = self._constraints(inspection)
        said = tuple(map(str, constraints))
        key = (inspection.system.requires, said, frozenset(presets), until)
        if key not in self._solved:
            requirements = self._applying(inspection)
            goal = Goal(requirements=requirements, constraints=constraints, presets=presets)
            if until is not None:
                goal = replace(goal, presets={}, formats=_WHEELS)
            self._solved[key] = self._solve(goal, path, self._solver_at(until))
        return self._solved[key]

    def _solver_at(self, until: dt.datetime | None) -> Solver:
        if until is None:
            return self._solver
        if until not in self._pasts:
            self._pasts[until] = self._solver.until(until)
        return self._pasts[until]

    def _constraints(self, inspection: Inspection) -> tuple[Requirement, ...]:
        """What a recipe says of the versions to build with, as far as it holds on the target."""
        said = inspection.recipe.build_constraints if inspection.recipe else ()
        target = self._solver.supply.target
        return tuple(bare(item) for item in said if target.evaluate(item))

    def _applying(self, inspection: Inspection) -> tuple[Requirement, ...]:
        """The build requirements whose markers hold on the target."""
        try:
            requirements = [Requirement(text) for text in inspection.system.requires]
        except InvalidRequirement as error:
            raise ResolutionError(
                f"{inspection.name} {inspection.version} cannot be built: "
                f"its build requirements cannot be read: {str(error).splitlines()[0]}"
            ) from error
        target = self._solver.supply.target
        return tuple(bare(item) for item in requirements if target.evaluate(item))

    def _solve(self, goal: Goal, path: Path, solver: Solver) -> Found:
        """Satisfy build requirements with as much of what this run builds as they accept."""
        result = self._attempt(goal, path, solver)
        if isinstance(result, Stuck) and goal.presets:
            kept: dict[NormalizedName, Version] = {}
            for name in sorted(result.seen & goal.presets.keys()):
                tried = {**kept, name: goal.presets[name]}
                if isinstance(self._attempt(replace(goal, presets=tried), path, solver), Found):
                    kept = tried
            result = self._attempt(replace(goal, presets=kept), path, solver)
        if isinstance(result, Found):
            return result
        error = explain(goal, result, solver.supply)
        name, version = path[-1]
        text = f"{name} {version} cannot be built: {error}"
        raise ResolutionError(text, remedy=error.remedy) from error

    def _attempt(self, goal: Goal, path: Path, solver: Solver) -> Found | Stuck:
        return solver.solve(goal, Policy.WHEEL_FIRST, lambda pick: self.learn(pick, path))

    def _note(self, pick: Pick, text: str) -> None:
        note = Note(name=pick.name, text=text)
        if note not in self.notes:
            self.notes.append(note)


def _labels(pins: Iterable[Pin]) -> frozenset[str]:
    return frozenset(pin.label for pin in pins)


def _entered(pick: Pick, path: Path) -> Path:
    """The path with this build at its end. Raises ResolutionError when it is on it already."""
    if pick.key in path:
        circle = [*path[path.index(pick.key) :], pick.key]
        needs = " needs ".join(f"{name} {version}" for name, version in circle)
        raise ResolutionError(
            f"{pick.label} cannot be built, because building it takes itself: {needs}",
            remedy="Give a wheel of one of them with --find-links.",
        )
    return (*path, pick.key)
