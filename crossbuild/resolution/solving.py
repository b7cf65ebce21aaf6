"""Choosing versions: uv solves, under terms that say which packages may be built.

Policy wheel-first (DESIGN section 5): what has no wheel in any version may be built, what has
one may not, even if that takes an older version. Where this has no solution, packages with
wheels are allowed to be built too, and then as many as possible forbidden again.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild.errors import ResolutionError, UsageError
from crossbuild.model import File, Formats, PackageKey, Pin, Policy
from crossbuild.resolution.candidates import Release
from crossbuild.resolution.loopback import Offer, serving
from crossbuild.resolution.projection import Dependency
from crossbuild.resolution.supply import Releases, Supply
from crossbuild.resolution.uv import Choice, Unsolvable, Uv

Names = frozenset[NormalizedName]


@dataclass(frozen=True, kw_only=True, slots=True)
class Goal:
    """Requirements to satisfy together; their markers are answered already.

    ``presets`` are packages that this run builds anyway, with the version it builds: where
    one is needed, it is that one.
    """

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...] = ()
    formats: Formats = field(default_factory=Formats)
    presets: Mapping[NormalizedName, Version] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """One chosen release; ``built``: not from a published wheel."""

    name: NormalizedName
    release: Release
    extras: Names
    built: bool

    @property
    def key(self) -> PackageKey:
        """Name and version."""
        return self.name, self.release.version

    @property
    def label(self) -> str:
        """``name version``, as people are shown it."""
        return f"{self.name} {self.release.version}"

    @property
    def source(self) -> File:
        """The sdist of a pick that is built."""
        if self.release.sdist is None:
            raise ResolutionError(f"{self.label} has no sdist to build it from")
        return self.release.sdist


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """Releases that satisfy a goal, by name; ``seen`` are all packages that were looked at."""

    picks: tuple[Pick, ...]
    seen: Names = frozenset()

    @property
    def built(self) -> tuple[Pick, ...]:
        """The picks that have to be built."""
        return tuple(pick for pick in self.picks if pick.built)


@dataclass(frozen=True, kw_only=True, slots=True)
class Stuck:
    """Nothing satisfies the goal; ``explanation`` is uv's."""

    explanation: str
    seen: Names


class Solver:
    """Solves goals against one supply. Every method raises what the index raises."""

    def __init__(self, uv: Uv, supply: Supply) -> None:
        self._uv = uv
        self.supply = supply

    def until(self, time: dt.datetime) -> Solver:
        """One that chooses among what had been uploaded at a time."""
        return Solver(self._uv, self.supply.until(time))

    def solve(self, goal: Goal, policy: Policy, learn: Callable[[Pick], bool]) -> Found | Stuck:
        """Satisfy a goal by what its sdists really require.

        ``learn`` tells the supply what a release that has to be built requires, and returns
        whether that was news. What is not learned requires nothing, which rules out no
        solution: so solving again with what was learned ends in the solution that knowing
        everything at once would have given. Raises UsageError for a requirement of which
        nobody can tell whether it applies on the target.
        """
        start: Names = frozenset()
        while True:
            result = self.search(goal, policy, start)
            if isinstance(result, Stuck):
                return result
            unknown = [pick for pick in result.built if not self.supply.knows(pick.key)]
            news = [learn(pick) for pick in unknown]
            if not any(news):
                self._check(result)
                return result
            start = frozenset(pick.name for pick in result.built)

    def search(self, goal: Goal, policy: Policy, start: Names = frozenset()) -> Found | Stuck:
        """Satisfy a goal by what is known now; ``start``: packages known to need a build."""
        if policy is Policy.NEWEST:
            return self._attempt(goal, None)
        result = self._grown(goal, start)
        return result if isinstance(result, Stuck) else self._shrunk(goal, result)

    def _grown(self, goal: Goal, buildable: Names) -> Found | Stuck:
        """Allow packages that have wheels to be built, until there is a solution."""
        while True:
            result = self._attempt(goal, buildable)
            if isinstance(result, Found):
                more = self._hasty(goal, result) - buildable
            else:
                more = self._with_sources(goal, result.seen) - buildable
            if not more:
                return result
            buildable |= more

    def _shrunk(self, goal: Goal, found: Found) -> Found:
        """Build no package that has wheels if some other choice of versions spares it."""
        for name in sorted(pick.name for pick in found.built):
            built = frozenset(pick.name for pick in found.built)
            if name not in built or _is_built_anyway(goal, name, self._releases(goal, name)):
                continue
            trial = self._attempt(goal, built - {name})
            if isinstance(trial, Found) and self._hasty(goal, trial) <= built - {name}:
                found = trial
        return found

    def _with_sources(self, goal: Goal, names: Iterable[NormalizedName]) -> Names:
        """Those of the packages that can be built in some version."""
        return frozenset(
            name
            for name in names
            if any(item.sdist for item in self._releases(goal, name).values())
        )

    def _hasty(self, goal: Goal, found: Found) -> Names:
        """Packages taken as a pre-release only because their final releases have no wheel.

        PEP 440 lets a pre-release in where nothing final will do, or where it is asked for;
        that something would have to be built is not among the reasons.
        """
        return frozenset(
            pick.name
            for pick in found.picks
            if pick.release.version.is_prerelease
            and any(
                item.sdist and not item.version.is_prerelease
                for item in self._releases(goal, pick.name).values()
            )
            and not any(item.specifier.prereleases for item in self._on(goal, found, pick.name))
        )

    def _on(self, goal: Goal, found: Found, name: NormalizedName) -> list[Requirement]:
        """Every requirement on a package that the solution answers."""
        given = [*goal.requirements, *goal.constraints]
        for pick in found.picks:
            given += [item.requirement for item in self.dependencies(pick)]
        return [item for item in given if canonicalize_name(item.name) == name]

    def _check(self, found: Found) -> None:
        """Raise UsageError for a dependency that nobody can answer or that uv was not told of."""
        for pick in found.picks:
            doubts = self.supply.requires(pick.name, pick.release).doubts
            for doubt in doubts:
                if doubt.extra in {None, *pick.extras}:
                    raise UsageError(
                        f"{pick.label} cannot be resolved: {doubt.text}",
                        remedy=f"Take another version of {pick.name}, or leave it out.",
                    )
            for item in self.dependencies(pick):
                if item.requirement.url is not None and not self._named(item, found):
                    raise UsageError(
                        f"{pick.label} requires a file by its address: {item.requirement}",
                        remedy="Ask for that file as well, as a requirement of your own.",
                    )

    def _named(self, dependency: Dependency, found: Found) -> bool:
        """Whether the user named the file that stands for a dependency."""
        name = canonicalize_name(dependency.requirement.name)
        return name in self.supply.direct and any(pick.name == name for pick in found.picks)

    def pins(self, found: Found, requested: Names = frozenset()) -> tuple[Pin, ...]:
        """Give a solution as pins, each with every file of its version, by name."""
        wanting: dict[NormalizedName, set[NormalizedName]] = {p.name: set() for p in found.picks}
        for pick in found.picks:
            for item in self.dependencies(pick):
                wanting[canonicalize_name(item.requirement.name)].add(pick.name)
        return tuple(
            Pin(
                name=pick.name,
                version=pick.release.version,
                files=tuple(verdict.file for verdict in pick.release.verdicts),
                requested=pick.name in requested,
                required_by=tuple(sorted(wanting[pick.name] - {pick.name})),
                built=pick.built,
                direct=pick.name in self.supply.direct,
            )
            for pick in sorted(found.picks, key=lambda pick: pick.name)
        )

    def dependencies(self, pick: Pick) -> tuple[Dependency, ...]:
        """What a pick requires, with the extras it is wanted with."""
        projection = self.supply.requires(pick.name, pick.release)
        wanted = {None, *pick.extras}
        return tuple(item for item in projection.dependencies if item.extra in wanted)

    def _releases(self, goal: Goal, name: NormalizedName) -> Releases:
        return self.supply.releases(name, goal.formats)

    def _attempt(self, goal: Goal, buildable: Names | None) -> Found | Stuck:
        """Solve once; of what has wheels only ``buildable`` (None: all) may be built.

        Reading metadata can show that a wheel is damaged; then the answer is void.
        """
        if not goal.requirements:
            return Found(picks=())
        while True:
            refused = len(self.supply.refused)
            view = _View(self.supply, goal, buildable)
            with serving(view) as index:
                answer = self._uv.compile(goal.requirements, goal.constraints, index)
            if len(self.supply.refused) == refused:
                break
        seen = frozenset(view.seen)
        if isinstance(answer, Unsolvable):
            return Stuck(explanation=answer.explanation, seen=seen)
        return Found(picks=tuple(self._pick(goal, choice) for choice in answer.choices), seen=seen)

    def _pick(self, goal: Goal, choice: Choice) -> Pick:
        release = self._releases(goal, choice.name)[choice.version]
        built = choice.name in goal.presets or release.wheel is None
        return Pick(name=choice.name, release=release, extras=choice.extras, built=built)


class _View:
    """What uv sees in one attempt."""

    def __init__(self, supply: Supply, goal: Goal, buildable: Names | None) -> None:
        self._supply = supply
        self._goal = goal
        self._buildable = buildable
        self.seen: set[NormalizedName] = set()

    def offers(self, name: NormalizedName) -> Sequence[Offer] | None:
        self.seen.add(name)
        releases = self._supply.releases(name, self._goal.formats)
        if self._supply.unknown(name):
            return None
        buildable = (
            self._buildable is None
            or name in self._buildable
            or _is_built_anyway(self._goal, name, releases)
        )
        preset = self._goal.presets.get(name)
        return [
            Offer(
                version=item.version,
                usable=bool(item.wheel or (item.sdist and buildable))
                and preset in {None, item.version},
                yanked=item.yanked is not None,
            )
            for item in releases.values()
        ]

    def metadata(self, name: NormalizedName, version: Version) -> str:
        release = self._supply.releases(name, self._goal.formats)[version]
        return self._supply.requires(name, release).text(name, version)


def _is_built_anyway(goal: Goal, name: NormalizedName, releases: Releases) -> bool:
    """Whether policy wheel-first has nothing to choose: no version of it has a usable wheel."""
    return name in goal.presets or not any(
        release.wheel and release.yanked is None for release in releases.values()
    )
