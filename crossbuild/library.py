"""C libraries that are built before a package, for a floor that no distribution's have: values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True, slots=True)
class DebianSource:
    """A source package of a suite, with Debian's patches: its signed index has the hashes."""

    suite: str
    package: str

    def __str__(self) -> str:
        return f"{self.package} of Debian {self.suite}"


@dataclass(frozen=True, kw_only=True, slots=True)
class FileSource:
    """One archive at an address, with its hash in hexadecimal."""

    url: str
    sha256: str

    def __str__(self) -> str:
        return self.url.rpartition("/")[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Library:
    """A C library and how it is built for the target, with programs of the host's processor.

    ``tools`` are packages of Debian that the build calls besides a shell, make, perl and the
    native compilers. ``build`` is for sh(1), in the top directory of the source; ``groundwork``
    says what it finds in its environment. ``why`` is one line.
    """

    name: str
    why: str
    source: DebianSource | FileSource
    build: str
    tools: tuple[str, ...] = ()

    def to_json(self) -> dict[str, object]:
        """Say it in the words of its file; what is not said is left out."""
        source = self.source
        said: dict[str, object] = {"name": self.name, "why": self.why}
        if isinstance(source, DebianSource):
            said["debian"] = {"suite": source.suite, "source": source.package}
        else:
            said["file"] = {"url": source.url, "sha256": source.sha256}
        if self.tools:
            said["tools"] = list(self.tools)
        return {**said, "build": self.build}
