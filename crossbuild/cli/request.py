"""From what the command line says to what the pipeline is asked: values, no services."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from crossbuild import recipes as recipe_files
from crossbuild.cli import reading, requirement_file, requirements
from crossbuild.cli.arguments import Options
from crossbuild.cli.requirement_file import Requested
from crossbuild.engine.base import Limits
from crossbuild.engine.images import registry as registries
from crossbuild.engine.images.registry import Registry
from crossbuild.errors import UsageError
from crossbuild.model import Formats, Wanted
from crossbuild.net.configuration import Indexes, load
from crossbuild.pipeline import Request
from crossbuild.planfile import Planned
from crossbuild.platforms import Family
from crossbuild.recipes import Recipes
from crossbuild.target import Target
from crossbuild.targets import choice


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where the command runs: the user's environment, home and directory."""

    environment: dict[str, str]
    home: Path
    directory: Path


def requested(
    options: Options, around: Surroundings, machine: Target | None = None
) -> tuple[Request, Indexes]:
    """Everything that can be said wrongly about a run, read before anything is opened.

    ``machine`` is the target where it is not said but found out.
    """
    found = asked(options, around)
    machine = machine or target(options, around)
    whole = _request(options, wanted(options, found), machine, options.output)
    return whole, indexes(options, around, found)


def carried_out(options: Options, given: Planned, output: Path) -> Request:
    """What to do of a plan file: what to make is said there, how on the command line."""
    return _request(options, given.wanted, given.target, output)


def _request(options: Options, wanted: Wanted, target: Target, output: Path) -> Request:
    return Request(
        wanted=wanted,
        target=target,
        output=output,
        limits=limits(options),
        smoke=options.smoke,
        imports=options.imports,
        keep=options.keep,
    )


def asked(options: Options, around: Surroundings) -> Requested:
    """Read the words and files of requirements together, the words first.

    Raises UsageError for what cannot be understood.
    """
    files = requirement_file.read(
        list(options.files), list(options.constraints), around.environment
    )
    words = options.words[1:] if options.command == "verify" else options.words
    named = [requirements.parse(word, around.directory) for word in words]
    return replace(files, requirements=[*named, *files.requirements])


def wanted(options: Options, found: Requested) -> Wanted:
    """What to resolve. Raises UsageError when nothing was asked for."""
    if not found.requirements:
        empty = f"{options.files[0]} names no package" if options.files else "no package is named"
        raise UsageError(empty, remedy="For example: crossbuild matplotlib --target PLATFORM")
    return Wanted(
        requirements=tuple(found.requirements),
        constraints=tuple(found.constraints),
        policy=options.policy,
        formats=_formats(options, found),
        floors=options.floors,
    )


def _formats(options: Options, found: Requested) -> Formats:
    """Which files may be used: the command line's words beat those of the files."""
    return replace(
        reading.formats([*found.formats, *options.formats]),
        hashes=frozenset((name, one) for name, several in found.hashes.items() for one in several),
        hashes_required=found.require_hashes,
    )


def target(options: Options, around: Surroundings) -> Target:
    """The machine the wheels are for. Raises UsageError, with the forms, when it is not said."""
    if options.target is None:
        raise UsageError(
            "--target is missing: which machine are the wheels for?",
            remedy="For example --target manylinux2014_aarch64 (glibc 2.17 or newer), "
            "manylinux_2_28_x86_64, musllinux_1_2_aarch64, linux_aarch64, or a name that "
            "`crossbuild targets` lists.",
        )
    found = choice.target(
        options.target,
        options.python,
        default_python=f"{sys.version_info[0]}.{sys.version_info[1]}",
        directory=around.directory,
    )
    if options.floors and found.family is not Family.MANYLINUX:
        raise UsageError(
            f"--allow-floor lifts a floor of glibc, and {found.platform} promises none",
            remedy="Leave it out, or make the wheels for a manylinux target.",
        )
    return found


def doubts(options: Options) -> tuple[str, ...]:
    """What is not certain of a target that was named, a sentence each."""
    return choice.doubts(options.target, options.python) if options.target else ()


def limits(options: Options) -> Limits:
    """What a build may use."""
    return Limits(
        wall=options.timeout,
        idle=min(options.idle_timeout, options.timeout),
        memory=options.memory,
    )


def jobs(options: Options) -> int:
    """How many downloads or builds at a time: as many as this process may use processors."""
    return options.jobs or len(os.sched_getaffinity(0))


def indexes(options: Options, around: Surroundings, found: Requested | None = None) -> Indexes:
    """The package indexes; the command line's words beat those of the requirements files."""
    found = found or Requested()
    return load(
        around.environment | _settings(found, around.environment),
        index_url=options.index_url or found.index_url,
        extra_index_urls=(*options.extra_index_urls, *found.extra_index_urls),
        find_links=(*options.find_links, *found.find_links),
        home=around.home,
        directory=around.directory,
    )


def _settings(found: Requested, environment: Mapping[str, str]) -> dict[str, str]:
    """What requirements files say that pip's environment variables say too."""
    said = {"PIP_NO_INDEX": "1"} if found.no_index else {}
    if found.trusted_hosts:
        hosts = [*environment.get("PIP_TRUSTED_HOST", "").split(), *found.trusted_hosts]
        said["PIP_TRUSTED_HOST"] = " ".join(hosts)
    return said


def recipes(options: Options, around: Surroundings) -> Recipes:
    """The recipes that may be used: ours, a user's own before them, or none."""
    if options.recipes is None:
        return recipe_files.shipped()
    if options.recipes == Path("none"):
        return recipe_files.NONE
    own = recipe_files.read(around.directory / options.recipes)
    return recipe_files.overlaid(recipe_files.shipped(), own)


def registry(options: Options, around: Surroundings) -> Registry | None:
    """Where images are pulled from: ``--registry``, or ``CROSSBUILD_REGISTRY``.

    Raises UsageError for a variable that cannot be understood.
    """
    said = around.environment.get("CROSSBUILD_REGISTRY")
    if options.registry is not None or not said:
        return options.registry
    try:
        return registries.parse(said)
    except ValueError as error:
        raise UsageError(f"CROSSBUILD_REGISTRY: {error}") from error


def cache(options: Options, around: Surroundings) -> Path:
    """Where downloads, root file systems and built wheels are kept.

    ``--cache-dir``, ``CROSSBUILD_CACHE_DIR``, or ``crossbuild`` in the user's cache directory
    (XDG Base Directory Specification: a relative XDG_CACHE_HOME counts for nothing).
    """
    if options.cache_dir is not None:
        return around.directory / options.cache_dir
    if named := around.environment.get("CROSSBUILD_CACHE_DIR"):
        return around.directory / Path(named).expanduser()
    base = Path(around.environment.get("XDG_CACHE_HOME") or "")
    return (base if base.is_absolute() else around.home / ".cache") / "crossbuild"
