"""A crossbuild that is killed: ``prepare`` or a session with a sleeper, until it dies.

Arguments: the store, the image, ``prepare`` or ``session``, and the engine.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from crossbuild import catalog
from crossbuild.catalog import Role
from crossbuild.engine import opening
from crossbuild.store import Store


def main(store: str, image: str, what: str, name: str) -> None:
    engine = opening.opened(Store(Path(store)), name=name, environment=dict(os.environ))
    print("ready", flush=True)
    root = engine.prepare(catalog.image(image), Role.TARGET)
    if what == "session":
        with engine.session(root) as session:
            command = ["sh", "-c", "sleep 98765 & echo running; sleep 98765"]
            session.run(command, on_line=lambda line: print(line, flush=True))


if __name__ == "__main__":
    main(*sys.argv[1:])
