"""User names and passwords of indexes: split off addresses, looked up, and kept out of texts."""

from __future__ import annotations

import netrc
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, quote, unquote, urlsplit, urlunsplit

from packaging.requirements import Requirement

HIDDEN = "****"
_USERINFO = re.compile(r"(?<=://)[^/?#@\s]+@")
_SHORTEST_SECRET = 4
"""Shorter ones are not searched for in texts: they would blot out ordinary words."""


@dataclass(frozen=True, slots=True)
class Login:
    """A user name and a password, either possibly empty."""

    username: str
    password: str = field(default="", repr=False)

    @property
    def secret(self) -> str:
        """What must not be shown: the password, or the name where that is a token."""
        return self.password or self.username


def split(url: str) -> tuple[str, Login | None]:
    """The address without its ``user:password@``, and those."""
    if "@" not in url:
        return url, None
    parts = urlsplit(url)
    userinfo, at, host = parts.netloc.rpartition("@")
    if not at:
        return url, None
    username, _, password = userinfo.partition(":")
    return urlunsplit(parts._replace(netloc=host)), Login(unquote(username), unquote(password))


def public(requirement: Requirement) -> str:
    """The requirement as text for a file that others read: its address without a password."""
    shown = Requirement(str(requirement))
    shown.url = shown.url and split(shown.url)[0]
    return str(shown)


class Logins:
    """Which login goes with which address.

    A login learned from an address serves every address of the same scheme, host and port,
    as uv has it; of several there the one whose path matches longest. Else ``netrc`` decides,
    by host.
    """

    def __init__(self, hosts: netrc.netrc | None = None) -> None:
        self._hosts = hosts
        self._known: dict[str, Login] = {}

    def learn(self, url: str, login: Login | None = None) -> str:
        """Remember the address's login, ``login`` before its own; return it without any."""
        plain, own = split(url)
        found = login or own
        if found is not None:
            # Replaced, not changed: other threads may be looking through it.
            self._known = {**self._known, plain: found}
        return plain

    def of(self, url: str) -> Login | None:
        """The login for an address, or None."""
        wanted = urlsplit(url)
        known = self._known
        near = [place for place in known if _origin(urlsplit(place)) == _origin(wanted)]
        if near:
            return known[max(near, key=lambda place: _common(place, url))]
        if self._hosts is None or wanted.scheme not in {"http", "https"}:
            return None
        entry = self._hosts.authenticators(wanted.hostname or "")
        return Login(entry[0] or "", entry[2] or "") if entry else None

    def redact(self, text: str) -> str:
        """The text with every password and token in it, plain or quoted, made unreadable."""
        for secret in sorted(self._secrets(), key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return _USERINFO.sub(f"{HIDDEN}@", text)

    def _secrets(self) -> Iterator[str]:
        entries = self._hosts.hosts.values() if self._hosts else ()
        every = [*self._known.values(), *(Login(e[0] or "", e[2] or "") for e in entries)]
        for login in every:
            if len(login.secret) >= _SHORTEST_SECRET:
                yield login.secret
                yield quote(login.secret, safe="")


def read_netrc(path: Path) -> netrc.netrc | None:
    """Read a netrc file; None if it is not there. Raises netrc.NetrcParseError, OSError."""
    try:
        return netrc.netrc(str(path))
    except FileNotFoundError:
        return None


def _origin(parts: SplitResult) -> tuple[str, str]:
    port = {"https": ":443", "http": ":80"}.get(parts.scheme, ":")
    return parts.scheme, parts.netloc.lower().removesuffix(port)


def _common(known: str, url: str) -> int:
    """How many characters of the known address the other one starts with."""
    pairs = zip(known, url, strict=False)
    return next((index for index, (a, b) in enumerate(pairs) if a != b), min(len(known), len(url)))
