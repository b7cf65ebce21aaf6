"""The order of a run: resolve, plan, fetch, build, repair, verify, merge, prove, publish.

The same order cut in pieces, for several machines: ``settle`` plans, ``build`` makes what one
machine is to make, ``merge`` joins it and publishes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import bundle, catalog, document, floors, matrix, parts, process, verify
from crossbuild import plan as planning
from crossbuild.catalog import Image, Role
from crossbuild.engine.base import Limits
from crossbuild.errors import VerificationError
from crossbuild.making import Made, Maker
from crossbuild.matrix import Group
from crossbuild.model import BuildStep, Failure, Origin, Plan, RunResult, VerifiedWheel, Wanted
from crossbuild.net.obtain import is_local
from crossbuild.parts import Part
from crossbuild.planfile import Planned, planned
from crossbuild.proof import SmokeResult, SmokeState
from crossbuild.proving import Subject, prove, prove_each, worst
from crossbuild.recipe import Recipe
from crossbuild.report import Level, Message
from crossbuild.settling import Planner, Settled, pinned
from crossbuild.smoke import not_run
from crossbuild.target import Target
from crossbuild.wheels import wheel
from crossbuild.wheels.wheel import WheelContents
from crossbuild.workbench import Services, Workbench

_ASK_TOO = (
    "Name it in the command, too, as one more requirement: what a package wants may not be known "
    "before it is built."
)
"""For what no plan could have had in it: pygobject's own requirements, for one."""

_MADE = frozenset({Origin.BUILT, Origin.BUILT_EARLIER})


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a run is asked to do. ``imports`` are modules to import besides the found ones.

    ``images``: where to prove it; empty: in the catalog's image for the target.
    """

    wanted: Wanted
    target: Target
    output: Path
    limits: Limits
    smoke: bool = True
    imports: tuple[str, ...] = ()
    keep: bool = False
    images: tuple[Image, ...] = ()


def plan(request: Request, services: Services) -> Plan:
    """Resolve and decide; downloads no wheel. Raises what resolve raises."""
    return _sized(_planner(request, services).plan({}, {}), services)


def _planner(request: Request, services: Services) -> Planner:
    bench = Workbench(services, request.target, request.limits)
    return Planner(wanted=request.wanted, target=request.target, services=services, bench=bench)


def _maker(request: Request, services: Services, bench: Workbench) -> Maker:
    target, allowed = request.target, request.wanted.floors
    return Maker(target, services, bench, keep=request.keep, allowed=allowed)


def _sized(plan: Plan, services: Services) -> Plan:
    """Ask for the sizes that the index does not tell; what stays unknown stays None."""
    files = [planning.file_of(step) for step in (*plan.steps, *plan.build_requirements)]
    sizes = services.http.sizes([file.url for file in files if file.size is None])
    return planning.with_files(
        plan, lambda file: replace(file, size=file.size or sizes.get(file.url))
    )


def settle(request: Request, services: Services) -> Planned:
    """Plan for other machines: each wheel is downloaded and checked, each file has its hash.

    So nobody who carries out the plan finds a wheel that has to be planned around. Raises what
    a run raises before it builds.
    """
    planner = _planner(request, services)
    plan = pinned(_sized(planner.settle(None).plan, services), planner.bench)
    local = [file.filename for file in planning.files(plan) if is_local(file.url)]
    if local:
        names = ", ".join(dict.fromkeys(local))
        text = (
            f"only a machine that has the same files in the same places can use the plan: {names}"
        )
        services.reporter.emit(Message(text=text, level=Level.WARNING))
    return planned(plan, request.target, request.wanted)


def run(request: Request, services: Services) -> RunResult:
    """Do the whole job and publish the wheelhouse, also when some packages failed.

    Raises CrossbuildError when nothing can be published: no resolution, no network, no space,
    no emulator. Nothing half-written is left or was ever visible at ``request.output``.
    """
    with _publishing(request, services) as directory:
        planner = _planner(request, services)
        settled = planner.settle(request.output)
        made = _maker(request, services, planner.bench).make(settled.plan)
        return _finish(request, services, directory, settled, made)


def build(request: Request, services: Services, given: Planned, group: Group | None) -> Part:
    """Do a group of a plan's BUILD steps, all of them for None; leave a part at the output.

    Raises CrossbuildError when there is nothing to leave.
    """
    steps = group.steps if group else given.plan.builds
    with bundle.staging(request.output, parts.RECORD) as directory, _ending():
        bench = _planner(request, services).bench
        maker = _maker(request, services, bench)
        made = maker.make(matrix.restricted(given.plan, steps))
        part = Part(
            step=group.id if group else None,
            wheels=tuple(made.wheels[key] for key in sorted(made.wheels)),
            failures=made.failures,
        )
        document = parts.to_json(parts.fill(directory, part), given)
        bundle.publish(directory, request.output, document, parts.RECORD)
        return part


def merge(
    request: Request, services: Services, given: Planned, directories: Sequence[Path]
) -> RunResult:
    """Join the parts of a plan, and do what a run does once its wheels are built.

    Raises what ``parts.join`` raises, VerificationError for a wheel that is unsound, and what
    a run raises.
    """
    outcomes = parts.join(directories, given)
    wheels = [item for item in outcomes if isinstance(item, VerifiedWheel)]
    for item in wheels:
        verify.check(item.path, floors.allowed(request.target, request.wanted.floors, item.path))
    made = Made(
        wheels={(item.name, item.version): item for item in wheels},
        failures=tuple(item for item in outcomes if isinstance(item, Failure)),
    )
    with _publishing(request, services) as directory:
        settled = _planner(request, services).gather(given.plan, request.output)
        return _finish(request, services, directory, settled, made)


@contextlib.contextmanager
def _ending() -> Iterator[None]:
    """Leave nothing running behind an error."""
    try:
        yield
    except BaseException:
        process.terminate_all()
        raise


@contextlib.contextmanager
def _publishing(request: Request, services: Services) -> Iterator[Path]:
    """Yield the directory to fill, while the clean rootfs is unpacked."""
    with bundle.staging(request.output) as directory, ThreadPoolExecutor(1) as ahead, _ending():
        _prepare_ahead(request, services, ahead)
        yield directory


def _finish(
    request: Request, services: Services, directory: Path, settled: Settled, made: Made
) -> RunResult:
    """Check, prove and publish what was downloaded and what was made."""
    result = _judge(request, settled, made)
    if not result.wheels:
        return replace(result, output=None)
    bundle.fill(directory, result.wheels, request.target)
    result = _proven(request, services, directory, result)
    report = document.report(result, request.wanted, request.target)
    bundle.publish(directory, request.output, report)
    return result


def fetch(request: Request, services: Services) -> RunResult:
    """Publish a wheelhouse of downloaded wheels only: nothing is built, nothing is installed.

    Raises VerificationError when a downloaded wheel is unsound, ResolutionError when a package
    has no wheel for the target.
    """
    formats = replace(request.wanted.formats, only_binary_all=True)
    wanted = replace(request.wanted, formats=formats)
    return run(replace(request, wanted=wanted, smoke=False), services)


def _prepare_ahead(request: Request, services: Services, ahead: ThreadPoolExecutor) -> None:
    """Unpack the clean rootfs while the index answers; the proof says what goes wrong in it.

    Raises HostError at once where nothing of the target's can run.
    """
    image = catalog.image_for(request.target, at_least_floor=True)
    if request.smoke and not request.images and image is not None:
        services.engine.check(image)
        ahead.submit(services.engine.prepare, image, Role.TARGET)


def warm(target: Target, services: Services) -> None:
    """Make what a first run would wait for: both rootfs of the target, and the toolchain.

    A clean machine is made where there is one that can prove wheels for the target. Raises
    HostError when no image has the target's Python, or nothing can run here.
    """
    bench = Workbench(services, target, Limits())
    bench.image()
    if (clean := catalog.image_for(target, at_least_floor=True)) is not None:
        services.engine.prepare(clean, Role.TARGET)
    bench.workshop.warm()


def _judge(request: Request, settled: Settled, made: Made) -> RunResult:
    """Put the wheels together and check that the closure is whole, unless packages failed."""
    keys = [(step.pin.name, step.pin.version) for step in settled.plan.steps]
    built = [made.wheels[key] for key in keys if key in made.wheels]
    if not made.failures:
        _check_closure(request, [*settled.contents, *(wheel.read(item.path) for item in built)])
    wheels = sorted([*settled.wheels, *built], key=lambda item: item.name)
    return RunResult(
        plan=settled.plan,
        wheels=tuple(wheels),
        failures=made.failures,
        smoke=SmokeResult(state=SmokeState.SKIPPED, reason="not asked for"),
        output=request.output,
    )


def _check_closure(request: Request, contents: Sequence[WheelContents]) -> None:
    target = floors.needed(request.target, (item.tags for item in contents))
    findings = verify.closure(contents, request.wanted.requirements, target)
    if findings:
        raise VerificationError("; ".join(map(str, findings)), remedy=_ASK_TOO)


def _proven(request: Request, services: Services, directory: Path, result: RunResult) -> RunResult:
    """The result with its proof: in the images that the user named, else in the catalog's."""
    if not request.smoke:
        return result
    if result.failures:
        names = ", ".join(failure.name for failure in result.failures)
        why = f"the wheelhouse is incomplete without {names}"
        return replace(result, smoke=not_run(request.target, why))
    subject = Subject(
        wheelhouse=directory,
        target=floors.needed(request.target, (floors.tags(it.path) for it in result.wheels)),
        modules=_modules(request, result),
        imports=request.imports,
        commands=_commands(result),
    )
    if not request.images:
        return replace(result, smoke=prove(subject, services))
    results = prove_each(subject, services, request.images)
    return replace(result, smoke=worst(results), images=results)


def _modules(request: Request, result: RunResult) -> dict[NormalizedName, tuple[str, ...]]:
    """Name the modules to import: of what was asked for, and of what was built."""
    asked = {canonicalize_name(item.name) for item in request.wanted.requirements}
    said = {name: recipe.test_imports for name, recipe in _recipes(result).items()}
    return {
        item.name: wheel.importable(item.path) if named is None else named
        for item in result.wheels
        for named in [said.get(item.name)]
        if item.name in asked or item.provenance.origin in _MADE
    }


def _commands(result: RunResult) -> dict[NormalizedName, str]:
    """What the recipes say to test the built wheels with."""
    return {
        name: recipe.test_command
        for name, recipe in _recipes(result).items()
        if recipe.test_command is not None
    }


def _recipes(result: RunResult) -> dict[NormalizedName, Recipe]:
    """The recipes of what was built for the wheelhouse."""
    made = {item.name for item in result.wheels if item.provenance.origin in _MADE}
    return {
        step.pin.name: step.recipe
        for step in result.plan.steps
        if isinstance(step, BuildStep) and step.recipe is not None and step.pin.name in made
    }
