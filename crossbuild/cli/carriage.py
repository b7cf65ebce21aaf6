"""The commands that reach another machine over a channel: ``push``, ``ship``, ``probe --via``."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.text import Text

from crossbuild import document, pipeline, wording
from crossbuild.carry import delivery, push, schemes
from crossbuild.carry.delivery import Delivered, Order, Place, PlaceKind
from crossbuild.carry.landing import Ran
from crossbuild.carry.line import Line
from crossbuild.cli import request, tables
from crossbuild.cli.arguments import Options
from crossbuild.cli.bundling import sources
from crossbuild.cli.page import Page, said
from crossbuild.cli.screen import Answer
from crossbuild.errors import EXIT_OK, EXIT_UNPROVEN, UsageError
from crossbuild.model import RunResult
from crossbuild.net.credentials import split
from crossbuild.packing import bundling
from crossbuild.packing.modules import USELESS
from crossbuild.packing.order import Form
from crossbuild.packing.order import Order as Packing
from crossbuild.report import Message, Reporter, waiting
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.targets import probe

if TYPE_CHECKING:
    from crossbuild.cli.commands import Call

_SHIPPABLE = frozenset({EXIT_OK, EXIT_UNPROVEN})
"""A wheelhouse that could not be proven here is proven by its machine."""


def push_wheelhouse(call: Call) -> Answer:
    """Bring a wheelhouse to the machine at the other end of a channel, and install it there."""
    options = call.options
    if len(options.words) != 1:
        raise UsageError(
            "push takes one directory", remedy="For example: crossbuild push DIR --via CHANNEL"
        )
    files = push.load(call.around.directory / options.words[0])
    order = _order(call)
    delivery.check(files, order)
    with call.screen.progress(call.verbosity) as reporter, contextlib.closing(line(call)) as there:
        done = delivery.deliver(files, order, there, reporter)
    return Answer(
        code=done.exit_code,
        document={"schema": "crossbuild-push/1", **_described(done)},
        show=lambda page: _shown(page, done),
    )


def ship(call: Call) -> Answer:
    """Find out what the machine is, make its wheelhouse, and deliver it."""
    order = _order(call)
    delivery.check_script(order)
    with contextlib.closing(line(call)) as there:
        told = probed(call, there)
        target = replace(probe.target(told, Path("probe.json")), name="the machine there")
        result = _made(call, target)
        done = None
        if result.exit_code in _SHIPPABLE and result.output is not None:
            with (
                call.screen.progress(call.verbosity) as reporter,
                _fitted(call, result.output, target, reporter) as wheelhouse,
            ):
                done = delivery.deliver(push.load(wheelhouse), order, there, reporter)
    asked = request.wanted(call.options, request.asked(call.options, call.around))
    return Answer(
        code=done.exit_code if done else result.exit_code,
        document={
            "schema": "crossbuild-ship/1",
            "run": document.report(result, asked, target),
            "delivered": _described(done) if done else None,
        },
        show=lambda page: _shipped(page, result, target, done),
    )


def _made(call: Call, target: Target) -> RunResult:
    asked, indexes = request.requested(call.options, call.around, target)
    with call.services(indexes) as services:
        return pipeline.run(replace(asked, images=call.images(services)), services)


@contextlib.contextmanager
def _fitted(call: Call, output: Path, target: Target, reporter: Reporter) -> Iterator[Path]:
    """The wheelhouse; for a Python without all of its standard library, with what that lacks."""
    missing = set(target.reported.missing if target.reported else ()) - USELESS
    if not missing:
        yield output
        return
    store = Store(request.cache(call.options, call.around))
    with store.scratch("fitted") as scratch:
        packing = Packing(
            wheelhouse=output,
            form=Form.DIRECTORY,
            output=scratch / output.name,
            stored="zlib" in missing,
        )
        made = bundling.pack(packing, scratch / "made", sources(call))
        for note in made.notes:
            reporter.emit(Message(text=note))
        yield made.output


def probed(call: Call, there: Line) -> dict[str, Any]:
    """What the machine at the other end tells of itself (``targets.probe``)."""
    with (
        call.screen.progress(call.verbosity) as reporter,
        waiting(reporter, "asking the machine there what it is"),
    ):
        urls = request.indexes(call.options, call.around).urls
        return delivery.probed(there, [split(url)[0] for url in urls])


def line(call: Call) -> Line:
    """The line to the machine that was named. Raises UsageError where none was."""
    options, environment = call.options, call.around.environment
    via = options.via
    if via is None:
        raise UsageError(
            "--via is missing: what runs Python on the other machine?",
            remedy="For example --via 'exec:ssh HOST python3 -'.",
        )
    return Line(
        lambda: schemes.opened(via, environment),
        limit=options.message_limit,
        lanes=options.in_flight,
        patience=options.answer_timeout,
    )


def _order(call: Call) -> Order:
    options, home = call.options, call.around.directory
    return Order(
        arguments=_arguments(options) if options.install else None,
        place=_place(options),
        verify=options.verify,
        home=home,
        remote_dir=options.remote_dir,
        script=home / options.run if options.run else None,
        bring=options.bring,
        remove=options.remove,
    )


def _arguments(options: Options) -> tuple[str, ...]:
    """What install.py is told besides where to install."""
    flags = {
        "--upgrade": options.upgrade,
        "--bootstrap-pip": options.bootstrap_pip,
        "--with-pip": options.with_pip,
        "--no-compile": not options.compile,
        "--break-system-packages": options.break_system_packages,
    }
    return tuple(name for name, given in flags.items() if given)


def _place(options: Options) -> Place:
    """Where to install. Raises UsageError for two places."""
    said = {
        PlaceKind.PREFIX: options.prefix,
        PlaceKind.VENV: options.venv,
        PlaceKind.TARGET: options.into,
        PlaceKind.USER: "" if options.user else None,
    }
    places = [Place(kind=kind, path=path) for kind, path in said.items() if path is not None]
    if len(places) > 1:
        raise UsageError("several places to install into are named", remedy="Name one of them.")
    return places[0] if places else Place()


def _described(done: Delivered) -> dict[str, object]:
    sent = set(done.pushed.sent)
    files = [
        {"name": file.name, "size": file.size, "sha256": file.sha256, "sent": file.name in sent}
        for file in done.pushed.files
    ]
    return {
        "directory": done.pushed.directory,
        "carried": done.pushed.carried,
        "resent": done.pushed.resent,
        "files": files,
        "installed": _told(done.installed),
        "verified": _told(done.verified),
        "ran": _told(done.ran),
        "removed": done.removed,
        "brought": [str(path) for path in done.brought],
    }


def _told(ran: Ran | None) -> dict[str, object] | None:
    if ran is None:
        return None
    return {"arguments": list(ran.arguments), "code": ran.code, "output": ran.output}


def _shipped(page: Page, result: RunResult, target: Target, done: Delivered | None) -> None:
    tables.result(page, result, target)
    page.write(Text())
    if done is None:
        page.write(said(page, "failed", "Nothing was pushed"))
    else:
        _shown(page, done)


def _shown(page: Page, done: Delivered) -> None:
    """What arrived, and what the programs there printed, in their own words."""
    pushed = done.pushed
    whole = wording.size(sum(file.size for file in pushed.files))
    are = "were" if done.removed else "are"
    count = wording.count(len(pushed.files), "file")
    text = f"{count}, {whole}, {are} in {pushed.directory} there"
    more = []
    if pushed.resent:
        more = [f"{wording.count(pushed.resent, 'message')} had to be sent again"]
    page.write(said(page, "done", text, *more))
    _printed(page, "Installed there", "install.py ended there", done.installed)
    _printed(page, "Imported there", "The look at it ended there", done.verified)
    _printed(page, "Ran there", "The program ended there", done.ran)
    for path in done.brought:
        page.write(said(page, "done", f"Brought {path.name}, {wording.size(path.stat().st_size)}"))


def _printed(page: Page, well: str, ill: str, ran: Ran | None) -> None:
    if ran is None:
        return
    if ran.code == 0:
        page.write(said(page, "done", well, *ran.output.splitlines()))
    else:
        head = f"{ill} with code {ran.code}"
        page.write(said(page, "failed", head, *ran.output.splitlines()))
