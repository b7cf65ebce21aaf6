"""An engine that runs nothing: outcomes are told beforehand, what was asked is kept."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crossbuild.catalog import Image, Role
from crossbuild.engine.base import WORK, ExecResult, Limits, Root, Stop, Tree
from crossbuild.errors import IntegrityError

_DEFAULT = Limits()


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What the hook runner does: its answer, the files it leaves, and how it ends."""

    answer: object = None
    files: Mapping[str, bytes] = field(default_factory=dict)
    output: str = ""
    returncode: int = 0
    signal: int | None = None
    stopped: Stop | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One command that was run, and the session it was run in."""

    argv: tuple[str, ...]
    env: Mapping[str, str]
    cwd: str
    request: dict[str, Any]
    trees: Mapping[str, Tree]
    limits: Limits
    sources: tuple[str, ...]


class FakeSession:
    def __init__(self, engine: FakeEngine, work: Path, trees: Mapping[str, Tree], limits: Limits):
        self._engine, self._work, self._trees, self._limits = engine, work, trees, limits

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = WORK,
        log: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> ExecResult:
        here = self._work / "build"
        request = here / "request.json"  # before the hooks, a recipe's command has none
        self._engine.asked.append(
            Asked(
                argv=tuple(argv),
                env=dict(env or {}),
                cwd=cwd,
                request=json.loads(request.read_text()) if request.exists() else {},
                trees=self._trees,
                limits=self._limits,
                sources=tuple(sorted(str(path.relative_to(here)) for path in here.rglob("*.py"))),
            )
        )
        outcome = self._engine.outcomes.pop(0)
        for name, content in outcome.files.items():
            (here / name).parent.mkdir(parents=True, exist_ok=True)
            (here / name).write_bytes(content)
        if isinstance(outcome.answer, bytes):
            (here / "answer.json").write_bytes(outcome.answer)
        elif outcome.answer is not None:
            (here / "answer.json").write_text(json.dumps(outcome.answer))
        for line in outcome.output.splitlines():
            if on_line:
                on_line(line)
        if log:
            log.parent.mkdir(parents=True, exist_ok=True)
            with log.open("a") as stream:
                stream.write(outcome.output)
        return ExecResult(
            returncode=outcome.returncode,
            signal=outcome.signal,
            output=outcome.output,
            seconds=1.0,
            stopped=outcome.stopped,
        )

    def put(self, source: Path, destination: str) -> None:
        path = self._work / Path(destination).relative_to(WORK)
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, path, symlinks=True)
        else:
            shutil.copyfile(source, path)

    def get(self, source: str, destination: Path) -> None:
        path = self._work / Path(source).relative_to(WORK)
        if not path.exists():
            raise IntegrityError(f"the command left no {source}")
        shutil.copyfile(path, destination)


class FakeEngine:
    """``outcomes`` are used up in order; ``kept`` has the places that a failure was kept in."""

    name = "fake"

    def __init__(self, directory: Path, *outcomes: Outcome) -> None:
        self._directory = directory
        self.outcomes = list(outcomes)
        self.asked: list[Asked] = []
        self.kept: list[Path] = []
        self._sessions = 0

    def check(self, image: Image) -> None:
        """Everything runs here: nothing does."""

    def prepare(self, image: Image, role: Role) -> Root:
        return Root(image=image, role=role, key=f"{image.name}-{role.value}", path=self._directory)

    @contextmanager
    def session(
        self,
        root: Root,
        *,
        trees: Mapping[str, Tree] | None = None,
        limits: Limits = _DEFAULT,
        keep: Path | None = None,
    ) -> Iterator[FakeSession]:
        self._sessions += 1
        work = self._directory / f"work-{self._sessions}"
        work.mkdir(parents=True)
        try:
            yield FakeSession(self, work, trees or {}, limits)
        except BaseException:
            if keep:
                keep.parent.mkdir(parents=True, exist_ok=True)
                shutil.move(work, keep)
                self.kept.append(keep)
            raise
        finally:
            shutil.rmtree(work, ignore_errors=True)
