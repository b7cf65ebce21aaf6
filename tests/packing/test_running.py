"""Bundles that run by themselves, on each Python of this host, bare ones too."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from crossbuild.disk import hash_of
from crossbuild.errors import UsageError
from crossbuild.packing import archives, cargo, running
from crossbuild.packing.cargo import Cargo, Item
from crossbuild.packing.order import FAT32_LIMIT, Form, Order
from tests import pythons
from tests.packing import wheelhouses

FORMS = pytest.mark.parametrize("form", [Form.PYZ, Form.TEXT], ids=["pyz", "py"])
BLOCKED = "zipfile zlib subprocess tempfile shutil json pip ssl ctypes"


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    return wheelhouses.wheelhouse(tmp_path)


def made(wheelhouse: Path, form: Form, *, stored: bool = False) -> Path:
    output = wheelhouse.parent / f"bundle.{form.value}"
    order = Order(wheelhouse=wheelhouse, form=form, output=output, stored=stored)
    return wheelhouses.packed(order).output


def run(
    bundle: Path, *words: str | Path, python: str = sys.executable, blocked: str = ""
) -> tuple[int, str]:
    """What a bundle does and says; ``blocked`` modules cannot be imported, nor in its children."""
    argv = [python, "-S", str(bundle), *map(str, words)]
    if blocked:
        prelude = f"import sys; sys.modules.update(dict.fromkeys({blocked!r}.split()))"
        start = f"import runpy; sys.argv = {[str(bundle), *map(str, words)]!r}"
        path = f"runpy.run_path({str(bundle)!r}, run_name='__main__')"
        argv = [python, "-S", "-c", f"{prelude}\n{start}\n{path}"]
    temporary = bundle.parent / "temporary"
    temporary.mkdir(exist_ok=True)
    done = subprocess.run(
        argv, capture_output=True, text=True, check=False, env={"TMPDIR": str(temporary)}
    )
    assert list(temporary.iterdir()) == []
    return done.returncode, done.stdout + done.stderr


def imported(python: str, site: Path) -> str:
    code = f"import sys; sys.path.insert(0, {str(site)!r}); import alpha, beta; "
    done = subprocess.run(
        [python, "-I", "-S", "-c", f"{code}print(alpha.VALUE, beta.VERSION)"],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout


@FORMS
@pytest.mark.parametrize("version", pythons.each())
def test_it_installs_itself(wheelhouse: Path, tmp_path: Path, version: str, form: Form) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    bundle = made(wheelhouse, form)
    code, text = run(bundle, "install", "--target", tmp_path / "site", python=python)
    assert code == 0, text
    assert imported(python, tmp_path / "site") == "1 2.0\n"


@FORMS
@pytest.mark.parametrize("version", pythons.each())
def test_stored_it_needs_neither_zlib_nor_zipfile(
    wheelhouse: Path, tmp_path: Path, version: str, form: Form
) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    bundle = made(wheelhouse, form, stored=True)
    words = ("install", "--target", tmp_path / "site")
    code, text = run(bundle, *words, python=python, blocked=BLOCKED)
    assert code == 0, text
    assert imported(python, tmp_path / "site") == "1 2.0\n"


@FORMS
def test_without_zlib_it_only_takes_longer(wheelhouse: Path, tmp_path: Path, form: Form) -> None:
    words = ("install", "--target", tmp_path / "site")
    code, text = run(made(wheelhouse, form), *words, blocked="zlib")
    assert code == 0, text
    assert imported(sys.executable, tmp_path / "site") == "1 2.0\n"


@FORMS
def test_it_tells_what_it_holds_and_gives_it(wheelhouse: Path, tmp_path: Path, form: Form) -> None:
    bundle = made(wheelhouse, form)
    code, text = run(bundle, "list")
    sizes = {line.split()[1]: int(line.split()[0]) for line in text.splitlines()}
    assert (code, sizes) == (0, {path.name: path.stat().st_size for path in wheelhouse.iterdir()})
    assert run(bundle, "verify") == (0, f"whole: {len(sizes) - 2} files\n")
    assert run(bundle, "unpack", tmp_path / "there")[0] == 0
    assert {path.name: hash_of(path) for path in (tmp_path / "there").iterdir()} == {
        path.name: hash_of(path) for path in wheelhouse.iterdir()
    }
    for words, expected in (([], 0), (["--help"], 0), (["burn"], 2), (["unpack"], 2)):
        code, text = run(bundle, *words)
        assert (code, text.splitlines()[0]) == (expected, f"usage: python3 {bundle.name} COMMAND")


@FORMS
def test_the_installers_own_options_and_codes_come_through(
    wheelhouse: Path, tmp_path: Path, form: Form
) -> None:
    bundle = made(wheelhouse, form)
    assert run(bundle, "install", "--dry-run", "--target", tmp_path / "site", "beta")[0] == 0
    assert run(bundle, "install", "--nonsense")[0] == 2
    assert run(bundle, "install", "--help")[1].startswith("usage: python3 install.py")


@FORMS
def test_it_is_the_same_each_time(wheelhouse: Path, form: Form) -> None:
    first = hash_of(made(wheelhouse, form))
    moved = wheelhouse.rename(wheelhouse.with_name("moved"))
    assert hash_of(made(moved, form)) == first


@FORMS
def test_damage_anywhere_in_a_wheel_is_found(wheelhouse: Path, tmp_path: Path, form: Form) -> None:
    bundle = made(wheelhouse, form)
    whole = bundle.read_bytes()
    wheel = (wheelhouse / "alpha-1.0-py3-none-any.whl").read_bytes()
    at = whole.find(wheel[1000:1040])
    if form is Form.TEXT:
        at = whole.find(base64.encodebytes(wheel).splitlines()[20])
    assert at > 0
    bundle.write_bytes(
        whole[:at] + (b"A" if whole[at : at + 1] != b"A" else b"B") + whole[at + 1 :]
    )
    for words in (["verify"], ["install", "--target", tmp_path / "site"]):
        code, text = run(bundle, *words)
        assert code == 5
        assert "alpha-1.0-py3-none-any.whl" in text
        assert "Carry it over again" in text or "Copy it again" in text
    assert not (tmp_path / "site").exists()
    assert run(bundle, "unpack", tmp_path / "there")[0] == 5
    assert [path.name for path in (tmp_path / "there").iterdir() if "alpha" in path.name] == []


def test_a_pyz_whose_end_is_damaged_says_so(wheelhouse: Path) -> None:
    bundle = made(wheelhouse, Form.PYZ)
    names = b"wheelhouse/pylock.toml", b"wheelhouse/pylock.tomx"
    whole = bundle.read_bytes()
    at = whole.rfind(names[0])
    bundle.write_bytes(whole[:at] + names[1] + whole[at + len(names[0]) :])
    code, text = run(bundle, "verify")
    assert (code, "Traceback" in text) == (5, False)
    bundle.write_bytes(whole.replace(b"wheelhouse/install.py", b"wheelhouse/pylock.tom"))
    assert run(bundle, "list")[0] == 0
    bundle.write_bytes(whole.replace(b"wheelhouse/pylock.toml", b"wheelhouse/SHA256SUMS."))
    assert run(bundle, "verify")[0] == 5
    bundle.write_bytes(whole.replace(b"wheelhouse/SHA256SUMS", b"wheelhouse/README.txt"))
    code, text = run(bundle, "verify")
    assert (code, "Traceback" in text, "two members are named" in text) == (5, False, True)


@pytest.mark.parametrize("words", [["verify"], ["install"], ["unpack", "there"]])
def test_interrupted_it_says_so_and_leaves_nothing(
    wheelhouse: Path, tmp_path: Path, words: list[str]
) -> None:
    bundle = made(wheelhouse, Form.PYZ)
    program = (
        "import runpy, sys, zlib\ndef stop(*_): raise KeyboardInterrupt\nzlib.crc32 = stop\n"
        f"sys.argv[1:] = {words!r}\nrunpy.run_path({str(bundle)!r}, run_name='__main__')"
    )
    (tmp_path / "t").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env={"TMPDIR": str(tmp_path / "t")},
    )
    assert (done.returncode, done.stderr) == (130, "interrupted\n")
    assert [path for path in tmp_path.rglob("t*/*") if path.is_file()] == []


def test_a_list_that_is_not_there_or_names_more(wheelhouse: Path, tmp_path: Path) -> None:
    bundle = made(wheelhouse, Form.TEXT)
    text = bundle.read_text()
    bundle.write_text(text.replace("begin('SHA256SUMS'", "begin('SHA512SUMS'"))
    code, said = run(bundle, "verify")
    assert code == 5
    assert said.startswith("error: there is no SHA256SUMS in this bundle. Carry it over again")
    bundle.write_text(text.replace("begin('pylock.toml'", "begin('../pylock.toml'"))
    assert "pylock.toml is missing" in run(bundle, "verify")[1]
    assert "../pylock.toml would be written elsewhere" in run(bundle, "unpack", tmp_path / "x")[1]
    bundle.write_text(text.replace("begin('requirements.txt', ", "begin('requirements.txt', 1"))
    assert "requirements.txt has " in run(bundle, "verify")[1]


@pytest.mark.parametrize("lost", [1, 2, 3, 40])
def test_a_text_that_lost_its_end_does_nothing_and_fails(wheelhouse: Path, lost: int) -> None:
    bundle = made(wheelhouse, Form.TEXT)
    lines = bundle.read_text().splitlines(keepends=True)
    bundle.write_text("".join(lines[:-lost]))
    code, text = run(bundle, "verify")
    assert (code, "whole" in text, "Error: " in text) == (1, False, True)


def test_the_text_is_ascii_of_short_lines(wheelhouse: Path) -> None:
    text = made(wheelhouse, Form.TEXT).read_bytes().decode("ascii")
    data = text[text.index("begin('") :]
    assert max(map(len, data.splitlines())) <= 76
    assert max(map(len, text.splitlines())) <= 99
    assert not re.search(r"[^\n -~]", text)


@pytest.mark.parametrize("ending", ["\r\n", "\n\n", " \n"])
def test_a_channel_may_change_the_ends_of_lines(wheelhouse: Path, ending: str) -> None:
    bundle = made(wheelhouse, Form.TEXT)
    head, start, data = bundle.read_text().partition("begin('")
    bundle.write_bytes((head + start + data.replace("\n", ending)).encode())
    assert run(bundle, "verify")[0] == 0


@pytest.mark.parametrize("version", pythons.each()[::3])
def test_it_runs_through_a_pipe_and_inside_another_program(
    wheelhouse: Path, tmp_path: Path, version: str
) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    bundle = made(wheelhouse, Form.TEXT)
    with bundle.open("rb") as stream:
        argv = [python, "-S", "-", "install", "--target", str(tmp_path / "piped")]
        done = subprocess.run(argv, stdin=stream, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert imported(python, tmp_path / "piped") == "1 2.0\n"
    words = ["install", "--target", str(tmp_path / "inside")]
    program = (
        f"space = {{'arguments': {words!r}, '__name__': '__main__'}}\n"
        f"exec(open({str(bundle)!r}).read(), space)\nprint(space['code'])"
    )
    done = subprocess.run([python, "-c", program], capture_output=True, check=True)
    assert done.stdout.splitlines()[-1] == b"0"
    assert imported(python, tmp_path / "inside") == "1 2.0\n"


def test_inside_another_program_it_takes_no_words_of_that(wheelhouse: Path) -> None:
    bundle = made(wheelhouse, Form.TEXT)
    program = f"import sys; sys.argv = ['x', 'burn']; exec(open({str(bundle)!r}).read())"
    done = subprocess.run(
        [sys.executable, "-c", f"{program}; print(code)"], capture_output=True, check=True
    )
    assert done.stdout.splitlines()[-1] == b"0"


def test_in_a_python_without_arguments_and_a_place_that_stays(
    wheelhouse: Path, tmp_path: Path
) -> None:
    bundle = made(wheelhouse, Form.TEXT)
    words = ["install", "--target", str(tmp_path / "site")]
    program = (
        f"import os, sys; del sys.argv\nspace = {{'arguments': {words!r}}}\n"
        "def refuse(path): raise PermissionError(13, 'Permission denied')\nos.rmdir = refuse\n"
        f"exec(open({str(bundle)!r}).read(), space)\nprint(space['code'])"
    )
    environment = {"TMPDIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] == b"0"
    assert b"is left over: permission denied" in done.stderr


def test_a_place_to_unpack_that_cannot_be_written(wheelhouse: Path, tmp_path: Path) -> None:
    bundle = made(wheelhouse, Form.PYZ)
    code, text = run(bundle, "unpack", bundle / "there")
    assert code == 7
    assert "cannot be written: not a directory" in text
    prelude = "import os\ndef refuse(*a, **k): raise PermissionError(13, 'Permission denied')"
    run_it = f"import runpy; runpy.run_path({str(bundle)!r}, run_name='__main__')"
    program = f"{prelude}\nos.mkdir = refuse\nimport sys; sys.argv[1:] = ['install']\n{run_it}"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert done.returncode == 7
    assert b"Set TMPDIR to a directory that can be written" in done.stderr


def test_a_pyz_that_no_old_python_runs_is_not_made(tmp_path: Path) -> None:
    item = Item(name="x.whl", path=tmp_path / "x.whl", size=FAT32_LIMIT, crc=0, sha256="")
    with pytest.raises(UsageError, match="above 4 GiB"):
        running.write_pyz(Cargo(items=(item,)), Nowhere())


class Nowhere:
    """A sink that takes everything."""

    def write(self, data: bytes, /) -> int:
        return len(data)


def test_an_archive_without_the_installer_says_so(wheelhouse: Path, tmp_path: Path) -> None:
    load = cargo.read(wheelhouse)
    items = tuple(item for item in load.items if item.name != "install.py")
    bundle = tmp_path / "bundle.pyz"
    with bundle.open("wb") as stream:
        sink: Any = stream
        running.write_pyz(Cargo(items=items), sink)
    code, text = run(bundle, "install")
    assert (code, "no install.py" in text) == (6, True)
    assert archives.TOP == "wheelhouse"
