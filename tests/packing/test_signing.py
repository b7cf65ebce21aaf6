"""Signed bundles: real minisign and ssh-keygen here, integers alone on the target."""

from __future__ import annotations

import base64
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from crossbuild import process
from crossbuild.cli.main import main
from crossbuild.errors import HostError, UsageError
from crossbuild.installer import ed25519, signature
from crossbuild.installer.failure import Failure
from crossbuild.packing.order import Form, Order
from tests import houses, pythons
from tests.packing import wheelhouses

VECTORS = """
d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a -
e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e06522490155
5fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b
3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c 72
92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da
085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00
fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025 af82
6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac
18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a
"""
"""RFC 8032, 7.1, tests 1 to 3: key and message, signature."""


def vectors() -> list[tuple[bytes, bytes, bytes]]:
    words = VECTORS.replace("-", "").split("\n")[1:-1]
    rows = [words[at : at + 3] for at in range(0, len(words), 3)]
    pairs = [(*row[0].split(" "), row[1] + row[2]) for row in rows]
    return [(bytes.fromhex(k), bytes.fromhex(m), bytes.fromhex(s)) for k, m, s in pairs]


@pytest.mark.parametrize(("public", "text", "signed"), vectors())
def test_the_vectors_of_the_rfc(public: bytes, text: bytes, signed: bytes) -> None:
    assert ed25519.authentic(public, text, signed)
    assert not ed25519.authentic(public, text + b"x", signed)
    for place in (0, 31, 32, 62):
        spoilt = bytearray(signed)
        spoilt[place] ^= 1
        assert not ed25519.authentic(public, text, bytes(spoilt))
    assert not ed25519.authentic(public[1:], text, signed)
    assert not ed25519.authentic(public, text, signed[:-1])


def test_another_implementation_agrees() -> None:
    for number in range(5):
        private = Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32)
        public = private.public_key().public_bytes_raw()
        message = bytes(range(number * 50))
        assert ed25519.authentic(public, message, private.sign(message))
        assert not ed25519.authentic(public, message + b"!", private.sign(message))


def test_a_second_form_of_the_same_signature_is_refused() -> None:
    public, message, signed = vectors()[2]
    larger = int.from_bytes(signed[32:], "little") + ed25519.GROUP_ORDER
    assert not ed25519.authentic(public, message, signed[:32] + larger.to_bytes(32, "little"))
    above = (ed25519.PRIME + 1).to_bytes(32, "little")
    assert ed25519.decoded_point(above) is None
    assert not ed25519.authentic(above, message, signed)


def missing(program: str) -> pytest.MarkDecorator:
    absent = shutil.which(program) is None
    return pytest.mark.skipif(absent, reason=f"there is no {program} on this host")


def by_minisign(directory: Path, name: str = "key", *flags: str) -> tuple[Path, Path]:
    """A new pair of keys: the secret one, the public one."""
    secret, public = directory / f"{name}.mini", directory / f"{name}.mini.pub"
    argv = ["minisign", "-G", "-W", "-s", str(secret), "-p", str(public), *flags]
    subprocess.run(argv, check=True, capture_output=True)
    return secret, public


def by_openssh(directory: Path, name: str = "key", kind: str = "ed25519") -> tuple[Path, Path]:
    secret = directory / f"{name}.ssh"
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "me and you", "-f", str(secret)]
    subprocess.run(argv, check=True)
    return secret, secret.with_name(f"{secret.name}.pub")


Maker = Callable[..., tuple[Path, Path]]
TOOLS = pytest.mark.parametrize(
    "keys",
    [
        pytest.param(by_minisign, marks=missing("minisign"), id="minisign"),
        pytest.param(by_openssh, marks=missing("ssh-keygen"), id="ssh-keygen"),
    ],
)


def signed(directory: Path, key: Path, form: Form = Form.DIRECTORY, name: str = "signed") -> Path:
    wheelhouse = directory / "wheelhouse"
    if not wheelhouse.exists():
        wheelhouses.wheelhouse(directory)
    order = Order(wheelhouse=wheelhouse, form=form, output=directory / name, key=key)
    return wheelhouses.packed(order).output


@TOOLS
@pytest.mark.parametrize("version", pythons.each()[::2])
def test_the_target_verifies_without_a_tool(tmp_path: Path, keys: Maker, version: str) -> None:
    python = pythons.interpreter(version)
    assert python is not None
    secret, public = keys(tmp_path)
    bundle = signed(tmp_path, secret)
    for number, said in enumerate((public, public.read_text().strip().splitlines()[-1])):
        site = tmp_path / f"site-{number}"
        words = ("--verify-key", said, "--target", site)
        done = houses.install(bundle, *words, python=python)
        assert (done.code, done.error) == (0, "")
        assert (site / "beta.py").is_file()


@TOOLS
def test_without_hashlib_it_is_the_same(tmp_path: Path, keys: Maker) -> None:
    secret, public = keys(tmp_path)
    bundle = signed(tmp_path, secret)
    prelude = "import sys; sys.modules['hashlib'] = None"
    words = ("--verify-key", public, "--target", tmp_path / "site")
    assert houses.install(bundle, *words, prelude=prelude).code == 0


@TOOLS
@pytest.mark.parametrize(
    "spoil",
    ["sums", "wheel and sums", "signature", "no signature", "other key", "wheel"],
)
def test_what_does_not_verify_is_refused(tmp_path: Path, keys: Maker, spoil: str) -> None:
    secret, public = keys(tmp_path)
    bundle = signed(tmp_path, secret)
    (sign,) = bundle.glob("SHA256SUMS.*")
    sums = bundle / "SHA256SUMS"
    wheel = bundle / "beta-2.0-py3-none-any.whl"
    if spoil == "sums":
        sums.write_text(sums.read_text() + f"{'0' * 64}  more.whl\n")
    elif spoil == "wheel and sums":
        old = houses.sha256(wheel)
        wheel.write_bytes(wheel.read_bytes() + b"!")
        for name in ("requirements.txt", "SHA256SUMS"):
            text = (bundle / name).read_text()
            (bundle / name).write_text(text.replace(old, houses.sha256(wheel)))
    elif spoil == "signature":
        lines = sign.read_text().splitlines()
        lines[1] = lines[1][:30] + ("A" if lines[1][30] != "A" else "B") + lines[1][31:]
        sign.write_text("\n".join(lines))
    elif spoil == "no signature":
        sign.unlink()
    elif spoil == "other key":
        _, public = keys(tmp_path, "other")
    else:
        wheel.write_bytes(wheel.read_bytes() + b"!")
    words = ("--verify-key", public, "--target", tmp_path / "site")
    done = houses.install(bundle, *words)
    assert done.code == 5
    assert ("SHA256SUMS" in done.error) is (spoil != "wheel")
    assert not (tmp_path / "site").exists() or not list((tmp_path / "site").iterdir())


@TOOLS
@pytest.mark.parametrize("form", [Form.PYZ, Form.TEXT])
def test_bundles_that_run_take_the_option_too(tmp_path: Path, keys: Maker, form: Form) -> None:
    secret, public = keys(tmp_path)
    bundle = signed(tmp_path, secret, form, f"bundle.{form.value}")
    words = ["install", "--target", str(tmp_path / "site"), "--verify-key"]
    done = subprocess.run([sys.executable, str(bundle), *words, str(public)], check=False)
    assert done.returncode == 0
    _, other = keys(tmp_path, "other")
    done = subprocess.run(
        [sys.executable, str(bundle), *words, str(other)], check=False, capture_output=True
    )
    assert done.returncode == 5


@TOOLS
def test_the_same_key_gives_the_same_bytes(tmp_path: Path, keys: Maker) -> None:
    secret, _ = keys(tmp_path)
    first, second = (signed(tmp_path, secret, Form.TAR, name) for name in ("one", "two"))
    assert first.read_bytes() == second.read_bytes()


@missing("minisign")
def test_minisigns_older_signatures(tmp_path: Path) -> None:
    secret, public = by_minisign(tmp_path)
    bundle = signed(tmp_path, secret)
    argv = ["minisign", "-S", "-l", "-s", str(secret), "-m", str(bundle / "SHA256SUMS")]
    subprocess.run(argv, check=True, capture_output=True)
    text = (bundle / "SHA256SUMS.minisig").read_text().splitlines()[1]
    assert base64.b64decode(text)[:2] == b"Ed"
    signature.check_signature(str(bundle), str(public))


@missing("minisign")
def test_minisigns_comment_is_signed_too(tmp_path: Path) -> None:
    secret, public = by_minisign(tmp_path)
    bundle = signed(tmp_path, secret)
    sign = bundle / "SHA256SUMS.minisig"
    sign.write_text(sign.read_text().replace("of a wheelhouse", "of mine"))
    with pytest.raises(Failure, match="is not that key's signature"):
        signature.check_signature(str(bundle), str(public))


@missing("minisign")
def test_minisign_itself_agrees(tmp_path: Path) -> None:
    secret, public = by_minisign(tmp_path)
    sums = signed(tmp_path, secret) / "SHA256SUMS"
    subprocess.run(["minisign", "-V", "-p", str(public), "-m", str(sums)], check=True)


@missing("ssh-keygen")
def test_ssh_keygen_itself_agrees(tmp_path: Path) -> None:
    secret, public = by_openssh(tmp_path)
    sums = signed(tmp_path, secret) / "SHA256SUMS"
    (tmp_path / "allowed").write_text(f"me {public.read_text()}")
    argv = ["ssh-keygen", "-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "me"]
    with sums.open("rb") as stream:
        more = ["-n", "crossbuild", "-s", f"{sums}.sig"]
        subprocess.run([*argv, *more], check=True, stdin=stream)
    (tmp_path / "allowed").write_text(f"me namespaces='crossbuild' {public.read_text()}")
    signature.check_signature(str(sums.parent), str(tmp_path / "allowed"))


@missing("ssh-keygen")
def test_a_signature_for_something_else_is_none_of_this(tmp_path: Path) -> None:
    secret, public = by_openssh(tmp_path)
    sums = signed(tmp_path, secret) / "SHA256SUMS"
    Path(f"{sums}.sig").unlink()
    argv = ["ssh-keygen", "-Y", "sign", "-f", str(secret), "-n", "file", str(sums)]
    subprocess.run(argv, check=True, capture_output=True)
    with pytest.raises(Failure, match="is not that key's signature"):
        signature.check_signature(str(sums.parent), str(public))


@missing("ssh-keygen")
def test_a_key_that_the_target_cannot_verify_is_not_used(tmp_path: Path) -> None:
    secret, _ = by_openssh(tmp_path, kind="ecdsa")
    with pytest.raises(UsageError, match="is a key of ecdsa-sha2-nistp256"):
        signed(tmp_path, secret)


def test_what_is_no_key_is_told(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello")
    with pytest.raises(UsageError, match="is no key to sign with"):
        signed(tmp_path, tmp_path / "text")
    with pytest.raises(UsageError, match=r"absent cannot be read: no such file"):
        signed(tmp_path, tmp_path / "absent")
    for said in ("hello", "", "ssh-ed25519 AAAA", "ssh-rsa AAAAB3NzaC1yc2E= me", "x" * 56):
        with pytest.raises(Failure, match="is no public key that is known here") as caught:
            signature.Key(said)
        assert caught.value.code == 2


def test_a_tool_that_is_missing_or_fails_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = tmp_path / "key"
    key.write_text("untrusted comment: minisign encrypted secret key\nRW…\n")
    monkeypatch.setattr(process, "which", lambda program: None)
    with pytest.raises(HostError, match="minisign is not installed on this host") as caught:
        signed(tmp_path, key)
    assert "apt install minisign" in caught.value.remedy
    monkeypatch.setattr(process, "which", lambda program: Path("/bin/false"))
    monkeypatch.setattr(process, "foreground", lambda argv, stdout: 2)
    with pytest.raises(HostError, match=f"minisign did not sign with {key}"):
        signed(tmp_path, key)


@missing("ssh-keygen")
def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CROSSBUILD_CACHE_DIR", str(tmp_path / "cache"))
    secret, public = by_openssh(tmp_path)
    wheelhouses.wheelhouse(tmp_path)
    assert main(["bundle", "wheelhouse", "--format", "dir", "-o", "out", "--sign", "key.ssh"]) == 0
    signature.check_signature("out", str(public))
    assert main(["bundle", "out", "--format", "dir", "-o", "again"]) == 0
    signature.check_signature("again", str(public))
    assert main(["bundle", "out", "--format", "dir", "-o", "other", "--stored"]) == 0
    assert not list(Path("other").glob("SHA256SUMS.*"))
    assert secret.is_file()
