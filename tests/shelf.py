"""An index without a server and an inspector without a sandbox, for tests of resolve and plan."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import (
    NormalizedName,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version

from crossbuild.building import sources
from crossbuild.errors import BuildError, CrossbuildError, UnknownPackageError
from crossbuild.model import BuildSystem, File, Inspection, Kind, Pin, SourceMetadata
from crossbuild.report import Event
from crossbuild.resolution.uv import Uv

PURE = "py3-none-any"
FITS = "cp311-cp311-manylinux2014_aarch64"
FOREIGN = "cp311-cp311-manylinux2014_x86_64"


def name(text: str) -> NormalizedName:
    return canonicalize_name(text)


def told(requires: Sequence[str] = (), extras: Sequence[str] = ()) -> SourceMetadata:
    return SourceMetadata(
        requires_dist=tuple(requires), requires_python=None, extras=tuple(extras)
    )


@dataclass
class Listed:
    """One project of the shelf."""

    releases: dict[Version, tuple[File, ...]] = field(default_factory=dict)


@dataclass
class Shelf:
    """Packages to choose from; also what their sdists say when they are inspected.

    ``asked`` are the backends that were run, each with the labels of its environment;
    ``unable`` is why none can be run, ``breaking`` what comes of one with a package of this label
    in its environment. ``directory`` has the sdists, where they are real.
    """

    uv: Uv
    projects: dict[NormalizedName, Listed] = field(default_factory=dict)
    published_metadata: dict[str, SourceMetadata | CrossbuildError] = field(default_factory=dict)
    inspections: dict[str, Inspection] = field(default_factory=dict)
    dynamics: dict[str, Inspection] = field(default_factory=dict)
    broken: dict[NormalizedName, CrossbuildError] = field(default_factory=dict)
    asked: list[tuple[str, list[str]]] = field(default_factory=list)
    unable: CrossbuildError | None = None
    breaking: dict[str, BuildError] = field(default_factory=dict)
    directory: Path | None = None

    def wheel(
        self,
        package: str,
        version: str,
        tag: str = PURE,
        *,
        requires: Sequence[str] = (),
        extras: Sequence[str] = (),
        yanked: str | None = None,
        requires_python: str | None = None,
        sha256: str | None = "0" * 64,
        damaged: CrossbuildError | None = None,
        uploaded: dt.datetime | None = None,
    ) -> File:
        file = File(
            filename=f"{package.replace('-', '_')}-{version}-{tag}.whl",
            url=f"https://index.example/{package}-{version}-{tag}.whl",
            kind=Kind.WHEEL,
            sha256=sha256,
            size=1000,
            yanked=yanked,
            requires_python=SpecifierSet(requires_python) if requires_python else None,
            core_metadata=True,
            uploaded=uploaded,
        )
        self.published_metadata[file.url] = damaged or told(requires, extras)
        self._put(package, version, file)
        return file

    def sdist(
        self,
        package: str,
        version: str,
        *,
        requires: Sequence[str] = (),
        static: bool = True,
        build: Sequence[str] = (),
        dynamic_build: Sequence[str] = (),
        uploaded: dt.datetime | None = None,
    ) -> File:
        """Add an sdist; where not ``static``, only its backend tells what it requires."""
        file = File(
            filename=f"{package.replace('-', '_')}-{version}.tar.gz",
            url=f"https://index.example/{package}-{version}.tar.gz",
            kind=Kind.SDIST,
            sha256="1" * 64,
            uploaded=uploaded,
        )
        system = BuildSystem(backend="backend", backend_path=(), requires=tuple(build))
        whole = Inspection(
            name=name(package), version=Version(version), system=system, metadata=told(requires)
        )
        self.inspections[file.filename] = whole if static else replace(whole, metadata=None)
        every = replace(system, requires=(*build, *dynamic_build))
        self.dynamics[file.filename] = replace(whole, system=every)
        self._put(package, version, file)
        return file

    def _put(self, package: str, version: str, file: File) -> None:
        releases = self.projects.setdefault(name(package), Listed()).releases
        releases[Version(version)] = (*releases.get(Version(version), ()), file)

    # What resolve asks an index.

    def project(self, package: NormalizedName) -> Listed:
        if package in self.broken:
            raise self.broken[package]
        if package not in self.projects:
            raise UnknownPackageError(f"there is no package {package} on index.example")
        return self.projects[package]

    def metadata(self, file: File) -> SourceMetadata | None:
        found = self.published_metadata[file.url]
        if isinstance(found, CrossbuildError):
            raise found
        return found

    def direct(self, requirement: Requirement) -> tuple[Version, File]:
        url = requirement.url or ""
        filename = url.rpartition("/")[2]
        is_wheel = filename.endswith(".whl")
        parsed = parse_wheel_filename(filename) if is_wheel else parse_sdist_filename(filename)
        kind = Kind.WHEEL if is_wheel else Kind.SDIST
        return parsed[1], File(filename=filename, url=url, kind=kind, sha256="2" * 64)

    # What resolve asks an inspector.

    def pass_over(self, inspection: Inspection, error: BuildError) -> None:
        if inspection.metadata is None:
            raise error

    def published(self, file: File) -> SourceMetadata:
        raise AssertionError(f"{file.filename} need not be downloaded")

    def static(self, file: File) -> Inspection:
        if self.directory is not None:
            found = sources.inspect(self.directory / file.filename, file.filename)
            self.inspections[file.filename] = self.dynamics[file.filename] = found
        return self.inspections[file.filename]

    def dynamic(
        self, file: File, inspection: Inspection, environment: tuple[Pin, ...]
    ) -> Inspection:
        assert inspection.name == self.inspections[file.filename].name
        assert [pin.files[0].kind for pin in environment] == [Kind.WHEEL] * len(environment)
        self.asked.append((file.filename, [pin.label for pin in environment]))
        if self.unable is not None:
            raise self.unable
        for pin in environment:
            if pin.label in self.breaking:
                raise self.breaking[pin.label]
        return replace(self.dynamics[file.filename], era=inspection.era)


@dataclass
class Recorder:
    """A reporter that keeps what it hears."""

    events: list[Event] = field(default_factory=list)

    def emit(self, event: Event) -> None:
        self.events.append(event)


def versions(pins: Sequence[Pin]) -> list[str]:
    """Labels of pins, those that are built with a star."""
    return [f"{pin.label}{'*' if pin.built else ''}" for pin in pins]


def plain(table: Mapping[NormalizedName, Version]) -> dict[str, str]:
    return {str(key): str(value) for key, value in table.items()}
