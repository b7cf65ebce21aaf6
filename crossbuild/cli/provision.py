"""Which host packages are missing, and the commands that install them on each distribution."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from crossbuild.cli.doctor import Check, State
from crossbuild.errors import HostError
from crossbuild.platforms import Arch


class Need(enum.Enum):
    """Something a package of the host provides."""

    SANDBOX = "bubblewrap"
    NAMESPACES = "util-linux"
    UNPACKER = "mmdebstrap"
    KEYS = "Debian's archive keys"
    PULLER = "skopeo"
    DOCKER = "the Docker daemon"
    EMULATOR = "QEMU user-mode emulation"


_NEEDS = {
    "bwrap": Need.SANDBOX,
    "unshare": Need.NAMESPACES,
    "setpriv": Need.NAMESPACES,
    "prlimit": Need.NAMESPACES,
    "mount": Need.NAMESPACES,
    "mmdebstrap": Need.UNPACKER,
    "Debian's keys": Need.KEYS,
    "skopeo": Need.PULLER,
    "Docker": Need.DOCKER,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Manager:
    """A package manager. ``names`` are alternatives, the best first; ``{qemu}`` is QEMU's arch.

    ``query`` plus a name prints something and returns 0 when the package can be installed.
    """

    program: str
    refresh: tuple[str, ...]
    install: tuple[str, ...]
    query: tuple[str, ...]
    names: Mapping[Need, tuple[str, ...]]


MANAGERS = (
    Manager(
        program="apt-get",
        refresh=("apt-get", "update"),
        install=("apt-get", "install", "--yes", "--no-install-recommends"),
        query=("apt-cache", "show", "--no-all-versions"),
        names={
            Need.SANDBOX: ("bubblewrap",),
            Need.NAMESPACES: ("util-linux",),
            Need.UNPACKER: ("mmdebstrap",),
            Need.KEYS: ("debian-archive-keyring",),
            Need.PULLER: ("skopeo",),
            Need.DOCKER: ("docker.io",),
            # Debian 13 moved the static emulators to qemu-user; before, that was dynamic.
            Need.EMULATOR: ("qemu-user-static", "qemu-user"),
        },
    ),
    Manager(
        program="dnf",
        refresh=(),
        install=("dnf", "install", "--assumeyes", "--setopt=install_weak_deps=False"),
        query=("dnf", "--quiet", "list"),
        names={
            Need.SANDBOX: ("bubblewrap",),
            Need.NAMESPACES: ("util-linux",),
            Need.UNPACKER: ("mmdebstrap",),
            Need.KEYS: ("debian-keyring",),
            Need.PULLER: ("skopeo",),
            Need.DOCKER: ("moby-engine", "docker"),
            Need.EMULATOR: ("qemu-user-static-{qemu}", "qemu-user-static"),
        },
    ),
    Manager(
        program="zypper",
        refresh=("zypper", "--non-interactive", "refresh"),
        install=("zypper", "--non-interactive", "install", "--no-recommends"),
        query=("zypper", "--non-interactive", "--quiet", "search", "--match-exact"),
        names={
            Need.SANDBOX: ("bubblewrap",),
            Need.NAMESPACES: ("util-linux",),
            Need.UNPACKER: ("mmdebstrap",),
            Need.KEYS: ("debian-archive-keyring", "debian-keyring"),
            Need.PULLER: ("skopeo",),
            Need.DOCKER: ("docker",),
            Need.EMULATOR: ("qemu-linux-user",),
        },
    ),
    Manager(
        program="pacman",
        refresh=(),
        install=("pacman", "--sync", "--needed", "--noconfirm"),
        query=("pacman", "--sync", "--info"),
        names={
            Need.SANDBOX: ("bubblewrap",),
            Need.NAMESPACES: ("util-linux",),
            Need.UNPACKER: ("mmdebstrap",),
            Need.KEYS: ("debian-archive-keyring",),
            Need.PULLER: ("skopeo",),
            Need.DOCKER: ("docker",),
            Need.EMULATOR: ("qemu-user-static",),
        },
    ),
    Manager(
        program="apk",
        refresh=("apk", "update"),
        install=("apk", "add"),
        query=("apk", "search", "--exact"),
        names={
            Need.SANDBOX: ("bubblewrap",),
            Need.NAMESPACES: ("util-linux-misc", "util-linux"),
            Need.UNPACKER: ("mmdebstrap",),
            Need.KEYS: ("debian-archive-keyring",),
            Need.PULLER: ("skopeo",),
            Need.DOCKER: ("docker",),
            Need.EMULATOR: ("qemu-{qemu}",),
        },
    ),
)
_UNPACKER_REMEDY = (
    "This distribution has no package of mmdebstrap: install it from its project (one Perl "
    "script; it needs apt and perl), or use a Debian, Ubuntu or Fedora host."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Provision:
    """What setup would do: commands in order, and what it cannot do, each with why."""

    commands: tuple[tuple[str, ...], ...]
    packages: tuple[str, ...]
    left: tuple[str, ...]


def needs(checks: Sequence[Check]) -> tuple[Need, ...]:
    """What packages can mend of the doctor's findings."""
    found: dict[Need, None] = {}
    for check in checks:
        need = Need.EMULATOR if check.name.startswith("emulator for ") else _NEEDS.get(check.name)
        if need is not None and check.state is State.MISSING:
            found[need] = None
    return tuple(found)


def beyond(checks: Sequence[Check]) -> tuple[Check, ...]:
    """The findings that no package mends: the kernel's settings, disks, images."""
    mended = needs(checks)
    return tuple(
        check
        for check in checks
        if check.state is State.MISSING
        and check.name not in _NEEDS
        and not check.name.startswith("emulator for ")
        and not (mended and check.name.startswith("running "))
    )


def manager() -> Manager:
    """The host's package manager. Raises HostError when none is known."""
    for candidate in MANAGERS:
        if process.which(candidate.program):
            return candidate
    known = ", ".join(candidate.program for candidate in MANAGERS)
    raise HostError(
        "this host has no package manager that setup knows",
        remedy=f"Install what `crossbuild doctor` names by hand (setup knows {known}).",
    )


def elevation(*, root: bool) -> tuple[str, ...]:
    """What makes a command root's: nothing for root, else sudo or doas. HostError: neither."""
    if root:
        return ()
    program = elevator()
    if program is None:
        raise HostError(
            "installing packages needs root, and there is neither sudo nor doas",
            remedy="Run `crossbuild setup` as root; --dry-run shows the commands.",
        )
    return (program,)


def elevator() -> str | None:
    """The program that makes a user root, if there is one."""
    return next((program for program in ("sudo", "doas") if process.which(program)), None)


def provision(
    wanted: Sequence[Need],
    arch: Arch,
    manager: Manager,
    prefix: tuple[str, ...],
    known: Callable[[str], bool],
) -> Provision:
    """Choose the packages and write the commands; ``known`` says whether a package exists here.

    Where not even bubblewrap is known the package lists are empty, and the first names are
    taken on trust.
    """
    if not wanted:
        return Provision(commands=(), packages=(), left=())
    trusting = not known(manager.names[Need.SANDBOX][0])
    packages: list[str] = []
    left: list[str] = []
    for need in wanted:
        names = [name.format(qemu=_qemu(arch, manager)) for name in manager.names[need]]
        chosen = names[0] if trusting else next(filter(known, names), None)
        if chosen is not None:
            packages.append(chosen)
        else:
            left.append(_absent(need, names))
    install = (*prefix, *manager.install, *packages)
    refresh = ((*prefix, *manager.refresh),) if manager.refresh and packages else ()
    start = ((*prefix, *_start()),) if Need.DOCKER in wanted else ()
    commands = (*refresh, install, *start) if packages else ()
    return Provision(commands=commands, packages=tuple(packages), left=tuple(left))


def to_json(plan: Provision) -> dict[str, object]:
    """The plan as JSON, schema ``crossbuild-setup/1``: commands are lists of words."""
    return {
        "schema": "crossbuild-setup/1",
        "packages": list(plan.packages),
        "commands": [list(command) for command in plan.commands],
        "left": list(plan.left),
    }


def ask(manager: Manager) -> Callable[[str], bool]:
    """A question to the package manager: can this package be installed?"""

    def known(name: str) -> bool:
        done = process.run([*manager.query, name], check=False, timeout=120)
        return done.returncode == 0 and bool(done.stdout.strip())

    return known


def _start() -> tuple[str, ...]:
    """The command that starts Docker's daemon, where the package has not: now, and at boot."""
    if Path("/run/systemd/system").is_dir():  # sd_booted(3)
        return ("systemctl", "enable", "--now", "docker")
    service = process.which("rc-service")
    return ("rc-service", "docker", "start") if service else ("service", "docker", "start")


def _absent(need: Need, names: Sequence[str]) -> str:
    if need is Need.UNPACKER:
        return _UNPACKER_REMEDY
    return f"This distribution has no package {' or '.join(names)} ({need.value})."


def _qemu(arch: Arch, manager: Manager) -> str:
    """QEMU's name of a processor, as the manager's package names spell it."""
    name = arch.qemu.removeprefix("qemu-")
    return {"ppc64le": "ppc", "riscv64": "riscv"}.get(name, name) if _is_dnf(manager) else name


def _is_dnf(manager: Manager) -> bool:
    return manager.program == "dnf"
