"""Build: one sdist becomes one wheel, up the ladder of compilers (DESIGN section 4).

The native compilers first; where they fail, the image's own under emulation; then an error with
the first line that tells why. What no compiler would change (a limit, a missing module, a
backend that says no) is not tried twice; a crash of the emulator is, once.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from crossbuild import wording
from crossbuild.building import sources
from crossbuild.building.backend import Workshop
from crossbuild.building.calling import CrashError, HookError, Job
from crossbuild.disk import guarded, hash_of, remove_tree
from crossbuild.errors import BuildError, IntegrityError
from crossbuild.ladder import Climb, Rung
from crossbuild.model import BuildStep, File, RawWheel
from crossbuild.report import Building, Level, Message
from crossbuild.wheels import canonical, wheel
from crossbuild.wheels.wheel import WheelContents

_WITH = {
    Rung.NATIVE: "the native compilers",
    Rung.EMULATED: "the image's own compilers",
    Rung.CIBUILDWHEEL: "cibuildwheel",
    Rung.CIBUILDWHEEL_NATIVE: "cibuildwheel",
}
_NEXT = {
    Rung.NATIVE: "trying the image's own compilers, under emulation, for the native ones failed",
    Rung.CIBUILDWHEEL: "building without cibuildwheel",
    Rung.CIBUILDWHEEL_NATIVE: "building without cibuildwheel",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class _Clock:
    """Seconds per phase, several attempts at one phase added up."""

    phases: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def measured(self, phase: str) -> Iterator[None]:
        began = time.monotonic()
        try:
            yield
        finally:
            passed = time.monotonic() - began
            self.phases[phase] = round(self.phases.get(phase, 0.0) + passed, 3)


def key(step: BuildStep, environment: Sequence[Path], workshop: Workshop) -> str:
    """A name for all that decides what a build makes, in hexadecimal.

    ``environment`` are the wheels of the build environment. Raises IntegrityError for a source
    without a hash.
    """
    system = step.system
    inputs: dict[str, object] = {
        "source": _source_hash(step.source),
        "workshop": [*workshop.inputs, *workshop.rust_key(system)],
        "backend": [system.backend, *system.backend_path],
        "environment": sorted((path.name, hash_of(path)) for path in environment),
    }
    if generators := workshop.generators(environment):
        inputs["generators"] = generators.key
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def build(
    step: BuildStep,
    source: Path,
    environment: Sequence[Path],
    *,
    workshop: Workshop,
    output: Path,
    log: Path,
    climb: Climb,
    keep: Path | None = None,
) -> RawWheel:
    """Build the step's wheel from its sdist ``source`` into the directory ``output``.

    ``environment`` are the wheels to build with. ``log`` is written anew. ``climb`` gets every
    attempt, also where none makes a wheel. ``keep``: a directory
    that gets what a failed build left, in ``NAME-VERSION-INTERPRETER/RUNG``. The same inputs
    give the same bytes. Raises BuildError, LimitError, IntegrityError, HostError, StorageError.
    """
    clock = _Clock()
    _start(log)
    workshop.reporter.emit(Building(package=step.pin.label, phase="environment"))
    with clock.measured("environment"):
        tree = workshop.environment(environment)
        generators = workshop.generators(environment)
    with ExitStack() as stack:
        with clock.measured("unpack"):
            top = stack.enter_context(workshop.unpacked(source, step.pin.name))
        job = Job(
            label=step.pin.label, source=top, system=step.system, environment=tree,
            python=workshop.target.python, wheels=tuple(environment), epoch=sources.epoch(top),
            log=log, keep=keep and keep / _directory(step, workshop), generators=generators,
        )  # fmt: skip
        made = _climb_or_keep(job, workshop, output, _Records(clock=clock, climb=climb))
    _check_identity(made.contents, step)
    made.workshop.remember(source)
    return RawWheel(
        path=made.contents.path, rung=made.rung, phases=clock.phases, log=log,
        added=made.workshop.added,
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class _Records:
    """What is written down of a build: how long its phases took, and all that was tried."""

    clock: _Clock
    climb: Climb


@dataclass(frozen=True, kw_only=True, slots=True)
class _Made:
    """A wheel in its canonical form, read, and the rung and the workshop that made it."""

    contents: WheelContents
    rung: Rung
    workshop: Workshop

    @property
    def lost_code(self) -> bool:
        """A wheel for one platform without code: an optional extension failed to compile."""
        return not self.contents.pure and not self.contents.elves


def _climb_or_keep(job: Job, workshop: Workshop, output: Path, records: _Records) -> _Made:
    """Climb the ladder; a failure also says where what it left is kept."""
    try:
        return _climb(job, workshop, output, records)
    except BuildError as error:
        if job.keep:
            error.remedy += f" What the build left is in {job.keep}."
        raise


def _climb(job: Job, workshop: Workshop, output: Path, records: _Records) -> _Made:
    """Try rung after rung; the wheel of the first that makes a whole one.

    Where the image lacks something that its distribution has, the climb begins anew with it.
    """
    failures: list[tuple[Rung, HookError]] = []
    spare: _Made | None = None
    for rung in workshop.rungs:
        try:
            with records.clock.measured(rung.value):
                made = _attempt(job, rung, workshop, output, records.climb)
        except HookError as error:
            if better := _mended(job, workshop, error, records.clock):
                return _climb(job, better, output, records)
            failures.append((rung, error))
            if error.final:
                break
            why = error.why
        else:
            spare = made
            if rung is not Rung.NATIVE or not made.lost_code:
                return _kept_nothing(job, made)
            why = "they made a wheel for one platform that holds no code"
            records.climb.useless(why)
        if rung is not workshop.rungs[-1]:
            _tell(workshop, f"{job.label}: {_NEXT[rung]}: {why}")
    if spare:
        return _kept_nothing(job, spare)
    combined = _combined(failures)
    had = f"The image had got {_names(workshop)} for it." if workshop.added else ""
    said = (workshop.unmet(failures[-1][1]), combined.remedy, had)
    combined.remedy = " ".join(filter(None, said))
    raise combined


def _mended(job: Job, workshop: Workshop, error: HookError, clock: _Clock) -> Workshop | None:
    """The workshop with what a failure says is lacking; None: that is not what ended it."""
    with clock.measured("packages"):
        better = workshop.mended(error, job.label)
    if better:
        with job.log.open("a", encoding="utf-8") as log:
            log.write(f"crossbuild: {error.why}\n")
            log.write(f"crossbuild: added {_names(better)}\n")
    return better


def _names(workshop: Workshop) -> str:
    return wording.listing([str(item) for item in workshop.added])


def _attempt(job: Job, rung: Rung, workshop: Workshop, output: Path, climb: Climb) -> _Made:
    """Build once, or twice where the emulator crashed."""
    raw = output / f"raw-{rung.name.lower()}"
    with job.log.open("a", encoding="utf-8") as log:
        log.write(f"crossbuild: {job.label} with the {rung.value}\n")
    laid = workshop.laid.labels if workshop.laid else ()
    added = [*(item.package for item in workshop.added), *laid]
    image = workshop.root.image.name
    try:
        with climb.trying(rung, image, added):
            built = workshop.build(job, rung, raw)
    except CrashError as error:
        _tell(workshop, f"{job.label}: building again, for QEMU crashed: {error.why}")
        with climb.trying(rung, image, added):
            built = workshop.build(job, rung, raw)
    whole = output / built.name
    canonical.rewrite(built, whole, job.epoch)
    with guarded(raw):
        built.unlink()
        raw.rmdir()
    return _Made(contents=wheel.read(whole), rung=rung, workshop=workshop)


def _combined(failures: Sequence[tuple[Rung, HookError]]) -> BuildError:
    """The last failure, and what the first one was about where that is something else."""
    (rung, first), (_, last) = failures[0], failures[-1]
    if first is last or _place(first) == _place(last):
        return last
    message = f"{last} (with {_WITH[rung]}: {first.why})"
    both = BuildError(message, remedy=last.remedy, tail=last.tail)
    both.log = last.log
    both.eras = min(first.eras, last.eras)
    both.phase = last.phase
    return both


def _place(failure: HookError) -> str:
    """Where it failed: compilers word the same complaint about a line differently."""
    return failure.why.partition(" error: ")[0]


def _kept_nothing(job: Job, made: _Made) -> _Made:
    """Forget what a failed rung left: the package did not fail."""
    if job.keep:
        with guarded(job.keep):
            remove_tree(job.keep)
    return made


def _check_identity(contents: WheelContents, step: BuildStep) -> None:
    if (contents.name, contents.version) != (step.pin.name, step.pin.version):
        raise BuildError(
            f"building {step.pin.label} made {contents.name} {contents.version}: "
            "the sdist is not what the index says"
        )


def _directory(step: BuildStep, workshop: Workshop) -> str:
    return f"{step.pin.name}-{step.pin.version}-{workshop.target.interpreter}"


def _start(log: Path) -> None:
    with guarded(log.parent):
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_bytes(b"")


def _tell(workshop: Workshop, text: str) -> None:
    workshop.reporter.emit(Message(text=text, level=Level.WARNING))


def _source_hash(source: File) -> str:
    """The hash the index promised; a local file's own where nobody promised one."""
    if source.sha256:
        return source.sha256
    url = urlsplit(source.url)
    if url.scheme != "file":
        raise IntegrityError(f"nobody gives a SHA-256 for {source.filename}")
    return hash_of(Path(url2pathname(url.path)))
