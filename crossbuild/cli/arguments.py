"""The command line's grammar: words in, one frozen ``Options`` out; nothing here prints."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from crossbuild.carry.line import DEFAULT_LIMIT, PATIENCE
from crossbuild.cli.grammar import COMMANDS
from crossbuild.cli.vocabulary import Option
from crossbuild.engine.base import Limits
from crossbuild.engine.images.registry import Registry
from crossbuild.errors import UsageError
from crossbuild.excess import Allowance
from crossbuild.model import Builder, Policy
from crossbuild.packing.order import Form

_ELSEWHERE = {
    "--platform": "The target's platform is --target here.",
    "--python-version": "The target's Python is --python here.",
    "--abi": "It follows from --python.",
    "--implementation": "Targets run CPython.",
    "--dest": "The directory is --output here.",
    "-d": "The directory is --output here.",
    "-w": "The directory is --output here.",
    "--wheel-dir": "The directory is --output here.",
    "--pre": "Name the pre-release instead: NAME>=2.0rc1.",
    "-e": "Build an sdist with `python -m build --sdist` and give its path.",
    "--editable": "Build an sdist with `python -m build --sdist` and give its path.",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Options:
    """Everything the command line can say, with what holds when it does not.

    Times are seconds, ``memory`` and ``split`` bytes, ``older_than`` days.
    """

    command: str = "run"
    words: tuple[str, ...] = ()
    files: tuple[Path, ...] = ()
    constraints: tuple[Path, ...] = ()
    target: str | None = None
    python: str | None = None
    floors: tuple[Allowance, ...] = ()
    output: Path = Path("wheelhouse")
    part: Path = Path("part")
    plan_file: Path | None = None
    matrix: bool = False
    step: str | None = None
    form: Form = Form.TAR
    bundle: Path | None = None
    split: int | None = None
    stored: bool = False
    sign: Path | None = None
    with_modules: tuple[str, ...] | None = None
    carry_pip: bool = False
    line: bool = False
    policy: Policy = Policy.WHEEL_FIRST
    formats: tuple[tuple[str, str], ...] = ()
    index_url: str | None = None
    extra_index_urls: tuple[str, ...] = ()
    find_links: tuple[str, ...] = ()
    mirror: str | None = None
    registry: Registry | None = None
    name: str | None = None
    engine: str = "auto"
    builder: Builder = Builder.LADDER
    auto_deps: bool = True
    recipes: Path | None = None
    jobs: int | None = None
    timeout: float = Limits().wall
    idle_timeout: float = Limits().idle
    memory: int = Limits().memory
    smoke: bool = True
    imports: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    keep: bool = False
    via: str | None = None
    message_limit: int = DEFAULT_LIMIT
    in_flight: int | None = None
    answer_timeout: float = PATIENCE
    remote_dir: str = ""
    install: bool = True
    user: bool = False
    prefix: str | None = None
    venv: str | None = None
    into: str | None = None
    upgrade: bool = False
    bootstrap_pip: bool = False
    with_pip: bool = False
    compile: bool = True
    verify: bool = True
    break_system_packages: bool = False
    run: Path | None = None
    bring: tuple[str, ...] = ()
    remove: bool = False
    json: bool = False
    verbose: int = 0
    quiet: int = 0
    cache_dir: Path | None = None
    yes: bool = False
    dry_run: bool = False
    everything: bool = False
    older_than: float | None = None
    help: bool = False
    version: bool = False


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(_plain(message), remedy=self._advice(message))

    def _advice(self, message: str) -> str:
        unknown = message.removeprefix("unrecognized arguments: ")
        if unknown == message:
            return ""
        word = unknown.split()[0].partition("=")[0]
        if word in _ELSEWHERE:
            return _ELSEWHERE[word]
        near = difflib.get_close_matches(word, self._option_string_actions, n=1)
        return f"Did you mean {near[0]}?" if near else f"`{self.prog} -h` lists the options."


def _plain(message: str) -> str:
    """Say argparse's message as a sentence of ours."""
    unknown = message.removeprefix("unrecognized arguments: ")
    if unknown != message:
        return f"{unknown.split()[0]} is no option of this command"
    message = message.removeprefix("argument ")
    option, _, rest = message.partition(": ")
    if rest == "expected one argument":
        return f"{option} needs a value"
    if rest.startswith("ignored explicit argument"):
        return f"{option} takes no value"
    return message


class _Rule(argparse.Action):
    """Keep --only-binary and --no-binary in the order given: the later word wins, as in pip."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: str | Sequence[Any] | None,
        option_string: str | None = None,
    ) -> None:
        del parser, option_string
        rule = self.option_strings[0][2:].replace("-", "_"), ",".join(values or ())
        namespace.formats = (*getattr(namespace, "formats", ()), rule)


def parse(argv: Sequence[str]) -> Options:
    """Read the command line; the first word that names no subcommand starts a ``run``.

    Options may stand before the subcommand. Raises UsageError with one sentence.
    """
    command, rest = _split(argv)
    namespace = _parser(command).parse_intermixed_args(rest)
    given: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in vars(namespace).items()
    }
    return Options(command=command, **given)


def wants_json(argv: Sequence[str]) -> bool:
    """Whether errors must be JSON too: known even where the rest makes no sense."""
    words = list(argv)
    return "--json" in (words[: words.index("--")] if "--" in words else words)


def _split(argv: Sequence[str]) -> tuple[str, list[str]]:
    """Find the subcommand: the first word that is neither an option nor an option's value."""
    valued = {
        name
        for command in COMMANDS.values()
        for option in command.options
        if option.metavar is not None
        for name in option.names
    }
    position = 0
    while position < len(argv) and argv[position] != "--":
        word = argv[position]
        if word in COMMANDS:
            return word, [*argv[:position], *argv[position + 1 :]]
        if not word.startswith("-"):
            break
        position += 2 if word in valued else 1
    return "run", list(argv)


def _parser(command: str) -> _Parser:
    prog = "crossbuild" if command == "run" else f"crossbuild {command}"
    parser = _Parser(
        prog=prog, add_help=False, allow_abbrev=False, argument_default=argparse.SUPPRESS
    )
    parser.add_argument("words", nargs="*")
    for option in COMMANDS[command].options:
        parser.add_argument(*option.names, **_settings(option))
    return parser


def _settings(option: Option) -> dict[str, Any]:
    """Say an option in argparse's words."""
    if option.metavar is None:
        action = "count" if option.counts else f"store_{str(option.stores).lower()}"
        return {"dest": option.dest, "action": action}
    settings: dict[str, Any] = {"dest": option.dest, "type": _checked(option.read)}
    if option.rule:
        settings["action"] = _Rule
    elif option.many:
        settings["action"] = "append"
    return settings


def _checked(read: Callable[[str], object]) -> Callable[[str], object]:
    """Make a reader whose sentence argparse repeats."""

    def convert(text: str) -> object:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return convert
