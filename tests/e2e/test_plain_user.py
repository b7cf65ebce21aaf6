"""The installed wheel, as a plain user, on a machine where nobody registered binfmt."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from crossbuild.engine import emulation
from crossbuild.engine.base import Root
from crossbuild.platforms import ARCHES
from crossbuild.resolution.uv import Uv
from tests.e2e.conftest import TARGET, mounts

pytestmark = [
    pytest.mark.emulation,
    pytest.mark.network,
    pytest.mark.skipif(os.geteuid() != 0, reason="becoming another user needs root"),
]

ARCH = ARCHES["aarch64"]
UID = "54321"
AS_PLAIN = ["setpriv", "--reuid", UID, "--regid", UID, "--clear-groups"]
REPOSITORY = Path(__file__).parents[2]


def python_for_all() -> str:
    """A Python >= 3.10 that every user of this machine may run."""
    for candidate in ("/usr/bin/python3", "/usr/local/bin/python3", sys.executable):
        code = "import sys; raise SystemExit(sys.version_info < (3, 10))"
        if Path(candidate).exists():
            done = subprocess.run(
                [*AS_PLAIN, candidate, "-c", code], capture_output=True, check=False
            )
            if done.returncode == 0:
                return candidate
    pytest.skip("no Python >= 3.10 on this machine can be run by a plain user")


@pytest.fixture
def home() -> Iterator[Path]:
    """A plain user's home with crossbuild installed there from its wheel."""
    with tempfile.TemporaryDirectory(prefix="crossbuild-plain-") as directory:
        base = Path(directory)
        base.chmod(0o755)
        yield _installed(base)


def _installed(base: Path) -> Path:
    home = base / "home"
    home.mkdir()
    uv = str(Uv.find().binary)
    source = base / "source"
    ignored = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", "wheelhouse")
    shutil.copytree(REPOSITORY, source, ignore=ignored)
    environment = home / "environment"
    interpreter = python_for_all()
    subprocess.run([uv, "venv", "-q", "--python", interpreter, str(environment)], check=True)
    subprocess.run(
        [uv, "pip", "install", "-q", "--python", str(environment / "bin/python"), str(source)],
        check=True,
    )
    subprocess.run(["chown", "-R", f"{UID}:{UID}", str(home)], check=True)
    return home


@pytest.fixture
def unregistered() -> Iterator[None]:
    """A machine where nobody registered QEMU: whatever is, Docker's rule too, is switched off."""
    served = [path for path in _rules() if emulation._serves(path, ARCH)]
    for path in served:
        path.write_text("0", encoding="ascii")
    try:
        yield
    finally:
        for path in served:
            path.write_text("1", encoding="ascii")


def _rules() -> list[Path]:
    if not emulation.RULES.is_dir():
        return []
    return [path for path in emulation.RULES.iterdir() if path.name not in {"register", "status"}]


@pytest.mark.usefixtures("unregistered")
def test_three_builds_and_a_proof_without_root(home: Path) -> None:
    assert not emulation.registered(ARCH)
    before = mounts()
    words = ("hnswlib", "netifaces", "docopt", "--target", TARGET, "--python", "3.11")
    done = _as_plain(home, *words)
    assert done.returncode == 0, done.stderr
    names = {path.name.split("-")[0] for path in (home / "wheelhouse").glob("*.whl")}
    assert names == {"hnswlib", "netifaces", "docopt", "numpy"}
    assert mounts() == before
    assert not emulation.registered(ARCH)


def test_an_image_of_ones_own_is_imported_run_and_removed_without_root(
    home: Path, target_root: Root
) -> None:
    """Whoever the files belonged to, they are the user's, who can use and remove them."""
    with tarfile.open(home / "mine.tar.gz", "w:gz", compresslevel=1) as archive:
        archive.add(target_root.path, arcname=".", filter=_of_root)
    done = _as_plain(home, "images", "import", "mine.tar.gz", "--json")
    assert done.returncode == 0, done.stderr
    (image,) = json.loads(done.stdout)["images"]
    assert (image["name"], image["glibc"]) == ("mine", "2.36")
    probed = _as_plain(home, "probe", "--image", "mine", "--engine", "rootfs")
    assert probed.returncode == 0, probed.stderr
    assert '"platform_machine": "aarch64"' in probed.stdout
    pruned = _as_plain(home, "cache", "prune", "--all")
    assert pruned.returncode == 0, pruned.stderr
    assert list((home / ".cache/crossbuild/trees").iterdir()) == []


def _of_root(member: tarfile.TarInfo) -> tarfile.TarInfo:
    member.uid = member.gid = 0
    if member.name == "./etc":
        member.mode = 0o500
    if member.name == "./usr/bin/env":
        member.mode = 0o4111
    return member


def _as_plain(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*AS_PLAIN, str(home / "environment/bin/crossbuild"), *words],
        cwd=home,
        env={**os.environ, "HOME": str(home), "XDG_CACHE_HOME": ""},
        capture_output=True,
        text=True,
        check=False,
    )
