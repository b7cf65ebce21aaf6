"""What the Docker engine computes by itself: names, labels, programs, archives, errors."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild.catalog import Role
from crossbuild.engine import emulation
from crossbuild.engine.base import Limits, Root
from crossbuild.engine.containers import binfmt, daemon, loading, tarring
from crossbuild.engine.containers.container import largest_number_of_tasks
from crossbuild.engine.containers.copying import _below
from crossbuild.engine.containers.labels import Run, this_run
from crossbuild.engine.containers.loading import Platform
from crossbuild.engine.sandboxes.sandbox import OWN, UID
from crossbuild.engine.watchdog import Outcome
from crossbuild.errors import HostError, IntegrityError, StorageError
from crossbuild.platforms import ARCHES, Arch
from tests.roots import IMAGE


@pytest.mark.parametrize("arch", ARCHES.values(), ids=str)
def test_the_probe_is_a_program_of_its_processor(tmp_path: Path, arch: Arch) -> None:
    path = tmp_path / "probe"
    path.write_bytes(binfmt.program(arch))
    path.chmod(0o755)
    qemu = emulation.static_qemu(arch)
    if qemu is None:
        pytest.skip(f"no static {arch.qemu} is installed")
    assert subprocess.run([qemu, path], check=False).returncode == 42


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("aarch64", "linux/arm64"),
        ("x86_64", "linux/amd64"),
        ("armv7l", "linux/arm/v7"),
        ("riscv64", "linux/riscv64"),
        ("loongarch64", "linux/loong64"),
    ],
)
def test_processors_have_gos_names(name: str, expected: str) -> None:
    assert str(Platform.of(ARCHES[name])) == expected


@pytest.mark.parametrize(
    ("name", "key", "expected"),
    [
        ("bookworm-aarch64", "bookworm-aarch64-target-1-abc", "bookworm-aarch64-target:2-1-abc"),
        ("My_Kylin V10", "k/e:y", "my_kylin-v10-target:2-k-e-y"),
    ],
)
def test_an_image_is_named_by_its_content(name: str, key: str, expected: str) -> None:
    image = replace(IMAGE, name=name)
    root = Root(image=image, role=Role.TARGET, key=key, path=Path("/nowhere"))
    assert loading.image_of(root) == f"crossbuild/{expected}"


def test_a_run_is_told_from_a_dead_one_with_its_number() -> None:
    run = Run.parse(str(this_run()))
    assert run == this_run()
    assert run.here
    assert run.alive
    assert not replace(run, started="1").alive, "another process has the number now"
    assert not replace(run, pid=2**22 + 1).alive
    assert not replace(run, host="0" * 16).here
    assert Run.parse("nonsense") is None


def test_a_zombie_is_dead() -> None:
    child = subprocess.Popen(["true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    started = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()[19]
    assert not Run(host=this_run().host, pid=child.pid, started=started).alive
    child.wait()


def test_an_archive_is_everybodys_to_read_and_nobodys_to_write(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o700)
    (tmp_path / "d" / "closed").write_text("x", encoding="ascii")
    (tmp_path / "d" / "closed").chmod(0o722)
    (tmp_path / "d" / "link").symlink_to("/nowhere")
    stream = io.BytesIO()
    tarring.pack(stream, tmp_path, "", owner=7, public=True)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        found = {entry.name: entry for entry in tar.getmembers()}
    assert list(found) == ["d", "d/closed", "d/link"]
    assert {(entry.uid, entry.gid, entry.uname) for entry in found.values()} == {(7, 7, "")}
    assert found["d"].mode == 0o755
    assert found["d/closed"].mode == 0o744
    assert found["d/link"].linkname == "/nowhere"


@pytest.mark.parametrize("name", ["/etc/passwd", "out/../../etc", "elsewhere/x"])
def test_a_name_that_leads_out_of_an_archive_is_refused(name: str) -> None:
    with pytest.raises(IntegrityError, match="came out of the container with the name"):
        _below(tarfile.TarInfo(name), "/work/out")
    assert _below(tarfile.TarInfo("out/a/b"), "/work/out") == Path("a/b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1970-01-01T00:01:00.5Z", 60.5),
        ("1970-01-01T01:00:00.000000001+01:00", 1e-9),
        ("yesterday", None),
    ],
)
def test_a_daemons_clock_is_read(text: str, expected: float | None) -> None:
    assert daemon._moment(text) == expected


@pytest.mark.parametrize(
    ("said", "kind", "remedy"),
    [
        ("write /x: no space left on device", StorageError, "cache prune --all"),
        ("No such image: x", HostError, "--engine rootfs"),
    ],
)
def test_a_refusal_has_its_remedy(said: str, kind: type[HostError], remedy: str) -> None:
    error = daemon.refusal(said, "unix:///x", "make a container")
    assert type(error) is kind
    assert remedy in error.remedy
    assert "could not make a container" in str(error)


def test_a_forbidden_socket_says_which_group() -> None:
    wrapped = OSError("Connection aborted.", PermissionError(13, "Permission denied"))
    error = daemon._unreachable(wrapped, "unix:///x", "connect")
    assert "may not be used by this user" in str(error)
    assert "group docker" in error.remedy


@pytest.mark.parametrize(
    ("returncode", "crash", "expected"),
    [
        (0, 11, None),
        (1, 11, 11),
        (137, None, 9),
        (-9, None, 9),
        (3, None, None),
        (255, None, None),
    ],
)
def test_the_signal_of_a_failure(returncode: int, crash: int | None, expected: int | None) -> None:
    outcome = Outcome(returncode=returncode, output="", seconds=1.0, stopped=None, crash=crash)
    assert outcome.signal == expected


def test_the_kernel_allows_more_tasks_than_the_watchdog() -> None:
    limits = Limits(processes=64)
    assert largest_number_of_tasks(limits) > 4 * limits.processes


def test_a_machines_own_work_and_tmp_are_not_in_the_image_twice(tmp_path: Path) -> None:
    root = tmp_path / "root"
    for name in ("usr/bin", "work/left", "tmp/left", "run/left", "dev", "proc", "sys"):
        (root / name).mkdir(parents=True)
    (root / "usr/bin/sh").write_text("", encoding="ascii")
    layer = tmp_path / "layer.tar"
    with layer.open("wb") as stream:
        tarring.pack_root(stream, root, OWN)
    with layer.open("r+b") as stream:
        loading._add_own(stream)
    with tarfile.open(layer) as archive:
        owners = [(entry.name, entry.uid) for entry in archive]
    assert owners == [
        ("usr", 0), ("usr/bin", 0), ("usr/bin/sh", 0), ("work", UID), ("tmp", 0), ("run", 0),
    ]  # fmt: skip
