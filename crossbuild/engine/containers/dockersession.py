"""One open sandbox of the Docker engine: one container, with its files from end to end."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from crossbuild.engine.base import WORK, ExecResult, Limits, Stop
from crossbuild.engine.containers.container import Container
from crossbuild.engine.containers.copying import Copier
from crossbuild.engine.containers.daemon import refusal
from crossbuild.engine.containers.execution import Execution
from crossbuild.engine.containers.meter import ContainerMeter
from crossbuild.engine.output import Output
from crossbuild.engine.watchdog import Outcome, watch
from crossbuild.errors import CrossbuildError

_NOTHING_LEFT = 1 << 20
_LATE = 0.5
"""Seconds that the kernel's word about memory may come after the end of the command."""
_KILLED = 128 + signal.SIGKILL


class DockerSession:
    """One open sandbox; see ``Session``. It runs one command at a time."""

    def __init__(
        self,
        container: Container,
        scratch: Path,
        environment: Mapping[str, str],
        limits: Limits,
    ) -> None:
        """``environment`` is for every command; ``scratch`` a host directory of its own."""
        self._container = container
        self._copier = Copier(container, scratch)
        self._environment = environment
        self._limits = limits

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
        box = self._container
        if not box.running:
            box.start()
        variables = {**self._environment, "PWD": cwd, **(env or {})}
        since = box.daemon.clock()
        outcome = self._supervise(argv, variables, cwd, log, on_line)
        if outcome.stopped is None and outcome.returncode != 0:
            outcome = self._explained(outcome, since)
        return outcome.result

    def put(self, source: Path, destination: str) -> None:
        """Copy in; see ``Session.put``."""
        self._copier.put(source, destination)

    def get(self, source: str, destination: Path) -> None:
        """Copy out; see ``Session.get``."""
        self._copier.get(source, destination)

    def keep(self, destination: Path) -> None:
        """Copy ``WORK`` out, with its links, to where nothing is yet."""
        self._copier.keep(destination)

    def _supervise(
        self,
        argv: Sequence[str],
        variables: Mapping[str, str],
        cwd: str,
        log: Path | None,
        on_line: Callable[[str], None] | None,
    ) -> Outcome:
        """Run it to its end or to a limit; nothing of it is left when this returns."""
        box, began = self._container, time.monotonic()
        with Output(log, on_line) as output:
            writer = os.dup(output.writer)
            command = Execution(box, argv, environment=variables, cwd=cwd, writer=writer)
            output.close_writer()
            try:
                with ContainerMeter(box, self._limits) as meter:
                    stopped = watch(output, meter, self._limits, command.ended)
                stopped = self._ended(stopped)
                output.drain()
            except BaseException:
                with contextlib.suppress(CrossbuildError):
                    box.kill()
                raise
            finally:
                command.close()
            returncode = -signal.SIGKILL if stopped else command.returncode(output.tail)
        return Outcome(
            returncode=returncode,
            output=output.tail,
            seconds=time.monotonic() - began,
            stopped=stopped,
            crash=output.crash,
        )

    def _ended(self, stopped: Stop | None) -> Stop | None:
        """End what a command left running: everything, for a container has no groups.

        A crowd it left is a bomb that ended by itself before it was seen.
        """
        left = self._limits.processes + 1 if stopped else self._container.processes() - 1
        if left > 0:
            self._container.kill()
        crowded = left > self._limits.processes
        return stopped or (Stop.PROCESSES if crowded else None)

    def _explained(self, outcome: Outcome, since: float) -> Outcome:
        """Say of a failed command whether the memory or the daemon's disk was at its end."""
        box = self._container
        patience = _LATE if outcome.returncode == _KILLED else 0.0
        end = time.monotonic() + patience
        while not (starved := box.ran_out_of_memory(since)) and time.monotonic() < end:
            time.sleep(_LATE / 10)
        if starved:
            return replace(outcome, stopped=Stop.MEMORY)
        self._check_not_full()
        return outcome

    def _check_not_full(self) -> None:
        """A command that failed on a full disk says so in its own words; say it in ours."""
        if not self._container.running:
            return
        argv = ["stat", "-f", "-c", "%a %S", WORK]
        asked = self._supervise(argv, self._environment, WORK, None, None)
        words = asked.output.split()
        known = asked.returncode == 0 and len(words) == 2 and all(map(str.isdigit, words))
        if known and int(words[0]) * int(words[1]) < _NOTHING_LEFT:
            full = os.strerror(errno.ENOSPC)
            raise refusal(full, self._container.daemon.address, "write what a command wrote")
