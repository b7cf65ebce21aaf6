"""The files a control group is made with; a real one needs root and cgroup v2 alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.engine.base import Limits
from crossbuild.engine.sandboxes import cgroup

LIMITS = Limits(processes=10, memory=1 << 30)


def hierarchy(directory: Path, controllers: str) -> Path:
    (directory / "cgroup.subtree_control").write_text(controllers, encoding="ascii")
    return directory


def test_a_group_is_made_with_the_limits(tmp_path: Path) -> None:
    with cgroup.limited(LIMITS, hierarchy(tmp_path, "cpu memory pids\n")) as group:
        assert group is not None
        assert group.parent == tmp_path
        assert (group / "pids.max").read_text(encoding="ascii") == "40"
        assert (group / "memory.max").read_text(encoding="ascii") == str(1 << 30)
        assert (group / "memory.oom.group").read_text(encoding="ascii") == "1"


@pytest.mark.parametrize("controllers", ["", "hugetlb", "memory"])
def test_without_the_controllers_there_is_no_group(tmp_path: Path, controllers: str) -> None:
    with cgroup.limited(LIMITS, hierarchy(tmp_path, controllers)) as group:
        assert group is None
    assert [path.name for path in tmp_path.iterdir()] == ["cgroup.subtree_control"]


def test_without_cgroup_v2_there_is_no_group(tmp_path: Path) -> None:
    with cgroup.limited(LIMITS, tmp_path / "absent") as group:
        assert group is None


@pytest.mark.parametrize(("kills", "expected"), [("0", False), ("2", True)])
def test_the_kernel_says_when_memory_ran_out(tmp_path: Path, kills: str, expected: bool) -> None:
    events = f"low 0\nhigh 0\nmax 5\noom 1\noom_kill {kills}\n"
    (tmp_path / "memory.events").write_text(events, encoding="ascii")
    assert cgroup.ran_out_of_memory(tmp_path) is expected
    assert cgroup.ran_out_of_memory(None) is False
