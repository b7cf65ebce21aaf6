"""What each subcommand does: a call in, an answer out; only ``setup`` talks meanwhile."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.text import Text

from crossbuild import checkup, document, pipeline, probing, process
from crossbuild.catalog import Image
from crossbuild.checkup import Order, check_up
from crossbuild.cli import (
    bundling,
    carriage,
    doctor,
    hostviews,
    images,
    known,
    machines,
    pieces,
    provision,
    request,
    tables,
)
from crossbuild.cli.arguments import Options
from crossbuild.cli.doctor import Check, Question
from crossbuild.cli.images import Shelf
from crossbuild.cli.page import Page
from crossbuild.cli.provision import Provision
from crossbuild.cli.request import Surroundings
from crossbuild.cli.screen import Answer, Screen
from crossbuild.engine import opening
from crossbuild.engine.images import roots
from crossbuild.engine.images.imported import resolve_image
from crossbuild.engine.images.native import Natives
from crossbuild.engine.images.roots import Roots
from crossbuild.engine.images.supplies import Suites
from crossbuild.engine.sandboxes.host import Host
from crossbuild.errors import EXIT_OK, HostError, UsageError
from crossbuild.model import RunResult
from crossbuild.net.configuration import Indexes
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.pipeline import Request
from crossbuild.platforms import ARCHES, Arch
from crossbuild.report import Level, Message, Reporter
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store, Usage
from crossbuild.target import Target
from crossbuild.targets import probe
from crossbuild.workbench import Services

_OLD = 30.0
"""Days after which ``cache prune`` takes something for unused."""
_ARCH = "aarch64"
"""The processor that doctor and setup look at when no target is given."""
_PATIENCE = 10.0
"""Seconds that the doctor waits for the package index."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One call of a command: what was asked, where, and where to speak."""

    options: Options
    around: Surroundings
    screen: Screen

    @property
    def verbosity(self) -> int:
        """How much to show: -2 errors only, -1 no progress, 0, 1 more."""
        return self.options.verbose - self.options.quiet

    @contextlib.contextmanager
    def services(self, indexes: Indexes) -> Iterator[Services]:
        """Open what a run works with, and show what goes on for as long as it is open.

        Raises StorageError when the cache cannot be used, HostError without uv.
        """
        self.screen.redact = indexes.redact
        with self.screen.progress(self.verbosity) as reporter:
            for warning in (*indexes.warnings, *request.doubts(self.options)):
                reporter.emit(Message(text=warning, level=Level.WARNING))
            store = Store(request.cache(self.options, self.around), reporter=reporter)
            store.sweep()
            http = Http(indexes.transport, indexes.logins)
            with contextlib.closing(http), store.scratch("uv") as scratch:
                index = Index(indexes, http, store, reporter=reporter)
                yield self._opened(index, http, reporter, store, Uv.find(scratch))

    def _opened(
        self, index: Index, http: Http, reporter: Reporter, store: Store, uv: Uv
    ) -> Services:
        registry = request.registry(self.options, self.around)
        engine = opening.opened(
            store,
            name=self.options.engine,
            reporter=reporter,
            mirror=self.options.mirror,
            registry=registry,
            environment=self.around.environment,
        )
        return Services(
            store=store,
            http=http,
            index=index,
            uv=uv,
            engine=engine,
            obtainable=roots.obtainable(store, registry),
            reporter=reporter,
            jobs=request.jobs(self.options),
            builder=self.options.builder,
            recipes=request.recipes(self.options, self.around),
            supplies=self._supplies(reporter, store) if self.options.auto_deps else None,
            natives=self._natives(reporter, store),
            mirror=self.options.mirror,
            environment=self.around.environment,
        )

    def _supplies(self, reporter: Reporter, store: Store) -> Suites:
        """Who knows which packages have what builds turn out to lack."""
        mirror, environment = self.options.mirror, self.around.environment
        return Suites(store, reporter=reporter, mirror=mirror, environment=environment)

    def _natives(self, reporter: Reporter, store: Store) -> Natives:
        """Who has programs of this host's processor for builds."""
        mirror, environment = self.options.mirror, self.around.environment
        return Natives(store, reporter=reporter, mirror=mirror, environment=environment)

    def images(self, services: Services) -> tuple[Image, ...]:
        """The images that were named: the catalog's, imported ones, files. Raises UsageError."""
        return tuple(
            resolve_image(said, services.store, services.reporter, directory=self.around.directory)
            for said in self.options.images
        )


def _published(work: Callable[[Request, Services], RunResult], call: Call) -> Answer:
    asked, indexes = request.requested(call.options, call.around)
    with call.services(indexes) as services:
        result = work(replace(asked, images=call.images(services)), services)
    return Answer(
        code=result.exit_code,
        document=document.report(result, asked.wanted, asked.target),
        show=lambda page: tables.result(page, result, asked.target),
    )


def _run(call: Call) -> Answer:
    return _published(pipeline.run, call)


def _fetch(call: Call) -> Answer:
    return _published(pipeline.fetch, call)


def _verify(call: Call) -> Answer:
    options = call.options
    if not options.words:
        raise UsageError("no directory is named", remedy="For example: crossbuild verify DIR")
    if options.images and not options.smoke:
        raise UsageError("--image asks for a proof, --no-smoke for none", remedy="Give one.")
    said = bool(options.target) or not options.images
    target = request.target(options, call.around) if said else None
    found = request.asked(options, call.around)
    with call.services(request.indexes(options, call.around, found)) as services:
        images = call.images(services)
        target = target or _told(images[0], options, services)
        order = Order(
            directory=Path(options.words[0]),
            target=target,
            wanted=tuple(found.requirements) or None,
            smoke=options.smoke,
            imports=options.imports,
            images=images,
            floors=options.floors,
        )
        result = check_up(order, services)
    return Answer(
        code=result.exit_code,
        document=checkup.to_json(result, target),
        show=lambda page: tables.verified(page, result, target),
    )


def _told(image: Image, options: Options, services: Services) -> Target:
    """The target where none was said: what the first image is, as its own Python tells."""
    found = probing.interpreter(image, options.python)
    document = probing.probe(image, found, services.engine)
    return replace(probe.target(document, Path(image.name)), name=image.name)


def _question(call: Call, *, online: bool) -> Question:
    options = call.options
    target = request.target(options, call.around) if options.target else None
    return Question(
        arch=target.arch if target else ARCHES[_ARCH],
        target=target,
        cache=request.cache(options, call.around),
        mirror=options.mirror,
        registry=request.registry(options, call.around),
        engine=options.engine,
        environment=call.around.environment,
        index=(lambda: _reach(call)) if online else None,
    )


def _reach(call: Call) -> str:
    """Ask the last index, the default one, for something small. Raises CrossbuildError."""
    indexes = request.indexes(call.options, call.around)
    if not indexes.urls:
        return "none is to be used"
    transport = replace(indexes.transport, timeout=_PATIENCE)
    with contextlib.closing(Http(transport, indexes.logins)) as http:
        http.get(f"{indexes.urls[-1]}/pip/")
    return f"{indexes.urls[-1]} answers"


def _doctor(call: Call) -> Answer:
    question = _question(call, online=True)
    checks = doctor.examine(question)
    return Answer(
        code=EXIT_OK if doctor.able(checks) else HostError.exit_code,
        document=doctor.to_json(checks),
        show=lambda page: hostviews.examined(page, checks, question.arch),
    )


def _setup(call: Call) -> Answer:
    question = _question(call, online=False)
    checks = doctor.examine(question)
    plan = _provision(call, checks, question.arch)
    if plan.commands and not call.options.dry_run:
        _confirm(call, plan, checks)
        _install(call, plan)
        checks = doctor.examine(question)
    ready = doctor.able(checks)
    if question.target and ready and not call.options.dry_run:
        with call.services(request.indexes(call.options, call.around)) as services:
            pipeline.warm(question.target, services)
    return Answer(
        code=EXIT_OK if ready or call.options.dry_run else HostError.exit_code,
        document={**provision.to_json(plan), **_outcome(checks)},
        show=lambda page: _shown(page, call, plan, checks, question.arch),
    )


def _outcome(checks: Sequence[Check]) -> Mapping[str, object]:
    found = doctor.to_json(checks)
    return {"able": found["able"], "checks": found["checks"]}


def _shown(page: Page, call: Call, plan: Provision, checks: Sequence[Check], arch: Arch) -> None:
    if call.options.dry_run:
        hostviews.provided(page, plan, provision.beyond(checks))
    else:
        hostviews.examined(page, checks, arch)
        if call.options.target and doctor.able(checks):
            page.write(Text("Root file systems and compilers for it are prepared."))


def _provision(call: Call, checks: Sequence[Check], arch: Arch) -> Provision:
    """Plan the installation; root's rights are looked for only when they are needed."""
    needs = provision.needs(checks)
    if not needs:
        return Provision(commands=(), packages=(), left=())
    manager = provision.manager()
    root = os.geteuid() == 0 or (call.options.dry_run and provision.elevator() is None)
    prefix = provision.elevation(root=root)
    return provision.provision(needs, arch, manager, prefix, provision.ask(manager))


def _confirm(call: Call, plan: Provision, checks: Sequence[Check]) -> None:
    """Show the commands and ask. Raises UsageError for a no, or where nobody can answer."""
    if call.options.yes:
        return
    if not call.screen.attended:
        raise UsageError(
            "setup asks before it installs, and nobody is there to answer",
            remedy="Give --yes, or look first with --dry-run.",
        )
    hostviews.provided(call.screen.aside(), plan, provision.beyond(checks))
    if not call.screen.confirmed("Run these commands?"):
        raise UsageError("nothing was installed")


def _install(call: Call, plan: Provision) -> None:
    """Run the commands where the user sees them; standard output is kept for the answer."""
    for command in plan.commands:
        code = process.foreground(command, stdout=call.screen.aside_descriptor)
        if code != 0:
            raise HostError(
                f"{shlex.join(command)} ended with code {code}",
                remedy="Its own message is above; run it by hand when that is mended.",
            )


def _cache(call: Call) -> Answer:
    options = call.options
    action = "".join(options.words[:1]) or "show"
    if action not in {"show", "prune"} or len(options.words) > 1:
        said = " ".join(options.words)
        raise UsageError(f"cache knows show and prune, not {said!r}")
    store = Store(request.cache(options, call.around))
    removed = 0
    if action == "prune":
        days = options.older_than if options.older_than is not None else _OLD
        before = sum(part.bytes for part in _kept(call, store))
        store.prune(older_than_days=None if options.everything else days)
        if options.everything:
            from crossbuild.engine.containers import keeping  # the SDK takes a while to import

            keeping.prune(call.around.environment, store)
        removed = before - sum(part.bytes for part in _kept(call, store))
    parts = _kept(call, store)
    return Answer(
        code=EXIT_OK,
        document={
            "schema": "crossbuild-cache/1",
            "directory": str(store.root),
            "removed": removed,
            "parts": [
                {"kind": part.kind, "entries": part.entries, "bytes": part.bytes} for part in parts
            ],
        },
        show=lambda page: hostviews.usage(
            page, store.root, parts, removed if action == "prune" else None
        ),
    )


def _kept(call: Call, store: Store) -> tuple[Usage, ...]:
    """What is kept on this host, and in a Docker daemon where one answers."""
    from crossbuild.engine.containers import keeping

    return (*store.usage(), *keeping.usage(call.around.environment))


def _images(call: Call) -> Answer:
    options, around = call.options, call.around
    registry = request.registry(options, around)
    with call.screen.progress(call.verbosity) as reporter:
        store = Store(request.cache(options, around), reporter=reporter)
        store.sweep()
        makers = Roots(
            store,
            Host(store, around.environment.get("PATH")),
            reporter=reporter,
            mirror=options.mirror,
            registry=registry,
            environment=around.environment,
        )
        shelf = Shelf(
            store=store,
            roots=makers,
            directory=around.directory,
            name=options.name,
            reporter=reporter,
        )
        return images.answer(options.words, shelf)


COMMANDS: Mapping[str, Callable[[Call], Answer]] = {
    "run": _run,
    "plan": pieces.plan,
    "fetch": _fetch,
    "build": pieces.build,
    "merge": pieces.merge,
    "verify": _verify,
    "bundle": bundling.bundle,
    "push": carriage.push_wheelhouse,
    "ship": carriage.ship,
    "doctor": _doctor,
    "setup": _setup,
    "images": _images,
    "recipes": known.show_recipes,
    "recipe": known.write_recipe,
    "cache": _cache,
    "targets": machines.show_targets,
    "probe": machines.run_probe,
}
