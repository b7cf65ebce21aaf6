"""The engine that is taken when none is asked for: Docker where it can do the job."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path

from crossbuild.catalog import Image, Role
from crossbuild.engine.base import Engine, Limits, Root, Session, Tree
from crossbuild.errors import HostError
from crossbuild.platforms import Arch
from crossbuild.report import Level, Message, Reporter

_DEFAULT = Limits()


class AutomaticEngine:
    """Docker where a daemon answers that runs the image's programs, else the embedded engine.

    Nothing is asked before the first image is; then the answer holds for its processor.
    """

    name = "auto"

    def __init__(self, docker: Callable[[], Engine], embedded: Engine, reporter: Reporter) -> None:
        self._docker = docker
        self._embedded = embedded
        self._reporter = reporter
        self._chosen: dict[Arch, Engine] = {}
        self._choosing = threading.Lock()

    def check(self, image: Image) -> None:
        """Find out at once whether programs of the image can run here. Raises HostError."""
        self._for(image).check(image)

    def prepare(self, image: Image, role: Role) -> Root:
        """Make the image ready; see ``Engine.prepare``."""
        return self._for(image).prepare(image, role)

    def session(
        self,
        root: Root,
        *,
        trees: Mapping[str, Tree] | None = None,
        limits: Limits = _DEFAULT,
        keep: Path | None = None,
    ) -> AbstractContextManager[Session]:
        """Open a sandbox; see ``Engine.session``."""
        return self._for(root.image).session(root, trees=trees, limits=limits, keep=keep)

    def chosen(self, image: Image) -> Engine:
        """The engine that runs an image's programs."""
        return self._for(image)

    def _for(self, image: Image) -> Engine:
        with self._choosing:
            if image.arch not in self._chosen:
                self._chosen[image.arch] = self._choose(image)
            return self._chosen[image.arch]

    def _choose(self, image: Image) -> Engine:
        try:
            engine = self._docker()
            engine.check(image)
        except HostError as error:
            text = f"the embedded engine is used: {error}"
            self._reporter.emit(Message(text=text, level=Level.DEBUG))
            return self._embedded
        self._reporter.emit(Message(text="Docker is used", level=Level.DEBUG))
        return engine
