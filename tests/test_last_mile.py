"""The user's twelve caveats and four ways to get pip (document 002), each on a Python made so.

A row makes a wheelhouse, breaks a real interpreter, runs install.py in it and says how that has
to end. Caveat 10, the limit on messages, is the channel's: ``tests/carry``.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crossbuild.carry import delivery, push, schemes
from crossbuild.carry.delivery import Order, Place, PlaceKind
from crossbuild.carry.line import Line
from crossbuild.report import Silent
from tests import channels, houses, pythons, wheels
from tests.channels import Fault
from tests.houses import Done

CURRENT = f"3.{sys.version_info[1]}"
VERSIONS = [param for param in pythons.each() if param.id in {"3.6", CURRENT, "3.13"}]
BARE = ("-S", "-I")
BLOCK = "import sys\nfor name in {!r}.split(): sys.modules[name] = None\n"
NO_PIP = BLOCK.format("pip ensurepip setuptools venv")
NO_PROCESSES = (
    BLOCK.format("subprocess _posixsubprocess multiprocessing pty")
    + """
import os
def refused(*arguments, **options):
    raise PermissionError(1, "Operation not permitted")
for name in dir(os):
    if name.startswith(("exec", "spawn", "posix_spawn", "fork", "system", "popen")):
        setattr(os, name, refused)
"""
)
MISSING = BLOCK.format(
    "zipfile zlib gzip bz2 lzma tarfile json ssl _ssl urllib urllib.request http socket ctypes "
    "_ctypes sqlite3 email csv _csv configparser argparse logging tempfile shutil subprocess "
    "_hashlib pathlib importlib.metadata runpy typing dataclasses decimal "
    "distutils pkgutil inspect string textwrap glob fnmatch random uuid datetime"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One caveat: what to make, what to break, how it has to end."""

    make: Callable[[Path], object]
    prelude: str = ""
    flags: tuple[str, ...] = BARE
    arguments: tuple[str, ...] = ()
    code: int = 0
    said: str = ""


def plain(directory: Path) -> None:
    files = {
        "app/__init__.py": "def main():\n    print('app runs')\n",
        "app/data.txt": "data",
        "app-1.0.data/scripts/helper": "#!python\nprint('helper runs')\n",
        "app-1.0.data/data/share/app/logo.txt": "logo",
        "app-1.0.dist-info/entry_points.txt": "[console_scripts]\napp = app:main\n",
    }
    wheels.wheel(directory, "app", "1.0", files=files, requires=["lib"])
    wheels.wheel(directory, "lib", "1.0", files={"lib.py": "x = 1\n" * 5000})


def one(**options: Any) -> Callable[[Path], object]:
    """A maker of a wheelhouse with one wheel."""
    return lambda directory: wheels.wheel(directory, "app", "1.0", **options)


def stored(directory: Path) -> None:
    """The same, but nothing in its wheels is compressed."""
    plain(directory)
    for path in directory.glob("*.whl"):
        with zipfile.ZipFile(path) as archive:
            members = [(item, archive.read(item)) for item in archive.infolist()]
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for item, content in members:
                item.compress_type = zipfile.ZIP_STORED
                archive.writestr(item, content)


def source_only(directory: Path) -> None:
    wheels.sdist(directory, "app", "1.0")
    (directory / "requirements.txt").write_text("app==1.0\n")


MACHINE = platform.machine()
ROWS = {
    "0 no pip": Row(make=plain, prelude=NO_PIP, said="Installed app 1.0"),
    "1 another system": Row(
        make=one(tag="cp311-cp311-win_amd64"), code=10, said="is not for this machine (Python "
    ),
    "1 another processor": Row(
        make=one(tag="py3-none-manylinux2014_sparc"), code=10, said=f", {MACHINE}, glibc "
    ),
    "2 another Python": Row(
        make=one(tag=f"cp35-cp35m-manylinux2014_{MACHINE}"), code=10, said="not for this machine"
    ),
    "2 an older Python": Row(make=one(requires_python=">=3.99"), code=10, said="needs Python >="),
    "3 a dependency that only the target has": Row(
        make=one(requires=["nothere; sys_platform == 'linux'"]),
        code=3,
        said="app 1.0 needs nothere; sys_platform == 'linux', which the wheelhouse has not",
    ),
    "3 a dependency that only others have": Row(
        make=one(requires=["pywin32; sys_platform == 'win32'"]), said="Installed app 1.0"
    ),
    "4 a source and no wheel": Row(
        make=source_only, code=3, said="app==1.0 is asked for, which the wheelhouse has not"
    ),
    "8 a newer C library": Row(
        make=one(tag=f"py3-none-manylinux_2_99_{MACHINE}"), code=10, said="glibc "
    ),
    "8 another C library": Row(
        make=one(tag=f"py3-none-musllinux_1_2_{MACHINE}"), code=10, said="is not for this machine"
    ),
    "11 no processes": Row(make=plain, prelude=NO_PROCESSES, said="Installed app 1.0"),
    "12 modules are missing": Row(make=plain, prelude=MISSING, said="Installed app 1.0"),
    "12 modules are missing, stored": Row(make=stored, prelude=MISSING, said="Installed app 1.0"),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory for wheels."""
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    return directory


def run(place: Path, version: str, *arguments: object, row: Row) -> Done:
    python = pythons.interpreter(version)
    assert python is not None
    flags, prelude = row.flags, row.prelude
    return houses.install(place, *arguments, python=python, flags=flags, prelude=prelude)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", ROWS)
def test_a_caveat(tmp_path: Path, place: Path, version: str, name: str) -> None:
    row = ROWS[name]
    row.make(place)
    houses.house(place, pinned=not (place / "requirements.txt").exists())
    site = tmp_path / "site"
    done = run(place, version, "--target", site, *row.arguments, row=row)
    assert (done.code, row.said in done.said + done.error) == (row.code, True), done
    assert done.error.count("\n") == (1 if row.code else 0)
    if row.code:
        assert not site.exists()
    elif row.make in (plain, stored):
        check_whole(site)


def check_whole(site: Path) -> None:
    """Programs, data and requirements are there and work: nothing of what the user warns of."""
    for name in ("app", "helper"):
        path = site / "bin" / name
        ran = subprocess.run(
            [path], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
        )
        assert (ran.returncode, ran.stdout) == (0, f"{name} runs\n"), ran.stderr
    assert (site / "share" / "app" / "logo.txt").read_text() == "logo"
    assert (site / "app" / "data.txt").read_text() == "data"
    assert (site / "lib.py").read_text() == "x = 1\n" * 5000


def test_caveat_5_a_large_wheel_takes_no_memory(tmp_path: Path, place: Path) -> None:
    big = b"0123456789abcdef" * (1 << 24)  # 256 MiB
    wheels.wheel(place, "app", "1.0", files={"app/big.bin": big})
    houses.house(place)
    prelude = """
import atexit, resource, sys
start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
def tell():
    sys.stderr.write(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - start))
atexit.register(tell)
"""
    done = houses.install(place, "--target", tmp_path / "site", flags=BARE, prelude=prelude)
    assert done.code == 0
    assert (tmp_path / "site" / "app" / "big.bin").stat().st_size == len(big)
    assert int(done.error) < 48 << 10  # KiB


def sealed(tmp_path: Path) -> list[str]:
    """A sandbox in which only the test's own directory can be written, by root too."""
    return [
        *("bwrap", "--ro-bind", "/", "/", "--dev", "/dev", "--proc", "/proc"),
        *("--bind", str(tmp_path), str(tmp_path)),
    ]


@pytest.mark.emulation
@pytest.mark.parametrize("version", VERSIONS)
def test_caveat_6_a_directory_that_cannot_be_written(
    tmp_path: Path, place: Path, version: str
) -> None:
    plain(place)
    houses.house(place)
    python = pythons.interpreter(version)
    home = {"HOME": str(tmp_path / "home"), "PATH": "/usr/bin:/bin"}
    base = subprocess.run(
        [str(python), "-c", "import sys; print(sys.base_prefix)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    argv = [*sealed(tmp_path), f"{base}/bin/python{version}"]
    script = [str(place / "install.py"), "--break-system-packages"]
    done = subprocess.run([*argv, *script], env=home, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "cannot be written: installing for this user alone (--user)" in done.stdout
    assert (tmp_path / "home/.local/bin/app").is_file()
    assert (tmp_path / f"home/.local/lib/python{version}/site-packages/app").is_dir()
    closed = subprocess.run(
        [*argv, "-I", *script], env=home, capture_output=True, text=True, check=False
    )
    assert closed.returncode == 7
    assert closed.stderr.count("\n") == 1
    assert "cannot be written by this user. Choose another place: --user" in closed.stderr


@pytest.mark.parametrize("version", VERSIONS)
def test_caveat_7_another_version_is_there(tmp_path: Path, place: Path, version: str) -> None:
    old = tmp_path / "old"
    old.mkdir()
    row = Row(make=plain)
    wheels.wheel(old, "lib", "0.5", files={"lib/__init__.py": "old = 1\n"})
    wheels.wheel(old, "user", "1.0", requires=["lib<1"])
    houses.house(old)
    plain(place)
    houses.house(place)
    root = tmp_path / "root"
    assert run(old, version, "--root", root, row=row).code == 0
    done = run(place, version, "--root", root, row=row)
    assert "warning: user 1.0 needs lib<1, and lib will be 1.0\n" in done.said
    assert "Installed lib 1.0 (replaces 0.5)" in done.said
    assert [path.name for path in root.rglob("lib*") if path.is_dir()] == [
        "lib",
        "lib-1.0.dist-info",
    ]


def test_caveat_7_what_distutils_installed_is_not_touched(tmp_path: Path, place: Path) -> None:
    plain(place)
    houses.house(place)
    root = tmp_path / "root"
    assert houses.install(place, "--root", root, "lib").code == 0
    (info,) = root.rglob("lib-1.0.dist-info")
    for path in info.iterdir():
        path.unlink()
    info.rmdir()
    info.with_name("lib-0.1-py3.egg-info").write_text("Name: lib\nVersion: 0.1\n")
    before = houses.snapshot(root)
    done = houses.install(place, "--root", root)
    assert (done.code, done.error.count("\n")) == (7, 1)
    assert "lib 0.1 in " in done.error
    assert "cannot be removed: distutils installed it" in done.error
    assert houses.snapshot(root) == before


def test_caveat_9_bytes_that_were_changed_on_the_way(tmp_path: Path, place: Path) -> None:
    plain(place)
    houses.house(place)
    wheel = next(place.glob("lib-*"))
    data = bytearray(wheel.read_bytes())
    data[len(data) // 2] ^= 4
    wheel.write_bytes(data)
    done = houses.install(place, "--target", tmp_path / "site", flags=BARE)
    assert (done.code, done.error.count("\n")) == (5, 1)
    assert f"{wheel.name} has not the hash that it should have. Copy it again" in done.error
    assert not (tmp_path / "site").exists()


LIMIT = 1 << 16
CHANNELS: dict[str, tuple[Fault, int]] = {
    "9 lines are broken on the way there": (channels.mail, 1),
    "9 lines are broken on the way back": (channels.wrapped, 1),
    "9 noise between the lines": (channels.noise, 1),
    "9 every third message has a flipped bit": (channels.bit_out, 3),
    "9 every third answer has a flipped bit": (channels.bit_back, 3),
    "10 no message is larger than 64 KiB": (channels.limited(LIMIT), 1),
    "10 every tenth message is cut off": (channels.cut_after, 10),
    "10 every tenth message is lost": (channels.lost, 10),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", CHANNELS)
def test_caveats_9_and_10_what_a_channel_does_on_the_way(
    tmp_path: Path, place: Path, version: str, name: str
) -> None:
    plain(place)
    (place / "padding.bin").write_bytes(bytes(range(256)) * 1024)
    houses.house(place)
    poor = tmp_path / "poor.py"
    poor.write_text(f"{NO_PROCESSES}{MISSING}exec(sys.stdin.read())\n")
    via = f"exec:{pythons.interpreter(version)} {' '.join(BARE)} {poor}"
    fault, each = CHANNELS[name]
    number = itertools.count()
    line = Line(
        lambda: channels.Faulty(schemes.opened(via, os.environ), fault, each, number),
        limit=LIMIT,
        pause=0.0,
    )
    where = Place(kind=PlaceKind.TARGET, path=str(tmp_path / "site"))
    there = str(tmp_path / "there")
    order = Order(arguments=(), place=where, home=tmp_path, remote_dir=there, verify=False)
    with contextlib.closing(line):
        done = delivery.deliver(push.load(place), order, line, Silent())
    assert done.exit_code == 0, done.installed
    assert (done.pushed.resent > 0) == (each > 1)
    check_whole(tmp_path / "site")


@pytest.mark.parametrize("version", VERSIONS)
def test_way_1_ensurepip_without_a_process(tmp_path: Path, place: Path, version: str) -> None:
    plain(place)
    houses.house(place)
    row = Row(make=plain, prelude=NO_PROCESSES, flags=("-I",))
    done = run(
        place, version, "--venv", tmp_path / "env", "--bootstrap-pip", "--no-compile", row=row
    )
    assert (done.code, done.error) == (0, "")
    check_pip(tmp_path / "env")
    again = run(
        place, version, "--venv", tmp_path / "env", "--bootstrap-pip", "--no-compile", row=row
    )
    assert "pip " in again.said
    assert again.said.count("is there already\n") == 3


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("pinned", [False, True], ids=["2 carried beside", "3 as a requirement"])
def test_ways_2_and_3_a_wheel_of_pip(
    tmp_path: Path, place: Path, version: str, pinned: bool
) -> None:
    plain(place)
    if not pinned:
        houses.house(place)
    pip_wheel(place, version)
    houses.house(place, pinned=pinned)
    row = Row(make=plain, prelude=BLOCK.format("ensurepip pip sysconfig"))
    words = ["--no-compile"] if pinned else ["--no-compile", "--bootstrap-pip"]
    done = run(place, version, "--venv", tmp_path / "env", *words, row=row)
    assert (done.code, done.error) == (0, ""), done.said
    check_pip(tmp_path / "env")


def test_no_pip_anywhere_is_told(tmp_path: Path, place: Path) -> None:
    plain(place)
    houses.house(place)
    row = Row(make=plain, prelude=BLOCK.format("ensurepip pip sysconfig"))
    done = run(
        place, CURRENT, "--venv", tmp_path / "env", "--bootstrap-pip", "--no-compile", row=row
    )
    assert (done.code, done.error.count("\n")) == (6, 1)
    assert "there is no pip to install: no ensurepip, and no wheel of it" in done.error
    done = run(place, CURRENT, "--target", tmp_path / "site", "--with-pip", row=row)
    assert (done.code, done.error.count("\n")) == (6, 1)
    assert "--with-pip out, or put pip there first with --bootstrap-pip" in done.error
    assert not (tmp_path / "env").exists()
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("version", VERSIONS)
def test_way_4_pure_python_and_then_pip_itself(tmp_path: Path, place: Path, version: str) -> None:
    plain(place)
    houses.house(place)
    env = tmp_path / "env"
    row = Row(make=plain, prelude=NO_PROCESSES + MISSING, flags=BARE)
    assert run(place, version, "--venv", env, row=row).code == 0
    assert run(
        place, version, "--venv", env, "--verify", row=Row(make=plain)
    ).said.splitlines() == [
        "app 1.0: whole, modules imported: 1",
        "lib 1.0: whole, modules imported: 1",
    ]
    (env / "bin" / "python").resolve(strict=True)
    assert subprocess.check_output([env / "bin" / "app"], text=True) == "app runs\n"
    row = Row(make=plain, flags=("-I",))
    assert run(place, version, "--venv", env, "--bootstrap-pip", "--no-compile", row=row).code == 0
    done = houses.install(place, "--with-pip", "--force-reinstall", python=str(env / "bin/python"))
    assert done.code == 0, done.error
    assert "Successfully installed app-1.0 lib-1.0" in done.said


def pip_wheel(place: Path, version: str) -> None:
    """The wheel that this Python's ensurepip has."""
    code = "import ensurepip, glob, os\n"
    code += "d = os.path.dirname(ensurepip.__file__)\nprint(glob.glob(d + '/_bundled/pip-*')[-1])"
    python = pythons.interpreter(version)
    found = subprocess.check_output([str(python), "-I", "-c", code], text=True).strip()
    (place / Path(found).name).write_bytes(Path(found).read_bytes())


def check_pip(env: Path) -> None:
    """pip runs there."""
    said = subprocess.check_output([env / "bin/pip3", "--version"], text=True)
    assert said.startswith("pip ")
    assert str(env) in said
