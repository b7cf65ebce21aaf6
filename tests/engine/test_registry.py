"""Images from a registry: what its name may be, what it may answer, and a real one."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from crossbuild.catalog import Image, Interpreter, Oci, Role
from crossbuild.engine.images import foreign, registry
from crossbuild.engine.images.registry import Registry
from crossbuild.errors import (
    CrossbuildError,
    HostError,
    IntegrityError,
    NetworkError,
    StorageError,
)
from crossbuild.platforms import ARCHES
from crossbuild.report import Silent
from crossbuild.store import Store
from tests.engine.programs import install
from tests.machines import machine
from tests.registry import PASSWORD, LocalRegistry, login_file, serving, tampered
from tests.tars import file, laid_out, layout, layout_of_many, tar

LAYERS = [tar([*machine(["opt/python/cp38-cp38/bin/python3.8"]), file("gone")])]
LAYERS.append(tar([file(".wh.gone"), file("usr/bin/python3.9", b"not one")]))
REPOSITORY = "pypa/manylinux2014_aarch64"
SOURCE = Oci(repository=REPOSITORY, tag="2030.01.01-1", digest=f"sha256:{'a' * 64}")
IMAGE = Image(
    name="manylinux2014-aarch64",
    arch=ARCHES["aarch64"],
    glibc=(2, 31),
    interpreters=(
        Interpreter(tag="cp38-cp38", version=(3, 8), path="/opt/python/cp38-cp38/bin/python3.8"),
    ),
    source=SOURCE,
    roles=frozenset({Role.BUILD}),
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("registry.example", Registry(place="registry.example")),
        ("https://registry.example/", Registry(place="registry.example")),
        ("http://registry.example", Registry(place="registry.example", plain=True)),
        ("registry.example:5000/mirror/of", Registry(place="registry.example:5000/mirror/of")),
        ("[::1]:5000", Registry(place="[::1]:5000")),
        (" localhost:5000 ", Registry(place="localhost:5000")),
    ],
)
def test_a_registry_is_read(text: str, expected: Registry) -> None:
    assert registry.parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "-x", "a b", "a//b", "ftp://registry.example", "registry.example:port"),
        *("registry.example/UP", "registry.example/x@sha256:1", "registry.example/x:tag"),
    ],
)
def test_what_is_no_registry(text: str) -> None:
    with pytest.raises(ValueError, match="is no registry; write HOST"):
        registry.parse(text)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ValueError, match="is no registry") as caught:
        registry.parse("https://me:s3cret@registry.example")
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "unchecked"),
    [
        ("registry.example", False),
        ("http://registry.example", True),
        ("127.0.0.1:5000", True),
        ("127.1.2.3", True),
        ("[::1]:5000", True),
        ("localhost:5000", True),
        ("localhost.example", False),
        ("127.0.0.1.example", False),
        ("10.0.0.1", False),
    ],
)
def test_only_this_machine_is_trusted_without_tls(place: str, unchecked: bool) -> None:
    assert registry.parse(place).unchecked is unchecked


FATAL = 'time="2030-01-01T00:00:00Z" level=fatal msg="'


@pytest.mark.parametrize(
    ("said", "kind", "sentence", "remedy"),
    [
        ("unauthorized: authentication required", NetworkError, "wants a login", "skopeo login"),
        ("requested access to the resource is denied", NetworkError, "wants a login", "login"),
        ("manifest unknown: manifest unknown", NetworkError, "does not have it", "digest"),
        ("name unknown: repository name not known", NetworkError, "does not have it", "digest"),
        ("Digest did not match, expected x, got y", IntegrityError, "something else", "registry"),
        (
            "http: server gave HTTP response to HTTPS client",
            NetworkError,
            "speaks plain HTTP",
            "http://registry.example",
        ),
        ("x509: certificate signed by unknown authority", NetworkError, "certificate", "Add"),
        ("write /x: no space left on device", StorageError, "is full", ""),
        (
            "pinging container registry: dial tcp 192.0.2.1:443: connect: connection refused",
            NetworkError,
            "cannot be used: connect: connection refused",
            "CROSSBUILD_REGISTRY",
        ),
        ("dial tcp: lookup registry.example: no such host", NetworkError, "no such host", "proxy"),
    ],
)
def test_what_skopeo_complains_of_becomes_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    kind: type[CrossbuildError],
    sentence: str,
    remedy: str,
) -> None:
    install(monkeypatch, tmp_path / "bin", skopeo=f"echo '{FATAL}{said}\"' >&2; exit 1")
    with pytest.raises(kind) as caught:
        pull(tmp_path, registry.parse("registry.example"))
    assert type(caught.value) is kind
    assert sentence in str(caught.value)
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


def pull(tmp_path: Path, place: Registry, **environment: str) -> None:
    variables = {"PATH": os.environ["PATH"], **environment}
    registry.pull(SOURCE, IMAGE.arch, place, tmp_path / "scratch" / "layout", variables)


def test_the_users_logins_and_proxy_reach_skopeo_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    install(monkeypatch, tmp_path / "bin", skopeo=f'(env; printf "<%s>\\n" "$@") >{seen}')
    pull(
        tmp_path,
        registry.parse("registry.example/mirror"),
        https_proxy="http://p.example",
        REGISTRY_AUTH_FILE="/x/auth.json",
        HOME="/home/me",
        SECRET_TOKEN="s3cret",
    )
    text = seen.read_text(encoding="utf-8")
    assert "SECRET_TOKEN" not in text
    for line in ("https_proxy=http://p.example", "REGISTRY_AUTH_FILE=/x/auth.json"):
        assert f"{line}\n" in text
    assert "<--override-arch>\n<arm64>\n" in text
    assert "<--src-tls-verify=true>\n" in text
    name = f"registry.example/mirror/{REPOSITORY}@sha256:{'a' * 64}"
    assert f"<docker://{name}>\n<oci:{tmp_path}/scratch/layout:pulled>\n" in text


def test_skopeo_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="only be pulled with skopeo") as caught:
        pull(tmp_path, registry.parse("registry.example"))
    assert "skopeo" in caught.value.remedy


def test_without_a_registry_it_says_how_to_name_one(store: Store) -> None:
    with pytest.raises(NetworkError, match="none is configured") as caught:
        obtain(store, None)
    assert "--registry HOST or CROSSBUILD_REGISTRY" in caught.value.remedy


def obtain(
    store: Store,
    place: Registry | None,
    image: Image = IMAGE,
    environment: Mapping[str, str] | None = None,
) -> Path:
    assert isinstance(image.source, Oci)
    variables = {"PATH": os.environ["PATH"], **(environment or {})}
    return foreign.pulled(
        image, image.source, store, place=place, reporter=Silent(), environment=variables
    )


def by(digest: str) -> Image:
    return dataclasses.replace(IMAGE, source=dataclasses.replace(SOURCE, digest=digest))


def checked(root: Path) -> None:
    assert (root / "usr/bin/dash").is_file()
    assert not (root / "gone").exists()
    python = root / "opt/python/cp38-cp38/bin/python"
    assert python.readlink() == Path("/opt/python/cp38-cp38/bin/python3.8")


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    with serving(tmp_path_factory.mktemp("registry")) as running:
        yield running


def test_an_image_is_pulled_by_its_digest(
    store: Store, tmp_path: Path, local: LocalRegistry
) -> None:
    digest = local.push(laid_out(layout(LAYERS), tmp_path / "layout"), REPOSITORY)
    root = obtain(store, registry.parse(local.place), by(digest))
    checked(root)
    assert list((store.root / "scratch").iterdir()) == []
    assert obtain(store, None, by(digest)) == root, "what is here needs no registry"


def test_the_image_of_an_index_is_that_of_the_processor(
    store: Store, tmp_path: Path, local: LocalRegistry
) -> None:
    files = layout_of_many({"amd64": [tar(machine(arch="x86_64"))], "arm64": LAYERS})
    digest = local.push(laid_out(files, tmp_path / "layout"), REPOSITORY)
    checked(obtain(store, registry.parse(local.place), by(digest)))


def test_an_image_for_another_processor_is_refused(
    store: Store, tmp_path: Path, local: LocalRegistry
) -> None:
    files = layout([tar(machine(arch="x86_64"))], architecture="amd64")
    digest = local.push(laid_out(files, tmp_path / "layout"), REPOSITORY)
    with pytest.raises(IntegrityError, match=r"is for aarch64, but .* is for x86_64"):
        obtain(store, registry.parse(local.place), by(digest))
    assert list((store.root / "trees").iterdir()) == []


def test_a_registry_that_lacks_it(store: Store, tmp_path: Path, local: LocalRegistry) -> None:
    local.push(laid_out(layout(LAYERS), tmp_path / "layout"), REPOSITORY)
    with pytest.raises(NetworkError, match="does not have it"):
        obtain(store, registry.parse(local.place))
    with pytest.raises(NetworkError, match="does not have it"):
        obtain(store, registry.parse(f"{local.place}/elsewhere"))


def test_a_registry_that_sends_something_else(
    store: Store, tmp_path: Path, local: LocalRegistry
) -> None:
    files = layout([*LAYERS, tar([file("more")])])
    digest = local.push(laid_out(files, tmp_path / "layout"), REPOSITORY)
    sent = files[f"blobs/sha256/{digest.removeprefix('sha256:')}"]
    tampered(local, digest, sent.replace(b'"schemaVersion": 2', b'"schemaVersion":  2'))
    with pytest.raises(IntegrityError, match="sent something else than the digest promises"):
        obtain(store, registry.parse(local.place), by(digest))
    assert list((store.root / "trees").iterdir()) == []


def test_a_registry_that_is_not_there(store: Store) -> None:
    with pytest.raises(NetworkError, match=r"registry 127\.0\.0\.1:9 cannot be used: .*refused"):
        obtain(store, registry.parse("127.0.0.1:9"))


def test_a_private_registry_is_opened_by_the_users_own_login(store: Store, tmp_path: Path) -> None:
    with serving(tmp_path / "registry", login=True) as private:
        layers = laid_out(layout(LAYERS), tmp_path / "layout")
        digest = private.push(layers, REPOSITORY, login=True)
        place = registry.parse(private.place)
        nobody = {"HOME": str(tmp_path)}
        with pytest.raises(NetworkError, match="wants a login") as caught:
            obtain(store, place, by(digest), nobody)
        assert f"skopeo login {private.place}" in caught.value.remedy
        checked(obtain(store, place, by(digest), {**nobody, **login_file(tmp_path, private)}))
    written = [path for path in store.root.rglob("*") if path.is_file()]
    assert not [path for path in written if PASSWORD.encode() in path.read_bytes()]
