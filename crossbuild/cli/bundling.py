"""The command ``bundle``: a wheelhouse in the form that its way can carry."""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.requirements import Requirement
from rich.text import Text

from crossbuild import pipeline, wording
from crossbuild.cli import request
from crossbuild.cli.page import Page, said
from crossbuild.cli.screen import Answer
from crossbuild.engine.base import Engine
from crossbuild.errors import EXIT_OK, UsageError
from crossbuild.model import Wanted
from crossbuild.packing import bundling, cargo, guiding
from crossbuild.packing.bundling import Bundle
from crossbuild.packing.modules import Sources
from crossbuild.packing.order import Form, Order
from crossbuild.pipeline import Request
from crossbuild.store import Store

if TYPE_CHECKING:
    from crossbuild.cli.commands import Call


def bundle(call: Call) -> Answer:
    """Pack a wheelhouse."""
    options = call.options
    if len(options.words) != 1:
        raise UsageError(
            "bundle takes one wheelhouse", remedy="For example: crossbuild bundle wheelhouse"
        )
    order = Order(
        wheelhouse=Path(options.words[0]),
        form=options.form,
        output=options.bundle,
        split=options.split,
        stored=options.stored,
        key=options.sign,
        modules=options.with_modules,
    )
    store = Store(request.cache(options, call.around))
    store.sweep()
    with store.scratch("bundle") as scratch, store.scratch("pip") as house:
        if options.carry_pip:
            order = replace(order, pip=_pip(call, order, house / "wheelhouse"))
        made = bundling.pack(order, scratch, sources(call))
    return Answer(
        code=EXIT_OK,
        document=_document(made),
        show=lambda page: _shown(page, made),
    )


def sources(call: Call) -> Sources:
    """Where modules of the standard library may be found: Pythons of this host, and of images."""
    return Sources(home=call.around.home, engine=lambda: _engine(call))


@contextlib.contextmanager
def _engine(call: Call) -> Iterator[Engine]:
    """What runs a Python of an image, where none of this host will do."""
    with call.services(request.indexes(call.options, call.around)) as services:
        yield services.engine


def _pip(call: Call, order: Order, house: Path) -> Path:
    """The newest pip that runs on the target's Python, from the user's index.

    Raises UsageError where the wheelhouse does not say for which that is, and as ``fetch`` does.
    """
    target = guiding.target_of(cargo.read(order.wheelhouse))
    if target is None:
        raise UsageError(
            f"{order.wheelhouse} does not say for which Python it is",
            remedy="--with-pip needs the crossbuild-report.json of the wheelhouse.",
        )
    wanted = Wanted(requirements=(Requirement("pip"),))
    limits = request.limits(call.options)
    asked = Request(wanted=wanted, target=target, output=house, limits=limits)
    with call.services(request.indexes(call.options, call.around)) as services:
        pipeline.fetch(asked, services)
    (wheel,) = house.glob("pip-*.whl")
    return wheel


def _document(made: Bundle) -> dict[str, object]:
    """``crossbuild-bundle/1``: sizes in bytes, ``sha256`` of the whole file, null for none."""
    return {
        "schema": "crossbuild-bundle/1",
        "format": made.form.value,
        "output": str(made.output),
        "files": made.files,
        "size": made.size,
        "sha256": made.sha256,
        "parts": list(made.parts),
        "notes": list(made.notes),
    }


def _shown(page: Page, made: Bundle) -> None:
    kind = "directory" if made.form is Form.DIRECTORY else made.form.value
    text = f"{made.output}  {wording.count(made.files, 'file')}, {wording.size(made.size)}, {kind}"
    page.write(Text(text, "bold"))
    for note in made.notes:
        page.write(said(page, "note", note))
    if made.split_for:
        page.write(said(page, "note", f"In parts, because {made.split_for}: 4 GiB at most a file"))
    if made.parts:
        parts = wording.count(len(made.parts), "part")
        page.write(
            Text(f"Carry the whole directory over, {parts} and all; on the target:"),
            Text(f"  python3 {bundling.JOIN}"),
        )
    if made.form in {Form.PYZ, Form.TEXT}:
        name = shlex.quote(made.name)
        page.write(Text("On the target:", "dim"), Text(f"  python3 {name} install"))
