"""Each kind of channel against what it is for: a kernel, a server, a container."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from random import Random

import pytest

from crossbuild.carry import landing, push, schemes
from crossbuild.carry.line import Line
from crossbuild.catalog import Role
from crossbuild.engine.base import Engine
from crossbuild.engine.containers import loading
from crossbuild.engine.containers.daemon import Daemon, connect
from crossbuild.errors import ChannelError, HostError, UsageError
from crossbuild.report import Silent
from tests.channels import tree
from tests.roots import IMAGE

FILES = {"big.whl": Random(1).randbytes(300_000), "small.whl": b"small"}


def speaks(via: str) -> None:
    """Code runs in a namespace of its own, its errors are told, and much may be printed."""
    with closing(schemes.opened(via, os.environ)) as channel:
        assert "one" in channel.run("print('one'); secret = 1", 60.0)
        assert "NameError" in channel.run("print(secret)\n", 60.0)
        assert "y" * 300_000 in channel.run("print('y' * 300000)", 60.0)
        assert "SystemExit 3" in channel.run("raise SystemExit(3)", 60.0).replace(":", "")
        assert "two" in channel.run("print('two')", 60.0)


def carries(via: str, directory: Path) -> None:
    """A push arrives, and a second one has nothing to do."""
    wheelhouse, there = tree(directory / "wheelhouse", **FILES), directory / "there"
    for sent in (tuple(FILES), ()):
        with closing(Line(lambda: schemes.opened(via, os.environ), limit=1 << 16)) as line:
            pushed = push.push(push.load(wheelhouse), line, Silent(), remote_dir=str(there))
        assert pushed.sent == sent
        assert pushed.resent == 0
    assert {path.name: path.read_bytes() for path in there.iterdir()} == FILES


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The connection file of a running kernel."""
    file = tmp_path_factory.mktemp("kernel") / "kernel.json"
    argv = [sys.executable, "-m", "ipykernel_launcher", "-f", str(file)]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as running:
        end = time.monotonic() + 60
        while not (file.exists() and file.read_text().endswith("}")):
            assert running.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        yield file
        running.kill()


def test_a_kernel(kernel: Path, tmp_path: Path) -> None:
    speaks(f"jupyter:{kernel}")
    carries(f"jupyter:{kernel}", tmp_path)


def test_a_kernel_that_does_not_end_in_time_is_a_cut_channel(kernel: Path) -> None:
    with (
        closing(schemes.opened(f"jupyter:{kernel}", os.environ)) as channel,
        pytest.raises(ChannelError, match=r"no end after 0\.2 s"),
    ):
        channel.run("import time; time.sleep(1)", 0.2)


def test_a_file_that_is_no_connection_file(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{")
    for name in ("none.json", "bad.json"):
        with pytest.raises(UsageError, match="is no connection file"):
            schemes.opened(f"jupyter:{tmp_path / name}", os.environ)


@pytest.fixture(scope="module")
def server() -> Iterator[int]:
    """The port of an RPyC classic server in a process of its own."""
    program = (
        "from rpyc.utils.server import ThreadedServer\n"
        "from rpyc.core.service import SlaveService\n"
        "server = ThreadedServer(SlaveService, hostname='127.0.0.1', port=0)\n"
        "print(server.port, flush=True)\n"
        "server.start()\n"
    )
    argv = [sys.executable, "-c", program]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as running:
        assert running.stdout is not None
        yield int(running.stdout.readline())
        running.kill()


def test_an_rpyc_server(server: int, tmp_path: Path) -> None:
    speaks(f"rpyc://127.0.0.1:{server}")
    carries(f"rpyc://127.0.0.1:{server}", tmp_path)


def test_an_rpyc_server_that_does_not_answer_in_time_or_is_not_there(server: int) -> None:
    with (
        closing(schemes.opened(f"rpyc://127.0.0.1:{server}", os.environ)) as channel,
        pytest.raises(ChannelError, match="is cut off"),
    ):
        channel.run("import time; time.sleep(1)", 0.2)
    with pytest.raises(ChannelError, match=r"127\.0\.0\.1:9 is cut off"):
        schemes.opened("rpyc://127.0.0.1:9", os.environ)
    for bad in ("rpyc://", "rpyc://host:port"):
        with pytest.raises(UsageError, match="rpyc:"):
            schemes.opened(bad, os.environ)


@pytest.fixture
def container(engine: Engine) -> Iterator[tuple[Daemon, str]]:
    """A container of the target's processor, without network, that does nothing; its name."""
    image = loading.image_of(engine.prepare(IMAGE, Role.TARGET))
    daemon = connect(os.environ)
    python = IMAGE.interpreters[0].command
    argv = [python, "-c", "import time; time.sleep(600)"]
    made = daemon.api.create_container(image, argv, network_disabled=True)
    try:
        daemon.api.start(made["Id"])
        yield daemon, f"{made['Id']}:{python}"
    finally:
        daemon.api.remove_container(made["Id"], force=True)
        daemon.close()


@pytest.mark.emulation
@pytest.mark.network
@pytest.mark.parametrize("engine", ["docker"], indirect=True, scope="session")
def test_a_container(container: tuple[Daemon, str], tmp_path: Path) -> None:
    daemon, address = container
    speaks(f"docker:{address}")
    wheelhouse = tree(tmp_path / "wheelhouse", **FILES)
    with closing(Line(lambda: schemes.opened(f"docker:{address}", os.environ))) as line:
        assert line.lanes == 4
        files = push.load(wheelhouse)
        pushed = push.push(files, line, Silent())
        assert pushed.sent == tuple(FILES)
        assert push.push(files, line, Silent()).sent == ()
        landing.bring(line, f"{pushed.directory}/big.whl", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == FILES["big.whl"]
    channel = schemes.opened(f"docker:{address}", os.environ)
    daemon.api.kill(address.partition(":")[0])
    with closing(channel), pytest.raises(ChannelError, match="in the container has ended"):
        channel.run("print(1)", 60.0)
    with pytest.raises(ChannelError, match="is not running"):
        schemes.opened(f"docker:{address}", os.environ)


def test_a_container_that_is_not_named() -> None:
    with pytest.raises(UsageError, match="names no container"):
        schemes.opened("docker:", os.environ)


@pytest.mark.parametrize(("via", "extra"), [("rpyc://h:1", "rpyc"), ("jupyter:f", "jupyter")])
def test_what_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, via: str, extra: str
) -> None:
    for module in ("rpyc", "jupyter_client", "jupyter_client.asynchronous.client"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"crossbuild.carry.{extra}", raising=False)
    with pytest.raises(HostError, match=f"{extra}: cannot be used: .*{extra}") as caught:
        schemes.opened(via, os.environ)
    assert f"crossbuild[{extra}]" in caught.value.remedy
