"""What a command answers at its end: the plan, the wheelhouse, what failed, what was proven."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path

from rich.cells import cell_len
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from crossbuild import floors, ladder, wording
from crossbuild.checkup import CheckUp
from crossbuild.cli import quickstart
from crossbuild.cli.page import Page, said
from crossbuild.cli.proofs import proven
from crossbuild.cli.render import Glyphs
from crossbuild.errors import EXIT_OK, EXIT_UNPROVEN
from crossbuild.installer import assembly
from crossbuild.ladder import Attempt
from crossbuild.model import (
    BuildStep,
    Failure,
    FetchStep,
    Kind,
    Origin,
    Plan,
    RunResult,
    Step,
    Verdict,
    VerifiedWheel,
)
from crossbuild.parts import Part
from crossbuild.proof import SmokeState
from crossbuild.target import Target

_REASONS = 3
"""How many different reasons a refused package shows before the rest is counted."""


def plan(page: Page, plan: Plan, target: Target, file: Path | None = None) -> None:
    """Show every step with version, file and size, and why what is built is not fetched.

    ``file`` is where the plan was written to.
    """
    page.write(Text.assemble(("Plan for ", "bold"), (str(target), "bold")), Text())
    page.write(*_steps(page, plan.steps))
    if plan.build_requirements:
        page.write(Text(), Text("Built only because a build needs them", "bold"), Text())
        page.write(*_steps(page, plan.build_requirements))
    if plan.notes:
        notes = _grid(2)
        for note in plan.notes:
            notes.add_row(Text(f"  {note.name}"), Text(note.text, "dim"))
        page.write(Text(), notes)
    page.write(Text(), _totals(plan))
    if file is not None:
        page.write(Text(), said(page, "done", f"Written to {_shown(file)}"))


def _totals(plan: Plan) -> Text:
    kinds = Counter(_verb(step) for step in plan.steps)
    size = sum(step.file.size or 0 for step in plan.steps if isinstance(step, FetchStep))
    parts = [f"{kinds[verb]} to {verb}" for verb in ("fetch", "build", "reuse") if kinds[verb]]
    if size:
        parts[0] += f" ({wording.size(size)})"
    if plan.build_requirements:
        parts.append(f"{len(plan.build_requirements)} more to build for builds")
    head = wording.count(len(plan.steps), "package")
    return Text.assemble((head, "bold"), f": {wording.listing(parts)}")


def _verb(step: Step) -> str:
    return {"FetchStep": "fetch", "BuildStep": "build"}.get(type(step).__name__, "reuse")


def _steps(page: Page, steps: Sequence[Step]) -> list[RenderableType]:
    """Rows of one layout, each BUILD row followed by its reasons."""
    labels = max((cell_len(step.pin.label) for step in steps), default=0)
    room = page.width - labels - 25
    names = _filenames(steps, room, page.signs)
    rows: list[RenderableType] = []
    for step, name in zip(steps, names, strict=True):
        rows.append(_row(step, name, labels))
        if isinstance(step, BuildStep):
            rows += [
                Padding(Text(line, "dim"), (0, 0, 0, 4), expand=False)
                for line in _reasons(step, page)
            ]
    return rows


def _row(step: Step, filename: str, labels: int) -> Text:
    file = step.source if isinstance(step, BuildStep) else step.file
    verb, style = _verb(step), {"build": "yellow", "fetch": "green"}.get(_verb(step), "cyan")
    size = wording.size(file.size) if file.size is not None else "?"
    label = step.pin.label
    row = Text.assemble("  ", (step.pin.name, "bold" if step.pin.requested else ""), no_wrap=True)
    row.append(f" {step.pin.version}", "dim").append(" " * (labels - cell_len(label) + 2))
    return row.append(f"{verb:5}", style).append(f"  {size:>8}").append(f"  {filename}", "dim")


def _filenames(steps: Sequence[Step], room: int, signs: Glyphs) -> list[str]:
    """The files' names; where they do not fit, without the package and version before the tags."""
    files = [step.source if isinstance(step, BuildStep) else step.file for step in steps]
    names = [file.filename for file in files]
    if all(cell_len(name) <= room for name in names):
        return names
    short = [_tags(file.filename) if file.kind is Kind.WHEEL else file.filename for file in files]
    return [
        name if cell_len(name) <= room else name[: max(room - 1, 0)] + signs.ellipsis
        for name in short
    ]


def _tags(filename: str) -> str:
    return "-".join(filename.removesuffix(".whl").split("-")[-3:])


def _reasons(step: BuildStep, page: Page) -> list[str]:
    """Why every candidate wheel was refused: the reasons counted, or with -v file by file."""
    refused = [
        verdict
        for verdict in step.verdicts
        if verdict.refusal is not None and verdict.file.kind is Kind.WHEEL
    ]
    if not refused:
        return ["published as source only, there is no wheel"]
    if page.verbose:
        return [f"{verdict.file.filename}: {verdict.reason}" for verdict in refused]
    return [_summary(refused)]


def _summary(refused: Sequence[Verdict]) -> str:
    reasons = Counter(verdict.reason for verdict in refused).most_common()
    head = "its only wheel" if len(refused) == 1 else f"{len(refused)} wheels, none fits"
    if len(reasons) == 1:
        return f"{head}: {reasons[0][0]}"
    shown = [f"{number} {reason}" for reason, number in reasons[:_REASONS]]
    left = sum(number for _, number in reasons[_REASONS:])
    if left:
        shown.append(f"{left} more (-v lists them)")
    return f"{head}: {', '.join(shown)}"


def result(page: Page, result: RunResult, target: Target) -> None:
    """Show what was published, what failed, what was proven, and what to do next."""
    if result.output is not None:
        page.write(_wheels(result.wheels), Text())
    for failure in result.failures:
        page.write(_failure(failure, page))
    if result.output is None:
        page.write(said(page, "failed", "Nothing was published."))
        return
    page.write(*_above([wheel.path for wheel in result.wheels], target, page))
    page.write(_checked(result, target, page), proven(page, result.smoke, result.images))
    page.write(Text(), _published(result, result.output, target))
    if result.exit_code in {EXIT_OK, EXIT_UNPROVEN}:
        page.console.print(_next(result, result.output, target), soft_wrap=True)


def part(page: Page, part: Part, output: Path, target: Target) -> None:
    """Show what was built, what failed, and where both are."""
    if part.wheels:
        page.write(_wheels(part.wheels), Text())
    for failure in part.failures:
        page.write(_failure(failure, page))
    text = f"  {wording.count(len(part.wheels), 'wheel')} to merge, for {target}"
    page.write(Text.assemble((_shown(output), "bold cyan"), text))


def _published(result: RunResult, output: Path, target: Target) -> Text:
    size = sum(wheel.size for wheel in result.wheels)
    text = f"  {wording.count(len(result.wheels), 'wheel')}, {wording.size(size)}, for {target}"
    return Text.assemble((_shown(output), "bold cyan"), text)


def _shown(path: Path) -> str:
    """The path as the user would write it."""
    return str(path) if path.is_absolute() or path.parts[:1] == ("..",) else f"./{path}"


def _wheels(wheels: Iterable[VerifiedWheel]) -> Table:
    table = _grid(4)
    table.columns[2].justify = "right"
    for wheel in wheels:
        origin = wheel.provenance.origin
        name = Text.assemble("  ", wheel.name, (f" {wheel.version}", "dim"))
        style = "yellow" if origin in {Origin.BUILT, Origin.BUILT_EARLIER} else "green"
        how = Text(_how(wheel), "dim")
        table.add_row(name, Text(origin.value, style), Text(wording.size(wheel.size)), how)
    return table


def _how(wheel: VerifiedWheel) -> str:
    """How a built wheel was made: by which compiler, in what time, with which libraries.

    What was tried before is shown, but where the packages that were added tell of it.
    """
    parts = [wheel.provenance.rung.value] if wheel.provenance.rung else []
    if wheel.provenance.phases and wheel.provenance.origin is Origin.BUILT:
        parts.append(wording.duration(sum(wheel.provenance.phases.values())))
    tried = wheel.provenance.tried
    if tried and tried[-1].adapted:
        parts.append(tried[-1].adapted)
    if vain := _vain(tried):
        parts.append(f"after {ladder.told(vain)}")
    if wheel.provenance.added:
        packages = [item.package for item in wheel.provenance.added]
        parts.append(f"added {wording.listing(packages)}")
    if wheel.provenance.libraries:
        parts.append(f"own {wording.listing(wheel.provenance.libraries)}")
    if wheel.provenance.grafted:
        parts.append(f"with {wording.listing(wheel.provenance.grafted)}")
    if wheel.provenance.fitted:
        parts.append(f"{len(wheel.provenance.fitted)} of them bound to an older C library")
    return ", ".join(parts)


def _vain(tried: Sequence[Attempt]) -> list[Attempt]:
    """The attempts that failed, without those whose lack was mended."""
    return [
        before
        for before, after in pairwise(tried)
        if before.error and not set(before.added) < set(after.added)
    ]


def _failure(failure: Failure, page: Page) -> Table:
    when = failure.phase or failure.step
    head = f"{failure.name} {failure.version} failed ({when}): {failure.error}"
    more = [f"Tried: {ladder.told(failure.tried)}."] if failure.tried else []
    if failure.remedy:
        more.append(failure.remedy)
    if failure.log is not None and str(failure.log) not in failure.remedy:
        more.append(f"Log: {failure.log}")
    return said(page, "failed", head, *more)


def _above(wheels: Iterable[Path], target: Target, page: Page) -> Iterator[Table]:
    """The wheels that need more than the target promises, as the user allowed."""
    for label, needs in floors.above(target, wheels):
        text = f"{label} needs {needs}: more than the target promises"
        yield said(page, "warning", text, "You allowed it (--allow-floor).")


def _checked(result: RunResult, target: Target, page: Page) -> Table:
    checks = _checks(target)
    if result.failures:
        names = wording.listing([failure.name for failure in result.failures])
        text = f"Checked {checks}; the wheelhouse is incomplete without {names}"
        return said(page, "warning", text)
    return said(page, "done", f"Checked {checks}; nothing missing, nothing left over")


def _checks(target: Target) -> str:
    floor = "" if target.floor is None else f" up to {target.floor[0]}.{target.floor[1]}"
    return f"tags, hashes, machine code, C library symbols{floor}, linked libraries"


def verified(page: Page, found: CheckUp, target: Target) -> None:
    """Show what is wrong with a directory of wheels, what was proven, or both."""
    for examined in found.wheels:
        if examined.faults:
            texts = [finding.text for finding in examined.faults]
            page.write(said(page, "failed", examined.path.name, *texts))
        for remark in examined.remarks if page.verbose else ():
            page.write(said(page, "note", f"{remark}"))
    for fault in found.faults:
        page.write(said(page, "failed", str(fault)))
    for remark in found.remarks:
        page.write(said(page, "note", str(remark)))
    number = wording.count(len(found.wheels), "wheel")
    if found.sound:
        page.write(*_above([examined.path for examined in found.wheels], target, page))
        checks = f"Checked {_checks(target)} of {number}; nothing missing, nothing left over"
        page.write(said(page, "done", checks))
    page.write(proven(page, found.smoke, found.images), Text())
    verdict = f"  {_verdict(found)} {target}"
    page.write(Text.assemble((_shown(found.directory), "bold cyan"), verdict))


def _verdict(found: CheckUp) -> str:
    wheels = wording.count(len(found.wheels), "wheel")
    bad = sum(bool(examined.faults) for examined in found.wheels)
    if bad:
        return f"{bad} of {wheels} {'does' if bad == 1 else 'do'} not fit"
    if found.faults:
        return f"{wheels}, not a whole for"
    if found.smoke.state is SmokeState.FAILED:
        return f"{wheels}, failing on"
    return f"{wheels}, fit for"


def _next(result: RunResult, output: Path, target: Target) -> Text:
    if target.reported and target.reported.index:
        requested = [step.pin.name for step in result.plan.steps if step.pin.requested]
        modules = [item.module for item in result.smoke.imports if item.distribution in requested]
        return quickstart.text(target.reported.index, requested, modules)
    # pip demands hashes as soon as one requirement has some, and all of these have.
    command = (
        f"pip install --no-index --find-links {output.name} -r {output.name}/requirements.txt"
    )
    without = f"python3 {output.name}/{assembly.NAME}"
    return Text.assemble(
        ("On the target:\n", "dim"), f"  {command}\n", ("or without pip:\n", "dim"), f"  {without}"
    )


def _grid(columns: int) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    for _ in range(columns):
        table.add_column()
    return table
