"""The order of a run: resolve, plan, fetch, build, repair, verify, merge, prove, publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import bundle, catalog, document, process, verify
from crossbuild.catalog import Role
from crossbuild.engine.base import Limits
from crossbuild.errors import VerificationError
from crossbuild.making import Made, Maker
from crossbuild.model import (
    BuildStep,
    File,
    Origin,
    Plan,
    RunResult,
    SmokeResult,
    SmokeState,
    Step,
    Wanted,
)
from crossbuild.proving import prove
from crossbuild.settling import Planner, Settled
from crossbuild.smoke import not_run
from crossbuild.target import Target
from crossbuild.wheels import wheel
from crossbuild.wheels.wheel import WheelContents
from crossbuild.workbench import Services, Workbench


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What a run is asked to do. ``imports`` are modules to import besides the found ones."""

    wanted: Wanted
    target: Target
    output: Path
    limits: Limits
    smoke: bool = True
    imports: tuple[str, ...] = ()
    keep: bool = False


def plan(request: Request, services: Services) -> Plan:
    """Resolve and decide; downloads no wheel. Raises what resolve raises."""
    return _sized(_planner(request, services).plan({}, {}), services)


def _planner(request: Request, services: Services) -> Planner:
    bench = Workbench(services, request.target, request.limits)
    return Planner(wanted=request.wanted, target=request.target, services=services, bench=bench)


def _sized(plan: Plan, services: Services) -> Plan:
    """Ask for the sizes that the index does not tell; what stays unknown stays None."""
    files = [_file(step) for step in (*plan.steps, *plan.build_requirements)]
    sizes = services.http.sizes([file.url for file in files if file.size is None])
    return replace(
        plan,
        steps=tuple(_with_size(step, sizes) for step in plan.steps),
        build_requirements=tuple(
            replace(step, source=_measured(step.source, sizes)) for step in plan.build_requirements
        ),
    )


def _file(step: Step) -> File:
    return step.source if isinstance(step, BuildStep) else step.file


def _with_size(step: Step, sizes: Mapping[str, int | None]) -> Step:
    if isinstance(step, BuildStep):
        return replace(step, source=_measured(step.source, sizes))
    return replace(step, file=_measured(step.file, sizes))


def _measured(file: File, sizes: Mapping[str, int | None]) -> File:
    return replace(file, size=file.size or sizes.get(file.url))


def run(request: Request, services: Services) -> RunResult:
    """Do the whole job and publish the wheelhouse, also when some packages failed.

    Raises CrossbuildError when nothing can be published: no resolution, no network, no space,
    no emulator. Nothing half-written is left or was ever visible at ``request.output``.
    """
    with bundle.staging(request.output) as directory, ThreadPoolExecutor(1) as ahead:
        try:
            _prepare_ahead(request, services, ahead)
            planner = _planner(request, services)
            settled = planner.settle(request.output)
            made = Maker(request.target, services, planner.bench, request.keep).make(settled.plan)
            result = _judge(request, settled, made)
            if not result.wheels:
                return replace(result, output=None)
            bundle.fill(directory, result.wheels, request.target)
            proof = _prove(request, services, directory, result)
            result = replace(result, smoke=proof)
            report = document.report(result, request.wanted, request.target)
            bundle.publish(directory, request.output, report)
            return result
        except BaseException:
            process.terminate_all()
            raise


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
    image = catalog.image_for(request.target, at_least_floor=True) if request.smoke else None
    if image is not None:
        services.engine.check(image)
        ahead.submit(services.engine.prepare, image, Role.TARGET)


def warm(target: Target, services: Services) -> None:
    """Make what a first run would wait for: both rootfs of the target, and the toolchain.

    Raises HostError when no image has the target's Python, or nothing can run here.
    """
    bench = Workbench(services, target, Limits())
    image = bench.image()
    services.engine.prepare(image, Role.TARGET)
    _ = bench.workshop


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
    findings = verify.closure(contents, request.wanted.requirements, request.target)
    if findings:
        raise VerificationError("; ".join(map(str, findings)))


def _prove(
    request: Request, services: Services, directory: Path, result: RunResult
) -> SmokeResult:
    if not request.smoke:
        return result.smoke
    if result.failures:
        names = ", ".join(failure.name for failure in result.failures)
        return not_run(request.target, f"the wheelhouse is incomplete without {names}")
    modules = _modules(request, result)
    return prove(directory, modules, request.imports, request.target, services)


def _modules(request: Request, result: RunResult) -> dict[NormalizedName, tuple[str, ...]]:
    """Name the modules to import: of what was asked for, and of what was built."""
    asked = {canonicalize_name(item.name) for item in request.wanted.requirements}
    made = {Origin.BUILT, Origin.BUILT_EARLIER}
    return {
        item.name: wheel.importable(item.path)
        for item in result.wheels
        if item.name in asked or item.provenance.origin in made
    }
