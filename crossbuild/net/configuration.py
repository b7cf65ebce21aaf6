"""Where packages come from and how to get there, as the user already told uv and pip.

Of several sources the first that speaks wins and lists add up, in this order: arguments,
``UV_*``, ``PIP_*``, uv.toml (project, user, system), pip.conf. Where nobody speaks uv is asked
for its default index; no index is named here.
"""

from __future__ import annotations

import netrc
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from crossbuild import process
from crossbuild.errors import HostError, UsageError
from crossbuild.net import settings
from crossbuild.net.credentials import Login, Logins, read_netrc
from crossbuild.net.settings import Named, Settings, Surroundings

_T = TypeVar("_T")
_TIMEOUT = 30.0
"""Seconds; uv's default."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Transport:
    """How to reach servers. ``timeout`` is in seconds, for connecting and between bytes.

    ``proxies`` maps a scheme, or ``all``, to a proxy; its URLs may hold credentials.
    """

    ca_bundle: Path | None = None
    client_certificate: Path | None = None
    proxies: Mapping[str, str] = field(default_factory=dict, repr=False)
    no_proxy: str = ""
    insecure_hosts: frozenset[str] = frozenset()
    timeout: float = _TIMEOUT


@dataclass(frozen=True, kw_only=True, slots=True)
class Indexes:
    """Where to look for packages. No address here holds credentials; ``logins`` has them.

    ``urls`` are Simple API roots in order of priority, without a slash at the end.
    ``find_links`` are URLs, ``file:`` ones for directories and pages on this host. With
    ``merge`` the files of all indexes count (uv's unsafe index strategies), else those of the
    first index that has the package. ``warnings`` are sentences for the user.
    """

    urls: tuple[str, ...]
    find_links: tuple[str, ...] = ()
    merge: bool = False
    transport: Transport = Transport()
    logins: Logins = field(default_factory=Logins, repr=False)
    warnings: tuple[str, ...] = ()

    def redact(self, text: str) -> str:
        """The text with no password or token of this configuration left in it."""
        return self.logins.redact(text)


def load(
    environment: Mapping[str, str],
    *,
    index_url: str | None = None,
    extra_index_urls: Sequence[str] = (),
    find_links: Sequence[str] = (),
    home: Path,
    directory: Path | None = None,
    system: Path = Path("/etc"),
) -> Indexes:
    """Gather the settings. ``directory`` (default: the current one) is where the user is.

    Raises UsageError for a file or a value that cannot be understood.
    """
    where = (directory or Path.cwd()).absolute()
    around = Surroundings(environment=environment, home=home, directory=where, system=system)
    in_environment = settings.pip_environment(around)
    in_files = settings.pip_files(around)
    unspoken = {key: value for key, value in in_files.items() if key not in in_environment}
    layers = (
        settings.argued(around, index_url, extra_index_urls, find_links),
        settings.uv_environment(around),
        settings.pip_settings(around, in_environment),
        settings.shared_environment(around),
        *settings.uv_files(around),
        settings.pip_settings(around, unspoken),
    )
    return _combined(layers, around)


def default_index() -> str:
    """The URL of the index that uv uses when nobody configured one.

    Raises HostError when uv is missing or does not say.
    """
    import uv

    argv = (
        uv.find_uv_bin(),
        "pip",
        "compile",
        "-",
        "--emit-index-url",
        "--no-config",
        "--offline",
        "--python",
        sys.executable,
    )
    shown = process.run((*argv, "--no-cache", "--no-python-downloads"), env={}, input="")
    for line in shown.stdout.splitlines():
        if line.startswith("--index-url "):
            return line.removeprefix("--index-url ").strip()
    raise HostError("uv does not say which index it uses", remedy="Give one with --index-url.")


def _combined(layers: Sequence[Settings], around: Surroundings) -> Indexes:
    logins = Logins(_netrc(around))
    indexes = () if _first(layer.no_index for layer in layers) else _indexes(layers)
    links = [logins.learn(link) for layer in layers for link in layer.find_links]
    strategy = _first(layer.strategy for layer in layers) or "first-index"
    return Indexes(
        urls=_unique(_learned(index, logins, around) for index in indexes),
        find_links=_unique(link for link in links if _present(link, around)),
        merge=strategy != "first-index",
        transport=_transport(layers, around, logins),
        logins=logins,
        warnings=_unique(around.warnings),
    )


def _indexes(layers: Sequence[Settings]) -> tuple[Named, ...]:
    """All indexes in uv's order of priority: the default one is asked last."""
    default = _first(layer.default for layer in layers) or Named(url=default_index())
    return (*(index for layer in layers for index in layer.extra), default)


def _learned(index: Named, logins: Logins, around: Surroundings) -> str:
    """The index's URL; its login, by name from the environment or its own, goes to ``logins``."""
    variable = f"UV_INDEX_{re.sub('[^A-Z0-9]', '_', index.name.upper())}"
    username = around.get(f"{variable}_USERNAME") if index.name else None
    password = around.get(f"{variable}_PASSWORD") if index.name else None
    login = Login(username or "", password or "") if username or password else None
    return logins.learn(index.url, login).rstrip("/")


def _transport(layers: Sequence[Settings], around: Surroundings, logins: Logins) -> Transport:
    bundle = _first(layer.ca_bundle for layer in layers)
    client = _first(layer.client_certificate for layer in layers)
    proxies = _proxies(_first(layer.proxy for layer in layers), around)
    for url in proxies.values():
        logins.learn(url)
    return Transport(
        ca_bundle=_certificate(bundle, "CA bundle"),
        client_certificate=_certificate(client, "client certificate"),
        proxies=proxies,
        no_proxy=around.get("no_proxy", "NO_PROXY") or "",
        insecure_hosts=frozenset(host for layer in layers for host in layer.insecure_hosts),
        timeout=_first(layer.timeout for layer in layers) or _TIMEOUT,
    )


def _proxies(configured: str | None, around: Surroundings) -> dict[str, str]:
    found = {
        "http": configured or around.get("http_proxy", "HTTP_PROXY"),
        "https": configured or around.get("https_proxy", "HTTPS_PROXY"),
        "all": configured or around.get("all_proxy", "ALL_PROXY"),
    }
    return {
        scheme: url if "://" in url else f"http://{url}" for scheme, url in found.items() if url
    }


def _certificate(text: str | None, what: str) -> Path | None:
    if text is None:
        return None
    path = Path(text)
    if not path.exists():
        raise UsageError(
            f"the {what} {path} is not there",
            remedy="Correct the environment variable or the setting of pip that names it.",
        )
    return path


def _present(link: str, around: Surroundings) -> bool:
    parts = urlsplit(link)
    if parts.scheme != "file" or Path(unquote(parts.path)).exists():
        return True
    around.warnings.append(f"the location for links {unquote(parts.path)} is not there")
    return False


def _netrc(around: Surroundings) -> netrc.netrc | None:
    path = Path(around.get("NETRC") or around.home / ".netrc")
    try:
        return read_netrc(path)
    except (OSError, netrc.NetrcParseError) as error:
        # The parser's message may quote the file: say only that, and where.
        place = f" at line {error.lineno}" if isinstance(error, netrc.NetrcParseError) else ""
        around.warnings.append(f"{path} cannot be read{place}; logins in it are not used")
        return None


def _first(values: Iterable[_T | None]) -> _T | None:
    return next((value for value in values if value is not None), None)


def _unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))
