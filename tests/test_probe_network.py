"""The script of ``crossbuild probe`` and the package index: which it asks, and what it tells."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbuild.targets import probe
from tests import pythons


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        status = {"/simple/pip/": 200, "/absent/pip/": 404, "/broken/pip/": 503}
        self.send_response(status.get(self.path, 403))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextlib.contextmanager
def serving() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def index() -> Iterator[str]:
    with serving() as url:
        yield url


@pytest.fixture
def closed() -> str:
    """An address where nobody listens."""
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{reserved.getsockname()[1]}/simple"


def told(
    home: Path, *indexes: str, python: str = sys.executable, without: str = "", **env: str
) -> dict[str, Any]:
    """What it tells of the index, with this environment alone; pip is hidden from it."""
    block = f"import sys; sys.modules.update(dict.fromkeys({f'pip {without}'!r}.split()))"
    done = subprocess.run(
        [python, "-c", f"{block}\nexec(compile({probe.script(indexes)!r}, 'probe', 'exec'))"],
        capture_output=True,
        check=True,
        env={"HOME": str(home), "PATH": os.environ["PATH"], **env},
    )
    assert done.stderr == b""
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.parametrize("version", pythons.each()[::3])
def test_an_index_that_answers(version: str, tmp_path: Path, index: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    answer = told(tmp_path, f"{index}/simple", python=python)
    assert answer["index"] == {
        "url": f"{index}/simple",
        "reachable": True,
        "how": "asked",
        "error": None,
    }


@pytest.mark.parametrize("version", pythons.each()[::3])
def test_without_what_asking_takes_a_connection_will_do(
    version: str, tmp_path: Path, index: str
) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    for without in ("urllib.request", "http urllib ssl"):
        answer = told(tmp_path, f"{index}/simple/", python=python, without=without)
        assert (answer["index"]["reachable"], answer["index"]["how"]) == (True, "connected")


def test_https_without_ssl_is_connected_to(tmp_path: Path, index: str) -> None:
    secure = index.replace("http:", "https:") + "/simple"
    answer = told(tmp_path, secure, without="ssl")
    assert answer["index"]["how"] == "connected"
    assert told(tmp_path, secure)["index"]["reachable"] is False


def test_an_index_that_does_not_answer(tmp_path: Path, index: str, closed: str) -> None:
    answer = told(tmp_path, closed)["index"]
    assert answer["reachable"] is False
    assert "refused" in answer["error"]
    assert told(tmp_path, closed, f"{index}/simple")["index"]["reachable"] is True
    assert "503" in told(tmp_path, f"{index}/broken")["index"]["error"]
    assert "403" in told(tmp_path, f"{index}/forbidden")["index"]["error"]
    assert told(tmp_path, f"{index}/absent")["index"]["reachable"] is True


def test_without_threads_it_is_asked_all_the_same(tmp_path: Path, index: str) -> None:
    # Without the name in sys.modules, for Python itself looks there at its end.
    program = probe.script([f"{index}/simple"]).replace("import threading", "import absent")
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        check=True,
        env={"HOME": str(tmp_path)},
    )
    assert json.loads(done.stdout)["index"]["reachable"] is True


def test_a_name_that_is_looked_up_for_ever_does_not_hold_it(tmp_path: Path) -> None:
    waits = "import socket, time; socket.getaddrinfo = lambda *more, **named: time.sleep(60)"
    program = probe.script(["http://index.example/simple"]).replace(
        "PATIENCE = 8", "PATIENCE = 0.2"
    )
    done = subprocess.run(
        [sys.executable, "-c", f"{waits}\n{program}"],
        capture_output=True,
        check=True,
        timeout=30,
        env={"HOME": str(tmp_path)},
    )
    assert json.loads(done.stdout)["index"]["error"] == "no answer in time"


@pytest.mark.parametrize("where", ["environment", "file", "user", "uv"])
def test_what_the_target_is_configured_for_comes_first(
    where: str, tmp_path: Path, index: str, closed: str
) -> None:
    url = index.replace("://", "://me:secret@") + "/simple"
    env = {}
    if where == "environment":
        env["PIP_INDEX_URL"] = url
    elif where == "uv":
        env["UV_DEFAULT_INDEX"] = f"mine={url}"
    else:
        file = tmp_path / (".config/pip/pip.conf" if where == "user" else "own.conf")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(f"[global]\ntimeout = 3\nindex_url = {url}\n")
        env["PIP_CONFIG_FILE"] = str(file) if where == "file" else ""
    answer = told(tmp_path, closed, without="", **env)
    assert answer["index"]["url"] == f"{index}/simple"
    assert "secret" not in json.dumps(answer)


def test_nothing_is_asked_where_nothing_is_configured(tmp_path: Path) -> None:
    answer = told(tmp_path)
    assert answer["index"] is None
    assert answer["unknown"]["index"] == "LookupError: none is configured here"


def test_pips_own_default_is_the_last(tmp_path: Path, index: str) -> None:
    fake = tmp_path / "site" / "pip" / "_internal" / "models"
    fake.mkdir(parents=True)
    for package in (fake, fake.parent, fake.parent.parent):
        (package / "__init__.py").write_text("__version__ = '1'\n")
    (fake / "index.py").write_text(f"class PyPI:\n    simple_url = '{index}/simple'\n")
    done = subprocess.run(
        [sys.executable, "-c", probe.script()],
        capture_output=True,
        check=True,
        env={"HOME": str(tmp_path), "PYTHONPATH": str(tmp_path / "site")},
    )
    assert json.loads(done.stdout)["index"]["url"] == f"{index}/simple"
