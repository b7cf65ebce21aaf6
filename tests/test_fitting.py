"""Copied libraries that are bound to the target's C library, on code that zig makes here."""

from __future__ import annotations

import io
import struct
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild import repair, verify
from crossbuild.errors import FloorError
from crossbuild.excess import Fit
from crossbuild.model import RepairedWheel
from crossbuild.toolchain.floor import CLibrary
from crossbuild.wheels import elf, wheel
from crossbuild.wheels.elf import SymbolVersion
from tests.test_repair import ENTRY, FLOOR, LIBRARIES, MODULE, Lab, lab, packed, raw, target

__all__ = ["lab"]


@pytest.fixture(scope="module")
def older(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> CLibrary:
    """The target's C library: ``mid`` has an older version there, ``moved`` is elsewhere.

    Nothing else wants the version that ``late`` has.
    """
    stubs = Lab(root=tmp_path_factory.mktemp("stubs"))
    base = "GLIBC_2.17 { global: *; };"
    return CLibrary(
        stubs={
            "libc.so.6": stubs.library("libc.so.6", "int old, mid;", script=base),
            "libdl.so.2": stubs.library(
                "libdl.so.2", "int moved, late;", script=f"GLIBC_2.16 {{ global: late; }}; {base}"
            ),
        },
        shims=(stubs.library("libshim-01234567.so", "int fresh(void){return 5;}"),),
    )


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    """An image whose C library is newer than the target's, and libraries that need it."""
    lab = Lab(root=tmp_path_factory.mktemp("newer"))
    names = ("old", "mid", "moved", "late", "fresh", "gone")
    code = "".join(f"int {name}(void) {{ return 0; }}" for name in names)
    script = (
        "GLIBC_2.17 { global: old; }; GLIBC_2.29 { global: mid; };"
        "GLIBC_2.34 { global: moved; late; }; GLIBC_2.36 { global: fresh; gone; };"
    )
    lab.library("libc.so.6", code, script=script)
    for library, wanted in (("libfits.so.1", names[:5]), ("libgone.so.1", names)):
        declared = "".join(f"int {name}(void);" for name in wanted)
        entry = library.removesuffix(".so.1")
        calls = " + ".join(f"{name}()" for name in wanted)
        lab.library(library, f"{declared} int {entry}(void) {{ return {calls}; }}", ["libc.so.6"])
    return lab


def test_a_copied_library_is_bound_to_the_older_c_library(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    code = f"int libfits(void); {ENTRY} {{ return libfits(); }}"
    built = raw(newer, tmp_path, code, ["libfits.so.1"])
    made = repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    assert [fit.library for fit in made.fitted] == ["libfits.so.1"]
    assert sorted(made.fitted[0].symbols) == ["fresh", "late", "mid", "moved"]
    contents = wheel.read(made.path)
    assert {tag.platform for tag in contents.tags} == {FLOOR, "manylinux_2_17_aarch64"}
    copied = next(member for member in contents.members if "/libfits-" in member)
    info = contents.elves[copied]
    assert {version.name for version in info.versions} == {"GLIBC_2.17"}
    assert {"libc.so.6", "libdl.so.2", "libshim-01234567.so"} == set(info.needed)
    assert "$ORIGIN" in info.search
    assert "demo.libs/libshim-01234567.so" in contents.members
    assert verify.findings(made.path, target()) == ()
    with wheel.member(made.path, copied) as stream:
        numbers = {wish.name: wish.number for wish in elf.bindings(stream, copied).symbols}
    assert not {"fresh", "late"} & numbers.keys()  # no version: whoever has it will do
    assert numbers["old"] == numbers["moved"]
    assert numbers["old"] == numbers["mid"]


def test_a_library_that_finds_all_in_the_c_library_itself_is_not_laid_out_anew(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    calls = "int old(void); int mid(void); int libmid(void) { return old() + mid(); }"
    newer.library("libmid.so.1", calls, ["libc.so.6"])
    built = raw(newer, tmp_path, f"int libmid(void); {ENTRY} {{ return libmid(); }}",
                ["libmid.so.1"])  # fmt: skip
    made = repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    assert made.fitted == (Fit(library="libmid.so.1", symbols=("mid",)),)
    contents = wheel.read(made.path)
    copied = next(member for member in contents.members if "/libmid-" in member)
    assert contents.elves[copied].search == ()
    assert contents.elves[copied].needed == ("libc.so.6",)


def test_what_a_library_can_do_without_is_left_to_whoever_has_it(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    """libgnutls asks for C11's ``thrd_exit`` so: no glibc before 2.28 has it."""
    weak = "int gone(void) __attribute__((weak)); int old(void);"
    asks = "int libweak(void) { return gone ? gone() : old(); }"
    newer.library("libweak.so.1", f"{weak} {asks}", ["libc.so.6"])
    code = f"int libweak(void); {ENTRY} {{ return libweak(); }}"
    built = raw(newer, tmp_path, code, ["libweak.so.1"])
    made = repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    copied = next(member for member in wheel.read(made.path).members if "/libweak-" in member)
    with wheel.member(made.path, copied) as stream:
        assert [wish.name for wish in elf.bindings(stream, copied).symbols] == ["old"]
    assert verify.findings(made.path, target()) == ()


def test_what_an_older_c_library_has_in_another_sense_is_no_substitute(
    older: CLibrary, tmp_path: Path
) -> None:
    """``totalorder`` takes pointers since 2.31, and took numbers before."""
    image = _asking_for("totalorder", "GLIBC_2.31", tmp_path)
    stubs = Lab(root=tmp_path / "stubs")
    base = "GLIBC_2.17 { global: *; };"
    own = stubs.library("libc.so.6", "int old, totalorder;", script=base)
    library = replace(older, stubs={**older.stubs, "libc.so.6": own})
    said = r"libq\.so\.1 .* needs GLIBC_2\.31 of libc\.so\.6 \(totalorder\)"
    with pytest.raises(FloorError, match=said):
        _repaired_with_it(image, library, tmp_path)


def test_of_two_versions_none_is_left_to_the_loader(older: CLibrary, tmp_path: Path) -> None:
    """It would take the oldest: ``memcpy`` of x86_64 before 2.14, say."""
    image = _asking_for("both", "GLIBC_2.34", tmp_path)
    stubs = Lab(root=tmp_path / "stubs")
    two = {
        name: stubs.library(
            name,
            "int old, both;",
            script=f"{version} {{ global: both; }}; GLIBC_2.17 {{ global: old; }};",
        )
        for name, version in (("libc.so.6", "GLIBC_2.15"), ("libdl.so.2", "GLIBC_2.16"))
    }
    with pytest.raises(FloorError, match=r"libq\.so\.1 .* needs GLIBC_2\.34 .*\(both\)"):
        _repaired_with_it(image, replace(older, stubs=two), tmp_path)
    one = replace(older, stubs={"libc.so.6": two["libc.so.6"]})
    _repaired_with_it(image, one, tmp_path)


def test_what_only_a_newer_loader_reads_is_not_left_unread(
    older: CLibrary, tmp_path: Path
) -> None:
    """Relocations in DT_RELR: no symbol has the version that says so."""
    image = _asking_for("mark", "GLIBC_ABI_DT_RELR", tmp_path)
    path = image.root / LIBRARIES / "libq.so.1"
    data = bytearray(path.read_bytes())
    table = elf.bindings(io.BytesIO(data), path.name)
    (place,) = (wish.place for wish in table.symbols if wish.name == "mark")
    struct.pack_into("<H", data, table.versions + 2 * place, 1)
    path.write_bytes(data)
    with pytest.raises(FloorError, match=r"libq\.so\.1 .* needs GLIBC_ABI_DT_RELR"):
        _repaired_with_it(image, older, tmp_path)


def _asking_for(symbol: str, version: str, directory: Path) -> Lab:
    """An image whose libq.so.1 wants a symbol of a version of its C library."""
    lab = Lab(root=directory / "image")
    code = f"int old(void) {{ return 0; }} int {symbol}(void) {{ return 0; }}"
    script = f"GLIBC_2.17 {{ global: old; }}; {version} {{ global: {symbol}; }};"
    lab.library("libc.so.6", code, script=script)
    calls = f"int libq(void) {{ return old() + {symbol}(); }}"
    lab.library("libq.so.1", f"int old(void); int {symbol}(void); {calls}", ["libc.so.6"])
    return lab


def _repaired_with_it(image: Lab, library: CLibrary, directory: Path) -> RepairedWheel:
    code = f"int libq(void); {ENTRY} {{ return libq(); }}"
    built = raw(image, directory, code, ["libq.so.1"])
    return repair.repair(built, target(), image.image, directory / "out", c_library=library)


def test_the_same_wheel_is_fitted_to_the_same_bytes(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    code = f"int libfits(void); {ENTRY} {{ return libfits(); }}"
    built = raw(newer, tmp_path, code, ["libfits.so.1"])
    first, second = (
        repair.repair(built, target(), newer.image, tmp_path / name, c_library=older)
        for name in ("one", "two")
    )
    assert first == replace(second, path=first.path)


def test_a_library_that_wants_one_thing_too_much_stays_as_it_is(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    code = f"int libgone(void); {ENTRY} {{ return libgone(); }}"
    built = raw(newer, tmp_path, code, ["libgone.so.1"])
    said = r"14_aarch64: libgone\.so\.1 \(copied[^;]* GLIBC_2\.36 of libc\.so\.6 \(gone\)$"
    with pytest.raises(FloorError, match=said) as raised:
        repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    assert raised.value.needs == "manylinux_2_36_aarch64"


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("int gone(void);", r"demo\.cpython.* needs GLIBC_2\.36 of libc\.so\.6 \(gone\)"),
        ("int gone(void) __attribute__((weak));", None),
        ("int gone(void) { return 1; } int old(void);", None),
        ("int gone(void); int PyFresh(void);", r"\(gone\)"),
    ],
)
def test_what_a_linker_left_for_the_loader_to_find(
    newer: Lab, older: CLibrary, tmp_path: Path, declared: str, said: str | None
) -> None:
    """The linker saw a C library that has no ``gone``; a shared library may be without."""
    code = f"{declared} {ENTRY} {{ return gone(); }}"
    module = newer.compile(tmp_path / MODULE, code, [], ("-Wl,-z,undefs", "-O0"))
    built = packed(tmp_path, {MODULE: module})
    if said is None:
        made = repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
        assert FLOOR in made.path.name
        return
    with pytest.raises(FloorError, match=said) as raised:
        repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    assert raised.value.needs == "manylinux_2_36_aarch64"


def test_the_wheels_own_code_gets_the_shim_too(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    code = f"int fresh(void); {ENTRY} {{ return fresh(); }}"
    inside = f"pkg/sub/{MODULE}"
    module = newer.compile(tmp_path / MODULE, code, [], ("-Wl,-z,undefs", "-O0"))
    built = packed(tmp_path, {inside: module})
    made = repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    assert [(fit.library, fit.symbols) for fit in made.fitted] == [(MODULE, ("fresh",))]
    contents = wheel.read(made.path)
    info = contents.elves[inside]
    assert info.needed == ("libshim-01234567.so",)
    assert info.search[0] == "$ORIGIN/../../demo.libs"
    assert "demo.libs/libshim-01234567.so" in contents.members


def test_no_shim_is_looked_for_from_where_nobody_knows_the_way(
    newer: Lab, older: CLibrary, tmp_path: Path
) -> None:
    """An installer moves what is in ``.data`` (PEP 427)."""
    code = f"int fresh(void); {ENTRY} {{ return fresh(); }}"
    module = newer.compile(tmp_path / MODULE, code, [], ("-Wl,-z,undefs", "-O0"))
    built = packed(tmp_path, {f"demo-1.0.data/platlib/{MODULE}": module})
    with pytest.raises(FloorError, match=r"demo\.cpython.* needs GLIBC_2\.36 .*\(fresh\)"):
        repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)


@pytest.mark.parametrize("symbol", ["fresh", "gone"])
def test_code_that_is_carried_for_another_processor_is_left_alone(
    newer: Lab, older: CLibrary, tmp_path: Path, symbol: str
) -> None:
    """Prebuilt libraries without versions, as those for musl and Android are."""
    flags = ("-Wl,-z,undefs", "-O0")
    calls = f"int {symbol}(void); int other(void) {{ return {symbol}(); }}"
    other = newer.compile(tmp_path / "other.so", calls, [], flags, arch="x86_64")
    own = newer.compile(tmp_path / "own.so", "int old(void); int x(void) {return old();}",
                        ["libc.so.6"])  # fmt: skip
    inside: dict[str, str | bytes] = {"pkg/x86_64/lib.so": other, "pkg/own/lib.so": own}
    built = packed(tmp_path, inside, "py3-none-any")
    made = repair.repair(built, target(), newer.image, tmp_path / "out", c_library=older)
    with zipfile.ZipFile(made.path) as archive:
        assert archive.read("pkg/x86_64/lib.so") == other
    assert made.fitted == ()


def test_what_fits_already_is_not_touched(lab: Lab, older: CLibrary, tmp_path: Path) -> None:
    code = f"int lib_old(void); {ENTRY} {{ return lib_old(); }}"
    built = raw(lab, tmp_path, code, ["libold.so.1"])
    plain, offered = (
        repair.repair(built, target(), lab.image, tmp_path / name, c_library=library)
        for name, library in (("one", None), ("two", older))
    )
    assert offered.fitted == ()
    assert plain.sha256 == offered.sha256


def test_a_library_whose_every_version_is_too_new_gets_one_that_it_had(
    older: CLibrary, tmp_path: Path
) -> None:
    """Of libm.so.6 alone ``pow`` is wanted, of 2.29: the loader still looks for its version."""
    image = Lab(root=tmp_path / "image")
    image.library("libc.so.6", "int old(void){return 0;}", script="GLIBC_2.17 { global: old; };")
    image.library("libm.so.6", "int power(void){return 0;}", script="GLIBC_2.29 { global: *; };")
    calls = "int old(void); int power(void); int libq(void) { return old() + power(); }"
    image.library("libq.so.1", calls, ["libc.so.6", "libm.so.6"])
    stubs = Lab(root=tmp_path / "stubs")
    has = stubs.library("libm.so.6", "int power;", script="GLIBC_2.17 { global: *; };")
    made = _repaired_with_it(
        image, replace(older, stubs={**older.stubs, "libm.so.6": has}), tmp_path
    )
    contents = wheel.read(made.path)
    copied = next(member for member in contents.members if "/libq-" in member)
    assert contents.elves[copied].versions == {
        SymbolVersion(library="libc.so.6", name="GLIBC_2.17"),
        SymbolVersion(library="libm.so.6", name="GLIBC_2.17"),
    }
