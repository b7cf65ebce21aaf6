"""What people know of a package that its sdist does not say: values, read by ``recipes``."""

from __future__ import annotations

import enum
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import NormalizedName
from packaging.version import Version

from crossbuild.library import Library

Setting = str | tuple[str, ...]
"""A value of a config setting, or several under one key, as pip's -C takes them."""


class Compilers(enum.Enum):
    """Which compilers may build a package: native ones, or the image's own."""

    NATIVE = "native"
    IMAGE = "image"


@dataclass(frozen=True, kw_only=True, slots=True)
class Patch:
    """A unified diff for the unpacked sdist, its paths below the sdist's top directory."""

    file: str
    sha256: str
    text: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How to build some versions of a package, where its sdist and the image do not suffice.

    ``system`` maps a family of distributions (``debian``) to the packages that its image gets.
    ``before_all`` and ``test_command`` are commands of sh(1), ``environment`` and these three
    as cibuildwheel means them; ``config_settings`` are those of PEP 517. ``why`` is one line.
    ``sources`` are the C libraries that are built first, in this order, where those of the image
    need a newer C library than the target has.
    ``test_imports``: None where nothing is said of them; an empty tuple: it has no module that can
    be imported, and a ``test_command`` instead.
    """

    name: NormalizedName
    why: str
    versions: SpecifierSet = field(default_factory=SpecifierSet)
    system: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    config_settings: Mapping[str, Setting] = field(default_factory=dict)
    build_requires: tuple[Requirement, ...] = ()
    build_constraints: tuple[Requirement, ...] = ()
    patches: tuple[Patch, ...] = ()
    before_all: str | None = None
    test_imports: tuple[str, ...] | None = None
    test_command: str | None = None
    compilers: tuple[Compilers, ...] = tuple(Compilers)
    sources: tuple[Library, ...] = ()

    def covers(self, version: Version) -> bool:
        """Whether it is for this version."""
        return self.versions.contains(version, prereleases=True)

    @property
    def key(self) -> str:
        """A name for what of it decides what a build makes, in hexadecimal.

        Its build requirements are not in it: the build environment that they lead to is named
        by itself.
        """
        said = self.to_json()
        for rest in ("name", "why", "versions", "build-requires", "build-constraints",
                     "test-imports", "test-command"):  # fmt: skip
            said.pop(rest, None)
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()

    def to_json(self) -> dict[str, object]:
        """Say it in the words of the file that it was read from; what is not said is left out.

        Patches have their text in it.
        """
        said: dict[str, object] = {
            "name": self.name,
            "versions": str(self.versions),
            "why": self.why,
            "system": {family: list(names) for family, names in self.system.items()},
            "environment": dict(self.environment),
            "config-settings": {
                key: value if isinstance(value, str) else list(value)
                for key, value in self.config_settings.items()
            },
            "build-requires": [str(item) for item in self.build_requires],
            "build-constraints": [str(item) for item in self.build_constraints],
            "patches": [
                {"file": item.file, "sha256": item.sha256, "text": item.text}
                for item in self.patches
            ],
            "before-all": self.before_all,
            "test-imports": list(self.test_imports or ()),
            "test-command": self.test_command,
            "compilers": [item.value for item in self.compilers],
            "sources": [item.to_json() for item in self.sources],
        }
        if self.compilers == tuple(Compilers):
            del said["compilers"]
        none = {"test-imports"} if self.test_imports == () else set()
        return {key: value for key, value in said.items() if value or key in none}
