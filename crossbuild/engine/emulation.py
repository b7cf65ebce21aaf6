"""Whether and how this host runs programs of another processor, and what to do if it cannot.

The kernel hands foreign ELF files to QEMU by a rule of binfmt_misc. With the flag ``F`` QEMU
is opened when the rule is made, so the rule works inside any root; QEMU has to be static for
that (https://docs.kernel.org/admin-guide/binfmt-misc.html). Since Linux 6.7 every user
namespace can have rules of its own: that way needs no root and leaves nothing on the host.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from elftools.common.exceptions import ELFError
from elftools.elf.elffile import ELFFile
from elftools.elf.enums import ENUM_E_MACHINE

from crossbuild import process
from crossbuild.errors import HostError
from crossbuild.platforms import Arch

RULES = Path("/proc/sys/fs/binfmt_misc")
"""Where the kernel shows the rules of this user namespace, if binfmt_misc is mounted."""

_TOOLS = {
    "bwrap": "bubblewrap",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "prlimit": "util-linux",
    "mount": "util-linux or mount",
}
_RESTRICTIONS = {
    "kernel/apparmor_restrict_unprivileged_userns": "1",
    "kernel/unprivileged_userns_clone": "0",
    "user/max_user_namespaces": "0",
}
_CPUS = {"aarch64": "cortex-a72"}
"""The processor QEMU plays, where not its default, which has every extension there is.

Armv8.0 is all that a wheel tagged aarch64 may count on, so what runs here runs anywhere; and
QEMU computes pointer authentication, with which Debian 13 is compiled, so slowly that Python
is 13 times faster on a processor that lacks it.
"""
_ELF_HEADER = 20


class Way(enum.Enum):
    """How foreign programs are run."""

    NATIVE = "native: the host has this processor"
    REGISTERED = "QEMU, registered on the host"
    NAMESPACE = "QEMU, registered in a private namespace of each session"
    GLOBAL = "QEMU, to be registered on the host by root"


@dataclass(frozen=True, kw_only=True, slots=True)
class Emulation:
    """The way for one processor; ``qemu`` is the static emulator where one is used by us."""

    arch: Arch
    way: Way
    qemu: Path | None = None

    @property
    def rule(self) -> str:
        """What a session registers in its own namespace; empty when it need not."""
        return rule(self.arch, self.qemu) if self.way is Way.NAMESPACE and self.qemu else ""

    @property
    def environment(self) -> Mapping[str, str]:
        """What every emulated program needs in its environment (qemu-user's documentation)."""
        return {} if self.way is Way.NATIVE else variables(self.arch)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing that running foreign programs needs: what was found, and the remedy if not."""

    name: str
    ok: bool
    found: str
    remedy: str = ""


def variables(arch: Arch) -> Mapping[str, str]:
    """What emulated programs of a processor need in their environment."""
    cpu = _CPUS.get(arch.name)
    return {"QEMU_CPU": cpu} if cpu else {}


def machine() -> str:
    """The processor of this host, as ``uname -m``."""
    return os.uname().machine


def may_register() -> bool:
    """Whether this process may make rules for the whole host."""
    return os.geteuid() == 0


def how(arch: Arch) -> Emulation:
    """The first way that works here, tried for real. Raises HostError naming what is missing.

    The order: native; a rule on the host; a private namespace; for root on a kernel older than
    6.7 a rule on the host, which ``register`` makes.
    """
    for fact in (*tools(), namespaces()):
        if not fact.ok:
            raise HostError(f"{fact.name}: {fact.found}", remedy=fact.remedy)
    if os.uname().machine == arch.name:
        return Emulation(arch=arch, way=Way.NATIVE)
    if registered(arch):
        return Emulation(arch=arch, way=Way.REGISTERED)
    qemu = static_qemu(arch)
    if qemu is None:
        raise HostError(f"{_no_emulator(arch)}", remedy=_install(arch))
    refusal = try_namespace(rule(arch, qemu))
    if refusal is None:
        return Emulation(arch=arch, way=Way.NAMESPACE, qemu=qemu)
    if os.geteuid() == 0:
        return Emulation(arch=arch, way=Way.GLOBAL, qemu=qemu)
    raise HostError(
        f"{arch} programs cannot be run here: {refusal}",
        remedy="Use Linux 6.7 or newer, or let root register QEMU once (install the package "
        "qemu-user-binfmt, or run crossbuild as root).",
    )


def facts(arch: Arch) -> tuple[Fact, ...]:
    """What ``how`` would look at, all of it, for people to read."""
    return (*tools(), namespaces(), _emulator(arch), _way(arch))


def tools() -> tuple[Fact, ...]:
    """The host programs that every session runs."""
    found = []
    for program, package in _TOOLS.items():
        path = process.which(program)
        text = str(path) if path else f"{program} is not installed"
        found.append(
            Fact(
                name=program,
                ok=path is not None,
                found=text,
                remedy="" if path else f"Install the package {package}.",
            )
        )
    return tuple(found)


def namespaces() -> Fact:
    """Whether this user may make a user namespace and mount in it, by doing so."""
    argv = [*_unshare(), "sh", "-c", "mount -t tmpfs none /sys"]
    try:
        done = process.run(argv, check=False, timeout=30)
    except HostError as error:
        return Fact(name="user namespaces", ok=False, found=str(error), remedy=error.remedy)
    if done.returncode == 0:
        return Fact(name="user namespaces", ok=True, found="allowed")
    reason = _last_line(done.stderr) or "not allowed"
    return Fact(name="user namespaces", ok=False, found=reason, remedy=_allow_namespaces())


def registered(arch: Arch, rules: Path = RULES) -> bool:
    """Whether the host has an enabled rule, with the flag F, for this processor's programs."""
    try:
        paths = sorted(rules.iterdir())
    except OSError:
        return False
    return any(_serves(path, arch) for path in paths if path.name not in {"register", "status"})


def static_qemu(arch: Arch) -> Path | None:
    """The user-mode QEMU for this processor that needs no library of the root it runs in."""
    for name in (f"{arch.qemu}-static", arch.qemu):
        path = process.which(name)
        if path and _is_static(path):
            return path.resolve()
    return None


def rule(arch: Arch, qemu: Path) -> str:
    """The line for ``register``: programs of ``arch``, whole or position independent, to QEMU.

    The flags: F opens QEMU now, P keeps argv[0], C takes credentials from the program.
    """
    magic, mask = _pattern(arch)
    return f":crossbuild-{arch.name}:M::{_escaped(magic)}:{_escaped(mask)}:{qemu}:FPC"


def try_namespace(line: str) -> str | None:
    """Register in a namespace that ends at once; None if that worked, else why not."""
    script = 'mount -t binfmt_misc none /sys && printf %s "$1" >/sys/register'
    done = process.run([*_unshare(), "sh", "-c", script, "sh", line], check=False, timeout=30)
    if done.returncode == 0:
        return None
    return _last_line(done.stderr) or "the kernel refused the rule"


def register(emulation: Emulation, rules: Path = RULES) -> None:
    """Make the rule on the host, as root, for the way GLOBAL; nothing if it is there.

    Raises HostError when the kernel refuses.
    """
    if emulation.qemu is None or registered(emulation.arch, rules):
        return
    try:
        if not (rules / "register").exists():
            process.run(["mount", "-t", "binfmt_misc", "binfmt_misc", str(rules)])
        (rules / "register").write_text(rule(emulation.arch, emulation.qemu), encoding="ascii")
    except (OSError, process.ProcessError) as error:
        raise HostError(
            f"QEMU for {emulation.arch} could not be registered with the kernel: {error}",
            remedy="In a container, start it privileged, or register QEMU outside of it.",
        ) from error


def _emulator(arch: Arch) -> Fact:
    name = f"emulator for {arch}"
    if os.uname().machine == arch.name:
        return Fact(name=name, ok=True, found="not needed: the host has this processor")
    qemu = static_qemu(arch)
    if qemu:
        version = process.run([str(qemu), "--version"], check=False).stdout.splitlines()[:1]
        return Fact(name=name, ok=True, found=f"{qemu}, {''.join(version)}")
    if registered(arch):
        return Fact(name=name, ok=True, found="registered on the host")
    return Fact(name=name, ok=False, found=_no_emulator(arch), remedy=_install(arch))


def _way(arch: Arch) -> Fact:
    name = f"running {arch} programs"
    try:
        emulation = how(arch)
    except HostError as error:
        return Fact(name=name, ok=False, found=str(error), remedy=error.remedy)
    return Fact(name=name, ok=True, found=emulation.way.value)


def _unshare() -> list[str]:
    return ["unshare", "--user", "--map-root-user", "--mount"]


def _no_emulator(arch: Arch) -> str:
    return (
        f"there is no emulator for {arch}: no statically linked {arch.qemu} or "
        f"{arch.qemu}-static on PATH"
    )


def _install(arch: Arch) -> str:
    return f"Install the package qemu-user-static (it must be new enough to have {arch.qemu})."


def _allow_namespaces() -> str:
    """The settings that forbid user namespaces on this host, as commands that allow them."""
    for name, value in _RESTRICTIONS.items():
        try:
            forbids = Path("/proc/sys", name).read_text(encoding="ascii").strip() == value
        except OSError:
            continue
        if forbids:
            key = name.replace("/", ".")
            allowed = {"1": "0", "0": "1"}[value] if "max" not in name else "10000"
            return f"Let root run `sysctl -w {key}={allowed}`."
    return "In a container, allow user namespaces and mounts (for Docker: --privileged)."


def _serves(path: Path, arch: Arch) -> bool:
    try:
        lines = path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return False
    fields = dict(line.partition(" ")[::2] for line in lines[1:])
    if lines[:1] != ["enabled"] or "F" not in fields.get("flags:", ""):
        return False
    offset = int(fields.get("offset", "0"))
    magic = bytes.fromhex(fields.get("magic", ""))
    mask = bytes.fromhex(fields.get("mask", "")) or b"\xff" * len(magic)
    begin = header(arch)[offset : offset + len(magic)]
    return bool(magic) and len(begin) == len(magic) and _masked(begin, mask) == magic


def _masked(data: bytes, mask: bytes) -> bytes:
    return bytes(byte & bits for byte, bits in zip(data, mask, strict=True))


def header(arch: Arch) -> bytes:
    """The first bytes of a program of this processor: e_ident, e_type EXEC, e_machine (elf(5))."""
    order: Literal["little", "big"] = "little" if arch.little_endian else "big"
    identity = b"\x7fELF" + bytes([arch.bits // 32, 1 if arch.little_endian else 2, 1])
    machine: int = ENUM_E_MACHINE[arch.machine]
    return identity.ljust(16, b"\0") + (2).to_bytes(2, order) + machine.to_bytes(2, order)


def _pattern(arch: Arch) -> tuple[bytes, bytes]:
    """Magic and mask: any OS ABI (byte 7); EXEC and DYN alike (2 and 3: one bit of e_type)."""
    mask = bytearray(b"\xff" * _ELF_HEADER)
    mask[7] = 0
    mask[16 if arch.little_endian else 17] = 0xFE
    return header(arch), bytes(mask)


def _escaped(data: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in data)


def _is_static(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            segments: Iterator[object] = (
                segment["p_type"] for segment in ELFFile(stream).iter_segments()
            )
            return "PT_INTERP" not in segments
    except (OSError, ELFError):
        return False


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return re.sub(r"^\S+: ", "", lines[-1]).strip() if lines else ""
