"""What went wrong with a request: one sentence, what to do, and whether to try again."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from urllib.parse import urlsplit

import requests
import urllib3.exceptions
from urllib3.util import Retry

from crossbuild.errors import NetworkError

_OFTEN = 4
_SELDOM = 2
"""How often to retry: what broke on the way, and what was not reached at all."""
_TEMPORARY = frozenset({408, 425, 429, 500, 502, 503, 504})
_LONGEST_WAIT = 60.0

_KINDS: tuple[tuple[type[BaseException], str, int], ...] = (
    (
        urllib3.exceptions.NameResolutionError,
        "the name {host} cannot be resolved: no network, or no such host",
        _SELDOM,
    ),
    (urllib3.exceptions.NewConnectionError, "{place} cannot be reached: {reason}", _SELDOM),
    (urllib3.exceptions.ConnectTimeoutError, "{place} does not answer", _SELDOM),
    (
        urllib3.exceptions.ProxyError,
        "the proxy on the way to {place} cannot be used: {reason}",
        _SELDOM,
    ),
    (urllib3.exceptions.ReadTimeoutError, "{place} sent nothing for {timeout:g} s", _OFTEN),
    (urllib3.exceptions.ProtocolError, "{place} closed the connection too early", _OFTEN),
    (urllib3.exceptions.IncompleteRead, "{place} closed the connection too early", _OFTEN),
)
"""Kinds of failure, the special ones first: the sentence, and the retries it is worth."""

_GIVE_CA = (
    "If your network has its own certificate authority, name its certificates with "
    "SSL_CERT_FILE=/path/to/ca.pem (or pip's `cert` setting)."
)
_GIVE_LOGIN = (
    "Put the login into ~/.netrc, into the index's URL in uv's or pip's settings "
    "(USER:PASSWORD@ before the host), or into UV_INDEX_<NAME>_USERNAME and _PASSWORD."
)


class RequestError(NetworkError):
    """One failed attempt. ``retries``: how often it is worth another; ``after``: seconds.

    ``progressed`` is set where the attempt got something done before it failed.
    """

    def __init__(
        self, message: str, *, remedy: str | None = None, retries: int = 0, after: float = 0.0
    ) -> None:
        super().__init__(message, remedy=remedy)
        self.retries = retries
        self.after = after
        self.progressed = False


@contextmanager
def explained(url: str, timeout: float) -> Iterator[None]:
    """Turn what requests and urllib3 raise inside into RequestError. ``timeout`` in seconds."""
    try:
        yield
    except (requests.RequestException, urllib3.exceptions.HTTPError) as error:
        raise _explanation(_root(error), url, timeout) from error


def check(response: requests.Response) -> None:
    """Raise RequestError when the status is an error's."""
    status = response.status_code
    if status < 400:
        return
    place = _place(response.url)
    if status in {401, 403}:
        refuses = "refuses the configured user name and password"
        wants = "wants a user name and a password"
        # Of the request that was answered: a redirect to another host takes no login along.
        shown = "Authorization" in response.request.headers
        text = f"{place} {refuses if shown else wants} ({_named(status)})"
        raise RequestError(text, remedy=_GIVE_LOGIN)
    text = f"{place} answered {_named(status)} when asked for {response.url}"
    retries = _OFTEN if status in _TEMPORARY else 0
    raise RequestError(text, retries=retries, after=_asked_pause(response))


def cut(url: str, received: int, total: int | None) -> RequestError:
    """The trouble of a download that ended before its end."""
    of = "" if total is None else f" of {total}"
    text = f"{_place(url)} closed the connection after {received}{of} bytes of {url}"
    return RequestError(text, retries=_OFTEN)


def wrong_range(url: str) -> RequestError:
    """The trouble of a download that cannot go on where it stopped."""
    return RequestError(f"{_place(url)} sent another part of {url} than asked", retries=_OFTEN)


def _explanation(root: BaseException, url: str, timeout: float) -> RequestError:
    place = _place(url)
    if isinstance(root, urllib3.exceptions.SSLError):
        return _tls(root, place)
    for kind, text, retries in _KINDS:
        if isinstance(root, kind):
            host = urlsplit(url).hostname
            said = text.format(host=host, place=place, reason=_reason(root), timeout=timeout)
            return RequestError(said, retries=retries)
    return RequestError(f"{url} cannot be read: {root}")


def _tls(root: urllib3.exceptions.SSLError, place: str) -> RequestError:
    cause = next((arg for arg in root.args if isinstance(arg, ssl.SSLError)), None)
    if isinstance(cause, ssl.SSLCertVerificationError):
        text = f"the certificate of {place} is not trusted: {cause.verify_message}"
        return RequestError(text, remedy=_GIVE_CA)
    reason = (cause.reason or str(cause)) if cause else str(root)
    return RequestError(f"no TLS connection to {place}: {reason.lower().replace('_', ' ')}")


def _root(error: BaseException) -> BaseException:
    """The urllib3 error inside requests' and urllib3's wrappers."""
    while True:
        inner: object = None
        if isinstance(error, urllib3.exceptions.MaxRetryError):
            inner = error.reason
        elif isinstance(error, requests.RequestException) and error.args:
            inner = error.args[0]
        if not isinstance(inner, BaseException):
            return error
        error = inner


def _reason(error: BaseException) -> str:
    """The system's own words, lower case, where there are any in the chain of causes."""
    inner = error.original_error if isinstance(error, urllib3.exceptions.ProxyError) else error
    link: BaseException | None = inner
    while link is not None:
        if isinstance(link, OSError) and link.strerror:
            return link.strerror.lower()
        link = link.__cause__ or link.__context__
    return str(inner)


def _place(url: str) -> str:
    """The server's name and port, as the address has them."""
    return urlsplit(url).netloc.rpartition("@")[2] or url


def _named(status: int) -> str:
    known = {item.value: item.phrase for item in HTTPStatus}
    return f"{status} {known.get(status, '')}".strip()


def _asked_pause(response: requests.Response) -> float:
    """The seconds that a Retry-After header asks for, within reason (RFC 9110, 10.2.3)."""
    text = response.headers.get("Retry-After", "")
    try:
        return min(Retry().parse_retry_after(text), _LONGEST_WAIT) if text else 0.0
    except urllib3.exceptions.InvalidHeader:
        return 0.0
