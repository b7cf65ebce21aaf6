"""Build environments: laid out on the host, for an interpreter that is somewhere else."""

from __future__ import annotations

import marshal
import stat
import sys
from pathlib import Path

import pytest

from crossbuild.building import environment
from crossbuild.catalog import Interpreter
from crossbuild.engine.base import Tree
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target
from tests.wheels import wheel

INTERPRETER = Interpreter(tag="cp311-cp311", version=(3, 11), path="/usr/bin/python3.11")
TARGET = Target.parse("manylinux2014_aarch64", "3.11")
SITE = "lib/python3.11/site-packages"


def wheels(directory: Path) -> list[Path]:
    tool = wheel(
        directory,
        "tool",
        "1.0",
        files={
            "tool.py": "def main(): print('ran')\n",
            "tool-1.0.dist-info/entry_points.txt": "[console_scripts]\ntool = tool:main\n",
            "tool-1.0.data/scripts/old-style": "#!python\nprint('old')\n",
            "tool-1.0.data/scripts/shell": "#!/bin/sh\necho hi\n",
            "tool-1.0.data/scripts/program": b"\x7fELF\n#!python\n",
            "tool-1.0.data/data/share/tool/data.txt": "data",
        },
    )
    hook = wheel(
        directory, "hooked", "2.0", files={"hooked.py": "", "hooked.pth": "import hooked\n"}
    )
    return [tool, hook]


def made(store: Store, paths: list[Path], interpreter: Interpreter = INTERPRETER) -> Tree:
    return environment.make(paths, interpreter, TARGET, uv=Uv.find(), store=store)


def test_the_layout_is_a_virtual_environment(store: Store, tmp_path: Path) -> None:
    tree = made(store, wheels(tmp_path))
    assert str((tree.path / "bin/python").readlink()) == "/usr/bin/python3.11"
    assert str((tree.path / "bin/python3.11").readlink()) == "/usr/bin/python3.11"
    config = dict(
        line.split(" = ") for line in (tree.path / "pyvenv.cfg").read_text().splitlines()
    )
    assert config["home"] == "/usr/bin"
    assert config["include-system-site-packages"] == "false"
    assert (tree.path / SITE / "tool.py").is_file()
    assert (tree.path / SITE / "hooked.pth").is_file()
    assert (tree.path / "share/tool/data.txt").read_text() == "data"
    assert not (tree.path / SITE / "bin").exists()
    assert environment.names(tree) == {"tool", "hooked"}


def test_programs_name_the_targets_interpreter(store: Store, tmp_path: Path) -> None:
    programs = made(store, wheels(tmp_path)).path / "bin"
    ours = b"#!/opt/crossbuild/env/bin/python\n"
    for name in ("tool", "old-style"):
        content = (programs / name).read_bytes()
        assert content.startswith(ours)
        assert content.count(b"#!") == 1
        assert stat.S_IMODE((programs / name).stat().st_mode) & 0o111
    assert (programs / "shell").read_bytes().startswith(b"#!/bin/sh\necho")
    assert (programs / "program").read_bytes() == b"\x7fELF\n#!python\n"
    assert sys.executable.encode() not in b"".join(
        path.read_bytes() for path in programs.iterdir() if not path.is_symlink()
    )


def test_a_long_path_of_this_host_leaves_no_trace(store: Store, tmp_path: Path) -> None:
    """uv puts an interpreter whose path is too long for ``#!`` into a shell line."""
    deep = tmp_path / ("d" * 150) / "bin"
    deep.mkdir(parents=True)
    (deep / "python").symlink_to(Path(sys.executable).resolve())
    uv = Uv(binary=Uv.find().binary, python=deep / "python")
    tree = environment.make(wheels(tmp_path), INTERPRETER, TARGET, uv=uv, store=store)
    script = (tree.path / "bin/tool").read_text()
    assert script.splitlines()[0] == "#!/opt/crossbuild/env/bin/python"
    assert "dddd" not in script
    compile(script, "tool", "exec")


def content(directory: Path) -> dict[str, bytes | str]:
    return {
        str(path.relative_to(directory)): str(path.readlink())
        if path.is_symlink()
        else path.read_bytes()
        for path in directory.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_the_same_wheels_give_the_same_bytes(tmp_path: Path) -> None:
    paths = wheels(tmp_path)
    one = made(Store(tmp_path / "one"), paths)
    other = made(Store(tmp_path / "other"), paths[::-1])
    assert one.key == other.key
    assert content(one.path) == content(other.path)


def test_the_key_is_of_the_contents_and_the_interpreter(tmp_path: Path) -> None:
    paths = wheels(tmp_path)
    before = environment.key(paths, INTERPRETER)
    moved = Interpreter(tag="cp311-cp311", version=(3, 11), path="/usr/local/bin/python3.11")
    assert environment.key(paths[:1], INTERPRETER) != before
    assert environment.key(paths, moved) != before
    paths[0].write_bytes(paths[0].read_bytes() + b"\0")
    assert environment.key(paths, INTERPRETER) != before


@pytest.mark.skipif(sys.version_info[:2] != (3, 11), reason="byte code of this Python is another")
def test_byte_code_names_the_place_in_the_session(store: Store, tmp_path: Path) -> None:
    tree = made(store, wheels(tmp_path))
    compiled = tree.path / SITE / "__pycache__/tool.cpython-311.pyc"
    said = marshal.loads(compiled.read_bytes()[16:]).co_filename
    assert said == f"{environment.PREFIX}/{SITE}/tool.py"


def test_two_wheels_may_bring_the_same_data(store: Store, tmp_path: Path) -> None:
    paths = [
        wheel(tmp_path, name, "1.0", files={f"{name}-1.0.data/data/share/both.txt": "same"})
        for name in ("one", "two")
    ]
    assert (made(store, paths).path / "share/both.txt").read_text() == "same"


def test_no_wheels_are_an_environment_too(store: Store) -> None:
    tree = made(store, [])
    assert environment.names(tree) == frozenset()
    assert (tree.path / "pyvenv.cfg").is_file()
