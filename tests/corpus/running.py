"""Runs crossbuild for one package, as a user would: a plan, then a run, each its own process."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from crossbuild import catalog, process
from crossbuild.catalog import Role
from crossbuild.engine.images import roots
from crossbuild.store import Store
from crossbuild.target import Target
from tests.corpus.listing import Entry
from tests.corpus.outcome import Ran, Versions, row

_ROOT = Path(__file__).parent.parent.parent
_LIMITS = ("--timeout", "90m", "--idle-timeout", "20m")


@dataclass(frozen=True, kw_only=True, slots=True)
class Way:
    """How the packages are run: the cache, and more words for each crossbuild command."""

    cache: Path
    words: tuple[str, ...]


def run(entry: Entry, way: Way) -> dict[str, object]:
    """Plan and run one package; its row. Raises UsageError for an unknown target."""
    with TemporaryDirectory(prefix="crossbuild-corpus-") as scratch:
        planned = _crossbuild(["plan", *entry.words], way)
        words = ["run", *entry.words, *_LIMITS, "--output", str(Path(scratch, "wheelhouse"))]
        ran = _crossbuild(words, way)
    return row(entry, planned, ran, _versions(), _image(entry, way))


def _crossbuild(words: Sequence[str], way: Way) -> Ran:
    argv = [sys.executable, "-m", "crossbuild", *words, *way.words]
    done = process.run([*argv, "--json", "--cache-dir", str(way.cache)], check=False)
    document = json.loads(done.stdout) if done.stdout.strip() else {}
    return Ran(code=done.returncode, document=document, seconds=done.seconds)


def _versions() -> Versions:
    now = datetime.now(timezone.utc).replace(microsecond=0)
    argv = ["git", "-C", str(_ROOT), "describe", "--always", "--dirty", "--exclude=*"]
    return Versions(
        date=now.isoformat(),
        crossbuild=metadata.version("crossbuild"),
        commit=process.run(argv, check=False).stdout.strip(),
    )


def _image(entry: Entry, way: Way) -> str:
    """The image that built and what its root has: Debian's point release decides the packages."""
    image = catalog.image_for(Target.parse(entry.target, entry.python))
    if image is None:
        return "none"
    root = Store(way.cache).tree(roots.tree_key(image, Role.BUILD))
    release = root / "etc/debian_version" if root else None
    there = release is not None and release.exists()
    return f"{image.name} {release.read_text().strip()}" if release and there else image.name
