"""The script that joins parts, on each Python of this host: whole, or it says what is not."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import replace
from importlib import resources
from pathlib import Path

import pytest

from crossbuild.disk import hash_of
from crossbuild.packing.bundling import Bundle
from crossbuild.packing.order import Form, Order
from tests import pythons
from tests.packing import wheelhouses


@pytest.fixture
def made(tmp_path: Path) -> Bundle:
    wheelhouse = wheelhouses.wheelhouse(tmp_path)
    whole = Order(wheelhouse=wheelhouse, form=Form.TAR, output=tmp_path / "whole")
    third = wheelhouses.packed(whole).size // 3 + 1
    made = wheelhouses.packed(replace(whole, output=tmp_path / "parts", split=third))
    assert len(made.parts) == 3
    return made


def join(script: Path, *words: str | Path, python: str = sys.executable) -> tuple[int, str]:
    done = subprocess.run(
        [python, str(script), *map(str, words)],
        capture_output=True,
        text=True,
        cwd=script.parent,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("version", pythons.each())
def test_it_joins(made: Bundle, version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    code, text = join(made.output / "join.py", python=python)
    assert (code, text) == (0, f"wheelhouse.tar: whole, 3 parts, {made.size} bytes\n")
    assert hash_of(made.output / "wheelhouse.tar") == made.sha256


def test_cat_and_sha256sum_do_as_well(made: Bundle) -> None:
    line = "cat wheelhouse.tar.[0-9]* > wheelhouse.tar && sha256sum -c *.sha256 SHA256SUMS"
    done = subprocess.run(
        ["sh", "-c", line], cwd=made.output, capture_output=True, text=True, check=True
    )
    assert "wheelhouse.tar: OK" in done.stdout
    assert "wheelhouse.tar.003: OK" in done.stdout


def test_parts_may_lie_on_several_sticks(made: Bundle, tmp_path: Path) -> None:
    sticks = [tmp_path / "one", tmp_path / "two"]
    for stick, names in zip(sticks, (made.parts[:2], made.parts[2:]), strict=True):
        stick.mkdir()
        for name in names:
            (made.output / name).rename(stick / name)
    code, text = join(made.output / "join.py")
    assert code == 1
    assert [line for line in text.splitlines() if line.startswith("missing")] == [
        f"missing: {name}" for name in made.parts
    ]
    code, text = join(made.output / "join.py", made.output, *sticks, "-o", tmp_path / "whole.tar")
    assert (code, (tmp_path / "whole.tar").stat().st_size) == (0, made.size)


@pytest.mark.parametrize("version", ["3.6", f"3.{sys.version_info[1]}"])
@pytest.mark.parametrize("number", [0, 1, 2])
def test_damage_in_each_part_is_found(made: Bundle, number: int, version: str) -> None:
    python = pythons.interpreter(version)
    if python is None:
        pytest.skip(f"no Python {version} on this host")
    part = made.output / made.parts[number]
    content = bytearray(part.read_bytes())
    content[len(content) // 2] ^= 1
    part.write_bytes(content)
    code, text = join(made.output / "join.py", python=python)
    assert code == 1
    assert text.splitlines() == [f"damaged: {part}", "Copy these again, and run this again."]
    assert not list(made.output.glob("wheelhouse.tar*join*"))
    assert not (made.output / "wheelhouse.tar").exists()


def test_all_that_is_wrong_is_said_at_once(made: Bundle) -> None:
    (made.output / made.parts[0]).unlink()
    (made.output / made.parts[1]).write_bytes(b"short")
    code, text = join(made.output / "join.py")
    assert code == 1
    assert text.splitlines()[:2] == [
        f"missing: {made.parts[0]}",
        f"damaged: {made.output / made.parts[1]}",
    ]


@pytest.mark.parametrize(
    ("spoil", "code", "sentence"),
    [
        ("SHA256SUMS", 2, "SHA256SUMS is missing"),
        ("wheelhouse.tar.sha256", 2, "no file that ends in .sha256"),
    ],
)
def test_missing_lists(made: Bundle, spoil: str, code: int, sentence: str) -> None:
    (made.output / spoil).unlink()
    answer = join(made.output / "join.py")
    assert answer[0] == code
    assert sentence in answer[1]


def test_a_list_that_lost_its_end_is_noticed(made: Bundle) -> None:
    sums = made.output / "SHA256SUMS"
    kept = [line for line in sums.read_text().splitlines() if not line.endswith("tar.003")]
    sums.write_text("\n".join(kept))
    code, text = join(made.output / "join.py")
    assert code == 1
    assert "damaged: wheelhouse.tar, though no part is" in text


def test_what_it_cannot_read_is_said(made: Bundle, tmp_path: Path) -> None:
    assert join(made.output / "join.py", "-x")[0] == 2
    assert join(made.output / "join.py", tmp_path / "absent")[1].endswith("is no directory\n")


def test_it_takes_no_memory_for_large_parts(tmp_path: Path) -> None:
    content = bytes(16 << 20)
    name, digest = "wheelhouse.tar", hashlib.sha256(content).hexdigest()
    lines = []
    for number in ("001", "002", "003", "004"):
        (tmp_path / f"{name}.{number}").write_bytes(content)
        lines.append(f"{digest}  {name}.{number}\n")
    (tmp_path / "SHA256SUMS").write_text("".join(lines))
    whole = hashlib.sha256(content * 4).hexdigest()
    (tmp_path / f"{name}.sha256").write_text(f"{whole}  {name}\n")
    program = (
        "import resource, sys\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        f"space = {{'__name__': 'join'}}\nexec({join_script()!r}, space)\nbefore = peak()\n"
        "code = space['main'](['.'])\nprint(code, peak() - before)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    code, kibibytes = done.stdout.splitlines()[-1].split()
    assert code == "0"
    assert int(kibibytes) < 8 << 10


def join_script() -> str:
    return resources.files("crossbuild.packing").joinpath("join_script.py").read_text()


def ran(program: str, made: Bundle) -> subprocess.CompletedProcess[str]:
    """Run some code where the parts are."""
    argv = [sys.executable, "-c", program]
    return subprocess.run(argv, cwd=made.output, capture_output=True, text=True, check=False)


def test_a_full_disk_leaves_nothing_half_done(made: Bundle) -> None:
    limited = (
        "import resource, runpy, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))\n"
        "sys.argv = ['join.py', '.']\n"
        "runpy.run_path('join.py', run_name='__main__')\n"
    )
    done = ran(limited, made)
    assert done.returncode == 1
    assert "stopped: " in done.stderr
    assert not (made.output / "wheelhouse.tar.joining").exists()
    assert not list(made.output.glob("*.joining"))


@pytest.mark.parametrize("version", pythons.each())
@pytest.mark.parametrize("name", ["my wheels", "轮子"])
def test_a_name_may_have_any_letters(tmp_path: Path, name: str, version: str) -> None:
    wheelhouse = wheelhouses.wheelhouse(tmp_path).rename(tmp_path / name)
    order = Order(wheelhouse=wheelhouse, form=Form.TAR, output=tmp_path / "parts", split=5000)
    script = wheelhouses.packed(order).output / "join.py"
    plain = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PYTHONCOERCECLOCALE": "0"}
    done = subprocess.run(
        [str(pythons.interpreter(version)), str(script)],
        capture_output=True,
        cwd=tmp_path,
        env={**plain, "PYTHONUTF8": "0"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    digest, _, _ = (script.parent / f"{name}.tar.sha256").read_text().partition(" ")
    assert hash_of(tmp_path / f"{name}.tar") == digest
    (tmp_path / f"{name}.tar").unlink()
    line = next(
        line
        for line in (script.parent / "README.txt").read_text().splitlines()
        if "sha256sum -c" in line
    )
    subprocess.run(["/bin/sh", "-c", line], cwd=script.parent, check=True)
    assert hash_of(script.parent / f"{name}.tar") == digest


@pytest.mark.parametrize("name", ["../elsewhere", "{0}/elsewhere", "other"])
def test_a_list_cannot_send_it_elsewhere(made: Bundle, tmp_path: Path, name: str) -> None:
    name = name.format(tmp_path)
    for path in (made.output / "wheelhouse.tar.sha256", made.output / "SHA256SUMS"):
        path.write_text(path.read_text().replace("wheelhouse.tar", name))
    for part in made.parts:
        (made.output / part).rename(tmp_path / part.replace("wheelhouse.tar", "elsewhere"))
    code, text = join(made.output / "join.py")
    assert (code, "Traceback" in text, "is damaged" in text) == (1, False, True)
    assert not (tmp_path / "elsewhere").exists()


def test_where_it_cannot_write_it_says_so(made: Bundle, tmp_path: Path) -> None:
    code, text = join(made.output / "join.py", "-o", tmp_path / "absent" / "file")
    assert (code, "Traceback" in text) == (1, False)
    assert "stopped: " in text
    assert "with -o" in text


def test_a_directory_to_put_it_in(made: Bundle, tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    assert join(made.output / "join.py", "-o", place)[0] == 0
    assert [path.name for path in place.iterdir()] == ["wheelhouse.tar"]


def test_interrupted_it_leaves_nothing(made: Bundle) -> None:
    code = (
        "import os, runpy, sys\nsys.argv = ['join.py']\n"
        "def stop(*_): raise KeyboardInterrupt\nos.fsync = stop\n"
        "runpy.run_path('join.py', run_name='__main__')\n"
    )
    done = ran(code, made)
    assert (done.returncode, "Traceback" in done.stderr) == (130, False)
    assert not list(made.output.glob("*.joining"))
