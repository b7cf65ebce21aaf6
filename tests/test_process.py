"""Running programs: what is said when one is missing, and that none outlives the run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbuild import process
from crossbuild.errors import HostError


@pytest.fixture(autouse=True)
def open_again() -> Iterator[None]:
    yield
    process.reopen()


MISSING = {
    "by name": ("no-such-program", None),
    "by path": ("/no/such/program", None),
    "on the child's own PATH": ("sh", {"PATH": "/no/such/directory"}),
}


@pytest.mark.parametrize("case", MISSING)
def test_a_missing_program_is_named(case: str) -> None:
    """Also below the leash: setpriv is there, and only its own child is not."""
    program, env = MISSING[case]
    with pytest.raises(HostError, match=f"{program} is not installed on this host"):
        process.run([program], env=env)


def test_a_relative_program_is_looked_for_where_it_runs(tmp_path: Path) -> None:
    script = tmp_path / "hello"
    script.write_text("#!/bin/sh\necho hello\n", encoding="ascii")
    script.chmod(0o755)
    assert process.run(["./hello"], cwd=tmp_path).stdout == "hello\n"


def test_a_child_that_starts_as_the_run_ends_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    """``terminate_all`` from another thread, after the look and before the child is listed."""
    popen = process.subprocess.Popen  # type: ignore[attr-defined]
    children: list[process.Child] = []

    def late(*args: Any, **kwargs: Any) -> process.Child:
        process.terminate_all()
        children.append(popen(*args, **kwargs))
        return children[-1]

    monkeypatch.setattr("crossbuild.process.subprocess.Popen", late)
    with pytest.raises(process.CancelledError):
        process.run(["sleep", "60"], timeout=5)
    assert children[0].returncode == -9
