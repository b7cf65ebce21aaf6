"""Source packages of Debian, got once from the user's mirror and kept in the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crossbuild.engine.images import debian, native
from crossbuild.engine.images.apt import host_archive
from crossbuild.library import DebianSource
from crossbuild.report import Reporter, waiting
from crossbuild.store import Store


@dataclass(frozen=True, kw_only=True, slots=True)
class SourcePackages:
    """Gets source packages. ``mirror`` and ``environment`` are those of ``Roots``."""

    store: Store
    reporter: Reporter
    mirror: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    def files(self, source: DebianSource) -> Path:
        """A directory with the files of a source package, its ``.dsc`` among them.

        It has the version that the suite had when it was first wanted. Raises HostError,
        IntegrityError, NetworkError, StorageError.
        """
        what = f"getting the source {source}"

        def fill(directory: Path) -> None:
            with waiting(self.reporter, what):
                debian.source(
                    source.suite, source.package, native.host_arch(), directory,
                    archive=host_archive(self.mirror), environment=self.environment,
                )  # fmt: skip

        return self.store.make_tree(f"source-{source.suite}-{source.package}", fill, what=what)
