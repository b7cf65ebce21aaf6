"""Bundles: the formats, the same bytes each time, and what is refused."""

from __future__ import annotations

import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from crossbuild.cli.main import main
from crossbuild.disk import hash_of
from crossbuild.errors import IntegrityError, StorageError, UsageError
from crossbuild.packing import archives, bundling, cargo, filesystems, splitting
from crossbuild.packing.cargo import Cargo, Item
from crossbuild.packing.order import FAT32_LIMIT, Form, Order
from tests.packing import wheelhouses

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def wheelhouse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return wheelhouses.wheelhouse(tmp_path)


def contents(directory: Path) -> dict[str, str]:
    return {path.name: hash_of(path) for path in directory.iterdir()}


def unpacked(bundle: Path, directory: Path) -> Path:
    if bundle.suffix == ".tar":
        with tarfile.open(bundle) as archive:
            archive.extractall(directory, filter="data")
    else:
        with zipfile.ZipFile(bundle) as archive:
            assert archive.testzip() is None
            archive.extractall(directory)
    return directory / archives.TOP


@pytest.mark.parametrize("form", [Form.TAR, Form.ZIP])
def test_an_archive_holds_the_wheelhouse(wheelhouse: Path, tmp_path: Path, form: Form) -> None:
    made = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=form))
    assert made.output == Path(f"wheelhouse.{form.value}")
    assert made.sha256 == hash_of(made.output)
    assert made.size == made.output.stat().st_size
    assert contents(unpacked(made.output, tmp_path / "there")) == contents(wheelhouse)


def test_directories_that_are_listed_come_along(wheelhouse: Path) -> None:
    (wheelhouse / "more").mkdir()
    (wheelhouse / "more" / "notes.txt").write_text("notes")
    line = f"{hash_of(wheelhouse / 'more' / 'notes.txt')}  more/notes.txt\n"
    with (wheelhouse / "SHA256SUMS").open("a") as stream:
        stream.write(line)
    made = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.DIRECTORY))
    assert (made.output / "more" / "notes.txt").read_text() == "notes"


def test_a_directory_is_a_copy(wheelhouse: Path) -> None:
    for _ in range(2):
        made = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.DIRECTORY))
        assert contents(made.output) == contents(wheelhouse)


@pytest.mark.parametrize("form", [Form.TAR, Form.ZIP])
def test_times_owners_and_modes_do_not_matter(wheelhouse: Path, form: Form) -> None:
    first = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=form)).sha256
    for number, path in enumerate(sorted(wheelhouse.iterdir())):
        os.utime(path, (10**9 + number, 10**9 + number))
        path.chmod(0o600)
    moved = wheelhouse.rename(wheelhouse.with_name("elsewhere"))
    second = wheelhouses.packed(Order(wheelhouse=moved, form=form, output=Path("b")))
    assert (second.sha256, hash_of(Path("b"))) == (first, first)


def test_a_split_bundle_is_the_whole_one_cut(wheelhouse: Path) -> None:
    whole = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.TAR))
    parts = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.TAR, split=5000))
    assert parts.output == Path("wheelhouse-parts")
    assert (parts.sha256, parts.size) == (whole.sha256, whole.size)
    assert [*parts.parts] == [f"wheelhouse.tar.{n:03}" for n in range(1, len(parts.parts) + 1)]
    sizes = [(parts.output / name).stat().st_size for name in parts.parts]
    assert set(sizes[:-1]) == {5000}
    assert 0 < sizes[-1] <= 5000
    joined = b"".join((parts.output / name).read_bytes() for name in parts.parts)
    assert joined == whole.output.read_bytes()
    sums = cargo.sums(parts.output / "SHA256SUMS")
    assert sums == {name: digest for name, digest in contents(parts.output).items()
                    if name != "SHA256SUMS"}  # fmt: skip


def test_files_that_are_not_listed_stay_behind(wheelhouse: Path, tmp_path: Path) -> None:
    (wheelhouse / "notes-of-mine.txt").write_text("secret")
    made = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.ZIP))
    assert "notes-of-mine.txt" not in contents(unpacked(made.output, tmp_path / "there"))


def test_a_wheelhouse_without_the_installer_gets_it(wheelhouse: Path) -> None:
    program = (wheelhouse / "install.py").read_bytes()
    (wheelhouse / "install.py").unlink()
    sums = (wheelhouse / "SHA256SUMS").read_text().splitlines()
    kept = [line for line in sums if not line.endswith("  install.py")]
    (wheelhouse / "SHA256SUMS").write_text("".join(f"{line}\n" for line in kept))
    made = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.DIRECTORY))
    assert (made.output / "install.py").read_bytes() == program
    assert "install.py" in cargo.sums(made.output / "SHA256SUMS")


def test_a_damaged_wheelhouse_is_not_packed(wheelhouse: Path) -> None:
    wheel = wheelhouse / "alpha-1.0-py3-none-any.whl"
    wheel.write_bytes(wheel.read_bytes()[:-1] + b"?")
    with pytest.raises(IntegrityError, match="alpha"):
        wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.TAR))
    wheel.unlink()
    with pytest.raises(IntegrityError, match="missing"):
        wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.TAR))
    assert not Path("wheelhouse.tar").exists()


@pytest.mark.parametrize("line", ["short  x.whl", f"{'0' * 64}  ../x", f"{'0' * 64}  /etc/x"])
def test_sums_that_lead_elsewhere_are_refused(wheelhouse: Path, line: str) -> None:
    (wheelhouse / "SHA256SUMS").write_text(f"{line}\n")
    with pytest.raises(IntegrityError, match="no hash"):
        cargo.read(wheelhouse)


def test_other_directories_are_never_replaced(wheelhouse: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "join.py").write_text("mine")
    (mine / "SHA256SUMS").write_text("")
    for order in (
        Order(wheelhouse=wheelhouse, form=Form.DIRECTORY, output=mine),
        Order(wheelhouse=wheelhouse, form=Form.TAR, output=mine, split=5000),
        Order(wheelhouse=wheelhouse, form=Form.TAR, output=mine),
        Order(wheelhouse=wheelhouse, form=Form.DIRECTORY, output=wheelhouse),
        Order(wheelhouse=wheelhouse, form=Form.DIRECTORY, split=5000),
        Order(wheelhouse=mine.parent, form=Form.TAR),
        Order(wheelhouse=wheelhouse, form=Form.TAR, split=10),
    ):
        with pytest.raises(UsageError):
            wheelhouses.packed(order)
    assert (mine / "join.py").read_text() == "mine"
    assert not Path("wheelhouse-parts").exists()


def sparse(directory: Path, size: int) -> Cargo:
    """A wheelhouse of one file with a hole of that size; its CRC-32 is not looked at."""
    path = directory / "large.whl"
    with path.open("wb") as stream:
        stream.truncate(size)
    item = Item(name=path.name, path=path, size=size, crc=0, sha256="")
    return Cargo(items=(item,))


def test_nothing_above_the_limit_of_fat_gets_onto_it(
    wheelhouse: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filesystems, "is_fat", lambda directory: directory == tmp_path)
    monkeypatch.setattr(cargo, "read", lambda directory: sparse(tmp_path, FAT32_LIMIT + 1))
    with pytest.raises(StorageError, match=r"large\.whl is larger than a file may be on FAT"):
        wheelhouses.packed(
            Order(wheelhouse=wheelhouse, form=Form.DIRECTORY, output=tmp_path / "o")
        )
    sizes: list[int] = []

    class Watched(splitting.Parts):
        def __init__(self, directory: Path, name: str, size: int) -> None:
            super().__init__(directory, name, size)
            sizes.append(self._size)

    monkeypatch.setattr(bundling, "Parts", Watched)
    monkeypatch.setitem(bundling._WRITERS, Form.TAR, lambda load, sink: sink.write(b"tar"))
    made = wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.TAR))
    assert made.parts == ("wheelhouse.tar.001",)
    assert made.split_for == f"{tmp_path} is FAT"
    wheelhouses.packed(Order(wheelhouse=wheelhouse, form=Form.TAR, split=1 << 40))
    assert sizes == [FAT32_LIMIT, FAT32_LIMIT]


def test_the_kind_of_file_system_is_read_from_the_kernel(tmp_path: Path) -> None:
    device = tmp_path.stat().st_dev
    number = f"{os.major(device)}:{os.minor(device)}"
    mounts = tmp_path / "mountinfo"
    row = "36 35 {} / /mnt rw,noatime master:1 - {} /dev/sdb1 rw\n"
    mounts.write_text(row.format("0:9999", "vfat") + row.format(number, "vfat"))
    assert filesystems.is_fat(tmp_path / "not" / "yet", mounts)
    mounts.write_text(row.format("0:9999", "vfat") + row.format(number, "ext4"))
    assert not filesystems.is_fat(tmp_path, mounts)
    assert not filesystems.is_fat(tmp_path, tmp_path / "absent")
    assert not filesystems.is_fat(Path("/proc"))


class Counting:
    """A sink that keeps what is not zeros, and its place."""

    def __init__(self) -> None:
        self.size = 0
        self.pieces: list[tuple[int, bytes]] = []

    def write(self, data: bytes, /) -> int:
        if len(data) < cargo.BLOCK:
            self.pieces.append((self.size, data))
        self.size += len(data)
        return len(data)


def test_a_zip_above_four_gibibytes_is_one_that_zipfile_reads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    zeros = bytes(cargo.BLOCK)
    monkeypatch.setattr(
        archives,
        "blocks",
        lambda path: [zeros] * (1 << 12) if path.name == "large.whl" else [path.read_bytes()],
    )
    small = tmp_path / "small.whl"
    small.write_bytes(b"small")
    (large,) = sparse(tmp_path, FAT32_LIMIT + 1).items
    load = Cargo(items=(large, cargo.item_of(tmp_path, "small.whl")))
    sink = Counting()
    archives.write_zip(load, sink)
    path = tmp_path / "big.zip"
    with path.open("wb") as stream:
        for place, data in sink.pieces:
            stream.seek(place)
            stream.write(data)
        stream.truncate(sink.size)
    with zipfile.ZipFile(path) as archive:
        assert archive.read("wheelhouse/small.whl") == b"small"
        first, second = archive.infolist()
        assert (first.file_size, first.compress_size) == (large.size, large.size)
        assert second.header_offset > FAT32_LIMIT
        with archive.open(first) as member:
            assert member.read(5) == bytes(5)


def test_the_command(wheelhouse: Path, capsys: Capture) -> None:
    assert main(["bundle", "wheelhouse", "--format", "zip", "--split", "4K", "-o", "out"]) == 0
    text = capsys.readouterr().out
    number = len(list(wheelhouse.iterdir()))
    assert text.startswith(f"out  {number} files, ")
    assert "python3 join.py" in text
    assert main(["bundle", "wheelhouse", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["sha256"] == hash_of(Path("wheelhouse.tar"))
    assert (document["format"], document["files"], document["parts"]) == ("tar", number, [])


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["bundle"], "bundle takes one wheelhouse"),
        (["bundle", "."], "is no wheelhouse: it has no SHA256SUMS"),
        (["bundle", "absent"], "is no wheelhouse"),
        (["bundle", "x", "--format", "rar"], "'rar' is no format; there are dir, tar"),
        (["bundle", "x", "--split", "lots"], "'lots' is not a size; write 100M"),
    ],
)
def test_mistakes(words: list[str], sentence: str, wheelhouse: Path, capsys: Capture) -> None:
    assert main(words) == 2
    assert sentence in capsys.readouterr().err
