"""Images by the word a user says: one of the catalog, one imported earlier, or a file.

What was imported is one small record in the store: a name, the hash of the file, and where it
was. The record is written last, so an import that was cut off leaves nothing that has a name.
"""

from __future__ import annotations

import re
from pathlib import Path

from crossbuild import catalog
from crossbuild.catalog import Archive, Image, Role
from crossbuild.engine.images import foreign, inspection
from crossbuild.errors import UsageError
from crossbuild.report import Reporter
from crossbuild.store import Store

_RECORD = ("images", "imported")
_SUFFIXES = (".tar", ".tar.gz", ".tar.xz", ".tar.zst", ".tgz", ".txz", ".oci")
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,49}")


def is_path(value: str) -> bool:
    """Whether a word names a file, and no image: it has a slash, or ends as archives do."""
    return "/" in value or value.endswith((*_SUFFIXES, ".toml"))


def resolve_image(value: str, store: Store, reporter: Reporter, *, directory: Path) -> Image:
    """The image that a word means; a file is unpacked into the store and looked at.

    A path is relative to ``directory``. Raises UsageError for an unknown name and for a file
    that is no image that wheels could be tried in; as ``foreign.unpacked`` does besides.
    """
    if value.endswith(".toml"):
        return from_description(directory / Path(value).expanduser(), store, reporter)
    if is_path(value):
        return from_archive(directory / Path(value).expanduser(), store, reporter)
    for image in catalog.images():
        if image.name == value:
            return image
    entry = _entries(store).get(value)
    if entry is None:
        error = catalog.unknown(value, names(store))
        if (directory / value).is_file():
            error.remedy = f"For the file of that name, write ./{value}."
        raise error
    return _image(value, _source(entry), store, reporter)


def from_archive(path: Path, store: Store, reporter: Reporter) -> Image:
    """The image that a user's file is, named after it. Raises as ``resolve_image`` does."""
    _check_there(path)
    return _image(_named_after(path), foreign.archive_of(path), store, reporter)


def from_description(path: Path, store: Store, reporter: Reporter) -> Image:
    """The image that a user's own ``NAME.toml`` describes, as those of crossbuild's are.

    Raises UsageError where it is not understood, or where the archive is another machine than
    it says; as ``resolve_image`` does besides.
    """
    _check_there(path)
    described = catalog.read(path)
    if len(described) != 1:
        raise UsageError(
            f"{path} describes {len(described)} images where one is expected",
            remedy="Name one processor under `arches`.",
        )
    (image,) = described
    if isinstance(image.source, Archive):
        _compare(path, image, _image(image.name, image.source, store, reporter))
    return image


def _compare(path: Path, said: Image, seen: Image) -> None:
    """Hold what a description says to the machine that is in the archive."""
    pairs = {
        "processor": (said.arch, seen.arch),
        "glibc": (said.glibc, seen.glibc),
        "Pythons": (_tags(said), _tags(said) & _tags(seen)),
    }
    wrong = [what for what, (one, other) in pairs.items() if one != other]
    if wrong:
        raise UsageError(
            f"{path} is wrong about the {wrong[0]} of {said.source}",
            remedy=f"`crossbuild images import {said.source}` shows what it is.",
        )


def _check_there(path: Path) -> None:
    if not path.is_file():
        raise UsageError(f"there is no file {path}", remedy="Check the path.")


def remember(path: Path, name: str | None, store: Store, reporter: Reporter) -> Image:
    """Import a file: its image is found by its name afterwards, also when the file is gone.

    ``name`` None: the file's. Raises UsageError for a name that is taken or cannot be one.
    """
    chosen = _named_after(path) if name is None else name
    if not _NAME.fullmatch(chosen) or is_path(chosen):
        raise UsageError(
            f"{chosen!r} cannot be the name of an image",
            remedy="Up to 50 small letters, digits, dots and dashes can.",
        )
    if any(image.name == chosen for image in catalog.images()):
        raise UsageError(
            f"{chosen} is the name of an image of crossbuild's own",
            remedy="Choose another with --name.",
        )
    _check_there(path)
    source = foreign.archive_of(path.absolute())
    image = _image(chosen, source, store, reporter)
    entry = {"path": str(source.path), "digest": source.digest}
    with store.lock("images"):
        store.put_record(*_RECORD, {**_entries(store), chosen: entry})
    return image


def forget(name: str, store: Store) -> None:
    """Let an imported image have no name any more; nothing happens when it had none."""
    with store.lock("images"):
        entries = _entries(store)
        if entries.pop(name, None) is not None:
            store.put_record(*_RECORD, entries)


def sources(store: Store) -> dict[str, Archive]:
    """What was imported, by name."""
    return {name: _source(entry) for name, entry in sorted(_entries(store).items())}


def names(store: Store) -> list[str]:
    """Every name that an image can be asked for by."""
    return [*(image.name for image in catalog.images()), *sorted(_entries(store))]


def _image(name: str, source: Archive, store: Store, reporter: Reporter) -> Image:
    root = foreign.unpacked(source, store, reporter)
    machine = inspection.inspect(root, name)
    return Image(
        name=name,
        arch=machine.arch,
        glibc=machine.glibc,
        interpreters=machine.interpreters,
        source=source,
        roles=frozenset({Role.TARGET}),
    )


def _tags(image: Image) -> frozenset[str]:
    return frozenset(found.tag for found in image.interpreters)


def _entries(store: Store) -> dict[str, dict[str, str]]:
    return dict(store.record(*_RECORD) or {})


def _source(entry: dict[str, str]) -> Archive:
    return Archive(path=Path(entry["path"]), digest=entry["digest"])


def _named_after(path: Path) -> str:
    stem = path.name.lower()
    for suffix in sorted(_SUFFIXES, key=len, reverse=True):
        stem = stem.removesuffix(suffix)
    return re.sub(r"[^a-z0-9._-]+", "-", stem).strip("-._")[:50] or "image"
