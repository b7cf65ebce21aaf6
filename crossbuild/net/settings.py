"""What uv and pip are told, one ``Settings`` per source: their environment and their files.

Sources: uv's reference on settings, environment variables and configuration files; pip's user
guide on configuration. Nothing is combined here; ``configuration`` does that.
"""

from __future__ import annotations

import configparser
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crossbuild.errors import UsageError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NAMED_INDEX = re.compile(r"(?P<name>[A-Za-z0-9._-]+)=(?P<url>.+)")
_INDEX_SCHEMES = frozenset({"http", "https", "file"})
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_PIP_SECTIONS = ("global", "install")


@dataclass(frozen=True, kw_only=True, slots=True)
class Named:
    """An index as configured: its URL may hold credentials; its name leads to them (uv)."""

    url: str
    name: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """What one source says; None and empty: nothing. ``timeout`` is in seconds.

    Every location is a URL, ``file:`` ones for paths.
    """

    default: Named | None = None
    extra: tuple[Named, ...] = ()
    find_links: tuple[str, ...] = ()
    no_index: bool | None = None
    strategy: str | None = None
    ca_bundle: str | None = None
    client_certificate: str | None = None
    proxy: str | None = None
    insecure_hosts: tuple[str, ...] = ()
    timeout: float | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Surroundings:
    """Where the user is: what the readers here look at. ``warnings`` collects sentences."""

    environment: Mapping[str, str]
    home: Path
    directory: Path
    system: Path = Path("/etc")
    warnings: list[str] = field(default_factory=list)

    def get(self, *names: str) -> str | None:
        """The first of these environment variables that is set and not empty."""
        return next((self.environment[name] for name in names if self.environment.get(name)), None)

    def config_home(self) -> Path:
        """Where the user's own configuration is (XDG base directories)."""
        return Path(self.get("XDG_CONFIG_HOME") or self.home / ".config")

    def config_directories(self) -> list[Path]:
        """Where the system's configuration is, the most important first."""
        directories = self.get("XDG_CONFIG_DIRS")
        return (
            [Path(it) for it in directories.split(":")] if directories else [self.system / "xdg"]
        )

    def text(self, path: Path) -> str:
        """A configuration file's text; empty when it is not there or, with a warning, closed."""
        try:
            return path.read_text(encoding="utf-8")
        except (FileNotFoundError, NotADirectoryError):
            return ""
        except (OSError, UnicodeDecodeError) as error:
            self.warnings.append(f"the configuration file {path} cannot be read: {error}")
            return ""

    def location(self, text: str, base: Path | None = None) -> str:
        """A URL as it is, a path as the ``file:`` URL it means seen from ``base``."""
        scheme, separator, _ = text.partition("://")
        if separator and scheme not in _INDEX_SCHEMES:
            raise UsageError(f"an index or a page of links cannot be read by {scheme}://")
        if separator:
            return _valid(text)
        path = Path(str(self.home) + text[1:]) if text.startswith("~/") else Path(text)
        return Path(os.path.normpath((base or self.directory) / path)).as_uri()


def _valid(url: str) -> str:
    try:
        urlsplit(url).port  # noqa: B018 - raises for what is no port
    except ValueError:
        # Neither the address nor the error as they are: a password may be in both.
        shown = url.rpartition("@")[2]
        raise UsageError(f"{shown} is not the address of an index") from None
    return url


def argued(
    around: Surroundings,
    index_url: str | None,
    extra_index_urls: Sequence[str],
    find_links: Sequence[str],
) -> Settings:
    """What the command line says."""
    return Settings(
        default=_named(around, index_url) if index_url else None,
        extra=tuple(_named(around, url) for url in extra_index_urls),
        find_links=tuple(around.location(link) for link in find_links),
    )


def uv_environment(around: Surroundings) -> Settings:
    """``UV_*``, and the variables for certificates that uv reads beside them."""
    default = around.get("UV_DEFAULT_INDEX", "UV_INDEX_URL")
    named = (around.get("UV_INDEX") or "").split()
    extra = (around.get("UV_EXTRA_INDEX_URL") or "").split()
    # Unlike the others this one is split at commas only: a path may hold spaces.
    links = filter(None, (around.get("UV_FIND_LINKS") or "").split(","))
    return Settings(
        default=_named(around, default) if default else None,
        extra=tuple(_named(around, text) for text in [*named, *extra]),
        find_links=tuple(around.location(link) for link in links),
        strategy=around.get("UV_INDEX_STRATEGY"),
        ca_bundle=around.get("SSL_CERT_FILE"),
        client_certificate=around.get("SSL_CLIENT_CERT"),
        insecure_hosts=_words(around.get("UV_INSECURE_HOST")),
        timeout=_seconds(around.get("UV_HTTP_TIMEOUT", "UV_REQUEST_TIMEOUT", "HTTP_TIMEOUT")),
    )


def shared_environment(around: Surroundings) -> Settings:
    """The variables that many programs read: requests', curl's and OpenSSL's."""
    return Settings(ca_bundle=around.get("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_DIR"))


def uv_files(around: Surroundings) -> Iterator[Settings]:
    """The project's, the user's and the system's uv.toml; ``UV_CONFIG_FILE`` replaces them."""
    if _true(around.get("UV_NO_CONFIG")):
        return
    own = around.get("UV_CONFIG_FILE")
    for table in [_uv_table(around, around.directory / own)] if own else _uv_tables(around):
        # uv's own "pip" section is for the likes of us and wins.
        yield _uv_settings(around, table.table("pip"))
        yield _uv_settings(around, table)


def _uv_tables(around: Surroundings) -> Iterator[_Table]:
    for directory in (around.directory, *around.directory.parents):
        own = _uv_table(around, directory / "uv.toml")
        project = _uv_table(around, directory / "pyproject.toml").table("tool").table("uv")
        if found := own.values or project.values:
            yield _Table(own.path, found)
            break
    yield _uv_table(around, around.config_home() / "uv" / "uv.toml")
    shared = [path / "uv" / "uv.toml" for path in around.config_directories()]
    found_shared = next((path for path in shared if path.is_file()), around.system / "uv/uv.toml")
    yield _uv_table(around, found_shared)


def _uv_table(around: Surroundings, path: Path) -> _Table:
    try:
        return _Table(path, tomllib.loads(around.text(path)))
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"uv's file {path} cannot be understood: {error}") from error


def _uv_settings(around: Surroundings, table: _Table) -> Settings:
    base = table.path.parent
    indexes = [entry for entry in table.tables("index") if not entry.true("explicit")]
    flat = [entry.string("url") for entry in indexes if entry.string("format") == "flat"]
    simple = [entry for entry in indexes if entry.string("format") != "flat"]
    defaults = [entry.index(around) for entry in simple if entry.true("default")]
    if url := table.string("index-url"):
        defaults.append(Named(url=around.location(url, base)))
    extra = [entry.index(around) for entry in simple if not entry.true("default")]
    extra += [Named(url=around.location(url, base)) for url in table.strings("extra-index-url")]
    links = [*table.strings("find-links"), *filter(None, flat)]
    return Settings(
        default=defaults[0] if defaults else None,
        extra=tuple(extra),
        find_links=tuple(around.location(link, base) for link in links),
        no_index=table.true("no-index") if "no-index" in table.values else None,
        strategy=table.string("index-strategy"),
        insecure_hosts=table.strings("allow-insecure-host"),
    )


def pip_environment(around: Surroundings) -> Mapping[str, str]:
    """``PIP_*`` under the names of pip's options; pip ignores empty ones."""
    return {
        name.removeprefix("PIP_").lower().replace("_", "-"): value
        for name, value in around.environment.items()
        if name.startswith("PIP_") and value
    }


def pip_files(around: Surroundings) -> Mapping[str, str]:
    """The options in pip's files: later files win, then the ``install`` section."""
    own = around.get("PIP_CONFIG_FILE")
    if own == os.devnull:
        return {}
    options: dict[str, str] = {}
    for section in _PIP_SECTIONS:
        for path in _pip_candidates(around, own):
            options |= _pip_section(around, path, section)
    return options


def _pip_candidates(around: Surroundings, own: str | None) -> Iterator[Path]:
    for directory in reversed(around.config_directories()):
        yield directory / "pip" / "pip.conf"
    yield around.system / "pip.conf"
    if own is None or not Path(own).exists():
        yield around.home / ".pip" / "pip.conf"
        yield around.config_home() / "pip" / "pip.conf"
    yield Path(sys.prefix, "pip.conf")
    if own is not None:
        yield around.directory / own


def _pip_section(around: Surroundings, path: Path, section: str) -> dict[str, str]:
    parser = configparser.RawConfigParser()
    try:
        parser.read_string(around.text(path))
    except configparser.Error as error:
        said = str(error).splitlines()[0]
        raise UsageError(f"pip's file {path} cannot be understood: {said}") from error
    items = parser.items(section) if parser.has_section(section) else []
    return {key.replace("_", "-"): value for key, value in items if value}


def pip_settings(around: Surroundings, options: Mapping[str, str]) -> Settings:
    """Pip's options, wherever they were set, as settings."""
    default = options.get("index-url") or options.get("pypi-url")
    no_index = options.get("no-index")
    return Settings(
        default=_named(around, default) if default else None,
        extra=tuple(_named(around, url) for url in options.get("extra-index-url", "").split()),
        find_links=tuple(around.location(it) for it in options.get("find-links", "").split()),
        no_index=_true(no_index) if no_index else None,
        ca_bundle=options.get("cert"),
        client_certificate=options.get("client-cert"),
        proxy=options.get("proxy"),
        insecure_hosts=_words(options.get("trusted-host")),
        timeout=_seconds(options.get("timeout") or options.get("default-timeout")),
    )


@dataclass(frozen=True, slots=True)
class _Table:
    """A table of a uv.toml whose values are checked as they are read."""

    path: Path
    values: Mapping[str, Any]

    def table(self, key: str) -> _Table:
        return _Table(self.path, self._get(key, dict, {}))

    def tables(self, key: str) -> tuple[_Table, ...]:
        return tuple(
            _Table(self.path, self._checked(key, entry, dict))
            for entry in self._get(key, list, [])
        )

    def string(self, key: str) -> str | None:
        value: str | None = self._get(key, str, None)
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        return tuple(self._checked(key, entry, str) for entry in self._get(key, list, []))

    def true(self, key: str) -> bool:
        return bool(self._get(key, bool, False))

    def index(self, around: Surroundings) -> Named:
        url = around.location(self._checked("url", self.string("url"), str), self.path.parent)
        return Named(url=url, name=self.string("name") or "")

    def _get(self, key: str, kind: type, default: Any) -> Any:
        return self._checked(key, self.values[key], kind) if key in self.values else default

    def _checked(self, key: str, value: Any, kind: type) -> Any:
        if not isinstance(value, kind):
            raise UsageError(f"uv's file {self.path} cannot be understood: bad value of {key}")
        return value


def _named(around: Surroundings, text: str) -> Named:
    """Read ``url`` or ``name=url``, as uv's options for indexes have it."""
    match = _NAMED_INDEX.fullmatch(text)
    url = match["url"] if match else text
    return Named(url=around.location(url), name=match["name"] if match else "")


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(re.split(r"[\s,]+", text.strip())) if text and text.strip() else ()


def _true(text: str | None) -> bool:
    return (text or "").strip().lower() in _TRUE


def _seconds(text: str | None) -> float | None:
    try:
        value = float(text) if text else None
    except ValueError:
        raise UsageError(f"a timeout must be a number of seconds, not {text!r}") from None
    return value if value and value > 0 else None
