"""A company's index with a password: what comes from it is used, and the password is nowhere.

The index is a container, and it knows only a hash of the password: so a password that is found
in any container, image or process was brought there by crossbuild.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import docker
import pytest
from testcontainers.core.config import testcontainers_config
from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from crossbuild.engine.base import Root
from crossbuild.engine.containers import loading
from tests.e2e.conftest import TARGET, Crossbuild
from tests.wheels import sdist, wheel

pytestmark = [
    pytest.mark.emulation,
    pytest.mark.network,
    pytest.mark.parametrize("engine", ["docker"], indirect=True),
]

Telling = Callable[[Path, str], tuple[list[str], dict[str, str]]]

USER = "carrier"
PASSWORD = "k7-Vw.Zm3~q"
"""No letter of it needs quoting in a URL, so it looks the same everywhere."""
SERVER = """\
import base64, hashlib, os
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
KNOWN = "{known}"
class Handler(SimpleHTTPRequestHandler):
    def do_GET(self):
        if self.path == "/alive":
            self.send_response(200)
            self.end_headers()
            return
        sent = self.headers.get("Authorization", "")
        if hashlib.sha256(sent.encode()).hexdigest() != KNOWN:
            self.send_response(401)
            self.send_header("WWW-Authenticate", 'Basic realm="index"')
            self.end_headers()
            return
        super().do_GET()
    do_HEAD = do_GET
ThreadingHTTPServer(("", 8080), lambda *a: Handler(*a, directory="/work/index")).serve_forever()
"""
SNOOP = """\
import glob, os, sys
from setuptools import setup
seen = [repr(dict(os.environ)), repr(sys.argv)]
for path in glob.glob("/proc/[0-9]*/cmdline") + glob.glob("/proc/[0-9]*/environ"):
    try:
        seen.append(repr(open(path, "rb").read()))
    except OSError:
        pass
print("snooped", seen)
setup(name="company-source", version="1.0", py_modules=["company_source"])
"""


def pages(directory: Path) -> Path:
    """A company's index: a wheel, and an sdist that shows all it can see in its log."""
    for name in ("company-wheel", "company-source"):
        (directory / "simple" / name).mkdir(parents=True)
    made = [
        wheel(directory / "simple" / "company-wheel", "company-wheel", "1.0"),
        sdist(
            directory / "simple" / "company-source",
            "company-source",
            "1.0",
            setup_py=SNOOP,
            files={"company_source.py": ""},
        ),
    ]
    for path in made:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        link = f'<a href="{path.name}#sha256={digest}">{path.name}</a>'
        (path.parent / "index.html").write_text(f"<!DOCTYPE html><html><body>{link}</body></html>")
    return directory


@pytest.fixture
def index(target_root: Root, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of the index, without the password; the target's own Python serves it."""
    monkeypatch.setattr(testcontainers_config, "ryuk_disabled", True)
    token = "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    server = SERVER.format(known=hashlib.sha256(token.encode()).hexdigest())
    container = (
        DockerContainer(loading.image_of(target_root))
        .with_kwargs(entrypoint=["/opt/python/cp311-cp311/bin/python", "-c", server])
        .with_copy_into_container(pages(tmp_path / "index"), "/work")
        .with_exposed_ports(8080)
        .waiting_for(HttpWaitStrategy(8080, "/alive"))
    )
    with container as running:
        host = running.get_container_host_ip()
        yield f"http://{host}:{running.get_exposed_port(8080)}/simple"


class Watch:
    """Everything that other processes, and users of the daemon, could see meanwhile."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.containers = 0
        self._over = threading.Event()
        self._threads = [threading.Thread(target=work) for work in (self._host, self._daemon)]

    def __enter__(self) -> Watch:  # noqa: PYI034 - Self is not in Python 3.10
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _host(self) -> None:
        while not self._over.wait(0.02):
            for number in (path.name for path in Path("/proc").iterdir() if path.name.isdigit()):
                for name in ("cmdline", "environ"):
                    with contextlib.suppress(OSError):
                        content = Path("/proc", number, name).read_bytes()
                        self.seen.add(content.decode(errors="replace"))

    def _daemon(self) -> None:
        with contextlib.closing(docker.from_env()) as client:
            while not self._over.wait(0.1):
                for row in client.api.containers(all=True):
                    with contextlib.suppress(docker.errors.NotFound):
                        self.seen.add(json.dumps(client.api.inspect_container(row["Id"])))
                        self.containers += 1

    def images(self) -> Iterator[str]:
        """What the daemon keeps: images with their history, and volumes."""
        with contextlib.closing(docker.from_env()) as client:
            for image in client.images.list():
                yield json.dumps([image.attrs, image.history()])
            for volume in client.volumes.list():
                yield json.dumps(volume.attrs)


def holders(*directories: Path) -> list[str]:
    """The files that hold the password, plain or as the header has it."""
    token = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    argv = ["grep", "-rlaF", "-e", PASSWORD, "-e", token, *map(str, directories)]
    return subprocess.run(argv, capture_output=True, text=True, check=False).stdout.splitlines()


def in_netrc(directory: Path, index: str) -> tuple[list[str], dict[str, str]]:
    host = index.partition("//")[2].partition(":")[0]
    path = directory / "netrc"
    path.write_text(f"machine {host} login {USER} password {PASSWORD}\n")
    path.chmod(0o600)
    return ["--extra-index-url", index], {"NETRC": str(path)}


def in_pips_settings(directory: Path, index: str) -> tuple[list[str], dict[str, str]]:
    path = directory / "pip.conf"
    path.write_text(
        f"[global]\nextra-index-url = {index.replace('//', f'//{USER}:{PASSWORD}@')}\n"
    )
    return [], {"PIP_CONFIG_FILE": str(path)}


@pytest.mark.parametrize("told", [in_netrc, in_pips_settings])
def test_a_password_is_used_and_seen_nowhere(
    crossbuild: Crossbuild, index: str, tmp_path: Path, cache: Path, told: Telling
) -> None:
    (tmp_path / "settings").mkdir()
    options, environment = told(tmp_path / "settings", index)
    with Watch() as watch:
        ran = crossbuild(
            "company-wheel", "company-source", "--target", TARGET, "--engine", "docker",
            "--python", "3.11", "-v", *options, env=environment,
        )  # fmt: skip
    assert ran.code == 0, ran.stderr
    # The log of the build is where the sdist told what it saw.
    log = (cache / "logs" / f"company-source-1.0-cp311-{TARGET}.log").read_text()
    assert {path.name for path in (tmp_path / "wheelhouse").glob("company*")} == {
        "company_source-1.0-py3-none-any.whl",
        "company_wheel-1.0-py3-none-any.whl",
    }
    assert "snooped" in log
    assert watch.containers, "the containers of the run were looked at"
    said = [ran.stdout, ran.stderr, log, *watch.seen, *watch.images()]
    assert [text for text in said if PASSWORD in text] == []
    assert holders(tmp_path / "settings"), "where it is, it is found"
    assert holders(tmp_path / "wheelhouse", cache) == []


def test_a_wrong_password_is_one_sentence(
    crossbuild: Crossbuild, index: str, tmp_path: Path
) -> None:
    address = index.replace("//", f"//{USER}:{PASSWORD}x@")
    ran = crossbuild("company-wheel", "--target", TARGET, "--index-url", address)
    assert ran.code == 4
    assert "401" in ran.complaint
    assert PASSWORD not in ran.stderr
