"""Tiny wheels and sdists for tests: valid RECORD, and the same bytes each time."""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from packaging.utils import canonicalize_name

Contents = Mapping[str, str | bytes]

_ZIP_TIME = (2020, 1, 1, 0, 0, 0)
_TAR_TIME = 1577836800

HATCHLING = '[build-system]\nrequires = ["hatchling"]\nbuild-backend = "hatchling.build"\n'
"""A ``pyproject.toml`` start for sdists that declare a backend."""


def metadata(
    name: str,
    version: str,
    *,
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Sequence[str] = (),
    metadata_version: str = "2.2",
    dynamic: Sequence[str] = (),
) -> str:
    """Core metadata (PEP 345, 566, 643) with just these fields."""
    lines = [f"Metadata-Version: {metadata_version}", f"Name: {name}", f"Version: {version}"]
    if requires_python is not None:
        lines.append(f"Requires-Python: {requires_python}")
    lines += [f"Provides-Extra: {extra}" for extra in extras]
    lines += [f"Requires-Dist: {requirement}" for requirement in requires]
    lines += [f"Dynamic: {field}" for field in dynamic]
    return "\n".join(lines) + "\n"


def wheel(
    directory: Path,
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    requires: Sequence[str] = (),
    requires_python: str | None = None,
    extras: Sequence[str] = (),
    files: Contents | None = None,
    wheel_tags: Sequence[str] | None = None,
    build: str | None = None,
) -> Path:
    """Write a wheel; ``files`` defaults to one module with the project's name.

    ``tag`` is the file name's and may be compressed; ``wheel_tags`` are the WHEEL file's where
    they are to differ from it.
    """
    module = canonicalize_name(name).replace("-", "_")
    info = f"{module}-{version}.dist-info"
    members = dict(files if files is not None else {f"{module}.py": f"VERSION = {version!r}\n"})
    pure = "true" if tag.endswith("-none-any") else "false"
    lines = ["Wheel-Version: 1.0", "Generator: tests", f"Root-Is-Purelib: {pure}"]
    lines += [f"Build: {build}"] if build else []
    lines += [f"Tag: {item}" for item in (wheel_tags or _expanded(tag))]
    members[f"{info}/METADATA"] = metadata(
        name, version, requires=requires, requires_python=requires_python, extras=extras
    )
    members[f"{info}/WHEEL"] = "\n".join(lines) + "\n"
    members[f"{info}/RECORD"] = _record(members, f"{info}/RECORD")
    middle = f"{version}-{build}" if build else version
    return write_zip(directory / f"{module}-{middle}-{tag}.whl", members)


def sdist(
    directory: Path,
    name: str,
    version: str,
    *,
    pyproject: str | None = None,
    setup_py: str | None = None,
    files: Contents | None = None,
    pkg_info: str | None = None,
    suffix: str = ".tar.gz",
) -> Path:
    """Write an sdist (``.tar.gz`` or ``.zip``).

    ``pkg_info`` defaults to metadata 2.1, which promises nothing about requirements;
    ``metadata()`` makes one that does.
    """
    stem = f"{canonicalize_name(name).replace('-', '_')}-{version}"
    default = metadata(name, version, metadata_version="2.1")
    members: dict[str, str | bytes] = {"PKG-INFO": default if pkg_info is None else pkg_info}
    if pyproject is not None:
        members["pyproject.toml"] = pyproject
    if setup_py is not None:
        members["setup.py"] = setup_py
    members.update(files or {})
    inside = {f"{stem}/{path}": content for path, content in members.items()}
    write = write_zip if suffix == ".zip" else write_tar
    return write(directory / f"{stem}{suffix}", inside)


def write_zip(path: Path, members: Contents) -> Path:
    """Write a zip archive with these members, in this order."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            item = zipfile.ZipInfo(name, _ZIP_TIME)
            item.compress_type = zipfile.ZIP_DEFLATED
            item.external_attr = 0o644 << 16
            archive.writestr(item, content)
    return path


def write_tar(path: Path, members: Contents) -> Path:
    """Write a gzipped tar archive with these members, in this order."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in members.items():
            data = _bytes(content)
            item = tarfile.TarInfo(name)
            item.size, item.mtime, item.mode = len(data), _TAR_TIME, 0o644
            archive.addfile(item, io.BytesIO(data))
    path.write_bytes(gzip.compress(raw.getvalue(), mtime=_TAR_TIME))
    return path


def _expanded(tag: str) -> list[str]:
    interpreters, abis, platforms = (part.split(".") for part in tag.split("-"))
    return [
        f"{interpreter}-{abi}-{platform}"
        for interpreter in interpreters
        for abi in abis
        for platform in platforms
    ]


def _record(members: Contents, own: str) -> str:
    rows = []
    for name, content in members.items():
        digest = hashlib.sha256(_bytes(content)).digest()
        encoded = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        rows.append(f"{name},sha256={encoded},{len(_bytes(content))}")
    return "\n".join([*rows, f"{own},,"]) + "\n"


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content
