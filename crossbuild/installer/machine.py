"""What this Python is and accepts, as ``crossbuild probe`` tells it."""

from crossbuild.installer.failure import UNFIT, Failure, reason
from crossbuild.prober.clibrary import libc
from crossbuild.prober.interpreter import markers
from crossbuild.prober.tags import tags

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping


class Machine:
    """The running Python: its marker variables and its tags, best first.

    Raises Failure where wheels for it are not known.
    """

    def __init__(self) -> None:
        self.markers: "Mapping[str, str]" = markers()
        try:
            self.libc = libc()
        except LookupError:
            self.libc = {}
        try:
            self.tags = tags(self.libc or None)
        except LookupError as error:
            raise Failure(UNFIT, f"no wheels are known for this Python: {reason(error)}") from None
        self.ranks = {tag: rank for rank, tag in enumerate(self.tags)}

    @property
    def python(self) -> str:
        """Its full version."""
        return self.markers["python_full_version"]

    def describe(self) -> str:
        """In a few words, for errors."""
        library = "{name} {version}".format(**self.libc) if self.libc else "an unknown C library"
        return f"Python {self.python}, {self.markers['platform_machine']}, {library}"

    def rank(self, tag: str) -> "int | None":
        """How well a wheel's tag fits, 0 the best; None: not at all. It may be compressed."""
        ranks = [self.ranks[one] for one in expanded(tag) if one in self.ranks]
        return min(ranks, default=None)


def expanded(tag: str) -> "list[str]":
    """``py2.py3-none-any`` in full (PEP 425)."""
    pythons, abis, platforms = (part.split(".") for part in tag.split("-"))
    return [f"{one}-{abi}-{platform}" for one in pythons for abi in abis for platform in platforms]
