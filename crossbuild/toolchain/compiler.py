"""The zig of the ``ziglang`` package: where it is, what it says, how it is run on the host."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from crossbuild.errors import HostError


@dataclass(frozen=True, kw_only=True, slots=True)
class Zig:
    """One zig: ``program`` is the binary, ``library`` the headers and sources beside it."""

    version: str
    program: Path
    library: Path

    @classmethod
    def find(cls) -> Zig:
        """The zig that is installed with crossbuild. Raises HostError when it is not there."""
        spec = importlib.util.find_spec("ziglang")
        if spec is None or spec.origin is None:
            raise HostError(
                "the Python package ziglang, whose zig is the native compiler, is not installed",
                remedy="Install it beside crossbuild: `pip install ziglang`.",
            )
        directory = Path(spec.origin).parent
        return cls(
            version=importlib.metadata.version("ziglang"),
            program=directory / "zig",
            library=directory / "lib",
        )

    def run(
        self,
        arguments: Sequence[str | Path],
        *,
        cache: Path,
        cwd: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> str:
        """Run zig; give what it printed on both streams. ``cache`` takes what zig keeps.

        Raises ProcessError.
        """
        # Nothing of the user's environment: CPATH and its like change what is compiled.
        environment = {
            "PATH": os.defpath,
            "ZIG_GLOBAL_CACHE_DIR": str(cache),
            "ZIG_LOCAL_CACHE_DIR": str(cache),
            **(env or {}),
        }
        done = process.run(
            [str(self.program), *map(str, arguments)], env=environment, cwd=cwd or cache
        )
        return done.stdout + done.stderr

    def clang(self, arguments: Sequence[str | Path], *, cache: Path) -> None:
        """Run the clang inside zig, without any configuration. Raises ProcessError."""
        self.run(["clang", "--no-default-config", *arguments], cache=cache)

    def archive(self, archive: Path, members: Sequence[Path], *, cache: Path) -> None:
        """Make a static library, the same bytes for the same members. Raises ProcessError."""
        names = [member.name for member in members]
        self.run(["ar", "rcsD", archive, *names], cache=cache, cwd=members[0].parent)
