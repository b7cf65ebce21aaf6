"""Native programs in a foreign root: adapted on the host, run beside emulated ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.engine.base import Engine, Root
from crossbuild.engine.images import native
from crossbuild.engine.images.native import Kit, Natives
from crossbuild.errors import HostError
from crossbuild.report import Silent
from crossbuild.store import Store

MOUNT = "/opt/crossbuild/native"
KIT = Kit(
    suite="bookworm",
    packages=("python3.11-minimal", "libpython3.11-stdlib", "libstdc++6"),
    mount=MOUNT,
    programs=("usr/bin/python3.11",),
)


def asked(program: Path, option: str) -> str:
    patchelf = shutil.which("patchelf")
    assert patchelf
    return process.run([patchelf, option, str(program)]).stdout.strip()


def test_a_program_is_told_where_its_loader_is(tmp_path: Path) -> None:
    program = tmp_path / "env"
    shutil.copy("/usr/bin/env", program)
    arch = native.host_arch()
    native.adopt(program, MOUNT, arch)
    assert asked(program, "--print-interpreter") == native.loader(MOUNT, arch)
    assert asked(program, "--print-rpath").split(":") == list(native.libraries(MOUNT, arch))


def test_a_host_of_another_processor_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platform.machine", lambda: "s390x")
    with pytest.raises(HostError, match="x86_64 or aarch64, this one has s390x"):
        native.host_arch()


@pytest.mark.emulation
def test_a_native_python_runs_in_an_emulated_root(
    shared_store: Store, engine: Engine, build_root: Root
) -> None:
    natives = Natives(shared_store, reporter=Silent(), environment=dict(os.environ))
    tree = natives.tree(KIT)
    assert natives.tree(KIT) == tree
    program = "import os, sys, ctypes, zlib; print(os.uname().machine, sys.prefix)"
    with engine.session(build_root, trees={MOUNT: tree}) as session:
        native_one = session.run([f"{MOUNT}/usr/bin/python3.11", "-c", program])
        emulated = session.run(["/usr/bin/python3.11", "-c", program])
    assert native_one.output.split() == [native.host_arch().name, f"{MOUNT}/usr"]
    assert emulated.output.split() == [build_root.image.arch.name, "/usr"]
