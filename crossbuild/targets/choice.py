"""What ``--target`` can say: a platform tag, a distribution's name, or the file of a probe."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crossbuild import platforms
from crossbuild.errors import UsageError
from crossbuild.platforms import Family
from crossbuild.target import Target
from crossbuild.targets import named, probe


def target(said: str, python: str | None, *, default_python: str, directory: Path) -> Target:
    """The machine that the user means; a file is sought in ``directory``.

    ``python`` (X.Y or X.Y.Z) None: a distribution's own, a probe's, else ``default_python``.
    Raises UsageError that names the nearest tag or distribution, and as ``probe.read`` does.
    """
    if said.endswith(".json") or "/" in said:
        return _probed(directory / Path(said).expanduser(), python)
    if (found := named.find(said)) is not None:
        distribution, arch = found
        tag = platforms.names(Family.MANYLINUX, arch, distribution.glibc)[0]
        return replace(Target.parse(tag, python or distribution.python), name=said)
    try:
        return Target.parse(said, python or default_python)
    except UsageError:
        near = named.nearest(said)
        if near is None:
            raise
        remedy = f"Did you mean {near}? {platforms.FORMS}"
        raise UsageError(f"unknown target {said!r}", remedy=remedy) from None


def doubts(said: str, python: str | None) -> tuple[str, ...]:
    """What is not certain of a distribution that was named, a sentence each."""
    found = named.find(said)
    if found is None:
        return ()
    return tuple(doubt for doubt in found[0].doubts if not (python and " has CPython " in doubt))


def _probed(path: Path, python: str | None) -> Target:
    found = probe.read(path)
    if python is not None and python not in (found.python_version, found.python_full_version):
        raise UsageError(
            f"{path} tells of CPython {found.python_full_version}, --python says {python}",
            remedy="Leave --python out, or probe that Python.",
        )
    return found
