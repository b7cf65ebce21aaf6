"""The toolchain where it is used: called by an emulated Python, with Debian's own flags."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossbuild.wheels import elf
from tests.toolchain.conftest import Box

pytestmark = pytest.mark.emulation

MODULE = r"""
#include <Python.h>
#include <zlib.h>
#include <atomic>
#include <filesystem>
#include <map>
#include <sstream>
#include <stdexcept>
#include <thread>
static std::map<std::string, int> counts{{"one", 1}};
struct Farewell { ~Farewell() { if (getenv("FAREWELL")) puts("farewell"); } };
static Farewell farewell;
static PyObject *work(PyObject *, PyObject *)
{
    std::atomic<int> sum{0};
    std::thread one([&] { for (int i = 0; i < 1000; i++) sum++; });
    one.join();
    std::ostringstream text;
    try {
        sum += counts.at("two");
    } catch (const std::out_of_range &) {
        text << "caught " << sum << " " << crc32(0, (const Bytef *)"abc", 3) << " "
             << std::filesystem::path("/a/b.c").extension().string();
    }
    return PyUnicode_FromString(text.str().c_str());
}
static PyMethodDef methods[] = {{"work", work, METH_NOARGS, nullptr}, {}};
static PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo", nullptr, -1, methods};
PyMODINIT_FUNC PyInit_demo() { return PyModule_Create(&module); }
"""

SCRIPT = r"""
import json, os, shlex, subprocess, sys, sysconfig, time
os.chdir("/work")
open("demo.cpp", "w").write(MODULE)
var = lambda name: shlex.split(sysconfig.get_config_var(name))
cxx = var("CC")[0].replace("gcc", "g++")
include = "-I" + sysconfig.get_path("include")
def build(made):
    subprocess.run([cxx, *var("CFLAGS"), *var("CCSHARED"), include, "-I/usr/include",
                    "-c", "demo.cpp", "-o", "demo.o", "-std=c++17"], check=True)
    subprocess.run([cxx, *var("LDSHARED")[1:], "demo.o", "-lz", "-o", made], check=True)
began = time.monotonic()
build("demo.so")
os.makedirs("/work/again")
os.rename("/work/demo.so", "/work/again/demo.so")
build("demo.so")
sys.path.insert(0, "/work")
import demo
refused = []
for path in ("/opt/crossbuild/toolchain/bin/cc", "/opt/crossbuild/toolchain/new",
             "/opt/crossbuild/toolchain/sysroot/usr/lib/libc.so", "/opt/crossbuild/zig/zig"):
    try:
        open(path, "ab").close()
    except OSError as error:
        refused.append(error.strerror)
print(json.dumps({
    "same": open("demo.so", "rb").read() == open("again/demo.so", "rb").read(),
    "work": demo.work(),
    "refused": refused,
    "left": sorted(set(os.listdir("/work")) - {"script.py"}) + os.listdir("/tmp"),
}), flush=True)
"""


@pytest.fixture(scope="module")
def built(box: Box, tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, object], Path]:
    """What the script says, and the extension it built."""
    directory = tmp_path_factory.mktemp("built")
    script = directory / "script.py"
    script.write_text(f"MODULE = {MODULE!r}\n{SCRIPT}")
    said = box.run(script, ("/work/demo.so", directory / "demo.so"))
    lines = [line for line in said.splitlines() if line.startswith("{")]
    answer: dict[str, object] = json.loads(lines[-1])
    assert said.splitlines() == lines, "the compilers are silent"
    return answer, directory / "demo.so"


def test_it_is_imported_and_computes(built: tuple[dict[str, object], Path]) -> None:
    assert built[0]["work"] == "caught 1000 891568578 .c"


def test_it_fits_the_floor(built: tuple[dict[str, object], Path]) -> None:
    with built[1].open("rb") as stream:
        info = elf.read(stream, "demo.so")
    assert info.machine == "EM_AARCH64"
    glibc = {version.name for version in info.versions if version.name.startswith("GLIBC")}
    assert glibc == {"GLIBC_2.17"}
    others = set(info.needed) - {"libc.so.6", "libpthread.so.0", "libdl.so.2", "libm.so.6"}
    assert others - {"ld-linux-aarch64.so.1"} == {"libz.so.1", "libgcc_s.so.1"}


def test_twice_gives_the_same_bytes(built: tuple[dict[str, object], Path]) -> None:
    assert built[0]["same"] is True


def test_a_build_can_write_nothing_that_another_reads(
    built: tuple[dict[str, object], Path],
) -> None:
    assert built[0]["refused"] == ["Read-only file system"] * 4


def test_the_compilers_leave_nothing_behind(built: tuple[dict[str, object], Path]) -> None:
    assert built[0]["left"] == ["again", "demo.cpp", "demo.o", "demo.so"]


EXCEPTIONS = r"""
import ctypes, os, subprocess
os.chdir("/work")
open("e.h", "w").write("struct E { virtual ~E() {} int value = 42; };")
open("a.cpp", "w").write('#include "e.h"\nextern "C" void thrower() { throw E(); }')
open("b.cpp", "w").write('#include "e.h"\n'
    'extern "C" int catcher(void (*f)()) { try { f(); } catch (const E &e) { return e.value; }'
    ' catch (...) { return -1; } return 0; }')
for name in "ab":
    argv = ["c++", "-shared", "-fPIC", "-O2", f"{name}.cpp", "-o", f"{name}.so"]
    subprocess.run(argv, check=True)
a, b = (ctypes.CDLL(f"/work/{name}.so", mode=os.RTLD_LOCAL) for name in "ab")
print(b.catcher(a.thrower))
"""


def test_an_exception_of_one_extension_is_caught_in_another(box: Box, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(EXCEPTIONS)
    assert box.run(script) == "42\n"


PROGRAMS = r"""
import os, subprocess
os.chdir("/work")
open("m.c", "w").write("#include <stdio.h>\nint main(void) { puts(\"ran\"); return 0; }")
subprocess.run(["cc", "m.c", "-o", "m"], check=True)
subprocess.run(["cc", "-no-pie", "m.c", "-o", "n"], check=True)
for program in ("m", "n"):
    print(subprocess.check_output(["./" + program], text=True), end="")
for argv in (["cc", "-print-search-dirs"], ["cc", "-dM", "-E", "-x", "c", "/dev/null"],
             ["c++", "-Wl,--version"], ["cc", "--version"], ["ld", "--version"], ["cc", "-v"],
             ["cc", "-print-prog-name=ld"], ["cc", "-print-file-name=libc.so"], ["cpp", "m.c"],
             ["cc", "-E", "-Wp,-v", "-xc", "/dev/null"], ["cc", "-print-libgcc-file-name"]):
    done = subprocess.run(argv, capture_output=True, text=True)
    assert done.returncode == 0, (argv, done.stderr)
    if argv[-1] == "/dev/null" and "-dM" in argv:
        assert "__aarch64__ 1" in done.stdout and "__GLIBC_MINOR__ 17" in done.stdout
    if argv[-1] == "-Wl,--version" or argv[0] == "ld":
        assert done.stdout.startswith("LLD "), done.stdout
"""


def test_programs_run_and_questions_are_answered(box: Box, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(PROGRAMS)
    assert box.run(script) == "ran\nran\n"


OLD_C = r"""
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <sys/stat.h>
static void *idle(void *nothing) { return nothing; }
double answer(double x)
{
    struct stat found;
    pthread_t thread;
    double plus(double y) { return y + pow(x, 2); }  /* nested, as GCC alone knows functions */
    if (pthread_create(&thread, 0, idle, 0) == 0) pthread_detach(thread);
    return stat("/", &found) == 0 ? plus(1) : 0;
}
"""

MOVED = r"""
#include <condition_variable>
#include <sstream>
#include <stdexcept>
extern "C" int pthread_cond_clockwait(pthread_cond_t *, pthread_mutex_t *, clockid_t,
                                      const struct timespec *);
extern "C" const char *moved()
{
    static std::string said;
    std::ostringstream text;
    pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
    struct timespec soon;
    clock_gettime(CLOCK_MONOTONIC, &soon);
    soon.tv_sec += 1;
    pthread_mutex_lock(&mutex);
    text << (pthread_cond_clockwait(&condition, &mutex, CLOCK_MONOTONIC, &soon) == ETIMEDOUT) + 40;
    try {
        std::runtime_error first("caught");
        throw std::runtime_error(std::move(first));
    } catch (const std::exception &error) {
        text << " " << error.what();
    }
    said = text.str();
    return said.c_str();
}
"""

BY_GCC = r"""
import ctypes, errno, glob, os, struct, subprocess, time
os.chdir("/work")
open("old.c", "w").write(OLD_C)
open("main.cpp", "w").write('#include <iostream>\nint main() { std::cout << "ran" << std::endl; }')
env = dict(os.environ, PATH="/usr/bin:/bin", **FOREIGN)
subprocess.run(["gcc", "-O2", "-fPIC", "-shared", "-L/usr/lib/aarch64-linux-gnu", "old.c",
                "-o", "old.so"], check=True, env=env)
subprocess.run(["g++", "-O2", "main.cpp", "-o", "main"], check=True, env=env)
shim, shimxx = sorted(glob.glob("/opt/crossbuild/toolchain/floor/shim/*.so"))
open("moved.cpp", "w").write(MOVED)
subprocess.run(["g++", "-O0", "-fPIC", "-shared", "moved.cpp", shim, shimxx, "-o", "moved.so",
                "-Wl,-rpath," + os.path.dirname(shim)], check=True, env=env)
answer = ctypes.CDLL("/work/old.so").answer
answer.restype, answer.argtypes = ctypes.c_double, [ctypes.c_double]
shim, room = ctypes.CDLL(shim), ctypes.create_string_buffer(512)
assert shim.stat(b"/nowhere", room) == -1 and shim.stat(b"/work", room) == 0
assert struct.unpack_from("Q", room, 8)[0] == os.stat("/work").st_ino
assert shim.getentropy(room, 257) == -1 and shim.getentropy(room, 256) == 0
assert len(set(room.raw[:256])) > 100
assert {shim.arc4random_uniform(3) for _ in range(99)} == {0, 1, 2}
moved = ctypes.CDLL("/work/moved.so").moved
moved.restype = ctypes.c_char_p
assert moved() == b"41 caught", moved()
assert shim.strlcpy(room, b"abcdef", 4) == 6 and room.value == b"abc"
assert shim.strlcat(room, b"defgh", 6) == 8 and room.value == b"abcde"
number, ended = ctypes.c_long, lambda: struct.pack("qq", int(time.monotonic()) + 1, 999999999)
shim = ctypes.CDLL(shim._name, use_errno=True)
lock = (ctypes.c_long * 8)()
assert shim.sem_clockwait(lock, 1, ended()) == -1 and ctypes.get_errno() == errno.ETIMEDOUT
lock[0] = 1
assert shim.sem_clockwait(lock, 1, ended()) == 0 and lock[0] == 0
text, part = open("old.c", "r+b"), ctypes.create_string_buffer(b"/*", 3)
parts = (number * 2)(ctypes.addressof(part), 2)
assert shim.pwritev64v2(text.fileno(), parts, 1, number(1), 0) == 2
assert shim.preadv64v2(text.fileno(), parts, 1, number(2), 0) == 2
assert part.raw[:1] == b"*" and part.raw[1:2] == OLD_C.encode()[3:4]
done = shim.close_range(text.fileno(), text.fileno(), 0)
assert done == 0 or ctypes.get_errno() == errno.ENOSYS  # QEMU 7.2 has none
print(answer(3.0), subprocess.run(["./main"], check=True, stdout=subprocess.PIPE).stdout.decode())
"""


def test_the_images_own_compilers_link_at_the_floor(box: Box, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    foreign = dict(box.toolchain.foreign)
    script.write_text(f"OLD_C = {OLD_C!r}\nMOVED = {MOVED!r}\nFOREIGN = {foreign!r}\n{BY_GCC}")
    said = box.run(script, ("/work/old.so", tmp_path / "old.so"))
    assert said.split() == ["10.0", "ran"]
    with (tmp_path / "old.so").open("rb") as stream:
        info = elf.read(stream, "old.so")
    assert {version.name for version in info.versions} == {"GLIBC_2.17"}
    assert "libpthread.so.0" in info.needed
