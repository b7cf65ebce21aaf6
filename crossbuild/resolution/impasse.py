"""Why there is no solution, from the index and not from the wording of uv's explanation."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import takewhile

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from crossbuild.errors import ResolutionError
from crossbuild.model import Kind, Refusal, Verdict
from crossbuild.resolution.candidates import Release
from crossbuild.resolution.solving import Goal, Stuck
from crossbuild.resolution.supply import Releases, Supply

_SHOWN = 8
"""How many versions or reasons a message names before it counts the rest."""
_REMEDIES = {
    Refusal.HASH: "Give the --hash of a file that it can use, or of every file of the version.",
    Refusal.POLICY: "Let it be built or downloaded: change --only-binary or --no-binary for it.",
    Refusal.FLOOR: "Choose a --target with a newer libc, if the machine has it.",
    Refusal.PYTHON: "Choose a --python that it supports, or another version of it.",
    Refusal.NO_HASH: "Use an index that gives hashes, or download the file and name its path.",
}
"""By what refuses a file, the first that does; what has only the wrong hash fits in all else."""


def explain(goal: Goal, stuck: Stuck, supply: Supply) -> ResolutionError:
    """Name the requirement that cannot be met, or give uv's derivation where it takes several."""
    for requirement in goal.requirements:
        name = canonicalize_name(requirement.name)
        releases = supply.releases(name, goal.formats)
        error = supply.unknown(name) or _unmet(requirement, releases, supply)
        if error is not None:
            return error
    said = stuck.explanation.rstrip(".")
    barred = [
        _barred(name, supply.releases(name, goal.formats), said) for name in sorted(stuck.seen)
    ]
    text = ". ".join([said, *filter(None, barred)])
    return ResolutionError(
        f"no versions go together for {supply.target}: {text}",
        remedy="Loosen one of these requirements, or take another --python or --target.",
    )


def _unmet(requirement: Requirement, releases: Releases, supply: Supply) -> ResolutionError | None:
    """Why one requirement alone cannot be met, None if it can."""
    if not releases:
        return ResolutionError(f"the index lists {requirement.name} without any file")
    matching = [
        release
        for version, release in releases.items()
        if requirement.specifier.contains(version, prereleases=True)
    ]
    if not matching:
        return ResolutionError(
            f"no version of {requirement.name} is {requirement.specifier}",
            remedy=f"These exist: {_listed(map(str, releases))}.",
        )
    if any(release.wheel or release.sdist for release in matching):
        return None
    return ResolutionError(
        f"{supply.target} can use no file of {requirement}: {_refused(matching)}",
        remedy=_remedy(matching, releases),
    )


def _remedy(matching: Sequence[Release], releases: Releases) -> str:
    """What would help, judging by why the files of these releases are refused."""
    usable = [version for version, item in releases.items() if item.wheel or item.sdist]
    if usable:
        return f"It can use these versions: {_listed(map(str, usable))}."
    refusals = Counter(v.refusal for release in matching for v in release.verdicts)
    remedies = [text for refusal, text in _REMEDIES.items() if refusals[refusal]]
    return remedies[0] if remedies else "Take another package, or another --target."


def _barred(name: NormalizedName, releases: Releases, explanation: str) -> str:
    """Say why the newest versions of a package cannot be used, if the explanation names them."""
    barred = list(takewhile(lambda item: not (item.wheel or item.sdist), releases.values()))
    if not barred:
        return ""
    ranges = [f"{sign}{item.version}" for item in barred for sign in ("==", ">=", "<=", ">", "<")]
    every = len(barred) == len(releases)
    if name not in explanation or not (every or any(text in explanation for text in ranges)):
        return ""
    return f"{'No file' if every else 'No newer file'} of {name} can be used: {_refused(barred)}"


def _refused(releases: Sequence[Release]) -> str:
    """The reasons of the newest release, file by file or counted, and how many more there are."""
    newest = releases[0]
    text = f"{newest.version} has {_listed(reasons(newest.verdicts))}"
    if len(releases) > 1:
        text += f"; {len(releases) - 1} older versions have none either"
    return text


def reasons(verdicts: Iterable[Verdict]) -> list[str]:
    """The refused files, equal reasons together: ``6 wheels built for x86_64``."""
    groups: dict[tuple[Kind, str], list[str]] = {}
    for verdict in verdicts:
        if verdict.refusal is not None:
            groups.setdefault((verdict.file.kind, verdict.reason), []).append(
                verdict.file.filename
            )
    return [
        f"{files[0] if len(files) == 1 else f'{len(files)} {kind.value}s'} ({reason})"
        for (kind, reason), files in groups.items()
    ]


def _listed(items: Iterable[str]) -> str:
    every = list(items)
    shown = ", ".join(every[:_SHOWN])
    return shown if len(every) <= _SHOWN else f"{shown} and {len(every) - _SHOWN} more"
