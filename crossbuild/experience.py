"""What was learned of sdists by building them: the next run begins where this one ended."""

from __future__ import annotations

from pathlib import Path

from crossbuild import era, recipes
from crossbuild.disk import hash_of
from crossbuild.era import Era
from crossbuild.errors import UsageError
from crossbuild.recipe import Recipe
from crossbuild.store import Store
from crossbuild.target import Target

_ADAPTATIONS = "adaptations"
_ERAS = "eras"


class Experience:
    """What was learned for a target's Python and processor, kept in a store."""

    def __init__(self, store: Store, target: Target) -> None:
        self._store = store
        self._target = target

    def era(self, archive: Path) -> Era | None:
        """The era that an sdist was last built with for such a target, None: today's."""
        record = self._store.record(_ERAS, self._key(archive))
        try:
            return era.from_json(record["era"] if record else None)
        except (KeyError, TypeError, ValueError):
            return None

    def keep_era(self, archive: Path, chosen: Era | None) -> None:
        """Keep the era that an sdist was built with; None: that it was of no use."""
        value = {"era": chosen.to_json() if chosen else None}
        self._store.put_record(_ERAS, self._key(archive), value)

    def adaptation(self, archive: Path) -> Recipe | None:
        """What an sdist was mended with when it was last built for such a target."""
        record = self._store.record(_ADAPTATIONS, self._key(archive))
        try:
            return recipes.from_json(record, Path("its record")) if record else None
        except UsageError:
            return None

    def keep_adaptation(self, archive: Path, recipe: Recipe) -> None:
        """Keep what an sdist could be mended with."""
        self._store.put_record(_ADAPTATIONS, self._key(archive), recipe.to_json())

    def _key(self, archive: Path) -> str:
        return f"{hash_of(archive)}-{self._target.interpreter}-{self._target.arch.name}"
