"""The order of a run: resolve, plan, fetch, build, repair, verify, merge, prove, publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import bundle, catalog, document, process, verify, wheel, wording
from crossbuild.disk import hash_of
from crossbuild.engine.base import Limits, Role
from crossbuild.errors import VerificationError
from crossbuild.making import Made, Maker
from crossbuild.model import (
    BuildStep,
    FetchStep,
    File,
    Formats,
    Origin,
    Plan,
    Provenance,
    ReuseStep,
    RunResult,
    SmokeResult,
    SmokeState,
    Step,
    VerifiedWheel,
    Wanted,
)
from crossbuild.plan import plan as make_plan
from crossbuild.proving import prove
from crossbuild.report import Level, Message, Stage
from crossbuild.resolve import resolve
from crossbuild.smoke import not_run
from crossbuild.target import Target
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
    bench = Workbench(services, request.target, request.limits)
    return _sized(_plan(request, services, bench, {}, {}), services)


def _sized(plan: Plan, services: Services) -> Plan:
    """Ask for the sizes that the index does not tell; what stays unknown stays None."""
    files = [_file(step) for step in plan.steps]
    sizes = services.http.sizes([file.url for file in files if file.size is None])
    steps = tuple(
        _with_file(step, replace(file, size=file.size or sizes.get(file.url)))
        for step, file in zip(plan.steps, files, strict=True)
    )
    return replace(plan, steps=steps)


def _file(step: Step) -> File:
    return step.source if isinstance(step, BuildStep) else step.file


def _with_file(step: Step, file: File) -> Step:
    if isinstance(step, BuildStep):
        return replace(step, source=file)
    return replace(step, file=file)


def run(request: Request, services: Services) -> RunResult:
    """Do the whole job and publish the wheelhouse, also when some packages failed.

    Raises CrossbuildError when nothing can be published: no resolution, no network, no space,
    no emulator. Nothing half-written is left or was ever visible at ``request.output``.
    """
    with bundle.staging(request.output) as directory, ThreadPoolExecutor(1) as ahead:
        try:
            _prepare_ahead(request, services, ahead)
            bench = Workbench(services, request.target, request.limits)
            settled, wheels = _settle(request, services, bench)
            made = Maker(request.target, services, bench, request.keep).make(settled)
            result = _judge(request, settled, wheels, made)
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
    """Unpack the clean rootfs while the index answers; the proof says what goes wrong in it."""
    image = catalog.image_for(request.target, at_least_floor=True) if request.smoke else None
    if image is not None:
        ahead.submit(services.engine.prepare, image.name, Role.TARGET)


def warm(target: Target, services: Services) -> None:
    """Make what a first run would wait for: both rootfs of the target, and the toolchain.

    Raises HostError when no image has the target's Python, or nothing can run here.
    """
    bench = Workbench(services, target, Limits())
    image = bench.image()
    services.engine.prepare(image.name, Role.TARGET)
    _ = bench.workshop


def _plan(
    request: Request,
    services: Services,
    bench: Workbench,
    refused: Mapping[str, str],
    existing: Mapping[str, str],
) -> Plan:
    services.reporter.emit(Stage(name="resolve", detail=str(request.target)))
    resolution = resolve(
        request.wanted,
        request.target,
        uv=services.uv,
        index=services.index,
        inspector=bench,
        refused=refused,
        reporter=services.reporter,
    )
    return make_plan(resolution, request.target, request.wanted.formats, existing)


def _settle(
    request: Request, services: Services, bench: Workbench
) -> tuple[Plan, dict[NormalizedName, VerifiedWheel]]:
    """Plan and download until every downloaded wheel is sound; each round refuses at least one."""
    refused: dict[str, str] = {}
    existing = bundle.existing(request.output)
    while True:
        current = _plan(request, services, bench, refused, existing)
        wheels, unsound = _download(current, request, services, bench)
        if not unsound:
            return current, wheels
        refused |= unsound
        _refuse(unsound, request.wanted.formats, services)


def _refuse(unsound: Mapping[str, str], formats: Formats, services: Services) -> None:
    if formats.only_binary_all:
        raise VerificationError(
            "; ".join(unsound.values()),
            remedy="Choose another version, or let crossbuild build it (run without "
            "--only-binary :all:).",
        )
    for filename, why in unsound.items():
        text = f"{filename} is refused, planning again without it: {why}"
        services.reporter.emit(Message(text=text, level=Level.WARNING))


def _download(
    current: Plan, request: Request, services: Services, bench: Workbench
) -> tuple[dict[NormalizedName, VerifiedWheel], dict[str, str]]:
    """Fetch and check every wheel of the plan; the second value names the unsound files."""
    steps = [step for step in current.steps if isinstance(step, FetchStep)]
    detail = wording.count(len(steps), "wheel")
    services.reporter.emit(Stage(name="fetch", detail=detail, steps=len(steps)))
    paths: list[tuple[FetchStep | ReuseStep, Path]] = [
        (step, request.output / step.file.filename)
        for step in current.steps
        if isinstance(step, ReuseStep)
    ]
    paths += zip(steps, bench.download([step.file for step in steps]), strict=True)
    wheels: dict[NormalizedName, VerifiedWheel] = {}
    unsound: dict[str, str] = {}
    for step, path in paths:
        try:
            verify.check(path, request.target)
        except VerificationError as error:
            unsound[step.file.filename] = str(error)
        else:
            wheels[step.pin.name] = _verified(step, path)
    return wheels, unsound


def _verified(step: FetchStep | ReuseStep, path: Path) -> VerifiedWheel:
    origin = Origin.FETCHED if isinstance(step, FetchStep) else Origin.REUSED
    return VerifiedWheel(
        name=step.pin.name,
        version=step.pin.version,
        path=path,
        sha256=hash_of(path),
        size=path.stat().st_size,
        provenance=Provenance(origin=origin, source=step.file),
    )


def _judge(
    request: Request, current: Plan, fetched: Mapping[NormalizedName, VerifiedWheel], made: Made
) -> RunResult:
    """Put the wheels together and check that the closure is whole, unless packages failed."""
    keys = [(step.pin.name, step.pin.version) for step in current.steps]
    built = {key[0]: made.wheels[key] for key in keys if key in made.wheels}
    both = {**fetched, **built}
    wheels = tuple(both[name] for name in sorted(both))
    if not made.failures:
        _check_closure(wheels, request)
    skipped = SmokeResult(state=SmokeState.SKIPPED, reason="not asked for")
    return RunResult(
        plan=current,
        wheels=wheels,
        failures=made.failures,
        smoke=skipped,
        output=request.output,
    )


def _check_closure(wheels: Sequence[VerifiedWheel], request: Request) -> None:
    contents = [wheel.read(item.path) for item in wheels]
    findings = verify.closure(contents, request.wanted.requirements, request.target)
    if findings:
        raise VerificationError("; ".join(finding.text for finding in findings))


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
