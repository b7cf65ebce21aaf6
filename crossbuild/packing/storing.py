"""Wheels for a Python without zlib: their members stored, and every list of hashes renewed."""

from __future__ import annotations

import json
import shutil
import sys
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from crossbuild.errors import IntegrityError
from crossbuild.packing import cargo
from crossbuild.packing.cargo import REPORT, Cargo, Item

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_LOCK = "pylock.toml"
_REQUIREMENTS = "requirements.txt"


def stored(load: Cargo, scratch: Path) -> Cargo:
    """The wheelhouse with wheels that need no decompression, and hashes that are theirs.

    Members, their order, times and modes, and so RECORD, are as they were. The same wheels give
    the same bytes. ``scratch`` is made, for the new files. Raises IntegrityError for a wheel that
    cannot be read.
    """
    scratch.mkdir()
    pairs = [(item, _repacked(item, scratch)) for item in load.wheels]
    renewed = {old.name: (old, new) for old, new in pairs}
    texts = _texts(load, renewed)
    lists = [cargo.written(scratch, name, text.encode()) for name, text in texts]
    return cargo.changed(load, [*(new for _, new in pairs), *lists], scratch)


def _repacked(item: Item, scratch: Path) -> Item:
    try:
        with (
            zipfile.ZipFile(item.path) as old,
            zipfile.ZipFile(scratch / item.name, "w", zipfile.ZIP_STORED) as new,
        ):
            for member in old.infolist():
                with old.open(member) as source, new.open(_plain(member), "w") as sink:
                    shutil.copyfileobj(source, sink, cargo.BLOCK)
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, EOFError) as error:
        raise IntegrityError(f"{item.name} cannot be repacked: {error}") from error
    return cargo.item_of(scratch, item.name)


def _plain(member: zipfile.ZipInfo) -> zipfile.ZipInfo:
    """The same entry, stored, and without what archivers note besides (extra fields)."""
    plain = zipfile.ZipInfo(member.filename, member.date_time)
    plain.compress_type = zipfile.ZIP_STORED
    plain.create_system = member.create_system
    plain.external_attr = member.external_attr
    plain.file_size = member.file_size
    return plain


def _texts(load: Cargo, renewed: Mapping[str, tuple[Item, Item]]) -> Iterator[tuple[str, str]]:
    """The files that name wheels' hashes, as they are to be."""
    if requirements := load.named(_REQUIREMENTS):
        text = requirements.path.read_text(encoding="utf-8")
        for old, new in renewed.values():
            text = text.replace(f"sha256:{old.sha256}", f"sha256:{new.sha256}")
        yield _REQUIREMENTS, text
    if lock := load.named(_LOCK):
        document = tomllib.loads(lock.path.read_text(encoding="utf-8"))
        for wheel in (item for package in document["packages"] for item in package["wheels"]):
            _, new = renewed[wheel["name"]]
            wheel["size"], wheel["hashes"]["sha256"] = new.size, new.sha256
        yield _LOCK, tomli_w.dumps(document)
    if report := load.named(REPORT):
        told: dict[str, Any] = json.loads(report.path.read_bytes())
        for package in told["packages"]:
            _, new = renewed[package["file"]]
            package["size"], package["sha256"] = new.size, new.sha256
        yield REPORT, f"{json.dumps(told, indent=2, ensure_ascii=False)}\n"
