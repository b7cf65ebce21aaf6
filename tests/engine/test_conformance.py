"""What every engine owes to the stages; nothing here knows which engine it is.

``engine`` and ``target_root`` come from ``tests.roots``, once for each engine.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild.catalog import Role
from crossbuild.engine.base import Engine, Limits, Root, Session, Stop, Tree
from crossbuild.errors import HostError, IntegrityError, UsageError

pytestmark = [
    pytest.mark.emulation,
    pytest.mark.network,
    pytest.mark.parametrize("engine", ["rootfs", "docker"], indirect=True, scope="session"),
]

FORK_BOMB = """\
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
SHELL_BOMB = "f() { f | f & }; f; sleep 60"
HOG = "held = []\nwhile True:\n    held.append(bytearray(32 << 20))"
FILL = """\
number = 0
while True:
    number += 1
    with open(f"{where}/{number}", "wb") as stream:
        stream.write(bytes(4 << 20))
"""
SMALL = Limits(wall=60.0, idle=30.0, memory=1 << 30, processes=64, disk=256 << 20)


@pytest.fixture
def session(engine: Engine, target_root: Root) -> Iterator[Session]:
    with engine.session(target_root) as opened:
        yield opened


def python(session: Session, code: str) -> str:
    """What the code prints in the image's interpreter."""
    result = session.run(["python", "-c", code])
    assert result.ok, result.output
    return result.output.strip()


def test_the_program_is_the_targets(session: Session) -> None:
    code = "import platform, struct, sys; print(platform.machine(), sys.version_info[:2])"
    assert python(session, code) == "aarch64 (3, 11)"


def test_the_interpreter_is_where_manylinux_images_have_it(session: Session) -> None:
    command = "/opt/python/cp311-cp311/bin/python"
    result = session.run([command, "-c", "import sys; print(sys.executable, sys.prefix)"])
    assert result.output == f"{command} /usr\n"
    made = session.run([command, "-m", "venv", "--without-pip", "/work/venv"])
    assert made.ok, made.output
    code = "import sys, sysconfig; print(sys.prefix, sysconfig.get_paths()['purelib'])"
    inside = session.run(["/work/venv/bin/python", "-c", code])
    assert inside.output == "/work/venv /work/venv/lib/python3.11/site-packages\n"


def test_nothing_of_the_users_environment_is_inside(
    session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "s3cret")
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    result = session.run(["env"], env={"CC": "x y", "PATH": "/opt/tools:/usr/bin:/bin"})
    found = dict(line.split("=", 1) for line in result.output.splitlines())
    found.pop("QEMU_CPU", None)
    assert found.pop("HOSTNAME", "crossbuild") == "crossbuild", "Docker sets it, always"
    assert found == {
        "CC": "x y",
        "HOME": "/work",
        "LANG": "C.UTF-8",
        "PATH": "/opt/tools:/usr/bin:/bin",
        "PWD": "/work",
        "TMPDIR": "/tmp",
    }


def test_the_user_is_nobody_special(session: Session) -> None:
    code = "import os, pwd; print(os.getuid() > 0, pwd.getpwuid(os.getuid()).pw_dir, os.getcwd())"
    assert python(session, code) == "True /work /work"
    status = python(session, "print(open('/proc/self/status').read())")
    assert "CapEff:\t0000000000000000" in status
    assert "NoNewPrivs:\t1" in status


def test_the_working_directory_can_be_chosen(session: Session) -> None:
    session.run(["mkdir", "-p", "deep/er"])
    assert session.run(["pwd"], cwd="/work/deep/er").output == "/work/deep/er\n"


def test_an_exit_code_is_passed_on(session: Session) -> None:
    result = session.run(["sh", "-c", "echo said; exit 3"])
    assert (result.returncode, result.signal, result.ok) == (3, None, False)
    assert result.output == "said\n"


def test_a_death_by_signal_is_named(session: Session) -> None:
    crash = session.run(["python", "-c", "import ctypes; ctypes.string_at(0)"])
    assert crash.signal == signal.SIGSEGV
    killed = session.run(["sh", "-c", "kill -9 $$"])
    assert killed.signal == signal.SIGKILL
    assert not killed.ok


def test_a_crash_of_a_child_that_failed_the_command_is_named(session: Session) -> None:
    code = "import ctypes; ctypes.string_at(0)"
    result = session.run(["sh", "-c", f"python -c '{code}' || exit 1"])
    assert (result.returncode, result.signal) == (1, signal.SIGSEGV)


def test_a_program_that_is_not_there_is_a_host_error(session: Session) -> None:
    with pytest.raises(HostError, match="/nonexistent"):
        session.run(["/nonexistent"])


def test_output_is_appended_to_the_log_line_by_line(session: Session, tmp_path: Path) -> None:
    lines: list[str] = []
    for word in ("one", "two"):
        session.run(["sh", "-c", f"echo {word}"], log=tmp_path / "log", on_line=lines.append)
    assert (tmp_path / "log").read_text(encoding="utf-8") == "one\ntwo\n"
    assert lines == ["one", "two"]


def test_files_go_in_and_come_out_and_stay_between_commands(
    session: Session, tmp_path: Path
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("1", encoding="ascii")
    session.put(tmp_path / "in", "/work/in")
    assert session.run(["sh", "-c", "cat in/a; echo 2 >>in/a; mkdir out; cp in/a out/b"]).ok
    session.get("/work/out", tmp_path / "out")
    assert (tmp_path / "out" / "b").read_text(encoding="ascii") == "12\n"


def test_links_to_the_host_are_not_followed(session: Session, tmp_path: Path) -> None:
    session.run(["sh", "-c", "ln -s /etc/shadow wheel; ln -s / host; mkdir d; ln -s /etc d/e"])
    for path in ("/work/wheel", "/work/host/etc/hostname", "/work/d"):
        with pytest.raises(IntegrityError, match="symbolic link"):
            session.get(path, tmp_path / "out")
    with pytest.raises(IntegrityError, match="symbolic link"):
        session.put(tmp_path, "/work/host/tmp/planted")
    with pytest.raises(UsageError, match="not below /work"):
        session.get("/etc/passwd", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_only_work_and_tmp_can_be_written(session: Session) -> None:
    script = (
        "for d in / /usr /etc /opt /var /run /dev /proc /home; do echo x >$d/x && echo $d; done"
    )
    result = session.run(["sh", "-c", f"({script}) 2>/dev/null; echo x >/work/x; echo x >/tmp/x"])
    assert (result.returncode, result.output) == (0, "")


def test_a_tree_is_read_only(engine: Engine, target_root: Root, tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "a").write_text("content", encoding="ascii")
    trees = {"/opt/crossbuild/tool": Tree(key=secrets.token_hex(8), path=tmp_path / "tree")}
    with engine.session(target_root, trees=trees) as session:
        result = session.run(["sh", "-c", "cat /opt/crossbuild/tool/a; rm /opt/crossbuild/tool/a"])
        assert result.output.startswith("content")
        assert "Read-only file system" in result.output
        assert session.run(["sh", "-c", "ls /opt/python"]).ok
    assert (tmp_path / "tree" / "a").exists()


def test_a_tree_cannot_hide_the_system(engine: Engine, target_root: Root, tmp_path: Path) -> None:
    opening = engine.session(target_root, trees={"/usr/lib": Tree(key="k", path=tmp_path)})
    with pytest.raises(UsageError, match="mount point"):
        opening.__enter__()


def test_the_files_of_the_host_are_not_there(session: Session, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret", encoding="ascii")
    result = session.run(["cat", "/etc/shadow", str(tmp_path / "secret"), f"{Path.home()}/.netrc"])
    assert result.returncode == 1
    assert result.output.count("No such file or directory") == 3


def test_the_processes_of_the_host_are_not_there(session: Session) -> None:
    code = "import os; print(sum(name.isdigit() for name in os.listdir('/proc')) < 5)"
    assert python(session, code) == "True"
    assert not session.run(["sh", "-c", f"kill -0 {os.getpid()}"]).ok


def test_there_is_no_network_not_even_the_hosts_own(session: Session) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        code = f"""\
import socket
here = ("127.0.0.1", {server.getsockname()[1]})
for address in (here, ("192.0.2.1", 80), ("index.example", 80)):
    try:
        socket.create_connection(address, timeout=2)
    except OSError as error:
        print(type(error).__name__)
with open("/proc/net/dev") as devices:
    print(sorted(line.split(":")[0].strip() for line in devices if ":" in line))
"""
        assert python(session, code) == "ConnectionRefusedError\nOSError\ngaierror\n['lo']"


def test_the_clean_machine_has_no_compiler_headers_or_pip(session: Session) -> None:
    code = """\
import importlib.util, os, shutil
print([name for name in ("cc", "gcc", "g++", "ld", "make", "pip") if shutil.which(name)])
print([name for name in ("pip", "setuptools", "wheel") if importlib.util.find_spec(name)])
print(os.path.exists("/usr/include/stdio.h"), os.path.exists("/usr/include/python3.11/Python.h"))
"""
    assert python(session, code) == "[]\n[]\nFalse False"


def test_the_clean_machine_has_the_whole_standard_library(session: Session) -> None:
    code = """\
import asyncio, bz2, ctypes.util, curses, decimal, distutils.core, lib2to3.pgen2.driver, lzma
import multiprocessing, readline, sqlite3, ssl, uuid, venv, xml.etree.ElementTree, zoneinfo
print(multiprocessing.Lock(), zoneinfo.ZoneInfo("Asia/Shanghai"), ctypes.util.find_library("z"))
"""
    result = session.run(["python", "-W", "ignore", "-c", code])
    assert result.output == "<Lock(owner=None)> Asia/Shanghai libz.so.1\n"


def test_the_build_machine_compiles_with_its_own_compilers(
    engine: Engine, build_root: Root
) -> None:
    script = r"""
set -e
printf '#include <Python.h>\nint main(void) { return PY_MAJOR_VERSION != 3; }\n' >a.c
aarch64-linux-gnu-gcc $(pkg-config --cflags python-3.11) a.c -o a && ./a
printf 'int main() { throw 1; }\n' >b.cc
c++ b.cc -o b && ! ./b 2>/dev/null
cc -dumpmachine
for name in awk bash file find make m4 patch perl sed tar unzip which xz; do which $name; done
"""
    with engine.session(build_root) as session:
        result = session.run(["sh", "-c", script])
    assert result.ok, result.output
    assert result.output.splitlines()[0] == "aarch64-linux-gnu"


def test_what_a_command_leaves_running_dies_with_it(session: Session) -> None:
    began = session.run(["sh", "-c", "sleep 1234 & echo started"])
    assert began.output == "started\n"
    assert began.seconds < 600
    code = "import os; print(sum(p.isdigit() for p in os.listdir('/proc')) <= 2)"
    assert python(session, code) == "True", "the first process and this one"
    assert not [line for line in _host_processes() if "sleep\x001234" in line]


@pytest.mark.parametrize(
    ("name", "argv", "stop"),
    [
        ("fork bomb", ["python", "-c", FORK_BOMB], Stop.PROCESSES),
        ("shell bomb", ["sh", "-c", SHELL_BOMB], Stop.PROCESSES),
        ("memory hog", ["python", "-c", HOG], Stop.MEMORY),
        ("full work", ["python", "-c", f"where = '/work'\n{FILL}"], Stop.DISK),
        ("full tmp", ["python", "-c", f"where = '/tmp'\n{FILL}"], Stop.DISK),
    ],
)
def test_too_much_of_anything_ends_the_command(
    engine: Engine, target_root: Root, name: str, argv: list[str], stop: Stop
) -> None:
    with engine.session(target_root, limits=SMALL) as session:
        result = session.run(argv)
        assert result.stopped is stop, f"{name}: {result}"
        assert not result.ok
        assert result.seconds < 300, "ended, but not by what it had too much of"
        if stop is not Stop.DISK:
            assert session.run(["echo", "well"]).output == "well\n", "the session can go on"


@pytest.mark.parametrize(
    ("code", "limits", "stop"),
    [
        ("import time; time.sleep(60)", Limits(idle=0.5), Stop.IDLE),
        ("while True: pass", Limits(idle=0.5, wall=2.0), Stop.WALL),
    ],
    ids=["silent", "busy"],
)
def test_a_command_without_end_is_ended(
    engine: Engine, target_root: Root, code: str, limits: Limits, stop: Stop
) -> None:
    with engine.session(target_root, limits=limits) as session:
        result = session.run(["python", "-c", code])
    assert (result.stopped, result.signal) == (stop, None)
    assert result.seconds < 20


def test_a_busy_or_talking_command_is_not_idle(engine: Engine, target_root: Root) -> None:
    talk = "for i in 1 2 3 4 5 6; do sleep 0.4; echo $i; done"
    work = "import time\nend = time.time() + 2\nwhile time.time() < end: pass"
    with engine.session(target_root, limits=Limits(idle=1.0)) as session:
        assert session.run(["sh", "-c", talk]).ok
        assert session.run(["python", "-c", work]).ok


def test_a_session_leaves_nothing(engine: Engine, target_root: Root, shared_store: object) -> None:
    before = _mounts()
    with engine.session(target_root) as session:
        # A directory that its owner may not enter must be removed all the same.
        session.run(["sh", "-c", "mkdir -p a/b; touch a/b/c; chmod 0 a/b a"])
    assert _mounts() == before


def test_work_is_kept_when_the_session_fails(
    engine: Engine, target_root: Root, tmp_path: Path
) -> None:
    keep = tmp_path / "deep" / "kept"

    def fail() -> None:
        with engine.session(target_root, keep=keep) as session:
            session.run(["sh", "-c", "mkdir a; echo content >a/b; ln -s /nowhere link"])
            raise ValueError("failed")

    with pytest.raises(ValueError, match="failed"):
        fail()
    assert (keep / "a" / "b").read_text(encoding="ascii") == "content\n"
    assert (keep / "link").is_symlink()
    unused = tmp_path / "unused"
    with engine.session(target_root, keep=unused):
        pass
    assert not unused.exists()


def test_an_image_is_prepared_once(engine: Engine, target_root: Root) -> None:
    again = engine.prepare(target_root.image, Role.TARGET)
    assert again == target_root


def _mounts() -> list[str]:
    """The mounts of the host, without those of containers: others may have some."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if "docker" not in line]


def _host_processes() -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(encoding="utf-8", errors="replace"))
    return found
