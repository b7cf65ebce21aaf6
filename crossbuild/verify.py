"""Static proof of wheels for a target: nothing runs, every byte and every promise is checked.

Published wheels lie: code for another processor, a tag that promises glibc 2.17 around code
that needs 2.34. What is found here is what would fail on the offline machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.tags import Tag

from crossbuild.errors import IntegrityError, VerificationError
from crossbuild.target import Target
from crossbuild.wheels import elf, libraries, machines, promises, wheel
from crossbuild.wheels.closure import borrowed, closure
from crossbuild.wheels.elf import SymbolVersion
from crossbuild.wheels.findings import Finding, FindingKind
from crossbuild.wheels.promises import Promise
from crossbuild.wheels.wheel import WheelContents

__all__ = [
    "Examined",
    "Finding",
    "FindingKind",
    "borrowed",
    "check",
    "closure",
    "examine",
    "findings",
]

_SHOWN = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Examined:
    """One wheel, read once. ``contents`` is None when it could not be read to its end.

    It is refused for its ``faults``; ``remarks`` are worth a look.
    """

    path: Path
    contents: WheelContents | None
    faults: tuple[Finding, ...]
    remarks: tuple[Finding, ...] = ()


def check(path: Path, target: Target) -> WheelContents:
    """Read a wheel and prove it for the target.

    Raises VerificationError that names the wheel and says what is wrong with it; StorageError
    when the file cannot be read.
    """
    examined = examine(path, target)
    texts = [finding.text for finding in examined.faults]
    if examined.contents and not texts:
        return examined.contents
    more = f"; and {len(texts) - _SHOWN} more findings" if len(texts) > _SHOWN else ""
    raise VerificationError(
        f"{path.name}: {'; '.join(texts[:_SHOWN])}{more}",
        remedy="Choose another version of it, or let crossbuild build it with --no-binary.",
    )


def findings(path: Path, target: Target) -> tuple[Finding, ...]:
    """The faults for which one wheel is refused. Raises as ``examine`` does."""
    return examine(path, target).faults


def examine(path: Path, target: Target) -> Examined:
    """Read a wheel and look for everything that is wrong with it for the target.

    Libraries that the wheels it requires may bring are for ``borrowed`` and ``closure``, which
    see them all. Raises StorageError when the file cannot be read.
    """
    try:
        contents = wheel.read(path)
        found = tuple(dict.fromkeys(_all(contents, target)))
    except IntegrityError as error:
        text = str(error).removeprefix(path.name).lstrip(": ")
        damaged = Finding(file=path.name, kind=FindingKind.ARCHIVE, text=text)
        return Examined(path=path, contents=None, faults=(damaged,))
    return Examined(
        path=path,
        contents=contents,
        faults=tuple(finding for finding in found if finding.fatal),
        remarks=tuple(finding for finding in found if not finding.fatal),
    )


def _all(contents: WheelContents, target: Target) -> Iterator[Finding]:
    yield from _names(contents)
    yield from _tags(contents, target)
    yield from _python(contents, target)
    yield from _foreign(contents, target)
    promise = promises.of(target)
    if promise:
        yield from _libraries(contents, target, promise)
        yield from _versions(contents, target, promise)


def _names(contents: WheelContents) -> Iterator[Finding]:
    """The file name against METADATA."""
    promised = wheel.parse_filename(contents.filename)
    if promised.name != contents.name:
        yield _finding(contents, FindingKind.NAME, f"its METADATA is that of {contents.name}")
    if promised.version != contents.version:
        text = f"its METADATA has version {contents.version}"
        yield _finding(contents, FindingKind.NAME, text)


def _tags(contents: WheelContents, target: Target) -> Iterator[Finding]:
    """The tags of the file name, then those of WHEEL.

    Tags that differ and fit both are no reason to refuse: installers go by the file name.
    """
    fatal = True
    same = contents.wheel_tags in (contents.tags, _unrepaired(contents.tags, target))
    if refusal := target.refusal(contents.tags):
        text = f"its file name does not fit the target: {refusal[1]}"
    elif not contents.wheel_tags:
        text = "its WHEEL file has no tags"
    elif refusal := target.refusal(contents.wheel_tags):
        text = f"its WHEEL file does not fit the target: {refusal[1]}"
    elif not same:
        fatal = False
        said = ", ".join(sorted(map(str, contents.wheel_tags)))
        text = f"its WHEEL file has other tags than its name: {said}"
    else:
        return
    yield _finding(contents, FindingKind.TAG, text, fatal=fatal)


def _unrepaired(tags: frozenset[Tag], target: Target) -> frozenset[Tag]:
    """The tags a wheel was built with, where someone only renamed the file."""
    plain = f"linux_{target.arch}"
    return frozenset(
        Tag(tag.interpreter, tag.abi, plain if tag.platform != "any" else "any") for tag in tags
    )


def _python(contents: WheelContents, target: Target) -> Iterator[Finding]:
    wanted = contents.requires_python
    if wanted is not None and not target.accepts_python(wanted):
        text = f"it needs Python {wanted}, the target has {target.python_given}"
        yield _finding(contents, FindingKind.PYTHON, text)


def _foreign(contents: WheelContents, target: Target) -> Iterator[Finding]:
    """Code for another processor, class or byte order."""
    for member, info in contents.elves.items():
        if machines.same(info, target.arch) or machines.is_data(contents, member):
            continue
        text = f"{member} is code for {machines.described(info)}, the target is {target.arch}"
        yield _finding(contents, FindingKind.MACHINE, text)


def _libraries(contents: WheelContents, target: Target, promise: Promise) -> Iterator[Finding]:
    """Libraries that are neither in the wheel nor on every machine of the target's kind."""
    lacking = libraries.lacks(contents, target.arch, promise)
    hopeless = (lack for lack in lacking if lack.hopeless)
    yield from libraries.findings(contents, hopeless, target)


def _versions(contents: WheelContents, target: Target, promise: Promise) -> Iterator[Finding]:
    """Symbol versions that the promised libraries need not have, the highest of each library."""
    files = libraries.own(contents, target.arch)
    inside = libraries.provided(files)
    for member, info in files.items():
        offered = [
            item
            for item in info.versions
            if item.library not in inside and promise.offers(item.library)
        ]
        for version in promises.highest(item for item in offered if not promise.keeps(item)):
            yield _finding(
                contents, FindingKind.SYMBOL, _symbol(contents, member, version, target)
            )


def _symbol(contents: WheelContents, member: str, version: SymbolVersion, target: Target) -> str:
    with wheel.member(contents.path, member) as stream:
        symbol = elf.symbol(stream, f"{contents.filename}: {member}", version)
    what = f"{symbol}@{version.name}" if symbol else version.name
    lowest = promises.lowest(target, [version])
    would_do = f", {lowest} is the lowest target that does" if lowest else ""
    need = f"{member} needs {what} of {version.library}"
    return f"{need}: {target.platform} does not promise it{would_do}"


def _finding(
    contents: WheelContents, kind: FindingKind, text: str, *, fatal: bool = True
) -> Finding:
    return Finding(file=contents.filename, kind=kind, text=text, fatal=fatal)
