"""A Python that no Debian suite has here: built for in an image that a registry has."""

from __future__ import annotations

import dataclasses
import io
import json
import tarfile
from pathlib import Path

import pytest

from crossbuild import catalog, process
from crossbuild.catalog import Role
from crossbuild.cli.main import main
from crossbuild.engine.base import Root
from crossbuild.store import Store
from tests.engine.test_registry import REPOSITORY, SOURCE
from tests.registry import PASSWORD, login_file, serving
from tests.tars import laid_out, layout, quickly

pytestmark = [pytest.mark.emulation, pytest.mark.network]


def test_a_run_builds_in_an_image_of_a_private_registry(
    build_root: Root,
    shared_store: Store,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """The image is Debian's build root as PyPA would publish it; the catalog has only it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSBUILD_CACHE_DIR", str(tmp_path / "cache"))
    _lend_compilers(shared_store, Store(tmp_path / "cache"))
    line = "docopt==0.6.2 netifaces==0.11.0 --target manylinux2014_aarch64 --python 3.11"
    words = [*line.split(), "--no-smoke", "--engine", "rootfs", "--json"]
    roles = frozenset({Role.BUILD})
    image = dataclasses.replace(build_root.image, name="pypa", source=SOURCE, roles=roles)
    monkeypatch.setattr(catalog, "images", lambda: (image,))
    assert main(words) != 0, "no registry is named"
    assert "pypa has it: name a registry" in capsys.readouterr().out
    process.reopen()
    with serving(tmp_path / "registry", login=True) as private:
        files = layout([_layer(build_root.path)], squeeze=quickly)
        digest = private.push(laid_out(files, tmp_path / "layout"), REPOSITORY, login=True)
        source = dataclasses.replace(SOURCE, digest=digest)
        pinned = dataclasses.replace(image, source=source)
        monkeypatch.setattr(catalog, "images", lambda: (pinned,))
        for name, value in login_file(tmp_path, private).items():
            monkeypatch.setenv(name, value)
        code = main([*words, "-v", "--registry", private.place])
    process.reopen()
    out, err = capsys.readouterr()
    assert code == 0, err
    assert json.loads(out)["schema"].startswith("crossbuild-report/")
    assert len(list((tmp_path / "wheelhouse").glob("netifaces-*aarch64.whl"))) == 1
    logs = (tmp_path / "cache/logs").glob("*.log")
    texts = [out, err, *(log.read_text(encoding="utf-8") for log in logs)]
    assert not [text for text in texts if PASSWORD in text]


def _lend_compilers(shared: Store, own: Store) -> None:
    """They are the same for every image, and take a minute to make."""
    for kind in ("toolchain-*", "zig-*"):
        for path in (shared.root / "trees").glob(kind):
            (own.root / "trees" / path.name).symlink_to(path)


def _layer(root: Path) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(root, arcname=".")
    return out.getvalue()
