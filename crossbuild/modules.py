"""Which modules a wheel puts at the top level of ``site-packages``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import PurePosixPath

_SOURCES = frozenset({"py", "pyc", "so"})
_NOT_THE_PRODUCT = frozenset(
    {"test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark", "benchmarks"}
    | {"conftest", "setup"}
)
_INSTALLED = ("purelib", "platlib")


def importable(members: Iterable[str], top_level: Sequence[str] = ()) -> tuple[str, ...]:
    """The modules whose import shows that a distribution works, sorted.

    ``members`` are the archive's file names, ``top_level`` what setuptools' ``top_level.txt``
    lists, if there is one. Of a namespace package these are its nearest real packages. Private
    modules are left out where there are public ones, test and documentation packages where
    there is anything else.
    """
    found = sorted(set(_nearest(filter(None, map(_module, members)))))
    listed = [name for name in found if name.partition(".")[0] in top_level] or found
    product = [name for name in listed if name not in _NOT_THE_PRODUCT] or listed
    return tuple([name for name in product if not f".{name}".count("._")] or product)


def _module(member: str) -> tuple[str, ...] | None:
    """The dotted name of the module that a file is, as parts; None for any other file."""
    parts = list(PurePosixPath(member).parts)
    if len(parts) > 2 and parts[0].endswith(".data"):
        if parts[1] not in _INSTALLED:
            return None
        del parts[:2]
    stem, _, suffix = parts[-1].partition(".")
    if suffix.rpartition(".")[2] not in _SOURCES or ".so." in parts[-1]:
        return None
    parts[-1] = stem
    if not all(part.isidentifier() for part in parts) or parts[0] == "__pycache__":
        return None
    return tuple(parts[:-1] if stem == "__init__" else parts)


def _nearest(modules: Iterable[tuple[str, ...]]) -> Iterator[str]:
    """The modules that no other module of the distribution contains.

    A directory without ``__init__`` is a namespace (PEP 420): what lies in it is taken instead.
    """
    known = set(modules)
    for module in known:
        if not any(module[:length] in known for length in range(1, len(module))):
            yield ".".join(module)
