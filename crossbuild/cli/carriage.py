"""The commands that reach another machine over a channel: ``push``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from crossbuild import wording
from crossbuild.carry import push, schemes
from crossbuild.carry.line import Line
from crossbuild.carry.push import Pushed
from crossbuild.cli.page import Page, said
from crossbuild.cli.screen import Answer
from crossbuild.errors import EXIT_OK, UsageError

if TYPE_CHECKING:
    from crossbuild.cli.commands import Call


def push_wheelhouse(call: Call) -> Answer:
    """Bring a wheelhouse to the machine at the other end of a channel."""
    options = call.options
    if len(options.words) != 1:
        raise UsageError(
            "push takes one directory", remedy="For example: crossbuild push DIR --via CHANNEL"
        )
    files = push.load(call.around.directory / options.words[0])
    with (
        call.screen.progress(call.verbosity) as reporter,
        contextlib.closing(line(call)) as opened,
    ):
        pushed = push.push(files, opened, reporter, remote_dir=options.remote_dir)
    return Answer(
        code=EXIT_OK, document=_described(pushed), show=lambda page: _shown(page, pushed)
    )


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


def _described(pushed: Pushed) -> dict[str, object]:
    sent = set(pushed.sent)
    return {
        "schema": "crossbuild-push/1",
        "directory": pushed.directory,
        "carried": pushed.carried,
        "resent": pushed.resent,
        "files": [
            {
                "name": file.name,
                "size": file.size,
                "sha256": file.sha256,
                "sent": file.name in sent,
            }
            for file in pushed.files
        ],
    }


def _shown(page: Page, pushed: Pushed) -> None:
    whole = wording.size(sum(file.size for file in pushed.files))
    text = f"{wording.count(len(pushed.files), 'file')}, {whole}, are in {pushed.directory} there"
    more = []
    if pushed.resent:
        more = [f"{wording.count(pushed.resent, 'message')} had to be sent again"]
    page.write(said(page, "done", text, *more))
