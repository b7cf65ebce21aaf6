"""The options of the commands that reach another machine over a channel."""

from __future__ import annotations

from crossbuild.cli import reading
from crossbuild.cli.vocabulary import Group, Option

CHANNEL = Group(
    title="Channel",
    options=(
        Option(
            names=("--via",),
            dest="via",
            metavar="CHANNEL",
            help="what runs Python there: exec:COMMAND that reads it ('exec:ssh HOST python3 -'), "
            "repl:COMMAND that is a prompt of it ('repl:ssh HOST python3 -i'), pty:COMMAND that "
            "is one on a terminal",
        ),
        Option(
            names=("--message-limit",),
            dest="message_limit",
            metavar="SIZE",
            read=reading.message_limit,
            help="bytes of one message, all of it included (default: 1M)",
        ),
        Option(
            names=("--in-flight",),
            dest="in_flight",
            metavar="N",
            read=reading.positive,
            help="how many messages at a time (default: as many as the channel allows)",
        ),
        Option(
            names=("--answer-timeout",),
            dest="answer_timeout",
            metavar="TIME",
            read=reading.duration,
            help="a message not answered so long is sent again (default: 2m)",
        ),
        Option(
            names=("--remote-dir",),
            dest="remote_dir",
            metavar="DIR",
            help="where the files go there (default: where it can be written)",
        ),
    ),
)
