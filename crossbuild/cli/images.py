"""``crossbuild images``: which machines there are to build and prove on; get, import, remove."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table
from rich.text import Text

from crossbuild import catalog, wording
from crossbuild.catalog import Archive, Debian, Image, Oci, Role
from crossbuild.cli.page import Page
from crossbuild.cli.screen import Answer
from crossbuild.disk import bytes_below
from crossbuild.engine.images import foreign, imported, roots
from crossbuild.engine.images.roots import Roots
from crossbuild.errors import EXIT_OK, UsageError
from crossbuild.platforms import dotted
from crossbuild.report import Reporter
from crossbuild.store import Store

_EXAMPLE = "For example: crossbuild images build bookworm-aarch64"


@dataclass(frozen=True, kw_only=True, slots=True)
class Shelf:
    """What the command works with. ``name``: what to call an image that is imported."""

    store: Store
    roots: Roots
    directory: Path
    name: str | None
    reporter: Reporter


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One line: an image, or (None) one that was imported and is not here any more.

    ``bytes`` is what its roots take on the disk, None where none is here.
    """

    name: str
    image: Image | None
    source: Archive | Debian | Oci
    bytes: int | None


def answer(words: Sequence[str], shelf: Shelf) -> Answer:
    """Do what the words say, then list the images that they name, or all.

    Raises UsageError for words that mean nothing, and as the making of a root does.
    """
    action, named = (words[0] if words else "list"), list(words[1:])
    if action not in _ACTIONS:
        said = " ".join(words)
        raise UsageError(
            f"images knows list, build, pull, import and rm, not {said!r}", remedy=_EXAMPLE
        )
    if shelf.name is not None and (action != "import" or len(named) != 1):
        raise UsageError("--name is for the import of one file")
    if action != "list" and not named:
        raise UsageError(f"{action} what? No image is named", remedy=_EXAMPLE)
    done = _ACTIONS[action](named, shelf)
    entries = [entry for entry in _entries(shelf) if not done or entry.name in done]
    return Answer(
        code=EXIT_OK,
        document=_document(entries),
        show=lambda page: _show(page, entries, removed=action == "rm"),
    )


def _list(named: list[str], shelf: Shelf) -> list[str]:
    known = imported.names(shelf.store)
    for name in named:
        if name not in known:
            raise catalog.unknown(name, known)
    return named


def _prepare(named: list[str], shelf: Shelf) -> list[str]:
    """Make every root of the images, having understood all the names first."""
    found = [
        imported.resolve_image(name, shelf.store, shelf.reporter, directory=shelf.directory)
        for name in _list(named, shelf)
    ]
    for image in found:
        for role in sorted(image.roles, key=lambda role: role.value):
            shelf.roots.prepare(image, role)
    return named


def _import(named: list[str], shelf: Shelf) -> list[str]:
    return [
        imported.remember(
            shelf.directory / Path(name).expanduser(), shelf.name, shelf.store, shelf.reporter
        ).name
        for name in named
    ]


def _remove(named: list[str], shelf: Shelf) -> list[str]:
    """Remove the roots; one that was imported has no name any more afterwards."""
    entries = {entry.name: entry for entry in _entries(shelf)}
    chosen = [entries[name] for name in _list(named, shelf)]
    shelf.store.drop_trees([key for entry in chosen for key in _keys(entry.source, entry.image)])
    for name in named:
        imported.forget(name, shelf.store)
    return named


_ACTIONS: Mapping[str, Callable[[list[str], Shelf], list[str]]] = {
    "list": _list,
    "build": _prepare,
    "pull": _prepare,
    "import": _import,
    "rm": _remove,
}


def _entries(shelf: Shelf) -> list[Entry]:
    """Every image of the catalog, then what was imported."""
    shipped = [_entry(image.name, image, image.source, shelf.store) for image in catalog.images()]
    own = []
    for name, source in imported.sources(shelf.store).items():
        here = shelf.store.tree(foreign.key(source)) is not None
        image = imported.resolve_image(
            name, shelf.store, shelf.reporter, directory=shelf.directory
        ) if here else None  # fmt: skip
        own.append(_entry(name, image, source, shelf.store))
    return shipped + own


def _entry(name: str, image: Image | None, source: Archive | Debian | Oci, store: Store) -> Entry:
    trees = [store.tree(key) for key in _keys(source, image)]
    sizes = [bytes_below(tree) for tree in trees if tree is not None]
    return Entry(name=name, image=image, source=source, bytes=sum(sizes) if sizes else None)


def _keys(source: Archive | Debian | Oci, image: Image | None) -> set[str]:
    if not isinstance(source, Debian):
        return {foreign.key(source)}
    return {roots.tree_key(image, role) for role in image.roles} if image else set()


def _document(entries: Sequence[Entry]) -> dict[str, object]:
    return {"schema": "crossbuild-images/1", "images": [_told(entry) for entry in entries]}


def _told(entry: Entry) -> dict[str, object]:
    image = entry.image
    return {
        "name": entry.name,
        "arch": image.arch.name if image else None,
        "glibc": dotted(image.glibc) if image else None,
        "pythons": [
            {"version": dotted(found.version), "tag": found.tag, "path": found.command}
            for found in (image.interpreters if image else ())
        ],
        "roles": [role.value for role in Role if image and role in image.roles],
        "source": _source(entry.source),
        "here": entry.bytes is not None,
        "bytes": entry.bytes,
    }


def _source(source: Archive | Debian | Oci) -> dict[str, str]:
    if isinstance(source, Debian):
        return {"kind": "debian", "suite": source.suite}
    if isinstance(source, Archive):
        return {"kind": "archive", "path": str(source.path), "digest": source.digest}
    parts = {"repository": source.repository, "tag": source.tag, "digest": source.digest}
    return {"kind": "oci", **parts}


def _show(page: Page, entries: Sequence[Entry], *, removed: bool) -> None:
    if removed:
        names = wording.listing([entry.name for entry in entries])
        page.write(Text(f"{names or 'It'} takes no room any more."))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("Image", "For", "glibc", "CPython", "From"):
        table.add_column(title, overflow="fold")
    table.add_column("Here", justify="right", no_wrap=True)
    for entry in entries:
        table.add_row(*_cells(entry))
    page.write(table)


def _cells(entry: Entry) -> tuple[Text, ...]:
    image = entry.image
    here = Text("no", "dim") if entry.bytes is None else Text(wording.size(entry.bytes))
    source = Text(str(entry.source), "dim")
    if image is None:
        return Text(entry.name), Text("gone; import it again"), Text(), Text(), source, here
    pythons = " ".join(dotted(found.version) for found in image.interpreters)
    roles = ", ".join(role.value for role in Role if role in image.roles)
    return Text(entry.name), Text(roles), Text(dotted(image.glibc)), Text(pythons), source, here
