"""Tar streams into a root: what a layer means, and what no archive may do."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from crossbuild.disk import remove_tree
from crossbuild.engine.images import within
from crossbuild.engine.images.unpacking import Unpacker, write_text
from crossbuild.errors import IntegrityError
from tests.tars import Member, device, directory, file, hard, link, tar


def apply(root: Path, *layers: list[Member], layered: bool = True) -> Path:
    root.mkdir(exist_ok=True)
    unpacker = Unpacker(root)
    for number, members in enumerate(layers):
        unpacker.apply(io.BytesIO(tar(members)), f"layer {number}", layered=layered)
    return root


def tree(root: Path) -> dict[str, str]:
    """Every entry: a file's text, ``-> target`` of a link, ``/`` of a directory."""
    found = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_symlink():
            found[name] = f"-> {path.readlink()}"
        else:
            found[name] = "/" if path.is_dir() else path.read_text(encoding="utf-8")
    return found


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        pytest.param(
            [[file("a", b"1"), file("b", b"1")], [file(".wh.a"), file("c", b"2")]],
            {"b": "1", "c": "2"},
            id="a whiteout removes",
        ),
        pytest.param(
            [[file("d/a", b"1"), file("d/s/b", b"1")], [file(".wh.d")]],
            {},
            id="a whiteout removes a directory",
        ),
        pytest.param(
            [[file("d/old", b"1"), file("d/s/old", b"1")], [file("d/.wh..wh..opq"), file("d/n")]],
            {"d": "/", "d/n": ""},
            id="an opaque directory starts anew",
        ),
        pytest.param(
            [[file("d/old", b"1")], [file("d/s/n", b"2"), file("d/.wh..wh..opq")]],
            {"d": "/", "d/s": "/", "d/s/n": "2"},
            id="whatever the order in the layer",
        ),
        pytest.param(
            [[file("a", b"1")], [file("a", b"2"), file(".wh.a")]],
            {"a": "2"},
            id="a whiteout is about the layers below",
        ),
        pytest.param(
            [[file(".wh..wh.aufs"), file("gone/.wh.x"), file(".wh.never")]],
            {},
            id="marks for what is not there",
        ),
        pytest.param(
            [[directory("usr/lib"), link("lib", "/usr/lib")], [file("lib/new", b"2")]],
            {"lib": "-> /usr/lib", "usr": "/", "usr/lib": "/", "usr/lib/new": "2"},
            id="through a link of an earlier layer, inside the root",
        ),
        pytest.param(
            [[directory("d"), file("d/a", b"1")], [file("d", b"2")]],
            {"d": "2"},
            id="a file in place of a directory",
        ),
        pytest.param(
            [[file("f", b"1"), link("l", "f")], [directory("f"), directory("l")]],
            {"f": "/", "l": "/"},
            id="a directory in place of a file and of a link",
        ),
        pytest.param(
            [[file("a", b"1")], [hard("b", "a")], [hard("./b", "./b")]],
            {"a": "1", "b": "1"},
            id="a hard link to a file of an earlier layer",
        ),
        pytest.param(
            [[link("a", "/nowhere"), hard("b", "a")]],
            {"a": "-> /nowhere", "b": "-> /nowhere"},
            id="a hard link to a link",
        ),
    ],
)
def test_layers(tmp_path: Path, layers: list[list[Member]], expected: dict[str, str]) -> None:
    assert tree(apply(tmp_path / "root", *layers)) == expected


def test_in_a_plain_tar_a_whiteout_is_a_file(tmp_path: Path) -> None:
    root = apply(tmp_path / "root", [file("a"), file(".wh.a", b"x")], layered=False)
    assert tree(root) == {"a": "", ".wh.a": "x"}


def test_hard_links_are_one_file(tmp_path: Path) -> None:
    root = apply(tmp_path / "root", [file("a", b"1"), hard("d/b", "a")])
    assert (root / "a").samefile(root / "d/b")


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([file("../escaped")], id="dots"),
        pytest.param([file("a/../../escaped")], id="dots within"),
        pytest.param([link("a", ".."), file("a/../escaped")], id="dots behind a link"),
        pytest.param([directory("..")], id="the directory above"),
        pytest.param([hard("a", "../outside")], id="a hard link to a file outside"),
        pytest.param([file(".wh...")], id="a whiteout of the directory above"),
        pytest.param([file("d/.wh..")], id="a whiteout of its own directory"),
        pytest.param([file(".wh.")], id="a whiteout of nothing"),
    ],
)
def test_what_would_leave_the_root_is_refused(tmp_path: Path, members: list[Member]) -> None:
    (tmp_path / "outside").write_text("mine", encoding="ascii")
    with pytest.raises(IntegrityError, match="layer 0"):
        apply(tmp_path / "root", members)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "root"]
    assert (tmp_path / "outside").read_text(encoding="ascii") == "mine"
    assert (tmp_path / "outside").stat().st_nlink == 1


@pytest.mark.parametrize("target", ["OUTSIDE", "../outside", "/../../outside", "x/../../outside"])
@pytest.mark.parametrize("name", ["l/f", "l/.wh.f", "l/.wh..wh..opq", "l/d/f"])
def test_no_link_leads_out(tmp_path: Path, target: str, name: str) -> None:
    outside = tmp_path / "outside"
    (outside / "d").mkdir(parents=True)
    (outside / "f").write_text("mine", encoding="ascii")
    before = tree(outside)
    apply(tmp_path / "root", [link("l", target.replace("OUTSIDE", str(outside))), file(name)])
    assert tree(outside) == before


def test_a_link_is_replaced_and_never_written_through(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.write_text("mine", encoding="ascii")
    members = [link("a", str(outside)), file("a", b"theirs"), link("b", str(tmp_path)), file("b")]
    root = apply(tmp_path / "root", members)
    assert tree(root) == {"a": "theirs", "b": ""}
    write_text(apply(root, [link("etc", str(tmp_path))]), "etc/passwd", "x")
    write_text(root, "b", "new")
    assert not (tmp_path / "passwd").exists()
    assert outside.read_text(encoding="ascii") == "mine"


def test_absolute_names_are_taken_as_inside(tmp_path: Path) -> None:
    root = apply(tmp_path / "root", [file("/etc/a", b"1"), file("//etc/b"), hard("c", "/etc/a")])
    assert tree(root) == {"c": "1", "etc": "/", "etc/a": "1", "etc/b": ""}


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([file("a"), file("a/b")], id="below a file"),
        pytest.param([link("a", "b"), link("b", "a"), file("a/c")], id="a ring of links"),
        pytest.param([hard("a", "never")], id="a link to nothing"),
        pytest.param([directory("d"), hard("a", "d")], id="a hard link to a directory"),
        pytest.param([file(f"{'x' * 300}/a")], id="a name too long"),
    ],
)
def test_what_contradicts_itself_is_damaged(tmp_path: Path, members: list[Member]) -> None:
    with pytest.raises(IntegrityError, match="layer 0 is damaged"):
        apply(tmp_path / "root", members)


def test_devices_setuid_bits_and_owners_are_dropped(tmp_path: Path) -> None:
    root = apply(
        tmp_path / "root",
        [
            file("bin/su", b"x", mode=0o6755),
            directory("tmp", mode=0o1777),
            *(device("null"), device("disk", tarfile.BLKTYPE), device("pipe", tarfile.FIFOTYPE)),
            hard("null2", "null"),
            *(file("proc/kcore", b"x"), directory("proc"), file("dev/sda", b"x")),
        ],
    )
    assert set(tree(root)) == {"bin", "bin/su", "tmp", "proc"}
    assert (root / "bin/su").stat().st_mode & 0o7777 == 0o755
    assert (root / "tmp").stat().st_mode & 0o7777 == 0o777
    assert {path.stat().st_uid for path in root.rglob("*")} == {os.geteuid()}


def test_what_is_unpacked_can_be_read_and_removed(tmp_path: Path) -> None:
    members = [directory("d", mode=0), file("d/a", b"1", mode=0), file("e", mode=0o444)]
    root = apply(tmp_path / "root", members)
    assert (root / "d").stat().st_mode & 0o777 == 0o700
    assert (root / "d/a").stat().st_mode & 0o777 == 0o600
    assert (root / "e").stat().st_mode & 0o777 == 0o644
    remove_tree(root)
    assert not root.exists()


def test_a_file_keeps_its_time_or_its_byte_code_is_stale(tmp_path: Path) -> None:
    root = apply(tmp_path / "root", [file("a.py", b"x", mtime=1_600_000_000)])
    assert (root / "a.py").stat().st_mtime == 1_600_000_000


@pytest.mark.parametrize("cut", [100, 600, 1024 + 100, 512 * 3, 512 * 3 + 100])
def test_a_tar_that_is_cut_short_is_damaged(tmp_path: Path, cut: int) -> None:
    whole = tar([file("a", b"x" * 600), file("b", b"x" * 600)])
    (tmp_path / "root").mkdir()
    with pytest.raises(IntegrityError, match="mine is damaged"):
        Unpacker(tmp_path / "root").apply(io.BytesIO(whole[:cut]), "mine", layered=False)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("bin/sh", "usr/bin/sh"),
        ("/bin/../etc", "usr/etc"),
        ("../../etc", "etc"),
        ("up/x", "x"),
        ("//bin", "usr/bin"),
        ("double/x", "etc/x"),
        ("not/there/../at", "not/at"),
    ],
)
def test_paths_are_followed_inside(tmp_path: Path, path: str, expected: str) -> None:
    root = apply(
        tmp_path / "root",
        [
            *(link("bin", "usr/bin"), directory("usr/bin"), link("up", "../../..")),
            *(directory("etc"), link("double", "//etc"), link("ring", "ring")),
        ],
    )
    assert within.resolved(root, path) == root / expected
    assert within.found(root, "ring") is None
    assert within.found(root, "nothing") is None
