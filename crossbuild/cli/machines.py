"""The commands about machines: which have a name, and what one really is."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from crossbuild import catalog, probing
from crossbuild.cli import carriage, request, told
from crossbuild.cli.page import Page
from crossbuild.cli.screen import Answer
from crossbuild.errors import EXIT_OK, UsageError
from crossbuild.net.credentials import split
from crossbuild.platforms import dotted
from crossbuild.targets import choice, named, probe
from crossbuild.targets.named import Named

if TYPE_CHECKING:
    from crossbuild.cli.commands import Call


def show_targets(call: Call) -> Answer:
    """List the distributions that have a name."""
    if call.options.words:
        raise UsageError(f"targets takes no word, not {call.options.words[0]!r}")
    found = named.distributions()
    document = {"schema": "crossbuild-targets/1", "targets": [_described(item) for item in found]}
    return Answer(code=EXIT_OK, document=document, show=lambda page: _listed(page, found))


def run_probe(call: Call) -> Answer:
    """Print the script that tells what a machine is, run it there, or show what it told."""
    options = call.options
    if options.words:
        return _shown(call)
    if options.via is not None:
        if options.images or options.line:
            raise UsageError("--via asks another machine itself", remedy="Give --via alone.")
        return _over_channel(call)
    if len(options.images) > 1:
        raise UsageError("probe looks at one image at a time", remedy="Give --image once.")
    if not options.images:
        return _script(call)
    with call.services(request.indexes(options, call.around)) as services:
        (image,) = call.images(services)
        found = probing.interpreter(image, options.python)
        document = probing.probe(image, found, services.engine)
    return _told(document)


def _over_channel(call: Call) -> Answer:
    """Ask the machine at the other end; people see beside the JSON what it means."""
    with contextlib.closing(carriage.line(call)) as there:
        document = carriage.probed(call, there)
    if call.verbosity >= 0 and not call.options.json:
        name = Path("probe.json")
        told.show(call.screen.aside(), document, probe.target(document, name), name)
    return _told(document)


def _told(document: Mapping[str, object]) -> Answer:
    text = json.dumps(document, indent=2, ensure_ascii=False)
    return Answer(
        code=EXIT_OK,
        document=document,
        show=lambda page: page.console.print(text),
        line=text,
    )


def _script(call: Call) -> Answer:
    """The script, or its one line; it asks this user's indexes where the target names none."""
    urls = request.indexes(call.options, call.around).urls
    indexes = [split(url)[0] for url in urls]
    script = probe.line(indexes) if call.options.line else probe.script(indexes)
    return Answer(
        code=EXIT_OK,
        document={"schema": "crossbuild-probe-script/1", "script": script},
        show=lambda page: page.console.print(script),
        line=None if call.options.json else script.rstrip("\n"),
    )


def _shown(call: Call) -> Answer:
    """What a probe told, for people."""
    options = call.options
    if len(options.words) > 1 or options.images or options.line:
        raise UsageError(
            "probe shows one probe.json, and nothing besides",
            remedy="For example: crossbuild probe probe.json",
        )
    path = call.around.directory / options.words[0]
    document, target = probe.told(path)
    return Answer(
        code=EXIT_OK,
        document=document,
        show=lambda page: told.show(page, document, target, Path(options.words[0])),
    )


def _described(item: Named) -> dict[str, object]:
    return {
        "name": item.name,
        "describes": item.describes,
        "glibc": dotted(item.glibc),
        "python": item.python,
        "arches": [arch.name for arch in item.arches],
        "proven_in": _proven_in(item),
        "facts": [
            {
                "about": about,
                "value": fact.text,
                "certain": fact.certain,
                "note": fact.note,
                "sources": list(fact.sources),
            }
            for about, fact in item.facts
        ],
    }


def _proven_in(item: Named) -> str | None:
    """The image of the catalog that wheels for it are proven in."""
    target = choice.target(item.name, None, default_python=item.python, directory=Path())
    image = catalog.image_for(target, at_least_floor=True)
    return image.name if image else None


def _listed(page: Page, found: Sequence[Named]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("name", "glibc", "CPython", "processors", "proven in"):
        table.add_column(title, no_wrap=title != "processors")
    for item in found:
        unsure = [about for about, fact in item.facts if not fact.certain]
        table.add_row(
            Text(item.name, "bold cyan"),
            Text(dotted(item.glibc) + ("?" if "glibc" in unsure else "")),
            Text(item.python + ("?" if "CPython" in unsure else "")),
            Text(", ".join(arch.name for arch in item.arches)),
            Text(_proven_in(item) or "an image of yours (--image)", "dim"),
        )
    page.write(table, Text())
    for item in found if page.verbose else ():
        for about, fact in item.facts:
            for source in fact.sources:
                page.write(Text(f"{item.name}: {about} {fact.text}: {source}", "dim"))
    for doubt in (doubt for item in found for doubt in item.doubts):
        page.write(Text(f"? {doubt}"))
    text = (
        "The processor is the first; NAME-ARCH means another. What a machine's own Python tells "
        "(`crossbuild probe`) is surer than any of this."
    )
    page.write(Text(text))
