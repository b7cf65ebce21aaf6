"""Making one wheel in one workshop: build, repair, check, and keep.

What was built is kept under a key of everything that went into it, also where it does not fit
the target: a run that allows a higher floor need not build it again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from crossbuild import build, ladder, parts, repair, verify
from crossbuild.building.backend import Workshop
from crossbuild.errors import FloorError, RepairError
from crossbuild.lack import Addition
from crossbuild.ladder import Attempt, Climb, Rung
from crossbuild.model import BuildStep, Origin, Provenance, RawWheel, RepairedWheel, VerifiedWheel
from crossbuild.report import Building, Reporter
from crossbuild.store import Store
from crossbuild.target import Target

_BUILT = "built"
_RAW = "raw"


@dataclass(frozen=True, kw_only=True, slots=True)
class Piece:
    """One wheel to be made: its sdist ``source``, the wheels it is built with, and where.

    ``climb`` gets what was tried, ``log`` what the build prints.
    """

    step: BuildStep
    source: Path
    environment: tuple[Path, ...]
    workshop: Workshop
    log: Path
    climb: Climb

    @property
    def key(self) -> str:
        """A name for all that decides what its build makes."""
        return build.key(self.step, self.environment, self.workshop)


class Wright:
    """Makes wheels and keeps them in a store. Safe to use from several threads.

    ``keep``: what a failed build left is kept, too.
    """

    def __init__(self, store: Store, reporter: Reporter, *, keep: bool) -> None:
        self._store = store
        self._reporter = reporter
        self._keep = keep

    def make(self, piece: Piece, target: Target) -> VerifiedWheel:
        """The wheel for a target whose floor is the workshop's or a higher one.

        Raises BuildError, FloorError, RepairError, VerificationError.
        """
        with self._store.lock(f"{_BUILT}-{piece.key}"):
            return self._kept(piece, target) or self._made(piece, target)

    def _kept(self, piece: Piece, target: Target) -> VerifiedWheel | None:
        record = self._store.record(_BUILT, _key(piece, target))
        path = record and self._store.file(record["sha256"], record["filename"])
        if not record or not path:
            return None
        provenance = Provenance(
            origin=Origin.BUILT_EARLIER,
            source=piece.step.source,
            rung=Rung(record["rung"]),
            phases=record["phases"],
            grafted=tuple(record["grafted"]),
            added=_added(record),
            era=piece.step.era,
            tried=_tried(record),
            libraries=tuple(record.get("libraries", ())),
            fitted=parts.fits(record.get("fitted", ())),
        )
        return _verified(piece.step, path, record["sha256"], provenance)

    def _made(self, piece: Piece, target: Target) -> VerifiedWheel:
        step, store = piece.step, self._store
        with store.scratch(step.pin.name) as scratch:
            raw = self._built_before(piece) or self._built(piece, scratch)
            # What was added has to be known to find this wheel again, and for its libraries.
            piece = replace(piece, workshop=piece.workshop.equipped(raw.added))
            phases = dict(raw.phases)
            with self._phase(step, "repair", phases):
                repaired = self._repaired(raw, piece, target, scratch / "repaired")
            with self._phase(step, "verify", phases):
                verify.check(repaired.path, target)
            path, sha256 = store.adopt(repaired.path, repaired.path.name, repaired.sha256)
        piece.climb.accepted(raw.rung, piece.workshop.root.image.name)
        provenance = Provenance(
            origin=Origin.BUILT,
            source=step.source,
            rung=raw.rung,
            phases=phases,
            grafted=repaired.grafted,
            added=raw.added,
            era=step.era,
            tried=tuple(piece.climb.attempts),
            libraries=laid.labels if (laid := piece.workshop.laid) else (),
            fitted=repaired.fitted,
        )
        store.put_record(_BUILT, _key(piece, target), _record(path, sha256, provenance))
        return _verified(step, path, sha256, provenance)

    def _built(self, piece: Piece, scratch: Path) -> RawWheel:
        return build.build(
            piece.step,
            piece.source,
            piece.environment,
            workshop=piece.workshop,
            output=scratch,
            log=piece.log,
            climb=piece.climb,
            keep=self._store.root / "kept" if self._keep else None,
        )

    def _repaired(
        self, raw: RawWheel, piece: Piece, target: Target, output: Path
    ) -> RepairedWheel:
        try:
            laid = piece.workshop.laid
            return repair.repair(
                raw,
                target,
                piece.workshop.root_of(raw.rung),
                output,
                laid=laid.libraries if laid else None,
                c_library=piece.workshop.c_library,
            )
        except RepairError as error:
            piece.climb.useless(str(error))
            if isinstance(error, FloorError):
                self._keep_raw(raw, piece)
            raise

    def _keep_raw(self, raw: RawWheel, piece: Piece) -> None:
        """Keep what was built and does not fit: the user may allow a higher floor."""
        if self._built_before(piece):
            return
        path, sha256 = self._store.adopt(raw.path, raw.path.name, None)
        made = Provenance(
            origin=Origin.BUILT,
            source=piece.step.source,
            rung=raw.rung,
            phases=raw.phases,
            added=raw.added,
            tried=tuple(piece.climb.attempts),
        )
        self._store.put_record(_RAW, piece.key, _record(path, sha256, made))

    def _built_before(self, piece: Piece) -> RawWheel | None:
        """What a build made that did not fit."""
        record = self._store.record(_RAW, piece.key)
        path = record and self._store.file(record["sha256"], record["filename"])
        if not record or not path:
            return None
        if not piece.climb.attempts:
            piece.climb.attempts.extend(_tried(record))
        return RawWheel(
            path=path,
            rung=Rung(record["rung"]),
            phases=record["phases"],
            log=piece.log,
            added=_added(record),
        )

    @contextlib.contextmanager
    def _phase(self, step: BuildStep, name: str, phases: dict[str, float]) -> Iterator[None]:
        self._reporter.emit(Building(package=step.pin.label, phase=name))
        began = time.monotonic()
        yield
        phases[name] = time.monotonic() - began


def _key(piece: Piece, target: Target) -> str:
    """The key of a wheel: of its build, and of a floor that is not the workshop's own."""
    own = piece.workshop.target.floor == target.floor
    return piece.key if own else f"{piece.key}-{target.platform}"


def _record(path: Path, sha256: str, provenance: Provenance) -> dict[str, object]:
    return {
        "filename": path.name,
        "sha256": sha256,
        "rung": provenance.rung.value if provenance.rung else None,
        "phases": dict(provenance.phases or {}),
        "grafted": list(provenance.grafted),
        "added": [[item.package, item.lack] for item in provenance.added],
        "tried": [attempt.to_json() for attempt in provenance.tried],
        "libraries": list(provenance.libraries),
        "fitted": [asdict(item) for item in provenance.fitted],
    }


def _added(record: Mapping[str, Any]) -> tuple[Addition, ...]:
    return tuple(Addition(package=item[0], lack=item[1]) for item in record.get("added", ()))


def _tried(record: Mapping[str, Any]) -> tuple[Attempt, ...]:
    return tuple(map(ladder.from_json, record.get("tried", ())))


def _verified(step: BuildStep, path: Path, sha256: str, provenance: Provenance) -> VerifiedWheel:
    return VerifiedWheel(
        name=step.pin.name,
        version=step.pin.version,
        path=path,
        sha256=sha256,
        size=path.stat().st_size,
        provenance=provenance,
    )
