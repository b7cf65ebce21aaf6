"""What only the Docker engine owes: it leaves nothing in a daemon, and its errors are plain."""

from __future__ import annotations

import contextlib
import gc
import http.server
import json
import os
import re
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild.catalog import Role
from crossbuild.engine import opening
from crossbuild.engine.base import Engine, Limits, Root, Tree
from crossbuild.engine.containers import binfmt, container, loading, sweeping
from crossbuild.engine.containers.container import Spec
from crossbuild.engine.containers.daemon import Daemon, connect
from crossbuild.engine.containers.labels import RUN, this_run
from crossbuild.engine.containers.loading import Platform
from crossbuild.engine.containers.volumes import Volumes
from crossbuild.engine.docker import DockerEngine
from crossbuild.errors import HostError
from crossbuild.platforms import ARCHES
from crossbuild.store import Store
from tests.engine.test_rootfs import processes_with, victim, within
from tests.roots import IMAGE
from tests.seconddaemon import second_daemon

pytestmark = [pytest.mark.emulation, pytest.mark.network]
docker_only = pytest.mark.parametrize("engine", ["docker"], indirect=True, scope="session")


@pytest.fixture
def daemon(engine: Engine) -> Iterator[Daemon]:
    """The daemon that the engine uses, over a connection of its own."""
    found = connect(os.environ)
    yield found
    found.close()


@pytest.fixture
def volumes(daemon: Daemon, store: Store) -> Volumes:
    return Volumes(daemon, store)


def dead_run() -> dict[str, str]:
    """The label of a run of this host whose number another process has now."""
    return {RUN: f"{this_run().host}:{os.getpid()}:1"}


def containers(daemon: Daemon, label: str) -> list[str]:
    return [each["Id"] for each in daemon.api.containers(all=True, filters={"label": label})]


def tree(tmp_path: Path, text: str, *, lasting: bool = True) -> Tree:
    path = tmp_path / f"tree-{text}"
    path.mkdir(exist_ok=True)
    (path / "text").write_text(text, encoding="ascii")
    return Tree(key=f"test-{text}-{secrets.token_hex(8)}", path=path, lasting=lasting)


@docker_only
def test_a_killed_crossbuild_leaves_nothing_after_the_next_run(
    engine: Engine, target_root: Root, daemon: Daemon, shared_store: Store
) -> None:
    before = set(containers(daemon, RUN))
    with victim(shared_store, "session", until="running", engine="docker"):
        assert within(10, lambda: len(processes_with("98765")) >= 2)
        (left,) = set(containers(daemon, RUN)) - before
    assert within(20, lambda: processes_with("98765") == []), "the container did not stop itself"
    opening.opened(shared_store, name="docker", environment=dict(os.environ))
    assert left not in containers(daemon, RUN)


@docker_only
def test_leftovers_of_dead_runs_are_swept_and_no_others(
    engine: Engine, target_root: Root, daemon: Daemon, volumes: Volumes
) -> None:
    spec = Spec(
        image=loading.image_of(target_root),
        platform=Platform.of(IMAGE.arch),
        volumes={},
        limits=Limits(),
    )
    mine = container.create(daemon, spec)
    never_started = container.create(daemon, spec, dead_run())
    elsewhere = container.create(daemon, spec, {RUN: "0123456789abcdef:1:1"})
    volume = f"crossbuild-{secrets.token_hex(12)}"
    daemon.api.create_volume(volume, labels=dead_run())
    try:
        assert sweeping.sweep(daemon, volumes) == 2
        left = containers(daemon, RUN)
        assert never_started.identity not in left
        assert {mine.identity, elsewhere.identity} <= set(left), "it may be alive where it is"
        assert volume not in volumes.all(RUN)
    finally:
        mine.remove()
        elsewhere.remove()
    assert mine.identity not in containers(daemon, RUN)


@docker_only
def test_a_session_leaves_no_container_and_no_volume_of_its_own(
    engine: Engine, target_root: Root, daemon: Daemon, volumes: Volumes, tmp_path: Path
) -> None:
    label = f"{RUN}={this_run()}"
    own = tree(tmp_path, "own", lasting=False)
    before = set(volumes.all(label))
    with engine.session(target_root, trees={"/opt/own": own}) as session:
        assert session.run(["cat", "/opt/own/text"]).output == "own"
        assert len(containers(daemon, label)) == 1
        assert len(set(volumes.all(label)) - before) == 1
    assert containers(daemon, label) == []
    assert set(volumes.all(label)) == before


@docker_only
def test_a_lasting_tree_is_copied_once_and_again_when_its_volume_is_gone(
    engine: Engine, target_root: Root, volumes: Volumes, tmp_path: Path
) -> None:
    image, platform = loading.image_of(target_root), Platform.of(IMAGE.arch)
    kept = tree(tmp_path, "kept")
    first = volumes.of(kept, image, platform)
    assert volumes.of(kept, image, platform) == first
    assert first not in volumes.unfinished(), "a sweep would take it"
    volumes.remove(first)
    second = volumes.of(kept, image, platform)
    assert second != first
    with engine.session(target_root, trees={"/opt/kept": kept}) as session:
        assert session.run(["cat", "/opt/kept/text"]).output == "kept"
    assert volumes.of(tree(tmp_path, "other"), image, platform) != second


@docker_only
def test_a_user_who_may_not_read_a_file_on_the_host_may_inside(
    engine: Engine, target_root: Root, tmp_path: Path
) -> None:
    closed = tree(tmp_path, "closed")
    (closed.path / "text").chmod(0o600)
    with engine.session(target_root, trees={"/opt/closed": closed}) as session:
        assert session.run(["cat", "/opt/closed/text"]).output == "closed"


@docker_only
def test_the_users_proxy_and_its_password_are_not_inside(
    engine: Engine, target_root: Root, shared_store: Store, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    proxies = {"default": {"httpProxy": "http://me:s3cret@proxy.example:3128"}}
    (tmp_path / "config.json").write_text(json.dumps({"proxies": proxies}), encoding="ascii")
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    own = opening.opened(shared_store, name="docker", environment=dict(os.environ))
    with own.session(target_root) as session:
        assert "s3cret" not in session.run(["env"]).output


@docker_only
def test_a_listeners_error_ends_the_command(engine: Engine, target_root: Root) -> None:
    def fail(line: str) -> None:
        raise ValueError(line)

    with engine.session(target_root) as session:
        with pytest.raises(ValueError, match="one"):
            session.run(["sh", "-c", "echo one; sleep 4321"], on_line=fail)
        assert processes_with("sleep\x004321") == []
        assert session.run(["echo", "well"]).output == "well\n"


@docker_only
def test_a_processor_without_emulator_is_told_apart(daemon: Daemon) -> None:
    assert binfmt.runs(daemon, IMAGE.arch)
    assert binfmt.runs(daemon, ARCHES[daemon.about.machine])


@contextlib.contextmanager
def elsewhere(store: Store, address: str) -> Iterator[DockerEngine]:
    """The engine of another daemon."""
    environment = {**os.environ, "DOCKER_HOST": address}
    engine = opening.opened(store, name="docker", environment=environment)
    assert isinstance(engine, DockerEngine)
    with contextlib.closing(engine.daemon):
        yield engine


def test_another_daemon_shares_no_files_with_this_host(
    engine: Engine, shared_store: Store, tmp_path: Path
) -> None:
    with second_daemon() as address, elsewhere(shared_store, address) as there:
        root = there.prepare(IMAGE, Role.TARGET)
        trees = {"/opt/far": tree(tmp_path, "far")}
        with there.session(root, trees=trees) as session:
            session.put(tmp_path, "/work/put")
            assert session.run(["sh", "-c", "cat /opt/far/text put/tree-far/text >got"]).ok
            session.get("/work/got", tmp_path / "got")
    assert (tmp_path / "got").read_text(encoding="ascii") == "farfar"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_daemon_that_dies_under_a_session_is_a_host_error(
    engine: Engine, shared_store: Store
) -> None:
    with contextlib.ExitStack() as stack:
        with second_daemon() as address:
            there = stack.enter_context(elsewhere(shared_store, address))
            opened = there.session(there.prepare(IMAGE, Role.TARGET))
            session = opened.__enter__()
        with pytest.raises(HostError, match=f"the Docker daemon at {re.escape(address)}"):
            session.run(["true"])
        opened.__exit__(None, None, None)
    gc.collect()  # The SDK leaves a socket that it could not connect for somebody to find.


@pytest.mark.parametrize(
    ("address", "complaint"),
    [
        ("unix:///nonexistent/docker.sock", "no Docker daemon answers at unix:///nonexistent"),
        ("tcp://127.0.0.1:9", "no Docker daemon answers at tcp://127.0.0.1:9"),
        ("nonsense://here", "the Docker daemon at nonsense://here could not be asked to connect"),
    ],
)
def test_no_daemon_is_a_host_error_with_a_remedy(address: str, complaint: str) -> None:
    with pytest.raises(HostError, match=complaint) as caught:
        connect({"DOCKER_HOST": address})
    assert "--engine rootfs" in caught.value.remedy


def test_an_old_daemon_is_refused() -> None:
    class Old(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = b'{"ApiVersion": "1.38", "Architecture": "x86_64"}'
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Old) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(HostError, match=r"too old: its API is 1\.38") as caught:
            connect({"DOCKER_HOST": f"tcp://127.0.0.1:{server.server_port}"})
        server.shutdown()
    assert "20.10" in caught.value.remedy
