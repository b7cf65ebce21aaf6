"""What an image really has: the script of ``probe`` run in it, by an interpreter of its own."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from crossbuild import wording
from crossbuild.catalog import Image, Interpreter, Role
from crossbuild.engine.base import WORK, Engine
from crossbuild.errors import HostError, UsageError
from crossbuild.platforms import dotted
from crossbuild.targets import probe as source


def interpreter(image: Image, python: str | None) -> Interpreter:
    """The image's CPython of this X.Y; its newest for None. Raises UsageError when it has none."""
    found = [item for item in image.interpreters if python in (None, dotted(item.version))]
    if found:
        return max(found, key=lambda item: item.version)
    here = wording.listing([dotted(item.version) for item in image.interpreters])
    wanted = f"CPython {python}" if python else "CPython"
    raise UsageError(f"{image.name} has no {wanted}", remedy=f"It has {here}." if here else "")


def probe(image: Image, found: Interpreter, engine: Engine) -> dict[str, Any]:
    """Run the script in a clean sandbox and give its document (``targets.probe``).

    Raises HostError when nothing of the image can run here, or its Python cannot run the script.
    """
    root = engine.prepare(image, Role.TARGET)
    with engine.session(root) as session, tempfile.TemporaryDirectory() as directory:
        script = Path(directory, "probe.py")
        script.write_text(source.script(), encoding="utf-8")
        session.put(script, f"{WORK}/probe.py")
        done = session.run([found.command, f"{WORK}/probe.py", f"{WORK}/probe.json"])
        if not done.ok:
            last = "".join(done.output.strip().splitlines()[-1:])
            raise HostError(
                f"{found.command} of {image.name} cannot be probed: {last}",
                remedy="`crossbuild probe` prints the script: run it on the machine itself.",
            )
        copy = Path(directory, "probe.json")
        session.get(f"{WORK}/probe.json", copy)
        document: dict[str, Any] = json.loads(copy.read_bytes())
    return document
