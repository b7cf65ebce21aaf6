"""Root file systems from Debian packages: unpacked, never configured, then finished.

``mmdebstrap --variant=extract`` resolves with apt and unpacks, with apt's own check of the
suite's signature, without running one maintainer script (mmdebstrap(1)). Everything happens
in a user namespace of our own, the same for root and for a plain user, and ends with it.
"""

from __future__ import annotations

import errno
import filecmp
import hashlib
import os
import re
import shlex
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote

from crossbuild import process
from crossbuild.catalog import Debian, Image, Interpreter, Role
from crossbuild.disk import storage_error
from crossbuild.engine.images import alternatives
from crossbuild.engine.images.apt import Archive
from crossbuild.errors import (
    CrossbuildError,
    HostError,
    IntegrityError,
    NetworkError,
)
from crossbuild.platforms import ARCHES, Arch, dotted

MANIFEST = "etc/crossbuild-packages"
"""In every root: the file names of the packages it was made from, one per line, sorted."""

CONTENTS = "contents"
"""The file that ``contents`` makes."""

_SOURCE = "crossbuild-source"
"""Where apt leaves the files of a source package, in a root."""

_PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")

# Debian's packages differ in whether they ship below / or below /usr; both must be one place.
# Only the suite itself is used: an archived suite has no -security and -updates left, and the
# same image should mean the same packages for as long as possible.
_SETUP = """\
for name in bin sbin lib lib64; do
  mkdir -p "$1/usr/$name"
  ln -s "usr/$name" "$1/$name"
done
sed -i '/-updates \\|-security /d' "$1/etc/apt/sources.list"\
"""
SCRIPTS = "etc/apt/crossbuild-scripts"
"""The maintainer scripts of a root that is not finished."""
_EXTRACTED = f"""\
cd "$1/var/cache/apt/archives"
ls *.deb | LC_ALL=C sort >"$1/{MANIFEST}"
while read -r deb; do
  dpkg-deb --ctrl-tarfile "$deb" | tar -xO ./postinst 2>/dev/null || true
  echo
done <"$1/{MANIFEST}" >"$1/{SCRIPTS}"\
"""

_INDEX = (
    "Acquire::IndexTargets::deb::Contents-deb { "
    'MetaKey "$(COMPONENT)/Contents-$(ARCHITECTURE)"; '
    'ShortDescription "Contents-$(ARCHITECTURE)"; '
    'Description "$(RELEASE)/$(COMPONENT) $(ARCHITECTURE) Contents"; '
    'KeepCompressed "true"; DefaultEnabled "true"; };'
)
"""Makes ``apt-get update`` get which package has which file, as apt-file(1) does."""

_USERS = """\
root:x:0:0:root:/root:/bin/sh
builder:x:1000:1000:builder:/work:/bin/sh
nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin
"""
_FILES = {
    "etc/passwd": _USERS,
    "etc/group": "root:x:0:\nbuilder:x:1000:\nnogroup:x:65534:\n",
    "etc/hosts": "127.0.0.1 localhost crossbuild\n::1 localhost\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    "etc/hostname": "crossbuild\n",
}

_DIAGNOSES: tuple[tuple[str, type[CrossbuildError], str | None], ...] = (
    (
        "NO_PUBKEY|EXPKEYSIG|BADSIG|signatures? ",
        IntegrityError,
        "Upgrade the host's package debian-archive-keyring.",
    ),
    ("Hash Sum mismatch|unexpected size", IntegrityError, "Run again; or choose a --mirror."),
    ("Failed to fetch|Unable to fetch|Could not", NetworkError, "Choose a mirror with --mirror."),
    ("Unable to locate|has no installation", HostError, "Choose a whole mirror with --mirror."),
)
"""Words in a complaint of apt, the error they mean, and its remedy; the first row that fits."""
_FULL = "No space left on device|have enough free space|Disk quota exceeded"
_USERINFO = re.compile(r"//[^/@\s]+@")
"""The password of a mirror, which belongs into no message."""

_SMALL = 4096
"""Bytes below which a file takes less than finding out that it is the same as another."""

_USELESS = (
    "boot",
    "dev",
    "etc/apt",
    "home",
    "proc",
    "root",
    "run",
    "sys",
    "tmp",
    "usr/share/doc",
    "usr/share/info",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt",
    "var/log",
)


def unpack(
    source: Debian,
    arch: Arch,
    role: Role,
    root: Path,
    *,
    archive: Archive,
    environment: Mapping[str, str],
) -> None:
    """Unpack the packages of a role, with all they depend on, into the empty ``root``.

    Raises NetworkError, IntegrityError (a signature or hash), StorageError or HostError.
    """
    packages = source.build if role is Role.BUILD else source.target
    options = ["--variant=extract", f"--include={','.join(packages)}"]
    options.append(f"--extract-hook={_EXTRACTED}")
    _mmdebstrap(
        source.suite, (arch.debian,), root, options, archive=archive, environment=environment
    )


def programs(
    suite: str,
    packages: Sequence[str],
    arches: Sequence[str],
    root: Path,
    *,
    archive: Archive,
    environment: Mapping[str, str],
) -> None:
    """Unpack packages of several processors, Debian's names, into the empty ``root``.

    The first processor is that of packages without ``:ARCH``. Raises what ``unpack`` raises.
    """
    options = ["--variant=extract", f"--include={','.join(packages)}"]
    options.append(f"--extract-hook={_EXTRACTED}")
    _mmdebstrap(suite, arches, root, options, archive=archive, environment=environment)


def contents(
    source: Debian,
    arch: Arch,
    directory: Path,
    *,
    worth: str,
    archive: Archive,
    environment: Mapping[str, str],
) -> None:
    """Write the suite's Contents index into the empty ``directory``, as ``CONTENTS``.

    Only lines that match ``worth``, of grep -E, are kept. apt gets it and checks it as it does
    the packages. Raises what ``unpack`` raises.
    """
    with tempfile.TemporaryDirectory(dir=directory, prefix="root-") as root:
        keep = f"""\
for file in "$1"/var/lib/apt/lists/*_Contents-*; do
  /usr/lib/apt/apt-helper cat-file "$file"
done | LC_ALL=C grep -E {shlex.quote(worth)} | sed 's/  */ /' >"$1/{CONTENTS}"
test -s "$1/{CONTENTS}"\
"""
        options = ["--variant=custom", f"--aptopt={_INDEX}", f"--customize-hook={keep}"]
        _mmdebstrap(
            source.suite, (arch.debian,), Path(root), options,
            archive=archive, environment=environment,
        )  # fmt: skip
        Path(root, CONTENTS).rename(directory / CONTENTS)


def source(
    suite: str,
    package: str,
    arch: Arch,
    directory: Path,
    *,
    archive: Archive,
    environment: Mapping[str, str],
) -> None:
    """Put a source package's files, as they are, into the empty ``directory``.

    ``arch`` is the host's. apt holds them to the hashes of the suite's signed index
    (apt-secure(8)). Raises what ``unpack`` raises.
    """
    with tempfile.TemporaryDirectory(dir=directory, prefix="root-") as root:
        listed = "sed -i 's/^deb \\(.*\\)/&\\ndeb-src \\1/' \"$1/etc/apt/sources.list\""
        got = f"""\
mkdir "$1/{_SOURCE}"
cd "$1/{_SOURCE}"
export APT_CONFIG="${{APT_CONFIG:-$MMDEBSTRAP_APT_CONFIG}}"
apt-get source --only-source --download-only {shlex.quote(package)}\
"""
        options = ["--variant=custom", f"--setup-hook={listed}", f"--customize-hook={got}"]
        _mmdebstrap(
            suite, (arch.debian,), Path(root), options, archive=archive, environment=environment
        )
        for path in sorted(Path(root, _SOURCE).iterdir()):
            path.rename(directory / path.name)


def _mmdebstrap(
    suite: str,
    arches: Sequence[str],
    root: Path,
    options: Sequence[str],
    *,
    archive: Archive,
    environment: Mapping[str, str],
) -> None:
    if process.which("mmdebstrap") is None:
        raise HostError(
            "mmdebstrap is not installed on this host", remedy="Install the package mmdebstrap."
        )
    argv = [
        *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--fork", "--kill-child"),
        *("mmdebstrap", "--mode=root", "--format=directory", f"--arch={','.join(arches)}"),
        *("--skip=output/dev,output/mknod,check/qemu,chroot/mount", f"--setup-hook={_SETUP}"),
        *(*options, *(f"--aptopt={line}" for line in archive.options)),
        *(suite, str(root), *([archive.mirror] if archive.mirror else [])),
    ]
    try:
        process.run(argv, env=_environment(environment))
    except process.ProcessError as error:
        what = f"Debian {suite} for {' and '.join(_spelled(name) for name in arches)}"
        raise _diagnosed(error, what, archive, root) from error


def finish(image: Image, root: Path) -> None:
    """Do what maintainer scripts would have done, as far as Python and builds need it."""
    alternatives.link(root, (root / SCRIPTS).read_text(encoding="utf-8", errors="replace"))
    strip(root)
    for name, text in _FILES.items():
        # A link here would lead out of the root: an absolute one means the host's file.
        (root / name).unlink(missing_ok=True)
        (root / name).write_text(text, encoding="ascii")
    for interpreter in image.interpreters:
        (root / library(interpreter)[1:] / "sitecustomize.py").unlink(missing_ok=True)
        for name in ("python", "python3", f"python{dotted(interpreter.version)}"):
            path = root / interpreter.directory[1:] / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.symlink_to(interpreter.path)


def strip(root: Path) -> None:
    """Remove what no program reads: documentation, apt's own files, mount points."""
    for name in _USELESS:
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)


def share(interpreter: Interpreter, plain: Path, root: Path) -> None:
    """Let a root that only has more packages have its other files in common with the plain one.

    They are one file each, linked, on one disk; the compiled standard library comes with them,
    which holds the time of its source, the package's (PEP 3147). Neither root may be changed.
    """
    for compiled in (plain / library(interpreter)[1:]).rglob("__pycache__"):
        place = root / compiled.relative_to(plain)
        if place.parent.is_dir() and not place.exists():
            shutil.copytree(compiled, place, copy_function=os.link)
    for directory, _, names in os.walk(root):
        here, there = Path(directory), plain / Path(directory).relative_to(root)
        for name in names if there.is_dir() else ():
            if _same(here / name, there / name):
                # A second name is made first: a file must not be gone for a moment.
                linked = here / f".{name}.crossbuild"
                linked.hardlink_to(there / name)
                linked.replace(here / name)


def _same(one: Path, other: Path) -> bool:
    """Whether two regular files have the same bytes, mode and time, and are not one file."""
    if one.is_symlink() or other.is_symlink() or not other.is_file():
        return False
    mine, theirs = one.stat(), other.stat()
    facts = [(s.st_mode, s.st_size, s.st_mtime_ns, s.st_uid, s.st_gid) for s in (mine, theirs)]
    if facts[0] != facts[1] or mine.st_ino == theirs.st_ino or mine.st_size < _SMALL:
        return False
    return filecmp.cmp(one, other, shallow=False)


def content_key(root: Path) -> str:
    """A hash of what is in a root: the exact version of every package."""
    return hashlib.sha256((root / MANIFEST).read_bytes()).hexdigest()[:16]


def installed(root: Path) -> frozenset[str]:
    """The names of the packages that a root was made from."""
    names = (root / MANIFEST).read_text(encoding="utf-8").splitlines()
    return frozenset(name.partition("_")[0] for name in names)


def version(root: Path, package: str) -> str:
    """The version of a package that a root was made from; empty when it has none such."""
    names = (root / MANIFEST).read_text(encoding="utf-8").splitlines()
    found = (name.split("_")[1] for name in names if name.partition("_")[0] == package)
    return unquote(next(found, ""))


def library(interpreter: Interpreter) -> str:
    """Where Debian keeps the standard library of an interpreter."""
    return f"/usr/lib/python{dotted(interpreter.version)}"


def _spelled(name: str) -> str:
    """Debian's name of a processor as everybody else has it: arm64 is aarch64."""
    return next((arch.name for arch in ARCHES.values() if arch.debian == name), name)


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The proxies of the user; tar must not try to give files to users the namespace lacks."""
    kept = {name: value for name, value in environment.items() if name.lower() in _PROXIES}
    return {
        **kept,
        "PATH": environment.get("PATH", os.defpath),
        "LC_ALL": "C.UTF-8",
        "TAR_OPTIONS": "--no-same-owner --no-same-permissions",
    }


def _diagnosed(
    error: process.ProcessError, what: str, archive: Archive, root: Path
) -> CrossbuildError:
    """The failure of mmdebstrap as the error a user can act on, by what apt and tar printed."""
    lines = [_USERINFO.sub("//", line) for line in error.output.splitlines()]
    if any(re.search(_FULL, line) for line in lines):
        return storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), root)
    where = _USERINFO.sub("//", archive.mirror or "the default mirror of mmdebstrap")
    failed = f"{what} could not be unpacked from {where}"
    for pattern, kind, remedy in _DIAGNOSES:
        for line in lines:
            if re.search(pattern, line):
                return kind(f"{failed}: {line.removeprefix('E: ')}", remedy=remedy)
    complaint = next((line[3:] for line in lines if line.startswith("E: ")), str(error))
    return HostError(f"{failed}: {complaint}", remedy="")
