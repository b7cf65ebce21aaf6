"""``crossbuild verify``: a directory of wheels, whoever made it, proven for a target."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import Requirement

from crossbuild import bundle, verify
from crossbuild.disk import hash_of
from crossbuild.errors import EXIT_OK, EXIT_UNPROVEN, UsageError, VerificationError
from crossbuild.findings import Finding
from crossbuild.model import (
    File,
    Kind,
    Origin,
    Provenance,
    SmokeResult,
    SmokeState,
    VerifiedWheel,
)
from crossbuild.proving import prove
from crossbuild.report import Stage
from crossbuild.target import Target
from crossbuild.wheel import WheelContents
from crossbuild.workbench import Services


@dataclass(frozen=True, kw_only=True, slots=True)
class Audit:
    """What was found: faults of single wheels and of the closure, then the smoke install.

    ``remarks`` are worth a look and fail nothing.
    """

    wheels: tuple[Path, ...]
    findings: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    smoke: SmokeResult

    @property
    def exit_code(self) -> int:
        """The documented exit code."""
        if self.findings or self.smoke.state is SmokeState.FAILED:
            return VerificationError.exit_code
        return EXIT_UNPROVEN if self.smoke.state is SmokeState.NOT_RUN else EXIT_OK


def audit(
    directory: Path,
    target: Target,
    services: Services,
    *,
    wanted: Sequence[Requirement] | None = None,
    smoke: bool = True,
    imports: tuple[str, ...] = (),
) -> Audit:
    """Check every wheel in ``directory`` and their closure, then install and import them all.

    ``wanted`` None: every wheel was wanted, so none is left over. Raises UsageError when there
    is no wheel, and what ``prove`` raises.
    """
    paths = tuple(sorted(directory.glob("*.whl")))
    if not paths:
        raise UsageError(
            f"{directory} holds no wheel", remedy="Name a directory with *.whl files."
        )
    services.reporter.emit(Stage(name="verify", detail=str(directory), steps=len(paths)))
    examined = [verify.examine(path, target) for path in paths]
    found = [fault for item in examined for fault in item.faults]
    contents = [item.contents for item in examined if item.contents is not None]
    if not found:
        found += verify.closure(contents, wanted, target)
    if found and smoke:
        state = SmokeResult(state=SmokeState.SKIPPED, reason="the static checks found faults")
    elif not smoke:
        state = SmokeResult(state=SmokeState.SKIPPED, reason="not asked for")
    else:
        state = _install(paths, contents, imports, target, services)
    remarks = tuple(remark for item in examined for remark in item.remarks)
    return Audit(wheels=paths, findings=tuple(found), remarks=remarks, smoke=state)


def _install(
    paths: Sequence[Path],
    contents: Sequence[WheelContents],
    imports: tuple[str, ...],
    target: Target,
    services: Services,
) -> SmokeResult:
    wheels = [_wheel(path, item) for path, item in zip(paths, contents, strict=True)]
    modules = {item.name: item.modules for item in contents}
    with services.store.scratch("verify") as scratch:
        bundle.fill(scratch, wheels, target)
        return prove(scratch, modules, imports, target, services)


def _wheel(path: Path, contents: WheelContents) -> VerifiedWheel:
    digest = hash_of(path)
    url = path.absolute().as_uri()
    source = File(filename=path.name, url=url, kind=Kind.WHEEL, sha256=digest)
    return VerifiedWheel(
        name=contents.name,
        version=contents.version,
        path=path,
        sha256=digest,
        size=path.stat().st_size,
        provenance=Provenance(origin=Origin.REUSED, source=source),
    )
