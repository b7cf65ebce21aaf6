"""Archives written by hand, honest and hostile: plain tars, docker-archives, OCI layouts."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Member:
    """One entry of a tar."""

    name: str
    content: bytes = b""
    type: bytes = tarfile.REGTYPE
    link: str = ""
    mode: int = 0o644
    owner: int = 0
    mtime: int = 0


def file(name: str, content: bytes = b"", mode: int = 0o644, mtime: int = 0) -> Member:
    return Member(name=name, content=content, mode=mode, owner=7, mtime=mtime)


def directory(name: str, mode: int = 0o755) -> Member:
    return Member(name=name, type=tarfile.DIRTYPE, mode=mode)


def link(name: str, target: str) -> Member:
    return Member(name=name, type=tarfile.SYMTYPE, link=target, mode=0o777)


def hard(name: str, target: str) -> Member:
    return Member(name=name, type=tarfile.LNKTYPE, link=target)


def device(name: str, type: bytes = tarfile.CHRTYPE) -> Member:
    return Member(name=name, type=type, mode=0o666)


def tar(members: Iterable[Member]) -> bytes:
    """An uncompressed tar."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for member in members:
            info = tarfile.TarInfo(member.name)
            info.type, info.linkname, info.mode = member.type, member.link, member.mode
            info.size, info.uid, info.mtime = len(member.content), member.owner, member.mtime
            archive.addfile(info, io.BytesIO(member.content))
    return out.getvalue()


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def config(layers: Iterable[bytes], architecture: str = "arm64") -> bytes:
    """An image's configuration, as Docker and OCI have it."""
    ids = [digest(layer) for layer in layers]
    return json.dumps(
        {
            "architecture": architecture,
            "os": "linux",
            "config": {"Cmd": ["/bin/sh"]},
            "rootfs": {"type": "layers", "diff_ids": ids},
        }
    ).encode()


def saved(layers: list[bytes], **changes: Any) -> bytes:
    """What ``docker save`` writes: ``changes`` replace files by their names."""
    manifest = [
        {
            "Config": "config.json",
            "RepoTags": ["mine:1"],
            "Layers": [f"{'ab' * 32}/layer{number}.tar" for number, _ in enumerate(layers)],
        }
    ]
    files = {
        **{f"{'ab' * 32}/layer{number}.tar": layer for number, layer in enumerate(layers)},
        "config.json": config(layers),
        "manifest.json": json.dumps(manifest).encode(),
        **changes,
    }
    return tar(file(name, content) for name, content in files.items())


def quickly(content: bytes) -> bytes:
    """Gzip for what is large."""
    return gzip.compress(content, compresslevel=1)


def layout(
    layers: list[bytes],
    *,
    architecture: str = "arm64",
    squeeze: Callable[[bytes], bytes] = gzip.compress,
) -> dict[str, bytes]:
    """The files of an OCI layout with one image."""
    blobs: dict[str, bytes] = {}
    manifest = _manifest(layers, architecture, blobs, squeeze)
    return {
        **blobs,
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [manifest]}).encode(),
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
    }


def layout_of_many(images: Mapping[str, list[bytes]]) -> dict[str, bytes]:
    """An OCI layout whose index leads to one index of an image for several processors."""
    blobs: dict[str, bytes] = {}
    manifests = [_manifest(layers, name, blobs) for name, layers in images.items()]
    manifests.append({**manifests[0], "platform": {"architecture": "unknown", "os": "unknown"}})
    index = json.dumps({"schemaVersion": 2, "manifests": manifests}).encode()
    top = {"mediaType": "application/vnd.oci.image.index.v1+json", **_blob(index, blobs)}
    return {
        **blobs,
        "index.json": json.dumps({"schemaVersion": 2, "manifests": [top]}).encode(),
        "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
    }


def packed(files: Mapping[str, bytes]) -> bytes:
    """An OCI archive: a layout in a tar."""
    return tar(file(name, content) for name, content in files.items())


def laid_out(files: Mapping[str, bytes], where: Path) -> Path:
    """A layout in a directory."""
    for name, content in files.items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return where


def _manifest(
    layers: list[bytes],
    name: str,
    blobs: dict[str, bytes],
    squeeze: Callable[[bytes], bytes] = gzip.compress,
) -> dict[str, Any]:
    """The descriptor of one image's manifest, its blobs added to ``blobs``."""
    kind = "application/vnd.oci.image"
    zipped = [_blob(squeeze(layer), blobs) for layer in layers]
    content = json.dumps(
        {
            "schemaVersion": 2,
            "mediaType": f"{kind}.manifest.v1+json",
            "config": {
                "mediaType": f"{kind}.config.v1+json",
                **_blob(config(layers, name), blobs),
            },
            "layers": [{"mediaType": f"{kind}.layer.v1.tar+gzip", **one} for one in zipped],
        }
    ).encode()
    return {
        "mediaType": f"{kind}.manifest.v1+json",
        **_blob(content, blobs),
        "platform": {"architecture": name, "os": "linux"},
    }


def _blob(content: bytes, blobs: dict[str, bytes]) -> dict[str, Any]:
    name = digest(content)
    blobs[f"blobs/sha256/{name.removeprefix('sha256:')}"] = content
    return {"digest": name, "size": len(content)}
