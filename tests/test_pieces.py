"""``plan -o``, ``build`` and ``merge`` on the command line, where nothing is emulated."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbuild import planfile, process
from crossbuild.cli.main import main
from crossbuild.target import Target
from tests import wheels
from tests.miniindex import MiniIndex
from tests.test_planfile import made

TARGET = ("--target", "manylinux2014_aarch64", "--python", "3.11")
LIAR = "liar-1.0-cp311-cp311-manylinux_2_17_aarch64.whl"
Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory, a home and a cache of the test's own, and no configuration."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("PIP_", "UV_", "XDG_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    yield tmp_path
    process.reopen()


@pytest.fixture
def index(mini_index: MiniIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MiniIndex:
    """An index of a package, what it requires, and a wheel of that which is not sound."""
    shelf = tmp_path / "shelf"
    shelf.mkdir()
    mini_index.add(wheels.wheel(shelf, "top", "1.0", requires=["liar"]))
    mini_index.add(wheels.wheel(shelf, "liar", "0.9"))
    tag = "cp311-cp311-manylinux_2_17_aarch64"
    mini_index.add(wheels.wheel(shelf, "liar", "1.0", tag=tag, files={"liar.so": b"\x7fELF"}))
    monkeypatch.setenv("UV_DEFAULT_INDEX", mini_index.url)
    return mini_index


def contents(wheelhouse: Path) -> dict[str, bytes]:
    report = "crossbuild-report.json"
    return {path.name: path.read_bytes() for path in wheelhouse.iterdir() if path.name != report}


def test_a_plan_file_is_enough_for_a_clean_machine(
    index: MiniIndex, directory: Path, capsys: Capture
) -> None:
    assert main(["plan", "top", *TARGET, "--matrix", "-o", "plan.json"]) == 0
    out, err = capsys.readouterr()
    assert out == '{"include":[]}\n'
    assert f"{LIAR} is refused" in err
    given = planfile.read(Path("plan.json"))
    assert [step.pin.label for step in given.plan.steps] == ["liar 0.9", "top 1.0"]

    before = len(index.requests)
    words = ["merge", "plan.json", "--no-smoke", "-o", "merged", "--cache-dir", "clean"]
    assert main([*words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["requested"] == ["top"]
    assert {package["origin"] for package in document["packages"]} == {"fetched"}
    asked = [request.path for request in index.requests[before:]]
    assert len(asked) == 2
    assert all(path.startswith("/files/") for path in asked)

    assert main(["top", *TARGET, "--no-smoke", "-o", "whole", "--cache-dir", "another"]) == 0
    assert contents(directory / "merged") == contents(directory / "whole")
    assert main(words) == 0
    assert "reused" in capsys.readouterr().out


def test_a_wheel_that_lies_is_not_merged(
    index: MiniIndex, directory: Path, capsys: Capture
) -> None:
    assert main(["plan", "top", *TARGET, "--json"]) == 0
    unchecked = capsys.readouterr().out
    assert LIAR in unchecked
    (directory / "plan.json").write_text(unchecked, encoding="utf-8")
    assert main(["merge", "plan.json", "--no-smoke"]) == 10
    err = capsys.readouterr().err
    assert LIAR in err
    assert "Make the plan file again" in err
    assert not (directory / "wheelhouse").exists()


def test_a_password_is_in_no_plan_file(
    index: MiniIndex, directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    index.faults.credentials = ("me", "hunter2")
    private = index.url.replace("://", "://me:hunter2@")
    monkeypatch.setenv("UV_DEFAULT_INDEX", private)
    direct = index.file_url("liar-0.9-py3-none-any.whl").replace("://", "://me:hunter2@")
    words = ["top", f"liar @ {direct}", *TARGET]
    assert main(["plan", *words, "--matrix", "-o", "plan.json"]) == 0
    assert "hunter2" not in (directory / "plan.json").read_text(encoding="utf-8")

    monkeypatch.setenv("UV_DEFAULT_INDEX", index.url)
    merge = ["merge", "plan.json", "--no-smoke", "--cache-dir", "clean"]
    assert main(merge) == 4
    process.reopen()
    monkeypatch.setenv("UV_DEFAULT_INDEX", private)
    assert main(merge) == 0
    assert main(["run", *words, "--no-smoke", "-o", "whole"]) == 0
    for report in directory.glob("*/crossbuild-report.json"):
        assert "hunter2" not in report.read_text(encoding="utf-8")
    assert "hunter2" not in "".join(capsys.readouterr())


def test_files_of_this_machine_are_pinned_and_named(directory: Path, capsys: Capture) -> None:
    wheels.wheel(directory, "mine", "1.0")
    words = ["plan", "./mine-1.0-py3-none-any.whl", *TARGET, "-o", "plan.json"]
    assert main([*words, "--index-url", "http://127.0.0.1:9/simple"]) == 0
    out, err = capsys.readouterr()
    assert "in the same places can use the plan: mine-1.0-py3-none-any.whl" in err
    assert out.rstrip().endswith("Written to ./plan.json")
    document: dict[str, Any] = json.loads((directory / "plan.json").read_bytes())
    assert len(document["packages"][0]["file"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["plan", "six", *TARGET, "-o", "."], 2, ". is a directory"),
        (["build"], 2, "no plan file is named"),
        (["merge"], 2, "no plan file is named"),
        (["build", "absent.json"], 2, "the plan absent.json cannot be read: no such file"),
        (["build", "odd.json"], 2, "odd.json is no plan"),
        (["merge", "odd.json"], 2, "odd.json is no plan"),
        (["build", "plan.json", "other.json"], 2, "build takes one plan file"),
        (["build", "plan.json", "--step", "six"], 2, "the plan has no step 'six'"),
        (["build", "plan.json", *TARGET], 2, "--target is no option"),
        (["build", "plan.json", "-o", "full"], 2, "holds files that are no part of a build"),
        (["merge", "plan.json"], 2, "no part has netifaces 0.11.0, tool 2"),
        (["merge", "plan.json", "absent"], 2, "absent is not a directory"),
        (["merge", "plan.json", "."], 2, "no part has netifaces 0.11.0, tool 2 (.)"),
    ],
)
def test_bad_words_are_one_sentence_and_a_code(
    words: list[str], code: int, sentence: str, directory: Path, capsys: Capture
) -> None:
    planfile.write(directory / "plan.json", made())
    (directory / "odd.json").write_text('{"schema": "odd"}', encoding="utf-8")
    (directory / "full").mkdir()
    (directory / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    assert main([*words, "--cache-dir", str(directory / "cache")]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert not (directory / "wheelhouse").exists()
    assert not (directory / "part").exists()


def test_two_documents_do_not_share_standard_output(capsys: Capture) -> None:
    assert main(["plan", "six", *TARGET, "--matrix", "--json"]) == 2
    said = json.loads(capsys.readouterr().out)["error"]["message"]
    assert said == "--matrix and --json both want standard output"


def test_the_plan_says_its_steps_to_who_mistypes_one(directory: Path, capsys: Capture) -> None:
    planfile.write(directory / "plan.json", made())
    assert main(["build", "plan.json", "--step", "netiface"]) == 2
    assert "Its steps are netifaces-0.11.0." in capsys.readouterr().err
    assert made().target == Target.parse("manylinux2014_aarch64", "3.11")
