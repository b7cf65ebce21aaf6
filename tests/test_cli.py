"""The command line as a whole, in this process: exit codes, streams, errors, signals."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbuild import pipeline, process
from crossbuild.cli import commands, doctor
from crossbuild.cli.doctor import Check, State
from crossbuild.cli.grammar import COMMANDS
from crossbuild.cli.main import main
from crossbuild.cli.provision import Provision
from crossbuild.cli.screen import Answer
from crossbuild.disk import hash_of
from crossbuild.errors import (
    BuildError,
    HostError,
    IntegrityError,
    NetworkError,
    UnknownPackageError,
)
from crossbuild.model import RunResult
from crossbuild.pipeline import Request
from tests import answers, wheels
from tests.miniindex import MiniIndex

TARGET = ("--target", "manylinux2014_aarch64", "--python", "3.11")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory, a home and a cache of the test's own, and no configuration."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/no-docker.sock")
    monkeypatch.setenv("UV_DEFAULT_INDEX", "http://user:hunter2@127.0.0.1:9/simple")
    yield tmp_path
    process.reopen()


def answering(monkeypatch: pytest.MonkeyPatch, work: Callable[[], Answer]) -> None:
    """Put ``work`` in the place of ``run``."""
    monkeypatch.setitem(commands.COMMANDS, "run", lambda call: work())


def failing(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def work() -> Answer:
        raise error

    answering(monkeypatch, work)


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["six"], 2, "--target is missing: which machine are the wheels for?"),
        (["six", "--target", "windows"], 2, "windows"),
        (["six", "--target", "manylinux2014_arm64"], 2, "manylinux2014_arm64"),
        (["six", "--target", "manylinux2014_aarch64", "--python", "four"], 2, "'four'"),
        ([*TARGET], 2, "no package is named"),
        (["-r", "empty.txt", *TARGET], 2, "empty.txt names no package"),
        (["-r", "absent.txt", *TARGET], 2, "there is no file absent.txt"),
        (["-r", "bad.txt", *TARGET], 2, "bad.txt:2: --editable is not supported"),
        (["six=1", *TARGET], 2, "'six=1' is not a requirement"),
        ([".", *TARGET], 2, ". is a directory"),
        (["git+https://a:b@index.example/x", *TARGET], 2, "git+https://index.example/x is a"),
        (["six", *TARGET, "--find-links", "ftp://x"], 2, "ftp"),
        (["verify", *TARGET], 2, "no directory is named"),
        (["verify", "nowhere", *TARGET], 2, "nowhere is not a directory"),
        (["verify", ".", *TARGET], 2, ". holds no wheel"),
        (["verify", ".", *TARGET, "--image", "a", "--no-smoke"], 2, "--image asks for a proof"),
        (["verify", ".", *TARGET, "--image", "bulseye"], 2, "there is no image 'bulseye'"),
        (["six", *TARGET, "--image", "./no.tar"], 2, "there is no file"),
        (["six", "--target", "debain-11"], 2, "unknown target 'debain-11'"),
        (["six", "--target", "absent.json"], 2, "absent.json cannot be read"),
        (
            ["six", "--target", "musllinux_1_2_aarch64", "--allow-floor", "manylinux_2_28"],
            2,
            "musllinux_1_2_aarch64 promises none",
        ),
        (["six", *TARGET, "--allow-floor", "2.28"], 2, "write manylinux_2_28"),
        (["probe", "six"], 2, "six cannot be read: no such file"),
        (["probe", "--image", "a", "--image", "b"], 2, "one image at a time"),
        (["probe", "--image", "trixie-aarch64", "--python", "3.9"], 2, "has no CPython 3.9"),
        (["targets", "six"], 2, "targets takes no word, not 'six'"),
        (["cache", "burn"], 2, "cache knows show and prune"),
        (["cache", "--cache-dir", "empty.txt"], 7, "empty.txt"),
        (["--frobnicate"], 2, "--frobnicate is no option"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_bad_words_are_one_sentence_and_a_code(
    words: list[str], code: int, sentence: str, as_json: bool, directory: Path, capsys: Capture
) -> None:
    (directory / "empty.txt").write_text("# nothing\n")
    (directory / "bad.txt").write_text("six\n-e .\n")
    assert main([*words, "--json"] if as_json else words) == code
    out, err = capsys.readouterr()
    complaints = [line for line in err.splitlines() if "error:" in line]
    assert len(complaints) == 1
    assert sentence in complaints[0]
    assert "hunter2" not in out + err
    if not as_json:
        assert out == ""
        return
    document = json.loads(out)
    assert document["schema"] == "crossbuild-error/1"
    assert document["error"]["exit_code"] == code
    assert sentence in document["error"]["message"]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UnknownPackageError("x is in no index"), 3),
        (NetworkError("no route to http://user:hunter2@127.0.0.1:9"), 4),
        (IntegrityError("x is truncated"), 5),
        (HostError("bwrap is not installed"), 6),
        (BuildError("x failed", log=Path("/l.log"), tail=("gcc: no",)), 8),
        (OSError(28, "No space left on device", "/cache/x"), 7),
        (OSError(13, "Permission denied", "/cache/x"), 7),
        (process.CancelledError(), 130),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_code(
    error: BaseException, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    failing(monkeypatch, error)
    assert main(["six", *TARGET, "--json"]) == code
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["exit_code"] == code
    assert "Traceback" not in err


def test_the_end_of_a_build_log_is_shown(monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    failing(monkeypatch, BuildError("x failed", log=Path("/l.log"), tail=("gcc: no",)))
    main(["six", *TARGET])
    err = capsys.readouterr().err
    assert "    gcc: no\n" in err
    assert "/l.log" in err


def test_a_defect_leaves_its_traceback_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: Capture
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    failing(monkeypatch, LookupError("what is this"))
    assert main(["six", *TARGET]) == 70
    err = capsys.readouterr().err
    assert "a defect of crossbuild itself: LookupError: what is this" in err
    assert "Traceback" not in err
    (kept,) = tmp_path.glob("crossbuild-defect-*.txt")
    assert str(kept) in err
    assert "Traceback (most recent call last)" in kept.read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_end_a_run(
    number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    def work() -> Answer:
        os.kill(os.getpid(), number)
        raise AssertionError("the signal came to nothing")

    answering(monkeypatch, work)
    callers = signal.signal(number, signal.SIG_DFL)  # whoever runs the tests may ignore it
    try:
        assert main(["six", *TARGET]) == 130
        assert "the run was interrupted" in capsys.readouterr().err
        assert signal.getsignal(number) is signal.SIG_DFL
    finally:
        signal.signal(number, callers)
    with pytest.raises(process.CancelledError):
        process.check_cancelled()


def test_what_the_caller_ignores_stays_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    def work() -> Answer:
        os.kill(os.getpid(), signal.SIGHUP)
        return Answer(code=0, document={}, show=lambda page: None)

    answering(monkeypatch, work)
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        assert main(["six", *TARGET]) == 0
    finally:
        signal.signal(signal.SIGHUP, before)


def ending(result: RunResult) -> Callable[[Request, Any], RunResult]:
    return lambda asked, services: result


@pytest.mark.parametrize(
    ("result", "code"),
    [
        (answers.result(), 0),
        (answers.result(answers.UNPROVEN), 12),
        (answers.result(answers.BROKEN), 10),
        (answers.result(failures=(answers.FAILURE,)), 11),
        (answers.result(wheels=(), failures=(answers.FAILURE,), output=None), 8),
    ],
)
def test_results_have_their_codes(
    result: RunResult, code: int, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(pipeline, "run", ending(result))
    assert main(["six", *TARGET, "--json"]) == code
    out, _ = capsys.readouterr()
    assert json.loads(out)["schema"] == "crossbuild-report/1"
    assert main(["six", *TARGET, "-qq"]) == code
    assert capsys.readouterr() == ("", "")


def test_a_request_says_what_the_words_say(
    monkeypatch: pytest.MonkeyPatch, directory: Path, capsys: Capture
) -> None:
    seen: list[Request] = []

    def run(asked: Request, services: object) -> RunResult:
        seen.append(asked)
        return answers.result()

    monkeypatch.setattr(pipeline, "run", run)
    sdist = wheels.sdist(directory, "mine", "1.0")
    (directory / "limits.txt").write_text("six<2\n--no-binary other\n")
    words = [f"./{sdist.name}", "six>1", "-c", "limits.txt", "--no-smoke", "--import", "a.b"]
    words += ["--only-binary", "six", "--timeout", "1m", "--keep", "-o", "out", *TARGET]
    assert main(words) == 0
    (asked,) = seen
    assert [str(item) for item in asked.wanted.requirements] == [
        f"mine @ {sdist.as_uri()}",
        "six>1",
    ]
    assert [str(item) for item in asked.wanted.constraints] == ["six<2"]
    assert {str(name) for name in asked.wanted.formats.only_binary} == {"six"}
    assert {str(name) for name in asked.wanted.formats.no_binary} == {"other"}
    assert (asked.limits.wall, asked.limits.idle) == (60, 60)
    assert (asked.smoke, asked.imports, asked.keep) == (False, ("a.b",), True)
    assert asked.output == Path("out")
    assert "6 wheels" in capsys.readouterr().out


def test_fetch_against_an_index(mini_index: MiniIndex, directory: Path, capsys: Capture) -> None:
    mini_index.add(wheels.wheel(directory, "tiny", "1.0", requires=["helper"]))
    mini_index.add(wheels.wheel(directory, "helper", "2.0"))
    words = ["tiny", *TARGET, "--index-url", mini_index.url, "--cache-dir", "cache"]
    assert main(["plan", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [package["name"] for package in document["packages"]] == ["helper", "tiny"]
    assert main(["fetch", *words]) == 0
    out, err = capsys.readouterr()
    assert "2 wheels" in out
    assert "Fetched helper-2.0-py3-none-any.whl" in err
    assert main(["verify", "wheelhouse", "tiny", *TARGET, "--no-smoke"]) == 0
    assert "2 wheels, fit for manylinux2014_aarch64" in capsys.readouterr().out


def test_hashes_decide_which_file_is_used(
    mini_index: MiniIndex, directory: Path, capsys: Capture
) -> None:
    for tag in ("py3-none-any", "cp311-cp311-manylinux2014_aarch64"):
        mini_index.add(wheels.wheel(directory, "tiny", "1.0", tag=tag, requires=["helper"]))
    mini_index.add(wheels.wheel(directory, "helper", "2.0"))
    sha256 = hash_of(directory / "tiny-1.0-py3-none-any.whl")
    listed = directory / "r.txt"
    listed.write_text(f"tiny==1.0 --hash=sha256:{sha256}\n")
    words = ["plan", "-r", "r.txt", *TARGET, "--index-url", mini_index.url, "--json"]
    assert main(words) == 0
    document = json.loads(capsys.readouterr().out)
    (tiny,) = [package for package in document["packages"] if package["name"] == "tiny"]
    assert tiny["file"]["filename"] == "tiny-1.0-py3-none-any.whl"
    listed.write_text(f"--require-hashes\ntiny==1.0 --hash=sha256:{sha256}\n")
    assert main(words) == 3
    assert "helper" in capsys.readouterr().err
    listed.write_text(f"tiny==1.0 --hash=sha256:{'0' * 64}\n")
    assert main(words) == 3
    assert "none of the --hash given for it" in capsys.readouterr().err


def test_verify_names_what_is_wrong(directory: Path, capsys: Capture) -> None:
    house = directory / "house"
    house.mkdir()
    wheels.wheel(house, "liar", "1.0", tag="cp39-cp39-manylinux2014_aarch64")
    wheels.wheel(house, "lone", "1.0", requires=["absent"])
    assert main(["verify", "house", *TARGET, "--json"]) == 10
    document = json.loads(capsys.readouterr().out)
    faults = {item["file"]: item["faults"] for item in document["wheels"]}
    assert "needs CPython 3.9" in faults["liar-1.0-cp39-cp39-manylinux2014_aarch64.whl"][0]["text"]
    assert "absent" in document["faults"][0]["text"]
    assert document["smoke"]["state"] == "skipped"
    assert main(["verify", "house", *TARGET]) == 10
    assert "1 of 2 wheels does not fit" in capsys.readouterr().out


def test_the_cache_is_shown_and_pruned(directory: Path, capsys: Capture) -> None:
    assert main(["cache", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["directory"] == str(directory / "home" / ".cache" / "crossbuild")
    assert main(["cache", "prune", "--all"]) == 0
    assert capsys.readouterr().out.startswith("Removed 0 B.")


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_has_its_help(name: str, capsys: Capture) -> None:
    assert main([name, "-h"]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("Usage: crossbuild")
    assert err == ""
    for option in COMMANDS[name].options:
        assert option.names[-1] in out
        assert option.help in out


def test_no_words_show_the_help_as_a_mistake(capsys: Capture) -> None:
    assert main([]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("Usage: crossbuild")


def test_the_version(capsys: Capture) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("crossbuild ")
    assert main(["-V", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "crossbuild-version/1"


class Typed(io.StringIO):
    """A terminal at which somebody typed this."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """A host that lacks a package; the commands that are run are collected."""
    ran: list[tuple[str, ...]] = []
    plan = Provision(commands=(("install", "x"),), packages=("x",), left=())
    check = Check(name="bwrap", state=State.MISSING, found="not there", remedy="Install it.")

    def run(argv: tuple[str, ...], stdout: int) -> int:
        ran.append(argv)
        return 0

    monkeypatch.setattr(commands, "_provision", lambda *rest: plan)
    monkeypatch.setattr(doctor, "examine", lambda question: (check,))
    monkeypatch.setattr(process, "foreground", run)
    return ran


@pytest.mark.parametrize(
    ("source", "words", "code", "ran"),
    [
        (io.StringIO(), ["setup"], 2, False),
        (io.StringIO(), ["setup", "--yes"], 6, True),
        (io.StringIO(), ["setup", "--dry-run"], 0, False),
        (Typed("y\n"), ["setup"], 6, True),
        (Typed("\n"), ["setup"], 2, False),
        (Typed(""), ["setup"], 2, False),
    ],
)
def test_setup_asks_before_it_installs(
    source: io.StringIO,
    words: list[str],
    code: int,
    ran: bool,
    lacking: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capfd: Capture,
) -> None:
    monkeypatch.setattr("sys.stdin", source)
    assert main(words) == code
    assert lacking == ([("install", "x")] if ran else [])
    out, err = capfd.readouterr()
    assert ("Run these commands? [y/N]" in err) is source.isatty()
    assert out == "" or ran or "install x" in out


def test_a_command_of_setup_that_fails_is_named(
    lacking: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch, capfd: Capture
) -> None:
    monkeypatch.setattr(process, "foreground", lambda argv, stdout: 100)
    assert main(["setup", "--yes"]) == 6
    assert "error: install x ended with code 100" in capfd.readouterr().err


def test_setup_without_packages_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    check = Check(name="bwrap", state=State.OK, found="/usr/bin/bwrap")
    monkeypatch.setattr(doctor, "examine", lambda question: (check,))
    assert main(["setup", "--dry-run", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert (document["commands"], document["able"]) == ([], True)
    assert main(["setup", "--dry-run"]) == 0
    assert capsys.readouterr().out == "Every package is here.\n"


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("crossbuild -h | head -1", "Usage: crossbuild REQUIREMENT"),
        ("crossbuild plan -h >&-; echo code=$?", "code=0"),
        ("crossbuild six 2>&-; echo code=$?", "code=2"),
        ("crossbuild cache <&- 2>&- | grep -c cache; echo code=$?", "code=0"),
        ("LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 crossbuild -h | head -1", "REQUIREMENT..."),
        ("cd gone && rmdir ../gone && crossbuild cache 2>&1 >&-", "current directory is gone"),
    ],
)
def test_odd_surroundings(script: str, expected: str, directory: Path) -> None:
    (directory / "gone").mkdir()
    shell = f'crossbuild() {{ {sys.executable} -m crossbuild "$@"; }}; {script}'
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    done = process.run(["sh", "-c", shell], env=env, cwd=directory, check=False)
    assert expected in done.stdout
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr


def test_probe_prints_a_script_that_runs_by_itself(directory: Path, capsys: Capture) -> None:
    assert main(["probe"]) == 0
    script = directory / "probe.py"
    script.write_text(capsys.readouterr().out)
    done = subprocess.run([sys.executable, "-I", str(script)], capture_output=True, check=True)
    (directory / "probe.json").write_bytes(done.stdout)
    assert json.loads(done.stdout)["schema"] == "crossbuild-probe/1"
    assert main(["probe", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document == {"schema": "crossbuild-probe-script/1", "script": script.read_text()}


def test_targets_says_what_is_known_and_how_surely(capsys: Capture) -> None:
    assert main(["targets"]) == 0
    rows = {row.split()[0]: row for row in capsys.readouterr().out.splitlines() if row.strip()}
    assert rows["debian-11"].split()[1:3] == ["2.31", "3.9"]
    assert rows["debian-11"].endswith("bullseye-aarch64")
    assert rows["kylin-v10-sp1-desktop"].split()[1:3] == ["2.31", "3.8?"]
    assert "an image of yours (--image)" in rows["kylin-v10-sp1-desktop"]
    assert main(["targets", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    facts = {item["name"]: item["facts"] for item in document["targets"]}
    assert all(fact["sources"] for listed in facts.values() for fact in listed)


def test_what_is_not_certain_of_a_target_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setattr(pipeline, "run", lambda asked, services: answers.result())
    words = ["six", "--target", "kylin-v10-server"]
    main(words)
    assert "kylin-v10-server has CPython 3.7, it seems:" in capsys.readouterr().err
    main([*words, "--python", "3.7"])
    assert "it seems" not in capsys.readouterr().err


def test_an_interruption_while_modules_are_loaded_is_no_traceback() -> None:
    program = (
        "import sys\nclass Slow:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'crossbuild.cli.main': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Slow())\n"
        "import runpy; runpy.run_module('crossbuild', run_name='__main__')"
    )
    argv = [sys.executable, "-c", program]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")
