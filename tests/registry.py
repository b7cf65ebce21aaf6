"""A container registry on 127.0.0.1: Debian's package docker-registry, filled with skopeo."""

from __future__ import annotations

import contextlib
import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process
from tests.tars import digest

USER, PASSWORD = "kylin", "pass-of-ours-7"
# bcrypt, the one kind that the registry reads; of the password above, at the lowest cost.
_HTPASSWD = f"{USER}:$2b$04$wEGWGZJF22.AKKkUUmctGencSvXhho1ndiRazbegh3Ax.hyYWrLP2\n"


@dataclass(frozen=True, kw_only=True)
class LocalRegistry:
    """Where it listens: ``127.0.0.1:PORT``; ``data`` is what it stores."""

    place: str
    data: Path

    def push(
        self, layout: Path, repository: str, tag: str = "pushed", *, login: bool = False
    ) -> str:
        """Fill it with the one image, or the one index, of an OCI layout; give its digest."""
        given = [f"--dest-creds={USER}:{PASSWORD}"] if login else []
        process.run(
            [
                *("skopeo", "--insecure-policy", "copy", "--quiet", "--all"),
                *("--preserve-digests", "--dest-tls-verify=false", *given),
                *(f"oci:{layout}", f"docker://{self.place}/{repository}:{tag}"),
            ]
        )
        name = f"repositories/{repository}/_manifests/tags/{tag}/current/link"
        return (self.data / "docker/registry/v2" / name).read_text(encoding="ascii")


@contextlib.contextmanager
def serving(directory: Path, *, login: bool = False) -> Iterator[LocalRegistry]:
    """Run a registry until the context is left; its data is below ``directory``."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = f"127.0.0.1:{server.getsockname()[1]}"
    data, config = directory / "data", directory / "config.yml"
    data.mkdir(parents=True)
    config.write_text(_config(place, data, directory / "htpasswd", login=login), encoding="utf-8")
    (directory / "htpasswd").write_text(_HTPASSWD, encoding="ascii")
    with (directory / "log").open("wb") as log:
        argv = ["docker-registry", "serve", str(config)]
        with process.started(argv, env={"OTEL_TRACES_EXPORTER": "none"}, stdout=log):
            _await(f"http://{place}/v2/")
            yield LocalRegistry(place=place, data=data)


def tampered(registry: LocalRegistry, name: str, content: bytes) -> None:
    """Let the registry have other bytes under a digest."""
    hexadecimal = name.removeprefix("sha256:")
    path = registry.data / "docker/registry/v2/blobs/sha256" / hexadecimal[:2] / hexadecimal
    assert digest((path / "data").read_bytes()) == name
    (path / "data").write_bytes(content)


def login_file(directory: Path, registry: LocalRegistry) -> Mapping[str, str]:
    """The environment of a user who logged in with skopeo: nothing else knows the password."""
    path = directory / "auth.json"
    process.run(
        [
            *("skopeo", "login", "--authfile", str(path), "--tls-verify=false"),
            *("--username", USER, "--password-stdin", registry.place),
        ],
        input=PASSWORD,
    )
    return {"REGISTRY_AUTH_FILE": str(path)}


def _config(place: str, data: Path, passwords: Path, *, login: bool) -> str:
    auth = f"auth: {{htpasswd: {{realm: mine, path: {passwords}}}}}\n" if login else ""
    return (
        "version: 0.1\nlog: {level: warn}\n"
        f"storage: {{filesystem: {{rootdirectory: {data}}}}}\n"
        f"http: {{addr: {place}}}\n{auth}"
    )


def _await(url: str) -> None:
    for _ in range(100):
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except urllib.error.HTTPError:
            return  # it answers, and wants a login
        except OSError:
            time.sleep(0.1)
    raise AssertionError(f"{url} does not answer")
