"""Which packages and commands mend a host, distribution by distribution."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.cli import provision
from crossbuild.cli.doctor import Check, State
from crossbuild.cli.provision import MANAGERS, Manager, Need
from crossbuild.errors import HostError
from crossbuild.platforms import ARCHES

EVERYTHING = tuple(Need)
AARCH64 = ARCHES["aarch64"]


def by_name(program: str) -> Manager:
    return next(manager for manager in MANAGERS if manager.program == program)


def packages(program: str, known: set[str] | None = None, arch: str = "aarch64") -> list[str]:
    plan = provision.provision(
        EVERYTHING,
        ARCHES[arch],
        by_name(program),
        (),
        lambda name: known is None or name in known,
    )
    return list(plan.packages)


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        (
            "apt-get",
            (
                "bubblewrap util-linux mmdebstrap "
                "debian-archive-keyring skopeo docker.io qemu-user-static"
            ),
        ),
        (
            "dnf",
            (
                "bubblewrap util-linux mmdebstrap "
                "debian-keyring skopeo moby-engine qemu-user-static-aarch64"
            ),
        ),
        (
            "zypper",
            (
                "bubblewrap util-linux mmdebstrap "
                "debian-archive-keyring skopeo docker qemu-linux-user"
            ),
        ),
        (
            "pacman",
            (
                "bubblewrap util-linux mmdebstrap "
                "debian-archive-keyring skopeo docker qemu-user-static"
            ),
        ),
        (
            "apk",
            (
                "bubblewrap util-linux-misc mmdebstrap "
                "debian-archive-keyring skopeo docker qemu-aarch64"
            ),
        ),
    ],
)
def test_names_on_each_distribution(program: str, expected: str) -> None:
    assert packages(program) == expected.split()


@pytest.mark.parametrize(
    ("program", "arch", "expected"),
    [
        ("dnf", "ppc64le", "qemu-user-static-ppc"),
        ("dnf", "riscv64", "qemu-user-static-riscv"),
        ("dnf", "armv7l", "qemu-user-static-arm"),
        ("apk", "ppc64le", "qemu-ppc64le"),
        ("apk", "armv7l", "qemu-arm"),
    ],
)
def test_names_of_emulators(program: str, arch: str, expected: str) -> None:
    assert packages(program, arch=arch)[-1] == expected


def test_a_distribution_that_renamed_a_package_is_followed() -> None:
    forky = {"bubblewrap", "util-linux", "mmdebstrap", "debian-archive-keyring", "qemu-user"}
    assert packages("apt-get", forky)[-1] == "qemu-user"


def test_what_a_distribution_has_not_is_said() -> None:
    arch = {
        *("bubblewrap", "util-linux", "debian-archive-keyring", "skopeo", "docker"),
        "qemu-user-static",
    }
    manager = by_name("pacman")
    plan = provision.provision(EVERYTHING, AARCH64, manager, ("sudo",), arch.__contains__)
    assert plan.commands[0] == ("sudo", *manager.install, *plan.packages)
    assert set(plan.packages) == arch
    assert len(plan.left) == 1
    assert "no package of mmdebstrap" in plan.left[0]


def test_empty_package_lists_are_filled_first() -> None:
    manager = by_name("apt-get")
    plan = provision.provision((Need.SANDBOX,), AARCH64, manager, ("sudo",), lambda name: False)
    assert plan.commands == (
        ("sudo", "apt-get", "update"),
        ("sudo", *manager.install, "bubblewrap"),
    )
    assert plan.left == ()


def test_nothing_is_run_when_nothing_is_missing() -> None:
    plan = provision.provision((), AARCH64, by_name("apt-get"), (), lambda name: True)
    assert plan.commands == ()
    assert provision.to_json(plan)["commands"] == []


def missing(name: str) -> Check:
    return Check(name=name, state=State.MISSING, found="not there", remedy="Do something.")


def test_findings_become_needs_once_each() -> None:
    names = (
        *("bwrap", "unshare", "setpriv", "Debian's keys", "skopeo"),
        *("emulator for aarch64", "cache"),
    )
    there = Check(name="mmdebstrap", state=State.OK, found="1.3.5")
    checks = (*map(missing, names), there)
    wanted = (Need.SANDBOX, Need.NAMESPACES, Need.KEYS, Need.PULLER, Need.EMULATOR)
    assert provision.needs(checks) == wanted
    assert [check.name for check in provision.beyond(checks)] == ["cache"]


def test_running_programs_is_the_users_affair_only_when_the_packages_are_there() -> None:
    running = missing("running aarch64 programs")
    assert provision.beyond((running,)) == (running,)
    assert provision.beyond((missing("bwrap"), running)) == ()


def test_root_needs_no_help(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "which", lambda program: None)
    assert provision.elevation(root=True) == ()
    with pytest.raises(HostError, match="neither sudo nor doas"):
        provision.elevation(root=False)


def test_a_host_without_a_known_manager_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "which", lambda program: None)
    with pytest.raises(HostError, match="no package manager"):
        provision.manager()


@pytest.mark.parametrize(
    ("booted", "program", "expected"),
    [
        (True, "", "systemctl enable --now docker"),
        (False, "rc-service", "rc-service docker start"),
        (False, "", "service docker start"),
    ],
)
def test_docker_is_started_where_it_is_installed(
    monkeypatch: pytest.MonkeyPatch, booted: bool, program: str, expected: str
) -> None:
    monkeypatch.setattr(Path, "is_dir", lambda path: booted)
    monkeypatch.setattr(process, "which", lambda name: Path("/sbin", name) if program else None)
    wanted = (Need.SANDBOX, Need.DOCKER)
    plan = provision.provision(wanted, AARCH64, by_name("apt-get"), ("sudo",), lambda name: True)
    assert plan.commands[-1] == ("sudo", *expected.split())
    none = provision.provision((Need.SANDBOX,), AARCH64, by_name("apt-get"), (), lambda _: True)
    assert "docker" not in none.commands[-1]
