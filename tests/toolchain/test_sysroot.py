"""The sysroot, used on the host: what is found in it, and that it never differs."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path

import pytest

from crossbuild.target import Target
from crossbuild.toolchain import cxx
from crossbuild.toolchain.compiler import Zig
from crossbuild.toolchain.sysroot import Layout
from crossbuild.wheels import elf
from tests.toolchain.conftest import Tools, c_toolchain

Pair = tuple[Tools, Tools]

EXTENSION = """
#include <dlfcn.h>
#include <math.h>
#include <pthread.h>
#include <string.h>
static pthread_key_t key;
int answer(const char *text, double x)
{
    char copy[64];
    pthread_key_create(&key, 0);
    memcpy(copy, text, 64);
    return (int)pow(x, x) + copy[3] + (dlsym(0, text) != 0) + (strlen(__FILE__) > 0);
}
"""
CHARACTERS = """
#include <string>
typedef std::basic_string<unsigned int> text;
typedef std::char_traits<unsigned short> traits;
text twice(text const &one)
{
    text both(one);
    both += one;
    both.resize(both.find(7u) + 1, 0u);
    return both < one ? both.substr(1) : text(both.begin(), both.end());
}
static_assert(traits::eof() != traits::to_int_type(65535), "no character is the end");
static_assert(traits::not_eof(traits::eof()) == 0 && traits::not_eof(5) == 5, "");
static_assert(traits::eq(1, 1) && traits::lt(1, 2) && !traits::lt(2, 1), "");
#if __cplusplus >= 201703L
constexpr unsigned short word[] = {1, 2, 3, 0, 9}, other[] = {1, 2, 65535};
static_assert(traits::length(word) == 3);
static_assert(traits::compare(word, other, 2) == 0 && traits::compare(word, other, 3) < 0);
static_assert(traits::compare(other, word, 3) > 0);
static_assert(traits::find(word, 5, 9) == word + 4 && !traits::find(word, 4, 9));
constexpr int moved(int to, int from)
{
    unsigned short place[] = {1, 2, 3, 4, 5};
    traits::move(place + to, place + from, 3);
    return place[0] * 10000 + place[1] * 1000 + place[2] * 100 + place[3] * 10 + place[4];
}
static_assert(moved(1, 0) == 11235 && moved(0, 1) == 23445 && moved(2, 2) == 12345);
constexpr int filled()
{
    unsigned short place[4] = {}, copied[4] = {};
    traits::assign(place, 3, 7);
    traits::copy(copied, place, 4);
    return copied[0] * 1000 + copied[1] * 100 + copied[2] * 10 + copied[3];
}
static_assert(filled() == 7770);
#endif
"""
DEBIAN = ["-g", "-O2", "-fstack-protector-strong", "-Wformat", "-Werror=format-security", "-fPIC"]


def shared(tools: Tools, directory: Path, *options: str, source: str = EXTENSION) -> Path:
    """Compile and link a shared library, as distutils does on Debian: no -l at all."""
    directory.mkdir(exist_ok=True)
    (directory / "x.c").write_text(source)
    steps: tuple[tuple[str | Path, ...], ...] = (
        ("gcc", *DEBIAN, "-c", directory / "x.c", "-o", directory / "x.o"),
        ("gcc", "-shared", "-Wl,-O1", "-Wl,-Bsymbolic-functions", "-g", "-fwrapv", "-O2",
         directory / "x.o", *options, "-o", directory / "x.so"),
    )  # fmt: skip
    for name, *arguments in steps:
        done = tools.run(str(name), *arguments)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")
    return directory / "x.so"


def test_what_is_in_other_libraries_at_the_floor_is_found(c_tools: Pair, tmp_path: Path) -> None:
    info = elf.read(io.BytesIO(shared(c_tools[0], tmp_path).read_bytes()), "x.so")
    assert info.machine == "EM_AARCH64"
    assert {"libc.so.6", "libm.so.6", "libdl.so.2", "libpthread.so.0"} <= set(info.needed)
    assert {version.name for version in info.versions} == {"GLIBC_2.17"}


def test_no_debug_information_and_no_path_of_this_host(c_tools: Pair, tmp_path: Path) -> None:
    data = shared(c_tools[0], tmp_path).read_bytes()
    assert b".debug_info" not in data
    assert str(c_tools[0].root).encode() not in data
    assert b"ziglang" not in data


def test_the_same_bytes_from_toolchains_in_different_places(c_tools: Pair, tmp_path: Path) -> None:
    made = [shared(tools, tmp_path).read_bytes() for tools in c_tools]
    assert made[0] == made[1]


def test_the_same_toolchain_in_different_places(c_tools: Pair) -> None:
    one, other = (_content(tools.root) for tools in c_tools)
    assert one == other
    assert "sysroot/usr/lib/libcompiler_rt.a" in one


def _content(root: Path) -> dict[str, str]:
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_relative_to(root / "work")
    }


def test_the_cxx_library_does_not_depend_on_its_place(c_tools: Pair) -> None:
    objects = []
    for tools in c_tools:
        layout = Layout(root=tools.root)
        found = {unit.source.name: unit for unit in cxx.units(Zig.find(), layout)}
        for name in ("typeinfo.cpp", "cxa_exception.cpp"):
            cxx.compile_unit(found[name], Zig.find(), layout)
        objects.append([found["typeinfo.cpp"].object.read_bytes(),
                        found["cxa_exception.cpp"].object.read_bytes()])  # fmt: skip
    assert objects[0] == objects[1]


@pytest.mark.parametrize("standard", ["c++11", "c++14", "c++17", "c++20", "c++23"])
def test_strings_of_any_character_as_gcc_has_them(
    c_tools: Pair, tmp_path: Path, standard: str
) -> None:
    """Dlib 19.24.2 has strings of ``uint32_t``."""
    source = tmp_path / "x.cpp"
    source.write_text(CHARACTERS)
    done = c_tools[0].run(
        "g++", f"-std={standard}", "-Werror", "-c", source, "-o", tmp_path / "x.o"
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_newest_functions_are_not_there(c_tools: Pair, tmp_path: Path) -> None:
    source = tmp_path / "new.c"
    source.write_text("#include <stdlib.h>\nvoid *f(void) { return reallocarray(0, 1, 1); }\n")
    done = c_tools[0].run("gcc", "-c", source, "-o", tmp_path / "new.o")
    assert done.returncode == 1
    assert "reallocarray" in done.stderr


@pytest.mark.parametrize(
    "option",
    [
        "-Wl,--version-script={here}/map",
        "-Wl,--no-allow-shlib-undefined,--copy-dt-needed-entries,--no-threads",
        "-Wl,-z,relro,-z,now,-z,noexecstack,--hash-style=gnu,--build-id,--sort-common",
        "-Wl,--exclude-libs,ALL",
        "-lpthread -lm -ldl -lrt -lutil",
        "-latomic -lgcc",
        "-flto=auto -fuse-linker-plugin",
        "-specs=/usr/lib/rpm/redhat/redhat-hardened-ld",
        "-rdynamic -symbolic -Werror",
        "-fuse-ld=bfd",
        "@{here}/response",
    ],
)
def test_how_links_are_asked_for(c_tools: Pair, tmp_path: Path, option: str) -> None:
    (tmp_path / "map").write_text("{ global: answer; initfrotz; local: *; };\n")
    (tmp_path / "response").write_text("-Wl,--no-threads '-Wl,-soname,a b'\n")
    options = option.format(here=tmp_path).split()
    shared(c_tools[0], tmp_path, *options, source="int answer(void) { return 42; }\n")


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["-mavx2"], "unsupported option '-mavx2'"),
        (["-msse4.1"], "unrecognized command-line option"),
        (["-fcf-protection"], "cf-protection"),
        (["-no-such-option"], "unknown argument"),
        (["-fopenmp"], "OpenMP"),
    ],
)
def test_what_a_probe_must_not_find(
    c_tools: Pair, tmp_path: Path, options: list[str], complaint: str
) -> None:
    source = tmp_path / "x.c"
    source.write_text("void f(void) {\n#pragma omp parallel\n  ;\n}\n")
    done = c_tools[0].run("gcc", *options, "-Wall", "-c", source, "-o", tmp_path / "x.o")
    assert done.returncode == 1
    assert complaint.lower() in done.stderr.lower()


def test_openmp_that_is_not_used_compiles(c_tools: Pair, tmp_path: Path) -> None:
    shared(c_tools[0], tmp_path, "-fopenmp", source="int answer(void) { return 42; }\n")


def test_unused_options_are_no_errors(c_tools: Pair, tmp_path: Path) -> None:
    source = tmp_path / "x.c"
    source.write_text("int f(void) { return 1; }\n")
    options = ("-Werror", "-rdynamic", "-fweb", "-Wl,-O1", "-Wlogical-op", "--param", "max-x=1")
    done = c_tools[0].run("gcc", *options, "-c", source, "-o", tmp_path / "x.o")
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "source",
    [
        "struct a { int x; }; struct b { int x; };\nstruct a *f(struct b *of) { return of; }\n",
        "void f(void); int (*g(void))(int) { return f; }\n",
        "char *f(long number) { return number; }\n",
        "static number = 1; int f(void) { return number; }\n",
        "void f(void) { return 1; }\n",
    ],
    ids=["pointers", "functions", "numbers", "no-type", "no-result"],
)
def test_what_gcc_only_warns_of_before_14(c_tools: Pair, tmp_path: Path, source: str) -> None:
    (tmp_path / "x.c").write_text(source)
    done = c_tools[0].run("gcc", "-c", tmp_path / "x.c", "-o", tmp_path / "x.o")
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr


@pytest.mark.parametrize(
    "source",
    [
        "long n = 1; char narrow[] = {1, (char)2}; int all[] = {n};\n",
        "int f(void) { register int fast = 1; return fast; }\n",
        '#define NUMBER "ld"\nconst char *format = "%"NUMBER;\n',
        """\
template <unsigned long n> struct caller {
    template <typename T> static auto go(T f) -> decltype(caller<n - 1>::template go(f))
    { return caller<n - 1>::go(f); }
};
template <> struct caller<0> {
    template <typename T> static auto go(T f) -> decltype(f()) { return f(); }
};
int one(void) { return 1; }
int two(void) { return caller<2>::go(one); }
""",
    ],
    ids=["narrowing", "register", "literal", "template"],
)
def test_what_gcc_only_warns_of_in_cxx(c_tools: Pair, tmp_path: Path, source: str) -> None:
    """The last one is of dlib 19.24.2."""
    (tmp_path / "x.cpp").write_text(source)
    done = c_tools[0].run("g++", "-std=c++17", "-c", tmp_path / "x.cpp", "-o", tmp_path / "x.o")
    assert done.returncode == 0, done.stderr
    assert "warning: " in done.stderr


def test_archives_are_the_same_each_time(c_tools: Pair, tmp_path: Path) -> None:
    shared(c_tools[0], tmp_path)
    made = []
    for name in ("a.a", "b.a"):
        done = c_tools[0].run("ar", "rcs", tmp_path / name, tmp_path / "x.o")
        assert (done.returncode, done.stderr) == (0, "")
        made.append((tmp_path / name).read_bytes())
        (tmp_path / "x.o").touch()
    assert made[0] == made[1]


def test_musl_is_one_library_under_many_names(tmp_path: Path) -> None:
    tools = c_toolchain(tmp_path / "root", Target.parse("musllinux_1_2_aarch64", "3.11"))
    made = shared(tools, tmp_path, "-lm", "-lpthread", "-ldl", "-lrt", "-lutil")
    with made.open("rb") as stream:
        info = elf.read(stream, "x.so")
    assert set(info.needed) == {"libc.so"}
    assert not info.versions
