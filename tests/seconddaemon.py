"""A second Docker daemon, with a root directory of its own: it stands for a remote one.

It has a network of its own too: a daemon without a bridge removes docker0 where it starts, which
is the bridge of the host's daemon.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.engine.containers.daemon import Daemon, connect
from crossbuild.errors import CrossbuildError, HostError


@contextlib.contextmanager
def second_daemon() -> Iterator[str]:
    """Start one; gives the address of its socket. Skips where none may be started."""
    if os.geteuid() != 0 or process.which("dockerd") is None:
        pytest.skip("a second Docker daemon needs root and the program dockerd")
    directory = Path(tempfile.mkdtemp(prefix="dockerd-"))
    address = f"unix://{directory}/socket"
    log = directory / "log"
    try:
        with (
            log.open("wb") as output,
            process.started(_argv(directory, address), stdout=output) as child,
        ):
            try:
                _answer(address, child, log)
                yield address
            finally:
                child.send_signal(signal.SIGTERM)
                process.ended(child, 30)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _argv(directory: Path, address: str) -> list[str]:
    return [
        "unshare", "--net", "dockerd", "--host", address,
        "--data-root", str(directory / "data"), "--exec-root", str(directory / "exec"),
        "--pidfile", str(directory / "pid"), "--config-file", str(_nothing(directory)),
        "--storage-driver", _driver(), "--bridge=none", "--iptables=false", "--ip6tables=false",
    ]  # fmt: skip


def _nothing(directory: Path) -> Path:
    """A configuration that says nothing: the host's own is for the host's own daemon."""
    path = directory / "daemon.json"
    path.write_text("{}", encoding="ascii")
    return path


def _driver() -> str:
    """The storage driver of the host's daemon: what works for it works here."""
    try:
        return str(connect(os.environ).api.info()["Driver"])
    except HostError:
        return "vfs"


def _answer(address: str, child: process.Child, log: Path) -> Daemon:
    end = time.monotonic() + 60
    while True:
        try:
            return connect({"DOCKER_HOST": address})
        except CrossbuildError as error:
            if child.poll() is not None or time.monotonic() > end:
                pytest.fail(f"{error}: {log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.2)
