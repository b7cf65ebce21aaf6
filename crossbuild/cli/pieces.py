"""A run cut in pieces, for several machines: ``plan``, ``build``, ``merge``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from crossbuild import matrix, parts, pipeline, planfile
from crossbuild.cli import request, tables
from crossbuild.cli.screen import Answer
from crossbuild.document import report
from crossbuild.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from crossbuild.cli.commands import Call

_EXAMPLE = "For example: crossbuild {} plan.json"


def plan(call: Call) -> Answer:
    """Plan, and write it for other machines where that is asked for."""
    options = call.options
    if options.matrix and options.json:
        raise UsageError("--matrix and --json both want standard output", remedy="Give one.")
    if options.plan_file is not None and options.plan_file.is_dir():
        raise UsageError(f"{options.plan_file} is a directory", remedy="-o takes a file here.")
    asked, indexes = request.requested(options, call.around)
    with call.services(indexes) as services:
        if options.matrix or options.plan_file is not None:
            found = pipeline.settle(asked, services)
        else:
            made = pipeline.plan(asked, services)
            found = planfile.planned(made, asked.target, asked.wanted)
    line = matrix.line(found.plan, found.target) if options.matrix else None
    if options.plan_file is not None:
        planfile.write(options.plan_file, found)
    return Answer(
        code=EXIT_OK,
        document=found.to_json(),
        show=lambda page: tables.plan(page, found.plan, found.target, options.plan_file),
        line=line,
    )


def build(call: Call) -> Answer:
    """Do some of a plan's builds and leave a part."""
    given, rest = _given(call)
    if rest:
        raise UsageError(f"build takes one plan file, not {rest[0]!r} too",
                         remedy="Name what to build with --step ID.")  # fmt: skip
    options = call.options
    group = matrix.group(given.plan, options.step) if options.step is not None else None
    asked = request.carried_out(options, given, options.part)
    with call.services(request.indexes(options, call.around)) as services:
        part = pipeline.build(asked, services, given, group)
    return Answer(
        code=part.exit_code,
        document=parts.to_json(part, given),
        show=lambda page: tables.part(page, part, asked.output, asked.target),
    )


def merge(call: Call) -> Answer:
    """Join parts and publish."""
    given, rest = _given(call)
    options = call.options
    asked = request.carried_out(options, given, options.output)
    with call.services(request.indexes(options, call.around)) as services:
        asked = replace(asked, images=call.images(services))
        result = pipeline.merge(asked, services, given, tuple(map(Path, rest)))
    return Answer(
        code=result.exit_code,
        document=report(result, asked.wanted, asked.target),
        show=lambda page: tables.result(page, result, asked.target),
    )


def _given(call: Call) -> tuple[planfile.Planned, tuple[str, ...]]:
    """The plan file that the first word names, and the other words."""
    options = call.options
    if not options.words:
        raise UsageError("no plan file is named", remedy=_EXAMPLE.format(options.command))
    return planfile.read(Path(options.words[0])), options.words[1:]
