"""The options of the command line, in groups, and a line of help for each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from crossbuild.cli import reading
from crossbuild.engine.images import registry


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


def path(text: str) -> Path:
    """Read a path, ``~`` at home."""
    if not text:
        raise ValueError("an empty path is no path")
    return Path(text).expanduser()


FILE = Option(
    names=("-r", "--requirement"),
    dest="files",
    metavar="FILE",
    read=path,
    many=True,
    help="take requirements from FILE (pip's format)",
)
CONSTRAINT = Option(
    names=("-c", "--constraint"),
    dest="constraints",
    metavar="FILE",
    read=path,
    many=True,
    help="limit versions by FILE",
)
JOBS = Option(
    names=("-j", "--jobs"),
    dest="jobs",
    metavar="N",
    read=reading.positive,
    help="how many at a time (default: one per processor)",
)
ENGINE = Option(
    names=("--engine",),
    dest="engine",
    metavar="NAME",
    read=reading.engine,
    help="where emulated code runs: auto, rootfs or docker",
)
MIRROR = Option(
    names=("--mirror",),
    dest="mirror",
    metavar="URL",
    help="Debian mirror (default: the host's own)",
)
REGISTRY = Option(
    names=("--registry",),
    dest="registry",
    metavar="HOST",
    read=registry.parse,
    help="has PyPA's images (default: $CROSSBUILD_REGISTRY)",
)
FLOOR = Option(
    names=("--allow-floor",),
    dest="floors",
    metavar="[PKG=]FLOOR",
    read=reading.allowance,
    many=True,
    help="let what is built need FLOOR, as manylinux_2_28, where it does not fit the target",
)
PYTHON = Option(
    names=("--python",),
    dest="python",
    metavar="X.Y",
    read=reading.python_version,
    help="its CPython (default: a named target's own, else what runs crossbuild)",
)
TARGET = Group(
    title="Target",
    options=(
        Option(
            names=("--target",),
            dest="target",
            metavar="PLATFORM",
            help="a tag such as manylinux2014_aarch64, a name such as debian-11 "
            "(`crossbuild targets`), or a probe.json",
        ),
        PYTHON,
    ),
)
FLOORS = Group(title="Floor", options=(FLOOR,))
REQUIREMENTS = Group(title="Requirements", options=(FILE, CONSTRAINT))
CHOICE = Group(
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
INDEX = Group(
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
RECIPES = Group(
    title="Recipes",
    options=(
        Option(
            names=("--recipes",),
            dest="recipes",
            metavar="DIR",
            read=path,
            help="use DIR's recipes before ours; none: use none (`crossbuild recipes`)",
        ),
    ),
)
OUTPUT = Option(
    names=("-o", "--output"),
    dest="output",
    metavar="DIR",
    read=path,
    help="the wheelhouse (default: ./wheelhouse)",
)
BUILDING = Group(
    title="Building",
    options=(
        JOBS,
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
            names=("--no-auto-deps",),
            dest="auto_deps",
            stores=False,
            help="do not add system packages to the image that a build turns out to lack",
        ),
        Option(
            names=("--builder",),
            dest="builder",
            metavar="NAME",
            read=reading.builder,
            help="crossbuild (default), cibuildwheel, or cibuildwheel+native (our compilers)",
        ),
        ENGINE,
        MIRROR,
        REGISTRY,
    ),
)
IMAGE = Option(
    names=("--image",),
    dest="images",
    metavar="IMAGE",
    many=True,
    help="prove it there: a name of `crossbuild images`, or a tar of your machine",
)
PROOF = Group(
    title="Proof",
    options=(
        IMAGE,
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
GENERAL = Group(
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
            read=path,
            help="downloads, root file systems, built wheels",
        ),
        Option(names=("-h", "--help"), dest="help", help="show this help"),
        Option(names=("-V", "--version"), dest="version", help="show the version"),
    ),
)
PLANNING = Group(
    title="For other machines",
    options=(
        Option(
            names=("-o", "--output-plan"),
            dest="plan_file",
            metavar="FILE",
            read=path,
            help="write a plan file for build and merge; downloads its wheels, to check them",
        ),
        Option(
            names=("--matrix",),
            dest="matrix",
            help="print the matrix of a GitHub Actions job, an entry per build, and nothing else",
        ),
    ),
)
PART = Group(
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
            read=path,
            help="the wheels and their record, for merge (default: ./part)",
        ),
    ),
)
PACKING = Group(
    title="Bundle",
    options=(
        Option(
            names=("--format",),
            dest="form",
            metavar="FORMAT",
            read=reading.bundle_form,
            help="dir, tar (default), zip, pyz (runs: python3 DIR.pyz install), or py (text)",
        ),
        Option(
            names=("-o", "--output"),
            dest="bundle",
            metavar="OUT",
            read=path,
            help="the file, or the directory of the parts (default: DIR.tar, DIR-parts, …)",
        ),
        Option(
            names=("--split",),
            dest="split",
            metavar="SIZE",
            read=reading.part_size,
            help="cut it into parts of SIZE at most (100M, 1G, fat32), with a script that joins",
        ),
        Option(
            names=("--stored",),
            dest="stored",
            help="store the wheels without compression (larger): fast where there is no zlib",
        ),
        Option(
            names=("--sign",),
            dest="sign",
            metavar="KEY",
            read=path,
            help="sign it with KEY, of minisign or ssh-keygen (there: install.py --verify-key)",
        ),
        Option(
            names=("--with-pip",),
            dest="carry_pip",
            help="carry the newest pip for its Python, too (there: install.py --bootstrap-pip)",
        ),
        Option(
            names=("--with-modules",),
            dest="with_modules",
            metavar="NAMES",
            read=reading.modules,
            help="bring standard modules its Python lacks: json,zipfile (default: what the "
            "probe missed); none",
        ),
    ),
)
