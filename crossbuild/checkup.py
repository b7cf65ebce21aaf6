"""``verify``: prove any directory of wheels, whoever made it, as a run proves its own.

The JSON document, schema ``crossbuild-verify/1`` (fields may be added, none removed):

``target``     platform, python, floor, tags and markers
``directory``  what was verified
``sound``      true when nothing is wrong
``wheels``     one object per wheel: file, sha256, faults and remarks (kind, text)
``faults``     what is wrong with the wheels as a whole: kind, file, text
``smoke``      as in ``crossbuild-report.json``; of several images the worst
``images``     one such object for each image that was named
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name

from crossbuild import bundle, document, floors, process, verify, wording
from crossbuild.catalog import Image
from crossbuild.disk import hash_of
from crossbuild.errors import EXIT_OK, EXIT_UNPROVEN, HostError, UsageError, VerificationError
from crossbuild.excess import Allowance
from crossbuild.proof import SmokeResult, SmokeState
from crossbuild.proving import Subject, prove, prove_each, worst
from crossbuild.report import Stage
from crossbuild.target import Target
from crossbuild.verify import Examined, Finding
from crossbuild.wheels.wheel import WheelContents
from crossbuild.workbench import Services

SCHEMA = "crossbuild-verify/1"
_SUMS = "SHA256SUMS"


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """What to verify. ``wanted`` None: every wheel is there for its own sake.

    ``images``: where to prove it; empty: in the catalog's image for the target. ``floors``: what
    its wheels may need beyond the target.
    """

    directory: Path
    target: Target
    wanted: tuple[Requirement, ...] | None = None
    smoke: bool = True
    imports: tuple[str, ...] = ()
    images: tuple[Image, ...] = ()
    floors: tuple[Allowance, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class CheckUp:
    """What was found: wheel by wheel, in the whole, and by installing."""

    directory: Path
    wheels: tuple[Examined, ...]
    faults: tuple[Finding, ...]
    remarks: tuple[Finding, ...]
    smoke: SmokeResult
    images: tuple[SmokeResult, ...] = ()

    @property
    def sound(self) -> bool:
        """No static check found a fault."""
        return not self.faults and not any(examined.faults for examined in self.wheels)

    @property
    def exit_code(self) -> int:
        """The documented exit code."""
        if not self.sound or self.smoke.state is SmokeState.FAILED:
            return VerificationError.exit_code
        return EXIT_UNPROVEN if self.smoke.state is SmokeState.NOT_RUN else EXIT_OK


def check_up(order: Order, services: Services) -> CheckUp:
    """Look at every wheel, at their closure, and install them where nothing was found wrong.

    In images that were named they are installed all the same, if they can be read at all: what
    is promised to no target may be there on this user's machines.

    Raises UsageError when the directory has no wheel, StorageError when it cannot be read.
    """
    wheels = tuple(_examined(order, services))
    contents = [examined.contents for examined in wheels if examined.contents is not None]
    whole = len(contents) == len(wheels)
    order = replace(order, target=_needed(order, contents))
    faults = verify.closure(contents, order.wanted, order.target) if whole else ()
    found = CheckUp(
        directory=order.directory,
        wheels=wheels,
        faults=faults,
        remarks=tuple(it for it in verify.borrowed(contents, order.target) if not it.fatal),
        smoke=SmokeResult(state=SmokeState.SKIPPED, reason="not asked for"),
    )
    if not order.smoke:
        return found
    if order.images and whole:
        images = _prove(order, contents, services)
        return replace(found, smoke=worst(images), images=images)
    if not found.sound:
        return replace(found, smoke=_unsound(found))
    (smoke,) = _prove(order, contents, services)
    return replace(found, smoke=smoke)


def to_json(found: CheckUp, target: Target) -> dict[str, object]:
    """Give the findings as the document that this module describes."""
    return {
        "schema": SCHEMA,
        "target": target.to_json(),
        "directory": str(found.directory),
        "sound": found.sound,
        "wheels": [
            {
                "file": examined.path.name,
                "sha256": hash_of(examined.path),
                "faults": [_finding(finding) for finding in examined.faults],
                "remarks": [_finding(finding) for finding in examined.remarks],
            }
            for examined in found.wheels
        ],
        "faults": [_finding(finding) for finding in found.faults],
        "remarks": [_finding(finding) for finding in found.remarks],
        "smoke": document.smoke(found.smoke),
        "images": [document.smoke(item) for item in found.images],
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {"file": finding.file, "kind": finding.kind.value, "text": finding.text}


def _examined(order: Order, services: Services) -> Iterator[Examined]:
    if not order.directory.is_dir():
        raise UsageError(f"{order.directory} is not a directory")
    paths = sorted(order.directory.glob("*.whl"))
    if not paths:
        raise UsageError(f"{order.directory} holds no wheel")
    detail = wording.count(len(paths), "wheel")
    services.reporter.emit(Stage(name="verify", detail=detail, steps=len(paths)))
    for path in paths:
        process.check_cancelled()
        yield verify.examine(path, floors.allowed(order.target, order.floors, path))
    services.reporter.emit(Stage(name="verify", detail=detail, done=True))


def _needed(order: Order, contents: Sequence[WheelContents]) -> Target:
    """The target with the floor that the wheels need, as far as it is allowed them."""
    target = order.target
    for item in contents:
        floor = floors.allowed(order.target, order.floors, item.path).floor
        target = floors.lifted(target, floor or (0, 0))
    return target


def _unsound(found: CheckUp) -> SmokeResult:
    number = sum(bool(examined.faults) for examined in found.wheels) + len(found.faults)
    reason = f"{wording.count(number, 'fault')} to mend first"
    return SmokeResult(state=SmokeState.SKIPPED, reason=reason)


def _prove(
    order: Order, contents: Sequence[WheelContents], services: Services
) -> tuple[SmokeResult, ...]:
    """Install a copy that has a list with hashes; a host that can run nothing is no failure."""
    with services.store.scratch("verify") as directory:
        for item in contents:
            _place(item.path, directory / item.filename)
        for name, text in _lists(contents).items():
            (directory / name).write_text(text, encoding="utf-8")
        subject = Subject(
            wheelhouse=directory,
            target=order.target,
            modules=_modules(order, contents),
            imports=order.imports,
        )
        if order.images:
            return prove_each(subject, services, order.images)
        try:
            return (prove(subject, services),)
        except HostError as error:
            reason, remedy = str(error), error.remedy
            return (SmokeResult(state=SmokeState.NOT_RUN, reason=reason, remedy=remedy),)


def _modules(
    order: Order, contents: Sequence[WheelContents]
) -> dict[NormalizedName, tuple[str, ...]]:
    """What to import: of what was asked for, or of everything."""
    asked = {canonicalize_name(item.name) for item in order.wanted or ()}
    return {item.name: item.modules for item in contents if not asked or item.name in asked}


def _place(source: Path, destination: Path) -> None:
    try:
        os.link(source, destination)
    except OSError:
        shutil.copyfile(source, destination)


def _lists(contents: Sequence[WheelContents]) -> dict[str, str]:
    """What a wheelhouse has besides its wheels: requirements with hashes, and the sums."""
    pairs = [(item, hash_of(item.path)) for item in contents]
    pins = [f"{item.name}=={item.version} --hash=sha256:{sha256}\n" for item, sha256 in pairs]
    sums = [f"{sha256}  {item.filename}\n" for item, sha256 in pairs]
    return {bundle.REQUIREMENTS: "".join(pins), _SUMS: "".join(sums)}
