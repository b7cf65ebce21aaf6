"""A machine of another processor that only runs Python: no pip, no network, a root to read only.

Its state is in a directory, so that each message's process finds what the one before left.
``python -m tests.faraway DIR`` prints the channel to one.
"""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from crossbuild import catalog
from crossbuild.catalog import Role
from crossbuild.engine import emulation, opening
from crossbuild.engine.base import Limits, Root
from crossbuild.engine.sandboxes.sandbox import Sandbox
from crossbuild.store import Store


def channel(root: Root, state: Path) -> str:
    """The channel to such a machine; its user's home is below ``state``."""
    sandbox = Sandbox(
        root=root.path,
        directory=state,
        emulation=emulation.how(root.image.arch),
        limits=Limits(),
        mounts={},
    )
    sandbox.lay_out()
    (python,) = [found.command for found in root.image.interpreters]
    environment = {"HOME": "/work", "PATH": "/usr/bin:/bin", "LANG": "C.UTF-8"}
    argv = sandbox.argv([python, "-"], environment=environment)
    return f"exec:{shlex.join(argv)}"


if __name__ == "__main__":
    image = catalog.image("bookworm-aarch64")
    store = Store(Path(sys.argv[2]))
    root = opening.opened(store, name="rootfs", environment={}).prepare(image, Role.TARGET)
    Path(sys.argv[1]).mkdir(parents=True)
    print(channel(root, Path(sys.argv[1]).absolute()))
