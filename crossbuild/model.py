"""The nouns that stages hand to each other: frozen values, no behaviour beyond reading them.

Sizes are bytes, durations are seconds, hashes are lower-case hexadecimal SHA-256.
"""

from __future__ import annotations

import datetime as dt
import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from crossbuild.era import Era
from crossbuild.errors import EXIT_INCOMPLETE, EXIT_OK, EXIT_UNPROVEN, VerificationError
from crossbuild.excess import Allowance, Fit
from crossbuild.lack import Addition
from crossbuild.ladder import Attempt, Rung
from crossbuild.proof import SmokeResult, SmokeState
from crossbuild.recipe import Recipe


class Kind(enum.Enum):
    """What a distribution file is."""

    WHEEL = "wheel"
    SDIST = "sdist"


class Refusal(enum.Enum):
    """Why a file is not used."""

    TAG = "tag"
    PYTHON = "python"
    FLOOR = "floor"
    YANKED = "yanked"
    POLICY = "policy"
    UNSOUND = "unsound"
    NO_HASH = "no hash"
    HASH = "hash"


@dataclass(frozen=True, kw_only=True, slots=True)
class File:
    """A distribution file that an index, a link or a path offers (PEP 691 names).

    ``url`` may be a ``file:`` URL and never holds credentials. ``sha256`` is None where the
    index gave none; ``size`` and ``uploaded`` (PEP 700) likewise. ``yanked`` is the reason, empty
    when none was given.
    """

    filename: str
    url: str
    kind: Kind
    sha256: str | None = None
    size: int | None = None
    requires_python: SpecifierSet | None = None
    yanked: str | None = None
    core_metadata: bool = False
    uploaded: dt.datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """One candidate file and why it is (``refusal`` None) or is not used."""

    file: File
    refusal: Refusal | None
    reason: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Pin:
    """One resolved package: its version and every file that could provide it.

    ``built``: it comes from a BUILD step of this run, not from a published wheel. ``direct``:
    the user gave the address of its one file.
    """

    name: NormalizedName
    version: Version
    files: tuple[File, ...]
    requested: bool = False
    required_by: tuple[NormalizedName, ...] = ()
    built: bool = False
    direct: bool = False

    @property
    def label(self) -> str:
        """``name version``, as people are shown it."""
        return f"{self.name} {self.version}"


@dataclass(frozen=True, kw_only=True, slots=True)
class EnvironmentPin:
    """One distribution of a build environment; ``file`` None: built by the plan's own step."""

    name: NormalizedName
    version: Version
    file: File | None


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildSystem:
    """PEP 517/518: the backend of an sdist and what it requires, dynamic requirements included."""

    backend: str
    backend_path: tuple[str, ...]
    requires: tuple[str, ...]


class Policy(enum.Enum):
    """Which version of a package is chosen (DESIGN section 5)."""

    WHEEL_FIRST = "wheel-first"
    NEWEST = "newest"


@dataclass(frozen=True, kw_only=True, slots=True)
class Formats:
    """Which files may be used: ``--only-binary``, ``--no-binary`` and ``--hash``.

    ``hashes`` pairs a package with a SHA-256 that its files may have; a package without any
    may have all, unless ``hashes_required``.
    """

    only_binary: frozenset[NormalizedName] = frozenset()
    only_binary_all: bool = False
    no_binary: frozenset[NormalizedName] = frozenset()
    no_binary_all: bool = False
    hashes: frozenset[tuple[NormalizedName, str]] = frozenset()
    hashes_required: bool = False

    def allowed(self, name: NormalizedName) -> frozenset[str] | None:
        """The SHA-256 that a package's files may have; None: any."""
        own = frozenset(sha256 for package, sha256 in self.hashes if package == name)
        return own if own or self.hashes_required else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """What the user asked for. A requirement on a file is ``name @ url`` (PEP 508)."""

    requirements: tuple[Requirement, ...]
    constraints: tuple[Requirement, ...] = ()
    policy: Policy = Policy.WHEEL_FIRST
    formats: Formats = Formats()
    floors: tuple[Allowance, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class SourceMetadata:
    """Core metadata of an sdist as far as resolution needs it (PEP 643)."""

    requires_dist: tuple[str, ...]
    requires_python: str | None
    extras: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inspection:
    """What an sdist says of itself; ``metadata`` None: only running its backend can tell.

    ``recipe`` is what people say of it. ``era``: when its build requirements are of, None: today.
    """

    name: NormalizedName
    version: Version
    system: BuildSystem
    metadata: SourceMetadata | None
    recipe: Recipe | None = None
    era: Era | None = None


PackageKey = tuple[NormalizedName, Version]


@dataclass(frozen=True, kw_only=True, slots=True)
class Note:
    """Something the plan wants seen, about one package."""

    name: NormalizedName
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolution:
    """The closure for the target, and for each sdist in it the closure of its build.

    ``pins`` has the closure. ``sources`` maps every package that has to be built, those that
    only builds need too, to what it said of itself; ``environments`` maps the same keys to the
    pins of its build environment. ``refused`` are files that are unsound, found so by an
    earlier verification or while reading metadata. ``newest`` maps a package to the version
    policy ``newest`` would choose, where it differs; ``elsewhere`` maps a package that is
    built to the newest other version that has a wheel for the target.
    """

    pins: tuple[Pin, ...]
    sources: Mapping[PackageKey, Inspection]
    environments: Mapping[PackageKey, tuple[Pin, ...]]
    refused: Mapping[str, str]
    newest: Mapping[NormalizedName, Version]
    elsewhere: Mapping[NormalizedName, Version] = field(default_factory=dict)
    notes: tuple[Note, ...] = ()


class Purpose(enum.Enum):
    """Why a package is in the plan: it travels to the target, or only a build needs it."""

    TARGET = "target"
    BUILD_REQUIREMENT = "build requirement"


@dataclass(frozen=True, kw_only=True, slots=True)
class FetchStep:
    """Download ``file``; the wheel is used as it is."""

    pin: Pin
    file: File
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class BuildStep:
    """Build a wheel from ``source`` with ``environment`` installed, after ``after`` were built.

    ``era``: when the environment is of, None: of today.
    """

    pin: Pin
    source: File
    verdicts: tuple[Verdict, ...]
    system: BuildSystem
    environment: tuple[EnvironmentPin, ...]
    purpose: Purpose = Purpose.TARGET
    recipe: Recipe | None = None
    era: Era | None = None

    @property
    def after(self) -> tuple[NormalizedName, ...]:
        """The plan's other BUILD steps whose wheels this build installs."""
        return tuple(item.name for item in self.environment if item.file is None)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReuseStep:
    """The existing wheelhouse already holds ``file``, with the hash the plan wants."""

    pin: Pin
    file: File
    verdicts: tuple[Verdict, ...]


Step = FetchStep | BuildStep | ReuseStep


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """One step per package of the closure, then the BUILD steps only builds need."""

    steps: tuple[Step, ...]
    build_requirements: tuple[BuildStep, ...] = ()
    notes: tuple[Note, ...] = ()

    @property
    def builds(self) -> tuple[BuildStep, ...]:
        """Every BUILD step, those of the closure and those of build requirements."""
        own = tuple(step for step in self.steps if isinstance(step, BuildStep))
        return own + self.build_requirements


class Builder(enum.Enum):
    """Who builds: crossbuild by its ladder, or cibuildwheel, without or with our compilers."""

    LADDER = "crossbuild"
    CIBUILDWHEEL = "cibuildwheel"
    CIBUILDWHEEL_NATIVE = "cibuildwheel+native"


@dataclass(frozen=True, kw_only=True, slots=True)
class RawWheel:
    """What a build left: a wheel on the host, not yet repaired. ``phases`` in seconds.

    ``added`` are the packages that its image got for it.
    """

    path: Path
    rung: Rung
    phases: Mapping[str, float]
    log: Path
    added: tuple[Addition, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class RepairedWheel:
    """A wheel whose tag fits the target; ``grafted`` are the libraries auditwheel copied in.

    ``fitted`` are those of them that had to be bound to an older C library.
    """

    path: Path
    sha256: str
    grafted: tuple[str, ...]
    fitted: tuple[Fit, ...] = ()


class Origin(enum.Enum):
    """Where a wheel of the wheelhouse came from."""

    FETCHED = "fetched"
    BUILT = "built"
    BUILT_EARLIER = "built earlier"
    REUSED = "reused"


@dataclass(frozen=True, kw_only=True, slots=True)
class Provenance:
    """How one wheel came to be: as ``RawWheel`` and ``RepairedWheel`` say.

    ``era``: when its build requirements are of, None: of the day it was built. ``tried`` has
    every attempt at it, the one that made it too. ``libraries`` are the C libraries, with their
    versions, that were built first for it from their sources.
    """

    origin: Origin
    source: File
    rung: Rung | None = None
    phases: Mapping[str, float] | None = None
    grafted: tuple[str, ...] = ()
    added: tuple[Addition, ...] = ()
    era: Era | None = None
    tried: tuple[Attempt, ...] = ()
    libraries: tuple[str, ...] = ()
    fitted: tuple[Fit, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifiedWheel:
    """A wheel on the host that passed every static check for the target."""

    name: NormalizedName
    version: Version
    path: Path
    sha256: str
    size: int
    provenance: Provenance


@dataclass(frozen=True, kw_only=True, slots=True)
class Failure:
    """A package that failed: the others go on. ``tail`` has the last lines of its log.

    ``tried`` has every attempt at it. ``phase`` is what was going on, empty where nobody knows.
    """

    name: NormalizedName
    version: Version
    step: str
    error: str
    remedy: str
    exit_code: int
    log: Path | None
    tail: tuple[str, ...] = ()
    tried: tuple[Attempt, ...] = ()
    phase: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """The end of a run. ``output`` is None when there was nothing to publish.

    ``smoke`` is the proof, of several the worst; ``images`` has one for each image that the user
    named.
    """

    plan: Plan
    wheels: tuple[VerifiedWheel, ...]
    failures: tuple[Failure, ...]
    smoke: SmokeResult
    output: Path | None
    images: tuple[SmokeResult, ...] = ()

    @property
    def exit_code(self) -> int:
        """The documented exit code: failures first, then the proof."""
        if self.failures:
            return EXIT_INCOMPLETE if self.wheels else self.failures[0].exit_code
        if self.smoke.state is SmokeState.FAILED:
            return VerificationError.exit_code
        return EXIT_UNPROVEN if self.smoke.state is SmokeState.NOT_RUN else EXIT_OK
