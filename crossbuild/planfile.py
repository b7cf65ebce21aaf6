"""The plan file: a plan that another machine carries out, with nothing else to go by.

A plan file is the document of ``crossbuild.plan`` (schema ``crossbuild-plan/1``) with a hash for
every file, so that whoever downloads one of them gets the same bytes. It names no index and
holds no credentials: those are each machine's own configuration.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from graphlib import TopologicalSorter
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

from packaging.requirements import Requirement
from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild import era, recipes
from crossbuild import plan as planning
from crossbuild.disk import full_guarded
from crossbuild.errors import UsageError
from crossbuild.excess import Allowance
from crossbuild.model import (
    BuildStep,
    BuildSystem,
    EnvironmentPin,
    FetchStep,
    File,
    Formats,
    Kind,
    Note,
    Pin,
    Plan,
    Policy,
    Purpose,
    Refusal,
    Step,
    Verdict,
    Wanted,
)
from crossbuild.recipe import Recipe
from crossbuild.target import Target

_REMEDY = "Make a plan file with `crossbuild plan REQUIREMENT… --target PLATFORM -o plan.json`."
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SCHEMES = ("https", "http", "file")

T = TypeVar("T")
Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Planned:
    """What a plan file says. ``digest`` names its content, however it is laid out (SHA-256)."""

    plan: Plan
    target: Target
    wanted: Wanted
    digest: str

    def to_json(self) -> dict[str, object]:
        """Give the document that the file holds."""
        return planning.to_json(self.plan, self.target, self.wanted)


def planned(plan: Plan, target: Target, wanted: Wanted) -> Planned:
    """Give a plan its digest, as a reader of the file will compute it."""
    digest = _digest(planning.to_json(plan, target, wanted))
    return Planned(plan=plan, target=target, wanted=wanted, digest=digest)


def write(path: Path, found: Planned) -> None:
    """Write a plan file whole or not at all. Raises UsageError, StorageError."""
    if path.is_dir():
        raise UsageError(f"{path} is a directory", remedy="Name a file for the plan.")
    text = json.dumps(found.to_json(), indent=2, ensure_ascii=False)
    with full_guarded(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.new")
        aside.write_text(f"{text}\n", encoding="utf-8")
        aside.replace(path)


def read(path: Path) -> Planned:
    """Read a plan file. Raises UsageError that says what is missing or cannot be understood."""
    try:
        document = json.loads(path.read_bytes())
    except OSError as error:
        said = (error.strerror or "").lower()
        raise UsageError(f"the plan {path} cannot be read: {said}", remedy=_REMEDY) from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path} is no plan: it is not JSON", remedy=_REMEDY) from error
    try:
        return from_json(document)
    except (KeyError, TypeError, ValueError) as error:
        said = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise UsageError(f"{path} is no plan that can be carried out: {said}",
                         remedy=_REMEDY) from error  # fmt: skip


def from_json(document: object) -> Planned:
    """Read the document of a plan file; what was to be reused is to be fetched.

    Raises KeyError, TypeError or ValueError for what is not as ``crossbuild.plan`` describes it,
    UsageError for a target that crossbuild does not know.
    """
    whole = _is(document, dict)
    if whole.get("schema") != planning.SCHEMA:
        raise ValueError(f"its schema is {whole.get('schema')!r}, not {planning.SCHEMA!r}")
    plan = Plan(
        steps=_each(whole["packages"], _step),
        build_requirements=_each(whole["build_requirements"], _build_requirement),
        notes=_each(whole["notes"], _note),
    )
    _check_order(plan)
    return Planned(
        plan=plan,
        target=Target.from_json(_is(whole["target"], dict)),
        wanted=_wanted(whole),
        digest=_digest(whole),
    )


def _check_order(plan: Plan) -> None:
    """Refuse builds that wait for each other, or for what the plan does not build."""
    after = {
        (step.pin.name, step.pin.version): [
            (item.name, item.version) for item in step.environment if item.file is None
        ]
        for step in plan.builds
    }
    absent = {need for needs in after.values() for need in needs} - after.keys()
    if absent:
        name, version = min(absent)
        raise ValueError(f"a build needs {name} {version}, which it does not build")
    TopologicalSorter(after).prepare()


def _digest(document: Json) -> str:
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _is(value: object, kind: type[T]) -> T:
    if not isinstance(value, kind):
        raise TypeError(f"{str(value)[:60]!r} stands where a {kind.__name__} should")
    return value


def _each(value: object, read: Callable[[Json], T]) -> tuple[T, ...]:
    items: Sequence[object] = _is(value, list)
    return tuple(read(_is(item, dict)) for item in items)


def _texts(value: object) -> tuple[str, ...]:
    return tuple(_is(item, str) for item in _is(value, list))


def _names(value: object) -> tuple[NormalizedName, ...]:
    return tuple(canonicalize_name(text, validate=True) for text in _texts(value))


def _wanted(whole: Json) -> Wanted:
    return Wanted(
        requirements=tuple(map(Requirement, _texts(whole["requirements"]))),
        constraints=tuple(map(Requirement, _texts(whole["constraints"]))),
        policy=Policy(whole["policy"]),
        formats=_formats(_is(whole["formats"], dict)),
        floors=_each(whole.get("floors", []), _allowance),
    )


def _allowance(said: Json) -> Allowance:
    name = said["name"]
    major, minor = _is(said["floor"], str).split(".")
    return Allowance(
        name=None if name is None else canonicalize_name(name, validate=True),
        floor=(int(major), int(minor)),
    )


def _formats(said: Json) -> Formats:
    pairs = [_texts(pair) for pair in _is(said["hashes"], list)]
    return Formats(
        only_binary=frozenset(_names(said["only_binary"])),
        only_binary_all=_is(said["only_binary_all"], bool),
        no_binary=frozenset(_names(said["no_binary"])),
        no_binary_all=_is(said["no_binary_all"], bool),
        hashes=frozenset((canonicalize_name(name), sha256) for name, sha256 in pairs),
        hashes_required=_is(said["hashes_required"], bool),
    )


def _note(said: Json) -> Note:
    return Note(name=canonicalize_name(said["name"]), text=_is(said["text"], str))


def _step(said: Json) -> Step:
    if said["step"] == "build":
        return _build(said, Purpose.TARGET)
    if said["step"] not in {"fetch", "reuse"}:
        raise ValueError(f"{said['step']!r} is no step")
    return FetchStep(pin=_pin(said), file=_file(said["file"]), verdicts=_verdicts(said))


def _build_requirement(said: Json) -> BuildStep:
    return _build(said, Purpose.BUILD_REQUIREMENT)


def _build(said: Json, purpose: Purpose) -> BuildStep:
    build = _is(said["build"], dict)
    return BuildStep(
        pin=_pin(said),
        source=_file(said["file"]),
        verdicts=_verdicts(said),
        system=BuildSystem(
            backend=_is(build["backend"], str),
            backend_path=_texts(build["backend_path"]),
            requires=_texts(build["requires"]),
        ),
        environment=_each(build["environment"], _installed),
        purpose=purpose,
        recipe=_recipe(build["recipe"]),
        era=era.from_json(build.get("era")),
    )


def _recipe(said: object) -> Recipe | None:
    return None if said is None else recipes.from_json(_is(said, dict), Path("its recipe"))


def _installed(said: Json) -> EnvironmentPin:
    return EnvironmentPin(
        name=canonicalize_name(said["name"], validate=True),
        version=Version(said["version"]),
        file=None if said["file"] is None else _file(said["file"]),
    )


def _pin(said: Json) -> Pin:
    return Pin(
        name=canonicalize_name(_is(said["name"], str), validate=True),
        version=Version(_is(said["version"], str)),
        files=(),
        requested=_is(said["requested"], bool),
        required_by=_names(said["required_by"]),
        built=said["step"] == "build",
    )


def _verdicts(said: Json) -> tuple[Verdict, ...]:
    return _each(said["candidates"], _verdict)


def _verdict(said: Json) -> Verdict:
    filename, url = _location(said)
    refusal = None if said["refusal"] is None else Refusal(said["refusal"])
    file = File(filename=filename, url=url, kind=_kind(filename))
    return Verdict(file=file, refusal=refusal, reason=_is(said["reason"], str))


def _file(value: object) -> File:
    said = _is(value, dict)
    filename, url = _location(said)
    sha256 = said["sha256"]
    if not isinstance(sha256, str) or not _SHA256.fullmatch(sha256):
        raise ValueError(f"{filename} has no SHA-256")
    size = None if said["size"] is None else _is(said["size"], int)
    return File(filename=filename, url=url, kind=_kind(filename), sha256=sha256, size=size)


def _location(said: Json) -> tuple[str, str]:
    """The name and address of a file; a name is no path, for files are kept under it."""
    filename, url = _is(said["filename"], str), _is(said["url"], str)
    if filename in {"", ".", ".."} or not {"/", "\0"}.isdisjoint(filename):
        raise ValueError(f"{filename!r} is no file name")
    if urlsplit(url).scheme not in _SCHEMES:
        raise ValueError(f"{url!r} is no address to download {filename} from")
    return filename, url


def _kind(filename: str) -> Kind:
    return Kind.WHEEL if filename.endswith(".whl") else Kind.SDIST
