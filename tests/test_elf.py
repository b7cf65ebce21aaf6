"""Reading ELF: hand-written files for every processor, real ones against auditwheel's reader."""

from __future__ import annotations

import io
import random
import sys
import sysconfig
from pathlib import Path

import pytest
from auditwheel.elfutils import elf_find_versioned_symbols, elf_read_dt_needed
from elftools.elf.elffile import ELFFile

from crossbuild.errors import IntegrityError
from crossbuild.platforms import ARCHES, Arch
from crossbuild.wheels import elf
from crossbuild.wheels.elf import SymbolVersion
from tests.elves import shared_object

LIBC = {"libc.so.6": {"GLIBC_2.17": "getenv", "GLIBC_2.34": "pthread_create"}}


@pytest.mark.parametrize("arch", ARCHES.values(), ids=str)
def test_reads_what_a_file_needs_on_every_processor(arch: Arch) -> None:
    data = shared_object(
        arch=arch,
        needed=["libm.so.6", "libc.so.6"],
        versions={**LIBC, "libm.so.6": {"GLIBC_2.29": "exp"}},
        soname="libown.so.1",
        runpath="$ORIGIN/../own.libs:/opt/lib",
    )
    info = elf.read(io.BytesIO(data), "own")
    assert (info.machine, info.type) == (arch.machine, "ET_DYN")
    assert (info.bits, info.little_endian) == (arch.bits, arch.little_endian)
    assert info.needed == ("libm.so.6", "libc.so.6")
    assert info.soname == "libown.so.1"
    assert info.search == ("$ORIGIN/../own.libs", "/opt/lib")
    assert info.versions == {
        SymbolVersion(library="libc.so.6", name="GLIBC_2.17"),
        SymbolVersion(library="libc.so.6", name="GLIBC_2.34"),
        SymbolVersion(library="libm.so.6", name="GLIBC_2.29"),
    }


@pytest.mark.parametrize("arch", ARCHES.values(), ids=str)
def test_names_the_symbol_that_wants_a_version(arch: Arch) -> None:
    versions = {"libc.so.6": {"GLIBC_2.34": "pthread_create", "GLIBC_ABI_DT_RELR": ""}}
    stream = io.BytesIO(shared_object(arch=arch, versions=versions, exports=["PyInit_own"]))
    wanted = SymbolVersion(library="libc.so.6", name="GLIBC_2.34")
    whole = SymbolVersion(library="libc.so.6", name="GLIBC_ABI_DT_RELR")
    absent = SymbolVersion(library="libc.so.6", name="GLIBC_2.99")
    assert elf.symbol(stream, "own", wanted) == "pthread_create"
    assert elf.symbol(stream, "own", whole) is None
    assert elf.symbol(stream, "own", absent) is None


def test_tells_symbols_it_defines_from_symbols_it_wants() -> None:
    data = shared_object(versions={"libc.so.6": {"GLIBC_2.17": "getenv"}}, exports=["PyInit_own"])
    assert elf.defines(io.BytesIO(data), "own", "PyInit_own")
    assert not elf.defines(io.BytesIO(data), "own", "getenv")
    assert not elf.defines(io.BytesIO(data), "own", "PyInit_other")


def test_runpath_hides_rpath() -> None:
    both = shared_object(runpath="$ORIGIN/new", rpath="$ORIGIN/old")
    old = shared_object(rpath="$ORIGIN/old")
    assert elf.read(io.BytesIO(both), "own").search == ("$ORIGIN/new",)
    assert elf.read(io.BytesIO(old), "own").search == ("$ORIGIN/old",)


@pytest.mark.parametrize(
    "data",
    [b"\x7fELF", b"\x7fELF" + b"\xff" * 200, shared_object(needed=["libc.so.6"])[:150]],
    ids=["nothing more", "nonsense", "cut"],
)
def test_refuses_what_only_begins_like_elf(data: bytes) -> None:
    with pytest.raises(IntegrityError, match="own begins like ELF and is damaged"):
        elf.read(io.BytesIO(data), "own")


def test_no_damage_escapes_as_another_error() -> None:
    data = shared_object(needed=["libc.so.6"], versions=LIBC, soname="libown.so.1")
    wanted = SymbolVersion(library="libc.so.6", name="GLIBC_2.34")
    chance = random.Random(20)
    damaged = 0
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(8):
            broken[chance.randrange(4, len(broken))] = chance.randrange(256)
        try:
            elf.read(io.BytesIO(broken), "own")
            elf.symbol(io.BytesIO(broken), "own", wanted)
        except IntegrityError:
            damaged += 1
    assert damaged > 100


def _real_files() -> list[Path]:
    """The interpreter's own extension modules, and those of installed packages."""
    places = [
        Path(sysconfig.get_path("stdlib"), "lib-dynload"),
        Path(sysconfig.get_path("platlib")),
    ]
    return sorted(path for place in places for path in place.rglob("*.so"))[:40]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux extension modules to read")
def test_agrees_with_auditwheel_on_real_files() -> None:
    files = _real_files()
    assert files
    for path in files:
        with path.open("rb") as stream:
            info = elf.read(stream, path.name)
            theirs = set(elf_find_versioned_symbols(ELFFile(stream)))
        ours = {(item.library, item.name) for item in info.versions}
        assert {item for item in ours if not item[0].startswith("ld-linux")} == theirs, path
        assert list(info.needed) == elf_read_dt_needed(path), path
