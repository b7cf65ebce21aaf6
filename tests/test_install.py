"""install.py decides before it writes, and puts everything where pip would."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from crossbuild.installer import schemes
from tests import houses, pythons, wheels

TAG = f"cp{sys.version_info[0]}{sys.version_info[1]}"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory for wheels."""
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    return directory


def test_what_is_needed_comes_with_it_and_what_is_there_stays(tmp_path: Path, place: Path) -> None:
    wheels.wheel(place, "app", "2.0", requires=["lib>=1", "old; python_version < '3'"])
    wheels.wheel(place, "lib", "1.5")
    wheels.wheel(place, "other", "1.0")
    houses.house(place)
    site = tmp_path / "site"
    done = houses.install(place, "--target", site, "app")
    assert done.code == 0
    assert sorted(path.name for path in site.glob("*.py")) == ["app.py", "lib.py"]
    assert houses.install(place, "--target", site, "--list").said.splitlines() == [
        "app 2.0",
        "lib 1.5",
    ]
    assert (site / "app-2.0.dist-info" / "INSTALLER").read_text() == "crossbuild\n"


def extras_of(names: Sequence[str]) -> list[str]:
    return [f"{name}; extra == '{name}'" for name in names]


def test_extras_bring_what_they_name(tmp_path: Path, place: Path) -> None:
    wheels.wheel(
        place, "app", "1.0", requires=extras_of(["fast", "slow"]), extras=["fast", "slow"]
    )
    for name in ("fast", "slow"):
        wheels.wheel(place, name, "1.0")
    houses.house(place, pinned=False)
    site = tmp_path / "site"
    assert houses.install(place, "--target", site, "app[fast]").code == 0
    assert sorted(path.name for path in site.glob("*.py")) == ["app.py", "fast.py"]


def test_what_is_there_gets_what_it_lacks(tmp_path: Path, place: Path) -> None:
    wheels.wheel(place, "app", "1.0", requires=["lib", "fast; extra == 'fast'"], extras=["fast"])
    for name in ("lib", "fast"):
        wheels.wheel(place, name, "1.0")
    houses.house(place, pinned=False)
    site = tmp_path / "site"
    assert houses.install(place, "--target", site, "--no-deps", "app").code == 0
    done = houses.install(place, "--target", site, "app[fast]")
    assert sorted(done.said.splitlines()[1:]) == [
        "Installed fast 1.0",
        "Installed lib 1.0",
        "app 1.0 is there already",
    ]


@pytest.mark.parametrize(
    ("wheel", "code", "said"),
    [
        (
            {"requires": ["nothing>=2"]},
            3,
            "app 1.0 needs nothing>=2, which the wheelhouse has not",
        ),
        ({"requires": ["lib>=2"]}, 3, "this wheelhouse wants lib==1.0, app 1.0 wants lib>=2"),
        ({"tag": "cp27-cp27mu-linux_x86_64"}, 10, "is not for this machine (Python 3."),
        ({"tag": f"{TAG}-{TAG}-manylinux_2_99_x86_64"}, 10, "glibc 2."),
        ({"tag": f"{TAG}-{TAG}-win_amd64"}, 10, "Make the wheelhouse again for this machine."),
        ({"requires_python": "<3"}, 10, "needs Python <3, this is 3."),
        ({"requires": ["lib>=x"]}, 5, "says what cannot be understood: 'x' is no version"),
        ({"requires": ["lib; python = '3'"]}, 5, "needs \"lib; python = '3'\": "),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_is_written(
    tmp_path: Path, place: Path, wheel: dict[str, object], code: int, said: str
) -> None:
    wheels.wheel(place, "app", "1.0", **wheel)  # type: ignore[arg-type]
    wheels.wheel(place, "lib", "1.0")
    houses.house(place)
    done = houses.install(place, "--target", tmp_path / "site")
    assert (done.code, said in done.error) == (code, True), done.error
    assert done.error.count("\n") == 1
    assert not (tmp_path / "site").exists()


def test_a_wheel_that_was_changed_on_the_way_is_refused(tmp_path: Path, place: Path) -> None:
    path = wheels.wheel(place, "app", "1.0")
    houses.house(place)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    done = houses.install(place, "--target", tmp_path / "site")
    assert done.code == 5
    assert "app-1.0-py3-none-any.whl has not the hash that it should have" in done.error
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("SHA256SUMS", b"\xff\xfe  app\n", "SHA256SUMS is damaged: "),
        ("requirements.txt", b"\xff==1\n", "is no requirement"),
    ],
)
def test_a_list_that_is_no_text_is_damaged(
    tmp_path: Path, place: Path, name: str, text: bytes, said: str
) -> None:
    wheels.wheel(place, "app", "1.0")
    houses.house(place)
    (place / "SHA256SUMS").unlink()
    (place / name).write_bytes(text)
    done = houses.install(place, "--target", tmp_path / "site")
    assert (done.code, said in done.error) == (5, True), done


def test_a_member_whose_own_header_has_no_name_is_damaged(tmp_path: Path, place: Path) -> None:
    path = wheels.wheel(place, "app", "1.0", files={"é.txt": "1", "app.py": "1"})
    whole = path.read_bytes()
    at = whole.index("é.txt".encode())
    path.write_bytes(whole[:at] + b"\xff\xff" + whole[at + 2 :])
    houses.house(place)
    done = houses.install(place, "--target", tmp_path / "site")
    assert (done.code, "is not where it should be" in done.error) == (5, True), done


def test_a_wheel_cannot_write_into_the_transaction(tmp_path: Path, place: Path) -> None:
    wheels.wheel(place, "app", "1.0", files={"app.py": "", ".crossbuild-install/journal": "x"})
    houses.house(place)
    done = houses.install(place, "--target", tmp_path / "site")
    assert (done.code, "lies where transactions are kept" in done.error) == (5, True), done


def test_the_highest_number_of_a_build_is_the_newest(tmp_path: Path, place: Path) -> None:
    for build in ("9", "10", "2a"):
        wheels.wheel(place, "app", "1.0", build=build, files={"app.py": f"BUILD = '{build}'\n"})
    houses.house(place, pinned=False)
    assert houses.install(place, "--target", tmp_path / "site").code == 0
    assert (tmp_path / "site" / "app.py").read_text() == "BUILD = '10'\n"


def test_another_version_is_replaced_and_leaves_nothing_behind(tmp_path: Path) -> None:
    site = tmp_path / "root"
    for version, files in (
        ("1.0", {"app/__init__.py": "", "app/gone.py": "x = 1\n", "app/data/only.txt": "1"}),
        ("2.0", {"app/__init__.py": "V = 2\n", "app/new.py": "x = 2\n"}),
    ):
        place = tmp_path / version
        place.mkdir()
        wheels.wheel(place, "app", version, files=files)
        houses.house(place)
        done = houses.install(place, "--root", site)
        assert done.code == 0, done.error
    assert "Installed app 2.0 (replaces 1.0)" in done.said
    names = {path.name for path in site.rglob("*") if "__pycache__" not in path.parts}
    assert {"new.py", "app-2.0.dist-info"} <= names
    assert not names & {"gone.py", "data", "only.txt", "app-1.0.dist-info", ".crossbuild-install"}
    assert houses.install(place, "--root", site).said == "app 2.0 is there already\n"


def test_uninstalling_brings_back_what_was(tmp_path: Path, place: Path) -> None:
    site = tmp_path / "root"
    point = {"app-1.0.dist-info/entry_points.txt": "[console_scripts]\napp = app:main\n"}
    wheels.wheel(place, "app", "1.0", files={"app/__init__.py": "", "app/x/y.txt": "", **point})
    wheels.wheel(place, "stays", "1.0")
    houses.house(place)
    assert houses.install(place, "--root", site, "stays").code == 0
    before = houses.snapshot(site)
    assert houses.install(place, "--root", site, "app").code == 0
    assert len(houses.snapshot(site)) > len(before) + 8
    done = houses.install(place, "--root", site, "--uninstall", "App", "absent")
    assert done.said.splitlines()[0].startswith("absent is not installed in ")
    assert done.said.splitlines()[1] == "Removed app 1.0"
    after = houses.snapshot(site)
    assert after.pop(str(next(site.rglob("bin"))), None) == "directory"
    assert after == before


def test_a_dry_run_changes_nothing(tmp_path: Path, place: Path) -> None:
    wheels.wheel(place, "app", "1.0")
    houses.house(place)
    done = houses.install(place, "--target", tmp_path / "site", "--dry-run")
    assert done.said == "Would install app 1.0\n"
    assert not (tmp_path / "site").exists()


def test_scripts_start_with_this_interpreter_however_odd_its_path(
    tmp_path: Path, place: Path
) -> None:
    files = {
        "tool.py": "def main():\n    print('works')\n",
        "tool-1.0.data/scripts/own": "#!python\nprint('own works')\n",
        "tool-1.0.data/scripts/shell": "#!/bin/sh\necho shell\n",
        "tool-1.0.dist-info/entry_points.txt": "[console_scripts]\ntool = tool:main\n",
    }
    wheels.wheel(place, "tool", "1.0", files=files)
    houses.house(place)
    odd = tmp_path / "with space" / ("x" * 120)
    odd.mkdir(parents=True)
    python = odd / "python3"
    python.symlink_to(os.path.realpath(sys.executable))
    site = tmp_path / "site"
    done = houses.install(place, "--target", site, python=str(python), flags=("-I",))
    assert done.code == 0, done.error
    for name, said in (("tool", "works\n"), ("own", "own works\n"), ("shell", "shell\n")):
        path = site / "bin" / name
        assert os.access(path, os.X_OK)
        ran = subprocess.run(
            [path], env={"PYTHONPATH": str(site)}, capture_output=True, text=True, check=False
        )
        assert (ran.stdout, ran.stderr) == (said, "")
    assert (site / "bin" / "own").read_text().startswith("#!/bin/sh\n'''exec' \"/")


@pytest.mark.parametrize("version", pythons.each())
@pytest.mark.parametrize("encoding", ["ascii", "utf-8:strict"])
def test_a_terminal_without_the_letters_of_a_path_is_no_obstacle(
    tmp_path: Path, place: Path, version: str, encoding: str
) -> None:
    wheels.wheel(place, "app", "1.0")
    houses.house(place)
    site = os.fsencode(tmp_path) + "/目录".encode() + b"\xff"
    argv = [os.fsencode(str(pythons.interpreter(version))), os.fsencode(place / "install.py")]
    plain = {"PYTHONIOENCODING": encoding, "LC_ALL": "C"}
    for arguments in ((b"--target", site), (b"--target", site, b"--uninstall", b"gone")):
        done = subprocess.run([*argv, *arguments], env=plain, capture_output=True, check=False)
        assert (done.returncode, done.stderr) == (0, b"")
        assert b"\\udcff" in done.stdout
    assert Path(os.fsdecode(site), "app.py").is_file()


def test_an_installed_package_that_wants_another_version_is_told(
    tmp_path: Path, place: Path
) -> None:
    wheels.wheel(place, "picky", "1.0", requires=["lib<2"])
    wheels.wheel(place, "lib", "1.0")
    houses.house(place)
    newer = tmp_path / "newer"
    newer.mkdir()
    wheels.wheel(newer, "lib", "2.0")
    houses.house(newer)
    site = tmp_path / "site"
    assert houses.install(place, "--root", site).code == 0
    done = houses.install(newer, "--root", site)
    assert done.code == 0
    assert "warning: picky 1.0 needs lib<2, and lib will be 2.0\n" in done.said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--what",), "--what is no option of install.py. See --help."),
        (("--target",), "--target wants a value"),
        (("--user", "--prefix=/x"), "--user and --prefix cannot be used together"),
        (("--uninstall",), "--uninstall wants names"),
        (("--list", "--verify"), "--list and --verify cannot be used together"),
        (("--target=/nowhere/x", "!!"), "'!!' is no requirement"),
        (("--target=", "--dry-run"), "--target wants a value"),
        (("--target", "", "--dry-run"), "--target wants a value"),
        (("--verify-key=", "--dry-run"), "--verify-key wants a value"),
        (("--verify-key", "", "--dry-run"), "--verify-key wants a value"),
        (("--venv", "--dry-run"), "--venv wants a value"),
    ],
)
def test_a_wrong_command_line_is_told(place: Path, arguments: Sequence[str], said: str) -> None:
    wheels.wheel(place, "app", "1.0")
    done = houses.install(houses.house(place), *arguments)
    assert (done.code, said in done.error) == (2, True), done.error


@pytest.mark.parametrize("version", [(3, 9), (3, 10)])
def test_debians_own_directory_before_sysconfig_knew_of_it(
    monkeypatch: pytest.MonkeyPatch, version: tuple[int, int]
) -> None:
    own = ["/usr/local/lib/python3.9/dist-packages", "/usr/lib/python3/dist-packages"]
    monkeypatch.setattr("site.getsitepackages", lambda: own)
    monkeypatch.setattr("sys.version_info", version)
    told = {"purelib": "/usr/lib/python3.9/site-packages", "scripts": "/usr/bin"}
    paths = schemes.debian_before_sysconfig_knew(told)
    if version == (3, 9):
        assert (paths["purelib"], paths["scripts"]) == (own[0], "/usr/local/bin")
    else:
        assert paths == told
