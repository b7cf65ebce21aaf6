"""Which modules a distribution puts at the top level of ``site-packages``."""

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    Parts = tuple[str, ...]

MODULES = (".py", ".pyc", ".so")
SIDELINES = (
    *("test", "tests", "testing", "doc", "docs", "example", "examples", "benchmark"),
    *("benchmarks", "conftest", "setup"),
)
LIBRARIES = ("purelib", "platlib")


def importable(members: "Iterable[str]", top_level: "Sequence[str]" = ()) -> "tuple[str, ...]":
    """The modules whose import shows that a distribution works, sorted.

    ``members`` are a wheel's file names, ``top_level`` what setuptools' ``top_level.txt`` lists,
    if there is one. Of a namespace package these are its nearest real packages. Private modules
    are left out where there are public ones, test and documentation packages where there is
    anything else.
    """
    modules = (module_parts(member) for member in members)
    found = sorted(set(nearest(module for module in modules if module)))
    listed = [name for name in found if name.partition(".")[0] in top_level] or found
    product = [name for name in listed if name.partition(".")[0] not in SIDELINES] or listed
    return tuple([name for name in product if "._" not in f".{name}"] or product)


def installed_parts(member: str) -> "Parts | None":
    """Where in ``site-packages`` a member is installed; None when it goes elsewhere (PEP 427)."""
    parts = tuple(part for part in member.split("/") if part)
    if not parts or not parts[0].endswith(".data"):
        return parts
    return parts[2:] if len(parts) > 1 and parts[1] in LIBRARIES else None


def module_parts(member: str) -> "Parts | None":
    """The dotted name of the module that a file is, as parts; None for any other file."""
    path = installed_parts(member)
    if not path or not path[-1].endswith(MODULES) or path[-1].startswith("."):
        return None
    parts = (*path[:-1], path[-1].partition(".")[0])
    if not all(part.isidentifier() for part in parts) or "__pycache__" in parts:
        return None
    return parts[:-1] if parts[-1] == "__init__" else parts


def nearest(modules: "Iterable[Parts]") -> "Iterator[str]":
    """The modules that no other module of the distribution contains.

    A directory without ``__init__`` is a namespace (PEP 420): what lies in it is taken instead.
    """
    known = set(modules)
    for module in known:
        if not any(module[:length] in known for length in range(1, len(module))):
            yield ".".join(module)
