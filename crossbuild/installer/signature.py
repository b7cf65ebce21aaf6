"""Signatures of SHA256SUMS, by minisign or by ``ssh-keygen -Y sign``: is it that key's?

minisign: https://jedisct1.github.io/minisign/. OpenSSH: its file PROTOCOL.sshsig.
"""

import os

from crossbuild.installer.digests import hasher
from crossbuild.installer.ed25519 import authentic
from crossbuild.installer.failure import DAMAGED, USAGE, Failure, reason

SIGNED = "SHA256SUMS"
NAMESPACE = b"crossbuild"
"""What signatures of ssh-keygen are for (its option -n)."""
UNTRUSTED = "Take the wheelhouse from whom you trust, or give the key that it was signed with."
FORMS = "It is a file or a text: of minisign (RW…), or ssh-ed25519 AAAA…"


class Key:
    """A public key. ``kind``: ``minisign`` or ``sig``, what its signatures' names end in.

    ``said`` is the key itself, or the name of a file that has it. Raises Failure for another.
    """

    def __init__(self, said: str) -> None:
        text = said
        if os.path.isfile(said):
            with open(said, encoding="utf-8", errors="replace") as file:
                text = file.read()
        try:
            kind = self.read(text.split())
        except Failure:
            kind = b""
        if kind not in (b"ssh-ed25519", b"Ed") or len(self.raw) != 32:
            raise Failure(USAGE, f"{said!r} is no public key that is known here", FORMS)

    def read(self, words: "list[str]") -> bytes:
        """Take the parts of a key; the kind that it says it is of."""
        if "ssh-ed25519" in words[:-1]:
            self.kind = "sig"
            kind, rest = field(unbased(words[words.index("ssh-ed25519") + 1], "the key"))
            self.identity, self.raw = b"", field(rest)[0]
            return kind
        self.kind = "minisig"
        data = unbased(words[-1] if words else "", "the key")
        self.identity, self.raw = data[2:10], data[10:]
        return data[:2]


def unbased(text: str, what: str) -> bytes:
    """The bytes of a text in base64. Raises Failure for another text."""
    import binascii

    try:
        return binascii.a2b_base64(text)
    except (binascii.Error, ValueError) as error:
        raise Failure(DAMAGED, f"{what} is damaged: {reason(error)}", FORMS) from None


def field(data: bytes) -> "tuple[bytes, bytes]":
    """The first string of OpenSSH's and what follows it (RFC 4251, 5)."""
    size = int.from_bytes(data[:4], "big")
    return data[4 : 4 + size], data[4 + size :]


def string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data


def digested(algorithm: str, data: bytes) -> bytes:
    digest = hasher(algorithm)
    digest.update(data)
    return bytes(digest.digest())


def check_signature(directory: str, said: str) -> None:
    """Hold SHA256SUMS against its signature. Raises Failure where it is not this key's."""
    key = Key(said)
    path = os.path.join(directory, f"{SIGNED}.{key.kind}")
    try:
        with open(os.path.join(directory, SIGNED), "rb") as file:
            message = file.read()
        with open(path, encoding="utf-8", errors="replace") as lines:
            text = lines.read()
    except OSError as error:
        raise Failure(DAMAGED, f"{path} cannot be read: {reason(error)}", UNTRUSTED) from None
    verdict = by_openssh if key.kind == "sig" else by_minisign
    if not verdict(key, message, text):
        raise Failure(DAMAGED, f"{path} is not that key's signature of {SIGNED}", UNTRUSTED)


def by_minisign(key: Key, message: bytes, text: str) -> bool:
    """Whether both signatures are the key's: of the file, and of that with the comment."""
    lines = text.splitlines()
    if len(lines) < 4:
        return False
    data, whole = unbased(lines[1], "the signature"), unbased(lines[3], "the signature")
    kind, identity, signature = data[:2], data[2:10], data[10:]
    if kind == b"ED":
        message = digested("blake2b", message)
    elif kind != b"Ed":
        return False
    comment = lines[2].partition("trusted comment: ")[2].encode("utf-8")
    return (
        identity == key.identity
        and authentic(key.raw, message, signature)
        and authentic(key.raw, signature + comment, whole)
    )


def fields(text: str) -> "list[bytes]":
    """Public key, namespace, reserved, hash and signature of ``-----BEGIN SSH SIGNATURE-----``."""
    lines = [line for line in text.splitlines() if not line.startswith("-----")]
    rest = unbased("".join(lines), "the signature")
    if rest[:10] != b"SSHSIG\x00\x00\x00\x01":
        return [b""] * 5
    found, rest = [], rest[10:]
    for _ in range(5):
        one, rest = field(rest)
        found.append(one)
    return found


def by_openssh(key: Key, message: bytes, text: str) -> bool:
    public, namespace, reserved, algorithm, blob = fields(text)
    kind, rest = field(blob)
    named, raw = field(public)
    if (kind, named) != (b"ssh-ed25519", b"ssh-ed25519") or algorithm not in (
        b"sha256",
        b"sha512",
    ):
        return False
    digest = digested(algorithm.decode("ascii"), message)
    whole = b"SSHSIG" + b"".join(map(string, (namespace, reserved, algorithm, digest)))
    mine = field(raw)[0] == key.raw and namespace == NAMESPACE
    return mine and authentic(key.raw, whole, field(rest)[0])
