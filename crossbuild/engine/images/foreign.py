"""Roots that were not made from packages: pulled from a registry, or a user's own archive.

They stay as their makers left them. What is added: the interpreters' names that every image
has, and the user that a sandbox runs as.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from crossbuild.catalog import Archive, Image, Interpreter, Oci
from crossbuild.disk import full_guarded, hash_of
from crossbuild.engine.images import archives, inspection, registry
from crossbuild.engine.images.registry import Registry
from crossbuild.engine.images.unpacking import read_text, write_text
from crossbuild.engine.images.within import entry
from crossbuild.errors import IntegrityError, NetworkError, StorageError, UsageError
from crossbuild.platforms import dotted
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store

_SCHEMA = 1
"""Raise it when the same source would be unpacked or finished differently."""
_AGAIN = "Put it back, or import it again: `crossbuild images import FILE`."
_USER = "builder:x:1000:1000:builder:/work:/bin/sh\n"


def key(source: Oci | Archive) -> str:
    """What the tree of a source is called in the store: its content's own name."""
    return f"root-image-{_SCHEMA}-{source.digest.removeprefix('sha256:')[:32]}"


def archive_of(path: Path) -> Archive:
    """The source that a user's file is. Raises StorageError when it cannot be read."""
    try:
        return Archive(path=path, digest=f"sha256:{hash_of(path)}")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise StorageError(f"{path} cannot be read: {reason}") from error


def unpacked(source: Archive, store: Store, reporter: Reporter) -> Path:
    """The root of a user's archive, from the store or unpacked now.

    Raises UsageError when it is no image that can be used, or gone; IntegrityError when it is
    damaged or not safe; StorageError, HostError.
    """
    return store.make_tree(key(source), lambda root: _unpack(source, root, store, reporter))


def pulled(
    image: Image,
    source: Oci,
    store: Store,
    *,
    place: Registry | None,
    reporter: Reporter,
    environment: Mapping[str, str],
) -> Path:
    """The root of a registry's image, from the store or pulled now.

    Raises NetworkError when no registry is known, and as ``registry.pull`` does.
    """

    def pull(root: Path) -> None:
        if place is None:
            raise NetworkError(
                f"{image.name} comes from a registry, and none is configured",
                remedy="Say which one has it with --registry HOST or CROSSBUILD_REGISTRY.",
            )
        with store.scratch("pull") as scratch:
            layout = scratch / "layout"
            with waiting(reporter, f"pulling {source} from {place.host}"):
                registry.pull(source, image.arch, place, layout, environment)
            with (
                waiting(reporter, f"unpacking {source}"),
                full_guarded(root),
                _remedied("Pull it again, or take another registry."),
            ):
                archives.unpack_layout(layout, str(source), root, image.arch)
        _check(image, root)
        _finish(root, image.interpreters)

    return store.make_tree(key(source), pull)


def _check(image: Image, root: Path) -> None:
    found = inspection.architecture(root, image.name)
    if found != image.arch:
        raise IntegrityError(
            f"{image.name} is for {image.arch}, but what the registry sent is for {found}",
            remedy="Take another registry.",
        )


def _unpack(source: Archive, root: Path, store: Store, reporter: Reporter) -> None:
    if not source.path.is_file():
        raise UsageError(
            f"{source.path}, which the image is made from, is gone, and so is what was "
            "made from it",
            remedy=_AGAIN,
        )
    if archive_of(source.path) != source:
        raise UsageError(
            f"{source.path} is another file now, and what was made from the first is gone",
            remedy=_AGAIN,
        )
    with (
        waiting(reporter, f"unpacking {source.path.name}"),
        store.scratch("archive") as scratch,
        _remedied("Export or save the machine again, and copy the file whole."),
    ):
        with full_guarded(root):
            archives.unpack(source.path, root, scratch)
        _finish(root, inspection.inspect(root, source.path.name).interpreters)


@contextlib.contextmanager
def _remedied(remedy: str) -> Iterator[None]:
    """Say what to do about a damaged image: what reads it does not know where it came from."""
    try:
        yield
    except IntegrityError as error:
        error.remedy = error.remedy or remedy
        raise


def _finish(root: Path, interpreters: tuple[Interpreter, ...]) -> None:
    """Make the names of the manylinux contract where they are missing (DESIGN section 3)."""
    with full_guarded(root):
        for interpreter in interpreters:
            for name in ("python", "python3", f"python{dotted(interpreter.version)}"):
                path = entry(root, f"{interpreter.directory}/{name}")
                path.parent.mkdir(parents=True, exist_ok=True)
                if not os.path.lexists(path):
                    path.symlink_to(interpreter.path)
        users = read_text(root, "etc/passwd")
        if not any(line.split(":")[2:3] == ["1000"] for line in users.splitlines()):
            whole = users if users.endswith("\n") or not users else f"{users}\n"
            write_text(root, "etc/passwd", f"{whole}{_USER}")
