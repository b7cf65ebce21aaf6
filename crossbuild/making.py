"""Making the wheels that exist nowhere: build, repair, check and keep, one package at a time.

A package that fails becomes a Failure and the others go on; a wheel that was made once is
kept in the store under a key of everything that went into it, and is not made again.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from packaging.utils import NormalizedName

from crossbuild import era, floors, wording
from crossbuild.building import adapting
from crossbuild.building.backend import Workshop
from crossbuild.building.calling import HookError
from crossbuild.errors import (
    BuildError,
    CrossbuildError,
    FloorError,
    HostError,
    NetworkError,
    RepairError,
)
from crossbuild.excess import Allowance
from crossbuild.lack import RECIPE, Addition
from crossbuild.ladder import Climb
from crossbuild.library import Library
from crossbuild.model import (
    BuildStep,
    EnvironmentPin,
    Failure,
    File,
    PackageKey,
    Plan,
    VerifiedWheel,
)
from crossbuild.platforms import Floor
from crossbuild.process import CancelledError
from crossbuild.report import Building, Level, Message, Stage
from crossbuild.schedule import Skipped, in_order
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.wheels import promises
from crossbuild.workbench import Services, Workbench
from crossbuild.wright import Piece, Wright

_GIVEN = "given"


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """What came of the BUILD steps; ``wheels`` has those that only builds need, too."""

    wheels: Mapping[PackageKey, VerifiedWheel]
    failures: tuple[Failure, ...]


class Maker:
    """Makes the BUILD steps of a plan, each after the ones that its build installs.

    ``allowed``: by how much a wheel may need more than the target promises.
    """

    def __init__(
        self,
        target: Target,
        services: Services,
        bench: Workbench,
        keep: bool,
        allowed: tuple[Allowance, ...] = (),
    ) -> None:
        self._target = target
        self._services = services
        self._bench = bench
        self._floors = allowed
        self._wright = Wright(services.store, services.reporter, keep=keep)
        self._wheels: dict[PackageKey, VerifiedWheel] = {}
        self._files: dict[str, Path] = {}

    def make(self, plan: Plan) -> Made:
        """Build what the plan says. Raises only for what concerns the whole run (Ctrl-C)."""
        steps = {(step.pin.name, step.pin.version): step for step in plan.builds}
        if not steps:
            return Made(wheels={}, failures=())
        names = ", ".join(step.pin.label for step in steps.values())
        self._services.reporter.emit(Stage(name="build", detail=names, steps=len(steps)))
        self._download(plan)
        outcome = in_order(
            {key: _after(step) for key, step in steps.items()},
            lambda key: self._one(steps[key]),
            failed=lambda result: isinstance(result, Failure),
            jobs=self._services.jobs,
        )
        failures = [
            _skipped(steps[key], result) if isinstance(result, Skipped) else result
            for key, result in outcome.items()
            if not isinstance(result, VerifiedWheel)
        ]
        return Made(wheels=dict(self._wheels), failures=tuple(failures))

    def _download(self, plan: Plan) -> None:
        """Fetch the sources and the wheels of every build environment, all at once."""
        self._fetch(plan.builds)

    def _fetch(self, steps: Iterable[BuildStep]) -> None:
        wanted: dict[str, File] = {}
        for step in steps:
            for file in (step.source, *(item.file for item in step.environment)):
                if file is not None:
                    wanted[file.url] = file
        paths = self._bench.download(tuple(wanted.values()))
        self._files |= dict(zip(wanted, paths, strict=True))

    def _one(self, step: BuildStep) -> VerifiedWheel | Failure:
        label = step.pin.label
        log = self._log(step)
        emit = self._services.reporter.emit
        climb = Climb()
        try:
            wheel = self._made(step, log, climb)
        except CancelledError:
            raise
        except CrossbuildError as error:
            emit(Building(package=label, phase=None, ok=False, detail=str(error)))
            return _failure(step, error, log, climb)
        emit(Building(package=label, phase=None, detail=wheel.path.name))
        self._keep_added(wheel)
        self._wheels[step.pin.name, step.pin.version] = wheel
        return wheel

    def _keep_added(self, wheel: VerifiedWheel) -> None:
        """Keep what a build was given, to write a recipe of it."""
        added = [[item.package, item.lack] for item in wheel.provenance.added]
        self._services.store.put_record(_GIVEN, wheel.name, {"added": added})

    def _log(self, step: BuildStep) -> Path:
        target = self._target
        name = f"{step.pin.name}-{step.pin.version}-{target.interpreter}-{target.platform}.log"
        return self._services.store.root / "logs" / name

    def _made(self, step: BuildStep, log: Path, climb: Climb) -> VerifiedWheel:
        """Build with the build requirements of the plan; should they fail, with earlier ones."""
        archive = self._files[step.source.url]
        try:
            wheel = self._attempted(self._remembered(step, archive, climb), log, climb)
        except HookError as error:
            wheel = self._made_adapted(step, log, climb, error)
        except BuildError as error:
            wheel = self._made_earlier(step, log, climb, error)
        if wheel.provenance.era is not None:
            self._bench.experience.keep_era(archive, wheel.provenance.era)
        return wheel

    def _made_adapted(
        self, step: BuildStep, log: Path, climb: Climb, error: HookError
    ) -> VerifiedWheel:
        """Build an sdist that is made for an older CPython, adapted; else as it was made."""
        archive, mending = self._files[step.source.url], error.adaptation
        if mending is None:
            return self._made_earlier(step, log, climb, error)
        better = self._bench.adapted(step, adapting.merged(step.recipe, mending))
        if better is None:
            return self._made_earlier(step, log, climb, error)
        self._warn(step, f"building again, {mending.why}, for without: {era.said(error)}")
        climb.adapted = mending.why
        try:
            wheel = self._attempted(better, log.with_suffix(".adapted.log"), climb)
        except BuildError as again:
            error.remedy += f" When {mending.why}: {era.said(again)}."
            return self._made_earlier(step, log, climb, error)
        self._bench.experience.keep_adaptation(archive, mending)
        return wheel

    def _remembered(self, step: BuildStep, archive: Path, climb: Climb) -> BuildStep:
        """The step with what mended it before, or the era that made it here before."""
        mending = self._bench.experience.adaptation(archive)
        if mending:
            better = self._bench.adapted(step, adapting.merged(step.recipe, mending))
            climb.adapted = mending.why if better else None
            return better or step
        known = None if step.era else self._bench.experience.era(archive)
        if known is None:
            return step
        steps = self._bench.earlier(step, known.why)
        return next((s for s in steps if s.era and s.era.until == known.until), step)

    def _made_earlier(
        self, step: BuildStep, log: Path, climb: Climb, error: BuildError
    ) -> VerifiedWheel:
        """Build with the build requirements of an earlier time; raise ``error`` if all fail."""
        failed: dict[str, BuildError] = {}
        climb.adapted = None
        for past in islice(self._bench.earlier(step, era.said(error)), error.eras):
            self._warn(step, f"trying {past.era}, for with those of today: {error}")
            try:
                return self._attempted(past, log.with_suffix(f".{len(failed) + 1}.log"), climb)
            except BuildError as again:
                failed[f"{past.era}"] = again
        if self._bench.experience.era(self._files[step.source.url]) is not None:
            self._bench.experience.keep_era(self._files[step.source.url], None)
        raise era.all_failed(error, failed)

    def _attempted(self, step: BuildStep, log: Path, climb: Climb) -> VerifiedWheel:
        climb.era = step.era.until if step.era else None
        self._fetch([step])
        archive = self._files[step.source.url]
        piece = Piece(
            step=step,
            source=archive,
            environment=tuple(self._installed(item) for item in step.environment),
            workshop=self._bench.workshop.known(archive, step.recipe),
            log=log,
            climb=climb,
        )
        self._tell(step, piece.workshop)
        try:
            return self._wright.make(piece, self._target)
        except FloorError as error:
            # With what it got meanwhile: what it made so is kept, and found again.
            shop = self._bench.workshop.known(archive, step.recipe)
            return self._made_otherwise(replace(piece, workshop=shop), error)

    def _made_otherwise(self, piece: Piece, error: FloorError) -> VerifiedWheel:
        """Build in images with an older C library; else take what was made, if that is allowed.

        An image that lacks a package is passed over. Raises ``error`` where nothing helps, with
        what would.
        """
        for shop in self._bench.older():
            image = shop.root.image
            self._warn(piece.step, f"trying {image.name}, whose C library is older: {error}")
            try:
                older = replace(piece, workshop=shop.known(piece.source, piece.step.recipe))
                with contextlib.suppress(BuildError, RepairError):
                    return self._wright.make(older, self._target)
            except (HostError, NetworkError) as refused:
                self._warn(piece.step, f"{image.name} could not be tried: {refused}")
        if piece.step.recipe and piece.step.recipe.sources:
            return self._made_on_own_ground(piece, piece.step.recipe.sources, error)
        return self._made_above(piece, error)

    def _made_on_own_ground(
        self, piece: Piece, sources: tuple[Library, ...], error: FloorError
    ) -> VerifiedWheel:
        """Build with C libraries that are built for the floor first, from their sources."""
        names = wording.listing([item.name for item in sources])
        self._warn(piece.step, f"building {names} from source first, for {error}")
        try:
            if (laid := piece.workshop.lay(sources)) is not None:
                # What the first build lacked, this one does, too.
                known = self._bench.workshop.known(piece.source, piece.step.recipe)
                own = replace(piece, workshop=known.on(laid))
                return self._wright.make(own, self._target)
        except FloorError as again:
            return self._made_above(own, again)
        except BuildError as failed:
            error = FloorError(f"{error}; {failed}", needs=error.needs)
        return self._made_above(piece, error)

    def _made_above(self, piece: Piece, error: FloorError) -> VerifiedWheel:
        """Take the wheel for the lowest floor that it fits, if that is allowed.

        Else raises ``error``, which then says which floor that is.
        """
        step, tried = piece.step, list(piece.climb.attempts)
        allowed = floors.limit(self._target, self._floors, step.pin.name)
        wheel, needs = self._lowest(piece, error)
        if wheel and needs and floors.lifted(allowed, needs) == allowed:
            platform = floors.lifted(self._target, needs).platform
            self._warn(step, f"needs {platform}, more than {self._target.platform} promises")
            return wheel
        piece.climb.attempts[:] = tried
        if needs:
            error.remedy = self._ways_out(step, floors.lifted(self._target, needs).platform)
        raise error

    def _lowest(
        self, piece: Piece, error: FloorError
    ) -> tuple[VerifiedWheel | None, Floor | None]:
        """The wheel for the lowest floor above the target's that it can be made to fit."""
        most = floors.floor_of(error.needs, self._target) if error.needs else None
        for floor in promises.higher(self._target, most) if most else ():
            with contextlib.suppress(FloorError):
                return self._wright.make(piece, floors.lifted(self._target, floor)), floor
        return None, most

    def _ways_out(self, step: BuildStep, platform: str) -> str:
        """What helps with a wheel that fits only this platform."""
        floor = platform.removesuffix(f"_{self._target.arch}")
        text = (
            f"It fits {platform}: make the wheels for that target, or take this one as it is "
            f"with --allow-floor {step.pin.name}={floor}."
        )
        elsewhere = self._bench.older_elsewhere()
        if elsewhere is None:
            return text
        return (
            f"{text} {elsewhere.name} has an older C library: name a registry that has that "
            "image (--registry HOST)."
        )

    def _warn(self, step: BuildStep, text: str) -> None:
        message = Message(text=f"{step.pin.label}: {text}", level=Level.WARNING)
        self._services.reporter.emit(message)

    def _tell(self, step: BuildStep, workshop: Workshop) -> None:
        """Say what a recipe adds to the image."""
        said = [str(item) for item in workshop.added if item.lack == RECIPE]
        if said:
            text = f"{step.pin.label}: added {wording.listing(said)}"
            self._services.reporter.emit(Message(text=text))

    def _installed(self, item: EnvironmentPin) -> Path:
        """Give the wheel of one distribution of the build environment."""
        if item.file is not None:
            return self._files[item.file.url]
        return self._wheels[item.name, item.version].path


def last_added(store: Store, name: NormalizedName) -> tuple[Addition, ...] | None:
    """What the last build of a package was given besides its image; None: nothing."""
    record = store.record(_GIVEN, name)
    items = record["added"] if record else ()
    return tuple(Addition(package=item[0], lack=item[1]) for item in items) or None


def _after(step: BuildStep) -> tuple[PackageKey, ...]:
    return tuple((item.name, item.version) for item in step.environment if item.file is None)


def _failure(step: BuildStep, error: CrossbuildError, log: Path, climb: Climb) -> Failure:
    return Failure(
        name=step.pin.name,
        version=step.pin.version,
        step="build",
        error=str(error),
        remedy=error.remedy,
        exit_code=error.exit_code,
        log=log if log.exists() else None,
        tail=error.tail if isinstance(error, BuildError) else (),
        tried=tuple(climb.attempts),
        phase=_phase(error),
    )


def _phase(error: CrossbuildError) -> str:
    """What was going on when a package failed."""
    if isinstance(error, BuildError):
        return error.phase
    return "repair" if isinstance(error, RepairError) else ""


def _skipped(step: BuildStep, result: Skipped[PackageKey]) -> Failure:
    name, version = result.cause
    return Failure(
        name=step.pin.name,
        version=step.pin.version,
        step="build",
        error=f"its build needs {name} {version}, which failed",
        remedy=f"Mend the build of {name} first.",
        exit_code=8,
        log=None,
    )
