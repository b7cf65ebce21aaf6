"""What the command line knows: the commands, and a line of help for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from crossbuild.cli import reading
from crossbuild.cli.reach import AFTERWARDS, CHANNEL, INSTALLING
from crossbuild.cli.vocabulary import (
    BUILDING,
    CHOICE,
    ENGINE,
    FILE,
    FLOORS,
    GENERAL,
    IMAGE,
    INDEX,
    JOBS,
    MIRROR,
    OUTPUT,
    PACKING,
    PART,
    PLANNING,
    PROOF,
    PYTHON,
    RECIPES,
    REGISTRY,
    REQUIREMENTS,
    TARGET,
    Group,
    Option,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Command:
    """A subcommand: what words it takes, one sentence, its options and examples."""

    words: str
    summary: str
    groups: tuple[Group, ...]
    examples: tuple[str, ...] = ()

    @property
    def options(self) -> Iterator[Option]:
        """Every option, group by group."""
        return (option for group in self.groups for option in group.options)


_MAKING = (
    FLOORS,
    CHOICE,
    INDEX,
    Group(title="Output", options=(OUTPUT,)),
    BUILDING,
    RECIPES,
    PROOF,
    GENERAL,
)
"""What is said of making a wheelhouse, but for which."""

OVERVIEW = (
    "Offline Python wheelhouses for another processor: resolved for the target, downloaded "
    "where wheels exist, built where none does, proven under emulation."
)
EXIT_CODES = (
    "0 done, 2 usage, 3 no resolution, 4 network, 5 integrity, 6 host, 7 storage, 8 build, "
    "9 repair, 10 verification, 11 published but incomplete, 12 complete but not proven, "
    "13 channel, 70 a defect of crossbuild, 130 interrupted"
)
COMMANDS: Mapping[str, Command] = {
    "run": Command(
        words="REQUIREMENT… --target PLATFORM",
        summary="resolve, download, build, verify and publish (the default)",
        groups=(REQUIREMENTS, TARGET, *_MAKING),
        examples=(
            "crossbuild matplotlib --target manylinux2014_aarch64",
            "crossbuild -r requirements.txt --target manylinux_2_28_aarch64 --python 3.11",
            "crossbuild ./dist/mine-1.0.tar.gz --target manylinux2014_aarch64 -o mine",
        ),
    ),
    "plan": Command(
        words="REQUIREMENT… --target PLATFORM",
        summary="show what a run would do; with -o or --matrix, for other machines to do",
        groups=(
            *(REQUIREMENTS, TARGET, FLOORS, CHOICE, INDEX, PLANNING, BUILDING, RECIPES, GENERAL),
        ),
        examples=(
            "crossbuild plan matplotlib --target manylinux2014_aarch64",
            "crossbuild plan -r requirements.txt --target manylinux2014_aarch64 -o plan.json",
        ),
    ),
    "build": Command(
        words="PLAN.json",
        summary="do the builds of a plan file, or one of them, on any machine",
        groups=(PART, INDEX, BUILDING, GENERAL),
        examples=("crossbuild build plan.json --step hnswlib-0.8.0 -o part",),
    ),
    "merge": Command(
        words="PLAN.json [PART…]",
        summary="join what was built of a plan file; download, prove and publish",
        groups=(
            Group(title="Output", options=(OUTPUT, JOBS)),
            INDEX,
            PROOF,
            Group(title="Emulation", options=(ENGINE, MIRROR, REGISTRY)),
            GENERAL,
        ),
        examples=("crossbuild merge plan.json parts -o wheelhouse",),
    ),
    "fetch": Command(
        words="REQUIREMENT… --target PLATFORM",
        summary="download and check wheels; build and run nothing",
        groups=(
            REQUIREMENTS,
            TARGET,
            CHOICE,
            INDEX,
            Group(title="Output", options=(OUTPUT, JOBS)),
            GENERAL,
        ),
    ),
    "verify": Command(
        words="DIR [REQUIREMENT…] --target PLATFORM",
        summary="check and prove a directory of wheels, whoever made it",
        groups=(
            Group(title="Requirements", options=(FILE,)),
            TARGET,
            FLOORS,
            PROOF,
            Group(title="Emulation", options=(ENGINE, MIRROR, REGISTRY)),
            GENERAL,
        ),
        examples=(
            "crossbuild verify ./wheels --target manylinux2014_aarch64 --python 3.11",
            "crossbuild verify ./wheels --target kylin-v10-sp1-desktop --image ./my-kylin.tar",
        ),
    ),
    "bundle": Command(
        words="DIR",
        summary="pack a wheelhouse for its way: one file, or parts for sticks and mails",
        groups=(PACKING, INDEX, GENERAL),
        examples=(
            "crossbuild bundle wheelhouse --format pyz   # there: python3 wheelhouse.pyz install",
            "crossbuild bundle wheelhouse --split 100M   # there: python3 join.py",
        ),
    ),
    "push": Command(
        words="DIR --via CHANNEL",
        summary="bring a wheelhouse to a machine that only runs Python code, and install it",
        groups=(CHANNEL, INSTALLING, AFTERWARDS, GENERAL),
        examples=(
            "crossbuild push wheelhouse --via 'exec:ssh HOST python3 -'",
            "crossbuild push wheelhouse --via 'exec:docker exec -i NAME python3 -'",
        ),
    ),
    "ship": Command(
        words="REQUIREMENT… --via CHANNEL",
        summary="probe a machine, make its wheelhouse, prove, push and install it",
        groups=(REQUIREMENTS, CHANNEL, INSTALLING, AFTERWARDS, *_MAKING),
        examples=("crossbuild ship matplotlib --via 'exec:ssh HOST python3 -'",),
    ),
    "targets": Command(
        words="",
        summary="list the machines that have a name, and how surely they are known",
        groups=(GENERAL,),
    ),
    "probe": Command(
        words="[FILE]",
        summary="print a script that tells, as a target, what its machine is; show what it told",
        groups=(
            Group(
                title="The script",
                options=(
                    Option(
                        names=("--line",),
                        dest="line",
                        help="print it as one line to paste into a Python prompt there",
                    ),
                ),
            ),
            Group(
                title="Probing an image",
                options=(
                    replace(IMAGE, help="run it there, and print what it tells"),
                    replace(PYTHON, help="with its CPython X.Y (default: its newest)"),
                ),
            ),
            CHANNEL,
            INDEX,
            Group(title="Emulation", options=(ENGINE, MIRROR, REGISTRY)),
            GENERAL,
        ),
        examples=(
            "crossbuild probe > probe.py   # there: python3 probe.py > probe.json",
            "crossbuild probe probe.json",
            "crossbuild probe --image bullseye-aarch64",
            "crossbuild probe --via 'exec:ssh HOST python3 -' > probe.json",
        ),
    ),
    "doctor": Command(
        words="[--target PLATFORM]",
        summary="say what this host can do, and what to do where it cannot",
        groups=(TARGET, Group(title="Emulation", options=(ENGINE, MIRROR, REGISTRY)), GENERAL),
    ),
    "setup": Command(
        words="[--target PLATFORM]",
        summary="install what is missing; --target prepares for that target",
        groups=(
            Group(
                title="Setting up",
                options=(
                    Option(names=("-y", "--yes"), dest="yes", help="do not ask"),
                    Option(
                        names=("-n", "--dry-run"),
                        dest="dry_run",
                        help="show the commands and run none",
                    ),
                ),
            ),
            TARGET,
            Group(title="Emulation", options=(ENGINE, MIRROR, REGISTRY)),
            GENERAL,
        ),
    ),
    "images": Command(
        words="[list|build|pull|import|rm] [NAME|FILE…]",
        summary="show the machines that wheels are built and proven on; get or import one",
        groups=(
            Group(
                title="Importing",
                options=(
                    Option(
                        names=("--name",),
                        dest="name",
                        metavar="NAME",
                        help="what to call the image (default: as the file)",
                    ),
                ),
            ),
            Group(title="Sources", options=(MIRROR, REGISTRY)),
            GENERAL,
        ),
        examples=(
            "crossbuild images build bookworm-aarch64",
            "crossbuild images pull manylinux2014-aarch64 --registry registry.example",
            "crossbuild images import ./my-kylin.tar.gz --name kylin",
        ),
    ),
    "recipes": Command(
        words="",
        summary="list the recipes: what people know of packages that their sdists do not say",
        groups=(RECIPES, GENERAL),
    ),
    "recipe": Command(
        words="NAME",
        summary="write, as a recipe, what the last build of a package was given by itself",
        groups=(GENERAL,),
        examples=("crossbuild recipe psycopg2 > recipes/psycopg2.toml",),
    ),
    "cache": Command(
        words="[show|prune]",
        summary="show or prune downloads, root file systems and built wheels",
        groups=(
            Group(
                title="Pruning",
                options=(
                    Option(
                        names=("--older-than",),
                        dest="older_than",
                        metavar="DAYS",
                        read=reading.days,
                        help="remove what was not used for DAYS (default: 30)",
                    ),
                    Option(names=("--all",), dest="everything", help="remove everything"),
                ),
            ),
            GENERAL,
        ),
        examples=("crossbuild cache prune --older-than 7",),
    ),
}
