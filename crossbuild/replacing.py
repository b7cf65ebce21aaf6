"""Directories that crossbuild writes: filled aside, then given their name in one step.

Everything is written to a hidden sibling of the output directory, which takes its name in one
step (renameat2(2) with RENAME_EXCHANGE where an older directory is there): a reader sees the
old one or the new one, whenever crossbuild is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from crossbuild import process
from crossbuild.disk import full_guarded, guarded, sync
from crossbuild.errors import UsageError
from crossbuild.locks import held

_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_ASIDE = ".old"


@contextlib.contextmanager
def staging(output: Path, record: str, what: str) -> Iterator[Path]:
    """Yield an empty hidden sibling of ``output`` to fill; it is gone on leaving.

    ``record`` is the file by which crossbuild knows its own directories of that kind, ``what``
    the kind's name. Holds a lock for the output's name, so that two runs into one directory
    follow each other, and sweeps what a killed run left. Raises UsageError when ``output`` holds
    something and no such file, StorageError when its parent cannot be written.
    """
    output = output.absolute()
    _refuse_foreign(output, record, what)
    prefix = f".{output.name}.crossbuild-"
    with contextlib.ExitStack() as stack:
        with guarded(output.parent):
            output.parent.mkdir(parents=True, exist_ok=True)
            lock = output.with_name(f".{output.name}.lock")
            stack.enter_context(held(lock, lambda _: process.check_cancelled()))
            _recover(output, prefix)
            directory = Path(tempfile.mkdtemp(prefix=prefix, dir=output.parent))
            stack.callback(shutil.rmtree, directory, ignore_errors=True)
            directory.chmod(0o755)
        yield directory


def replace(directory: Path, output: Path) -> None:
    """Give a filled staging directory ``output``'s name, atomically, once it is on the disk.

    Raises StorageError for a full disk.
    """
    with full_guarded(output.parent):
        for path in directory.iterdir():
            sync(path)
        if output.is_dir():
            _exchange(directory, output.absolute())
        else:
            directory.rename(output)


def _refuse_foreign(output: Path, record: str, what: str) -> None:
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file", remedy="Choose another --output directory.")
    if output.is_dir() and any(output.iterdir()) and not (output / record).is_file():
        raise UsageError(
            f"{output} holds files that are no {what} of crossbuild's",
            remedy="Choose another --output directory, or empty this one.",
        )


def _recover(output: Path, prefix: str) -> None:
    """Undo what a killed run left: its staging, and a two-step exchange half done."""
    for left in sorted(output.parent.glob(f"{prefix}*")):
        if left.name.endswith(_ASIDE) and not output.exists():
            left.rename(output)
        else:
            shutil.rmtree(left, ignore_errors=True)


def _exchange(new: Path, old: Path) -> None:
    """Swap two directories in one step; two steps where kernel or file system has no such call."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = getattr(libc, "renameat2", None)
    if call is not None:
        paths = os.fsencode(new), os.fsencode(old)
        if call(_AT_FDCWD, paths[0], _AT_FDCWD, paths[1], _RENAME_EXCHANGE) == 0:
            return
    aside = new.with_name(f"{new.name}{_ASIDE}")
    old.rename(aside)
    new.rename(old)
    shutil.rmtree(aside, ignore_errors=True)
