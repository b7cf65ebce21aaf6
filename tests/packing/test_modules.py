"""Modules of the standard library that a bundle brings: last on the path, never over others."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.tags import Tag

from crossbuild.cli.main import main
from crossbuild.engine.base import Engine
from crossbuild.errors import HostError, UsageError
from crossbuild.packing import cargo, modules
from crossbuild.packing.modules import Sources
from crossbuild.packing.order import Form, Order
from crossbuild.target import Reported, Target
from crossbuild.wheels import wheel
from tests import houses, pythons, wheels
from tests.miniindex import MiniIndex
from tests.packing import wheelhouses

HIDE = """
import sys
from importlib.machinery import PathFinder
class Hide:
    # A Python whose standard library has not these.
    @staticmethod
    def find_spec(name, path=None, target=None):
        if path is not None or name not in {names!r}.split():
            return None
        elsewhere = [item for item in sys.path if "site-packages" in item]
        spec = PathFinder.find_spec(name, elsewhere)
        if spec is None:
            raise ImportError("No module named " + name)
        return spec
sys.meta_path.insert(0, Hide)
for name in {names!r}.split():
    for there in [item for item in sys.modules if item.split(".")[0] == name]:
        del sys.modules[there]
"""


def host(version: str) -> Target:
    return Target.parse("linux_x86_64", version)


def bundle(
    tmp_path: Path, target: Target, asked: tuple[str, ...] | None, *, stored: bool = False
) -> tuple[Path, tuple[str, ...]]:
    wheelhouse = wheelhouses.wheelhouse(tmp_path, target=target)
    order = Order(
        wheelhouse=wheelhouse,
        form=Form.DIRECTORY,
        output=tmp_path / "out",
        modules=asked,
        stored=stored,
    )
    made = wheelhouses.packed(order)
    return made.output, made.notes


@pytest.mark.parametrize("version", pythons.each(oldest=7)[::2])
def test_what_was_missing_is_there_afterwards_and_nothing_else_changed(
    tmp_path: Path, version: str
) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    out, notes = bundle(tmp_path, host(version), ("json", "zipfile"), stored=True)
    assert notes[0].endswith("where they are missing: json and zipfile")
    (path,) = out.glob("crossbuild_stdlib-*.whl")
    assert Tag(f"cp{version.replace('.', '')}", "none", "any") in wheel.read(path).tags
    venv = tmp_path / "venv"
    done = houses.install(out, "--venv", venv, python=python)
    assert done.code == 0, done.error
    code = "import json, zipfile; print(json.dumps([json.__file__, zipfile.__file__]))"
    whole = [str(venv / "bin" / "python"), "-c", code]
    there = json.loads(subprocess.run(whole, capture_output=True, check=True).stdout)
    assert not [place for place in there if "crossbuild_stdlib" in place]
    poor = [*whole[:2], HIDE.format(names="json zipfile") + code]
    brought = json.loads(subprocess.run(poor, capture_output=True, check=True).stdout)
    assert [place for place in brought if "crossbuild_stdlib" in place] == brought
    (last,) = subprocess.run(
        [*whole[:2], "import sys; print(sys.path[-1])"], capture_output=True, check=True
    ).stdout.splitlines()
    assert last.endswith(b"crossbuild_stdlib")


def test_pip_installs_them_as_well(tmp_path: Path) -> None:
    version = f"3.{sys.version_info[1]}"
    out, _ = bundle(tmp_path, host(version), ("zipfile",))
    words = "-m pip install --no-index --find-links . --require-hashes -r requirements.txt"
    site = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, *words.split(), "--target", str(site)],
        cwd=out,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (site / "crossbuild_stdlib.pth").read_text() == "crossbuild_stdlib\n"
    assert list((site / "crossbuild_stdlib").glob("zipfile*"))
    assert "crossbuild-stdlib 3." in (out / "README.txt").read_text(encoding="utf-8")


def test_the_same_interpreter_gives_the_same_bytes(tmp_path: Path) -> None:
    target = host(f"3.{sys.version_info[1]}")
    hashes = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        out, _ = bundle(tmp_path / name, target, ("json",))
        hashes.append((out / "SHA256SUMS").read_bytes())
    assert hashes[0] == hashes[1]


def test_what_is_no_python_cannot_be_brought(tmp_path: Path) -> None:
    target = host(f"3.{sys.version_info[1]}")
    with pytest.raises(UsageError, match="math and nonsense cannot be brought"):
        bundle(tmp_path, target, ("json", "math", "nonsense"))


def probed(target: Target, *missing: str) -> Target:
    told = Reported(tags=target.tags, markers=tuple(target.markers.items()), missing=missing)
    return replace(target, name="probe.json", reported=told)


def test_what_a_probe_missed_comes_by_itself(tmp_path: Path) -> None:
    target = probed(host(f"3.{sys.version_info[1]}"), "json", "ssl", "venv", "zlib")
    out, notes = bundle(tmp_path, target, None)
    assert notes[0].endswith("where they are missing: json")
    assert notes[1].startswith("zlib cannot be brought")
    assert list(out.glob("crossbuild_stdlib-*.whl"))


def test_nothing_comes_where_nothing_is_missing_or_wanted(tmp_path: Path) -> None:
    target = host(f"3.{sys.version_info[1]}")
    for number, (machine, asked) in enumerate(
        ((target, None), (probed(target, "venv"), None), (probed(target, "json"), ()))
    ):
        (tmp_path / str(number)).mkdir()
        out, notes = bundle(tmp_path / str(number), machine, asked)
        assert (notes, list(out.glob("crossbuild_stdlib-*.whl"))) == ((), [])


def test_without_such_a_python_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "interpreter", lambda target, home: None)
    with pytest.raises(HostError, match=r"no CPython 3\.8 on this host or in an image has json"):
        bundle(tmp_path, host("3.8"), ("json",))
    (tmp_path / "again").mkdir()
    _, notes = bundle(tmp_path / "again", probed(host("3.8"), "json"), None)
    (note,) = notes
    assert note == (
        "The target lacks json, and no CPython 3.8 on this host or in an image has them to bring. "
        "Install one, for example with `uv python install 3.8`."
    )


def test_without_emulation_only_what_was_asked_for_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(modules, "interpreter", lambda target, home: None)

    def engine() -> AbstractContextManager[Engine]:
        raise HostError("nothing can be emulated here")

    target = probed(host("3.8"), "json")
    load = cargo.read(wheelhouses.wheelhouse(tmp_path, target=target))
    sources = Sources(home=tmp_path, engine=engine)
    same, (note,) = modules.completed(load, None, target, sources, tmp_path / "scratch")
    assert same is load
    assert "to bring: nothing can be emulated here. Install one" in note
    with pytest.raises(HostError, match="nothing can be emulated"):
        modules.completed(load, ("json",), target, sources, tmp_path / "scratch")


@pytest.mark.emulation
@pytest.mark.network
def test_an_image_has_them_where_the_host_has_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, engine: Engine
) -> None:
    monkeypatch.setattr(modules, "interpreter", lambda target, home: None)
    target = Target.parse("manylinux2014_aarch64", "3.11")
    load = cargo.read(wheelhouses.wheelhouse(tmp_path, target=target))
    sources = Sources(home=tmp_path, engine=lambda: contextlib.nullcontext(engine))
    made, notes = modules.completed(load, ("json",), target, sources, tmp_path)
    (item,) = (item for item in made.wheels if item.name.startswith("crossbuild_stdlib-3.11."))
    assert "crossbuild_stdlib/json/decoder.py" in wheel.read(item.path).members
    assert notes[0].endswith("where they are missing: json")
    musl = Target.parse("musllinux_1_2_aarch64", "3.11")
    assert modules.find_in_image(musl, ["json"], engine, tmp_path / "none") is None


def test_shims_of_what_is_not_there_are_no_interpreters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "python3.2"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    target = replace(host("3.8"), python=(3, 2))
    assert modules.interpreter(target, tmp_path) is None


def test_the_commands_options(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    mini_index: MiniIndex,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSBUILD_CACHE_DIR", str(tmp_path / "cache"))
    for number, least in (("25.0", ">=3.8"), ("99.0", ">=3.99")):
        wheel_of_pip = wheels.wheel(tmp_path, "pip", number, requires_python=least)
        mini_index.add(wheel_of_pip, requires_python=least)
    version = f"3.{sys.version_info[1]}"
    wheelhouses.wheelhouse(tmp_path, target=host(version))
    words = ["bundle", "wheelhouse", "--format", "dir", "-o", "out", "--with-pip"]
    words += ["--with-modules", "json", "--index-url", mini_index.url]
    assert main(words) == 0, capsys.readouterr().err
    assert "where they are missing: json" in capsys.readouterr().out
    assert (tmp_path / "out" / "pip-25.0-py3-none-any.whl").is_file()
    readme = (tmp_path / "out" / "README.txt").read_text(encoding="utf-8")
    assert "python3 install.py --bootstrap-pip" in readme
    assert "pip" not in (tmp_path / "out" / "requirements.txt").read_text()
    done = houses.install(tmp_path / "out", "--target", tmp_path / "site")
    assert done.code == 0
    assert "pip" not in done.said
    assert main(["bundle", "wheelhouse", "--with-modules", "no-name"]) == 2
    (tmp_path / "wheelhouse" / "crossbuild-report.json").write_text("{}")
    assert main(["bundle", "wheelhouse", "--with-modules", "json"]) == 2
    assert main(["bundle", "wheelhouse", "--with-pip"]) == 2
    assert "does not say for which Python it is" in capsys.readouterr().err
