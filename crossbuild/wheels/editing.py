"""Changing files of a wheel: where an ELF file looks for libraries, what is in the archive."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath

from crossbuild import process
from crossbuild.wheels.patching import patchelf


def searching(
    data: bytes, member: str, search: Iterable[str], scratch: Path, needing: Iterable[str] = ()
) -> bytes:
    """An ELF file that looks for libraries in ``search``, and needs more of them.

    Its search path is DT_RPATH, which holds for what it loads, too (ld.so(8)). ``scratch`` is a
    directory. Raises ProcessError, HostError without patchelf.
    """
    path = scratch / PurePosixPath(member).name
    path.write_bytes(data)
    added = [word for library in needing for word in ("--add-needed", library)]
    paths = ":".join(dict.fromkeys(search))
    process.run(
        [str(patchelf()), *added, "--force-rpath", "--set-rpath", paths, str(path)], env={}
    )
    changed = path.read_bytes()
    path.unlink()
    return changed


def edit(
    source: Path, made: Path, changed: Mapping[str, bytes], added: Mapping[str, Path]
) -> None:
    """Copy a wheel, with other bytes for some members, and files that are new in it.

    RECORD stays that of the old one.
    """
    made.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(made, "w") as new:
        for item in old.infolist():
            if item.filename in changed:
                new.writestr(item, changed[item.filename])
                continue
            with old.open(item) as stream, new.open(item, "w") as output:
                shutil.copyfileobj(stream, output)
        for member, path in added.items():
            new.write(path, member)
