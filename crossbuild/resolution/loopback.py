"""A Simple API on this host's loopback that shows uv one view of the packages (PEP 691, 658).

uv judges files by its own list of platforms and reads metadata by its own markers. Here it
sees neither: a release that may be used is one wheel that fits everywhere, with metadata that
holds no markers; any other is an sdist, which uv is told not to build. What is left to uv is
what it does best: choosing the versions. Its settings, its cache and the credentials of the
real indexes stay out of it.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol
from urllib.parse import quote, unquote

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

_JSON = "application/vnd.pypi.simple.v1+json"
_TEXT = "text/plain; charset=utf-8"
_POLL = 0.02
"""Seconds; how long closing the server may take."""
_STOP = 400
"""The status at which uv gives up at once; it would retry a 5xx and take a 404 as an answer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Offer:
    """A release as uv is to see it. Why it was yanked is no part of it: some reasons are pages."""

    version: Version
    usable: bool
    yanked: bool = False


class View(Protocol):
    """What is on offer; asked from several threads at once."""

    def offers(self, name: NormalizedName) -> Sequence[Offer] | None:
        """Every release of a package, None when there is no such package."""

    def metadata(self, name: NormalizedName, version: Version) -> str:
        """Core metadata of a usable release, without markers other than ``extra``."""


@contextlib.contextmanager
def serving(view: View) -> Iterator[str]:
    """Serve ``view`` inside the context; the value is the index URL.

    The address holds a secret, so that other users of the host cannot read a private index
    through it. What ``view`` raises ends uv, and is raised again on leaving the context.
    """
    server = _Server(view)
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}{server.prefix}/simple"
    except Exception as error:
        server.raise_failure(error)
        raise
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    server.raise_failure(None)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, view: View) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.prefix = f"/{secrets.token_urlsafe(16)}"
        self._view = view
        self._failures: list[Exception] = []

    def raise_failure(self, cause: Exception | None) -> None:
        """Raise what the view raised first, if anything."""
        if self._failures:
            raise self._failures[0] from cause

    def answer(self, path: str) -> tuple[int, str, str]:
        """Status, content type and body for a request."""
        try:
            return self._answered([unquote(part) for part in path.split("/")])
        except Exception as error:  # noqa: BLE001 - it belongs to the thread that waits for uv
            self._failures.append(error)
            return _STOP, _TEXT, "this run has failed"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that uv cut is no error; the view's errors are kept by ``answer``."""

    def _answered(self, parts: Sequence[str]) -> tuple[int, str, str]:
        match parts:
            case ["", token, "simple", name, ""] if f"/{token}" == self.prefix:
                return self._project(canonicalize_name(name))
            case ["", token, "files", name, version, file] if f"/{token}" == self.prefix:
                return self._metadata(canonicalize_name(name), Version(version), file)
        return 404, _TEXT, "not here"

    def _project(self, name: NormalizedName) -> tuple[int, str, str]:
        offers = self._view.offers(name)
        if offers is None:
            return 404, _TEXT, "no such package"
        files = [self._file(name, offer) for offer in offers]
        page = {"meta": {"api-version": "1.1"}, "name": name, "files": files}
        return 200, _JSON, json.dumps(page)

    def _file(self, name: NormalizedName, offer: Offer) -> dict[str, object]:
        suffix = "-py3-none-any.whl" if offer.usable else ".tar.gz"
        filename = f"{name.replace('-', '_')}-{offer.version}{suffix}"
        return {
            "filename": filename,
            "url": quote(f"{self.prefix}/files/{name}/{offer.version}/{filename}"),
            "hashes": {},
            "core-metadata": offer.usable,
            "yanked": offer.yanked,
        }

    def _metadata(self, name: NormalizedName, version: Version, file: str) -> tuple[int, str, str]:
        if not file.endswith(".metadata"):
            return 404, _TEXT, "only metadata is here"
        return 200, _TEXT, self._view.metadata(name, version)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16
    """Head and body in one packet: in two, Nagle's algorithm costs 40 ms a request."""

    def do_GET(self) -> None:
        status, content_type, text = self.server.answer(self.path)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: this is not a public server."""
