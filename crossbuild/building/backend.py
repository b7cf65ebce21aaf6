"""PEP 517 backends, run in a sandbox of the target: no network, nothing of the host in sight.

One emulated Python serves all hooks of a package (``hooks``); the packages it needs were
installed on the host (``environment``); compilers are native where a toolchain is mounted.
"""

from __future__ import annotations

import contextlib
import copy
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from crossbuild import catalog, wording
from crossbuild.building import environment, groundwork, mending, patching, seen, sources
from crossbuild.building.calling import OUTPUT, HookError, Job, before, call, lay_out
from crossbuild.building.cibuildwheel import Cibuildwheel
from crossbuild.building.environment import PREFIX
from crossbuild.building.generators import Finder, Generators
from crossbuild.building.groundwork import Groundwork, Laid
from crossbuild.building.mending import Mender
from crossbuild.catalog import Role
from crossbuild.disk import guarded, remove_tree
from crossbuild.engine.base import Engine, Limits, Root, Session, Tree
from crossbuild.engine.images import supplies
from crossbuild.errors import HostError, NetworkError
from crossbuild.lack import Addition
from crossbuild.ladder import Rung
from crossbuild.library import Library
from crossbuild.model import BuildSystem
from crossbuild.platforms import dotted
from crossbuild.recipe import Compilers, Recipe
from crossbuild.report import Building, Level, Message, Reporter, Silent
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain import floor, zig
from crossbuild.toolchain.floor import CLibrary
from crossbuild.toolchain.fortran import native
from crossbuild.toolchain.fortran.native import Fortran
from crossbuild.toolchain.rust.native import Rust
from crossbuild.toolchain.zig import Toolchain

_SCHEMA = 1
"""Raise it when the same inputs would be built or inspected differently."""

_COMPILERS = {Rung.NATIVE: Compilers.NATIVE, Rung.EMULATED: Compilers.IMAGE}

_RUST = frozenset({"maturin", "setuptools-rust"})
"""Build requirements that mean Rust."""

_DEFAULT = Limits()


class Workshop:
    """Where the sdists of one target are built. Safe to use from several threads.

    ``jobs`` is how many processes one build may run at once (default: the host's processors).
    ``limits`` hold for each hook call. ``cibuildwheel`` builds in our place where it is given.
    ``mender`` finds what an sdist lacks in the root; ``added`` is what this one's root got, and
    ``recipe`` what it does besides, for one sdist (``known``).
    ``finder`` finds the generators that run native.
    ``rust`` gives native Rust to sdists whose backends call it, ``fortran`` native Fortran to
    those that lack the package with gfortran.
    ``groundwork`` builds the C libraries of a recipe; ``laid`` are those that this one's builds
    find before those of the root.
    """

    def __init__(
        self,
        *,
        engine: Engine,
        root: Root,
        toolchain: Toolchain | None,
        store: Store,
        uv: Uv,
        target: Target,
        limits: Limits = _DEFAULT,
        reporter: Reporter | None = None,
        jobs: int | None = None,
        cibuildwheel: Cibuildwheel | None = None,
        mender: Mender | None = None,
        finder: Finder | None = None,
        rust: Rust | None = None,
        fortran: Fortran | None = None,
        groundwork: Groundwork | None = None,
    ) -> None:
        self._engine = engine
        self._toolchain = toolchain
        self._cibuildwheel = cibuildwheel
        self._uv = uv
        self._limits = limits
        self._jobs = jobs or len(os.sched_getaffinity(0))
        self._mender = mender
        self._finder = finder
        self._rust = rust
        self._fortran = fortran
        self._groundwork = groundwork
        self._image = root.image
        self.added: tuple[Addition, ...] = ()
        self.recipe: Recipe | None = None
        self.laid: Laid | None = None
        self.root = root
        self.store = store
        self.target = target
        self.reporter: Reporter = reporter or Silent()
        self._interpreter = interpreter_of(root, target)

    @property
    def rungs(self) -> tuple[Rung, ...]:
        """The ladder: native compilers where there are some, then the image's own.

        cibuildwheel leaves to us what it does not build: packages without code.
        """
        if self._cibuildwheel:
            first = Rung.CIBUILDWHEEL_NATIVE if self._toolchain else Rung.CIBUILDWHEEL
            return (first, Rung.EMULATED)
        ours = (Rung.NATIVE, Rung.EMULATED) if self._toolchain else (Rung.EMULATED,)
        may = self.recipe.compilers if self.recipe else tuple(Compilers)
        return tuple(rung for rung in ours if _COMPILERS[rung] in may) or (Rung.EMULATED,)

    @property
    def inputs(self) -> tuple[str, ...]:
        """What every wheel built here depends on, besides its own sdist and environment."""
        floor, patch = self.target.floor, self.target.patch
        tools = self._toolchain.key if self._toolchain else "no toolchain"
        target = f"{self.target.family.value} {self.target.arch} {floor} {patch}"
        recipe = (self.recipe.key,) if self.recipe else ()
        laid = (self.laid.tree.key,) if self.laid else ()
        own = (str(_SCHEMA), self.root.key, tools, target, self._interpreter.tag, *recipe, *laid)
        return (*own, *(self._cibuildwheel.inputs if self._cibuildwheel else ()))

    def environment(self, wheels: Sequence[Path]) -> Tree:
        """The build environment with these wheels. Raises IntegrityError for a bad one."""
        return environment.make(
            wheels, self._interpreter, self.target, uv=self._uv, store=self.store
        )

    def generators(self, wheels: Sequence[Path]) -> Generators | None:
        """The programs of an environment of these wheels that run native; None: there are none."""
        return self._finder.of(wheels) if self._finder and self._toolchain else None

    def warm(self) -> None:
        """Get what the first build would wait for, besides the root and the compilers."""
        if self._finder and self._toolchain:
            self._finder.warm()

    def equipped(self, added: tuple[Addition, ...]) -> Workshop:
        """The workshop whose root has these packages besides its image's own.

        Raises what ``Engine.prepare`` raises.
        """
        if added == self.added:
            return self
        other = copy.copy(self)
        other.added = added
        packages = [item.package for item in added]
        if native.PACKAGE in packages and (toolchain := self._with_fortran()):
            packages.remove(native.PACKAGE)
            other._toolchain = toolchain
        other.root = self._with_packages(packages)
        return other

    def _with_fortran(self) -> Toolchain | None:
        """The native compilers with Fortran among them; None where that cannot be had."""
        if self._fortran is None or self._toolchain is None:
            return None
        try:
            return self._fortran.join(self._toolchain)
        except (HostError, NetworkError) as error:
            text = f"gfortran will run emulated, not native: {error}"
            self.reporter.emit(Message(text=text, level=Level.WARNING))
            return None

    def _with_packages(self, packages: Iterable[str]) -> Root:
        image = supplies.equipped(self._image, tuple(sorted(packages)))
        return self._engine.prepare(image, Role.BUILD)

    def root_of(self, rung: Rung) -> Root:
        """The root that builds of a rung run in: the native ones need no emulated Fortran.

        Raises what ``Engine.prepare`` raises.
        """
        packages = [item.package for item in self.added]
        if rung is Rung.NATIVE or native.PACKAGE not in packages:
            return self.root
        return self._with_packages(packages)

    def known(self, archive: Path, recipe: Recipe | None = None) -> Workshop:
        """The workshop for one sdist: with what it lacked when it was last asked or built.

        And with all that its recipe says. Raises what ``Engine.prepare`` raises.
        """
        own = copy.copy(self)
        own.recipe = recipe
        said = supplies.said(recipe, self._image)
        mender = self._mender
        return own.equipped((mender and mender.remembered(archive, self._image, said)) or said)

    def lay(self, libraries: Sequence[Library]) -> Laid | None:
        """C libraries from source, built now where they were not before; None: by nobody here.

        Raises what ``Groundwork.lay`` raises.
        """
        return self._groundwork.lay(libraries) if self._groundwork else None

    def on(self, laid: Laid) -> Workshop:
        """The workshop whose builds find these libraries before those of the root."""
        other = copy.copy(self)
        other.laid = laid
        return other

    def remember(self, archive: Path) -> None:
        """Keep what was added as what this sdist needs, if anything was."""
        if self._mender is not None and self.added:
            said = supplies.said(self.recipe, self._image)
            self._mender.remember(archive, self._image, said, self.added)

    def mended(self, error: HookError, label: str) -> Workshop | None:
        """The workshop that also has what a failure says is lacking; None: no package has it.

        Says what was added.
        """
        mender = self._mender
        more = mender.more(label, error.lacks, self.root, self.added) if mender else ()
        if not more:
            return None
        names = wording.listing([str(item) for item in more])
        try:
            other = self.equipped((*self.added, *more))
        except HostError as refused:  # a conflict with what is there
            text = f"{label}: {names} cannot be added: {refused}"
            self.reporter.emit(Message(text=text, level=Level.WARNING))
            return None
        self.reporter.emit(Message(text=f"{label}: added {names}"))
        return other

    def unmet(self, error: HookError) -> str:
        """What a failure for which nothing was added says is lacking; empty where it says none."""
        return mending.unmet(error.lacks, self.root, looked=self._mender is not None)

    @contextlib.contextmanager
    def unpacked(self, archive: Path, label: str) -> Iterator[Path]:
        """The top directory of an sdist, removed on leaving. Raises IntegrityError."""
        with self.store.scratch(f"source-{label}") as scratch:
            top = sources.unpack(archive, scratch)
            # Later than all else, for whoever makes anew what is older than what it is made of.
            time = sources.epoch(top) + patching.LATER
            for patch in self.recipe.patches if self.recipe else ():
                patching.apply(patch, top, label, time)
            yield top

    def build(self, job: Job, rung: Rung, output: Path) -> Path:
        """Build the wheel into the directory ``output``, with the compilers of ``rung``.

        Raises LimitError, CrashError, or HookError with the first line that tells why.
        """
        self.reporter.emit(Building(package=job.label, phase=rung.value))
        if self._cibuildwheel and rung.by_cibuildwheel:
            lent = self._toolchain if rung is Rung.CIBUILDWHEEL_NATIVE else None
            around = seen.around(self._jobs, lent)
            return self._cibuildwheel.build(job, around, self._tools(rung), output)
        shop = self._with_rust(job) if rung is Rung.NATIVE else self
        with shop._session(job, rung) as session:
            try:
                answer = shop._called(session, job, rung, ("wheel",))
            except HookError as error:
                error.final |= shop is not self  # no other rung has Rust
                raise
            name = str(answer.get("wheel"))
            if PurePosixPath(name).name != name or not name.endswith(".whl"):
                raise HookError(f"the backend of {job.label} names no wheel but {name!r}")
            with guarded(output):
                output.mkdir(parents=True, exist_ok=True)
            session.get(f"{OUTPUT}/{name}", output / name)
        return output / name

    def rust_key(self, system: BuildSystem) -> tuple[str, ...]:
        """What stands for Rust in the key of a build: nothing for an sdist that uses none."""
        if self._rust is None or self._toolchain is None or not uses_rust(system):
            return ()
        return (self._rust.key(),)

    def _with_rust(self, job: Job) -> Workshop:
        """The workshop whose toolchain has Rust and the crates of an sdist that is built so."""
        if self._rust is None or self._toolchain is None or not uses_rust(job.system):
            return self
        other = copy.copy(self)
        library = self._standard_library
        python = self.target.python
        other._toolchain = self._rust.join(
            self._toolchain, job.label, job.source, library=library, python=python
        )
        return other

    @property
    def _standard_library(self) -> str:
        """Where the interpreter's standard library is in the image, with its sysconfig data."""
        name = f"lib/python{dotted(self._interpreter.version)}"
        prefix = PurePosixPath(self._interpreter.path).parent.parent
        return str(prefix / name)

    def call(self, job: Job, rung: Rung, hooks: tuple[str, ...]) -> dict[str, Any]:
        """What the backend of an sdist answers to some hooks, called in a sandbox of their own.

        Raises LimitError, CrashError, HookError.
        """
        with self._session(job, rung) as session:
            return self._called(session, job, rung, hooks)

    def _called(
        self, session: Session, job: Job, rung: Rung, hooks: tuple[str, ...]
    ) -> dict[str, Any]:
        """Call hooks, after what the recipe wants run before, with its config settings."""
        recipe, variables = self.recipe, self._variables(job, rung)
        if recipe and recipe.before_all:
            before(session, job, recipe.before_all, variables)
        settings = recipe.config_settings if recipe else {}
        return call(session, job, hooks, variables, self.store, settings=settings)

    @contextlib.contextmanager
    def _session(self, job: Job, rung: Rung) -> Iterator[Session]:
        """A sandbox with the sdist, the hook runner, the environment and the compilers."""
        trees = {PREFIX: job.environment, **self._tools(rung)}
        if job.generators and rung is Rung.NATIVE:
            trees.update(job.generators.trees)
        if self.laid:
            trees[groundwork.MOUNT] = self.laid.tree
        keep = job.keep and job.keep / rung.name.lower()
        if keep:
            with guarded(keep):
                remove_tree(keep)
        limits = self._limits
        root = self.root_of(rung)
        with self._engine.session(root, trees=trees, limits=limits, keep=keep) as session:
            lay_out(session, job)
            yield session

    def _tools(self, rung: Rung) -> Mapping[str, Tree]:
        """The compilers of a rung, by the paths they are mounted at."""
        native = rung in {Rung.NATIVE, Rung.CIBUILDWHEEL_NATIVE}
        lent = native or (rung is Rung.EMULATED and self._is_newer)
        return self._toolchain.trees if self._toolchain and lent else {}

    @property
    def c_library(self) -> CLibrary | None:
        """The target's C library, for libraries of the root that are newer; None: not here."""
        tree = self._toolchain.trees.get(zig.MOUNT) if self._toolchain else None
        return floor.c_library(tree.path) if tree and self._is_newer else None

    @property
    def _is_newer(self) -> bool:
        """Whether the root's C library is newer than the target's: none of it may be linked."""
        return self.target.floor is not None and self.root.image.glibc > self.target.floor

    def _variables(self, job: Job, rung: Rung) -> dict[str, str]:
        return seen.variables(
            job,
            jobs=self._jobs,
            python=self._interpreter.directory,
            tools=self._toolchain if rung is Rung.NATIVE else None,
            foreign=self._toolchain.foreign if self._toolchain and self._is_newer else {},
            laid=self.laid,
            recipe=self.recipe,
        )


def interpreter_of(root: Root, target: Target) -> catalog.Interpreter:
    """The root's CPython of the target's version. Raises HostError when it has none."""
    found = root.image.interpreter(target.python)
    if found is None:
        raise HostError(
            f"the image {root.image.name} has no CPython {target.python_version}",
            remedy="`crossbuild images` shows which Python each image has.",
        )
    return found


def uses_rust(system: BuildSystem) -> bool:
    """Whether what builds an sdist calls cargo."""
    return any(canonicalize_name(Requirement(text).name) in _RUST for text in system.requires)
