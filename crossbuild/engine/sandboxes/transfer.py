"""Files into and out of a session's ``WORK``, whose content strangers wrote.

A name in there may be a symbolic link to anywhere on the host, so no link is ever followed.
Nothing runs in the session while a copy is under way, so nothing changes under it.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from crossbuild.disk import guarded
from crossbuild.engine.base import WORK
from crossbuild.errors import IntegrityError, UsageError


def put(source: Path, work: Path, destination: str) -> None:
    """Copy a host file or directory to ``destination``, an absolute path below ``WORK``.

    A directory's symbolic links are copied as links. Raises IntegrityError when something in
    the session's way is a link, StorageError when the disk is full.
    """
    path = inside(work, destination)
    if source.is_dir() and path.exists():
        for entry in _below(source):
            inside(work, f"{destination}/{entry.relative_to(source)}")
    with guarded(work):
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, path)


def get(work: Path, source: str, destination: Path) -> None:
    """Copy the file or directory ``source``, below ``WORK``, to ``destination`` on the host.

    Raises IntegrityError when it is not there, and when it is or holds anything but files and
    directories: a link would lead the host's own tools out of the sandbox.
    """
    path = inside(work, source)
    if not os.path.lexists(path):
        raise IntegrityError(f"the command left no {source}")
    copied = [(path, destination)]
    if path.is_dir():
        copied += [(found, destination / found.relative_to(path)) for found in _below(path)]
    for found, _ in copied:
        _refuse_special(found, work)
    with guarded(destination.parent):
        destination.parent.mkdir(parents=True, exist_ok=True)
        for found, target in copied:
            if found.is_dir():
                target.mkdir(exist_ok=True)
            else:
                shutil.copyfile(found, target, follow_symlinks=False)
                target.chmod(0o755 if found.stat().st_mode & stat.S_IXUSR else 0o644)


def inside(work: Path, path: str) -> Path:
    """The host's path of ``path`` in a session.

    Raises UsageError when it is not below ``WORK``, IntegrityError when a link is on the way.
    """
    pure = PurePosixPath(path)
    if not pure.is_relative_to(WORK) or ".." in pure.parts:
        raise UsageError(f"{path!r} is not below {WORK}")
    found = work
    for part in pure.relative_to(WORK).parts:
        found /= part
        if found.is_symlink():
            raise IntegrityError(f"{WORK}/{found.relative_to(work)} is a symbolic link")
    return found


def _below(directory: Path) -> Iterator[Path]:
    """Everything below a directory, parents first; links are listed, not entered."""
    for parent, directories, files in os.walk(directory, onerror=_raise):
        for name in sorted(directories + files):
            yield Path(parent, name)


def _raise(error: OSError) -> None:
    raise error


def _refuse_special(path: Path, work: Path) -> None:
    mode = path.lstat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        kind = "a symbolic link" if stat.S_ISLNK(mode) else "neither a file nor a directory"
        raise IntegrityError(f"{WORK}/{path.relative_to(work)} is {kind}, and is not taken over")
