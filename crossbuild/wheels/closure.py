"""Whether wheels are a whole: nothing that the target will ask for is missing, nothing is over."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from crossbuild.target import Target
from crossbuild.wheels import libraries, promises
from crossbuild.wheels.findings import Finding, FindingKind
from crossbuild.wheels.wheel import WheelContents


def closure(
    wheels: Sequence[WheelContents], wanted: Sequence[Requirement] | None, target: Target
) -> tuple[Finding, ...]:
    """Follow the requirements through the wheels, by the target's markers and extras.

    Also the fatal part of ``borrowed``. ``wanted`` None: every wheel was wanted, so none can
    be left over. Raises UsageError for a requirement whose marker asks for the target's kernel.
    """
    by_name = {contents.name: contents for contents in wheels}
    roots = [Requirement(name) for name in by_name] if wanted is None else wanted
    reached, found = _walk(by_name, filter(target.evaluate, roots), target)
    found += _unwanted(wheels, reached)
    found += (finding for finding in borrowed(wheels, target) if finding.fatal)
    return tuple(dict.fromkeys(found))


def borrowed(wheels: Sequence[WheelContents], target: Target) -> tuple[Finding, ...]:
    """The libraries that a wheel leaves to the wheels it requires, and none of these brings.

    By name alone, in any wheel: torchvision has torch load torch's libraries first. Each
    finding names the wheel that is at fault; those not fatal are of optional libraries.
    """
    promise = promises.of(target)
    if promise is None:
        return ()
    brought = frozenset[str]().union(
        *(libraries.provided(libraries.own(contents, target.arch)) for contents in wheels)
    )
    return tuple(
        finding
        for contents in wheels
        for finding in libraries.findings(
            contents,
            (
                lack
                for lack in libraries.lacks(contents, target.arch, promise, brought)
                if not lack.hopeless
            ),
            target,
        )
    )


def _walk(
    wheels: Mapping[NormalizedName, WheelContents], roots: Iterable[Requirement], target: Target
) -> tuple[Collection[NormalizedName], list[Finding]]:
    """Every package that is reached, and every requirement that no wheel satisfies."""
    queue = deque((requirement, "was asked for") for requirement in roots)
    reached: dict[NormalizedName, frozenset[str]] = {}
    found: list[Finding] = []
    while queue:
        requirement, why = queue.popleft()
        name = canonicalize_name(requirement.name)
        if finding := _unsatisfied(requirement, why, wheels.get(name)):
            found.append(finding)
        if name not in wheels:
            continue
        known = reached.get(name)
        extras = (known or frozenset()) | {canonicalize_name(item) for item in requirement.extras}
        if extras == known:
            continue
        reached[name] = extras
        because = f"{name} {wheels[name].version} requires"
        for item in wheels[name].requires_dist:
            if target.evaluate(item, extras):
                queue.append((item, because))
    return reached, found


def _unsatisfied(
    requirement: Requirement, why: str, contents: WheelContents | None
) -> Finding | None:
    shown = Requirement(str(requirement))
    shown.marker = None
    if contents is None:
        text = f"{shown}, which {why}, is not in the wheelhouse"
        return Finding(file="", kind=FindingKind.MISSING, text=text)
    if requirement.specifier.contains(contents.version, prereleases=True):
        return None
    text = f"{contents.name} {contents.version} is not the {shown} that {why}"
    return Finding(file=contents.filename, kind=FindingKind.VERSION, text=text)


def _unwanted(
    wheels: Iterable[WheelContents], reached: Collection[NormalizedName]
) -> Iterator[Finding]:
    """Wheels that nothing asks for, and packages that are there more than once."""
    wheels = tuple(wheels)
    times = Counter(contents.name for contents in wheels)
    for contents in wheels:
        if contents.name not in reached:
            text = f"nothing requires {contents.name}"
        elif times[contents.name] > 1:
            text = f"{contents.name} is there {times[contents.name]} times"
        else:
            continue
        yield Finding(file=contents.filename, kind=FindingKind.LEFT_OVER, text=text)
