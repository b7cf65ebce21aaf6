"""The wheelhouse: what travels to the offline machine, written aside and renamed into place.

Everything is written to a hidden sibling of the output directory, which takes its name in one
step (renameat2(2) with RENAME_EXCHANGE where an older wheelhouse is there): a reader sees the
old wheelhouse or the new one, whenever crossbuild is killed.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import tomli_w
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from crossbuild import process
from crossbuild.disk import full_guarded, guarded, hash_of, sync
from crossbuild.errors import UsageError
from crossbuild.locks import held
from crossbuild.model import VerifiedWheel
from crossbuild.target import Target

REPORT = "crossbuild-report.json"
REQUIREMENTS = "requirements.txt"
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2
_ASIDE = ".old"


@contextlib.contextmanager
def staging(output: Path, record: str = REPORT) -> Iterator[Path]:
    """Yield an empty hidden sibling of ``output`` to fill; it is gone on leaving.

    ``record`` is the file by which crossbuild knows its own directories of that kind. Holds a
    lock for the output's name, so that two runs into one directory follow each other, and
    sweeps what a killed run left. Raises UsageError when ``output`` holds something and no such
    file, StorageError when its parent cannot be written.
    """
    output = output.absolute()
    _refuse_foreign(output, record)
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


def existing(output: Path) -> Mapping[str, str]:
    """Map the wheels that ``output`` already holds, by file name, to the SHA-256 they have now."""
    wheels = sorted(output.glob("*.whl")) if output.is_dir() else []
    return {wheel.name: hash_of(wheel) for wheel in wheels}


def fill(directory: Path, wheels: Sequence[VerifiedWheel], target: Target) -> None:
    """Write the wheels, ``pylock.toml`` (PEP 751), ``requirements.txt`` and ``SHA256SUMS``.

    The same wheels give the same bytes. Raises StorageError (a full disk, say).
    """
    ordered = sorted(wheels, key=lambda wheel: wheel.name)
    with full_guarded(directory):
        for wheel in ordered:
            _place(wheel.path, directory / wheel.path.name)
        lines = [
            f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}" for wheel in ordered
        ]
        (directory / REQUIREMENTS).write_text("".join(f"{line}\n" for line in lines))
        (directory / "pylock.toml").write_text(_pylock(ordered, target))
        sums = [f"{wheel.sha256}  {wheel.path.name}\n" for wheel in ordered]
        sums += [
            f"{hash_of(directory / name)}  {name}\n" for name in (REQUIREMENTS, "pylock.toml")
        ]
        (directory / "SHA256SUMS").write_text("".join(sums))


def publish(
    directory: Path, output: Path, report: Mapping[str, object], record: str = REPORT
) -> None:
    """Add the report to a filled staging directory and give it ``output``'s name, atomically.

    ``record`` is the report's file name, as ``staging`` was told it.
    """
    with full_guarded(output.parent):
        text = json.dumps(report, indent=2, ensure_ascii=False)
        (directory / record).write_text(f"{text}\n", encoding="utf-8")
        _sync(directory)
        if output.is_dir():
            _exchange(directory, output.absolute())
        else:
            directory.rename(output)


def _refuse_foreign(output: Path, record: str) -> None:
    if output.exists() and not output.is_dir():
        raise UsageError(f"{output} is a file", remedy="Choose another --output directory.")
    if output.is_dir() and any(output.iterdir()) and not (output / record).is_file():
        what = "wheelhouse" if record == REPORT else "part of a build"
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


def _place(source: Path, destination: Path) -> None:
    shutil.copyfile(source, destination)
    destination.chmod(0o644)


def _pylock(wheels: Sequence[VerifiedWheel], target: Target) -> str:
    packages = [
        Package(
            name=wheel.name,
            version=wheel.version,
            wheels=[
                PackageWheel(
                    name=wheel.path.name,
                    path=f"./{wheel.path.name}",
                    size=wheel.size,
                    hashes={"sha256": wheel.sha256},
                )
            ],
        )
        for wheel in wheels
    ]
    lock = Pylock(
        lock_version=Version("1.0"),
        requires_python=SpecifierSet(f"=={target.python_version}.*"),
        created_by="crossbuild",
        packages=packages,
    )
    return tomli_w.dumps(dict(lock.to_dict()))


def _sync(directory: Path) -> None:
    for path in directory.iterdir():
        sync(path)


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
