"""What builds for one target are lent besides C compilers, each where this host can have it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from crossbuild.engine.images.sourcepackages import SourcePackages
from crossbuild.report import Reporter
from crossbuild.store import Store
from crossbuild.target import Target
from crossbuild.toolchain.fortran import native as fortran
from crossbuild.toolchain.fortran.native import Fortran
from crossbuild.toolchain.rust import native as rust
from crossbuild.toolchain.rust.native import Rust


@dataclass(frozen=True, kw_only=True, slots=True)
class Outfit:
    """Languages and sources out of Debian's packages; nothing is got before it is wanted.

    ``mirror`` and ``environment`` are those of ``Roots``; cargo reads its settings in the latter.
    """

    store: Store
    target: Target
    reporter: Reporter
    mirror: str | None = None
    environment: Mapping[str, str] = field(default_factory=dict)

    @property
    def rust(self) -> Rust | None:
        """Rust and the crates of sdists; None: not here, or not for that target."""
        if not rust.available(self.target):
            return None
        return Rust(
            store=self.store, target=self.target, reporter=self.reporter,
            mirror=self.mirror, environment=self.environment,
        )  # fmt: skip

    @property
    def fortran(self) -> Fortran | None:
        """Fortran; None: not here, or not for that target."""
        if not fortran.available(self.target):
            return None
        return Fortran(
            store=self.store, target=self.target, reporter=self.reporter,
            mirror=self.mirror, environment=self.environment,
        )  # fmt: skip

    @property
    def shelf(self) -> SourcePackages:
        """The source packages of a distribution."""
        return SourcePackages(
            store=self.store, reporter=self.reporter,
            mirror=self.mirror, environment=self.environment,
        )  # fmt: skip
