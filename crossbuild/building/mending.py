"""Giving a build's image the packages that it turned out to lack, and remembering them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from crossbuild import wording
from crossbuild.catalog import Image
from crossbuild.disk import hash_of
from crossbuild.engine.base import Root
from crossbuild.engine.images.supplies import Supplies
from crossbuild.errors import HostError, IntegrityError, NetworkError
from crossbuild.lack import Addition, Lack, Lacks
from crossbuild.report import Level, Message, Reporter
from crossbuild.store import Store

MOST = 6
"""Packages that are added to one build. One that needs more needs someone who knows it."""

_KIND = "additions"
_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Mender:
    """Adds packages to an image. What was added for an sdist is remembered in ``store``.

    So the key of what was built of it does not depend on finding the packages again.
    """

    supplies: Supplies
    store: Store
    reporter: Reporter

    def remembered(
        self, archive: Path, image: Image, said: tuple[Addition, ...]
    ) -> tuple[Addition, ...]:
        """What an sdist needed in this image when it was last asked or built.

        ``said`` is what a recipe says: with another one, other things are lacking.
        """
        record = self.store.record(_KIND, _key(archive, image, said)) or {"added": []}
        return tuple(Addition(package=item[0], lack=item[1]) for item in record["added"])

    def remember(
        self,
        archive: Path,
        image: Image,
        said: tuple[Addition, ...],
        added: tuple[Addition, ...],
    ) -> None:
        """Keep what an sdist needs in this image, where a recipe said something already."""
        value = {"added": [[item.package, item.lack] for item in added]}
        self.store.put_record(_KIND, _key(archive, image, said), value)

    def more(
        self, label: str, lacks: Lacks, root: Root, added: tuple[Addition, ...]
    ) -> tuple[Addition, ...]:
        """What would help, besides what was ``added``: nothing where there is no such package.

        All that can end a build is added at once; else the first thing that may have ended it.
        """
        try:
            found = list(self._found(lacks.ending, root, added))
            found = found or list(self._found(lacks.maybe, root, added))[:1]
        except (HostError, NetworkError, IntegrityError) as error:
            text = f"{label}: the package with what it lacks could not be looked up: {error}"
            self.reporter.emit(Message(text=text, level=Level.WARNING))
            return ()
        return tuple(found[: MOST - len(added)])

    def _found(
        self, lacks: tuple[Lack, ...], root: Root, added: tuple[Addition, ...]
    ) -> Iterator[Addition]:
        had = {item.package for item in added}
        for lack in lacks:
            package = self.supplies.owner(lack, root)
            if package is not None and package not in had:
                had.add(package)
                yield Addition(package=package, lack=str(lack))


def unmet(lacks: Lacks, root: Root, *, looked: bool) -> str:
    """Say what ended a build for want of it; empty where nothing did.

    ``looked``: packages were looked for, and none was found.
    """
    names = wording.listing([str(lack) for lack in lacks.ending[:_SHOWN]])
    if not names:
        return ""
    if not looked:
        return f"It lacks {names}, and nothing was added for it (--no-auto-deps)."
    return f"It lacks {names}, which no package of {root.image.source} that could be added has."


def _key(archive: Path, image: Image, said: tuple[Addition, ...]) -> str:
    return "-".join([hash_of(archive), image.name, *sorted(item.package for item in said)])
