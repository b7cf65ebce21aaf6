"""The wheelhouse that install.py lies in: its sums, its pins, its wheels."""

import os

from crossbuild.installer.digests import sha256_of
from crossbuild.installer.failure import DAMAGED, USAGE, Failure, reason
from crossbuild.installer.requirement import Requirement
from crossbuild.installer.wheelfile import Name, Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

SUMS = "SHA256SUMS"
PINS = "requirements.txt"


class Pin:
    """A line of requirements.txt: a requirement and the SHA-256 its file may have."""

    def __init__(self, line: str) -> None:
        words = line.split(" --hash=")
        self.requirement = Requirement(words[0])
        self.hashes = {word.strip().partition(":")[2] for word in words[1:]}


class House:
    """A directory of wheels. Raises Failure where it cannot be read or is none.

    ``sums`` is empty where the directory has no SHA256SUMS; then only pins vouch for its wheels.
    """

    def __init__(self, directory: str) -> None:
        self.directory = directory
        self.opened: "list[Wheel]" = []
        try:
            self.files = sorted(os.listdir(directory))
            self.sums = dict(self.read_sums()) if SUMS in self.files else {}
            self.pins = list(self.read_pins()) if PINS in self.files else []
        except OSError as error:
            message = f"the wheelhouse {directory} cannot be read: {reason(error)}"
            raise Failure(USAGE, message) from None
        self.names = dict(self.named())

    def path(self, filename: str) -> str:
        return os.path.join(self.directory, filename)

    def read_sums(self) -> "Iterator[tuple[str, str]]":
        """File names with their SHA-256, as ``sha256sum`` writes them."""
        with open(self.path(SUMS), encoding="utf-8", errors="surrogateescape") as lines:
            for line in lines:
                digest, _, name = line.rstrip("\n").partition("  ")
                if len(digest) != 64 or not name:
                    raise Failure(DAMAGED, f"{SUMS} is damaged: {line.strip()!r}")
                yield name, digest.lower()

    def read_pins(self) -> "Iterator[Pin]":
        self.check_sum(PINS)
        with open(self.path(PINS), encoding="utf-8", errors="surrogateescape") as file:
            text = file.read().replace("\\\n", " ")
        for line in text.split("\n"):
            if line.strip() and line.strip()[0] not in "#-":
                try:
                    yield Pin(line)
                except ValueError as error:
                    raise Failure(DAMAGED, f"{PINS} is damaged: {reason(error)}") from None

    def check_sum(self, filename: str) -> None:
        """Hold a file that is read whole against SHA256SUMS."""
        with open(self.path(filename), "rb") as file:
            self.compare(filename, sha256_of(file), set())

    def compare(self, filename: str, digest: str, allowed: "set[str]") -> None:
        listed = self.sums.get(filename)
        remedy = "Copy it again from where it was made."
        if self.sums and listed is None:
            raise Failure(DAMAGED, f"{filename} is not listed in {SUMS}", remedy)
        if (listed or digest) != digest or (allowed and digest not in allowed):
            raise Failure(DAMAGED, f"{filename} has not the hash that it should have", remedy)

    def named(self) -> "Iterator[tuple[str, Name]]":
        for filename in self.files:
            if filename.endswith(".whl"):
                try:
                    yield filename, Name(filename)
                except ValueError as error:
                    raise Failure(DAMAGED, reason(error)) from None

    def pin(self, project: str) -> "Pin | None":
        return next((pin for pin in self.pins if pin.requirement.name == project), None)

    def roots(self) -> "list[Requirement]":
        """What it is for: its pins; without them, every wheel."""
        if self.pins:
            return [pin.requirement for pin in self.pins]
        projects = sorted({name.project for name in self.names.values()})
        return [Requirement(project) for project in projects]

    def open(self, filename: str) -> Wheel:
        """A wheel of it, its hash checked. Raises Failure for a wrong one."""
        with open(self.path(filename), "rb") as file:
            digest = sha256_of(file)
        pin = self.pin(self.names[filename].project)
        self.compare(filename, digest, pin.hashes if pin else set())
        wheel = Wheel(self.path(filename), digest)
        self.opened.append(wheel)
        return wheel

    def close(self) -> None:
        """Close the wheels that were opened."""
        for wheel in self.opened:
            wheel.close()
