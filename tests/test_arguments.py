"""What the words of the command line come to."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from packaging.utils import canonicalize_name

from crossbuild.cli import reading
from crossbuild.cli.arguments import Options, parse, wants_json
from crossbuild.cli.grammar import COMMANDS
from crossbuild.errors import UsageError
from crossbuild.excess import Allowance
from crossbuild.model import Policy

pytestmark = pytest.mark.pure


def given(line: str) -> dict[str, Any]:
    """What a command line says, without what holds anyway."""
    options, default = parse(line.split()), Options()
    names = Options.__dataclass_fields__
    return {
        name: getattr(options, name)
        for name in names
        if getattr(options, name) != getattr(default, name)
    }


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("a b --target x", {"words": ("a", "b"), "target": "x"}),
        ("a --target x b -v", {"words": ("a", "b"), "target": "x", "verbose": 1}),
        ("run plan", {"words": ("plan",)}),
        ("-- plan", {"words": ("plan",)}),
        ("plan plan", {"command": "plan", "words": ("plan",)}),
        ("-v plan a", {"command": "plan", "words": ("a",), "verbose": 1}),
        ("--python cp311 fetch a", {"command": "fetch", "words": ("a",), "python": "3.11"}),
        ("--python=38 fetch --json", {"command": "fetch", "python": "3.8", "json": True}),
        ("-r a.txt -r b.txt", {"files": (Path("a.txt"), Path("b.txt"))}),
        ("a -qq --no-smoke", {"words": ("a",), "quiet": 2, "smoke": False}),
        ("a --import x --import y.z", {"words": ("a",), "imports": ("x", "y.z")}),
        ("--timeout 1h30m --memory 512M", {"timeout": 5400.0, "memory": 512 << 20}),
        (
            "a --allow-floor manylinux_2_28 --allow-floor b=manylinux_2_34",
            {
                "words": ("a",),
                "floors": (
                    Allowance(name=None, floor=(2, 28)),
                    Allowance(name=canonicalize_name("b"), floor=(2, 34)),
                ),
            },
        ),
        ("a --policy newest", {"words": ("a",), "policy": Policy.NEWEST}),
        ("cache prune --all", {"command": "cache", "words": ("prune",), "everything": True}),
        ("setup -y -n", {"command": "setup", "yes": True, "dry_run": True}),
        (
            "a --no-binary :all: --only-binary b,C",
            {"words": ("a",), "formats": (("no_binary", ":all:"), ("only_binary", "b,c"))},
        ),
    ],
)
def test_words_become_options(line: str, expected: dict[str, Any]) -> None:
    assert given(line) == expected


@pytest.mark.parametrize(
    ("line", "sentence", "remedy"),
    [
        ("a --platform x", "--platform is no option of this command", "--target"),
        ("a --targt x", "--targt is no option of this command", "Did you mean --target?"),
        ("a --target", "--target needs a value", ""),
        ("a --json=1", "--json takes no value", ""),
        ("fetch a --no-smoke", "--no-smoke is no option of this command", "fetch -h"),
        ("a --timeout 0", "'0' is not a time above zero", ""),
        ("a --timeout soon", "'soon' is not a time above zero", ""),
        ("a --memory much", "'much' is not an amount of memory", ""),
        ("a -j 0", "'0' is not a number from 1", ""),
        ("a --policy best", "'best' is no policy; there are wheel-first and newest", ""),
        ("a --engine lxc", "'lxc' is no engine", ""),
        ("a --no-binary -x-", "needs a value", ""),
        ("a --no-binary=-x-", "'-x-' is neither a package name", ""),
        ("cache prune --older-than old", "'old' is not a number of days", ""),
    ],
)
def test_what_makes_no_sense_is_one_sentence(line: str, sentence: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse(line.split())
    assert sentence in str(caught.value)
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(UsageError, match="an empty path is no path"):
        parse(["a", "--output", ""])


@pytest.mark.parametrize(
    ("rules", "only", "only_all", "no", "no_all"),
    [
        ([("only_binary", ":all:")], set(), True, set(), False),
        ([("only_binary", ":all:"), ("no_binary", "Num_Py")], set(), True, {"num-py"}, False),
        ([("no_binary", "a,b"), ("no_binary", ":none:")], set(), False, set(), False),
        ([("no_binary", "a,b"), ("only_binary", "b")], {"b"}, False, {"a"}, False),
        ([("no_binary", "a"), ("only_binary", ":all:")], set(), True, set(), False),
        ([("no_binary", "a, :all: ,b")], set(), False, {"b"}, True),
    ],
)
def test_formats_fold_as_in_pip(
    rules: list[tuple[str, str]], only: set[str], only_all: bool, no: set[str], no_all: bool
) -> None:
    formats = reading.formats(rules)
    assert ({str(name) for name in formats.only_binary}, formats.only_binary_all) == (
        only,
        only_all,
    )
    assert ({str(name) for name in formats.no_binary}, formats.no_binary_all) == (no, no_all)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("15m", 900), ("2h", 7200), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert reading.duration(text) == seconds


@pytest.mark.parametrize(
    ("text", "size"), [("8G", 8 << 30), ("512MiB", 512 << 20), ("1000", 1000), ("1.5k", 1536)]
)
def test_amounts(text: str, size: int) -> None:
    assert reading.amount(text) == size


def test_json_is_wanted_only_before_the_words_end() -> None:
    assert wants_json(["a", "--json", "--nonsense"])
    assert not wants_json(["a", "--", "--json"])


def test_every_option_is_a_field_of_the_options() -> None:
    destinations = {option.dest for command in COMMANDS.values() for option in command.options}
    assert destinations <= set(Options.__dataclass_fields__)
