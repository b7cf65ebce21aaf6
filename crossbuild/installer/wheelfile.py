"""One wheel: what it says of itself, and where each of its files goes (PEP 427)."""

import os

from crossbuild.installer.archive import Archive
from crossbuild.installer.digests import STRONG
from crossbuild.installer.failure import DAMAGED, UNFIT, Failure, reason
from crossbuild.installer.journal import STATE
from crossbuild.installer.requirement import Requirement, canonical
from crossbuild.installer.schemes import PARTS, Scheme
from crossbuild.installer.texts import headers, rows, sections
from crossbuild.installer.versions import Version

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

SIGNATURES = ("RECORD.jws", "RECORD.p7s")


class Name:
    """A wheel's file name, taken apart. Raises ValueError for a name that wheels have not."""

    def __init__(self, filename: str) -> None:
        parts = filename[: -len(".whl")].split("-")
        if not filename.endswith(".whl") or len(parts) not in (5, 6):
            raise ValueError(f"{filename} is not named as a wheel has to be")
        self.project = canonical(parts[0])
        self.version = Version(parts[1].replace("_", "-")).text
        self.build = build_order(parts[2] if len(parts) == 6 else "")
        self.tag = "-".join(parts[-3:])


def build_order(build: str) -> "tuple[int, str]":
    """What a build tag sorts by: its number, then the rest (PEP 427); none is the first."""
    rest = build.lstrip("0123456789")
    number = build[: len(build) - len(rest)]
    return (int(number) if number else -1), rest


class Wheel:
    """An open wheel, its directory checked. Close it. ``sha256`` is the hash that it has.

    Raises Failure for an archive that is damaged, unsafe to unpack, or no wheel.
    """

    def __init__(self, path: str, sha256: str = "") -> None:
        self.path = path
        self.sha256 = sha256
        self.filename = os.path.basename(path)
        self.name = Name(self.filename)
        self.file: "BinaryIO" = open(path, "rb")
        try:
            self.archive = Archive(self.file, self.filename)
            self.read()
        except BaseException:
            self.file.close()
            raise

    def close(self) -> None:
        self.file.close()

    def wrong(self, what: str, code: int = DAMAGED) -> Failure:
        """The failure that names this wheel."""
        return Failure(code, f"{self.filename} {what}")

    def read(self) -> None:
        for name in self.archive.members:
            self.check_name(name)
        self.members = [name for name in self.archive.members if not name.endswith("/")]
        self.info = self.info_directory()
        try:
            described = headers(self.text("WHEEL"))
            self.metadata = headers(self.text("METADATA"))
            self.rows = {row[0]: row for row in rows(self.text("RECORD"))}
            points = "entry_points.txt"
            there = f"{self.info}/{points}" in self.archive.members
            self.points = sections(self.text(points)) if there else {}
            self.requires = [Requirement(line) for line in self.field("requires-dist")]
        except ValueError as error:
            raise self.wrong(f"says what cannot be understood: {reason(error)}") from error
        self.check_version(described)
        self.pure = described.get("root-is-purelib", ["false"])[0].lower() == "true"
        self.check_record()

    def text(self, name: str) -> str:
        return self.archive.whole(f"{self.info}/{name}").decode("utf-8")

    def field(self, name: str) -> "list[str]":
        """The values of a field of METADATA."""
        return self.metadata.get(name, [])

    @property
    def requires_python(self) -> str:
        return (self.field("requires-python") or [""])[0]

    @property
    def version(self) -> str:
        """As METADATA has it."""
        return (self.field("version") or [self.name.version])[0]

    def check_name(self, name: str) -> None:
        """Refuse names by which a file would land elsewhere."""
        parts = name.split("/")
        if name.startswith("/") or ".." in parts or "\\" in name or "\0" in name:
            raise self.wrong(f"is unsafe: the member {name!r} leaves the wheel")
        if not name or "" in parts[:-1] or "." in parts:
            raise self.wrong(f"is unsafe: the member {name!r} has an odd name")
        if STATE in parts:
            raise self.wrong(f"is unsafe: the member {name!r} lies where transactions are kept")

    def info_directory(self) -> str:
        """The one ``.dist-info`` directory, with the three files it must hold."""
        tops = {name.partition("/")[0] for name in self.members if "/" in name}
        found = sorted(top for top in tops if top.endswith(".dist-info"))
        if len(found) != 1:
            raise self.wrong(f"has {len(found) or 'no'} .dist-info directories instead of one")
        if canonical(found[0][: -len(".dist-info")].split("-")[0]) != self.name.project:
            raise self.wrong(f"holds another project: {found[0]}")
        for name in ("METADATA", "WHEEL", "RECORD"):
            if f"{found[0]}/{name}" not in self.archive.members:
                raise self.wrong(f"has no {found[0]}/{name}")
        return found[0]

    def check_version(self, described: "dict[str, list[str]]") -> None:
        version = described.get("wheel-version", [""])[0]
        if version.split(".")[0] != "1":
            raise self.wrong(f"is of version {version or 'none'}; 1 is known", UNFIT)

    def check_record(self) -> None:
        """Every file must have its row, and a hash that is good enough."""
        own = f"{self.info}/RECORD"
        free = {own, *(f"{self.info}/{name}" for name in SIGNATURES)}
        for name in self.members:
            if name in free:
                continue
            if name not in self.rows:
                raise self.wrong(f"holds {name!r}, which its RECORD does not list")
            algorithm = self.rows[name][1].partition("=")[0]
            if algorithm not in STRONG:
                raise self.wrong(f"has no strong hash of {name!r} in its RECORD")
        lost = sorted(set(self.rows) - set(self.members) - free)
        if lost:
            raise self.wrong(f"lacks {lost[0]!r}, which its RECORD lists")

    def destination(self, name: str) -> "tuple[str, str]":
        """Which part of a scheme a member belongs to, and its path there."""
        top, _, rest = name.partition("/")
        if not top.endswith(".data"):
            return ("purelib" if self.pure else "platlib"), name
        part, _, rest = rest.partition("/")
        if part not in PARTS or not rest:
            known = ", ".join(sorted(PARTS))
            raise self.wrong(f"holds {name!r}; the directories in .data are {known}")
        return part, rest

    def library(self, scheme: Scheme) -> str:
        """The directory that its RECORD is relative to."""
        return scheme.paths["purelib" if self.pure else "platlib"]
