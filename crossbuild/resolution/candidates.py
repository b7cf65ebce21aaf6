"""The files of one release, judged for one target: which wheel, which sdist, and why not others.

Pure, and the one place that chooses a file: resolution and plan both ask here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from packaging.utils import NormalizedName
from packaging.version import Version

from crossbuild.errors import ResolutionError
from crossbuild.model import File, Formats, Kind, Pin, Refusal, Verdict
from crossbuild.target import Target
from crossbuild.wheels import wheel

_SDIST_SUFFIXES = (".tar.gz", ".tgz", ".tar.xz", ".tar.bz2", ".zip")
"""Best first; a release with several sdists has the same content in each."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Release:
    """One version of a package. ``verdicts`` judge every file, wheels first, by file name.

    ``wheel`` and ``sdist`` are the best ones that may be used, None when there is none.
    ``yanked`` is the reason (PEP 592) when every usable file was withdrawn; such a release is
    for requirements that name exactly this version.
    """

    version: Version
    verdicts: tuple[Verdict, ...]
    wheel: File | None
    sdist: File | None
    yanked: str | None = None

    @property
    def refusals(self) -> tuple[Verdict, ...]:
        """The verdicts on wheels that are not used, each with its reason."""
        return tuple(v for v in self.verdicts if v.refusal and v.file.kind is Kind.WHEEL)


@dataclass(frozen=True, kw_only=True, slots=True)
class Judge:
    """Decides about releases. ``refused`` maps a file name or URL to why it is unsound."""

    target: Target
    formats: Formats = field(default_factory=Formats)
    refused: Mapping[str, str] = field(default_factory=dict)

    def release(
        self,
        name: NormalizedName,
        version: Version,
        files: Iterable[File],
        *,
        direct: bool = False,
    ) -> Release:
        """Judge the files of one version; ``direct``: the user gave the address of this file."""
        rules = wheel.Rules(
            kinds=kinds(self.formats, name),
            refused=self.refused,
            direct=direct,
            allowed=self.formats.allowed(name),
        )
        ordered = sorted(files, key=lambda file: (file.kind is not Kind.WHEEL, file.filename))
        verdicts = tuple(wheel.candidate(file, self.target, rules) for file in ordered)
        found = self._choose(version, verdicts)
        if found.wheel or found.sdist or not any(v.refusal is Refusal.YANKED for v in verdicts):
            return found
        rules = replace(rules, pinned=True)
        verdicts = tuple(wheel.candidate(file, self.target, rules) for file in ordered)
        reasons = {file.yanked for file in ordered if file.yanked is not None}
        return replace(self._choose(version, verdicts), yanked=min(reasons))

    def of(self, pin: Pin) -> Release:
        """Judge the files of a resolved package."""
        return self.release(pin.name, pin.version, pin.files, direct=pin.direct)

    def _choose(self, version: Version, verdicts: tuple[Verdict, ...]) -> Release:
        usable = [verdict.file for verdict in verdicts if verdict.refusal is None]
        wheels = [file for file in usable if file.kind is Kind.WHEEL]
        sdists = [file for file in usable if file.kind is Kind.SDIST]
        return Release(
            version=version,
            verdicts=verdicts,
            wheel=min(wheels, key=self._preference, default=None),
            sdist=min(sdists, key=_sdist_preference, default=None),
        )

    def _preference(self, file: File) -> tuple[int, tuple[int, str], str]:
        """Order wheels as pip does: the target's best tag, then the highest build tag."""
        named = wheel.parse_filename(file.filename)
        rank = self.target.rank(named.tags)
        number, suffix = named.build or (-1, "")
        return (len(self.target.tags) if rank is None else rank, (-number, suffix), file.filename)


def kinds(formats: Formats, name: NormalizedName) -> frozenset[Kind]:
    """What ``--only-binary`` and ``--no-binary`` leave of a package; a name beats ``:all:``."""
    if name in formats.no_binary:
        return frozenset({Kind.SDIST})
    if name in formats.only_binary:
        return frozenset({Kind.WHEEL})
    forbidden = {Kind.WHEEL} if formats.no_binary_all else set()
    forbidden |= {Kind.SDIST} if formats.only_binary_all else set()
    return frozenset(Kind) - forbidden


def best_wheel(pin: Pin, target: Target) -> File:
    """Choose the wheel of a pin that the target likes best. Raises ResolutionError."""
    chosen = Judge(target=target).of(pin).wheel
    if chosen is None:
        raise ResolutionError(f"{pin.label} has no wheel that {target} can use")
    return chosen


def _sdist_preference(file: File) -> tuple[int, str]:
    places = enumerate(_SDIST_SUFFIXES)
    place = next(
        (n for n, suffix in places if file.filename.endswith(suffix)), len(_SDIST_SUFFIXES)
    )
    return place, file.filename
