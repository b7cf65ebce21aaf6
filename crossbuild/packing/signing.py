"""Signed wheelhouses: SHA256SUMS signed with the user's own minisign or ssh-keygen.

What is signed names every file with its hash; ``install.py --verify-key`` holds both against a
public key on the target, with no tool there.
"""

from __future__ import annotations

import base64
import shutil
from pathlib import Path

from crossbuild import process
from crossbuild.errors import HostError, UsageError
from crossbuild.installer.signature import NAMESPACE, check_signature, field, fields
from crossbuild.packing import cargo
from crossbuild.packing.cargo import SIGNATURES, SUMS, Cargo

_COMMENT = f"{SUMS} of a wheelhouse"
_MINISIGN = "untrusted comment:"
_OPENSSH = ("-----BEGIN OPENSSH PRIVATE KEY-----", "ssh-ed25519 ")
_STDERR = 2


def suffix_of(key: Path) -> str:
    """What the name of its signatures ends in. Raises UsageError for a key of no known kind."""
    return _command(key, Path(SUMS))[0]


def signed(load: Cargo, key: Path, scratch: Path) -> Cargo:
    """The wheelhouse with a signature beside SHA256SUMS, and no other.

    ``key`` is a secret key of minisign's, or an Ed25519 key of OpenSSH's (the private one, or
    the public one of a key that the agent has). The tool may ask for a password on the terminal.
    Raises UsageError for a key of another kind, HostError where the tool is missing or fails.
    """
    sums = load.named(SUMS)
    assert sums is not None, "a wheelhouse was read with its sums"
    directory = scratch / "signing"
    directory.mkdir()
    copy = directory / SUMS
    shutil.copyfile(sums.path, copy)
    suffix, argv = _command(key, copy)
    _run(argv, key)
    name = f"{SUMS}.{suffix}"
    item = cargo.item_of(directory, name)
    if suffix == "sig":
        _check(directory, key)
    kept = [other for other in load.items if other.name not in SIGNATURES]
    items = sorted([*kept, item], key=lambda one: one.name)
    return Cargo(items=tuple(items), listed=load.listed)


def _command(key: Path, file: Path) -> tuple[str, list[str]]:
    """What a signature's name ends in, and what makes one."""
    try:
        head = key.read_text(encoding="utf-8", errors="replace").lstrip()
    except OSError as error:
        said = (error.strerror or "").lower()
        raise UsageError(f"the key {key} cannot be read: {said}") from error
    if head.startswith(_MINISIGN):
        comments = ["-c", _COMMENT, "-t", _COMMENT]
        return "minisig", ["minisign", "-S", "-s", str(key), "-m", str(file), *comments]
    if head.startswith(_OPENSSH):
        name = NAMESPACE.decode()
        return "sig", ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", name, str(file)]
    raise UsageError(
        f"{key} is no key to sign with",
        remedy="Give a secret key of minisign's (minisign -G), or an Ed25519 key of OpenSSH's "
        "(ssh-keygen -t ed25519).",
    )


def _run(argv: list[str], key: Path) -> None:
    if process.which(argv[0]) is None:
        package = {"minisign": "minisign", "ssh-keygen": "openssh-client"}[argv[0]]
        raise HostError(
            f"{argv[0]} is not installed on this host, and {key} is a key of it",
            remedy=f"Install it, for example with `apt install {package}`.",
        )
    if process.foreground(argv, stdout=_STDERR) != 0:
        raise HostError(f"{argv[0]} did not sign with {key}", remedy="Its own message is above.")


def _check(directory: Path, key: Path) -> None:
    """Raise UsageError where the target could not verify: it knows Ed25519 alone."""
    public = fields((directory / f"{SUMS}.sig").read_text(encoding="ascii"))[0]
    kind = field(public)[0].decode()
    if kind != "ssh-ed25519":
        raise UsageError(
            f"{key} is a key of {kind}, which is not verified on the target",
            remedy="Make one that is: ssh-keygen -t ed25519.",
        )
    check_signature(str(directory), f"{kind} {base64.b64encode(public).decode()}")
