"""The wheelhouse: contents, atomic publishing, what a kill leaves."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from packaging.pylock import Pylock
from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbuild import bundle, replacing
from crossbuild.errors import StorageError, UsageError
from crossbuild.model import File, Kind, Origin, Provenance, VerifiedWheel
from crossbuild.target import Target

try:
    import tomllib
except ImportError:  # Python 3.10
    import tomli as tomllib  # type: ignore[import-not-found,no-redef]

TARGET = Target.parse("manylinux2014_aarch64", "3.11")


def wheel(tmp_path: Path, name: str, version: str = "1.0") -> VerifiedWheel:
    path = tmp_path / f"{name}-{version}-py3-none-any.whl"
    path.write_bytes(name.encode())
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    source = File(filename=path.name, url=path.as_uri(), kind=Kind.WHEEL, sha256=sha256)
    return VerifiedWheel(
        name=canonicalize_name(name),
        version=Version(version),
        path=path,
        sha256=sha256,
        size=path.stat().st_size,
        provenance=Provenance(origin=Origin.FETCHED, source=source),
    )


def test_a_published_wheelhouse_holds_what_pip_and_sha256sum_need(tmp_path: Path) -> None:
    output = tmp_path / "out" / "wheelhouse"
    wheels = [wheel(tmp_path, "zipp"), wheel(tmp_path, "cycler")]
    with bundle.staging(output) as directory:
        bundle.fill(directory, wheels, TARGET)
        assert not output.exists()
        bundle.publish(directory, output, {"schema": "crossbuild-report/1"})
    assert sorted(path.name for path in output.iterdir()) == [
        "README.txt",
        "SHA256SUMS",
        "crossbuild-report.json",
        "cycler-1.0-py3-none-any.whl",
        "install.py",
        "pylock.toml",
        "requirements.txt",
        "zipp-1.0-py3-none-any.whl",
    ]
    assert (output / "requirements.txt").read_text().splitlines() == [
        f"cycler==1.0 --hash=sha256:{wheels[1].sha256}",
        f"zipp==1.0 --hash=sha256:{wheels[0].sha256}",
    ]
    for line in (output / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((output / name).read_bytes()).hexdigest() == digest
    lock = Pylock.from_dict(tomllib.loads((output / "pylock.toml").read_text()))
    assert [package.name for package in lock.packages] == ["cycler", "zipp"]
    assert [path.name for path in output.parent.iterdir()] == ["wheelhouse"]


def test_an_older_wheelhouse_is_replaced_whole(tmp_path: Path) -> None:
    output = tmp_path / "wheelhouse"
    for names in (["zipp", "cycler"], ["pillow"]):
        with bundle.staging(output) as directory:
            bundle.fill(directory, [wheel(tmp_path, name) for name in names], TARGET)
            bundle.publish(directory, output, {})
    assert list(bundle.existing(output)) == ["pillow-1.0-py3-none-any.whl"]


def test_without_an_atomic_exchange_two_renames_serve(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replacing, "_RENAME_EXCHANGE", 1 << 20)
    test_an_older_wheelhouse_is_replaced_whole(tmp_path)


def test_a_run_killed_between_the_two_renames_loses_nothing(tmp_path: Path) -> None:
    output = tmp_path / "wheelhouse"
    aside = tmp_path / ".wheelhouse.crossbuild-abc.old"
    aside.mkdir()
    (aside / bundle.REPORT).write_text("{}")
    (tmp_path / ".wheelhouse.crossbuild-xyz").mkdir()
    with bundle.staging(output):
        assert (output / bundle.REPORT).is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["wheelhouse"]


def test_a_failed_run_leaves_no_wheelhouse_and_no_staging(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), bundle.staging(tmp_path / "wheelhouse"):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["file", "directory"])
def test_somebody_elses_files_are_never_replaced(tmp_path: Path, kind: str) -> None:
    output = tmp_path / "home"
    if kind == "file":
        output.write_text("mine")
    else:
        output.mkdir()
        (output / "thesis.tex").write_text("mine")
    with pytest.raises(UsageError, match="home"), bundle.staging(output):
        pass


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises((StorageError, NotADirectoryError)),
        bundle.staging(tmp_path / "file" / "w"),
    ):
        pass
