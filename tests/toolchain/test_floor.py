"""The target's C library for what other compilers made: what it offers, and its shim."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from crossbuild.toolchain import floor
from crossbuild.toolchain.floor import CLibrary
from crossbuild.wheels import elf, rebinding
from crossbuild.wheels.elf import SymbolVersion
from tests.toolchain.conftest import Tools


@pytest.fixture(scope="module")
def library(c_tools: tuple[Tools, Tools]) -> CLibrary:
    found = floor.c_library(c_tools[0].root)
    assert found
    return found


def test_a_tree_without_a_floor_has_no_c_library(tmp_path: Path) -> None:
    assert floor.c_library(tmp_path) is None


def test_what_links_at_the_floor_get_is_offered(library: CLibrary) -> None:
    symbols = rebinding.offered(library.stubs, library.shims).symbols
    assert symbols["log"] == SymbolVersion(library="libm.so.6", name="GLIBC_2.17")
    assert symbols["dlopen"] == SymbolVersion(library="libdl.so.2", name="GLIBC_2.17")
    assert symbols["pthread_create"].library == "libpthread.so.0"
    assert "getentropy" not in symbols


def test_the_shims_have_what_is_new_and_need_nothing_new(library: CLibrary) -> None:
    c, cxx = library.shims
    shims = rebinding.offered(library.stubs, library.shims).shims
    of_python = ("sem_clockwait", "close_range", "preadv64v2", "pwritev64v2")
    others = ("stat", "fstat64", "arc4random_buf", "__isoc23_strtol", "res_nsearch")
    for name in (*others, *of_python):
        assert shims[name] == c.name
    for name in ("_ZNSt13runtime_errorC2EOS_", "_ZSt28__throw_bad_array_new_lengthv", "_ZdlPvm"):
        assert shims[name] == cxx.name
    assert not shims.keys() & {"log", "dlopen", "memcpy", "malloc", "_ZdlPv"}
    infos = [elf.read(io.BytesIO(path.read_bytes()), path.name) for path in library.shims]
    assert {version.name for info in infos for version in info.versions} == {"GLIBC_2.17"}
    assert set(infos[0].needed) == {"libc.so.6", "libpthread.so.0", "libresolv.so.2"}
    assert set(infos[1].needed) == {"libstdc++.so.6"}
    assert [info.soname for info in infos] == [path.name for path in library.shims]


def test_what_leads_gccs_links_to_the_floor(library: CLibrary) -> None:
    there = library.shims[0].parent.parent
    names = {path.name for path in (there / "lib").iterdir()}
    assert {"libc.so", "libc.so.6", "libm.so", "Scrt1.o", "libc_nonshared.a"} <= names
    assert not names & {"crti.o", "libgcc.a", "libstdc++.a", "libunwind.so", "libc++.a"}
    assert all(path.resolve().is_file() for path in (there / "lib").iterdir())
    assert (there / "bin/ld").stat().st_mode & 0o111
