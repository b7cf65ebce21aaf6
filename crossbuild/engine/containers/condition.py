"""What a Docker daemon can do for a processor, for people to read; nothing is left in it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass

from crossbuild.engine.containers import binfmt, loading
from crossbuild.engine.containers.daemon import Daemon, connect
from crossbuild.platforms import Arch


@dataclass(frozen=True, kw_only=True, slots=True)
class Condition:
    """A daemon that answers: ``able`` to run the processor's programs, or to be made so."""

    version: str
    address: str
    machine: str
    able: bool
    can_register: bool
    arch: Arch

    @property
    def sentence(self) -> str:
        """Whether it runs the programs, after the words "the daemon" or a comma."""
        if self.able:
            return f"runs {self.arch} programs"
        if self.can_register:
            return f"runs no {self.arch} programs yet: the first run registers QEMU with it"
        return f"runs no {self.arch} programs"


def of_docker(environment: Mapping[str, str], arch: Arch) -> Condition:
    """Look at the daemon of DOCKER_HOST or of this host. Raises HostError, StorageError."""
    daemon = connect(environment)
    with contextlib.closing(daemon):
        return Condition(
            version=daemon.about.version,
            address=daemon.address,
            machine=daemon.about.machine,
            able=arch.name == daemon.about.machine or _runs(daemon, arch),
            can_register=binfmt.can_register(daemon, arch),
            arch=arch,
        )


def _runs(daemon: Daemon, arch: Arch) -> bool:
    name = binfmt.probe_image(arch)
    before = loading.here(daemon, name)
    try:
        return binfmt.runs(daemon, arch)
    finally:
        if not before and loading.here(daemon, name):
            with daemon.talking("remove an image"):
                daemon.api.remove_image(name)
