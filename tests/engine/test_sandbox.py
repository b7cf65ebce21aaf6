from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.engine.base import Limits
from crossbuild.engine.emulation import Emulation, Way
from crossbuild.engine.sandboxes.sandbox import Sandbox, check_mount_point
from crossbuild.errors import UsageError
from crossbuild.platforms import ARCHES

EMULATION = Emulation(arch=ARCHES["aarch64"], way=Way.NATIVE)


def sandbox(tmp_path: Path, *, writable: bool = False, **mounts: Path) -> Sandbox:
    root = tmp_path / "root"
    for name in ("usr", "etc", "dev", "proc", "tmp", "opt/python", "opt/other"):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "lib").symlink_to("usr/lib")
    return Sandbox(
        root=root,
        directory=tmp_path / "session",
        emulation=EMULATION,
        limits=Limits(processes=100, disk=1 << 20),
        mounts={path.replace("_", "/"): outside for path, outside in mounts.items()},
        writable=writable,
    )


def triples(argv: list[str], option: str) -> dict[str, str]:
    """What an option with two arguments mounts: inside to outside."""
    places = [place for place, word in enumerate(argv) if word == option]
    return {argv[place + 2]: argv[place + 1] for place in places}


def test_the_root_is_mounted_entry_by_entry_and_read_only(tmp_path: Path) -> None:
    box = sandbox(tmp_path)
    argv = box.argv(["true"], environment={})
    assert triples(argv, "--ro-bind") == {
        f"/{name}": f"{box.root}/{name}" for name in ("usr", "etc", "opt/python", "opt/other")
    }
    assert triples(argv, "--symlink") == {"/lib": "usr/lib"}
    assert triples(argv, "--bind") == {
        "/work": f"{box.directory}/work",
        "/tmp": f"{box.directory}/tmp",
        "/dev/shm": f"{box.directory}/shm",
    }
    mounted = argv[: argv.index("--chdir")]
    assert mounted[-2:] == ["--remount-ro", "/"]


def test_trees_are_mounted_after_the_root_and_before_it_is_closed(tmp_path: Path) -> None:
    argv = sandbox(tmp_path, _opt_tools=Path("/store/tree")).argv(["true"], environment={})
    assert triples(argv, "--ro-bind")["/opt/tools"] == "/store/tree"
    assert argv.index("/opt/tools") > argv.index("/opt/python")


def test_only_an_unfinished_root_can_be_written(tmp_path: Path) -> None:
    argv = sandbox(tmp_path, writable=True).argv(["true"], environment={})
    assert {"/usr", "/etc"} <= set(triples(argv, "--bind"))
    assert triples(argv, "--ro-bind") == {}


def test_the_command_and_its_environment_are_passed_word_by_word(tmp_path: Path) -> None:
    argv = sandbox(tmp_path).argv(
        ["printf", "%s; rm -rf /"], environment={"A": "1 2", "B": "--bind"}, cwd="/work/x"
    )
    assert argv[argv.index("--chdir") :] == ["--chdir", "/work/x", "--", "printf", "%s; rm -rf /"]
    assert triples(argv, "--setenv") == {"1 2": "A", "--bind": "B"}
    assert "--clearenv" in argv


def test_the_kernel_is_told_the_limits(tmp_path: Path) -> None:
    argv = sandbox(tmp_path).argv(["true"], environment={})
    assert "--nproc=400" in argv
    assert f"--fsize={1 << 20}" in argv
    assert "700" in argv, "the largest process number: 400 and the 300 that are not used again"


def test_a_cgroup_is_joined_before_anything_can_fork(tmp_path: Path) -> None:
    box = sandbox(tmp_path)
    argv = box.argv(["true"], environment={}, cgroup=Path("/sys/fs/cgroup/x"))
    assert argv[4] == "/sys/fs/cgroup/x/cgroup.procs"
    assert argv[5:] == box.argv(["true"], environment={})


@pytest.mark.parametrize("path", ["/opt/x", "/opt/crossbuild/env", "/tools", "/work/env"])
def test_a_tree_can_be_mounted_beside_the_system(path: str) -> None:
    check_mount_point(path)  # raises otherwise


@pytest.mark.parametrize("path", ["/", "/usr/x", "/etc", "/opt/../etc", "opt/x", "/dev/x", ""])
def test_a_tree_cannot_hide_the_system(path: str) -> None:
    with pytest.raises(UsageError, match="cannot be a mount point"):
        check_mount_point(path)
