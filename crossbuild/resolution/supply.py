"""What there is to choose from: every release, and what each requires on the target.

Everything is asked for once per run, by whichever thread needs it first. No code of any sdist
runs here: what only its backend can tell counts as nothing until it is learned.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from crossbuild.errors import IntegrityError, UnknownPackageError
from crossbuild.model import File, Formats, PackageKey, SourceMetadata
from crossbuild.resolution.candidates import Judge, Release
from crossbuild.resolution.projection import Projection, project
from crossbuild.target import Target

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

Listing = Mapping[Version, tuple[File, ...]]
"""Every file of a package, by version."""
Releases = Mapping[Version, Release]
"""Every version of a package, newest first, with what the target can use of it."""


class Project(Protocol):
    """One project of an index."""

    @property
    def releases(self) -> Listing:
        """Every file of every version."""


class Packages(Protocol):
    """An index, asked from several threads at once."""

    def project(self, name: NormalizedName) -> Project:
        """List a project. Raises UnknownPackageError, NetworkError."""

    def metadata(self, file: File) -> SourceMetadata | None:
        """Read a wheel's metadata without the whole wheel, where the index allows it."""

    def direct(self, requirement: Requirement) -> tuple[Version, File]:
        """Find the file of ``name @ url``. Raises UsageError, IntegrityError, NetworkError."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Direct:
    """The one file that the user named for a package; it stands for the whole project."""

    version: Version
    file: File


class Supply:
    """The packages of one run for one target; safe to use from any thread.

    ``whole`` reads the metadata of a wheel of which the index gives only the whole. ``refused``
    maps file names or URLs to why they are unsound; a wheel whose metadata cannot be read
    joins them.
    """

    def __init__(
        self,
        packages: Packages,
        target: Target,
        *,
        whole: Callable[[File], SourceMetadata],
        direct: Mapping[NormalizedName, Direct],
        refused: Mapping[str, str],
    ) -> None:
        self.target = target
        self.direct = direct
        self._packages = packages
        self._whole = whole
        self._refused = dict(refused)
        self._unknown: dict[NormalizedName, UnknownPackageError] = {}
        self._learned: dict[PackageKey, Projection] = {}
        self._listings: _Once[NormalizedName, Listing | None] = _Once()
        self._releases: _Once[tuple[NormalizedName, Formats, int], Releases] = _Once()
        self._published: _Once[str, Projection] = _Once()

    def until(self, time: dt.datetime) -> Supply:
        """The packages as they were at a time: without the files that were uploaded later."""
        past = _Past(self._packages, time)
        return Supply(past, self.target, whole=self._whole, direct={}, refused=self._refused)

    def uploaded(self, key: PackageKey, file: File) -> dt.datetime | None:
        """When a file was uploaded; None where the index has not this file, or does not tell."""
        name, version = key
        listing = self._listings.get(name, lambda: self._listed(name)) or {}
        same = (item for item in listing.get(version, ()) if item.filename == file.filename)
        return next((item.uploaded for item in same if item.sha256 == file.sha256), None)

    @property
    def refused(self) -> Mapping[str, str]:
        """The unsound files so far, each with its reason."""
        return dict(self._refused)

    def unknown(self, name: NormalizedName) -> UnknownPackageError | None:
        """What the index said of a package that it does not have."""
        return self._unknown.get(name)

    def listing(self, name: NormalizedName) -> Listing | None:
        """Every file of a package by version; None when no index has the package."""
        if name in self.direct:
            return {self.direct[name].version: (self.direct[name].file,)}
        return self._listings.get(name, lambda: self._listed(name))

    def releases(self, name: NormalizedName, formats: Formats) -> Releases:
        """The package's releases as the target and the formats allow them; empty: unknown."""
        refused = self.refused
        key = (name, formats, len(refused))
        return self._releases.get(key, lambda: self._judged(name, formats, refused))

    def requires(self, name: NormalizedName, release: Release) -> Projection:
        """What a release requires, as far as it is known without running anything.

        A release without a usable wheel is taken at the word of its other wheels; with none of
        those, and nothing learned, it requires nothing.
        """
        learned = self._learned.get((name, release.version))
        if learned is not None:
            return learned
        if release.wheel is not None:
            return self._of_wheel(release.wheel)
        metadata = self.hearsay(release)
        return Projection() if metadata is None else project(metadata, self.target)

    def hearsay(self, release: Release) -> SourceMetadata | None:
        """What a wheel for another platform says that this release requires."""
        wheels = sorted((v.file for v in release.refusals), key=_likeness)
        for file in wheels[:1]:
            try:
                return self._packages.metadata(file)
            except IntegrityError:
                return None
        return None

    def learn(self, name: NormalizedName, release: Release, metadata: SourceMetadata) -> bool:
        """Keep what an sdist requires for certain; True when it is news."""
        before = self.requires(name, release)
        after = project(metadata, self.target)
        self._learned[name, release.version] = after
        return before != after

    def knows(self, key: PackageKey) -> bool:
        """Whether ``learn`` was told about this version."""
        return key in self._learned

    def _listed(self, name: NormalizedName) -> Listing | None:
        try:
            return self._packages.project(name).releases
        except UnknownPackageError as error:
            self._unknown[name] = error
            return None

    def _judged(
        self, name: NormalizedName, formats: Formats, refused: Mapping[str, str]
    ) -> Releases:
        judge = Judge(target=self.target, formats=formats, refused=refused)
        listing = sorted((self.listing(name) or {}).items(), reverse=True)
        direct = name in self.direct
        return {
            version: judge.release(name, version, files, direct=direct)
            for version, files in listing
        }

    def _of_wheel(self, file: File) -> Projection:
        return self._published.get(file.url, lambda: self._read(file))

    def _read(self, file: File) -> Projection:
        try:
            metadata = self._packages.metadata(file) or self._whole(file)
            found = project(metadata, self.target)
        except IntegrityError as error:
            found = Projection(invalid=str(error))
        if found.invalid:
            self._refused[file.filename] = f"its metadata cannot be read: {found.invalid}"
        return found


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listed:
    releases: Listing


class _Past:
    """An index as it was; of files that nobody dates, what the user has at hand, all are there."""

    def __init__(self, packages: Packages, until: dt.datetime) -> None:
        self._packages = packages
        self._until = until
        self.metadata = packages.metadata
        self.direct = packages.direct

    def project(self, name: NormalizedName) -> _Listed:
        listing = self._packages.project(name).releases
        there = {version: tuple(filter(self._there, files)) for version, files in listing.items()}
        return _Listed(releases={version: files for version, files in there.items() if files})

    def _there(self, file: File) -> bool:
        return file.uploaded is None or file.uploaded <= self._until


class _Once(Generic[K, V]):
    """A table whose values are computed once each; threads that want the same one wait."""

    def __init__(self) -> None:
        self._values: dict[K, V] = {}
        self._locks: dict[K, threading.Lock] = {}

    def get(self, key: K, compute: Callable[[], V]) -> V:
        with self._locks.setdefault(key, threading.Lock()):
            if key not in self._values:
                self._values[key] = compute()
            return self._values[key]


def _likeness(file: File) -> tuple[bool, bool, str]:
    """Order foreign wheels by how likely their requirements are those of a wheel for Linux."""
    return "linux" not in file.filename, not file.core_metadata, file.filename
