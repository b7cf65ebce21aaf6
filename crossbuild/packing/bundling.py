"""Bundles: a wheelhouse as a directory or as one file of some kind, whole or in parts."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import resources
from pathlib import Path
from typing import IO

from crossbuild import replacing
from crossbuild.disk import full_guarded, guarded, sync
from crossbuild.errors import StorageError, UsageError
from crossbuild.installer import assembly
from crossbuild.instructions import NAME as README
from crossbuild.packing import (
    archives,
    cargo,
    filesystems,
    guiding,
    modules,
    running,
    signing,
    storing,
)
from crossbuild.packing.archives import Sink
from crossbuild.packing.cargo import REPORT, SUMS, Cargo
from crossbuild.packing.modules import Sources
from crossbuild.packing.order import FAT32_LIMIT, Form, Order
from crossbuild.packing.splitting import Parts, lines

JOIN = "join.py"


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """What was packed: ``output`` is the file or directory, ``parts`` the names of its parts.

    ``sha256`` is that of the whole file, None for a directory; ``size`` in bytes. ``split_for``
    says why it is in parts although nobody asked for them, ``notes`` what else is to be known.
    """

    form: Form
    output: Path
    files: int
    size: int
    sha256: str | None = None
    parts: tuple[str, ...] = ()
    split_for: str | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """What it is called on the target, joined where it was split."""
        return self.parts[0].rpartition(".")[0] if self.parts else self.output.name


_WRITERS: Mapping[Form, Callable[[Cargo, Sink], None]] = {
    Form.TAR: archives.write_tar,
    Form.ZIP: archives.write_zip,
    Form.PYZ: running.write_pyz,
    Form.TEXT: running.write_text,
}
_GROWTH: Mapping[Form, float] = {Form.TEXT: 1.37}
"""How many times the size of a wheelhouse a bundle of it has; 1 otherwise."""


def pack(order: Order, scratch: Path, sources: Sources) -> Bundle:
    """Check a wheelhouse and pack it. The same wheelhouse gives the same bytes.

    ``scratch`` is an empty directory, or one to make, for what is made on the way; ``sources``
    are where modules of the standard library may be found. What would not fit FAT32 is split
    where the output lies on one. Raises UsageError for what cannot be packed so, IntegrityError
    for a damaged wheelhouse, StorageError.
    """
    if order.split and order.form is Form.DIRECTORY:
        raise UsageError("a directory is not split", remedy="Give --format tar with --split.")
    scratch.mkdir(parents=True, exist_ok=True)
    load, notes = _prepared(order, cargo.read(order.wheelhouse), scratch, sources)
    return replace(_packed(order, load), notes=notes)


def _prepared(
    order: Order, load: Cargo, scratch: Path, sources: Sources
) -> tuple[Cargo, tuple[str, ...]]:
    """The wheelhouse with all that was asked for besides, and what has to be said of that."""
    whole = load
    notes: tuple[str, ...] = ()
    target = guiding.target_of(load)
    if target:
        load, notes = modules.completed(load, order.modules, target, sources, scratch)
    elif order.modules:
        raise UsageError(
            f"{order.wheelhouse} does not say for which Python it is",
            remedy="--with-modules needs the crossbuild-report.json of the wheelhouse.",
        )
    if load.named(assembly.NAME) is None:
        program = cargo.written(scratch, assembly.NAME, assembly.script().encode())
        load = cargo.changed(load, [program], scratch)
    if order.pip:
        load = cargo.changed(load, [cargo.item_of(order.pip.parent, order.pip.name)], scratch)
    if order.stored:
        load = storing.stored(load, scratch / "stored")
    suffix = signing.suffix_of(order.key) if order.key else None
    if target and (suffix or load is not whole):
        load = guiding.inside(load, target, suffix, scratch)
    if order.key:
        load = signing.signed(load, order.key, scratch)
    return load, notes


def _packed(order: Order, load: Cargo) -> Bundle:
    if order.form is Form.DIRECTORY:
        return _directory(order, load)
    if order.split:
        return _parts(order, load, order.split)
    output = order.output or Path(order.name)
    size = load.size * _GROWTH.get(order.form, 1)
    if size > FAT32_LIMIT and filesystems.is_fat(output.absolute().parent):
        return _parts(order, load, FAT32_LIMIT, why=f"{output.absolute().parent} is FAT")
    return _single(order, load, output)


def _directory(order: Order, load: Cargo) -> Bundle:
    output = order.output or Path(f"{order.wheelhouse.resolve().name}-bundle")
    _refuse_inside(order.wheelhouse, output)
    large = [item.name for item in load.items if item.size > FAT32_LIMIT]
    if large and filesystems.is_fat(output.absolute().parent):
        raise StorageError(
            f"{large[0]} is larger than a file may be on FAT, where {output} is",
            remedy="Give --format tar: it is split there.",
        )
    with replacing.staging(output, REPORT, "wheelhouse") as directory, full_guarded(output.parent):
        for item in load.items:
            (directory / item.name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(item.path, directory / item.name)
        replacing.replace(directory, output)
    return Bundle(form=order.form, output=output, files=len(load.items), size=load.size)


def _single(order: Order, load: Cargo, output: Path) -> Bundle:
    if output.is_dir():
        raise UsageError(f"{output} is a directory", remedy="-o takes a file here.")
    with guarded(output.absolute().parent):
        output.absolute().parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{output.name}.", dir=output.absolute().parent)
        aside = Path(name)
        try:
            with os.fdopen(handle, "wb") as stream:
                hashing = Hashing(stream)
                _WRITERS[order.form](load, hashing)
            aside.chmod(0o644)
            sync(aside)
            aside.replace(output)
        finally:
            aside.unlink(missing_ok=True)
        if target := guiding.target_of(load):
            text = guiding.beside(load, target, order.form, output.name, split=False)
            output.with_name(f"{output.name}.{README}").write_text(text, encoding="utf-8")
    return Bundle(
        form=order.form,
        output=output,
        files=len(load.items),
        size=hashing.size,
        sha256=hashing.digest.hexdigest(),
    )


class Hashing:
    """Passes bytes on and knows their hash and number."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.digest = hashlib.sha256()
        self.size = 0
        self._stream = stream

    def write(self, data: bytes, /) -> int:
        """Take some bytes."""
        self.digest.update(data)
        self.size += len(data)
        return self._stream.write(data)


def _parts(order: Order, load: Cargo, size: int, why: str | None = None) -> Bundle:
    """A directory with the parts, their hashes, and the script that joins them."""
    output = order.output or Path(f"{order.wheelhouse.resolve().name}-parts")
    _refuse_inside(order.wheelhouse, output)
    record = f"{order.name}.sha256"
    with replacing.staging(output, record, "parts") as directory, full_guarded(output.parent):
        with Parts(directory, order.name, size) as parts:
            _WRITERS[order.form](load, parts)
        script = resources.files("crossbuild.packing").joinpath("join_script.py").read_bytes()
        texts = {JOIN: script, record: f"{parts.whole}  {order.name}\n".encode()}
        if target := guiding.target_of(load):
            told = guiding.beside(load, target, order.form, order.name, split=True)
            texts[README] = told.encode()
        for name, text in texts.items():
            (directory / name).write_bytes(text)
        more = {name: hashlib.sha256(text).hexdigest() for name, text in texts.items()}
        (directory / SUMS).write_text("".join(lines({**parts.sums, **more})), encoding="utf-8")
        whole = sum((directory / name).stat().st_size for name in parts.sums)
        replacing.replace(directory, output)
    return Bundle(
        form=order.form,
        output=output,
        files=len(load.items),
        size=whole,
        sha256=parts.whole,
        parts=tuple(parts.sums),
        split_for=why,
    )


def _refuse_inside(wheelhouse: Path, output: Path) -> None:
    if output.resolve() == wheelhouse.resolve():
        raise UsageError(
            f"{output} is the wheelhouse itself", remedy="Choose another --output directory."
        )
