"""The hook runner, natively, with every Python from 3.6 on that this host has."""

from __future__ import annotations

import json
import sys
from functools import cache
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.building import hooks

BACKEND = """
import os, sys
state = []
class UnsupportedOperation(Exception): pass
def get_requires_for_build_wheel(settings):
    state.append("requires")
    print("asked for requirements")
    return ["Wheel >= 0.3", "numpy"]
def prepare_metadata_for_build_wheel(directory, settings):
    assert not state, "a hook saw what another left"
    os.mkdir(os.path.join(directory, "demo-1.0.dist-info"))
    with open(os.path.join(directory, "demo-1.0.dist-info", "METADATA"), "w") as file:
        file.write("Name: demo\\n")
    return "demo-1.0.dist-info"
def build_wheel(directory, settings, metadata):
    name = "demo-1.0-py3-none-any.whl"
    import zipfile
    with zipfile.ZipFile(os.path.join(directory, name), "w") as archive:
        archive.writestr("demo-1.0.dist-info/METADATA", "Name: built\\n")
        archive.writestr("path", repr([sys.path, os.getcwd(), oct(os.umask(0))]))
    return name
"""


@cache
def interpreters() -> tuple[str, ...]:
    """Every Python 3.6 or later that runs here; pyenv keeps its own where no PATH finds them."""
    onpath = [process.which(f"python3.{minor}") for minor in range(6, 15)]
    kept = sorted(Path.home().glob(".pyenv/versions/3.*/bin/python3"))
    others = [str(path) for path in (*onpath, *kept) if path]
    # A shim runs nothing while its version is not chosen.
    running = [
        path for path in others if process.run([path, "--version"], check=False).returncode == 0
    ]
    return (sys.executable, *running)


def ask(
    directory: Path, names: list[str], backend: str = BACKEND, *, python: str = sys.executable,
    known: tuple[str, ...] = ("wheel", "NumPy"), entry: str = "own", path: str = "own_backend",
) -> tuple[int, dict[str, object], str]:  # fmt: skip
    source = directory / "source"
    (source / "own_backend").mkdir(parents=True)
    (source / "own_backend" / "own.py").write_text(backend)
    request = {
        "source": str(source), "backend": entry, "backend_path": [path] if path else [],
        "output": str(directory / "out"), "known": known, "hooks": names,
        "settings": {},
    }  # fmt: skip
    (directory / "request.json").write_text(json.dumps(request))
    answer = directory / "answer.json"
    argv = [python, hooks.__file__, str(directory / "request.json"), str(answer)]
    done = process.run(argv, check=False)
    found = json.loads(answer.read_text()) if answer.exists() else {}
    return done.returncode, found, done.stdout + done.stderr


@pytest.mark.parametrize("python", interpreters())
def test_all_hooks_in_one_process(tmp_path: Path, python: str) -> None:
    code, found, output = ask(tmp_path, ["requires", "metadata", "wheel"], python=python)
    assert (code, found) == (
        0,
        {
            "requires": ["Wheel >= 0.3", "numpy"],
            "metadata": "Name: demo\n",
            "wheel": "demo-1.0-py3-none-any.whl",
        },
    ), output
    assert "asked for requirements" in output


def test_metadata_waits_for_missing_requirements(tmp_path: Path) -> None:
    code, found, _ = ask(tmp_path, ["requires", "metadata"], known=("wheel",))
    assert (code, found) == (0, {"requires": ["Wheel >= 0.3", "numpy"]})


def test_metadata_of_a_backend_without_the_hook_is_the_wheels(tmp_path: Path) -> None:
    backend = BACKEND.replace("def prepare_metadata_for_build_wheel", "def unused")
    _, found, output = ask(tmp_path, ["metadata"], backend)
    assert found == {"metadata": "Name: built\n"}, output


def test_the_sdist_is_not_on_the_path(tmp_path: Path) -> None:
    import zipfile

    ask(tmp_path, ["wheel"])
    with zipfile.ZipFile(tmp_path / "out" / "demo-1.0-py3-none-any.whl") as archive:
        path, cwd, umask = eval(archive.read("path"))
    assert cwd == str(tmp_path / "source")
    assert umask == "0o22"
    assert path[0] == f"{cwd}/own_backend"
    assert cwd not in path
    assert str(Path(hooks.__file__).parent) not in path


@pytest.mark.parametrize("python", interpreters())
def test_temporary_names_are_the_same_each_time(tmp_path: Path, python: str) -> None:
    backend = f"""{BACKEND}
def get_requires_for_build_wheel(settings):
    import tempfile
    with tempfile.TemporaryDirectory(dir=".") as one, tempfile.TemporaryDirectory(dir=".") as two:
        with tempfile.NamedTemporaryFile(dir=".") as three:
            return [os.path.basename(name) for name in (one, two, three.name)]
"""
    answers: list[object] = []
    for name in ("first", "second"):
        _, found, output = ask(tmp_path / name, ["requires"], backend, python=python)
        answers.append(found.get("requires", output))
    assert answers[0] == answers[1]
    assert isinstance(answers[0], list)
    assert len(set(answers[0])) == 3


FAILURES = {
    "exit": ("import sys; sys.exit('error: command gcc failed')", "hook", "SystemExit"),
    "exception": ("raise KeyError('x')", "hook", "KeyError"),
    "unsupported": ("raise UnsupportedOperation('not here')", "unsupported",
                    "UnsupportedOperation"),
    "import": ("import numpie", "hook", "ModuleNotFoundError"),
}  # fmt: skip


@pytest.mark.parametrize("case", FAILURES)
@pytest.mark.parametrize("names", [["wheel"], ["wheel", "metadata"]])
def test_failures_are_told(tmp_path: Path, case: str, names: list[str]) -> None:
    statement, kind, name = FAILURES[case]
    backend = f"{BACKEND}\ndef build_wheel(*args):\n    {statement}\n"
    code, found, output = ask(tmp_path, names, backend)
    error = found["error"]
    assert isinstance(error, dict)
    assert (code, error["kind"], error["type"]) == (1, kind, name)
    assert "Traceback" in output


def test_of_a_group_the_first_exception_is_told(tmp_path: Path) -> None:
    """scikit-build-core gives all that is wrong with a pyproject.toml at once (PEP 654)."""
    backend = f"""{BACKEND}
class Group(Exception):
    exceptions = (KeyError("license-files"), TypeError("other"))
class Outer(Exception):
    exceptions = (Group("in it"),)
def build_wheel(*args):
    raise Outer("Failed to parse (1 sub-exception)")
"""
    _, found, _ = ask(tmp_path, ["wheel"], backend)
    assert found["error"] == {"kind": "hook", "type": "KeyError", "message": "'license-files'"}


@pytest.mark.parametrize(
    ("entry", "path", "said"),
    [
        ("gone", "own_backend", "No module named 'gone'"),
        ("own:thing.more", "own_backend", "has no attribute 'thing'"),
        ("json", "own_backend", "json does not come from its backend-path"),
        ("own", "", "No module named 'own'"),
    ],
)
def test_backends_that_are_not_there(tmp_path: Path, entry: str, path: str, said: str) -> None:
    code, found, _ = ask(tmp_path, ["wheel"], entry=entry, path=path)
    error = found["error"]
    assert isinstance(error, dict)
    assert (code, error["kind"]) == (1, "backend")
    assert said in error["message"]


@pytest.mark.parametrize("names", [["requires"], ["requires", "metadata"]])
def test_a_hook_that_dies_of_a_signal_ends_the_runner_so(tmp_path: Path, names: list[str]) -> None:
    dying = "def get_requires_for_build_wheel(s):\n    os.kill(os.getpid(), 11)\n"
    code, found, _ = ask(tmp_path, names, f"{BACKEND}\n{dying}")
    assert (code, found) == (-11, {})


def test_a_hook_that_ends_the_interpreter(tmp_path: Path) -> None:
    quitting = "def get_requires_for_build_wheel(s):\n    os._exit(0)\n"
    code, found, _ = ask(tmp_path, ["requires", "metadata"], f"{BACKEND}\n{quitting}")
    assert code == 1
    assert found["error"] == {
        "kind": "hook", "type": "RuntimeError", "message": "it ended the interpreter",
    }  # fmt: skip


BACKEND_OF_C = """
import time
import setuptools.build_meta
from distutils import unixccompiler
running, most = [], []
def compile_one(self, obj, src, ext, cc_args, extra_postargs, pp_opts):
    running.append(src)
    most.append(len(running))
    time.sleep(0.3)
    running.remove(src)
    print("compiled", src)
    if src in {broken}:
        raise ValueError("broken " + src)
unixccompiler.UnixCCompiler._compile = compile_one
def build_wheel(directory, settings, metadata):
    from distutils import ccompiler
    compiler = ccompiler.new_compiler()
    own = lambda *call: compile_one(*call)
    {change}
    objects = compiler.compile(["a.c", "b.c", "c.c", "d.c"])
    print("objects", objects, "at once", max(most))
    return "demo.whl"
"""


def compiled(
    directory: Path, monkeypatch: pytest.MonkeyPatch, change: str = "pass", broken: str = "()"
) -> tuple[dict[str, object], str]:
    """What the runner makes of a backend that compiles four sources."""
    monkeypatch.setenv(hooks.JOBS, "2")
    backend = BACKEND_OF_C.format(change=change, broken=broken)
    _, found, output = ask(directory, ["wheel"], backend)
    return found, output


def test_sources_of_an_extension_are_compiled_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, output = compiled(tmp_path, monkeypatch)
    assert found == {"wheel": "demo.whl"}, output
    assert "objects ['a.o', 'b.o', 'c.o', 'd.o'] at once 2" in output


@pytest.mark.parametrize(
    "change",
    [
        "stock = compiler._compile; compiler._compile = lambda *call: stock(*call)",
        "stock = compiler.spawn; compiler.spawn = lambda command: stock(command)",
        "compiler.__class__ = type('Own', (type(compiler),), {'_compile': own})",
    ],
    ids=["compile", "spawn", "class"],
)
def test_a_compiler_that_the_package_changed_compiles_as_it_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    _, output = compiled(tmp_path, monkeypatch, change)
    assert "objects ['a.o', 'b.o', 'c.o', 'd.o'] at once 1" in output


def test_the_first_source_that_fails_is_the_one_that_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, output = compiled(tmp_path, monkeypatch, broken="('b.c', 'd.c')")
    error = {"kind": "hook", "type": "ValueError", "message": "broken b.c"}
    assert found == {"error": error}
    assert "compiled d.c" not in output, "nothing is begun after a failure"
