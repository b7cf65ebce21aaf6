"""A target as its own Python told of itself: the JSON that the script of ``probe`` prints.

The document, schema ``crossbuild-probe/1``; what could not be found out is null, and
``unknown`` says why (a text per key):

``markers``   the eleven variables of PEP 508
``python``    executable, implementation, version, version_info, abis (as in tags), soabi,
              ext_suffix, cache_tag, bits (of a pointer), free_threaded, virtual
``libc``      name (``glibc``, ``musl``), version, found_by (how the script found it)
``platform``  as ``sysconfig.get_platform()`` has it
``tags``      every tag it accepts, best first
``modules``   which parts of the standard library are there: names to true or false
``pip``       its version; null: there is none
``places``    where packages go: purelib, platlib, scripts, data, user
``sites``     packages and path (directories that it looks at), user (whether the user's is one of
              them), managed (a distribution keeps them: PEP 668)
``writable``  directories to whether the user that ran the script may write there
``free``      the same directories to the bytes that are free there
``programs``  whether it may start a program
``index``     the package index it is configured for: url, reachable, how (``asked``,
              ``connected``), error

A key may be added under the schema: those that are not known here are passed over, and those
from ``places`` on may be missing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from packaging.tags import InvalidTag, Tag, parse_tag
from packaging.version import Version

from crossbuild import platforms
from crossbuild.assembly import assembled, minified
from crossbuild.datafile import Table
from crossbuild.errors import UsageError
from crossbuild.platforms import ARCHES, Arch, Family, Floor, dotted
from crossbuild.target import OLDEST_PYTHON, Reported, Target

SCHEMA = "crossbuild-probe/1"

_REMEDY = (
    "Make it again: `crossbuild probe > probe.py` here, `python3 probe.py > probe.json` there."
)
_MARKERS = (
    "implementation_name",
    "implementation_version",
    "os_name",
    "platform_machine",
    "platform_python_implementation",
    "platform_release",
    "platform_system",
    "platform_version",
    "python_full_version",
    "python_version",
    "sys_platform",
)
_INDEXES = 'INDEXES: "list[str]" = []\n'
_ENTRY = '\n\nif __name__ == "__main__":\n    main(getattr(sys, "argv", [])[1:])\n'


def script(indexes: Sequence[str] = ()) -> str:
    """The program that tells: one file, Python 3.6 or newer, the standard library alone.

    ``indexes`` are addresses, without credentials, that it asks where the target has none
    configured.
    """
    text = assembled("crossbuild.prober.script")
    head, found, rest = text.partition(_INDEXES)
    assert found, "the script has a place for indexes"
    return f"{head}{found[:-3]}{json.dumps(list(indexes))}\n{rest}"


def line(indexes: Sequence[str] = ()) -> str:
    """The same as one line to paste into a Python prompt, where it prints its answer.

    It is ASCII, and not compressed: the target may have no zlib.
    """
    program, entry, _ = script(indexes).partition(_ENTRY)
    assert entry, "the script ends by running"
    source = f"{minified(program)}main([])\n"
    return f"exec({source!a}, {{'__name__': 'crossbuild_probe'}})"


def read(path: Path) -> Target:
    """The target that a file tells of.

    Raises UsageError that names the file and the key that is missing or wrong, or says
    why no wheelhouse can be made for such a Python.
    """
    return told(path)[1]


def told(path: Path) -> tuple[Mapping[str, Any], Target]:
    """All that a file tells, and the target that it tells of. Raises as ``read``."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        said = (error.strerror or "").lower()
        raise UsageError(f"{path} cannot be read: {said}", remedy=_REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is not JSON", remedy=_REMEDY) from error
    if not isinstance(document, dict):
        raise UsageError(f"{path} is no probe of a Python", remedy=_REMEDY)
    return document, target(document, path)


def target(document: Mapping[str, Any], path: Path) -> Target:
    """The target that a document tells of; ``path`` is where it comes from. Raises as ``read``."""
    table = Table(path, "", document, _REMEDY)
    if document.get("schema") != SCHEMA:
        raise table.wrong("schema", f"{SCHEMA!r} is expected")
    _check_told(table, document)
    python, patch = _python(table.table("python"))
    tags = _tags(table)
    family, arch, floor = _platform(table, tags)
    if tags[0].interpreter != f"cp{python[0]}{python[1]}":
        raise table.wrong("tags", f"{tags[0]} is first, and the Python is {dotted(python)}")
    return Target(
        platform=platforms.names(family, arch, floor)[0],
        name=path.name,
        family=family,
        arch=arch,
        floor=floor,
        python=python,
        patch=patch,
        reported=Reported(
            tags=tags,
            markers=_markers(table.table("markers")),
            missing=_missing(document),
            index=_reached(document),
            executable=document["python"].get("executable"),
            pip=document["pip"] is not None if "pip" in document else None,
        ),
    )


def _check_told(table: Table, document: Mapping[str, Any]) -> None:
    """Refuse nulls that a target cannot do without, with the script's reason."""
    reasons = document.get("unknown")
    for key in ("markers", "python", "tags"):
        if key in document and document[key] is None:
            reason = reasons.get(key) if isinstance(reasons, dict) else None
            raise table.wrong(key, f"the target's Python could not tell it: {reason}")


def _python(table: Table) -> tuple[tuple[int, int], int]:
    """The version, X.Y and the patch. Raises UsageError for a Python that is not served."""
    implementation = table.text("implementation")
    if implementation != "cpython":
        raise table.wrong("implementation", f"wheelhouses are for CPython, not {implementation}")
    if table.flag("free_threaded"):
        raise table.wrong("free_threaded", "a free-threaded Python is not served")
    try:
        major, minor, patch = Version(table.text("version")).release
    except ValueError as error:
        raise table.wrong("version", "a version like 3.8.10 is expected") from error
    if (major, minor) < OLDEST_PYTHON:
        raise table.wrong("version", f"the oldest Python served is {dotted(OLDEST_PYTHON)}")
    return (major, minor), patch


def _markers(table: Table) -> tuple[tuple[str, str], ...]:
    return tuple((name, table.text(name)) for name in _MARKERS)


def _missing(document: Mapping[str, Any]) -> tuple[str, ...]:
    """The modules that are not there; an older script tells of fewer."""
    modules = document.get("modules")
    told = modules.items() if isinstance(modules, dict) else ()
    return tuple(sorted(str(name) for name, there in told if there is False))


def _reached(document: Mapping[str, Any]) -> str | None:
    """The index that answered there."""
    index = document.get("index")
    if not isinstance(index, dict) or index.get("reachable") is not True:
        return None
    return str(index.get("url") or "") or None


def _tags(table: Table) -> tuple[Tag, ...]:
    tags = []
    for text in table.texts("tags"):
        try:
            (tag,) = parse_tag(text)
        except (InvalidTag, ValueError) as error:
            raise table.wrong("tags", f"{text!r} is not one tag") from error
        tags.append(tag)
    return tuple(tags)


def _platform(table: Table, tags: tuple[Tag, ...]) -> tuple[Family, Arch, Floor | None]:
    """The newest C library that the tags promise; a 32-bit Python names two processors."""
    names = dict.fromkeys(tag.platform for tag in tags)
    own = [name for name in names if name.startswith("linux_")]
    arches = [name.removeprefix("linux_") for name in own]
    arch = next((ARCHES[name] for name in arches if name in ARCHES), None)
    if arch is None:
        served = f"the processors served are {', '.join(ARCHES)}"
        raise table.wrong("tags", f"{', '.join(own) or 'no tag'} is not Linux on one: {served}")
    promised = [
        platforms.parse(name)
        for name in names
        if name.endswith(f"_{arch}") and not name.startswith("linux_")
    ]
    best = max(promised, key=lambda found: (found[0] is Family.MUSLLINUX, found[2]), default=None)
    return best or (Family.LINUX, arch, None)
