"""Images by the word a user says."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.catalog import Archive, Role
from crossbuild.engine.images import foreign, imported
from crossbuild.engine.images.roots import tree_key
from crossbuild.engine.images.unpacking import read_text
from crossbuild.errors import IntegrityError, StorageError, UsageError
from crossbuild.report import Silent
from crossbuild.store import Store
from tests.machines import machine
from tests.tars import file, saved, tar


def write(directory: Path, name: str = "My_Kylin V10.tar", content: bytes | None = None) -> Path:
    path = directory / name
    path.write_bytes(tar(machine()) if content is None else content)
    return path


def test_a_file_is_an_image_named_after_it(store: Store, tmp_path: Path) -> None:
    write(tmp_path)
    image = imported.resolve_image("./My_Kylin V10.tar", store, Silent(), directory=tmp_path)
    assert (image.name, image.glibc) == ("my_kylin-v10", (2, 31))
    assert image.roles == {Role.TARGET}
    assert isinstance(image.source, Archive)
    root = store.tree(tree_key(image, Role.TARGET))
    assert root is not None
    assert [(found.tag, found.path) for found in image.interpreters] == [
        ("cp38-cp38", "/usr/bin/python3.8")
    ]
    for name in ("python", "python3", "python3.8"):
        link = root / "opt/python/cp38-cp38/bin" / name
        assert link.readlink() == Path("/usr/bin/python3.8")
    users = "root:x:0:0:root:/root:/bin/sh\nbuilder:x:1000:1000:builder:/work:/bin/sh\n"
    assert read_text(root, "etc/passwd") == users


def test_the_machines_own_user_1000_stays(store: Store, tmp_path: Path) -> None:
    own = file("etc/passwd", "kylin:x:1000:1000:Köln:/home/kylin:/bin/bash\n".encode("latin-1"))
    path = write(tmp_path, content=tar([*machine(), own]))
    root = foreign.unpacked(foreign.archive_of(path), store, Silent())
    assert (root / "etc/passwd").read_bytes() == own.content


def test_the_same_bytes_are_unpacked_once_whatever_their_name(
    store: Store, tmp_path: Path
) -> None:
    first = imported.from_archive(write(tmp_path, "a.tar"), store, Silent())
    second = imported.from_archive(write(tmp_path, "b.tar"), store, Silent())
    assert tree_key(first, Role.TARGET) == tree_key(second, Role.TARGET)
    assert len(list((store.root / "trees").iterdir())) == 1


def test_what_was_imported_is_found_by_name_when_the_file_is_gone(
    store: Store, tmp_path: Path
) -> None:
    path = write(tmp_path, content=saved([tar(machine())]))
    made = imported.remember(path, "kylin", store, Silent())
    path.unlink()
    assert imported.resolve_image("kylin", store, Silent(), directory=tmp_path) == made
    assert "kylin" in imported.names(store)
    store.prune(older_than_days=None)
    imported_again = imported.sources(store)
    assert imported_again == {}


def test_a_name_whose_root_was_pruned_is_unpacked_again_or_says_so(
    store: Store, tmp_path: Path
) -> None:
    path = write(tmp_path)
    made = imported.remember(path, "kylin", store, Silent())
    store.drop_trees([tree_key(made, Role.TARGET)])
    assert imported.resolve_image("kylin", store, Silent(), directory=tmp_path) == made
    store.drop_trees([tree_key(made, Role.TARGET)])
    path.unlink()
    with pytest.raises(UsageError, match="which the image is made from, is gone") as caught:
        imported.resolve_image("kylin", store, Silent(), directory=tmp_path)
    assert "import it again" in caught.value.remedy


def test_a_file_that_changed_is_not_taken_for_what_was_imported(
    store: Store, tmp_path: Path
) -> None:
    path = write(tmp_path)
    made = imported.remember(path, "kylin", store, Silent())
    store.drop_trees([tree_key(made, Role.TARGET)])
    write(tmp_path, content=tar(machine(["usr/bin/python3.9"])))
    with pytest.raises(UsageError, match="is another file now"):
        imported.resolve_image("kylin", store, Silent(), directory=tmp_path)


def test_a_forgotten_image_has_no_name(store: Store, tmp_path: Path) -> None:
    imported.remember(write(tmp_path), "kylin", store, Silent())
    imported.forget("kylin", store)
    imported.forget("kylin", store)
    with pytest.raises(UsageError, match="no image 'kylin'"):
        imported.resolve_image("kylin", store, Silent(), directory=tmp_path)


def test_a_name_of_the_catalog_is_its_image(store: Store, tmp_path: Path) -> None:
    image = imported.resolve_image("bookworm-aarch64", store, Silent(), directory=tmp_path)
    assert image.name == "bookworm-aarch64"


@pytest.mark.parametrize(
    ("value", "sentence", "remedy"),
    [
        ("bokworm-aarch64", "no image 'bokworm-aarch64'", "Did you mean bookworm-aarch64?"),
        ("kylinn", "no image 'kylinn'", "Did you mean kylin?"),
        ("plain", "no image 'plain'", "write ./plain"),
        ("./gone.tar", "there is no file", ""),
        ("gone.tgz", "there is no file", ""),
        (".", "no image '.'", ""),
        ("./", "there is no file", ""),
    ],
)
def test_what_is_not_there_is_said(
    store: Store, tmp_path: Path, value: str, sentence: str, remedy: str
) -> None:
    imported.remember(write(tmp_path), "kylin", store, Silent())
    write(tmp_path, "plain")
    with pytest.raises(UsageError) as caught:
        imported.resolve_image(value, store, Silent(), directory=tmp_path)
    assert sentence in str(caught.value)
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Kylin", "cannot be the name"),
        ("a/b", "cannot be the name"),
        ("kylin.tar", "cannot be the name"),
        ("x" * 51, "cannot be the name"),
        ("", "cannot be the name"),
        ("bookworm-aarch64", "the name of an image of crossbuild's own"),
    ],
)
def test_names_that_cannot_be(store: Store, tmp_path: Path, name: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        imported.remember(write(tmp_path), name, store, Silent())
    assert list((store.root / "trees").iterdir()) == []


@pytest.mark.parametrize(
    "content", [tar([file("../x")]), tar(machine())[:2000]], ids=["hostile", "cut short"]
)
def test_a_bad_file_leaves_nothing(store: Store, tmp_path: Path, content: bytes) -> None:
    with pytest.raises(IntegrityError):
        imported.remember(write(tmp_path, content=content), "kylin", store, Silent())
    assert imported.sources(store) == {}
    for part in ("trees", "scratch"):
        assert list((store.root / part).iterdir()) == []


def test_a_full_disk_is_said_and_leaves_nothing(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    path = write(tmp_path)
    monkeypatch.setattr("crossbuild.engine.images.unpacking.shutil.copyfileobj", full)
    with pytest.raises(StorageError, match="is full"):
        imported.remember(path, "kylin", store, Silent())
    monkeypatch.undo()
    assert list((store.root / "trees").iterdir()) == []
    assert imported.sources(store) == {}


def test_a_killed_import_leaves_nothing_that_has_a_name(tmp_path: Path) -> None:
    """The victim dies while its file is unpacked, having written half of the root."""
    path = write(tmp_path, content=tar([*machine(), file("last")]))
    code = f"""
import os, signal
from pathlib import Path
from crossbuild.engine.images import imported, unpacking
from crossbuild.report import Silent
from crossbuild.store import Store
write = unpacking.Unpacker._write
def dying(self, archive, member, *rest):
    if member.name == "last":
        os.kill(os.getpid(), signal.SIGKILL)
    write(self, archive, member, *rest)
unpacking.Unpacker._write = dying
imported.remember(Path({str(path)!r}), "kylin", Store(Path({str(tmp_path / "store")!r})), Silent())
"""
    done = process.run([sys.executable, "-c", code], env=dict(os.environ), check=False)
    assert done.returncode == -signal.SIGKILL
    store = Store(tmp_path / "store")
    assert any((store.root / "scratch").glob("tree-*/tree/usr/bin/dash"))
    assert list((store.root / "trees").iterdir()) == []
    assert imported.sources(store) == {}
    assert store.sweep() > 0
    assert list((store.root / "scratch").iterdir()) == []


DESCRIPTION = """\
roles = ["target"]
glibc = "2.31"
arches = ["aarch64"]
[pythons]
cp38-cp38 = "/usr/bin/python3.8"
[archive]
path = "mine.tar"
digest = "{digest}"
"""


def described(tmp_path: Path, old: str = "", new: str = "") -> str:
    digest = foreign.archive_of(write(tmp_path, "mine.tar")).digest
    text = DESCRIPTION.format(digest=digest).replace(old, new)
    (tmp_path / "kylin.toml").write_text(text, encoding="utf-8")
    return "kylin.toml"


def test_a_users_own_description_is_an_image(store: Store, tmp_path: Path) -> None:
    image = imported.resolve_image(described(tmp_path), store, Silent(), directory=tmp_path)
    assert (image.name, image.glibc) == ("kylin-aarch64", (2, 31))
    root = store.tree(tree_key(image, Role.TARGET))
    assert root is not None
    assert os.path.lexists(root / image.interpreters[0].command[1:])


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("2.31", "2.28", "is wrong about the glibc of"),
        ('"aarch64"', '"x86_64"', "is wrong about the processor of"),
        ("cp38-cp38", "cp39-cp39", "is wrong about the Pythons of"),
        ('["aarch64"]', '["aarch64", "x86_64"]', "describes 2 images where one is expected"),
        ("mine.tar", "gone.tar", "is gone"),
        ("sha256:", f'sha256:{"0" * 64}"#', "is another file now"),
        ("roles", "rolls", "rolls: unknown key"),
    ],
)
def test_a_description_is_held_to_its_archive(
    store: Store, tmp_path: Path, old: str, new: str, sentence: str
) -> None:
    with pytest.raises(UsageError) as caught:
        imported.resolve_image(described(tmp_path, old, new), store, Silent(), directory=tmp_path)
    assert sentence in str(caught.value)
