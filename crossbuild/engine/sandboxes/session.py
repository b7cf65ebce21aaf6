"""One open sandbox of the embedded engine."""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from crossbuild.disk import storage_error
from crossbuild.engine.base import WORK, ExecResult, Stop
from crossbuild.engine.sandboxes import cgroup, transfer
from crossbuild.engine.sandboxes.sandbox import Sandbox
from crossbuild.engine.watchdog import Outcome, supervise
from crossbuild.errors import HostError

_NOTHING_LEFT = 1 << 20


class RootfsSession:
    """One open sandbox; see ``Session``. It runs one command at a time."""

    def __init__(
        self, box: Sandbox, environment: Mapping[str, str], host: Mapping[str, str]
    ) -> None:
        """``environment`` is for every command inside, ``host`` for the programs outside."""
        self._box = box
        self._environment = environment
        self._host = host

    def run(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = WORK,
        log: Path | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> ExecResult:
        """Run a command; see ``Session.run``. Raises StorageError when the disk is full."""
        box = self._box
        box.status.unlink(missing_ok=True)
        with cgroup.limited(box.limits) as group:
            inside = {**self._environment, **(env or {})}
            command = box.argv(argv, environment=inside, cwd=cwd, cgroup=group)
            outcome = supervise(
                command,
                environment=self._host,
                limits=box.limits,
                directory=box.directory,
                log=log,
                on_line=on_line,
            )
            if cgroup.ran_out_of_memory(group):
                outcome = replace(outcome, stopped=Stop.MEMORY)
        return self._result(outcome)

    def put(self, source: Path, destination: str) -> None:
        """Copy in; see ``Session.put``."""
        transfer.put(source, self._box.work, destination)

    def get(self, source: str, destination: Path) -> None:
        """Copy out; see ``Session.get``."""
        transfer.get(self._box.work, source, destination)

    def _result(self, outcome: Outcome) -> ExecResult:
        returncode = outcome.returncode
        if outcome.stopped is None and returncode >= 0:
            returncode = self._exit_code(outcome)
        if returncode != 0:
            _check_not_full(self._box.directory)
        return replace(outcome, returncode=returncode).result

    def _exit_code(self, outcome: Outcome) -> int:
        """What the command returned, as bubblewrap wrote it down.

        Raises HostError when the command was not started: bubblewrap's own failures have
        ordinary exit codes. When the kernel killed bubblewrap nothing is written.
        """
        with contextlib.suppress(FileNotFoundError):
            for line in self._box.status.read_text(encoding="utf-8").splitlines():
                code = json.loads(line).get("exit-code")
                if isinstance(code, int):
                    return code
        if outcome.returncode > 128:
            return outcome.returncode
        reason = (outcome.output.strip().splitlines() or ["no reason was given"])[-1]
        raise HostError(f"the sandbox could not start the command: {reason}")


def _check_not_full(directory: Path) -> None:
    """A command that failed on a full disk says so in its own words; say it in ours."""
    left = os.statvfs(directory)
    if left.f_bavail * left.f_frsize < _NOTHING_LEFT:
        raise storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), directory)
