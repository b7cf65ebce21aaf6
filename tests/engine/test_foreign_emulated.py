"""Users' own images run: a Debian root packed as each kind of archive there is."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbuild.catalog import Interpreter, Role
from crossbuild.engine import opening
from crossbuild.engine.base import Engine, Root
from crossbuild.engine.images import imported, registry
from crossbuild.report import Silent
from crossbuild.store import Store
from tests.engine.test_registry import REPOSITORY, by
from tests.registry import serving
from tests.tars import file, laid_out, layout, link, packed, quickly, saved, tar

pytestmark = [pytest.mark.emulation, pytest.mark.network]

CODE = """\
import ctypes, getpass, os, platform, ssl, sqlite3, sys
print(sys.version_info[:2], platform.machine(), getpass.getuser(), os.path.exists("/gone"))
print(open("/etc/layer").read())
"""


@pytest.fixture(scope="module")
def machine(target_root: Root) -> bytes:
    """What ``docker export`` of a container of Debian writes."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.add(target_root.path, arcname=".", filter=_foreign)
    return out.getvalue()


def _foreign(member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    """As on a machine that crossbuild never saw: root owns the files, nothing is in /opt."""
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return None if member.name.startswith("./opt") else member


UPPER = tar([file(".wh.gone"), file("etc/layer", b"upper"), link("usr/bin/python", "python3.11")])


def exported(machine: bytes) -> bytes:
    out = io.BytesIO(machine)
    with tarfile.open(fileobj=out, mode="a") as archive:
        info = tarfile.TarInfo("./etc/layer")
        info.size = 5
        archive.addfile(info, io.BytesIO(b"upper"))
    return out.getvalue()


def layers(machine: bytes) -> list[bytes]:
    return [machine, tar([file("gone", b"x"), file("etc/layer", b"lower")]), UPPER]


@pytest.mark.parametrize(
    "pack",
    [
        exported,
        lambda machine: saved(layers(machine)),
        lambda machine: packed(layout(layers(machine), squeeze=quickly)),
    ],
    ids=["docker export", "docker save", "OCI archive"],
)
def test_python_runs_in_each_kind(
    tmp_path: Path, machine: bytes, engine: Engine, pack: Callable[[bytes], bytes]
) -> None:
    (tmp_path / "debian.tar").write_bytes(pack(machine))
    store = Store(tmp_path / "store")
    image = imported.from_archive(tmp_path / "debian.tar", store, Silent())
    assert image.interpreters == (
        Interpreter(tag="cp311-cp311", version=(3, 11), path="/usr/bin/python3.11"),
    )
    assert engine.name
    own = opening.opened(store, environment=dict(os.environ))
    with own.session(own.prepare(image, Role.TARGET)) as session:
        result = session.run(["python", "-c", CODE])
        assert result.output == "(3, 11) aarch64 builder False\nupper\n"
        assert not session.run(["sh", "-c", "echo x >/etc/layer"]).ok, "the root is read-only"


def test_python_runs_in_what_was_pulled(tmp_path: Path, machine: bytes, engine: Engine) -> None:
    assert engine.name
    with serving(tmp_path / "registry") as local:
        where = laid_out(layout(layers(machine), squeeze=quickly), tmp_path / "layout")
        image = by(local.push(where, REPOSITORY))
        store = Store(tmp_path / "store")
        own = opening.opened(
            store, registry=registry.parse(local.place), environment=dict(os.environ)
        )
        root = own.prepare(image, Role.BUILD)
    with own.session(root) as session:
        result = session.run(["/usr/bin/python3.11", "-c", CODE])
    assert result.output == "(3, 11) aarch64 builder False\nupper\n"
