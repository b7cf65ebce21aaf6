"""Talking to package servers: retried, resumed, and explained in one sentence when it fails.

A message names the server, never a password. Loops and pauses end when the run is being ended.
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TypeVar
from urllib.parse import unquote, urlsplit
from urllib.request import proxy_bypass_environment  # type: ignore[attr-defined]

import requests
import urllib3
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase, HTTPBasicAuth

from crossbuild import parallel, process
from crossbuild.disk import guarded
from crossbuild.errors import NetworkError
from crossbuild.net.configuration import Transport
from crossbuild.net.credentials import Logins
from crossbuild.net.trouble import RequestError, check, cut, explained, wrong_range

T = TypeVar("T")

_BLOCK = 1 << 16
_CONNECTIONS = 16
_CONNECT_TIMEOUT = 10.0
_FIRST_PAUSE = 0.5
_LOOK = 0.1
_CONTENT_RANGE = re.compile(r"bytes (?:(?P<start>\d+)-\d+|\*)/(?P<total>\d+)")
_NO_PARTS = frozenset({200, 404, 405, 410, 416, 501})
_RAW = {"Accept-Encoding": "identity"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Part:
    """Some bytes of a file, the first of them at ``start``."""

    start: int
    content: bytes


class Http:
    """A client for one run; its methods may be called from any thread.

    Whoever opens it closes it.
    ``pause`` is the first pause before trying again, in seconds; each next one is twice as
    long, and all are varied at random so that many clients do not come back together.
    """

    def __init__(
        self,
        transport: Transport | None = None,
        logins: Logins | None = None,
        *,
        pause: float = _FIRST_PAUSE,
    ) -> None:
        self._transport = transport or Transport()
        self.logins = logins or Logins()
        self._pause = pause
        self._sizes: dict[str, int | None] = {}
        self._whole: set[str] = set()
        self._session = self._opened()

    def close(self) -> None:
        """Close the connections that are kept open for what is asked next."""
        self._session.close()

    def get(self, url: str, *, accept: str = "*/*") -> requests.Response | None:
        """The answer with its body in memory, or None where the server has nothing (404, 410).

        Raises NetworkError after the retries that the failure is worth.
        """

        def attempt() -> requests.Response | None:
            with self._asked("GET", url, {"Accept": accept}) as response:
                if response.status_code in {404, 410}:
                    return None
                check(response)
                return response

        return self._persistently(attempt)

    def part(self, url: str, span: str) -> Part | None:
        """Some bytes of a file: ``0-99`` the first hundred, ``-100`` the last (RFC 9110, 14.1).

        None where the server does not give parts. Raises NetworkError.
        """

        def attempt() -> Part | None:
            headers = {**_RAW, "Range": f"bytes={span}"}
            with self._asked("GET", url, headers, stream=True) as response:
                match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
                if response.status_code in _NO_PARTS:
                    return None
                check(response)
                if match is None or match["start"] is None:
                    return None
                content = response.raw.read(decode_content=False)
                return Part(start=int(match["start"]), content=content)

        return self._persistently(attempt)

    def size(self, url: str) -> int | None:
        """The size in bytes that a server gives for a file; None where it does not say."""
        if url not in self._sizes:
            self._sizes[url] = self._asked_size(url)
        return self._sizes[url]

    def sizes(self, urls: Sequence[str]) -> Mapping[str, int | None]:
        """The sizes of many files, asked for a few at a time."""
        found = parallel.each(urls, self.size, jobs=_CONNECTIONS)
        return dict(zip(urls, found, strict=True))

    def download(
        self, url: str, partial: Path, on_bytes: Callable[[int, int | None], None]
    ) -> None:
        """Bring a file to ``partial``, going on where its bytes end, however often it breaks.

        ``on_bytes`` gets the bytes that are there and the size in all (None: unknown) after
        each block. Whether they are the right bytes is for the caller to check. Raises
        NetworkError, with what arrived left in ``partial``, and OSError from writing.
        """
        self._persistently(lambda: self._transferred(url, partial, on_bytes))

    def _opened(self) -> requests.Session:
        session = requests.Session()
        # What the environment says is in the transport already; requests is not to read it.
        session.trust_env = False
        session.auth = _Auth(self.logins)
        session.headers["User-Agent"] = f"crossbuild {requests.utils.default_user_agent()}"
        if self._transport.client_certificate is not None:
            session.cert = str(self._transport.client_certificate)
        if self._transport.insecure_hosts:
            urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
        adapter = HTTPAdapter(pool_connections=_CONNECTIONS, pool_maxsize=_CONNECTIONS)
        session.mount("https://", adapter)
        session.mount("http://", adapter)
        return session

    @contextmanager
    def _asked(
        self, method: str, url: str, headers: Mapping[str, str], *, stream: bool = False
    ) -> Iterator[requests.Response]:
        """One request, without retries; the response is closed on leaving."""
        transport = self._transport
        process.check_cancelled()
        with explained(url, transport.timeout):
            response = self._session.request(
                method,
                url,
                headers=dict(headers),
                stream=stream,
                allow_redirects=True,
                timeout=(min(_CONNECT_TIMEOUT, transport.timeout), transport.timeout),
                verify=self._verify(url),
                proxies=self._proxies(url),
            )
            with response:
                yield response

    def _persistently(self, attempt: Callable[[], T]) -> T:
        failures = 0
        while True:
            try:
                return attempt()
            except RequestError as error:
                failures = 1 if error.progressed else failures + 1
                if failures > error.retries:
                    text = self.logins.redact(str(error))
                    raise NetworkError(text, remedy=error.remedy) from error
                varied = self._pause * 2 ** (failures - 1) * random.uniform(0.75, 1.25)  # noqa: S311
                _sleep(max(varied, error.after))

    def _transferred(
        self, url: str, partial: Path, on_bytes: Callable[[int, int | None], None]
    ) -> None:
        """One attempt to bring the rest of a file."""
        had = partial.stat().st_size if partial.exists() else 0
        ranged = had > 0 and url not in self._whole
        headers = {**_RAW, "Range": f"bytes={had}-"} if ranged else _RAW
        received = had
        try:
            with self._asked("GET", url, headers, stream=True) as response:
                answer = self._answer(url, response, had)
                with partial.open("r+b" if had else "wb") as output:
                    output.truncate(answer.start)
                    output.seek(answer.start)
                    for received in answer.written(output, url):
                        on_bytes(received, answer.total)
        except RequestError as error:
            error.progressed = received > had
            raise

    def _answer(self, url: str, response: requests.Response, had: int) -> _Answer:
        """Read where the body belongs (RFC 9110, sections 14.4 and 15.5.17)."""
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        total = int(match["total"]) if match else None
        if response.status_code == 416 and total == had:
            return _Answer(start=had, total=total, blocks=iter(()))
        wrong = match is None or match["start"] != str(had)
        if response.status_code == 416 or (response.status_code == 206 and wrong):
            self._whole.add(url)
            raise wrong_range(url)
        check(response)
        blocks: Iterator[bytes] = response.raw.stream(_BLOCK, decode_content=False)
        if response.status_code == 206:
            return _Answer(start=had, total=total, blocks=blocks)
        length = response.headers.get("Content-Length", "")
        return _Answer(start=0, total=int(length) if length.isdecimal() else None, blocks=blocks)

    def _asked_size(self, url: str) -> int | None:
        parts = urlsplit(url)
        if parts.scheme == "file":
            path = Path(unquote(parts.path))
            with guarded(path.parent):
                return path.stat().st_size if path.exists() else None
        try:
            with self._asked("HEAD", url, _RAW) as response:
                length = response.headers.get("Content-Length", "")
                return int(length) if response.ok and length.isdecimal() else None
        except RequestError:
            return None

    def _verify(self, url: str) -> bool | str:
        parts = urlsplit(url)
        if self._transport.insecure_hosts & {parts.hostname or "", parts.netloc}:
            return False
        bundle = self._transport.ca_bundle
        return True if bundle is None else str(bundle)

    def _proxies(self, url: str) -> dict[str, str]:
        without = {"no": self._transport.no_proxy}
        if proxy_bypass_environment(urlsplit(url).netloc, without):
            return {}
        return dict(self._transport.proxies)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Answer:
    """A body: where its first byte belongs, the size of the whole, and its blocks."""

    start: int
    total: int | None
    blocks: Iterator[bytes]

    def written(self, output: IO[bytes], url: str) -> Iterator[int]:
        """Write the body; yield how far the file reaches, at first and after each block."""
        received = self.start
        yield received
        try:
            for block in self.blocks:
                process.check_cancelled()
                output.write(block)
                received += len(block)
                yield received
        except (urllib3.exceptions.ProtocolError, urllib3.exceptions.IncompleteRead) as error:
            raise cut(url, received, self.total) from error
        if self.total is not None and received != self.total:
            raise cut(url, received, self.total)


class _Auth(AuthBase):
    """Gives each request the login that its own address has, and no other."""

    def __init__(self, logins: Logins) -> None:
        self._logins = logins

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        login = self._logins.of(request.url or "")
        if login is None:
            return request
        HTTPBasicAuth(login.username.encode(), login.password.encode())(request)
        return request


def _sleep(seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        process.check_cancelled()
        time.sleep(min(left, _LOOK))
