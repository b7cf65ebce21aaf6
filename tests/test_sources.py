"""Source archives: what is unpacked, what is refused, and what is read without running it."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version

from crossbuild.building import sources
from crossbuild.errors import IntegrityError
from crossbuild.model import BuildSystem
from tests.wheels import metadata, sdist, write_tar, write_zip

SETUP = "from setuptools import setup; setup()"
MTIME = 1577836800

Item = tarfile.TarInfo


def item(name: str, kind: bytes = tarfile.REGTYPE, *, link: str = "", mode: int = 0o644) -> Item:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.mode, info.mtime = kind, link, mode, MTIME
    return info


def tar(path: Path, *items: tuple[Item, bytes]) -> Path:
    """Pack members in the order given; every archive has a setup.py, to be an sdist."""
    with tarfile.open(path, "w:gz") as archive:
        for info, data in [(item("demo-1.0/setup.py"), SETUP.encode()), *items]:
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return path


def unpacked(archive: Path) -> Path:
    directory = archive.parent / "out"
    directory.mkdir()
    return sources.unpack(archive, directory)


def test_unpack_gives_contents_modes_and_times(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "demo-1.0.tar.gz",
        (item("demo-1.0/run.sh", mode=0o4777), b"#!/bin/sh\n"),
        (item("demo-1.0/data.txt", mode=0o000), b"data"),
        (item("demo-1.0/empty", tarfile.DIRTYPE, mode=0o000), b""),
        (item("demo-1.0/sub/link.txt", tarfile.SYMTYPE, link="../data.txt"), b""),
        (item("demo-1.0/hard.txt", tarfile.LNKTYPE, link="demo-1.0/data.txt"), b""),
    )
    top = unpacked(archive)
    assert top.name == "demo-1.0"
    assert stat.S_IMODE((top / "run.sh").stat().st_mode) == 0o755
    assert stat.S_IMODE((top / "data.txt").stat().st_mode) == 0o644
    assert (top / "empty").is_dir()
    assert (top / "sub/link.txt").read_text() == "data"
    assert (top / "hard.txt").read_text() == "data"
    assert (top / "hard.txt").stat().st_ino != (top / "data.txt").stat().st_ino
    assert (top / "data.txt").stat().st_mtime == MTIME


HOSTILE = {
    "parent": ("demo-1.0/../../evil", item("demo-1.0/../../evil"), b"x"),
    "absolute": ("/etc/cron.d/evil", item("/etc/cron.d/evil"), b"x"),
    "absolute-link": (
        "demo-1.0/l", item("demo-1.0/l", tarfile.SYMTYPE, link="/etc/shadow"), b""),
    "link-outside": (
        "demo-1.0/l", item("demo-1.0/l", tarfile.SYMTYPE, link="../../etc/shadow"), b""),
    "hardlink-outside": (
        "../../etc/shadow",
        item("demo-1.0/l", tarfile.LNKTYPE, link="../../etc/shadow"), b""),
    "hardlink-absolute": (
        "/etc/shadow", item("demo-1.0/l", tarfile.LNKTYPE, link="/etc/shadow"), b""),
    "hardlink-to-nothing": (
        "demo-1.0/l", item("demo-1.0/l", tarfile.LNKTYPE, link="demo-1.0/gone"), b""),
    "character-device": ("demo-1.0/null", item("demo-1.0/null", tarfile.CHRTYPE), b""),
    "block-device": ("demo-1.0/sda", item("demo-1.0/sda", tarfile.BLKTYPE), b""),
    "pipe": ("demo-1.0/pipe", item("demo-1.0/pipe", tarfile.FIFOTYPE), b""),
    "duplicate": ("demo-1.0/setup.py", item("demo-1.0/setup.py"), b"other"),
    "file-as-directory": ("demo-1.0/setup.py/x", item("demo-1.0/setup.py/x"), b"x"),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_unsafe_members_are_refused_by_name(tmp_path: Path, case: str) -> None:
    named, info, data = HOSTILE[case]
    archive = tar(tmp_path / "demo-1.0.tar.gz", (info, data))
    with pytest.raises(IntegrityError) as raised:
        unpacked(archive)
    assert repr(named) in str(raised.value)
    assert {path.name for path in tmp_path.iterdir()} == {"demo-1.0.tar.gz", "out"}


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "demo-1.0.tar.gz",
        (item("demo-1.0/sub", tarfile.SYMTYPE, link="."), b""),
        (item("demo-1.0/sub/setup.py"), b"evil"),
    )
    with pytest.raises(IntegrityError, match=r"'demo-1\.0/sub'"):
        unpacked(archive)


def test_links_that_leave_only_together_are_refused(tmp_path: Path) -> None:
    """Each link stays inside by its letters; followed one through the other they do not."""
    archive = tar(
        tmp_path / "demo-1.0.tar.gz",
        (item("demo-1.0/a/b/up", tarfile.SYMTYPE, link="../.."), b""),
        (item("demo-1.0/out", tarfile.SYMTYPE, link="a/b/up/../../x"), b""),
    )
    with pytest.raises(IntegrityError, match=r"'demo-1\.0/out'"):
        unpacked(archive)


def test_repeated_members_with_the_same_bytes_are_harmless(tmp_path: Path) -> None:
    archive = tar(
        tmp_path / "demo-1.0.tar.gz",
        (item("demo-1.0/sub", tarfile.DIRTYPE), b""),
        (item("demo-1.0/sub", tarfile.DIRTYPE), b""),
        (item("demo-1.0/setup.py"), SETUP.encode()),
    )
    assert (unpacked(archive) / "setup.py").read_text() == SETUP


def test_absurd_sizes_are_refused(tmp_path: Path) -> None:
    archive = tar(tmp_path / "demo-1.0.tar.gz", (item("demo-1.0/zeros"), bytes(70 << 20)))
    assert archive.stat().st_size < 100_000
    with pytest.raises(IntegrityError, match="unpacks to more than 64 MiB"):
        unpacked(archive)


BIG = 40 << 20
SPARSE = {
    "GNU.sparse.major": "0",
    "GNU.sparse.minor": "1",
    "GNU.sparse.name": "demo-1.0/holes",
    "GNU.sparse.size": str(1 << 40),
    "GNU.sparse.map": "0,1",
}


def test_hard_links_cannot_multiply_bytes(tmp_path: Path) -> None:
    """Each copy takes a header of the archive and nothing more."""
    links = [item(f"demo-1.0/{n}", tarfile.LNKTYPE, link="demo-1.0/zeros") for n in range(2)]
    archive = tar(
        tmp_path / "demo-1.0.tar.gz",
        (item("demo-1.0/zeros"), bytes(BIG)),
        *((link, b"") for link in links),
    )
    with pytest.raises(IntegrityError, match=r"demo-1\.0\.tar\.gz unpacks to more than 64 MiB"):
        unpacked(archive)


def test_holes_cannot_multiply_bytes(tmp_path: Path) -> None:
    """A sparse file of a terabyte takes a kilobyte of the archive."""
    holes = item("demo-1.0/holes")
    holes.pax_headers = SPARSE
    archive = tar(tmp_path / "demo-1.0.tar.gz", (holes, b"x"))
    with pytest.raises(IntegrityError, match=r"demo-1\.0\.tar\.gz unpacks to more than 64 MiB"):
        unpacked(archive)


def test_members_nobody_reads_count_in_a_zip(tmp_path: Path) -> None:
    """Else what is left for the next one is less than nothing, and all of it is read."""
    archive = tmp_path / "demo-1.0.zip"
    write_zip(archive, {"demo-1.0/zeros": bytes(70 << 20), "demo-1.0/setup.py": bytes(BIG)})
    tracemalloc.start()
    with pytest.raises(IntegrityError, match=r"demo-1\.0\.zip unpacks to more than 64 MiB"):
        sources.inspect(archive)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < BIG / 4


def test_a_repeated_member_is_compared_in_pieces(tmp_path: Path) -> None:
    zeros = bytes(BIG // 2)
    archive = tar(
        tmp_path / "demo-1.0.tar.gz",
        *((item("demo-1.0/zeros"), content) for content in (zeros, zeros)),
    )
    tracemalloc.start()
    top = unpacked(archive)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (top / "zeros").stat().st_size == len(zeros)
    assert peak < len(zeros) / 2


def test_absurd_sizes_in_a_zip_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "demo-1.0.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("demo-1.0/setup.py", SETUP)
        for part in range(3):
            packed.writestr(f"demo-1.0/{part}", bytes(30 << 20))
    with pytest.raises(IntegrityError, match=r"demo-1\.0\.zip unpacks to more"):
        unpacked(archive)


def test_zip_members_are_checked_too(tmp_path: Path) -> None:
    archive = write_zip(tmp_path / "demo-1.0.zip", {"demo-1.0/setup.py": "", "../evil": "x"})
    with pytest.raises(IntegrityError, match=r"'\.\./evil'"):
        unpacked(archive)


def test_zip_links_outside_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "demo-1.0.zip"
    link = zipfile.ZipInfo("demo-1.0/l")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("demo-1.0/setup.py", SETUP)
        packed.writestr(link, "/etc/shadow")
    with pytest.raises(IntegrityError, match=r"'demo-1\.0/l'"):
        unpacked(archive)


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    ".tar.gz": gzip.compress, ".tar.bz2": bz2.compress, ".tar.xz": lzma.compress,
    ".tar": bytes, ".tgz": gzip.compress,
}  # fmt: skip


@pytest.mark.parametrize("suffix", PACKERS)
def test_every_packing_is_read(tmp_path: Path, suffix: str) -> None:
    plain = gzip.decompress(
        write_tar(tmp_path / "x.tar.gz", {"demo-1.0/setup.py": SETUP}).read_bytes()
    )
    archive = tmp_path / f"demo-1.0{suffix}"
    archive.write_bytes(PACKERS[suffix](plain))
    assert (sources.inspect(archive).name, unpacked(archive).name) == ("demo", "demo-1.0")


@pytest.mark.parametrize("keep", [0.3, 0.9])
@pytest.mark.parametrize("suffix", [".tar.gz", ".tar.bz2", ".tar.xz", ".zip"])
def test_truncated_archives_are_damaged(tmp_path: Path, suffix: str, keep: float) -> None:
    members: dict[str, str | bytes] = {
        "demo-1.0/setup.py": SETUP,
        "demo-1.0/noise": bytes(range(256)) * 300,
    }
    whole = tmp_path / f"whole{suffix}"
    if suffix == ".zip":
        write_zip(whole, members)
    else:
        write_tar(whole, members)
        whole.write_bytes(PACKERS[suffix](gzip.decompress(whole.read_bytes())))
    archive = tmp_path / f"demo-1.0{suffix}"
    archive.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * keep)])
    with pytest.raises(IntegrityError, match="damaged"):
        unpacked(archive)


def test_a_file_that_is_no_archive(tmp_path: Path) -> None:
    archive = tmp_path / "demo-1.0.tar.gz"
    archive.write_text("<html>404</html>")
    with pytest.raises(IntegrityError, match=r"demo-1\.0\.tar\.gz is not a source archive"):
        sources.inspect(archive)


def test_archives_without_a_top_directory(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "demo-1.0.tar.gz", {"setup.py": SETUP, "pkg/x.py": ""})
    assert unpacked(archive) == tmp_path / "out"
    assert sources.inspect(archive).name == "demo"


@pytest.mark.parametrize(
    ("members", "said"),
    [
        ({"demo-1.0/README": ""}, "neither pyproject.toml nor setup.py"),
        ({"a/setup.py": "", "b/setup.py": ""}, "several projects: a, b"),
    ],
)
def test_archives_that_hold_no_single_project(
    tmp_path: Path, members: dict[str, str], said: str
) -> None:
    archive = write_tar(tmp_path / "demo-1.0.tar.gz", members)
    with pytest.raises(IntegrityError, match=said):
        sources.inspect(archive)
    with pytest.raises(IntegrityError, match=said):
        unpacked(archive)


def test_epoch_is_that_of_the_newest_file(tmp_path: Path) -> None:
    old, new = item("demo-1.0/old"), item("demo-1.0/new")
    old.mtime, new.mtime = 1, MTIME + 5
    top = unpacked(tar(tmp_path / "demo-1.0.tar.gz", (old, b""), (new, b"")))
    assert sources.epoch(top) == MTIME + 5
    assert (top / "old").stat().st_mtime == 315532800, "a zip holds no time before 1980"


def test_epoch_is_no_hour_of_the_build_where_there_are_links(tmp_path: Path) -> None:
    link = item("demo-1.0/link", tarfile.SYMTYPE, link="setup.py")
    top = unpacked(tar(tmp_path / "demo-1.0.tar.gz", (link, b"")))
    assert sources.epoch(top) == MTIME


BACKENDS = {
    "no pyproject": (None, sources.LEGACY),
    "no table": ("[tool.black]\n", sources.LEGACY),
    "no backend": (
        '[build-system]\nrequires = ["Setuptools>60", "cython"]\n',
        BuildSystem(
            backend=sources.LEGACY.backend, backend_path=(), requires=("Setuptools>60", "cython")
        ),
    ),
    "no backend, no setuptools": (
        '[build-system]\nrequires = ["cython"]\n',
        BuildSystem(
            backend=sources.LEGACY.backend,
            backend_path=(),
            requires=("cython", "setuptools>=40.8.0"),
        ),
    ),
    "in tree": (
        '[build-system]\nrequires = []\nbuild-backend = "b:obj"\nbackend-path = ["_own"]\n',
        BuildSystem(backend="b:obj", backend_path=("_own",), requires=()),
    ),
}


@pytest.mark.parametrize("case", BACKENDS)
def test_build_systems(tmp_path: Path, case: str) -> None:
    pyproject, system = BACKENDS[case]
    archive = sdist(tmp_path, "demo", "1.0", pyproject=pyproject, setup_py=SETUP)
    assert sources.inspect(archive).system == system


@pytest.mark.parametrize(
    ("pyproject", "setup_py", "added"),
    [
        (None, "import pkg_resources", ("setuptools<82",)),
        (None, SETUP, ()),
        (
            '[build-system]\nrequires = ["setuptools"]\nbuild-backend = "setuptools.build_meta"\n',
            "from pkg_resources import parse_version",
            ("setuptools<82",),
        ),
        (
            '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n',
            "import pkg_resources",
            (),
        ),
    ],
)
def test_an_old_setup_py_gets_a_setuptools_that_has_what_it_imports(
    tmp_path: Path, pyproject: str | None, setup_py: str, added: tuple[str, ...]
) -> None:
    archive = sdist(tmp_path, "demo", "1.0", pyproject=pyproject, setup_py=setup_py)
    assert sources.inspect(archive).system.requires[1:] == added


@pytest.mark.parametrize(
    ("pyproject", "said"),
    [
        ("[build-system\n", "pyproject.toml in demo-1.0.tar.gz cannot be read"),
        ("[build-system]\n", "requires of .* is not a list"),
        ('[build-system]\nrequires = ["=="]\n', "'==', no requirement"),
        ('build-system = "x"\n', "is not a table"),
        ("[build-system]\nrequires = []\nbuild-backend = 1\n", "is not a string"),
        (
            '[build-system]\nrequires = []\nbuild-backend = "b"\nbackend-path = ["../x"]\n',
            r"leaves the source: '\.\./x'",
        ),
    ],
)
def test_declarations_that_cannot_be_understood(tmp_path: Path, pyproject: str, said: str) -> None:
    archive = sdist(tmp_path, "demo", "1.0", pyproject=pyproject)
    with pytest.raises(IntegrityError, match=said):
        sources.inspect(archive)


PROJECT = """
[project]
name = "demo"
version = "1.0"
requires-python = ">=3.8"
dependencies = ["numpy>=1.20"]
[project.optional-dependencies]
Fast_Path = ["cython; python_version < '3.12' or os_name == 'nt'", "x @ file:///x.whl"]
"""


def test_metadata_of_pkg_info(tmp_path: Path) -> None:
    told = metadata("demo", "1.0", requires=["numpy>=1"], requires_python=">=3.8", extras=["a"])
    found = sources.inspect(sdist(tmp_path, "demo", "1.0", setup_py=SETUP, pkg_info=told)).metadata
    assert found is not None
    assert found.requires_dist == ("numpy>=1",)
    assert (found.requires_python, found.extras) == (">=3.8", ("a",))


def test_metadata_of_the_project_table(tmp_path: Path) -> None:
    found = sources.inspect(sdist(tmp_path, "demo", "1.0", pyproject=PROJECT)).metadata
    assert found is not None
    assert found.requires_dist == (
        "numpy>=1.20",
        'cython; (python_version < "3.12" or os_name == "nt") and extra == "fast-path"',
        'x @ file:///x.whl ; extra == "fast-path"',
    )
    assert (found.requires_python, found.extras) == (">=3.8", ("fast-path",))


@pytest.mark.parametrize(
    "told",
    [
        metadata("demo", "1.0", requires=["numpy"], metadata_version="2.1"),
        metadata("demo", "1.0", requires=["numpy"], dynamic=["requires-dist"]),
        metadata("demo", "1.0", dynamic=["Requires-Python"]),
        metadata("demo", "1.0", requires=["not a requirement"]),
        metadata("demo", "1.0", metadata_version="x"),
        "",
    ],
)
def test_metadata_that_only_the_backend_can_tell(tmp_path: Path, told: str) -> None:
    archive = sdist(tmp_path, "demo", "1.0", setup_py=SETUP, pkg_info=told)
    assert sources.inspect(archive).metadata is None


@pytest.mark.parametrize("field", ["dependencies", "optional-dependencies", "requires-python"])
def test_dynamic_keys_of_the_project_table(tmp_path: Path, field: str) -> None:
    pyproject = f'[project]\nname = "demo"\nversion = "1.0"\ndynamic = ["{field}"]\n'
    archive = sdist(tmp_path, "demo", "1.0", pyproject=pyproject)
    assert sources.inspect(archive).metadata is None


@pytest.mark.parametrize(
    "told",
    [
        "dynamic = 5",
        'dynamic = [["dependencies"]]',
        "dependencies = 5",
        "dependencies = [5]",
        'dependencies = "numpy"',
        "requires-python = 3.8",
        'optional-dependencies = ["numpy"]',
        "optional-dependencies = { fast = 5 }",
        "optional-dependencies = { fast = [5] }",
    ],
)
def test_a_project_table_of_another_form_tells_nothing(tmp_path: Path, told: str) -> None:
    """PEP 621 gives each key its type; the backend says what is wrong better than we could."""
    pyproject = f'[project]\nname = "demo"\nversion = "1.0"\n{told}\n'
    archive = sdist(tmp_path, "demo", "1.0", pyproject=pyproject)
    assert sources.inspect(archive).metadata is None


@pytest.mark.parametrize(
    ("filename", "top", "info", "name", "version"),
    [
        ("Foo_Bar-1.0.tar.gz", "Foo_Bar-1.0", "", "foo-bar", "1.0"),
        ("foo-bar-1.0.tar.gz", "foo-bar-1.0", "", "foo-bar", "1.0"),
        ("foo-1.0-1.tar.gz", "foo-1.0-1", "Name: foo\nVersion: 1.0-1\n", "foo", "1.0.post1"),
        ("v1.2.tar.gz", "foo-1.2", "", "foo", "1.2"),
        ("v1.2.tar.gz", "src", "Name: foo\nVersion: 1.2\n", "foo", "1.2"),
    ],
)
def test_name_and_version(
    tmp_path: Path, filename: str, top: str, info: str, name: str, version: str
) -> None:
    members = {f"{top}/setup.py": SETUP, f"{top}/PKG-INFO": info}
    found = sources.inspect(write_tar(tmp_path / filename, members))
    assert (found.name, found.version) == (name, Version(version))


def test_an_archive_that_does_not_say_what_it_is(tmp_path: Path) -> None:
    archive = write_tar(tmp_path / "main.tar.gz", {"src/setup.py": SETUP})
    with pytest.raises(IntegrityError, match="does not tell which package"):
        sources.inspect(archive)
