"""One call of PEP 517 hooks in a session: the request, the answer, and what can end it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crossbuild import era
from crossbuild.building import adapting, causes, diagnosis, environment
from crossbuild.building.diagnosis import Witness
from crossbuild.building.environment import PREFIX
from crossbuild.building.generators import Generators
from crossbuild.building.lacking import Listener
from crossbuild.engine.base import WORK, ExecResult, Session, Stop, Tree
from crossbuild.errors import BuildError, IntegrityError, LimitError
from crossbuild.lack import Lacks
from crossbuild.model import BuildSystem
from crossbuild.recipe import Recipe, Setting
from crossbuild.store import Store

OUTPUT = f"{WORK}/build/out"
"""Where the hooks leave their files in a session."""

_HERE = f"{WORK}/build"
_LONGEST_ANSWER = 16 << 20
_FINAL = frozenset(
    {
        *("ModuleNotFoundError", "ImportError", "SyntaxError"),
        *("ConfigurationError", "ConfigurationTypeError"),  # pyproject-metadata's
    }
)
"""Exceptions that no other compiler would prevent."""

_NOTHING = Lacks()

_OFFLINE = re.compile(
    r"Network is unreachable|Temporary failure in name resolution|Name or service not known"
)
_REMEDIES = {
    "module": "Its sdist does not say that its build needs that module.",
    "network": "Builds have no network: all that a package needs has to be in its sdist, or be "
    "one of its build requirements.",
}


class HookError(BuildError):
    """A hook failed; ``why`` in one line. ``final``: other compilers would not change that.

    ``lacks`` is what it said the system has not; ``adaptation`` what may mend it.
    """

    def __init__(
        self,
        message: str,
        *,
        why: str = "",
        final: bool = False,
        remedy: str | None = None,
        log: Path | None = None,
        tail: tuple[str, ...] = (),
        lacks: Lacks = _NOTHING,
        eras: int = 0,
        adaptation: Recipe | None = None,
        phase: str = "",
    ) -> None:
        super().__init__(message, remedy=remedy, log=log, tail=tail)
        self.why = why
        self.final = final
        self.lacks = lacks
        self.eras = eras
        self.adaptation = adaptation
        self.phase = phase


class CrashError(HookError):
    """The emulator, or a program in it, died of a signal: worth one more attempt."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One sdist to be asked or built: ``source`` is its unpacked top directory.

    ``wheels`` are what its ``environment`` was made of; ``generators`` of them run native where
    the compilers do. ``python`` is the target's; ``epoch`` is SOURCE_DATE_EPOCH, in
    seconds; ``log`` is appended to; ``keep`` is where the session's files are moved when the
    build fails.
    """

    label: str
    source: Path
    system: BuildSystem
    environment: Tree
    python: tuple[int, int]
    epoch: int
    log: Path
    wheels: tuple[Path, ...] = ()
    keep: Path | None = None
    generators: Generators | None = None


def lay_out(session: Session, job: Job) -> None:
    """Copy the sdist and the hook runner into a session."""
    session.put(job.source, f"{_HERE}/{job.source.name}")
    with resources.as_file(resources.files("crossbuild.building") / "hooks.py") as runner:
        session.put(runner, f"{_HERE}/hooks.py")


def before(session: Session, job: Job, command: str, variables: Mapping[str, str]) -> None:
    """Run a recipe's command in the directory of the sdist, in a session that is laid out.

    Raises LimitError, or HookError with its last line.
    """
    result = session.run(
        ["/bin/sh", "-ec", command],
        env=variables,
        cwd=f"{_HERE}/{job.source.name}",
        log=job.log,
    )
    if result.stopped is not None:
        raise passed_limit(job, result.stopped, result.seconds, result.output)
    if not result.ok:
        lines = diagnosis.tail(result.output)
        why = lines[-1] if lines else f"code {result.returncode}"
        raise HookError(
            f"{job.label} could not be built: before-all of its recipe failed: {why}",
            why=why,
            log=job.log,
            tail=lines,
            phase="before-all",
        )


def call(
    session: Session,
    job: Job,
    hooks: Sequence[str],
    variables: Mapping[str, str],
    store: Store,
    *,
    settings: Mapping[str, Setting],
) -> dict[str, Any]:
    """Run hooks in a session that is laid out; give the runner's answer (see ``hooks``).

    ``settings`` are config settings (PEP 517). Raises LimitError, CrashError, or HookError with
    the first line that tells why.
    """
    request = _request(job, hooks, settings)
    witness, listener = Witness(), Listener()

    def hear(line: str) -> None:
        witness.hear(line)
        listener.hear(line)

    with store.scratch("hooks") as scratch:
        written = scratch / "request.json"
        written.write_text(json.dumps(request), encoding="utf-8")
        session.put(written, f"{_HERE}/request.json")
        files = [f"{_HERE}/{name}" for name in ("hooks.py", "request.json", "answer.json")]
        result = session.run(
            [f"{PREFIX}/bin/python", *files],
            env=variables,
            cwd=request["source"],
            log=job.log,
            on_line=hear,
        )
        if result.stopped is not None:
            raise passed_limit(job, result.stopped, result.seconds, result.output)
        answer = _read(session, scratch / "answer.json")
    if answer is None or "error" in answer:
        raise _failure(answer, result, job, _Heard(witness, listener.lacks, tuple(hooks)))
    return answer


def _request(job: Job, hooks: Sequence[str], settings: Mapping[str, Setting]) -> dict[str, Any]:
    return {
        "source": f"{_HERE}/{job.source.name}",
        "backend": job.system.backend,
        "backend_path": list(job.system.backend_path),
        "output": OUTPUT,
        "known": sorted(_known(job)),
        "hooks": list(hooks),
        "settings": dict(settings),
    }


def _known(job: Job) -> set[str]:
    """The names that no requirement of the backend brings anew: installed, or asked for."""
    asked = {canonicalize_name(Requirement(text).name) for text in job.system.requires}
    return asked | environment.names(job.environment)


def _read(session: Session, copy: Path) -> dict[str, Any] | None:
    """The runner's answer; None where it left none that can be read."""
    try:
        session.get(f"{_HERE}/answer.json", copy)
    except IntegrityError:
        return None
    if copy.stat().st_size > _LONGEST_ANSWER:
        return None
    try:
        answer = json.loads(copy.read_text(encoding="utf-8"))
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None


def passed_limit(job: Job, stop: Stop, seconds: float, output: str) -> LimitError:
    """The error for a build that was ended; ``output`` is the end of what it printed."""
    return LimitError(
        f"{job.label} was ended after {seconds:.0f} s for passing the limit of {stop.value}",
        log=job.log,
        tail=diagnosis.tail(output),
    )


class _Heard(NamedTuple):
    """What was said in a call of ``hooks``."""

    witness: Witness
    lacks: Lacks
    hooks: tuple[str, ...]

    @property
    def phase(self) -> str:
        """What was going on."""
        return self.witness.phase or ("building" if "wheel" in self.hooks else "asking")


def _failure(
    answer: Mapping[str, Any] | None, result: ExecResult, job: Job, heard: _Heard
) -> HookError:
    error = answer["error"] if answer else None
    witness, lacks = heard.witness, heard.lacks
    why = diagnosis.reason(error, witness, result.output)
    if result.signal is not None:
        return CrashError(
            f"{job.label} could not be built: a program crashed under QEMU with signal "
            f"{result.signal}: {why}",
            why=f"signal {result.signal}: {why}",
            final=answer is None,
            remedy="Run again; if it stays so, a newer QEMU may help.",
            log=job.log,
            tail=diagnosis.tail(result.output),
            phase=heard.phase,
        )
    offline = _OFFLINE.search(why) is not None
    missing = error is not None and error["type"] == "ModuleNotFoundError"
    told = error is not None and (error["kind"] != "hook" or error["type"] in _FINAL)
    mending = adapting.adapted(why, job.source, job.label.split()[0], job.python)
    since = causes.gone_since(why, job.python) if witness.compiled else None
    if since or mending:
        lacks = _NOTHING  # a header of CPython that is gone is in no package
    return HookError(
        f"{job.label} could not be built: {why}",
        why=why,
        final=bool(told or offline or since or mending or heard.phase == "cythonizing"),
        remedy=_remedy(offline=offline, missing=missing, since=since),
        log=job.log,
        tail=diagnosis.tail(result.output),
        # A compiler that said why needs no guess.
        lacks=replace(lacks, maybe=()) if witness.compiled else lacks,
        eras=0 if offline or lacks.ending else _eras(witness),
        adaptation=mending,
        phase=heard.phase,
    )


def _remedy(*, offline: bool, missing: bool, since: tuple[int, int] | None) -> str | None:
    if offline or missing:
        return _REMEDIES["network" if offline else "module"]
    return causes.advice(since) if since else None


def _eras(witness: Witness) -> int:
    """What fails before it compiles costs seconds to try again, what compiled may cost an hour."""
    return 1 if witness.compiled else era.MOST
