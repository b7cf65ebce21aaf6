"""Small plans and results for the tests of what the command line shows."""

from __future__ import annotations

from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild.ladder import Rung
from crossbuild.model import (
    BuildStep,
    BuildSystem,
    Failure,
    FetchStep,
    File,
    Kind,
    Note,
    Origin,
    Pin,
    Plan,
    Provenance,
    Refusal,
    ReuseStep,
    RunResult,
    Step,
    Verdict,
    VerifiedWheel,
)
from crossbuild.proof import ImportResult, SmokeResult, SmokeState
from crossbuild.target import Target

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
LONG = "cp311-cp311-manylinux_2_17_aarch64.manylinux2014_aarch64"
SYSTEM = BuildSystem(backend="setuptools.build_meta", backend_path=(), requires=("setuptools",))


def name(text: str) -> NormalizedName:
    return canonicalize_name(text)


def file(filename: str, size: int | None = 1000) -> File:
    kind = Kind.WHEEL if filename.endswith(".whl") else Kind.SDIST
    url = f"https://index.example/files/{filename}"
    return File(filename=filename, url=url, kind=kind, sha256="0" * 64, size=size)


def pin(package: str, version: str, *, requested: bool = False) -> Pin:
    return Pin(name=name(package), version=Version(version), files=(), requested=requested)


def fetched(package: str, version: str, tags: str = LONG, size: int = 14_200_000) -> FetchStep:
    wheel = file(f"{package.replace('-', '_')}-{version}-{tags}.whl", size)
    return FetchStep(pin=pin(package, version), file=wheel, verdicts=())


def built(package: str, version: str, refused: dict[str, str], size: int = 36_200) -> BuildStep:
    verdicts = tuple(
        Verdict(file=file(f"{package}-{version}-{tags}.whl"), refusal=Refusal.TAG, reason=reason)
        for tags, reason in refused.items()
    )
    return BuildStep(
        pin=pin(package, version, requested=True),
        source=file(f"{package}-{version}.tar.gz", size),
        verdicts=verdicts,
        system=SYSTEM,
        environment=(),
    )


def reused(package: str, version: str) -> ReuseStep:
    wheel = file(f"{package}-{version}-py3-none-any.whl")
    return ReuseStep(pin=pin(package, version), file=wheel, verdicts=())


NETIFACES = {
    **{f"cp3{minor}-cp3{minor}-win_amd64": "built for Windows" for minor in range(5, 9)},
    **{f"cp3{m}-cp3{m}-manylinux1_x86_64": "built for x86_64" for m in range(5, 9)},
    "cp36-cp36m-macosx_10_9_x86_64": "built for macOS",
    "cp38-cp38-manylinux2014_aarch64": "needs CPython 3.8",
    "cp37-cp37m-manylinux2014_aarch64": "needs CPython 3.7",
}
STEPS: tuple[Step, ...] = (
    fetched("contourpy", "1.3.1", size=299_000),
    built("docopt", "0.6.2", {}, size=25_900),
    fetched("importlib-resources", "6.4.5", tags="py3-none-any", size=36_100),
    built("netifaces", "0.11.0", NETIFACES),
    fetched("numpy", "1.26.4"),
    reused("six", "1.16.0"),
)
PLAN = Plan(
    steps=STEPS,
    notes=(Note(name=name("contourpy"), text="policy newest would choose 1.3.3"),),
)
PLAN_WITH_TOOLS = Plan(steps=STEPS[1:2], build_requirements=(built("cython", "3.0.12", {}),))


def wheel(
    step: Step, origin: Origin, rung: Rung | None = None, phases: dict[str, float] | None = None
) -> VerifiedWheel:
    source = step.source if isinstance(step, BuildStep) else step.file
    return VerifiedWheel(
        name=step.pin.name,
        version=step.pin.version,
        path=Path(f"/cache/{step.pin.name}-{step.pin.version}-py3-none-any.whl"),
        sha256="1" * 64,
        size=source.size or 0,
        provenance=Provenance(origin=origin, source=source, rung=rung, phases=phases),
    )


WHEELS = (
    wheel(STEPS[0], Origin.FETCHED),
    wheel(STEPS[1], Origin.BUILT_EARLIER, Rung.NATIVE, {"build": 3.0}),
    wheel(STEPS[2], Origin.FETCHED),
    wheel(STEPS[3], Origin.BUILT, Rung.NATIVE, {"build": 8.0, "repair": 1.8}),
    wheel(STEPS[4], Origin.FETCHED),
    wheel(STEPS[5], Origin.REUSED),
)
PASSED = SmokeResult(
    state=SmokeState.PASSED,
    image="debian-bookworm-arm64",
    imports=tuple(
        ImportResult(distribution=name(item), module=item, error=None, seconds=0.4)
        for item in ("docopt", "netifaces")
    ),
    seconds=8.1,
)
TRACEBACK = """\
Traceback (most recent call last):
  File "<string>", line 1, in <module>
ImportError: libfoo.so.1: cannot open shared object file: No such file or directory
"""
BROKEN = SmokeResult(
    state=SmokeState.FAILED,
    reason="netifaces cannot be imported",
    image="debian-bookworm-arm64",
    imports=(
        ImportResult(
            distribution=name("netifaces"), module="netifaces", error=TRACEBACK, seconds=0.4
        ),
    ),
    seconds=8.1,
)
UNPROVEN = SmokeResult(
    state=SmokeState.NOT_RUN,
    reason="no image has CPython 3.8 for aarch64",
    remedy="Build for a Python of an image (3.9, 3.11, 3.13), or prove it on the target itself.",
)
FAILURE = Failure(
    name=name("broken"),
    version=Version("0.1"),
    step="build",
    error="its setup.py stops with: fatal error: 'libpq-fe.h' file not found",
    remedy="The package needs the headers of libpq, which no image has yet.",
    exit_code=8,
    log=Path("/root/.cache/crossbuild/logs/broken-0.1.log"),
)


def result(
    smoke: SmokeResult = PASSED,
    failures: tuple[Failure, ...] = (),
    wheels: tuple[VerifiedWheel, ...] = WHEELS,
    output: Path | None = Path("wheelhouse"),
) -> RunResult:
    return RunResult(plan=PLAN, wheels=wheels, failures=failures, smoke=smoke, output=output)
