"""What the command line knows: commands, groups of options, and a line of help for each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crossbuild.cli import reading
from crossbuild.engine import registry


@dataclass(frozen=True, kw_only=True, slots=True)
class Option:
    """One option. ``metavar`` None: a flag; ``many``: may be repeated; ``read``: its value.

    ``dest`` is the field of ``arguments.Options``; a flag stores ``stores``, or counts.
    """

    names: tuple[str, ...]
    dest: str
    help: str
    metavar: str | None = None
    read: Callable[[str], object] = str
    many: bool = False
    stores: bool = True
    counts: bool = False
    rule: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Options that belong together, under a title."""

    title: str
    options: tuple[Option, ...]


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


def _path(text: str) -> Path:
    if not text:
        raise ValueError("an empty path is no path")
    return Path(text).expanduser()


_FILE = Option(
    names=("-r", "--requirement"),
    dest="files",
    metavar="FILE",
    read=_path,
    many=True,
    help="take requirements from FILE (pip's format)",
)
_CONSTRAINT = Option(
    names=("-c", "--constraint"),
    dest="constraints",
    metavar="FILE",
    read=_path,
    many=True,
    help="limit versions by FILE",
)
_JOBS = Option(
    names=("-j", "--jobs"),
    dest="jobs",
    metavar="N",
    read=reading.positive,
    help="how many at a time (default: one per processor)",
)
_ENGINE = Option(
    names=("--engine",),
    dest="engine",
    metavar="NAME",
    read=reading.engine,
    help="where emulated code runs: auto, rootfs or docker",
)
_MIRROR = Option(
    names=("--mirror",),
    dest="mirror",
    metavar="URL",
    help="Debian mirror (default: the host's own)",
)
_REGISTRY = Option(
    names=("--registry",),
    dest="registry",
    metavar="HOST",
    read=registry.parse,
    help="where images that no package makes are pulled from",
)
_PYTHON = Option(
    names=("--python",),
    dest="python",
    metavar="X.Y",
    read=reading.python_version,
    help="its CPython (default: a named target's own, else what runs crossbuild)",
)
_TARGET = Group(
    title="Target",
    options=(
        Option(
            names=("--target",),
            dest="target",
            metavar="PLATFORM",
            help="a tag such as manylinux2014_aarch64, a name such as debian-11 "
            "(`crossbuild targets`), or a probe.json",
        ),
        _PYTHON,
    ),
)
_REQUIREMENTS = Group(title="Requirements", options=(_FILE, _CONSTRAINT))
_CHOICE = Group(
    title="Versions and files",
    options=(
        Option(
            names=("--policy",),
            dest="policy",
            metavar="POLICY",
            read=reading.policy,
            help="wheel-first (default), or newest as pip chooses",
        ),
        Option(
            names=("--only-binary",),
            dest="formats",
            metavar="PKG",
            read=reading.format_rule,
            rule=True,
            help="never build PKG,PKG… or :all:",
        ),
        Option(
            names=("--no-binary",),
            dest="formats",
            metavar="PKG",
            read=reading.format_rule,
            rule=True,
            help="always build PKG,PKG… or :all:",
        ),
    ),
)
_INDEX = Group(
    title="Indexes, besides those of uv's and pip's configuration",
    options=(
        Option(names=("--index-url",), dest="index_url", metavar="URL", help="the package index"),
        Option(
            names=("--extra-index-url",),
            dest="extra_index_urls",
            metavar="URL",
            many=True,
            help="one more index",
        ),
        Option(
            names=("--find-links",),
            dest="find_links",
            metavar="PLACE",
            many=True,
            help="a directory or page of wheels and sdists",
        ),
    ),
)
_OUTPUT = Option(
    names=("-o", "--output"),
    dest="output",
    metavar="DIR",
    read=_path,
    help="the wheelhouse (default: ./wheelhouse)",
)
_BUILDING = Group(
    title="Building",
    options=(
        _JOBS,
        Option(
            names=("--timeout",),
            dest="timeout",
            metavar="TIME",
            read=reading.duration,
            help="end a build after 90s, 15m, … (default: 2h)",
        ),
        Option(
            names=("--idle-timeout",),
            dest="idle_timeout",
            metavar="TIME",
            read=reading.duration,
            help="end a build silent and idle so long (default: 5m)",
        ),
        Option(
            names=("--memory",),
            dest="memory",
            metavar="SIZE",
            read=reading.amount,
            help="memory for one build (default: 8G)",
        ),
        Option(names=("--keep",), dest="keep", help="keep the build directory of what fails"),
        Option(
            names=("--builder",),
            dest="builder",
            metavar="NAME",
            read=reading.builder,
            help="crossbuild (default), cibuildwheel, or cibuildwheel+native (our compilers)",
        ),
        _ENGINE,
        _MIRROR,
        _REGISTRY,
    ),
)
_IMAGE = Option(
    names=("--image",),
    dest="images",
    metavar="IMAGE",
    many=True,
    help="prove it there: a name of `crossbuild images`, or a tar of your machine",
)
_PROOF = Group(
    title="Proof",
    options=(
        _IMAGE,
        Option(
            names=("--no-smoke",),
            dest="smoke",
            stores=False,
            help="do not install and import in the emulated target",
        ),
        Option(
            names=("--import",),
            dest="imports",
            metavar="MODULE",
            many=True,
            help="import MODULE there too",
        ),
    ),
)
_GENERAL = Group(
    title="General",
    options=(
        Option(
            names=("--json",),
            dest="json",
            help="one JSON document on stdout, all else on stderr",
        ),
        Option(names=("-v", "--verbose"), dest="verbose", counts=True, help="show more"),
        Option(
            names=("-q", "--quiet"),
            dest="quiet",
            counts=True,
            help="no progress; -qq: only errors",
        ),
        Option(
            names=("--cache-dir",),
            dest="cache_dir",
            metavar="DIR",
            read=_path,
            help="downloads, root file systems, built wheels",
        ),
        Option(names=("-h", "--help"), dest="help", help="show this help"),
        Option(names=("-V", "--version"), dest="version", help="show the version"),
    ),
)
_RUN = (
    _REQUIREMENTS,
    _TARGET,
    _CHOICE,
    _INDEX,
    Group(title="Output", options=(_OUTPUT,)),
    _BUILDING,
    _PROOF,
    _GENERAL,
)

_PLANNING = Group(
    title="For other machines",
    options=(
        Option(
            names=("-o", "--output-plan"),
            dest="plan_file",
            metavar="FILE",
            read=_path,
            help="write a plan file, for build and merge; every wheel in it was checked",
        ),
        Option(
            names=("--matrix",),
            dest="matrix",
            help="print the matrix of a GitHub Actions job, an entry per build, and nothing else",
        ),
    ),
)
_PART = Group(
    title="Part",
    options=(
        Option(
            names=("--step",),
            dest="step",
            metavar="ID",
            help="what to build: the id of a matrix entry (default: every build of the plan)",
        ),
        Option(
            names=("-o", "--output"),
            dest="part",
            metavar="DIR",
            read=_path,
            help="the wheels and their record, for merge (default: ./part)",
        ),
    ),
)

OVERVIEW = (
    "Offline Python wheelhouses for another processor: resolved for the target, downloaded "
    "where wheels exist, built where none does, proven under emulation."
)
EXIT_CODES = (
    "0 done, 2 usage, 3 no resolution, 4 network, 5 integrity, 6 host, 7 storage, 8 build, "
    "9 repair, 10 verification, 11 published but incomplete, 12 complete but not proven, "
    "70 a defect of crossbuild, 130 interrupted"
)
COMMANDS: Mapping[str, Command] = {
    "run": Command(
        words="REQUIREMENT… --target PLATFORM",
        summary="resolve, download, build, verify and publish (the default)",
        groups=_RUN,
        examples=(
            "crossbuild matplotlib --target manylinux2014_aarch64",
            "crossbuild -r requirements.txt --target manylinux_2_28_aarch64 --python 3.11",
            "crossbuild ./dist/mine-1.0.tar.gz --target manylinux2014_aarch64 -o mine",
        ),
    ),
    "plan": Command(
        words="REQUIREMENT… --target PLATFORM",
        summary="show what a run would do; download no wheel",
        groups=(_REQUIREMENTS, _TARGET, _CHOICE, _INDEX, _PLANNING, _BUILDING, _GENERAL),
        examples=(
            "crossbuild plan matplotlib --target manylinux2014_aarch64",
            "crossbuild plan -r requirements.txt --target manylinux2014_aarch64 -o plan.json",
        ),
    ),
    "build": Command(
        words="PLAN.json",
        summary="do the builds of a plan file, or one of them, on any machine",
        groups=(_PART, _INDEX, _BUILDING, _GENERAL),
        examples=("crossbuild build plan.json --step hnswlib-0.8.0 -o part",),
    ),
    "merge": Command(
        words="PLAN.json [PART…]",
        summary="join what was built of a plan file; download, prove and publish",
        groups=(
            Group(title="Output", options=(_OUTPUT, _JOBS)),
            _INDEX,
            _PROOF,
            Group(title="Emulation", options=(_ENGINE, _MIRROR, _REGISTRY)),
            _GENERAL,
        ),
        examples=("crossbuild merge plan.json parts -o wheelhouse",),
    ),
    "fetch": Command(
        words="REQUIREMENT… --target PLATFORM",
        summary="download and check wheels; build and run nothing",
        groups=(
            _REQUIREMENTS,
            _TARGET,
            _CHOICE,
            _INDEX,
            Group(title="Output", options=(_OUTPUT, _JOBS)),
            _GENERAL,
        ),
    ),
    "verify": Command(
        words="DIR [REQUIREMENT…] --target PLATFORM",
        summary="check and prove a directory of wheels, whoever made it",
        groups=(
            Group(title="Requirements", options=(_FILE,)),
            _TARGET,
            _PROOF,
            Group(title="Emulation", options=(_ENGINE, _MIRROR, _REGISTRY)),
            _GENERAL,
        ),
        examples=(
            "crossbuild verify ./wheels --target manylinux2014_aarch64 --python 3.11",
            "crossbuild verify ./wheels --target kylin-v10-sp1-desktop --image ./my-kylin.tar",
        ),
    ),
    "targets": Command(
        words="",
        summary="list the machines that have a name, and how surely they are known",
        groups=(_GENERAL,),
    ),
    "probe": Command(
        words="",
        summary="print a script that tells, as a target, what the machine is that runs it",
        groups=(
            Group(
                title="Probing an image",
                options=(
                    replace(_IMAGE, help="run it there, and print what it tells"),
                    replace(_PYTHON, help="with its CPython X.Y (default: its newest)"),
                ),
            ),
            Group(title="Emulation", options=(_ENGINE, _MIRROR, _REGISTRY)),
            _GENERAL,
        ),
        examples=(
            "crossbuild probe > probe.py   # there: python3 probe.py > probe.json",
            "crossbuild probe --image bullseye-aarch64",
        ),
    ),
    "doctor": Command(
        words="[--target PLATFORM]",
        summary="say what this host can do, and what to do where it cannot",
        groups=(_TARGET, Group(title="Emulation", options=(_MIRROR, _REGISTRY)), _GENERAL),
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
            _TARGET,
            Group(title="Emulation", options=(_ENGINE, _MIRROR, _REGISTRY)),
            _GENERAL,
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
            Group(title="Sources", options=(_MIRROR, _REGISTRY)),
            _GENERAL,
        ),
        examples=(
            "crossbuild images build bookworm-aarch64",
            "crossbuild images pull manylinux2014-aarch64 --registry registry.example",
            "crossbuild images import ./my-kylin.tar.gz --name kylin",
        ),
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
            _GENERAL,
        ),
        examples=("crossbuild cache prune --older-than 7",),
    ),
}
