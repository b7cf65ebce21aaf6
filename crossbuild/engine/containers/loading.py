"""Images in a daemon: made from a root on this host, loaded once, found again by content.

No registry is asked. What is loaded is an archive as ``docker save`` writes it, with one layer
and a configuration of our own: ``docker import`` of 20.10 records the wrong processor.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import tarfile
from dataclasses import dataclass
from pathlib import Path

from crossbuild.disk import guarded, hash_of
from crossbuild.engine.base import WORK, Root
from crossbuild.engine.containers import tarring
from crossbuild.engine.containers.daemon import Daemon, refusal
from crossbuild.engine.containers.labels import KEEP
from crossbuild.engine.sandboxes.sandbox import OWN, UID
from crossbuild.platforms import Arch
from crossbuild.store import Store

REPOSITORY = "crossbuild"
"""The first part of the name of every image of ours."""

_SCHEMA = 2
"""Raise it when the same root would be laid out differently."""

_LOADING = 3600
_EPOCH = "1970-01-01T00:00:00Z"
_GO = {"x86_64": "amd64", "aarch64": "arm64", "loongarch64": "loong64"}
_VARIANTS = {"armv7l": ("arm", "v7")}


@dataclass(frozen=True, kw_only=True, slots=True)
class Platform:
    """A processor as images name it (the OCI image specification: GOARCH and variant)."""

    architecture: str
    variant: str = ""

    @classmethod
    def of(cls, arch: Arch) -> Platform:
        """The platform of a processor."""
        architecture, variant = _VARIANTS.get(arch.name, (_GO.get(arch.name, arch.name), ""))
        return cls(architecture=architecture, variant=variant)

    def __str__(self) -> str:
        return "/".join(filter(None, ("linux", self.architecture, self.variant)))


def image_of(root: Root) -> str:
    """The name and tag of a root's image in every daemon; the tag tells its content."""
    prefix = f"{root.image.name}-{root.role.value}"
    tag = f"{_SCHEMA}-{_word(root.key.removeprefix(prefix).lstrip('-'))}"
    return f"{REPOSITORY}/{_word(prefix).lower()}:{tag[-128:]}"


def load(daemon: Daemon, root: Root, store: Store) -> str:
    """Bring a root into the daemon, where it is not there yet; return the image's name.

    Raises HostError, StorageError.
    """
    name = image_of(root)
    if here(daemon, name):
        return name
    with (
        store.lock(f"image-{name}", what=f"the image {name}"),
        store.scratch("image") as directory,
    ):
        if here(daemon, name):
            return name
        layer = directory / "layer.tar"
        with guarded(directory), layer.open("wb") as stream:
            tarring.pack_root(stream, root.path, OWN)
        with guarded(directory), layer.open("r+b") as stream:
            _add_own(stream)
        send(daemon, layer, name, Platform.of(root.image.arch))
    return name


def here(daemon: Daemon, name: str) -> bool:
    """Whether the daemon has an image of this name. Raises HostError."""
    with daemon.talking("look for an image"):
        return bool(daemon.api.images(name=name, quiet=True))


def send(daemon: Daemon, layer: Path, name: str, platform: Platform) -> None:
    """Load an image with one layer, a tar file. Raises HostError, StorageError."""
    archive = layer.with_name("image.tar")
    with guarded(layer.parent):
        _write(archive, layer, name, platform)
    tar = {"Content-Type": "application/x-tar"}
    with archive.open("rb") as stream, daemon.talking(f"load the image {name}"):
        said = daemon.request(
            "POST", "/images/load", data=stream, headers=tar, timeout=_LOADING
        ).text
    if not here(daemon, name):
        raise refusal(_complaint(said), daemon.address, f"load the image {name}")


def _complaint(said: str) -> str:
    """The last thing a daemon said while it loaded: JSON, one object a line."""
    found = "it is not there afterwards"
    for line in said.splitlines():
        with contextlib.suppress(ValueError, AttributeError):
            found = json.loads(line).get("error") or found
    return found


def _add_own(stream: object) -> None:
    """Append the directories that are a session's own."""
    with tarfile.open(fileobj=stream, mode="a", format=tarfile.PAX_FORMAT) as tar:  # type: ignore[call-overload]
        tar.addfile(tarring.directory(WORK.strip("/"), UID, 0o755))
        tar.addfile(tarring.directory("tmp", 0, 0o1777))
        tar.addfile(tarring.directory("run", 0, 0o755))


def _write(archive: Path, layer: Path, name: str, platform: Platform) -> None:
    config = _config(hash_of(layer), platform)
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [name], "Layers": [layer.name]}]
    with tarfile.open(archive, "w", format=tarfile.PAX_FORMAT) as tar:
        tarring.content(tar, config_name, config)
        tar.add(layer, layer.name)
        tarring.content(tar, "manifest.json", json.dumps(manifest).encode())


def _config(layer: str, platform: Platform) -> bytes:
    """The image's configuration; without environment or command, so that none leaks in."""
    said = {
        "architecture": platform.architecture,
        "os": "linux",
        "created": _EPOCH,
        "config": {"Labels": {KEEP: "image"}, "WorkingDir": WORK},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer}"]},
        "history": [{"created": _EPOCH, "created_by": "crossbuild"}],
    }
    if platform.variant:
        said["variant"] = platform.variant
    return json.dumps(said, sort_keys=True).encode()


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", text).strip("-.") or "x"
