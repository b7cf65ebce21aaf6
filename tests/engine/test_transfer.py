from __future__ import annotations

import os
from pathlib import Path

import pytest

from crossbuild.engine.sandboxes import transfer
from crossbuild.errors import IntegrityError, UsageError


@pytest.fixture
def work(tmp_path: Path) -> Path:
    path = tmp_path / "work"
    path.mkdir()
    return path


def test_a_file_and_a_directory_go_in_and_come_out(tmp_path: Path, work: Path) -> None:
    source = tmp_path / "source"
    (source / "deep").mkdir(parents=True)
    (source / "deep" / "run.sh").write_text("#!/bin/sh\n", encoding="ascii")
    (source / "deep" / "run.sh").chmod(0o700)
    (source / "link").symlink_to("deep/run.sh")
    transfer.put(source, work, "/work/a/b")
    transfer.put(source / "deep" / "run.sh", work, "/work/single")
    assert (work / "a/b/link").readlink() == Path("deep/run.sh")
    (work / "a/b/link").unlink()
    transfer.get(work, "/work/a/b", tmp_path / "out" / "tree")
    transfer.get(work, "/work/single", tmp_path / "out" / "file")
    assert (tmp_path / "out/tree/deep/run.sh").stat().st_mode & 0o777 == 0o755
    assert (tmp_path / "out/file").read_text(encoding="ascii") == "#!/bin/sh\n"


@pytest.mark.parametrize("path", ["/etc/passwd", "/work/../etc", "work/x", "/workshop/x", ""])
def test_only_paths_below_work_are_taken(tmp_path: Path, work: Path, path: str) -> None:
    with pytest.raises(UsageError, match="not below /work"):
        transfer.get(work, path, tmp_path / "out")
    with pytest.raises(UsageError, match="not below /work"):
        transfer.put(tmp_path, work, path)


def test_a_link_is_never_followed_out(tmp_path: Path, work: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret", encoding="ascii")
    (work / "link").symlink_to(secret)
    (work / "directory").symlink_to(tmp_path)
    (work / "tree").mkdir()
    (work / "tree" / "inner").symlink_to(secret)
    for path in ("/work/link", "/work/directory/secret", "/work/tree"):
        with pytest.raises(IntegrityError, match="is a symbolic link"):
            transfer.get(work, path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_link_is_never_followed_in(tmp_path: Path, work: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("before", encoding="ascii")
    (work / "directory").symlink_to(outside)
    (work / "file").symlink_to(outside / "file")
    source = tmp_path / "source"
    source.write_text("after", encoding="ascii")
    for path in ("/work/directory/new", "/work/file", "/work/directory"):
        with pytest.raises(IntegrityError, match="is a symbolic link"):
            transfer.put(source, work, path)
    tree = tmp_path / "tree"
    (tree / "directory").mkdir(parents=True)
    (tree / "directory" / "planted").write_text("after", encoding="ascii")
    with pytest.raises(IntegrityError, match="/work/directory is a symbolic link"):
        transfer.put(tree, work, "/work")
    assert [path.name for path in outside.iterdir()] == ["file"]
    assert (outside / "file").read_text(encoding="ascii") == "before"


def test_a_pipe_is_refused_before_it_can_block(tmp_path: Path, work: Path) -> None:
    os.mkfifo(work / "pipe")
    with pytest.raises(IntegrityError, match="/work/pipe is neither a file nor a directory"):
        transfer.get(work, "/work/pipe", tmp_path / "out")


def test_what_is_not_there_is_said(tmp_path: Path, work: Path) -> None:
    with pytest.raises(IntegrityError, match="left no /work/wheel"):
        transfer.get(work, "/work/wheel", tmp_path / "out")
