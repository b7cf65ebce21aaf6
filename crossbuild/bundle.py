"""The wheelhouse: what travels to the offline machine, written aside and renamed into place."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import tomli_w
from packaging.pylock import Package, PackageWheel, Pylock
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from crossbuild import floors, instructions, replacing
from crossbuild.disk import full_guarded, hash_of
from crossbuild.installer import assembly
from crossbuild.model import VerifiedWheel
from crossbuild.target import Target

REPORT = "crossbuild-report.json"
REQUIREMENTS = "requirements.txt"


def staging(output: Path, record: str = REPORT) -> AbstractContextManager[Path]:
    """Yield an empty directory to fill for ``output``, as ``replacing.staging`` does.

    ``record`` is the report's file name. Raises UsageError, StorageError.
    """
    what = "wheelhouse" if record == REPORT else "part of a build"
    return replacing.staging(output, record, what)


def existing(output: Path) -> Mapping[str, str]:
    """Map the wheels that ``output`` already holds, by file name, to the SHA-256 they have now."""
    wheels = sorted(output.glob("*.whl")) if output.is_dir() else []
    return {wheel.name: hash_of(wheel) for wheel in wheels}


def fill(directory: Path, wheels: Sequence[VerifiedWheel], target: Target) -> None:
    """Write the wheels, ``pylock.toml`` (PEP 751), ``requirements.txt`` and ``SHA256SUMS``.

    And ``install.py``, which installs them where there is no pip, and ``README.txt``, which tells
    how on the target.

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
        _write_program(directory / assembly.NAME)
        sums = [f"{wheel.sha256}  {wheel.path.name}\n" for wheel in ordered]
        labels = [f"{wheel.name} {wheel.version}" for wheel in ordered]
        above = floors.above(target, [wheel.path for wheel in ordered])
        readme = instructions.wheelhouse(target, labels, instructions.needing(above))
        (directory / instructions.NAME).write_text(readme, encoding="utf-8")
        others = (REQUIREMENTS, "pylock.toml", assembly.NAME, instructions.NAME)
        sums += [f"{hash_of(directory / name)}  {name}\n" for name in others]
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
    replacing.replace(directory, output)


def _place(source: Path, destination: Path) -> None:
    shutil.copyfile(source, destination)
    destination.chmod(0o644)


def _write_program(path: Path) -> None:
    path.write_text(assembly.script(), encoding="utf-8")
    path.chmod(0o755)


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
