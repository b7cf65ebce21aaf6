"""The connection to a Docker daemon, and the one place where its errors become ours.

The Engine API 1.41 (Docker 20.10) is the oldest that is understood: it measures containers
without waiting and takes an image's platform. Podman answers the same API on its socket.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import re
import socket
import time
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import requests
import urllib3
from docker import APIClient
from docker.errors import APIError, DockerException, create_api_error_from_http_exception
from docker.utils import kwargs_from_env

from crossbuild.errors import HostError, StorageError

_OLDEST = (1, 41)
_PATIENCE = 120
"""Seconds to wait for an answer; what may take longer says so itself."""
_POOL = 64
"""Connections kept: a session measures, reads and asks at the same time."""
_VARIABLES = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64", "arm": "armv7l", "loong64": "loongarch64"}
"""What Go calls processors, for daemons that answer in its words."""
_NO_DAEMON = frozenset({errno.ENOENT, errno.ECONNREFUSED})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM})
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a daemon says of itself: ``machine`` as ``uname -m``, ``ahead`` its clock in seconds.

    ``local``: its containers run on the kernel that this process runs on. ``podman``: it is
    Podman's, which differs in small things.
    """

    version: str
    api: str
    machine: str
    kernel: str
    ahead: float
    local: bool
    podman: bool = False


class Daemon:
    """An open connection; ``api`` is to be used inside ``talking`` alone.

    ``variables`` lead Docker's own command line to the same daemon.
    """

    def __init__(
        self, api: APIClient, address: str, about: About, variables: Mapping[str, str]
    ) -> None:
        self.api = api
        self.address = address
        self.about = about
        self.variables = variables
        weakref.finalize(self, api.close)

    @contextlib.contextmanager
    def talking(self, what: str) -> Iterator[None]:
        """Turn what goes wrong with the daemon inside into a HostError or StorageError.

        ``what`` says what was tried, as in "could not ``start the container``".
        """
        with _translated(self.address, what):
            yield

    def request(
        self, method: str, path: str, *, timeout: float | None = _PATIENCE, **said: Any
    ) -> requests.Response:
        """Ask what the SDK has no words for; ``timeout`` None: for as long as it takes.

        To be used inside ``talking``: raises as the SDK does.
        """
        url = f"{self.api.base_url}/v{self.api.api_version}{path}"
        answer = self.api.request(method, url, timeout=(_PATIENCE, timeout), **said)
        try:
            answer.raise_for_status()
        except requests.HTTPError as error:
            raise create_api_error_from_http_exception(error) from error
        return answer

    def clock(self) -> float:
        """The daemon's time now, as seconds since the epoch."""
        return time.time() + self.about.ahead

    def close(self) -> None:
        """End the connection."""
        self.api.close()


def connect(environment: Mapping[str, str]) -> Daemon:
    """Connect to the daemon of DOCKER_HOST, or to the one of this host.

    DOCKER_TLS_VERIFY and DOCKER_CERT_PATH count as they do for Docker's own command line.
    Raises HostError when none answers, refuses, or is older than Docker 20.10.
    """
    said = {name: environment[name] for name in _VARIABLES if environment.get(name)}
    address = said.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    with _translated(address, "connect"):
        _knock(address)
        given = kwargs_from_env(environment=said) if said else {}
        api = APIClient(version="auto", timeout=_PATIENCE, max_pool_size=_POOL, **given)
        # A proxy or .netrc of the user's is for the internet, not for the daemon.
        api.trust_env = False
        with contextlib.ExitStack() as failing:
            failing.callback(api.close)
            began = time.time()
            info = {**api.info(), "Components": api.version().get("Components")}
            middle = (began + time.time()) / 2
            about = _about(info, str(api.api_version), address, middle)
            failing.pop_all()
    if tuple(map(int, about.api.split("."))) < _OLDEST:
        api.close()
        raise HostError(
            f"the Docker daemon at {address} is too old: its API is {about.api}",
            remedy="Use Docker 20.10 or newer, or --engine rootfs.",
        )
    return Daemon(api, address, about, {**said, "DOCKER_HOST": address})


def _knock(address: str) -> None:
    """See that somebody listens: the SDK loses sockets that it could not connect."""
    path = address.removeprefix("unix://")
    if path != address:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(path)


def _about(info: Mapping[str, object], api: str, address: str, now: float) -> About:
    machine = str(info.get("Architecture", ""))
    kernel = str(info.get("KernelVersion", ""))
    own = os.uname()
    same = (kernel, str(info.get("Name"))) == (own.release, platform.node())
    there = _moment(str(info.get("SystemTime", "")))
    return About(
        version=str(info.get("ServerVersion", "")),
        api=api,
        machine=_MACHINES.get(machine, machine),
        kernel=kernel,
        ahead=there - now if there is not None else 0.0,
        local=address.startswith("unix:") and same,
        podman="Podman" in str(info["Components"]),
    )


def _moment(text: str) -> float | None:
    """Seconds since the epoch of a time as Go writes it, with up to nine decimals."""
    match = re.fullmatch(r"(\d+-\d+-\d+T\d+:\d+:\d+)(\.\d+)?(Z|[+-]\d+:\d+)", text)
    if match is None:
        return None
    zone = "+00:00" if match[3] == "Z" else match[3]
    whole = datetime.fromisoformat(f"{match[1]}{zone}").astimezone(timezone.utc)
    return whole.timestamp() + float(match[2] or 0)


@contextlib.contextmanager
def _translated(address: str, what: str) -> Iterator[None]:
    try:
        yield
    except APIError as error:
        raise _refused(error, address, what) from error
    except (
        DockerException,
        requests.RequestException,
        urllib3.exceptions.HTTPError,
        OSError,
    ) as error:
        if isinstance(error, OSError) and error.errno in _FULL:
            raise  # the host's own disk, which its user of the block knows
        raise _unreachable(error, address, what) from error


def _refused(error: APIError, address: str, what: str) -> HostError | StorageError:
    said = str(error.explanation or error).strip().rstrip(".")
    return refusal(said, address, what)


def refusal(said: str, address: str, what: str) -> HostError | StorageError:
    """The error for something a daemon refused, in its own words."""
    if "no space left on device" in said.lower():
        return StorageError(
            f"the disk of the Docker daemon at {address} is full: it could not {what}",
            remedy="Free some space there; `crossbuild cache prune --all` removes what "
            "crossbuild keeps, `docker system df` shows the rest.",
        )
    return HostError(
        f"the Docker daemon at {address} could not {what}: {said}",
        remedy="Run `crossbuild doctor`, or use --engine rootfs.",
    )


def _unreachable(error: BaseException, address: str, what: str) -> HostError:
    cause = _system_error(error)
    number = cause.errno if cause is not None else None
    if number in _FORBIDDEN:
        return HostError(
            f"the Docker daemon at {address} may not be used by this user",
            remedy="Let root add the user to the group docker (then log in again), "
            "or use --engine rootfs.",
        )
    if number in _NO_DAEMON and what == "connect":
        return HostError(
            f"no Docker daemon answers at {address}",
            remedy="Start it, set DOCKER_HOST, let `crossbuild setup --engine docker` install "
            "it, or use --engine rootfs.",
        )
    reason = cause.strerror if cause is not None and cause.strerror else _last(error)
    return HostError(
        f"the Docker daemon at {address} could not be asked to {what}: {reason}",
        remedy="See that it runs and that DOCKER_HOST is right, or use --engine rootfs.",
    )


def _system_error(error: BaseException | None, depth: int = 8) -> OSError | None:
    """The system's own error inside what requests and urllib3 wrap around it."""
    if error is None or depth == 0:
        return None
    if isinstance(error, OSError) and isinstance(error.errno, int):
        return error
    inner = [error.__cause__, error.__context__, getattr(error, "reason", None), *error.args]
    found = (_system_error(it, depth - 1) for it in inner if isinstance(it, BaseException))
    return next((it for it in found if it is not None), None)


def _last(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[-1]
