from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from crossbuild.engine import emulation
from crossbuild.engine.emulation import Emulation, Way
from crossbuild.errors import HostError
from crossbuild.platforms import ARCHES
from tests.engine.programs import install

QEMU = Path("/usr/bin/qemu-static")
AARCH64 = ARCHES["aarch64"]

HEADER = "7f454c460201010000000000000000000200b700"
MASK = "ffffffffffffff00fffffffffffffffffeffffff"


def rule_file(directory: Path, text: str) -> Path:
    (directory / "register").write_text("", encoding="ascii")
    (directory / "status").write_text("enabled\n", encoding="ascii")
    (directory / "foreign").write_text(text, encoding="ascii")
    return directory


def only_these(monkeypatch: pytest.MonkeyPatch, directory: Path, *programs: str) -> None:
    """Leave a PATH that has nothing but links to these programs of the host."""
    directory.mkdir()
    for name in programs:
        found = shutil.which(name)
        assert found, f"{name} is needed by this test"
        (directory / name).symlink_to(found)
    monkeypatch.setenv("PATH", str(directory))


@pytest.mark.parametrize(
    ("arch", "magic", "mask"),
    [
        ("aarch64", HEADER, MASK),
        ("armv7l", "7f454c4601010100000000000000000002002800", MASK),
        ("s390x", "7f454c4602020100000000000000000000020016", MASK.replace("feff", "fffe")),
        ("riscv64", "7f454c460201010000000000000000000200f300", MASK),
    ],
)
def test_a_rule_matches_programs_of_one_processor(arch: str, magic: str, mask: str) -> None:
    line = emulation.rule(ARCHES[arch], QEMU)
    empty, name, kind, offset, found_magic, found_mask, interpreter, flags = line.split(":")
    assert (empty, name, kind, offset) == ("", f"crossbuild-{arch}", "M", "")
    assert bytes.fromhex(found_magic.replace("\\x", "")) == bytes.fromhex(magic)
    assert bytes.fromhex(found_mask.replace("\\x", "")) == bytes.fromhex(mask)
    assert (interpreter, flags) == (str(QEMU), "FPC")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"enabled\ninterpreter /q\nflags: OCF\noffset 0\nmagic {HEADER}\nmask {MASK}\n", True),
        (f"enabled\ninterpreter /q\nflags: F\noffset 0\nmagic {HEADER}\n", True),
        (f"disabled\ninterpreter /q\nflags: OCF\noffset 0\nmagic {HEADER}\nmask {MASK}\n", False),
        (f"enabled\ninterpreter /q\nflags: OC\noffset 0\nmagic {HEADER}\nmask {MASK}\n", False),
        ("enabled\ninterpreter /q\nflags: F\nextension .exe\n", False),
        (f"enabled\ninterpreter /q\nflags: F\noffset 0\nmagic {HEADER[:-4]}2800\n", False),
    ],
    ids=["with F", "no mask", "disabled", "without F", "by extension", "another processor"],
)
def test_a_rule_of_the_host_is_used_only_if_it_works_inside_any_root(
    tmp_path: Path, text: str, expected: bool
) -> None:
    assert emulation.registered(AARCH64, rule_file(tmp_path, text)) is expected


def test_no_rule_is_there_where_binfmt_misc_is_not_mounted(tmp_path: Path) -> None:
    assert not emulation.registered(AARCH64, tmp_path / "nowhere")


def test_an_emulator_must_not_need_libraries_of_the_root(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    dynamic = shutil.which("bash", path="/usr/bin:/bin")
    assert dynamic
    (tmp_path / "qemu-aarch64").symlink_to(dynamic)
    assert emulation.static_qemu(AARCH64) is None
    (tmp_path / "qemu-aarch64").unlink()
    install(monkeypatch, tmp_path, qemu_aarch64="exit 0")
    assert emulation.static_qemu(AARCH64) is None


@pytest.mark.emulation
def test_a_target_without_emulator_is_an_error_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    only_these(monkeypatch, tmp_path / "bin", *emulation._TOOLS, "sh")
    with pytest.raises(HostError, match="no emulator for s390x") as caught:
        emulation.how(ARCHES["s390x"])
    assert "qemu-user-static" in caught.value.remedy
    assert "qemu-s390x" in caught.value.remedy


def test_a_missing_tool_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="bwrap is not installed") as caught:
        emulation.how(AARCH64)
    assert "bubblewrap" in caught.value.remedy


def test_a_kernel_without_private_rules_is_told_apart_from_a_missing_emulator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    static = shutil.which("qemu-aarch64-static")
    if static is None:
        pytest.skip("qemu-aarch64-static is not installed")
    refuse = (
        'case "$*" in *binfmt_misc*) echo "mount: /sys: permission denied." >&2; exit 32;; esac'
    )
    install(monkeypatch, tmp_path / "bin", unshare=refuse)
    monkeypatch.setattr(emulation, "registered", lambda _: False)
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(HostError, match="cannot be run here: /sys: permission denied") as caught:
        emulation.how(AARCH64)
    assert "6.7" in caught.value.remedy
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert emulation.how(AARCH64) == Emulation(
        arch=AARCH64, way=Way.GLOBAL, qemu=Path(static).resolve()
    )


def test_root_registers_on_the_host_once(tmp_path: Path) -> None:
    (tmp_path / "register").write_text("", encoding="ascii")
    wanted = Emulation(arch=AARCH64, way=Way.GLOBAL, qemu=QEMU)
    emulation.register(wanted, tmp_path)
    line = (tmp_path / "register").read_text(encoding="ascii")
    assert line == emulation.rule(AARCH64, QEMU)
    (tmp_path / "register").write_text("", encoding="ascii")
    rule_file(tmp_path, f"enabled\ninterpreter /q\nflags: F\noffset 0\nmagic {HEADER}\n")
    emulation.register(wanted, tmp_path)
    assert (tmp_path / "register").read_text(encoding="ascii") == ""


def test_a_refused_registration_is_a_host_error(tmp_path: Path) -> None:
    (tmp_path / "register").mkdir()
    with pytest.raises(HostError, match="QEMU for aarch64 could not be registered"):
        emulation.register(Emulation(arch=AARCH64, way=Way.GLOBAL, qemu=QEMU), tmp_path)


def test_only_a_private_rule_is_made_in_each_session() -> None:
    assert Emulation(arch=AARCH64, way=Way.NATIVE).rule == ""
    assert Emulation(arch=AARCH64, way=Way.REGISTERED).rule == ""
    assert Emulation(arch=AARCH64, way=Way.GLOBAL, qemu=QEMU).rule == ""
    private = Emulation(arch=AARCH64, way=Way.NAMESPACE, qemu=QEMU)
    assert private.rule == emulation.rule(AARCH64, QEMU)


def test_the_emulated_processor_is_chosen_only_where_one_is_emulated() -> None:
    assert Emulation(arch=AARCH64, way=Way.NATIVE).environment == {}
    emulated = Emulation(arch=AARCH64, way=Way.REGISTERED).environment
    assert emulated == {"QEMU_CPU": "cortex-a72"}
    assert Emulation(arch=ARCHES["riscv64"], way=Way.REGISTERED).environment == {}


@pytest.mark.emulation
def test_a_private_rule_is_accepted_and_leaves_nothing_on_the_host() -> None:
    qemu = emulation.static_qemu(AARCH64)
    if qemu is None:
        pytest.skip("no static qemu-aarch64 is installed")
    mounts = Path("/proc/self/mounts").read_text(encoding="utf-8")
    refusal = emulation.try_namespace(emulation.rule(AARCH64, qemu))
    if refusal is not None:
        pytest.skip(f"this kernel has no private rules: {refusal}")
    assert Path("/proc/self/mounts").read_text(encoding="utf-8") == mounts
    assert emulation.try_namespace("nonsense") is not None


def test_the_facts_say_everything_that_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    facts = {fact.name: fact for fact in emulation.facts(AARCH64)}
    assert set(emulation._TOOLS) <= set(facts)
    assert {"user namespaces", "emulator for aarch64", "running aarch64 programs"} <= set(facts)
    assert [fact.name for fact in facts.values() if not fact.ok and not fact.remedy] == []
    monkeypatch.setenv("PATH", "/nonexistent")
    assert not any(fact.ok for fact in emulation.tools())
