"""The environment of a build: nothing in it differs between runs, nothing is the user's."""

from __future__ import annotations

from collections.abc import Mapping
from string import Template

from crossbuild.building import groundwork
from crossbuild.building.calling import Job
from crossbuild.building.environment import PREFIX
from crossbuild.building.groundwork import Laid
from crossbuild.recipe import Recipe
from crossbuild.toolchain.zig import Toolchain

_NO_DEBUG = {"CFLAGS": "-g0", "CXXFLAGS": "-g0"}
"""Debian's Python compiles extensions with -g, which no published wheel has."""

_OLDEST_CMAKE = "3.5"
"""What CMake 4 takes for the version of projects that were written for an older one, which it
else refuses (cmake-env-variables(7)). For all others nothing changes."""

_PROGRAMS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
"""Docker's default PATH."""


def constant(jobs: int) -> dict[str, str]:
    """What every build sees, whoever calls its backend."""
    return {
        "LC_ALL": "C.UTF-8",
        "TZ": "UTC",
        "PYTHONHASHSEED": "0",
        "MAKEFLAGS": f"-j{jobs}",
        "CMAKE_BUILD_PARALLEL_LEVEL": str(jobs),
        "CMAKE_POLICY_VERSION_MINIMUM": _OLDEST_CMAKE,
        "NPY_NUM_BUILD_JOBS": str(jobs),
    }


def around(jobs: int, tools: Toolchain | None) -> dict[str, str]:
    """What a build by cibuildwheel sees: it adds its own, and then what the package says.

    ``tools`` are the compilers it is lent.
    """
    if tools is None:
        return constant(jobs)
    path = ":".join([tools.path_prefix, *_PROGRAMS])
    return {**constant(jobs), **tools.environment, "PATH": path}


def variables(
    job: Job,
    *,
    jobs: int,
    python: str,
    tools: Toolchain | None,
    foreign: Mapping[str, str],
    laid: Laid | None,
    recipe: Recipe | None,
) -> dict[str, str]:
    """What a build of ours sees, besides the engine's own few.

    ``python`` is the directory of the interpreter, ``tools`` the native compilers, None: the
    image's own, which see ``foreign``. ``laid`` are libraries to be found first.
    """
    own = [f"{PREFIX}/bin", python, "/usr/local/bin", "/usr/bin", "/bin"]
    if tools:
        first = [job.generators.path_prefix] if job.generators else []
        own = [tools.path_prefix, *first, *own]
    seen = {
        **constant(jobs),
        "SOURCE_DATE_EPOCH": str(job.epoch),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONNOUSERSITE": "1",
        "PYTHONUNBUFFERED": "1",
        **(tools.environment if tools else {**_NO_DEBUG, **foreign}),
        "PATH": ":".join(own),
    }
    if laid:
        seen |= groundwork.variables(seen)
    said = recipe.environment if recipe else {}
    return {**seen, **{k: Template(v).safe_substitute(seen) for k, v in said.items()}}
