"""One container of a daemon: started, run in, measured, copied to and from, removed.

Its first process reads standard input to the end, and crossbuild holds the other end: when
crossbuild dies, however it dies, the daemon closes it and the container stops by itself, with
everything in it. It waits for nobody's children, so none of the dead are left in the list.
"""

from __future__ import annotations

import base64
import contextlib
import enum
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any

import requests
from docker.errors import APIError, NotFound
from docker.types import Mount, Ulimit

from crossbuild.engine.base import WORK, Limits
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.labels import owned
from crossbuild.engine.containers.loading import Platform
from crossbuild.engine.sandboxes.sandbox import THREADS_PER_PROCESS, UID

IDLER = ("/bin/sh", "-c", "trap '' CHLD; exec cat >/dev/null")
_UPGRADE = {"Connection": "Upgrade", "Upgrade": "tcp"}
_TRANSFER = 3600
_SHM = 256 << 20
_FILES = 4096
_TRIES, _PAUSE, _BUSY = 50, 0.1, 409
_LIST, _LIST_OF_PODMAN = "-eo pid", "pid"
"""What ps(1) is to say: to read a command line it would wait for a process that forks."""
_LATE = 4
"""How many times more tasks the kernel allows than the watchdog does: it is to see them."""


class Kind(enum.Enum):
    """What a name in a container stands for."""

    FILE = "a file"
    DIRECTORY = "a directory"
    LINK = "a symbolic link"
    OTHER = "neither a file nor a directory"


@dataclass(frozen=True, kw_only=True, slots=True)
class Spec:
    """What a container is made from. ``volumes`` maps absolute paths to names of volumes."""

    image: str
    platform: Platform
    command: Sequence[str] = IDLER
    volumes: Mapping[str, str]
    limits: Limits
    user: int = UID
    writable_volumes: bool = False


class Container:
    """A container; everything raises HostError when the daemon does not do it."""

    def __init__(self, daemon: Daemon, identity: str) -> None:
        self.daemon = daemon
        self.identity = identity
        self._held: requests.Response | None = None

    def start(self) -> None:
        """Start it, holding its standard input."""
        with self.daemon.talking("start a container"):
            self._let_go()
            self._held = self.daemon.request(
                "POST", f"/containers/{self.identity}/attach",
                params={"stdin": 1, "stream": 1}, headers=_UPGRADE, stream=True, timeout=None,
            )  # fmt: skip
            self.daemon.api.start(self.identity)

    def wait(self, seconds: int) -> int:
        """Wait for its end; the exit code of its first process."""
        with self.daemon.talking("wait for a container"):
            return int(self.daemon.api.wait(self.identity, timeout=seconds)["StatusCode"])

    @property
    def running(self) -> bool:
        """Whether its first process lives."""
        with self.daemon.talking("look at a container"):
            return bool(self.daemon.api.inspect_container(self.identity)["State"]["Running"])

    def kill(self) -> None:
        """End every process in it; its files stay. Nothing when it has stopped."""
        with self.daemon.talking("stop a container"), _unless({404, 409}):
            try:
                self.daemon.api.kill(self.identity)
            except APIError:
                if self.running:
                    raise
            self.daemon.api.wait(self.identity)
        self._let_go()

    def remove(self) -> None:
        """End it, with its files. Nothing when it is gone."""
        try:
            self._remove()
        finally:
            self._let_go()  # not before: it would stop by itself just when it is removed

    def processes(self) -> int:
        """How many processes are in it, its first one included; 0 when it has stopped."""
        with self.daemon.talking("list the processes of a container"), _unless({404, 409, 500}):
            how = _LIST_OF_PODMAN if self.daemon.about.podman else _LIST
            found = self.daemon.api.top(self.identity, ps_args=how)
            return len(found["Processes"] or ())
        return 0

    def sample(self) -> Mapping[str, Any]:
        """What it uses now, as the API's ``stats`` say it; takes up to a second."""
        with self.daemon.talking("measure a container"):
            found: Mapping[str, Any] = self.daemon.api.stats(
                self.identity, stream=False, one_shot=True
            )
            return found

    def written(self) -> int:
        """The bytes in its writable layer; the daemon may have to walk through all of it."""
        with self.daemon.talking("measure the files of a container"):
            path = f"/containers/{self.identity}/json"
            answer = self.daemon.request("GET", path, params={"size": "1"}, timeout=_TRANSFER)
            return int(answer.json().get("SizeRw") or 0)

    def ran_out_of_memory(self, since: float) -> bool:
        """Whether the kernel ended something in it for its memory, by the daemon's clock."""
        with self.daemon.talking("ask for the events of a container"):
            events = self.daemon.api.events(  # type: ignore[call-overload]  # it takes texts
                since=f"{since:.9f}", until=f"{self.daemon.clock():.9f}",
                filters={"container": self.identity, "event": "oom"}, decode=True,
            )  # fmt: skip
            return any(True for _ in events)

    def put(self, stream: IO[bytes], directory: str) -> None:
        """Unpack a tar stream below a directory that is there. Also StorageError."""
        with self.daemon.talking("copy files into a container"):
            where = {"path": directory}
            self.daemon.request(
                "PUT", f"/containers/{self.identity}/archive",
                params=where, data=stream, timeout=_TRANSFER,
            )  # fmt: skip

    def get(self, path: str, stream: IO[bytes]) -> None:
        """Write what is at a path, as a tar archive, to ``stream``."""
        with self.daemon.talking("copy files out of a container"):
            chunks, _ = self.daemon.api.get_archive(self.identity, path)
            for chunk in chunks:
                stream.write(chunk)

    def kind(self, path: str) -> Kind | None:
        """What is at a path, itself, even where it is a link; None: nothing."""
        with self.daemon.talking("look at a file in a container"), _unless({404}):
            answer = self.daemon.request(
                "HEAD", f"/containers/{self.identity}/archive", params={"path": path}
            )
            said = answer.headers["X-Docker-Container-Path-Stat"]
            return _kind(int(json.loads(base64.b64decode(said))["mode"]))
        return None

    def _remove(self) -> None:
        for _ in range(_TRIES):  # 409: it is being stopped or removed just now
            with self.daemon.talking("remove a container"):
                try:
                    self.daemon.api.remove_container(self.identity, force=True, v=True)
                    return
                except NotFound:
                    return
                except APIError as error:
                    if error.status_code != _BUSY:
                        raise
            time.sleep(_PAUSE)

    def _let_go(self) -> None:
        held, self._held = self._held, None
        if held is not None:
            held.close()


def create(daemon: Daemon, spec: Spec, labels: Mapping[str, str] | None = None) -> Container:
    """Make a container, without network and privileges. Raises HostError, StorageError."""
    mounts = [
        Mount(path, name, type="volume", read_only=not spec.writable_volumes, no_copy=True)
        for path, name in spec.volumes.items()
    ]
    with daemon.talking("make a container"):
        made = daemon.api.create_container(
            spec.image,
            list(spec.command),
            user=f"{spec.user}:{spec.user}",
            hostname="crossbuild",
            working_dir=WORK,
            stdin_open=True,
            labels={**owned(), **(labels or {})},
            host_config=daemon.api.create_host_config(mounts=mounts, **confinement(spec.limits)),
            platform=str(spec.platform),
            use_config_proxy=False,  # it may hold a password
        )
        return Container(daemon, made["Id"])


def largest_number_of_tasks(limits: Limits) -> int:
    """Where the kernel stops a bomb: late, so that it is seen before it fails by itself."""
    return limits.processes * THREADS_PER_PROCESS * _LATE


def confinement(limits: Limits) -> dict[str, Any]:
    """What the kernel enforces by itself; the rest is the watchdog's."""
    files = Ulimit(name="nofile", soft=_FILES, hard=_FILES)
    core = Ulimit(name="core", soft=0, hard=0)
    largest = Ulimit(name="fsize", soft=limits.disk, hard=limits.disk)
    return {
        "network_mode": "none",
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "mem_limit": limits.memory,
        "memswap_limit": limits.memory,
        "pids_limit": largest_number_of_tasks(limits),
        "ulimits": [files, core, largest],
        "shm_size": _SHM,
        "oom_score_adj": 800,
        "cpu_shares": 512,
        "log_config": {"type": "none", "config": {}},
    }


@contextlib.contextmanager
def _unless(statuses: set[int]) -> Iterator[None]:
    """Pass over refusals with these codes: what was asked for is so already."""
    try:
        yield
    except APIError as error:
        if error.status_code not in statuses:
            raise


def _kind(mode: int) -> Kind:
    """Read a mode as Go writes it (the package io/fs, type FileMode)."""
    if mode & 1 << 31:
        return Kind.DIRECTORY
    if mode & 1 << 27:
        return Kind.LINK
    return Kind.OTHER if mode & (1 << 26 | 1 << 25 | 1 << 24 | 1 << 21 | 1 << 19) else Kind.FILE
