"""Installs the wheels that lie beside it into this Python: no pip, no network, no other program.

    python3 install.py --help

Python 3.6 or newer, the standard library alone, and of that no json, zipfile, subprocess or ssl.
Everything is checked before anything is written, and all is installed or nothing, even when it
is killed. In another program: ``exec(compile(text, "install.py", "exec"), space)``, then
``space["main"](arguments, directory)`` gives the exit code.
"""

import os
import sys

from crossbuild.installer.checking import faults, modules_of
from crossbuild.installer.closure import Choice, Closure, broken
from crossbuild.installer.environments import stage_venv, venv_scheme
from crossbuild.installer.failure import FAILED, USAGE, Failure, reason
from crossbuild.installer.house import House
from crossbuild.installer.importing import imported_from
from crossbuild.installer.installed import Distribution, on_path, scan
from crossbuild.installer.journal import Journal
from crossbuild.installer.machine import Machine
from crossbuild.installer.options import USAGE_TEXT, Options
from crossbuild.installer.pips import no_pip, pip_house, run_pip
from crossbuild.installer.requirement import Requirement
from crossbuild.installer.saying import complain, exit_code, say
from crossbuild.installer.schemes import Scheme, refuse_managed, scheme_for
from crossbuild.installer.signature import check_signature
from crossbuild.installer.staging import Stage, steps_for

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: "Sequence[str] | None" = None, directory: "str | None" = None) -> int:
    """Do what the arguments say with the wheelhouse in ``directory``; the exit code."""
    words = sys.argv[1:] if argv is None else argv
    left = "interrupted: nothing was changed, or the next run brings it to its end"
    try:
        return exit_code(lambda: run(Options(words), directory or beside()), "the disk", left)
    except Exception as error:  # noqa: BLE001
        trace = error.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        place = f" in line {trace.tb_lineno}" if trace is not None else ""
        what = f"{type(error).__name__}: {reason(error)}"
        complain(f"error: a defect of install.py{place}: {what}.")
        return 70


def beside() -> str:
    """The directory of this file; where it came through a pipe, the current one."""
    return os.path.dirname(os.path.abspath(globals().get("__file__") or "install.py"))


def run(options: Options, directory: str) -> int:
    if options.help:
        say(USAGE_TEXT)
        return 0
    if options.verify_key:
        check_signature(directory, str(options.verify_key))
    scheme = venv_scheme(options.venv) if options.venv else scheme_for(options, say)
    if options.list:
        return show(scheme)
    if options.verify:
        return verify(options, scheme, House(directory))
    elsewhere = options.root or options.target or options.prefix or options.venv
    if not (options.dry_run or elsewhere or options.break_system_packages):
        refuse_managed()
    if options.recover:
        with Journal(scheme.paths["purelib"], say):
            return 0
    if options.uninstall:
        return uninstall(options, scheme)
    house = House(directory)
    try:
        return install(options, scheme, house)
    finally:
        house.close()


def own(scheme: Scheme) -> "dict[str, Distribution]":
    """What is installed in the very place."""
    found = scan(scheme.paths["platlib"])
    found.update(scan(scheme.paths["purelib"]))
    return found


def around(scheme: Scheme) -> "dict[str, Distribution]":
    """What counts as installed: what is in the place and, where that counts, on the path."""
    if scheme.searched:
        return on_path([scheme.paths["purelib"], scheme.paths["platlib"]])
    return own(scheme)


def show(scheme: Scheme) -> int:
    for name, distribution in sorted(own(scheme).items()):
        say(f"{name} {distribution.version}")
    return 0


def uninstall(options: Options, scheme: Scheme) -> int:
    """Remove distributions. Raises Failure when one cannot be removed; then none is."""
    there = own(scheme)
    names = [requirement.name for requirement in asked_for(options)]
    for name in names:
        if name not in there:
            say(f"{name} is not installed in {scheme.paths['purelib']}")
    leaving = [there[name] for name in names if name in there]
    if not options.dry_run:
        with Journal(scheme.paths["purelib"], say) as journal:
            journal.carry_out(steps_for(journal, leaving, scheme))
    for distribution in leaving:
        verb = "Would remove" if options.dry_run else "Removed"
        say(f"{verb} {distribution.name} {distribution.version}")
    return 0


def verify(options: Options, scheme: Scheme, house: House) -> int:
    """Hold what is installed against RECORD and import it; 1 if something is wrong."""
    there = around(scheme)
    names = [root.name for root in asked_for(options) or house.roots()]
    names.sort(key=lambda one: one != "setuptools")  # it wants to be the first
    wrong = {
        name: list(faults(there[name]))
        if name in there
        else [f"is not installed in {scheme.title}"]
        for name in names
    }
    looked = () if options.root else names
    modules = {name: modules_of(there[name]) for name in looked if name in there}
    owners = {module: name for name, found in modules.items() for module in found}
    places = [scheme.paths["purelib"], scheme.paths["platlib"]]
    for module, fault in imported_from(places, list(owners)):
        if fault:
            wrong[owners[module]].append(f"import {module}: {fault}")
    for name, faulty in wrong.items():
        for what in faulty:
            say(f"{name}: {what}")
        if not faulty:
            count = len(modules.get(name, ()))
            say(f"{name} {there[name].version}: whole, modules imported: {count}")
    return FAILED if any(wrong.values()) else 0


def install(options: Options, scheme: Scheme, house: House) -> int:
    """Check, decide, and install in one transaction."""
    machine = Machine()
    if options.dry_run or options.with_pip:
        choices, there = decide(options, scheme, house, machine)
        checked = [choice.wheel for choice in choices if choice.wheel is not None]
        if options.dry_run or not checked:
            announce(choices, there, "Would install")
        else:
            run_pip(options, checked)
        return 0
    with Journal(scheme.paths["purelib"], say) as journal:
        choices, there = decide(options, scheme, house, machine)
        wheels = [choice.wheel for choice in choices if choice.wheel is not None]
        if wheels:
            say(f"Installing {len(wheels)} of {len(choices)} packages into {scheme.title}")
        if scheme.venv:
            stage_venv(scheme, journal)
        for wheel in wheels:
            Stage(wheel, scheme, journal).unpack(not options.no_compile)
        replaced = [there[wheel.name.project] for wheel in wheels if wheel.name.project in there]
        steps = steps_for(journal, replaced, scheme)
        if steps:
            journal.carry_out(steps)
    announce(choices, there, "Installed")
    return 0


def asked_for(options: Options) -> "list[Requirement]":
    """What the command line names. Raises Failure for what is no requirement."""
    try:
        return [Requirement(name) for name in options.names]
    except ValueError as error:
        raise Failure(USAGE, reason(error)) from None


def decide(
    options: Options, scheme: Scheme, house: House, machine: Machine
) -> "tuple[list[Choice], dict[str, Distribution]]":
    """The choices, and what is installed in the place."""
    there, present = own(scheme), around(scheme)
    roots = asked_for(options) or house.roots()
    if not roots:
        raise Failure(USAGE, f"{house.directory} holds no wheels")
    closure = Closure(house, machine, present, options)
    choices = closure.decide(roots)
    if options.bootstrap_pip and "pip" not in closure.choices:
        choices += bootstrap(house, machine, present, options)
    for warning in broken(present, choices, machine.markers):
        say(f"warning: {warning}")
    return choices, there


def bootstrap(
    house: House, machine: Machine, present: "dict[str, Distribution]", options: Options
) -> "list[Choice]":
    """pip, from where it lies. Raises Failure where it lies nowhere."""
    if "pip" in present:
        return [Choice(None, present["pip"])]
    source = pip_house(house)
    if source is None:
        raise no_pip()
    return Closure(source, machine, present, options).decide([Requirement("pip")])


def announce(choices: "list[Choice]", there: "dict[str, Distribution]", verb: str) -> None:
    """What became of each package."""
    for choice in choices:
        if choice.kept is not None:
            say(f"{choice.kept.name} {choice.version} is there already")
        elif choice.wheel is not None:
            name = choice.wheel.name.project
            before = there.get(name)
            instead = f" (replaces {before.version})" if before is not None else ""
            say(f"{verb} {name} {choice.version}{instead}")


if __name__ == "__main__":
    sys.exit(main())
