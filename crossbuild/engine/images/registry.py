"""Images pulled from a registry by their digest, with skopeo and without a daemon.

skopeo (containers/image) reads the user's own logins: ``auth.json`` of ``skopeo login`` and
Docker's ``config.json`` (containers-auth.json(5)). Which registry it is, only the user says.
"""

from __future__ import annotations

import errno
import ipaddress
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from crossbuild.catalog import Oci
from crossbuild.disk import storage_error
from crossbuild.engine.images import archives
from crossbuild.errors import CrossbuildError, HostError, IntegrityError, NetworkError
from crossbuild.platforms import Arch

LAYOUT_TAG = "pulled"
_FORM = re.compile(
    r"(?:(?P<scheme>https?)://)?"
    r"(?P<host>[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-f:]+\])(?P<port>:\d{1,5})?"
    r"(?P<path>(?:/[a-z0-9]+(?:[._-]+[a-z0-9]+)*)*)/?"
)
_KEPT = frozenset(
    {"HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"}
    | {"SSL_CERT_FILE", "SSL_CERT_DIR"}
)
"""Of the user's environment: where the logins are, and whom to trust."""
_PROXIES = frozenset({"http_proxy", "https_proxy", "all_proxy", "no_proxy"})

_LOGIN = "Log in with `skopeo login {host}` or `docker login {host}`, then run again."
_CHECK = "Check --registry (or CROSSBUILD_REGISTRY), the connection and the proxy, then run again."
_DIAGNOSES: tuple[tuple[str, type[CrossbuildError], str, str], ...] = (
    (
        "unauthorized|authentication required|denied|invalid username/password|no basic auth",
        NetworkError,
        "wants a login, or another one",
        _LOGIN,
    ),
    (
        "manifest unknown|name unknown|name not known|reading manifest .*(?:404|not found)",
        NetworkError,
        "does not have it",
        "Take a registry that has it, with this digest.",
    ),
    (
        "[Dd]igest did not match|does not match|checksum|[Ii]nvalid digest",
        IntegrityError,
        "sent something else than the digest promises",
        "Do not use this registry, or try again later.",
    ),
    (
        "gave HTTP response to HTTPS client",
        NetworkError,
        "speaks plain HTTP",
        "Write http://{host} if that is what you want: nobody then checks who answers.",
    ),
    (
        "x509|certificate",
        NetworkError,
        "shows a certificate that this host does not trust",
        "Add its authority to the host's certificates (update-ca-certificates).",
    ),
)
"""Words in a complaint of skopeo, the error they mean, what happened, and the remedy."""
_USERINFO = re.compile(r"//[^/@\s]+@")


@dataclass(frozen=True, kw_only=True, slots=True)
class Registry:
    """Where images are pulled from: ``HOST[:PORT][/PATH]``; ``plain``: over HTTP."""

    place: str
    plain: bool = False

    @property
    def host(self) -> str:
        """The host with its port."""
        return self.place.partition("/")[0]

    @property
    def unchecked(self) -> bool:
        """Whether HTTP will do: on this machine itself, or because the user said so."""
        return self.plain or _loopback(self.host)


def parse(text: str) -> Registry:
    """Read ``HOST[:PORT][/PATH]``, with ``http://`` for one without TLS.

    Raises ValueError with one sentence.
    """
    match = _FORM.fullmatch(text.strip())
    if match is None:
        shown = _USERINFO.sub("//", text)
        raise ValueError(f"{shown!r} is no registry; write HOST, HOST:PORT or HOST/PATH")
    place = f"{match['host']}{match['port'] or ''}{match['path']}"
    return Registry(place=place, plain=match["scheme"] == "http")


def pull(
    source: Oci, arch: Arch, registry: Registry, layout: Path, environment: Mapping[str, str]
) -> None:
    """Copy an image to the new OCI layout ``layout``; skopeo checks every digest.

    Raises HostError without skopeo, NetworkError, IntegrityError, StorageError.
    """
    if process.which("skopeo") is None:
        raise HostError(
            f"{source} can only be pulled with skopeo, which is not installed on this host",
            remedy="Install the package skopeo.",
        )
    layout.parent.mkdir(parents=True, exist_ok=True)
    argv = [
        *("skopeo", "--override-os", "linux"),
        *("--override-arch", archives.go_name(arch)),
        *("--tmpdir", str(layout.parent), "copy", "--quiet", "--retry-times", "2"),
        f"--src-tls-verify={str(not registry.unchecked).lower()}",
        f"docker://{registry.place}/{source.repository}@{source.digest}",
        f"oci:{layout}:{LAYOUT_TAG}",
    ]
    try:
        process.run(argv, env=_environment(environment))
    except process.ProcessError as error:
        raise _diagnosed(error, source, registry, layout) from error


def _environment(environment: Mapping[str, str]) -> dict[str, str]:
    kept = {
        name: value
        for name, value in environment.items()
        if name in _KEPT or name.lower() in _PROXIES
    }
    return {**kept, "PATH": environment.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}


def _diagnosed(
    error: process.ProcessError, source: Oci, registry: Registry, layout: Path
) -> CrossbuildError:
    said = _USERINFO.sub("//", error.output)
    if "no space left on device" in said:
        return storage_error(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), layout.parent)
    what = f"{source} could not be pulled: the registry {registry.host}"
    for pattern, kind, happened, remedy in _DIAGNOSES:
        if re.search(pattern, said):
            return kind(f"{what} {happened}", remedy=remedy.format(host=registry.host))
    return NetworkError(f"{what} cannot be used: {_reason(said)}", remedy=_CHECK)


def _reason(said: str) -> str:
    """The innermost of Go's nested sentences: what is before it says what was tried."""
    lines = [line for line in said.splitlines() if line.strip()]
    match = re.search(r'msg="(.*)"', lines[-1]) if lines else None
    words = (match[1] if match else "".join(lines[-1:])).replace('\\"', '"')
    return ": ".join(words.split(": ")[-2:]) or "it said nothing"


def _loopback(host: str) -> bool:
    name = re.sub(r":\d+$", "", host).strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
