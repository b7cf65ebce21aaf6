"""Which modules a wheel puts at the top level of ``site-packages``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

_MODULES = frozenset({".py", ".pyc", ".so"})
_SIDELINES = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks"}
    | {"conftest", "setup"}
)
_LIBRARIES = ("purelib", "platlib")


def importable(members: Iterable[str], top_level: Sequence[str] = ()) -> tuple[str, ...]:
    """The modules whose import shows that a distribution works, sorted.

    ``members`` are the archive's file names, ``top_level`` what setuptools' ``top_level.txt``
    lists, if there is one. Of a namespace package these are its nearest real packages. Private
    modules are left out where there are public ones, test and documentation packages where
    there is anything else.
    """
    found = sorted(set(_nearest(filter(None, map(_module, members)))))
    listed = [name for name in found if name.partition(".")[0] in top_level] or found
    product = [name for name in listed if name.partition(".")[0] not in _SIDELINES] or listed
    return tuple([name for name in product if "._" not in f".{name}"] or product)


def installed(member: str) -> PurePosixPath | None:
    """Where in ``site-packages`` a member is installed; None when it goes elsewhere (PEP 427)."""
    path = PurePosixPath(member)
    top, kind = (*path.parts, "", "")[:2]
    if not top.endswith(".data"):
        return path
    return path.relative_to(f"{top}/{kind}") if kind in _LIBRARIES else None


def _module(member: str) -> tuple[str, ...] | None:
    """The dotted name of the module that a file is, as parts; None for any other file."""
    path = installed(member)
    if path is None or path.suffix not in _MODULES:
        return None
    parts = (*path.parts[:-1], path.name.partition(".")[0])
    if not all(part.isidentifier() for part in parts) or "__pycache__" in parts:
        return None
    return parts[:-1] if parts[-1] == "__init__" else parts


def _nearest(modules: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The modules that no other module of the distribution contains.

    A directory without ``__init__`` is a namespace (PEP 420): what lies in it is taken instead.
    """
    known = set(modules)
    for module in known:
        if not any(module[:length] in known for length in range(1, len(module))):
            yield ".".join(module)
