"""Environments that install.py makes, what it verifies, and data that it inflates by itself."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import zlib
from pathlib import Path

import pytest

from crossbuild.installer.inflation import inflate
from tests import houses, pythons, wheels


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A wheelhouse with a module and a program."""
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    files = {
        "app.py": "def main():\n    import sys; print(sys.prefix)\n",
        "app-1.0.data/headers/app.h": "int app;\n",
        "app-1.0.dist-info/entry_points.txt": "[console_scripts]\napp = app:main\n",
    }
    wheels.wheel(directory, "app", "1.0", files=files)
    return houses.house(directory)


@pytest.mark.parametrize("version", pythons.each())
def test_an_environment_is_a_real_one(tmp_path: Path, place: Path, version: str) -> None:
    env, python = tmp_path / "my env", pythons.interpreter(version)
    done = houses.install(place, "--venv", env, python=str(python), flags=("-I",))
    assert (done.code, done.error) == (0, "")
    assert subprocess.check_output([env / "bin/app"], text=True) == f"{env}\n"
    command = (
        f". '{env}/bin/activate' && app && python -c 'import app' && deactivate && echo $PATH"
    )
    argv = ["/bin/sh", "-c", command]
    said = subprocess.check_output(argv, text=True, env={"PATH": "/usr/bin:/bin"})
    assert said == f"{env}\n/usr/bin:/bin\n"
    assert (env / f"include/site/python{version}/app/app.h").is_file()
    before = houses.snapshot(env)
    again = houses.install(place, "--venv", env, python=str(python))
    assert again.said == "app 1.0 is there already\n"
    assert houses.snapshot(env) == before


@pytest.mark.parametrize("version", pythons.each())
def test_a_python_without_site_installs_into_its_own_environment(
    tmp_path: Path, place: Path, version: str
) -> None:
    env, python = tmp_path / "env", pythons.interpreter(version)
    subprocess.run([str(python), "-m", "venv", "--without-pip", env], check=True)
    done = houses.install(place, python=str(env / "bin/python"), flags=("-S", "-I"))
    assert (done.code, done.error) == (0, "")
    assert subprocess.check_output([env / "bin/app"], text=True) == f"{env}\n"
    assert (env / f"lib/python{version}/site-packages/app.py").is_file()


def test_an_environment_can_be_made_from_another(tmp_path: Path, place: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert houses.install(place, "--venv", first).code == 0
    done = houses.install(place, "--venv", second, python=str(first / "bin/python"))
    assert done.code == 0
    assert "first" not in os.path.realpath(second / "bin/python")
    assert subprocess.check_output([second / "bin/app"], text=True) == f"{second}\n"


def test_the_modules_venv_can_use_it(tmp_path: Path, place: Path) -> None:
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(env)], check=True)
    assert houses.install(place, "--venv", env).code == 0
    assert subprocess.check_output([env / "bin/app"], text=True) == f"{env}\n"


def test_what_an_environment_lost_is_made_anew(tmp_path: Path, place: Path) -> None:
    env = tmp_path / "env"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", env], check=True)
    (env / "bin" / "python3").unlink()
    done = houses.install(place, "--venv", env, "--no-compile")
    assert (done.code, done.error) == (0, "")
    assert subprocess.check_output([env / "bin" / "python3", "-c", "import app; print(app)"])


def test_a_directory_that_holds_something_else_is_left_alone(tmp_path: Path, place: Path) -> None:
    full, file, other = tmp_path / "full", tmp_path / "file", tmp_path / "other"
    for directory in (full, other):
        directory.mkdir()
    (full / "x").write_text("mine")
    file.write_text("mine")
    (other / "pyvenv.cfg").write_text("home = /usr/bin\n")
    for path, said in ((full, "is no venv"), (file, "is a file"), (other, "of another Python")):
        done = houses.install(place, "--venv", path)
        assert (done.code, said in done.error) == (7, True), done.error
    assert [path.name for path in full.iterdir()] == ["x"]


def test_a_failure_leaves_no_environment_behind(tmp_path: Path, place: Path) -> None:
    wheels.wheel(place, "broken", "1.0", files={"broken": "x", "broken/x": "y"})
    houses.house(place)
    assert houses.install(place, "--venv", tmp_path / "env").code == 5
    assert not (tmp_path / "env").exists()


def test_the_systems_own_python_is_left_to_its_package_manager(
    tmp_path: Path, place: Path
) -> None:
    (tmp_path / "stdlib").mkdir()
    (tmp_path / "stdlib/EXTERNALLY-MANAGED").write_text("[externally-managed]\n")
    prelude = f"""
import sys, sysconfig
sys.base_prefix = sys.prefix
plain = sysconfig.get_paths
def managed(*a, **k):
    return {{**plain(*a, **k), "stdlib": {str(tmp_path / "stdlib")!r}}}
sysconfig.get_paths = managed
"""
    done = houses.install(place, prelude=prelude)
    assert done.code == 2
    assert "belongs to the system's package manager" in done.error
    assert "--venv DIR, or insist with --break-system-packages" in done.error
    site = tmp_path / "site"
    assert houses.install(place, "--target", site, prelude=prelude).code == 0


def test_verify_finds_what_was_changed_and_what_does_not_import(tmp_path: Path) -> None:
    place = tmp_path / "wheelhouse"
    place.mkdir()
    wheels.wheel(place, "good", "1.0", files={"good/__init__.py": "", "good/x.txt": "1"})
    wheels.wheel(place, "bad", "1.0", files={"bad.py": "import not_there\n"})
    wheels.wheel(place, "exits", "1.0", files={"exits.py": "import sys\nsys.exit(0)\n"})
    houses.house(place)
    site = tmp_path / "site"
    verify = ("--target", site, "--verify")
    assert houses.install(place, "--target", site).code == 0
    done = houses.install(place, *verify)
    assert done.code == 1
    assert done.said.splitlines() == [
        "bad: import bad: ModuleNotFoundError: No module named 'not_there'",
        "exits: import exits: SystemExit: 0",
        "good 1.0: whole, modules imported: 1",
    ]
    (site / "good/x.txt").write_text("2")
    (site / "good/__init__.py").unlink()
    assert houses.install(place, *verify, "good", "other").said.splitlines() == [
        "good: good/__init__.py is gone",
        "good: good/x.txt has other bytes than RECORD says",
        f"other: is not installed in {site}",
    ]


ENDERS = {
    "crashes": "import os\nos.kill(os.getpid(), 11)\n",
    "quits": "import os\nos._exit(0)\n",
    "speaks": "print('words of a module')\nraise BaseException('two\\nlines')\n",
}


def ending(place: Path) -> Path:
    """A wheelhouse with modules that end the interpreter which imports them."""
    for name, text in ENDERS.items():
        wheels.wheel(place, name, "1.0", files={f"{name}.py": text})
    wheels.wheel(place, "whole", "1.0")
    return houses.house(place)


@pytest.mark.parametrize("version", pythons.each())
def test_a_module_that_ends_the_interpreter_ends_only_a_child(
    tmp_path: Path, version: str
) -> None:
    (tmp_path / "wheelhouse").mkdir()
    place = ending(tmp_path / "wheelhouse")
    python, site = str(pythons.interpreter(version)), tmp_path / "site"
    assert houses.install(place, "--target", site, python=python).code == 0
    done = houses.install(place, "--target", site, "--verify", python=python)
    assert (done.code, done.error) == (1, "")
    assert done.said.splitlines() == [
        "words of a module",
        "crashes: import crashes: it ends the interpreter by signal 11 (SIGSEGV)",
        "quits: import quits: it ends the interpreter with code 0",
        "speaks: import speaks: BaseException: two lines",
        "whole 1.0: whole, modules imported: 1",
    ]


@pytest.mark.parametrize(
    "prelude",
    [
        "import os\ndef fork():\n    raise PermissionError\nos.fork = fork",
        "import os\ndel os.fork",
        "import threading as t, time\nt.Thread(target=time.sleep, args=[60], daemon=True).start()",
    ],
    ids=["forbidden", "no fork", "other threads"],
)
def test_without_a_child_modules_are_imported_here(tmp_path: Path, prelude: str) -> None:
    (tmp_path / "wheelhouse").mkdir()
    place, site = ending(tmp_path / "wheelhouse"), tmp_path / "site"
    assert houses.install(place, "--target", site).code == 0
    arguments = ("--target", site, "--verify", "speaks", "whole")
    done = houses.install(place, *arguments, prelude=prelude)
    assert (done.code, done.error) == (1, "")
    assert done.said.splitlines() == [
        "words of a module",
        "speaks: import speaks: BaseException: two lines",
        "whole 1.0: whole, modules imported: 1",
    ]
    assert houses.install(place, "--target", site, "--verify", prelude=prelude).said == ""


def test_what_was_kept_elsewhere_is_verified_there(tmp_path: Path) -> None:
    place, site = tmp_path / "wheelhouse", tmp_path / "site"
    place.mkdir()
    wheels.wheel(place, "app", "1.0", requires=["lib"])
    wheels.wheel(place, "lib", "1.0")
    houses.house(place)
    assert houses.install(place, "--target", site, "lib").code == 0
    seen = {"PYTHONPATH": str(site)}
    prefix = ("--prefix", tmp_path / "prefix")
    done = houses.install(place, *prefix, environment=seen)
    assert "lib 1.0 is there already" in done.said
    done = houses.install(place, *prefix, "--verify", environment=seen)
    assert (done.code, done.said.splitlines()) == (
        0,
        ["app 1.0: whole, modules imported: 1", "lib 1.0: whole, modules imported: 1"],
    )


def test_a_damaged_record_is_a_fault_and_no_defect(tmp_path: Path, place: Path) -> None:
    target = ("--target", tmp_path / "site")
    assert houses.install(place, *target).code == 0
    info = tmp_path / "site" / "app-1.0.dist-info"
    (info / "RECORD").write_bytes(b'app.py,"sha256\n')
    done = houses.install(place, *target, "--verify")
    assert (done.code, "app: its RECORD is damaged" in done.said) == (1, True), done
    done = houses.install(place, *target, "--uninstall", "app")
    assert (done.code, "cannot be removed: its RECORD is damaged" in done.error) == (7, True)
    (info / "RECORD").write_bytes(b"app-1.0.dist-info,sha256=x,\n\xff.py,sha256=x,\n")
    done = houses.install(place, *target, "--verify")
    assert done.code == 1
    assert done.said.splitlines() == [
        "app: app-1.0.dist-info cannot be read: is a directory",
        "app: \\udcff.py is gone",
    ]


def test_what_is_verified_or_removed_is_named_as_it_was_installed(
    tmp_path: Path, place: Path
) -> None:
    target = ("--target", tmp_path / "site")
    assert houses.install(place, *target, "app==1.0").code == 0
    assert "app 1.0: whole" in houses.install(place, *target, "--verify", "app==1.0").said
    assert houses.install(place, *target, "--uninstall", "app==1.0").said == "Removed app 1.0\n"
    done = houses.install(place, *target, "--uninstall", "!!")
    assert (done.code, "'!!' is no requirement" in done.error) == (2, True)


def test_pip_has_nothing_to_do_where_all_is_there(tmp_path: Path, place: Path) -> None:
    env = tmp_path / "env"
    assert houses.install(place, "--venv", env).code == 0
    subprocess.run([sys.executable, "-m", "venv", str(env)], check=True)
    done = houses.install(place, "--with-pip", python=str(env / "bin/python"))
    assert (done.code, done.said) == (0, "app 1.0 is there already\n"), done


@pytest.mark.parametrize("names", [(), ("app",)])
@pytest.mark.parametrize("pinned", [True, False])
def test_pip_installs_the_very_wheels_that_were_checked(
    tmp_path: Path, names: tuple[str, ...], pinned: bool
) -> None:
    place = tmp_path / "wheelhouse"
    place.mkdir()
    wheels.wheel(place, "app", "1.0", requires=["lib"])
    wheels.wheel(place, "lib", "1.0")
    houses.house(place, pinned=pinned)
    done = houses.install(place, "--with-pip", "--target", tmp_path / "site", *names)
    assert (done.code, done.error) == (0, ""), done
    assert sorted(path.name for path in (tmp_path / "site").glob("*.py")) == ["app.py", "lib.py"]
    assert not list(tmp_path.glob("site/*/direct_url.json"))
    wheels.wheel(place, "lib", "2.0", files={"lib.py": "planted = True\n"})
    done = houses.install(place, "--with-pip", "--target", tmp_path / "other", *names)
    text = "".join(path.read_text() for path in tmp_path.glob("other/lib.py"))
    assert "planted" not in text, done
    assert (done.code, "not listed in SHA256SUMS" in done.error) == (
        (0, False) if pinned else (5, True)
    )


def test_what_zlib_deflates_is_inflated_without_it() -> None:
    chance = random.Random(1951)
    text = Path(inflate.__code__.co_filename).read_bytes()
    data = text * 3 + chance.randbytes(70_000) + b"a" * 100_000 + text[:999]
    for level, strategy in ((0, 0), (1, 0), (9, 0), (6, zlib.Z_FIXED), (6, zlib.Z_HUFFMAN_ONLY)):
        deflater = zlib.compressobj(level, zlib.DEFLATED, -15, 9, strategy)
        raw = deflater.compress(data) + deflater.flush()
        chunks = iter([raw[at : at + 777] for at in range(0, len(raw), 777)])
        pieces = list(inflate(chunks, 1 << 16))
        assert b"".join(pieces) == data
        assert max(map(len, pieces)) < 3 << 16
    with pytest.raises(ValueError, match="is cut off"):
        list(inflate(iter([raw[:-9]]), 1 << 16))
    with pytest.raises(ValueError, match="of no known kind"):
        list(inflate(iter([b"\x07"]), 1 << 16))
    with pytest.raises(ValueError, match="what was not there"):
        list(inflate(iter([b"\x03\x02"]), 1 << 16))
