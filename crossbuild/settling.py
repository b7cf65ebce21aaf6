"""Planning until it holds: what is downloaded is checked; what is unsound is planned around."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from crossbuild import bundle, floors, verify, wording
from crossbuild import plan as planning
from crossbuild.disk import hash_of
from crossbuild.errors import VerificationError
from crossbuild.model import (
    BuildStep,
    FetchStep,
    Formats,
    Note,
    Origin,
    Plan,
    Provenance,
    ReuseStep,
    VerifiedWheel,
    Wanted,
)
from crossbuild.report import Level, Message, Stage
from crossbuild.resolve import resolve
from crossbuild.target import Target
from crossbuild.verify import Examined
from crossbuild.wheels.wheel import WheelContents
from crossbuild.workbench import Services, Workbench


@dataclass(frozen=True, kw_only=True, slots=True)
class Settled:
    """A plan, and the wheels of its FETCH and REUSE steps, every one of them sound."""

    plan: Plan
    wheels: tuple[VerifiedWheel, ...]
    contents: tuple[WheelContents, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planner:
    """Plans one request; each round may know of more files that are not to be used."""

    wanted: Wanted
    target: Target
    services: Services
    bench: Workbench

    def plan(self, refused: Mapping[str, str], existing: Mapping[str, str]) -> Plan:
        """Resolve and decide; downloads no wheel. Raises what resolve raises."""
        self.services.reporter.emit(Stage(name="resolve", detail=str(self.target)))
        resolution = resolve(
            self.wanted,
            self.target,
            uv=self.services.uv,
            index=self.services.index,
            inspector=self.bench,
            refused=refused,
            reporter=self.services.reporter,
        )
        plan = planning.plan(resolution, self.target, self.wanted.formats, existing)
        return replace(plan, notes=(*plan.notes, *self._allowed(plan)))

    def _allowed(self, plan: Plan) -> Iterator[Note]:
        """Say which wheels may come to need more than the target promises."""
        for step in plan.steps:
            most = floors.limit(self.target, self.wanted.floors, step.pin.name)
            if isinstance(step, BuildStep) and most != self.target:
                text = f"may need {most.platform}, more than the target promises (--allow-floor)"
                yield Note(name=step.pin.name, text=text)

    def settle(self, output: Path | None) -> Settled:
        """Plan and download until every wheel is sound; each round refuses at least one more.

        ``output`` may hold an earlier wheelhouse; None: nothing is to be reused. Raises
        VerificationError instead of planning again where only wheels are wanted.
        """
        refused: dict[str, str] = {}
        existing = bundle.existing(output) if output else {}
        while True:
            plan = self.plan(refused, existing)
            steps, examined = self._download(plan, output)
            unsound = self._unsound(plan, examined)
            if not unsound:
                return _settled(plan, steps, examined)
            self._refuse(unsound, self.wanted.formats)
            refused |= unsound

    def gather(self, plan: Plan, output: Path) -> Settled:
        """Download what a settled plan says and ``output`` has not.

        Raises VerificationError for a wheel that is unsound: no other can be chosen here.
        """
        plan = planning.reusing(plan, bundle.existing(output))
        steps, examined = self._download(plan, output)
        unsound = self._unsound(plan, examined)
        if unsound:
            raise VerificationError(
                "; ".join(f"{filename}: {why}" for filename, why in unsound.items()),
                remedy="Make the plan file again: the wheel is refused there.",
            )
        return _settled(plan, steps, examined)

    def _download(
        self, plan: Plan, output: Path | None
    ) -> tuple[list[FetchStep | ReuseStep], list[Examined]]:
        """Fetch what the plan fetches, and examine it with what the old wheelhouse has."""
        fetches = [step for step in plan.steps if isinstance(step, FetchStep)]
        reuses = [step for step in plan.steps if isinstance(step, ReuseStep)]
        detail = wording.count(len(fetches), "wheel")
        self.services.reporter.emit(Stage(name="fetch", detail=detail, steps=len(fetches)))
        paths = self.bench.download([step.file for step in fetches])
        paths += [output / step.file.filename for step in reuses if output]
        return [*fetches, *reuses], [verify.examine(path, self.target) for path in paths]

    def _unsound(self, plan: Plan, examined: Sequence[Examined]) -> dict[str, str]:
        """Name the files to refuse, with the reason: their own faults, or libraries they lack.

        What is still to be built may bring a library, so that is judged with the closure.
        """
        found = [fault for item in examined for fault in item.faults]
        whole = [item.contents for item in examined if item.contents is not None]
        if not plan.builds:
            found += [lack for lack in verify.borrowed(whole, self.target) if lack.fatal]
        reasons: dict[str, str] = {}
        for finding in found:
            said = reasons.get(finding.file)
            reasons[finding.file] = f"{said}; {finding.text}" if said else finding.text
        return reasons

    def _refuse(self, unsound: Mapping[str, str], formats: Formats) -> None:
        if formats.only_binary_all:
            raise VerificationError(
                "; ".join(f"{filename}: {why}" for filename, why in unsound.items()),
                remedy="Choose another version, or let crossbuild build it (run without "
                "--only-binary :all:).",
            )
        for filename, why in unsound.items():
            text = f"{filename} is refused, planning again without it: {why}"
            self.services.reporter.emit(Message(text=text, level=Level.WARNING))


def pinned(plan: Plan, bench: Workbench) -> Plan:
    """The plan with a SHA-256 for every file: of one that has none it is its own.

    Downloads the files that have none. Raises what a download raises.
    """
    unknown = {file.url: file for file in planning.files(plan) if file.sha256 is None}
    paths = bench.download(tuple(unknown.values()))
    hashes = {url: hash_of(path) for url, path in zip(unknown, paths, strict=True)}
    return planning.with_files(
        plan, lambda file: replace(file, sha256=file.sha256 or hashes[file.url])
    )


def _settled(
    plan: Plan, steps: Sequence[FetchStep | ReuseStep], examined: Sequence[Examined]
) -> Settled:
    return Settled(
        plan=plan,
        wheels=tuple(
            _verified(step, item.path) for step, item in zip(steps, examined, strict=True)
        ),
        contents=tuple(item.contents for item in examined if item.contents is not None),
    )


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
