"""Trees in a daemon: named volumes, filled once, found again by the key of their content.

A volume cannot be renamed when it is whole, so it is filled under a name of its own, and then
an empty volume, the mark, is made whose name says the content and whose label says the volume.
The daemon gives a name once: of several runs on several hosts that fill the same, one wins.
"""

from __future__ import annotations

import hashlib
import secrets
import tempfile
from collections.abc import Iterable, Mapping

from docker.errors import APIError, NotFound

from crossbuild.engine.base import Limits, Tree
from crossbuild.engine.containers import container, tarring
from crossbuild.engine.containers.container import Spec
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.labels import KEEP, RUN, owned
from crossbuild.engine.containers.loading import Platform
from crossbuild.engine.sandboxes.sandbox import UID
from crossbuild.errors import HostError
from crossbuild.store import Store

PREFIX = "crossbuild-"
_HOLDS = "crossbuild.volume"
"""On a mark: the volume that is whole."""
_KEY = "crossbuild.tree"
_THERE = "/tree"


class Volumes:
    """The trees of one daemon."""

    def __init__(self, daemon: Daemon, store: Store) -> None:
        self._daemon = daemon
        self._store = store

    def of(self, tree: Tree, image: str, platform: Platform) -> str:
        """The volume with a tree's content, filled now where it is not there.

        One that is not ``lasting`` is the caller's to remove. A container of ``image`` is made,
        and not started, to fill it. Raises HostError, StorageError.
        """
        if not tree.lasting:
            return self._filled(tree, image, platform)
        mark = f"{PREFIX}{hashlib.sha256(tree.key.encode()).hexdigest()[:24]}"
        with self._store.lock(f"volume-{mark}", what=f"the volume of {tree.key}"):
            if (name := self._marked(mark)) is not None:
                return name
            made = self._filled(tree, image, platform)
            labels = {KEEP: "volume", _KEY: tree.key, _HOLDS: made}
            self._create(mark, labels)
            winner = self._marked(mark) or made
        if winner != made:
            self.remove(made)
        return winner

    def check(self, name: str) -> None:
        """Raise HostError for a volume that was removed before a container could hold it.

        The daemon then makes an empty one by itself, without our labels.
        """
        if _KEY not in (self._labels(name) or {}):
            self.remove(name)
            raise HostError(
                f"the volume {name} was removed while a container was made for it",
                remedy="Run again when nothing prunes Docker's volumes.",
            )

    def remove(self, name: str) -> bool:
        """Remove a volume; False when it is in use. Nothing when it is gone."""
        with self._daemon.talking("remove a volume"):
            try:
                self._daemon.api.remove_volume(name)
            except NotFound:
                return True
            except APIError as error:
                if error.status_code != 409:
                    raise
                return False
        return True

    def all(self, label: str) -> Mapping[str, Mapping[str, str]]:
        """The labels of every volume that has this one, by name."""
        with self._daemon.talking("list the volumes"):
            found = self._daemon.api.volumes(filters={"label": label})["Volumes"] or ()
        return {volume["Name"]: volume["Labels"] or {} for volume in found}

    def unfinished(self) -> Mapping[str, Mapping[str, str]]:
        """The volumes that belong to a run, and that no mark calls whole."""
        whole = set(self.whole())
        return {name: labels for name, labels in self.all(RUN).items() if name not in whole}

    def whole(self) -> Iterable[str]:
        """The volumes that are kept for later runs."""
        return [labels[_HOLDS] for labels in self.all(KEEP).values() if _HOLDS in labels]

    def prune(self) -> None:
        """Remove what is kept, but not what is in use now."""
        for mark, labels in self.all(KEEP).items():
            if _HOLDS not in labels or self.remove(labels[_HOLDS]):
                self.remove(mark)

    def _marked(self, mark: str) -> str | None:
        """The volume that a mark calls whole, if both are there."""
        labels = self._labels(mark)
        if labels is None:
            return None
        name = labels.get(_HOLDS, "")
        if name and self._labels(name) is not None:
            return name
        self.remove(mark)
        return None

    def _labels(self, name: str) -> Mapping[str, str] | None:
        """The labels of a volume; None: there is none of this name."""
        with self._daemon.talking("look for a volume"):
            try:
                return self._daemon.api.inspect_volume(name)["Labels"] or {}
            except NotFound:
                return None

    def _filled(self, tree: Tree, image: str, platform: Platform) -> str:
        name = f"{PREFIX}{secrets.token_hex(12)}"
        self._create(name, {**owned(), _KEY: tree.key})
        spec = Spec(
            image=image,
            platform=platform,
            volumes={_THERE: name},
            limits=Limits(),
            writable_volumes=True,
        )
        box = container.create(self._daemon, spec)
        try:
            with (
                self._store.scratch("volume") as directory,
                tempfile.TemporaryFile(dir=directory) as stream,
            ):
                tarring.pack(stream, tree.path, "", owner=UID, public=True)
                stream.seek(0)
                box.put(stream, _THERE)
        except BaseException:
            box.remove()
            self.remove(name)
            raise
        box.remove()
        return name

    def _create(self, name: str, labels: Mapping[str, str]) -> None:
        with self._daemon.talking("make a volume"):
            self._daemon.api.create_volume(name, labels=dict(labels))
