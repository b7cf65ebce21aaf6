"""What building needs, made when the first package needs it, and shared by all that follow.

Nothing here is prepared for a run that only downloads: the build rootfs, the native
toolchain and the workshop come into being on first use, once, whichever thread asks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

from crossbuild import catalog, wording
from crossbuild.building import asking, cibuildwheel, dressing, environment, sources
from crossbuild.building.backend import Workshop, interpreter_of
from crossbuild.building.cibuildwheel import Cibuildwheel
from crossbuild.building.dressing import Dressed
from crossbuild.building.generators import Finder
from crossbuild.building.groundwork import Groundwork
from crossbuild.building.mending import Mender
from crossbuild.building.outfit import Outfit
from crossbuild.catalog import Image, Role
from crossbuild.engine.base import Engine, Limits, Root
from crossbuild.engine.images.native import Natives
from crossbuild.engine.images.supplies import Supplies
from crossbuild.errors import BuildError, CrossbuildError, HostError, NetworkError
from crossbuild.experience import Experience
from crossbuild.fetch import fetch
from crossbuild.model import (
    Builder,
    BuildStep,
    FetchStep,
    File,
    Formats,
    Inspection,
    Pin,
    SourceMetadata,
    Wanted,
)
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.plan import plan as make_plan
from crossbuild.recipe import Recipe
from crossbuild.recipes import NONE, Recipes
from crossbuild.report import Level, Message, Reporter
from crossbuild.resolution.uv import Uv
from crossbuild.resolve import earlier, furnished, resolve
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain import zig
from crossbuild.toolchain.zig import Toolchain
from crossbuild.wheels import wheel


@dataclass(frozen=True, kw_only=True, slots=True)
class Services:
    """The adapters of a run, as the edge opened them.

    ``obtainable``: whether an image can be had, from packages or a registry. ``supplies``
    finds the system packages that builds turn out to lack; None: nobody is to look for them.
    ``recipes`` are what people say of packages.
    ``natives`` has programs of the host's processor for builds; None: all are emulated.
    """

    store: Store
    http: Http
    index: Index
    uv: Uv
    engine: Engine
    reporter: Reporter
    jobs: int
    obtainable: Callable[[Image], bool] = catalog.from_packages
    builder: Builder = Builder.LADDER
    supplies: Supplies | None = None
    recipes: Recipes = NONE
    natives: Natives | None = None
    mirror: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)


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
    """The workshop of one target, and the inspector of its sdists.

    Raises HostError at once where the builder asked for is not installed.
    """

    def __init__(self, services: Services, target: Target, limits: Limits) -> None:
        if services.builder is not Builder.LADDER:
            cibuildwheel.version()
            cibuildwheel.program()
        self._services = services
        self._target = target
        self._limits = limits
        self.experience = Experience(services.store, target)
        self._guard = threading.RLock()
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

    def older(self) -> Iterator[Workshop]:
        """Workshops whose images have an older C library than the usual one, the oldest first.

        An image that cannot be had now is passed over, and that is said: there may be other ways.
        """
        if self._services.builder is not Builder.LADDER:
            return
        toolchain = zig.prepare(self._services.store, self._target, self._services.reporter)
        for image in filter(self._services.obtainable, self._older_images()):
            try:
                shop = self._open(toolchain, image=image)
            except (HostError, NetworkError) as error:
                text = f"{image.name}, whose C library is older, cannot be had: {error}"
                self._services.reporter.emit(Message(text=text, level=Level.WARNING))
                continue
            yield shop

    def older_elsewhere(self) -> Image | None:
        """The image with the oldest C library of those that cannot be had; None: no older one."""
        unobtainable = (i for i in self._older_images() if not self._services.obtainable(i))
        return next(unobtainable, None)

    def _older_images(self) -> list[Image]:
        here = self.image().glibc
        found = catalog.images_for(self._target, Role.BUILD)
        return [image for image in found if image.glibc < here]

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
                foreign = services.builder is Builder.CIBUILDWHEEL
                self._making = self._open(
                    None
                    if foreign
                    else zig.prepare(services.store, self._target, services.reporter)
                )
            return self._making

    @property
    def _asker(self) -> Workshop:
        """The workshop that asks backends for metadata: that needs no compilers of ours."""
        with self._guard:
            if self._asking is None:
                self._asking = self._open(None, asking=True)
            return self._asking

    def _open(
        self, toolchain: Toolchain | None, *, asking: bool = False, image: Image | None = None
    ) -> Workshop:
        services = self._services
        root = services.engine.prepare(image or self.image(), Role.BUILD)
        ours = asking or services.builder is Builder.LADDER
        mender = self._mender if services.builder is Builder.LADDER else None
        return Workshop(
            engine=services.engine,
            root=root,
            toolchain=toolchain,
            store=services.store,
            uv=services.uv,
            target=self._target,
            limits=self._limits,
            reporter=services.reporter,
            jobs=services.jobs,
            cibuildwheel=None if ours else self._cibuildwheel(root),
            mender=mender,
            finder=self._finder if toolchain else None,
            rust=self._outfit.rust if ours and not asking else None,
            fortran=self._outfit.fortran if ours and toolchain else None,
            groundwork=self._groundwork(toolchain, root) if toolchain else None,
        )

    @property
    def _outfit(self) -> Outfit:
        services = self._services
        return Outfit(
            store=services.store,
            target=self._target,
            reporter=services.reporter,
            mirror=services.mirror,
            environment=services.environment,
        )

    def _groundwork(self, toolchain: Toolchain, root: Root) -> Groundwork:
        """Who builds the C libraries that recipes have the sources of."""
        services = self._services
        return Groundwork(
            engine=services.engine,
            root=root,
            store=services.store,
            toolchain=toolchain,
            target=self._target,
            shelf=self._outfit.shelf,
            download=self.download,
            reporter=services.reporter,
            limits=self._limits,
            jobs=services.jobs,
        )

    @property
    def _finder(self) -> Finder | None:
        """Who finds the generators that run native."""
        services = self._services
        if services.natives is None:
            return None
        return Finder(
            natives=services.natives,
            index=services.index,
            download=self.download,
            uv=services.uv,
            store=services.store,
            reporter=services.reporter,
            target=self._target,
        )

    @property
    def _mender(self) -> Mender | None:
        """Who finds system packages for a build, where the user lets it."""
        services = self._services
        if services.supplies is None:
            return None
        return Mender(
            supplies=services.supplies,
            store=services.store,
            reporter=services.reporter,
        )

    def _cibuildwheel(self, root: Root) -> Cibuildwheel:
        """cibuildwheel, with an image of the root that has what it calls in there.

        Raises HostError where Docker does not run the builds, ResolutionError where the index
        lacks the tools.
        """
        services, target = self._services, self._target
        daemon = cibuildwheel.daemon_of(services.engine, root.image)
        interpreter = interpreter_of(root, target)
        tools = None
        if not dressing.equipped(root, interpreter):
            prefix = str(PurePosixPath(interpreter.directory).parent)
            tools = environment.make(
                self._tools(), interpreter, target,
                uv=services.uv, store=services.store, prefix=prefix,
            )  # fmt: skip
        dressed = Dressed(
            daemon=daemon, store=services.store, root=root, interpreter=interpreter, tools=tools
        )
        return Cibuildwheel(
            containers=dressed, store=services.store, target=target, limits=self._limits
        )

    def _tools(self) -> list[Path]:
        """The wheels of what cibuildwheel calls in the image, for the target's Python."""
        services = self._services
        wanted = Wanted(
            requirements=tuple(map(Requirement, dressing.TOOLS)),
            formats=Formats(only_binary_all=True),
        )
        found = resolve(
            wanted,
            self._target,
            uv=services.uv,
            index=services.index,
            inspector=self,
            refused={},
            reporter=services.reporter,
        )
        steps = make_plan(found, self._target, wanted.formats, {}).steps
        return self.download([step.file for step in steps if isinstance(step, FetchStep)])

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
        inspection = self._with_recipe(sources.inspect(path, file.filename))
        return replace(inspection, era=self.experience.era(path))

    def _with_recipe(self, inspection: Inspection) -> Inspection:
        """An inspection with the recipe for it, and what that wants to build with."""
        services = self._services
        ours = services.builder is Builder.LADDER  # cibuildwheel does as the authors say
        recipe = services.recipes.of(inspection.name, inspection.version) if ours else None
        if recipe is None:
            return inspection
        wants = map(str, recipe.build_requires)
        system = inspection.system
        return replace(
            inspection,
            recipe=recipe,
            system=replace(system, requires=(*system.requires, *wants)),
        )

    def dynamic(
        self, file: File, inspection: Inspection, environment: tuple[Pin, ...]
    ) -> Inspection:
        """Ask the sdist's backend, in a sandbox of the target, for what only it knows.

        Where cibuildwheel builds, a failure tells nothing of the build requirements: the backend
        may need what runs before it there.
        """
        wheels = [pin.files[0] for pin in environment]
        source, *paths = self.download([file, *wheels])
        try:
            tree = self._asker.environment(paths)
            return asking.inspect(self._asker, source, inspection, tree)
        except BuildError as error:
            if self._services.builder is not Builder.LADDER:
                error.eras = 0
            raise

    def pass_over(self, inspection: Inspection, error: BuildError) -> None:
        """Say that a backend did not answer; raise ``error`` where there is no way without.

        That is no reason to end the run where the closure does not depend on the answer: the
        build will fail by itself, and the other packages go on. Nor where cibuildwheel builds.
        """
        if inspection.metadata is None and self._services.builder is Builder.LADDER:
            raise error
        text = f"{inspection.name} {inspection.version} could not be asked: {error}"
        self._services.reporter.emit(Message(text=text, level=Level.WARNING))

    def earlier(self, step: BuildStep, why: str) -> Iterator[BuildStep]:
        """The step with build requirements of an earlier time, latest time first."""
        services = self._services
        return earlier(
            step, self._target, why, uv=services.uv, index=services.index, inspector=self
        )

    def adapted(self, step: BuildStep, recipe: Recipe) -> BuildStep | None:
        """The step with a recipe for it; None where what that builds with cannot be had."""
        services = self._services
        if not recipe.build_requires:
            return replace(step, recipe=recipe)
        return furnished(
            step, self._target, recipe, uv=services.uv, index=services.index, inspector=self
        )


def _path(got: Path | CrossbuildError) -> Path:
    if isinstance(got, CrossbuildError):
        raise got
    return got
