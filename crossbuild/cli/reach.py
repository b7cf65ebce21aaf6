"""The options of the commands that reach another machine over a channel."""

from __future__ import annotations

from crossbuild.cli import reading
from crossbuild.cli.vocabulary import Group, Option, path

CHANNEL = Group(
    title="Channel",
    options=(
        Option(
            names=("--via",),
            dest="via",
            metavar="CHANNEL",
            help="what runs Python there: 'exec:ssh HOST python3 -' (a command that reads it), "
            "'repl:ssh HOST python3 -i' (its prompt), pty:COMMAND (that on a terminal), "
            "docker:CONTAINER[:PYTHON], jupyter:CONNECTION_FILE, rpyc://HOST:PORT",
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
INSTALLING = Group(
    title="Installing there (the options of install.py)",
    options=(
        Option(
            names=("--no-install",),
            dest="install",
            stores=False,
            help="bring the files and leave it at that",
        ),
        Option(names=("--user",), dest="user", help="into the user's own directory"),
        Option(
            names=("--prefix",), dest="prefix", metavar="DIR", help="into a tree like /usr/local"
        ),
        Option(
            names=("--venv",),
            dest="venv",
            metavar="DIR",
            help="into a virtual environment, made if it is not there",
        ),
        Option(
            names=("--into",),
            dest="into",
            metavar="DIR",
            help="into one directory, to put on sys.path: install.py's --target",
        ),
        Option(
            names=("--upgrade",),
            dest="upgrade",
            help="take these versions where others are installed",
        ),
        Option(
            names=("--bootstrap-pip",), dest="bootstrap_pip", help="pip, too, if it is not there"
        ),
        Option(names=("--with-pip",), dest="with_pip", help="let the pip that is there do it"),
        Option(names=("--no-compile",), dest="compile", stores=False, help="without byte code"),
        Option(
            names=("--break-system-packages",),
            dest="break_system_packages",
            help="even if the system's package manager owns that Python",
        ),
        Option(
            names=("--no-verify",),
            dest="verify",
            stores=False,
            help="do not import there what was installed",
        ),
    ),
)
AFTERWARDS = Group(
    title="Afterwards",
    options=(
        Option(
            names=("--run",),
            dest="run",
            metavar="FILE",
            read=path,
            help="run this Python file there, and show what it prints",
        ),
        Option(
            names=("--bring",),
            dest="bring",
            metavar="FILE",
            many=True,
            help="bring a file from there into this directory, one that --run made for example",
        ),
        Option(
            names=("--remove",),
            dest="remove",
            help="where all went well, remove there what was pushed (else the next push uses it)",
        ),
    ),
)
