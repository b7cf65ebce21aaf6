"""Names, modes and response files."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild import process
from tests.toolchain.conftest import Tools

TRIPLET = "aarch64-linux-gnu"


@pytest.mark.parametrize(
    ("name", "mode"),
    [("cc", "gcc"), ("gcc", "gcc"), ("clang", "gcc"), ("c++", "g++"), ("g++", "g++"),
     ("clang++", "g++"), ("cpp", "cpp")],
)  # fmt: skip
@pytest.mark.parametrize("prefix", ["", f"{TRIPLET}-"])
def test_compilers(tools: Tools, name: str, mode: str, prefix: str) -> None:
    words = tools.words(prefix + name, "x.c")
    assert words[:2] == ["zig", "clang"]
    assert f"--driver-mode={mode}" in words
    assert f"--config={tools.root}/clang.cfg" in words
    assert words[-1] == "x.c"


@pytest.mark.parametrize(
    ("name", "tool"),
    [("ar", "ar"), ("gcc-ar", "ar"), ("ranlib", "ranlib"), ("gcc-ranlib", "ranlib")],
)
def test_archivers_get_their_words_as_they_are(tools: Tools, name: str, tool: str) -> None:
    assert tools.words(name, "-g", "@x", "a.o") == ["zig", tool, "-g", "@x", "a.o"]


def test_ld_searches_as_gnu_ld_does(tools: Tools) -> None:
    words = tools.words(f"{TRIPLET}-ld", "x.o")
    always = ["zig", "ld.lld", "--as-needed", "--allow-shlib-undefined", "--undefined-version"]
    searched = [f"-L{tools.root}/sysroot/usr/lib", f"-L/usr/lib/{TRIPLET}"]
    assert words == [*always, "x.o", *searched]
    assert tools.words("ld.lld", "x.o") == [*always, "x.o"], "clang brings its own"


def test_every_name_is_there(tools: Tools) -> None:
    names = tools.listed("names")
    assert sorted(names) == sorted(path.name for path in (tools.root / "bin").iterdir())
    assert {"cc", "c++", f"{TRIPLET}-gcc", f"{TRIPLET}-g++", f"{TRIPLET}-ar"} < set(names)


def test_a_name_that_is_no_tool(tools: Tools, tmp_path: Path) -> None:
    odd = tmp_path / "bin/gfortran"
    odd.parent.mkdir()
    odd.hardlink_to(tools.root / "bin/cc")
    done = process.run([str(odd)], env={}, check=False)
    assert done.returncode == 127
    assert "there is no tool named" in done.stderr
    assert "gfortran" in done.stderr


def test_without_zig_it_says_what_is_missing(tools: Tools, tmp_path: Path) -> None:
    lonely = tmp_path / "bin/cc"
    lonely.parent.mkdir()
    lonely.hardlink_to(tools.root / "bin/cc")
    done = process.run([str(lonely), "x.c"], env={}, check=False)
    assert done.returncode == 127
    assert done.stderr == f"crossbuild launcher: cannot execute {tmp_path}/zig\n"


def test_response_files(tools: Tools, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.write_text("-march=native -I/usr/include inner.c\n")
    outer = tmp_path / "outer"
    outer.write_text(f"""-g "-DA=a b" '-DB="q"' -DC=\\"c\\" ''\n\t@{inner} -O2""")
    expected = ["-DA=a b", '-DB="q"', '-DC="c"', "", "inner.c", "-O2", "last.c"]
    assert tools.translated(f"@{outer}", "last.c") == expected


def test_a_response_file_that_is_not_there_stays(tools: Tools) -> None:
    assert tools.translated("@/nowhere", "x.c") == ["@/nowhere", "x.c"]


def test_a_response_file_of_itself_ends(tools: Tools, tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.write_text(f"-O2 @{loop}")
    words = tools.translated(f"@{loop}")
    assert set(words) == {"-O2", f"@{loop}"}


def test_many_and_long_words(tools: Tools, tmp_path: Path) -> None:
    words = [f"-D{index}={'x' * 200}" for index in range(20_000)]
    response = tmp_path / "many"
    response.write_text("\n".join(words))
    assert tools.translated(f"@{response}") == words


def test_it_is_static_and_small(tools: Tools) -> None:
    program = (tools.root / "bin/cc").read_bytes()
    assert len(program) < 64 << 10
    assert b"ld-linux" not in program
