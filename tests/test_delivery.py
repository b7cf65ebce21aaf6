"""A wheelhouse delivered over a channel: installed there by its own install.py, and tried."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.carry import delivery, landing, push, schemes
from crossbuild.carry.delivery import Delivered, Order, Place, PlaceKind
from crossbuild.carry.line import Line
from crossbuild.cli.main import main
from crossbuild.engine.base import Engine
from crossbuild.errors import ChannelError, UsageError
from crossbuild.packing import modules
from crossbuild.report import Silent
from crossbuild.target import Target
from tests import channels, houses, pythons, wheels
from tests.channels import Bad, Limited, Near, tree
from tests.miniindex import MiniIndex

BROKEN = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"


@pytest.fixture
def wheelhouse(tmp_path: Path) -> Path:
    directory = tmp_path / "wheelhouse"
    directory.mkdir()
    wheels.wheel(directory, "app", "2.0", requires=["lib>=1"])
    wheels.wheel(directory, "lib", "1.5")
    return houses.house(directory)


@pytest.fixture(autouse=True)
def ending() -> Iterator[None]:
    """A command that failed ends every process and lets no new one start."""
    yield
    process.reopen()


def order(tmp_path: Path, **changes: object) -> Order:
    """Install into ``site`` and bring to this test's own directory."""
    plain = Order(
        arguments=(),
        place=Place(kind=PlaceKind.TARGET, path=str(tmp_path / "site")),
        home=tmp_path,
        remote_dir=str(tmp_path / "there"),
    )
    return replace(plain, **changes)  # type: ignore[arg-type]


def delivered(wheelhouse: Path, wanted: Order, line: Line) -> Delivered:
    try:
        return delivery.deliver(push.load(wheelhouse), wanted, line, Silent())
    finally:
        line.close()


@pytest.mark.parametrize("version", pythons.each())
def test_every_python_installs_what_it_was_brought(
    wheelhouse: Path, tmp_path: Path, version: str
) -> None:
    via = f"exec:{pythons.interpreter(version)} -"
    line = Line(lambda: schemes.opened(via, os.environ), limit=1 << 16)
    done = delivered(wheelhouse, order(tmp_path), line)
    assert done.exit_code == 0
    assert done.installed is not None
    assert "Installed app 2.0\nInstalled lib 1.5\n" in done.installed.output
    assert done.verified is not None
    assert "lib" in done.verified.output
    assert (tmp_path / "site" / "lib.py").read_text() == "VERSION = '1.5'\n"
    assert not list((tmp_path / "there").glob(".run-*"))


def test_what_the_installer_says_and_how_it_ends_is_ours(wheelhouse: Path, tmp_path: Path) -> None:
    next(wheelhouse.glob("lib-*")).unlink()
    houses.house(wheelhouse)
    wanted = order(tmp_path, script=tmp_path / "draw.py", bring=("plot.png",))
    tree(tmp_path, **{"draw.py": b"open('plot.png', 'w')"})
    done = delivered(wheelhouse, wanted, channels.line(Near))
    assert done.installed is not None
    assert done.exit_code == done.installed.code == 3
    assert "error: " in done.installed.output
    assert "lib" in done.installed.output
    assert done.verified is None
    assert done.ran is None
    assert done.brought == ()
    assert not (tmp_path / "site" / "app.py").exists()


def test_a_program_runs_there_and_what_it_made_comes_back(
    wheelhouse: Path, tmp_path: Path
) -> None:
    drawing = os.urandom(20_000)
    made = "with open('plot.png', 'wb') as file:\n    file.write("
    program = f"import app\nprint('drawing')\n{made}{drawing!r})\n"
    script = tmp_path / "draw.py"
    script.write_text(program)
    wanted = order(tmp_path, script=script, bring=("plot.png",))
    here = Path.cwd()
    done = delivered(wheelhouse, wanted, channels.line(lambda: Limited(1 << 13), 1 << 13))
    assert done.ran is not None
    assert (done.ran.code, done.ran.output) == (0, "drawing\n")
    assert done.brought == (tmp_path / "plot.png",)
    assert (tmp_path / "plot.png").read_bytes() == drawing
    assert (tmp_path / "there" / "plot.png").exists()
    assert Path.cwd() == here


def test_nothing_stays_there_where_that_is_wanted_and_all_went_well(
    wheelhouse: Path, tmp_path: Path
) -> None:
    tree(wheelhouse, deep__er__file=b"", deep__file=b"")
    houses.house(wheelhouse)
    script = tmp_path / "use.py"
    script.write_text("import app")
    wanted = order(tmp_path, script=script, remove=True)
    done = delivered(wheelhouse, wanted, channels.line(Near))
    assert done.removed
    assert not (tmp_path / "there").exists()
    assert (tmp_path / "site" / "app.py").exists()
    script.write_text("raise SystemExit(4)")
    failed = delivered(wheelhouse, wanted, channels.line(Near))
    assert (failed.exit_code, failed.removed) == (4, False)
    assert (tmp_path / "there" / "deep" / "er" / "file").exists()


def test_the_directory_of_a_push_goes_with_all_that_was_made_in_it(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    outside = tree(tmp_path / "outside", file=b"stays")
    script = tmp_path / "draw.py"
    lines = ["import os", "os.makedirs('a/b')", f"os.symlink({str(outside)!r}, 'a/link')"]
    script.write_text("\n".join([*lines, "open('x', 'w').close()"]))
    wanted = order(tmp_path, script=script, remote_dir="", remove=True)
    assert delivered(wheelhouse, wanted, channels.line(Near)).removed
    assert not list(tmp_path.glob("crossbuild-*"))
    assert (outside / "file").read_bytes() == b"stays"


def test_what_is_installed_but_cannot_be_imported_is_found_there(
    wheelhouse: Path, tmp_path: Path
) -> None:
    wheels.wheel(wheelhouse, "bad", "1.0", files={"bad.py": "import not_there_at_all\n"})
    houses.house(wheelhouse)
    done = delivered(wheelhouse, order(tmp_path), channels.line(Near))
    assert done.verified is not None
    assert done.exit_code == done.verified.code == 1
    assert "not_there_at_all" in done.verified.output
    trusting = delivered(wheelhouse, order(tmp_path, verify=False), channels.line(Near))
    assert (trusting.exit_code, trusting.verified) == (0, None)


@pytest.mark.parametrize("kind", [PlaceKind.PREFIX, PlaceKind.VENV])
def test_a_program_finds_what_is_in_no_usual_place(
    wheelhouse: Path, tmp_path: Path, kind: PlaceKind
) -> None:
    script = tmp_path / "use.py"
    script.write_text("import app\nprint(app.VERSION, app.__file__)\n")
    place = Place(kind=kind, path=str(tmp_path / "{place}"))
    line = Line(lambda: schemes.opened(f"exec:{sys.executable} -", os.environ))
    done = delivered(wheelhouse, order(tmp_path, place=place, script=script), line)
    assert done.exit_code == 0
    assert done.ran is not None
    assert done.ran.output.startswith(f"2.0 {tmp_path / '{place}'}/lib/python3.")


@pytest.mark.parametrize(
    ("program", "code", "output"),
    [
        (BROKEN, 7, "out\nerr\n"),
        ("raise SystemExit('no')", 1, "no\n"),
        ("raise SystemExit", 0, ""),
        ("1/0", 70, "ZeroDivisionError: division by zero\n"),
        ("print('\\udcff\\u2713')", 0, "\\udcff✓\n"),
        ("import sys; print(__name__, sys.argv[1:])", 0, "__main__ ['a b', 'ü']\n"),
    ],
)
def test_how_a_program_ends_there(tmp_path: Path, program: str, code: int, output: str) -> None:
    script = tmp_path / "program.py"
    script.write_text(program)
    streams = sys.stdout, sys.stderr, sys.argv
    ran = landing.run(channels.line(Near), str(script), ["a b", "ü"])
    assert (ran.code, ran.output) == (code, output)
    assert (sys.stdout, sys.stderr, sys.argv) == streams
    assert [path.name for path in tmp_path.iterdir()] == ["program.py"]


def test_a_program_runs_once_when_its_answer_is_lost(tmp_path: Path) -> None:
    script = tmp_path / "program.py"
    count = tmp_path / "count"
    script.write_text(f"with open({str(count)!r}, 'a') as file: file.write('x')\nprint('done')")
    number = itertools.count(1)
    line = channels.line(lambda: Bad(channels.cut_after, 2, number))
    ran = landing.run(line, str(script))
    assert (ran.code, ran.output) == (0, "done\n")
    assert line.resent > 0
    assert count.read_text() == "x"


class Impatient(Near):
    """Lets the first process of a program go on by itself, and says that it is cut off."""

    def __init__(self, left: list[subprocess.Popen[bytes]]) -> None:
        super().__init__()
        self.left = left

    def run(self, code: str, timeout: float) -> str:
        argv = [sys.executable, "-c", code]
        if not self.left:
            self.left.append(subprocess.Popen(argv, stdout=subprocess.DEVNULL))
            time.sleep(0.5)
            raise ChannelError("cut")
        return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def test_a_program_that_is_still_running_is_not_begun_again(tmp_path: Path) -> None:
    script, count = tmp_path / "program.py", tmp_path / "count"
    script.write_text(
        f"import time\nwith open({str(count)!r}, 'a') as file: file.write('x')\n"
        "print('begun'); time.sleep(3); print('done')"
    )
    left: list[subprocess.Popen[bytes]] = []
    ran = landing.run(channels.line(lambda: Impatient(left)), str(script))
    assert left[0].wait() == 0
    assert (ran.code, ran.output) == (0, "begun\ndone\n")
    assert count.read_text() == "x"


def test_a_program_whose_first_process_was_killed_is_begun_again(tmp_path: Path) -> None:
    script, count = tmp_path / "program.py", tmp_path / "count"
    script.write_text(
        f"import os\nwith open({str(count)!r}, 'a') as file: file.write('x')\n"
        f"print('here', flush=True)\nif os.path.getsize({str(count)!r}) == 1: os._exit(9)\n"
    )
    left: list[subprocess.Popen[bytes]] = []
    ran = landing.run(channels.line(lambda: Impatient(left)), str(script))
    assert left[0].wait() == 9
    assert (ran.code, ran.output, count.read_text()) == (0, "here\n", "xx")


def test_a_file_that_is_not_there_is_not_brought(tmp_path: Path) -> None:
    with pytest.raises(ChannelError, match="FileNotFoundError"):
        landing.bring(channels.line(Near), str(tmp_path / "none"), tmp_path / "here")
    assert not (tmp_path / "here").exists()


def test_a_file_that_is_cut_off_on_its_way_replaces_none(tmp_path: Path) -> None:
    there, here = tmp_path / "there", tmp_path / "here"
    there.write_bytes(bytes(50_000))
    here.write_bytes(b"mine")

    class Cut(Near):
        def run(self, code: str, timeout: float) -> str:
            if self.sent:  # it was measured
                there.write_bytes(b"x" * 50_000)
            return super().run(code, timeout)

    with pytest.raises(ChannelError, match="changed while it was read"):
        landing.bring(channels.line(Cut), str(there), here)
    assert here.read_bytes() == b"mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "there"]
    landing.bring(channels.line(Near), str(there), here)
    assert here.read_bytes() == b"x" * 50_000


def test_an_order_that_cannot_be_carried_out_sends_nothing(
    wheelhouse: Path, tmp_path: Path
) -> None:
    near = Near()
    line = channels.line(lambda: near)
    files = push.load(wheelhouse)
    with pytest.raises(UsageError, match=r"draw\.py is no file"):
        delivery.deliver(files, order(tmp_path, script=tmp_path / "draw.py"), line, Silent())
    bare = [file for file in files if file.name != "install.py"]
    with pytest.raises(UsageError, match=r"there is no install\.py") as caught:
        delivery.deliver(bare, order(tmp_path), line, Silent())
    assert "--no-install" in caught.value.remedy
    assert near.sent == []


@pytest.mark.parametrize("limit", [1 << 12, 1 << 20])
@pytest.mark.parametrize("version", [pythons.each()[0], pythons.each()[-1]])
def test_a_probe_over_a_channel_tells_what_a_probe_there_would(version: str, limit: int) -> None:
    python = pythons.interpreter(version)
    line = Line(lambda: schemes.opened(f"exec:{python} -", os.environ), limit=limit)
    told = delivery.probed(line)
    assert told["schema"] == "crossbuild-probe/1"
    assert told["markers"]["python_version"] == version
    assert told["python"]["executable"] == python
    assert told["unknown"] == {}


def test_ship_does_it_all_and_tells_where_it_was_not_needed(
    mini_index: MiniIndex,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    source = tmp_path / "wheels"
    source.mkdir()
    mini_index.add(wheels.wheel(source, "app", "2.0", requires=["lib; os_name == 'posix'"]))
    mini_index.add(wheels.wheel(source, "lib", "1.5"))
    monkeypatch.setenv("PIP_INDEX_URL", mini_index.url)  # of both machines
    words = ["ship", "app", "--via", f"exec:{sys.executable} -", "--index-url", mini_index.url]
    words += ["--cache-dir", str(tmp_path / "cache"), "--no-smoke"]
    words += ["--into", str(tmp_path / "site"), "--remote-dir", str(tmp_path / "there")]
    assert main(words) == 0
    shown = capsys.readouterr().out
    assert f"The target reaches {mini_index.url.rstrip('/')}: it needs no wheelhouse" in shown
    assert "Installed lib 1.5" in shown
    assert "✓ Imported there" in shown
    assert (tmp_path / "site" / "app.py").exists()
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["run"]["schema"].startswith("crossbuild-report/")
    assert told["delivered"]["installed"]["output"].splitlines() == [
        "app 2.0 is there already",
        "lib 1.5 is there already",
    ]
    mini_index.add(wheels.wheel(source, "broken", "1.0", requires=["not-on-the-index"]))
    assert main(["ship", "broken", *words[2:]]) == 3
    assert "not-on-the-index" in capsys.readouterr().err


POOR = """
import importlib.machinery, os, sys
stdlib = os.path.dirname(os.__file__)

class Poor:
    "This Python has some modules only where somebody brought them."

    def find_spec(self, name, path=None, target=None):
        if name in ("html", "configparser"):
            elsewhere = [place for place in sys.path if place != stdlib]
            found = importlib.machinery.PathFinder.find_spec(name, elsewhere)
            if found is None:
                raise ModuleNotFoundError("No module named " + name)
            return found

sys.meta_path.insert(0, Poor())
for name in ("html", "configparser"):
    sys.modules.pop(name, None)
exec(sys.stdin.read())
"""


def test_ship_brings_the_standard_modules_that_are_missing_there(
    mini_index: MiniIndex,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    tree(
        tmp_path, **{"poor.py": POOR.encode(), "use.py": b"import app, html; print(html.__file__)"}
    )
    mini_index.add(wheels.wheel(tmp_path, "app", "2.0", files={"app.py": "import html\n"}))
    words = ["ship", "app", "--index-url", mini_index.url, "--cache-dir", str(tmp_path / "cache")]
    words += ["--via", f"exec:{sys.executable} {tmp_path / 'poor.py'}", "--no-smoke"]
    words += ["--venv", str(tmp_path / "venv"), "--remote-dir", str(tmp_path / "there")]
    assert main([*words, "--run", "use.py"]) == 0
    (brought,) = (tmp_path / "venv").glob("lib/python3.*/site-packages/crossbuild_stdlib")
    assert (brought / "html" / "__init__.py").exists()
    assert (brought / "configparser.py").exists()
    assert str(brought / "html" / "__init__.py") in capsys.readouterr().out
    assert main([*words, "--run", "none.py"]) == 2


def test_ship_looks_for_standard_modules_in_images_where_this_host_has_no_such_python(
    mini_index: MiniIndex,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[list[str]] = []

    def in_image(target: Target, names: list[str], engine: Engine, directory: Path) -> None:
        asked.append(list(names))

    monkeypatch.setattr(modules, "interpreter", lambda target, home: None)
    monkeypatch.setattr(modules, "find_in_image", in_image)
    monkeypatch.chdir(tmp_path)
    tree(tmp_path, **{"poor.py": POOR.encode()})
    mini_index.add(wheels.wheel(tmp_path, "app", "2.0"))
    words = ["ship", "app", "--index-url", mini_index.url, "--cache-dir", str(tmp_path / "cache")]
    words += ["--via", f"exec:{sys.executable} {tmp_path / 'poor.py'}", "--no-smoke"]
    words += ["--into", str(tmp_path / "site"), "--remote-dir", str(tmp_path / "there")]
    assert main(words) == 0
    assert asked == [["configparser", "html"]]
    said = " ".join(capsys.readouterr().err.split())
    assert "The target lacks configparser and html, and no CPython" in said


def test_the_commands_say_what_happened_there(
    wheelhouse: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    via = ["--via", f"exec:{sys.executable} -", "--remote-dir", str(tmp_path / "there")]
    site = ["--into", str(tmp_path / "site")]
    assert main(["push", str(wheelhouse), *via, *site]) == 0
    shown = capsys.readouterr().out
    assert "✓ Installed there" in shown
    assert "✓ Imported there" in shown
    assert "Installed lib 1.5" in shown
    script = tmp_path / "broken.py"
    script.write_text(BROKEN)
    assert main(["push", str(wheelhouse), *via, *site, "--run", str(script)]) == 7
    shown = capsys.readouterr().out
    assert "✗ The program ended there with code 7" in shown
    assert main(["push", str(wheelhouse), *via, "--no-install", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["installed"] is None
    assert told["carried"] == 0
    assert main(["push", str(wheelhouse), *via, *site, "--user"]) == 2
    assert "several places" in capsys.readouterr().err
    assert main(["probe", *via]) == 0
    assert json.loads(capsys.readouterr().out)["schema"] == "crossbuild-probe/1"
