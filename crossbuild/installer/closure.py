"""What to install: the wheels that fit this machine, and whether they are all that is needed."""

from crossbuild.installer.failure import INCOMPLETE, UNFIT, Failure
from crossbuild.installer.house import House
from crossbuild.installer.installed import Distribution
from crossbuild.installer.machine import Machine
from crossbuild.installer.requirement import Requirement
from crossbuild.installer.versions import Version, contains
from crossbuild.installer.wheelfile import Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any


class Choice:
    """What a project will be: a wheel to install, or the distribution that is there."""

    def __init__(self, wheel: "Wheel | None", kept: "Distribution | None") -> None:
        self.wheel = wheel
        self.kept = kept
        self.version = wheel.version if wheel else kept.version if kept else ""
        self.extras: "set[str]" = set()


class Closure:
    """The choices for what is asked for and all it needs, decided one requirement at a time.

    Raises Failure when something is missing, conflicts, or is not for this machine.
    """

    def __init__(
        self,
        house: House,
        machine: Machine,
        present: "Mapping[str, Distribution]",
        options: "Any",
    ) -> None:
        self.house = house
        self.machine = machine
        self.present = present
        self.options = options
        self.choices: "dict[str, Choice]" = {}
        self.asked: "dict[str, list[tuple[Requirement, str]]]" = {}

    def decide(self, roots: "list[Requirement]") -> "list[Choice]":
        """All choices, in the order in which they were come across."""
        waiting = [(root, "") for root in roots if root.applies(self.machine.markers)]
        for requirement, by in waiting:
            waiting += self.settle(requirement, by)
        return list(self.choices.values())

    def settle(self, requirement: Requirement, by: str) -> "list[tuple[Requirement, str]]":
        """Choose for one requirement; what that needs in turn, and who needs it."""
        name = requirement.name
        self.asked.setdefault(name, []).append((requirement, by))
        choice = self.choices.get(name)
        extras = {"", *requirement.extras}
        if choice is None or not requirement.accepts(choice.version):
            if choice is not None and choice.wheel is not None:
                raise self.conflict(name, choice.version)
            extras |= choice.extras if choice else set()
            choice = self.choices[name] = self.choose(requirement, by)
        new = sorted(extras - choice.extras)
        choice.extras |= extras
        if self.options.no_deps:
            return []
        owner = f"{name} {choice.version}"
        return [(needed, owner) for extra in new for needed in self.needs(choice, extra)]

    def needs(self, choice: Choice, extra: str) -> "Iterator[Requirement]":
        """What a choice needs for one of its extras, or for none.

        Of what is there already, only what the wheelhouse can give: the rest is not its business.
        """
        if choice.wheel is not None:
            yield from self.wheel_needs(choice.wheel, extra)
        elif choice.kept is not None:
            given = {name.project for name in self.house.names.values()}
            for needed in choice.kept.requires():
                if needed.name in given and readably_wanted(needed, self.machine.markers, extra):
                    yield needed

    def wheel_needs(self, wheel: Wheel, extra: str) -> "Iterator[Requirement]":
        for needed in wheel.requires:
            try:
                wanted = wanted_for(needed, self.machine.markers, extra)
            except ValueError as error:
                raise wheel.wrong(f"needs {needed.text!r}: {error}") from None
            if wanted:
                yield needed

    def choose(self, requirement: Requirement, by: str) -> Choice:
        there = self.present.get(requirement.name)
        if there is not None and self.may_stay(there, requirement, by):
            return Choice(None, there)
        filename = self.candidate(requirement)
        if filename is not None:
            wheel = self.house.open(filename)
            self.check_python(wheel)
            return Choice(wheel, None)
        if there is not None and self.accepts(requirement.name, there.version):
            return Choice(None, there)
        raise self.missing(requirement, by, there)

    def may_stay(self, there: Distribution, requirement: Requirement, by: str) -> bool:
        """Whether what is there serves, as pip decides it: what a pin names stays when equal."""
        if self.options.force_reinstall or not self.accepts(there.name, there.version):
            return False
        return bool(by) or not self.options.upgrade or "==" in requirement.specifier

    def accepts(self, name: str, version: str) -> bool:
        """Whether all that was asked of a project so far lets a version be."""
        return all(wanted.accepts(version) for wanted, _ in self.asked[name])

    def candidate(self, requirement: Requirement) -> "str | None":
        """The newest wheel that is allowed, and of that the one that fits best."""
        pin = self.house.pin(requirement.name)
        found = []
        for filename, name in self.house.names.items():
            if name.project != requirement.name or not self.accepts(name.project, name.version):
                continue
            rank = self.machine.rank(name.tag)
            if rank is not None and (pin is None or pin.requirement.accepts(name.version)):
                found.append((Version(name.version).key, -rank, name.build, filename))
        return max(found)[-1] if found else None

    def check_python(self, wheel: Wheel) -> None:
        wanted = wheel.requires_python
        try:
            fits = contains(wanted, self.machine.python)
        except ValueError as error:
            raise wheel.wrong(f"says Requires-Python: {wanted}: {error}") from None
        if not fits:
            raise wheel.wrong(f"needs Python {wanted}, this is {self.machine.python}", UNFIT)

    def conflict(self, name: str, version: str) -> Failure:
        said = [f"{by or 'this wheelhouse'} wants {want.text}" for want, by in self.asked[name]]
        return Failure(INCOMPLETE, f"{name} {version} does not suit all: {', '.join(said)}")

    def missing(self, requirement: Requirement, by: str, there: "Distribution | None") -> Failure:
        """Why nothing serves: no wheel at all, none for this machine, none of such a version."""
        wanted = f"{by} needs {requirement.text}" if by else f"{requirement.text} is asked for"
        remedy = "Make the wheelhouse again with it."
        own = [name for name in self.house.names.items() if name[1].project == requirement.name]
        fitting = [one for _, one in own if self.machine.rank(one.tag) is not None]
        if own and not fitting:
            found = ", ".join(filename for filename, _ in own)
            message = f"{found} is not for this machine ({self.machine.describe()})"
            return Failure(UNFIT, message, "Make the wheelhouse again for this machine.")
        if fitting:
            versions = ", ".join(sorted({one.version for one in fitting}))
            return Failure(INCOMPLETE, f"{wanted}, and the wheelhouse has {versions}", remedy)
        has = f"; {there.version} is installed" if there else ""
        return Failure(INCOMPLETE, f"{wanted}, which the wheelhouse has not{has}", remedy)


def wanted_for(needed: Requirement, markers: "Mapping[str, str]", extra: str) -> bool:
    """Whether a requirement is one of this extra; of no extra, where that is empty."""
    return needed.applies(markers, extra) and not (extra and needed.applies(markers))


def readably_wanted(needed: Requirement, markers: "Mapping[str, str]", extra: str) -> bool:
    """The same of what is installed; a marker that cannot be read there is of no account."""
    try:
        return wanted_for(needed, markers, extra)
    except ValueError:
        return False


def broken(
    present: "Mapping[str, Distribution]", choices: "list[Choice]", markers: "Mapping[str, str]"
) -> "Iterator[str]":
    """What will not be content any more: installed distributions that want other versions."""
    new = {choice.wheel.name.project: choice.version for choice in choices if choice.wheel}
    for distribution in present.values():
        if distribution.name in new:
            continue
        for needed in distribution.requires():
            version = new.get(needed.name)
            if version is not None and not serves(needed, version, markers):
                owner = f"{distribution.name} {distribution.version}"
                yield f"{owner} needs {needed.text}, and {needed.name} will be {version}"


def serves(needed: Requirement, version: str, markers: "Mapping[str, str]") -> bool:
    """Whether a version will do, or the requirement does not apply, or nobody can tell."""
    try:
        return not needed.applies(markers) or needed.accepts(version)
    except ValueError:
        return True
