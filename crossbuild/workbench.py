"""What building needs, made when the first package needs it, and shared by all that follow.

Nothing here is prepared for a run that only downloads: the build rootfs, the native
toolchain and the workshop come into being on first use, once, whichever thread asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild import catalog, wording
from crossbuild.building import sources
from crossbuild.building.backend import Workshop
from crossbuild.catalog import Image, Role
from crossbuild.engine.base import Engine, Limits
from crossbuild.errors import BuildError, CrossbuildError, HostError
from crossbuild.fetch import fetch
from crossbuild.model import File, Inspection, Pin, SourceMetadata
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.report import Level, Message, Reporter
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain import zig
from crossbuild.toolchain.zig import Toolchain
from crossbuild.wheels import wheel


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The adapters of a run, as the edge opened them.

    ``obtainable``: whether an image can be had, from packages or a registry.
    """

    store: Store
    http: Http
    index: Index
    uv: Uv
    engine: Engine
    reporter: Reporter
    jobs: int
    obtainable: Callable[[Image], bool] = catalog.from_packages


def download(files: Sequence[File], services: Services) -> list[Path]:
    """Fetch files to the store, in the order given. Raises the first one's error."""
    got = fetch(
        files,
        store=services.store,
        http=services.http,
        jobs=services.jobs,
        reporter=services.reporter,
    )
    return [_path(got[file.url]) for file in files]


class Workbench:
    """The workshop of one target, and the inspector of its sdists."""

    def __init__(self, services: Services, target: Target, limits: Limits) -> None:
        self._services = services
        self._target = target
        self._limits = limits
        self._guard = threading.Lock()
        self._asking: Workshop | None = None
        self._making: Workshop | None = None

    def image(self) -> Image:
        """The image that builds for the target. Raises HostError when none has its Python."""
        image = catalog.image_for(self._target, obtainable=self._services.obtainable)
        if image is None:
            raise HostError(
                f"no image has CPython {self._target.python_version} for "
                f"{self._target.arch.name}, so nothing can be built or asked for its "
                "dependencies there",
                remedy=self._other_ways(),
            )
        return image

    def _other_ways(self) -> str:
        """What helps where no image can be had for the target."""
        elsewhere = catalog.image_for(self._target, obtainable=lambda _: True)
        if elsewhere is not None:
            return (
                f"{elsewhere.name} has it: name a registry that has that image "
                "(--registry HOST), or take versions that have wheels (--only-binary :all:)."
            )
        here = [image for image in catalog.images() if self._services.obtainable(image)]
        pythons = catalog.pythons(here, self._target.arch)
        versions = wording.listing([f"{major}.{minor}" for major, minor in pythons], "or")
        remedy = "Take versions that have wheels (--only-binary :all:)"
        return f"{remedy}, or Python {versions}." if versions else f"{remedy}."

    @property
    def workshop(self) -> Workshop:
        """The workshop that builds; slow the first time (rootfs, toolchain). Raises HostError."""
        with self._guard:
            if self._making is None:
                services = self._services
                toolchain = zig.prepare(services.store, self._target, services.reporter)
                self._making = self._open(toolchain)
            return self._making

    @property
    def _asker(self) -> Workshop:
        """The workshop that asks backends for metadata: that needs no compilers of ours."""
        with self._guard:
            if self._asking is None:
                self._asking = self._open(None)
            return self._asking

    def _open(self, toolchain: Toolchain | None) -> Workshop:
        services = self._services
        return Workshop(
            engine=services.engine,
            root=services.engine.prepare(self.image(), Role.BUILD),
            toolchain=toolchain,
            store=services.store,
            uv=services.uv,
            target=self._target,
            limits=self._limits,
            reporter=services.reporter,
            jobs=services.jobs,
        )

    def download(self, files: Sequence[File]) -> list[Path]:
        """Fetch files to the store, in the order given. Raises the first one's error."""
        return download(files, self._services)

    def published(self, file: File) -> SourceMetadata:
        """Read a whole wheel for its metadata, where the index offers none apart."""
        (path,) = self.download([file])
        contents = wheel.read(path)
        requires_python = contents.requires_python
        return SourceMetadata(
            requires_dist=tuple(map(str, contents.requires_dist)),
            requires_python=None if requires_python is None else str(requires_python),
            extras=tuple(sorted(contents.provides_extra)),
        )

    def static(self, file: File) -> Inspection:
        """Read what an sdist says of itself without running it."""
        (path,) = self.download([file])
        return sources.inspect(path, file.filename)

    def dynamic(
        self, file: File, inspection: Inspection, environment: tuple[Pin, ...]
    ) -> Inspection:
        """Ask the sdist's backend, in a sandbox of the target, for what only it knows.

        A backend that fails is no reason to end the run where the closure does not depend on
        its answer: the build will fail by itself, and the other packages go on.
        """
        wheels = [pin.files[0] for pin in environment]
        source, *paths = self.download([file, *wheels])
        try:
            tree = self._asker.environment(paths)
            return self._asker.inspect(source, inspection, tree)
        except BuildError as error:
            if inspection.metadata is None:
                raise
            text = f"{inspection.name} {inspection.version} could not be asked: {error}"
            self._services.reporter.emit(Message(text=text, level=Level.WARNING))
            return inspection


def _path(got: Path | CrossbuildError) -> Path:
    if isinstance(got, CrossbuildError):
        raise got
    return got
