"""``crossbuild images``, in this process: what it lists, gets, imports, removes and refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from crossbuild import catalog, process
from crossbuild.cli.main import main
from crossbuild.errors import UsageError
from crossbuild.store import Store
from tests.engine.test_registry import LAYERS, REPOSITORY, by
from tests.machines import machine
from tests.registry import serving
from tests.tars import file, laid_out, layout, saved, tar

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty directory, a home and a cache of the test's own, and no registry."""
    monkeypatch.chdir(tmp_path)
    for name in ("CROSSBUILD_REGISTRY", "CROSSBUILD_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "my-kylin.tar").write_bytes(saved([tar(machine())]))
    (tmp_path / "hostile.tar").write_bytes(tar([file("../x")]))
    (tmp_path / "text.tar").write_bytes(b"no archive")
    yield tmp_path
    process.reopen()


def asked(capsys: Capture, *words: str) -> dict[str, dict[str, Any]]:
    """The images that a call lists, by name."""
    assert main(["images", *words, "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "crossbuild-images/1"
    return {image["name"]: image for image in document["images"]}


def test_every_image_of_the_catalog_is_listed(capsys: Capture) -> None:
    found = asked(capsys)
    assert list(found) == [image.name for image in catalog.images()]
    assert not any(image["here"] for image in found.values())
    assert found["bullseye-aarch64"] == {
        "name": "bullseye-aarch64",
        "arch": "aarch64",
        "glibc": "2.31",
        "pythons": [
            {"version": "3.9", "tag": "cp39-cp39", "path": "/opt/python/cp39-cp39/bin/python"}
        ],
        "roles": ["build", "target"],
        "source": {"kind": "debian", "suite": "bullseye"},
        "here": False,
        "bytes": None,
    }
    pulled = found["manylinux_2_28-aarch64"]
    assert pulled["roles"] == ["build"]
    assert pulled["source"]["kind"] == "oci"
    assert pulled["source"]["digest"].startswith("sha256:")


def test_the_same_for_people(capsys: Capture) -> None:
    assert main(["images"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["Image", "For", "glibc", "CPython", "From", "Here"]
    (line,) = [line for line in lines if line.startswith("bullseye-aarch64")]
    assert line.split()[1:] == ["build,", "target", "2.31", "3.9", "Debian", "bullseye", "no"]


def test_an_image_is_imported_listed_and_removed(directory: Path, capsys: Capture) -> None:
    made = asked(capsys, "import", "my-kylin.tar", "--name", "kylin")
    assert list(made) == ["kylin"]
    kylin = made["kylin"]
    assert (kylin["arch"], kylin["glibc"], kylin["roles"]) == ("aarch64", "2.31", ["target"])
    assert [found["tag"] for found in kylin["pythons"]] == ["cp38-cp38"]
    assert kylin["source"]["path"] == str(directory / "my-kylin.tar")
    assert kylin["here"]
    assert kylin["bytes"] > 0
    (directory / "my-kylin.tar").unlink()
    assert asked(capsys)["kylin"] == kylin
    assert asked(capsys, "list", "kylin") == {"kylin": kylin}
    asked(capsys, "rm", "kylin")
    assert "kylin" not in asked(capsys)
    store = Store(directory / "home/.cache/crossbuild")
    assert list((store.root / "trees").iterdir()) == []


def test_without_a_name_it_is_called_as_its_file(capsys: Capture) -> None:
    assert list(asked(capsys, "import", "./my-kylin.tar")) == ["my-kylin"]


def test_what_is_gone_from_the_cache_is_listed_as_gone(directory: Path, capsys: Capture) -> None:
    asked(capsys, "import", "my-kylin.tar")
    store = Store(directory / "home/.cache/crossbuild")
    store.drop_trees([path.name for path in (store.root / "trees").iterdir()])
    del store
    found = asked(capsys)["my-kylin"]
    assert (found["here"], found["arch"], found["pythons"]) == (False, None, [])
    assert main(["images"]) == 0
    assert "gone; import it again" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "code", "sentence", "remedy"),
    [
        ("burn", 2, "images knows list, build, pull, import and rm, not 'burn'", "images build"),
        ("build", 2, "build what? No image is named", "images build bookworm-aarch64"),
        ("rm bokworm-aarch64", 2, "no image 'bokworm-aarch64'", "Did you mean bookworm-aarch64?"),
        ("build trixie", 2, "no image 'trixie'", "trixie-aarch64"),
        ("list nothing", 2, "no image 'nothing'", "The images are"),
        ("import absent.tar", 2, "there is no file", ""),
        ("import text.tar", 2, "text.tar is not an archive of an image", "docker save"),
        ("import hostile.tar", 5, "hostile.tar would write outside", "Do not use it"),
        ("import my-kylin.tar --name A/B", 2, "'A/B' cannot be the name", "small letters"),
        ("import my-kylin.tar --name bookworm-aarch64", 2, "crossbuild's own", "--name"),
        ("import a.tar b.tar --name x", 2, "--name is for the import of one file", ""),
        ("list --name x", 2, "--name is for the import of one file", ""),
        ("pull manylinux2014-aarch64 --registry a@b", 2, "'a@b' is no registry", ""),
    ],
)
def test_what_cannot_be_done_is_one_sentence(
    words: str, code: int, sentence: str, remedy: str, capsys: Capture
) -> None:
    assert main(["images", *words.split()]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert remedy in err
    assert "Traceback" not in err


def test_the_registry_of_the_environment_is_read_as_strictly(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture
) -> None:
    monkeypatch.setenv("CROSSBUILD_REGISTRY", "https://me:s3cret@registry.example")
    assert main(["images"]) == UsageError.exit_code
    err = capsys.readouterr().err
    assert "CROSSBUILD_REGISTRY: 'https://registry.example' is no registry" in err
    assert "s3cret" not in err


@pytest.mark.emulation
def test_without_a_registry_nothing_is_pulled(capsys: Capture) -> None:
    assert main(["images", "pull", "manylinux2014-aarch64"]) == 4
    err = capsys.readouterr().err
    assert "comes from a registry, and none is configured" in err
    assert "CROSSBUILD_REGISTRY" in err


@pytest.mark.emulation
@pytest.mark.parametrize("said", ["option", "environment"])
def test_an_image_is_pulled_from_the_registry_that_the_user_names(
    directory: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture, said: str
) -> None:
    with serving(directory / "registry") as local:
        pushed = local.push(laid_out(layout(LAYERS), directory / "layout"), REPOSITORY)
        monkeypatch.setattr(catalog, "images", lambda: (by(pushed),))
        if said == "environment":
            monkeypatch.setenv("CROSSBUILD_REGISTRY", local.place)
        option = ["--registry", local.place] if said == "option" else []
        found = asked(capsys, "pull", "manylinux2014-aarch64", *option)["manylinux2014-aarch64"]
    assert found["here"]
    assert found["source"]["digest"] == pushed
    assert asked(capsys, "rm", "manylinux2014-aarch64")["manylinux2014-aarch64"]["here"] is False


@pytest.mark.emulation
@pytest.mark.network
def test_an_image_of_packages_is_built_in_every_role(
    monkeypatch: pytest.MonkeyPatch, capsys: Capture, shared_store: Store
) -> None:
    monkeypatch.setenv("CROSSBUILD_CACHE_DIR", str(shared_store.root))
    found = asked(capsys, "build", "bookworm-aarch64")["bookworm-aarch64"]
    assert found["here"]
    assert found["bytes"] > 100 << 20
