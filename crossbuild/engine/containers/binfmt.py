"""Whether a daemon runs programs of another processor, and how it is made to.

The rule of binfmt_misc that counts is one of the daemon's kernel. It is tried for real: a
program of a few instructions is loaded as an image and run.
"""

from __future__ import annotations

import contextlib
import io
import secrets
import struct
import tarfile
import tempfile
from collections.abc import Callable
from pathlib import Path

from crossbuild.disk import guarded
from crossbuild.engine import emulation
from crossbuild.engine.base import Limits
from crossbuild.engine.containers import container, loading, tarring
from crossbuild.engine.containers.container import Spec
from crossbuild.engine.containers.daemon import Daemon
from crossbuild.engine.containers.labels import owned
from crossbuild.engine.containers.loading import REPOSITORY, Platform
from crossbuild.engine.emulation import Emulation, Way
from crossbuild.errors import HostError
from crossbuild.platforms import Arch

_ANSWER = 42
_PATIENCE = 60
_RULES = "/crossbuild-rules"
_THERE = "/crossbuild-emulator"
_REGISTER = f'printf %s "$1" >{_RULES}/register'
_BINFMT = {"type": "binfmt_misc", "device": "binfmt_misc"}
"""How the daemon's driver of local volumes mounts it (mount(8))."""
_BASE = 0x10000
_EXIT = {
    "aarch64": "400580d2 a80b80d2 010000d4",
    "armv7l": "2a00a0e3 0170a0e3 000000ef",
    "loongarch64": "04a88002 0b748102 00002b00",
    "ppc64le": "2a006038 01000038 02000044",
    "riscv64": "1305a002 9308d005 73000000",
    "s390x": "a729002a 0a01",
    "x86_64": "bf2a000000 b83c000000 0f05",
}
"""Machine code: put 42 and the number of exit(2) where the kernel wants them, and call it."""
_ABI = {"armv7l": 0x05000400, "ppc64le": 2, "riscv64": 4}
"""e_flags, where a kernel or QEMU looks at them."""


def program(arch: Arch) -> bytes:
    """A whole static program that ends with the code 42 (elf(5))."""
    code = bytes.fromhex(_EXIT[arch.name])
    order = "<" if arch.little_endian else ">"
    wide = arch.bits == 64
    header, entry = (64, 56) if wide else (52, 32)
    begin = header + entry
    size = begin + len(code)
    word = "Q" if wide else "I"
    flags = _ABI.get(arch.name, 0)
    file = (1, _BASE + begin, header, 0, flags, header, entry, 1, 0, 0, 0)
    if wide:
        segment = struct.pack(f"{order}IIQQQQQQ", 1, 5, 0, _BASE, _BASE, size, size, _BASE)
    else:
        segment = struct.pack(f"{order}IIIIIIII", 1, 0, _BASE, _BASE, size, size, 5, _BASE)
    return emulation.header(arch) + struct.pack(f"{order}I3{word}I6H", *file) + segment + code


def runs(daemon: Daemon, arch: Arch) -> bool:
    """Whether the daemon runs a program of this processor, found out by doing so.

    Raises HostError when the daemon does something else altogether.
    """
    name, platform = probe_image(arch), Platform.of(arch)
    if not loading.here(daemon, name):
        with tempfile.TemporaryDirectory() as directory:
            layer = Path(directory, "layer.tar")
            with guarded(layer.parent), tarfile.open(layer, "w") as tar:
                tarring.content(tar, "probe", program(arch), 0o755)
            loading.send(daemon, layer, name, platform)
    spec = Spec(
        image=name,
        platform=platform,
        command=["/probe"],
        volumes={},
        limits=Limits(memory=1 << 28),
    )
    box = container.create(daemon, spec)
    try:
        box.start()
        return box.wait(_PATIENCE) == _ANSWER
    except HostError as error:
        if "exec format error" in str(error).lower():
            return False
        raise
    finally:
        box.remove()


def probe_image(arch: Arch) -> str:
    """The image whose only program is ``program``."""
    return f"{REPOSITORY}/probe-{arch.name}:1"


def can_register(daemon: Daemon, arch: Arch) -> bool:
    """Whether ``ensure`` has something to try where the daemon's kernel has no emulator."""
    there = daemon.about.machine == emulation.machine()
    return there and emulation.static_qemu(arch) is not None


def ensure(daemon: Daemon, arch: Arch, image: Callable[[], str]) -> None:
    """Make the daemon run programs of this processor, if it does not.

    ``image`` gives the name of a whole image of it in the daemon. Raises HostError, with the
    one command that helps, where that cannot be done from here.
    """
    if runs(daemon, arch):
        return
    qemu = emulation.static_qemu(arch)
    if qemu is not None and can_register(daemon, arch):
        if daemon.about.local and emulation.may_register():
            emulation.register(Emulation(arch=arch, way=Way.GLOBAL, qemu=qemu))
        else:
            _register_there(daemon, arch, qemu, image())
    if not runs(daemon, arch):
        raise HostError(
            f"the Docker daemon at {daemon.address} cannot run {arch} programs: its kernel has "
            "no emulator for them",
            remedy="On the daemon's machine, let root run `apt-get install qemu-user-static`, "
            "or use --engine rootfs.",
        )


def _register_there(daemon: Daemon, arch: Arch, qemu: Path, image: str) -> None:
    """Bring our emulator into a container and register it with the daemon's kernel from there.

    The daemon mounts binfmt_misc, as a volume; the container needs no privileges, only to be
    root's. With the flag F the kernel keeps the emulator open after its file is gone; the file
    is in a volume too, for a container's own file system may end with the container.
    """
    rules, program = (f"crossbuild-{kind}-{secrets.token_hex(6)}" for kind in ("rules", "qemu"))
    rule = emulation.rule(arch, Path(_THERE, "qemu"))
    spec = Spec(
        image=image,
        platform=Platform.of(arch),
        command=[f"{_THERE}/qemu", "/bin/sh", "-c", _REGISTER, "sh", rule],
        volumes={_RULES: rules, _THERE: program},
        limits=Limits(memory=1 << 30),
        user=0,
        writable_volumes=True,
    )
    with contextlib.ExitStack() as stack:
        for name, options in ((rules, _BINFMT), (program, {})):
            with daemon.talking("make a volume"):
                daemon.api.create_volume(name, driver_opts=options, labels=dict(owned()))
            stack.callback(_remove_volume, daemon, name)
        # What came of it is tried next, and what to do where it failed is said then.
        with contextlib.suppress(HostError):
            box = container.create(daemon, spec)
            stack.callback(box.remove)
            stream = io.BytesIO()
            tarring.pack(stream, qemu, "qemu", public=True)
            stream.seek(0)
            box.put(stream, _THERE)
            box.start()
            box.wait(_PATIENCE)


def _remove_volume(daemon: Daemon, name: str) -> None:
    with daemon.talking("remove a volume"):
        daemon.api.remove_volume(name, force=True)
