"""What is installed: distributions by their metadata, and the files that are theirs."""

import os
import sys

from crossbuild.installer.failure import UNWRITABLE, Failure
from crossbuild.installer.requirement import Requirement, canonical
from crossbuild.installer.texts import headers, rows

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


class Distribution:
    """An installed distribution; ``info`` is its .dist-info or .egg-info, in ``location``."""

    def __init__(self, location: str, entry: str, metadata: "dict[str, list[str]]") -> None:
        self.location = location
        self.info = os.path.join(location, entry)
        self.metadata = metadata
        self.name = canonical(metadata["name"][0])
        self.version = metadata.get("version", ["0"])[0]

    def requires(self) -> "list[Requirement]":
        """What it needs; lines that nobody could read are left out."""
        found = []
        for line in self.metadata.get("requires-dist", []):
            try:
                found.append(Requirement(line))
            except ValueError:
                continue
        return found

    def read(self, name: str) -> "str | None":
        """A file of its metadata directory; None where there is none."""
        try:
            path = os.path.join(self.info, name)
            with open(path, encoding="utf-8", errors="surrogateescape", newline="") as file:
                return file.read()
        except OSError:
            return None

    def listed(self) -> "list[str]":
        """The absolute paths of its files. Raises Failure where nothing tells them."""
        if self.info.endswith(".egg-info"):
            if not os.path.isdir(self.info):
                raise self.unremovable("distutils installed it, which keeps no list of its files")
            text = self.read("installed-files.txt")
            base, names = self.info, (text or "").splitlines()
        else:
            text = self.read("RECORD")
            try:
                base, names = self.location, [row[0] for row in rows(text or "")]
            except ValueError as error:
                raise self.unremovable(f"its RECORD is damaged: {error}") from None
        if text is None:
            raise self.unremovable("it has no list of its files: another tool put it there")
        paths = {os.path.normpath(os.path.join(base, name)) for name in names if name}
        if self.info.endswith(".egg-info"):
            paths.update(os.path.join(self.info, name) for name in os.listdir(self.info))
        return sorted(paths)

    def unremovable(self, why: str) -> Failure:
        message = f"{self.name} {self.version} in {self.location} cannot be removed: {why}"
        return Failure(UNWRITABLE, message, "Install elsewhere: --venv DIR or --target DIR.")


def scan(directory: str) -> "dict[str, Distribution]":
    """The distributions in one directory, by project."""
    found = {}
    try:
        entries = sorted(os.listdir(directory))
    except OSError:
        return {}
    for entry in entries:
        if entry.endswith((".dist-info", ".egg-info")):
            metadata = read_metadata(os.path.join(directory, entry))
            if metadata.get("name"):
                distribution = Distribution(directory, entry, metadata)
                found[distribution.name] = distribution
    return found


def read_metadata(info: str) -> "dict[str, list[str]]":
    for path in (os.path.join(info, "METADATA"), os.path.join(info, "PKG-INFO"), info):
        try:
            with open(path, encoding="utf-8", errors="replace") as file:
                return headers(file.read())
        except OSError:
            continue
    return {}


def on_path(own: "Iterable[str]") -> "dict[str, Distribution]":
    """The distributions of several directories and of ``sys.path``; earlier ones count."""
    found: "dict[str, Distribution]" = {}
    for directory in [*own, *filter(None, sys.path)]:
        for project, distribution in scan(directory).items():
            found.setdefault(project, distribution)
    return found


def belongings(distribution: Distribution, roots: "Iterable[str]") -> "list[str]":
    """Its files that are there, with their byte code; none that lies outside of the roots."""
    inside = tuple(os.path.join(root, "") for root in roots)
    found: "set[str]" = set()
    for path in distribution.listed():
        if path.startswith(inside):
            found.update(one for one in (path, *byte_code(path)) if os.path.lexists(one))
    return sorted(one for one in found if not os.path.isdir(one) or os.path.islink(one))


def byte_code(path: str) -> "Iterator[str]":
    """What an interpreter made of a module."""
    if not path.endswith(".py"):
        return
    yield path + "c"
    directory, name = os.path.split(path)
    cache = os.path.join(directory, "__pycache__")
    tag = sys.implementation.cache_tag
    for ending in (".pyc", ".opt-1.pyc", ".opt-2.pyc"):
        yield os.path.join(cache, f"{name[:-3]}.{tag}{ending}")


def emptied(gone: "Iterable[str]", roots: "Iterable[str]") -> "list[str]":
    """The directories that hold nothing else than what goes, deepest first; no root is one."""
    keep = set(roots)
    leaving = set(gone)
    found = []
    parents = {os.path.dirname(path) for path in leaving}
    while parents:
        deepest = max(parents, key=lambda path: path.count(os.sep))
        parents.discard(deepest)
        inside = {os.path.join(deepest, name) for name in os.listdir(deepest)}
        if deepest not in keep and inside <= leaving:
            leaving.add(deepest)
            found.append(deepest)
            parents.add(os.path.dirname(deepest))
    return found
