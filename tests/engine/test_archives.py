"""Which kind of archive a file is, and what each comes to."""

from __future__ import annotations

import gzip
import json
import lzma
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbuild import process
from crossbuild.engine.images import archives
from crossbuild.errors import CrossbuildError, HostError, IntegrityError, UsageError
from crossbuild.platforms import ARCHES
from tests.engine.test_unpacking import tree
from tests.tars import config, file, laid_out, layout, layout_of_many, link, packed, saved, tar

LAYERS = [tar([file("etc/a", b"1"), file("b", b"1")]), tar([file(".wh.b"), file("c", b"2")])]
EXPECTED = {"etc": "/", "etc/a": "1", "c": "2"}
ROOT = tar([file("./etc/a", b"1"), file("./c", b"2")])

LARGE = tar([file("etc/a", random.Random(1).randbytes(1_000_000))])


def zstd(content: bytes) -> bytes:
    with process.started(["zstd", "-qc"], stdin=process.PIPE) as child:
        out, _ = child.communicate(content)
    return out


def unpack(content: bytes, tmp_path: Path, arch: str | None = None) -> dict[str, str]:
    path, root, scratch = tmp_path / "mine.tar", tmp_path / "root", tmp_path / "scratch"
    path.write_bytes(content)
    root.mkdir()
    scratch.mkdir()
    archives.unpack(path, root, scratch, ARCHES[arch] if arch else None)
    return tree(root)


@pytest.mark.parametrize("squeeze", [bytes, gzip.compress, lzma.compress, zstd])
@pytest.mark.parametrize(
    "content",
    [saved(LAYERS), packed(layout(LAYERS)), ROOT],
    ids=["docker save", "OCI archive", "docker export"],
)
def test_each_kind_is_known_by_its_content(
    tmp_path: Path, content: bytes, squeeze: Callable[[bytes], bytes]
) -> None:
    assert unpack(squeeze(content), tmp_path) == EXPECTED


def test_a_layer_compressed_with_zstd(tmp_path: Path) -> None:
    files = layout(LAYERS, squeeze=zstd)
    assert any(content.startswith(b"\x28\xb5\x2f\xfd") for content in files.values())
    assert unpack(packed(files), tmp_path) == EXPECTED


def test_older_versions_of_docker_link_a_layer_to_that_of_another_image(tmp_path: Path) -> None:
    first, second = "ab" * 32, "cd" * 32
    layers = [f"{first}/layer.tar", f"{second}/layer.tar"]
    content = tar(
        [
            file(layers[0], LAYERS[0]),
            link(layers[1], f"../{layers[0]}"),
            file("c.json", config([LAYERS[0], LAYERS[0]])),
            file("manifest.json", json.dumps([{"Config": "c.json", "Layers": layers}]).encode()),
        ]
    )
    assert unpack(content, tmp_path) == {"etc": "/", "etc/a": "1", "b": "1"}


@pytest.mark.parametrize(("arch", "text"), [("aarch64", "arm"), ("x86_64", "intel")])
def test_the_processor_chooses_among_several(tmp_path: Path, arch: str, text: str) -> None:
    many = {"arm64": [tar([file("a", b"arm")])], "amd64": [tar([file("a", b"intel")])]}
    files = layout_of_many(many)
    (tmp_path / "one").mkdir()
    assert unpack(packed(files), tmp_path / "one", arch) == {"a": text}
    root = tmp_path / "two"
    root.mkdir()
    where = laid_out(files, tmp_path / "layout")
    archives.unpack_layout(where, "mine", root, ARCHES[arch])
    assert tree(root) == {"a": text}


def test_several_images_and_no_processor_to_choose_by(tmp_path: Path) -> None:
    many = {"arm64": LAYERS, "amd64": LAYERS}
    with pytest.raises(UsageError, match=r"mine\.tar holds 2 images where one is expected"):
        unpack(packed(layout_of_many(many)), tmp_path)


def damaged(name: str) -> bytes:
    files = dict(layout(LAYERS))
    target = next(key for key, content in files.items() if content[:2] == b"\x1f\x8b")
    if name == "layer swapped":
        files[target] = gzip.compress(tar([file("evil")]))
    elif name == "layer cut":
        files[target] = files[target][:-20]
    elif name == "layer missing":
        del files[target]
    elif name == "manifest swapped":
        other = next(
            key
            for key, content in files.items()
            if b"diff_ids" not in content and b"config" in content
        )
        files[other] = files[other].replace(b'"schemaVersion": 2', b'"schemaVersion": 3')
    return packed(files)


@pytest.mark.parametrize(
    ("content", "kind", "sentence"),
    [
        (b"", UsageError, "is not an archive"),
        (b"not a tar at all" * 100, UsageError, "is not an archive of an image"),
        (gzip.compress(b"neither is this" * 100), UsageError, "is not an archive of an image"),
        (tar([]), UsageError, "is an empty archive"),
        (tar([file("blobs/x")]), UsageError, "has neither index.json nor manifest.json"),
        (ROOT[:700], IntegrityError, "damaged"),
        (gzip.compress(LARGE)[:-999], IntegrityError, "damaged"),
        (lzma.compress(LARGE)[:-999], IntegrityError, "damaged"),
        (zstd(LARGE)[:-999], IntegrityError, "damaged"),
        (saved(LAYERS, **{"manifest.json": b"[]"}), UsageError, "holds no image"),
        (saved(LAYERS, **{"manifest.json": b"[{}, {}]"}), UsageError, "holds 2 images"),
        (saved(LAYERS, **{"manifest.json": b"[{}]"}), IntegrityError, "does not tell its layers"),
        (saved(LAYERS, **{"manifest.json": b"["}), IntegrityError, "manifest.json is no JSON"),
        (saved(LAYERS, **{"config.json": b"{}"}), IntegrityError, "does not tell its layers"),
        (
            saved(LAYERS, **{"config.json": b'{"rootfs": {"diff_ids": []}}'}),
            IntegrityError,
            "2 layers, but 0 hashes of them",
        ),
        (
            saved(LAYERS, **{f"{'ab' * 32}/layer0.tar": tar([file("evil")])}),
            IntegrityError,
            "layer 1 of mine.tar has the wrong hash",
        ),
        (damaged("layer swapped"), IntegrityError, "layer 1 of mine.tar has the wrong hash"),
        (damaged("layer cut"), IntegrityError, "layer 1 of mine.tar is damaged"),
        (damaged("layer missing"), IntegrityError, "it has no blobs/sha256/"),
        (damaged("manifest swapped"), IntegrityError, "is not what its name promises"),
    ],
)
def test_what_is_no_image_is_one_sentence(
    tmp_path: Path, content: bytes, kind: type[CrossbuildError], sentence: str
) -> None:
    with pytest.raises(kind) as caught:
        unpack(content, tmp_path)
    assert sentence in str(caught.value)
    assert "mine.tar" in str(caught.value)


def test_zstd_is_named_where_it_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = zstd(ROOT)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match=r"mine\.tar is compressed with zstd") as caught:
        unpack(content, tmp_path)
    assert "zstd" in caught.value.remedy
