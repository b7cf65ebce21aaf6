"""The one line of ``crossbuild probe --line``, pasted into a real prompt."""

from __future__ import annotations

import json
import os
import pty
import select
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from crossbuild.cli.main import main
from crossbuild.targets import probe
from tests import pythons


def pasted(python: str, line: str, home: Path) -> str:
    """What a terminal shows after a line was pasted at the prompt."""
    ours, theirs = pty.openpty()
    env = {"HOME": str(home), "TERM": "dumb", "PIP_NO_INDEX": "1", "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        [python, "-i", "-q", "-E"], stdin=theirs, stdout=theirs, stderr=theirs, env=env
    ) as running:
        os.close(theirs)
        shown = _until(ours, b">>> ")
        os.write(ours, line.encode("ascii") + b"\r")
        shown = _until(ours, b"}\r\n>>> ")
        os.write(ours, b"exit()\r")
        assert running.wait(20) == 0
    os.close(ours)
    return shown.decode()


def _until(descriptor: int, sign: bytes) -> bytes:
    shown, end = b"", time.monotonic() + 30
    while sign not in shown:
        ready, _, _ = select.select([descriptor], [], [], max(end - time.monotonic(), 0))
        assert ready, shown[-2000:]
        shown += os.read(descriptor, 1 << 16)
    return shown


@pytest.mark.parametrize("version", pythons.each()[::3])
def test_a_prompt_takes_it(version: str, tmp_path: Path) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    line = probe.line(["http://index.example/simple"])
    assert "\n" not in line
    shown = pasted(python, line, tmp_path)
    answer = json.loads(shown[shown.rindex('{\r\n  "schema"') :].rpartition(">>> ")[0])
    assert answer["markers"]["python_version"] == version
    assert answer["index"] is None


@pytest.mark.parametrize("version", pythons.each())
def test_it_tells_what_the_script_tells(version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    answers: list[dict[str, Any]] = []
    for program in (
        probe.script(),
        f"import sys; sys.argv = ['x', '-f', 'y.json']; {probe.line()}",
    ):
        done = subprocess.run(
            [python, "-c", program],
            capture_output=True,
            check=True,
            env={**os.environ, "PIP_NO_INDEX": "1"},
        )
        answers.append({**json.loads(done.stdout), "free": None})
    assert answers[0] == answers[1]


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:hunter2@index.example/simple")
    monkeypatch.setenv("PIP_NO_INDEX", "")
    assert main(["probe", "--line"]) == 0
    line = capsys.readouterr().out
    assert line == probe.line(["http://index.example/simple"]) + "\n"
    assert "hunter2" not in line
    assert main(["probe", "a.json", "--line"]) == 2
    assert main(["probe", "a.json"]) == 2
    done = subprocess.run(
        [sys.executable, "-c", line],
        capture_output=True,
        check=True,
        env={**os.environ, "PIP_NO_INDEX": "1"},
    )
    document = json.loads(done.stdout)
    (tmp_path / "a.json").write_text(json.dumps(document))
    capsys.readouterr()
    assert main(["probe", "a.json"]) == 0
    text = capsys.readouterr().out
    assert "programs   may be started" in text
    assert "  crossbuild PACKAGE --target a.json\n  crossbuild bundle wheelhouse\n" in text
    document["modules"]["zlib"] = False
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert main(["probe", "a.json"]) == 0
    assert "  crossbuild bundle wheelhouse --stored\n" in capsys.readouterr().out
    document["index"] = {"url": "http://index.example/simple", "reachable": True}
    (tmp_path / "a.json").write_text(json.dumps(document))
    assert main(["probe", "a.json"]) == 0
    text = capsys.readouterr().out
    assert "The target reaches http://index.example/simple: it needs no wheelhouse." in text
    assert "crossbuild bundle" not in text
    assert probe.read(tmp_path / "a.json").reported is not None
