"""The commands about recipes: list them, and write one from what a build was given by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import tomli_w
from packaging.utils import canonicalize_name
from rich.table import Table
from rich.text import Text

from crossbuild import wording
from crossbuild.cli import request
from crossbuild.cli.page import Page
from crossbuild.cli.screen import Answer
from crossbuild.errors import EXIT_OK, UsageError
from crossbuild.lack import RECIPE
from crossbuild.making import last_added
from crossbuild.recipes import FAMILIES, Recipes
from crossbuild.store import Store

if TYPE_CHECKING:
    from crossbuild.cli.commands import Call


def show_recipes(call: Call) -> Answer:
    """List the recipes that a run would use."""
    if call.options.words:
        raise UsageError(f"recipes takes no word, not {call.options.words[0]!r}")
    found = request.recipes(call.options, call.around)
    document = {
        "schema": "crossbuild-recipes/1",
        "recipes": [item.to_json() for item in found.known],
    }
    return Answer(code=EXIT_OK, document=document, show=lambda page: _listed(page, found))


def _listed(page: Page, found: Recipes) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for title in ("package", "versions", "why"):
        table.add_column(title, no_wrap=title != "why")
    for item in found.known:
        table.add_row(
            Text(item.name, "bold cyan"), Text(str(item.versions) or "all"), Text(item.why)
        )
    page.write(table)


def write_recipe(call: Call) -> Answer:
    """Write a recipe on standard output; it is read as one of ``--recipes`` would be."""
    options = call.options
    if len(options.words) != 1:
        raise UsageError(
            "recipe takes the name of one package", remedy="For example: crossbuild recipe lxml"
        )
    name = canonicalize_name(options.words[0])
    added = last_added(Store(request.cache(options, call.around)), name)
    if added is None:
        raise UsageError(
            f"no build of {name} was given anything by itself here",
            remedy="Build it first, without a recipe: --no-binary NAME --recipes none.",
        )
    lacks = [item.lack for item in added if item.lack != RECIPE]
    said: Mapping[str, object] = {
        "why": f"Its build asks for {wording.listing(lacks) or 'what an image has not'}, "
        "and its sdist does not say which package has that.",
        "system": {FAMILIES[0]: [item.package for item in added]},
    }
    return Answer(
        code=EXIT_OK,
        document={"schema": "crossbuild-recipe/1", "name": name, "recipe": said},
        show=lambda page: page.console.print(tomli_w.dumps(said)),
        line=None if options.json else tomli_w.dumps(said).rstrip("\n"),
    )
