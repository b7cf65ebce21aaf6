"""A small package index on 127.0.0.1 for tests: PEP 691 and PEP 503, ranges, and faults.

with MiniIndex() as index:
    index.add(wheel(tmp_path, "a", "1"))
    index.url          # http://127.0.0.1:…/simple/
    index.faults.cut_after = 1000
    index.requests     # what was asked for, in order
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import ssl
import threading
import time
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from packaging.utils import NormalizedName, canonicalize_name

if TYPE_CHECKING:
    from typing_extensions import Self

_JSON = "application/vnd.pypi.simple.v1+json"


@dataclass
class Faults:
    """What the server does wrong or does not offer. Change it at any time.

    ``fail`` answers so many requests of each path with ``status`` first (-1: all of them);
    ``fail_after`` answers every request so after that many; ``retry_after`` goes with it.
    ``cut_after`` ends each of the first ``cuts`` file downloads after so many bytes of its
    body. ``slow`` sleeps so many seconds before each 16 KiB of a body. ``credentials`` are the
    user and the password that every request must show. ``redirect`` is where all are sent on to.
    """

    fail: int = 0
    fail_after: int | None = None
    status: int = 503
    retry_after: str | None = None
    cut_after: int | None = None
    cuts: int = 1
    slow: float = 0.0
    ranges: bool = True
    json: bool = True
    hashes: bool = True
    sizes: bool = True
    credentials: tuple[str, str] | None = None
    redirect: str | None = None


@dataclass(frozen=True)
class Asked:
    """One request the server got."""

    method: str
    path: str
    range: str | None
    authorization: str | None


@dataclass(frozen=True)
class Offer:
    """One file the index offers; ``sha256`` is what it says, right or wrong."""

    path: Path
    project: NormalizedName
    sha256: str
    requires_python: str | None
    yanked: str | None
    metadata: bytes | None
    uploaded: str | None = None


@dataclass
class MiniIndex:
    """The server; it runs inside ``with``. ``tls`` makes it speak https."""

    faults: Faults = field(default_factory=Faults)
    tls: ssl.SSLContext | None = None
    offers: dict[str, Offer] = field(default_factory=dict)
    requests: list[Asked] = field(default_factory=list)

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"index": self})
        self._server = _Server(("127.0.0.1", 0), handler)
        if self.tls is not None:
            self._server.socket = self.tls.wrap_socket(self._server.socket, server_side=True)
        self._failed: Counter[str] = Counter()
        self._cut = 0
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def base(self) -> str:
        """The server's root, without a slash at the end."""
        scheme = "https" if self.tls else "http"
        return f"{scheme}://127.0.0.1:{self._server.server_address[1]}"

    @property
    def url(self) -> str:
        """The index's URL, as ``--index-url`` takes it."""
        return f"{self.base}/simple/"

    @property
    def links(self) -> str:
        """A flat page of links to every file, as ``--find-links`` takes it."""
        return f"{self.base}/links/"

    def file_url(self, filename: str) -> str:
        """The address of one file."""
        return f"{self.base}/files/{filename}"

    def add(
        self,
        path: Path,
        *,
        sha256: str | None = None,
        requires_python: str | None = None,
        yanked: str | None = None,
        core_metadata: bool = False,
        project: str | None = None,
        uploaded: str | None = None,
    ) -> Path:
        """Offer a wheel or sdist; ``sha256`` where the index is to promise a wrong one.

        ``core_metadata`` also offers the wheel's METADATA (PEP 658). ``project`` is on whose
        page the file is, where its name does not tell. ``uploaded``: when (ISO 8601, PEP 700).
        """
        name = project or re.split(r"-(?=\d)", path.name, maxsplit=1)[0]
        self.offers[path.name] = Offer(
            path=path,
            project=canonicalize_name(name),
            sha256=sha256 or hashlib.sha256(path.read_bytes()).hexdigest(),
            requires_python=requires_python,
            yanked=yanked,
            metadata=_metadata_of(path) if core_metadata else None,
            uploaded=uploaded,
        )
        return path

    def asked(self, part: str) -> list[Asked]:
        """The requests whose path holds ``part``."""
        return [request for request in self.requests if part in request.path]

    def fails(self, path: str) -> bool:
        """Whether this request must fail; counts it."""
        if self.faults.fail_after is not None and len(self.requests) > self.faults.fail_after:
            return True
        if self.faults.fail != -1 and self._failed[path] >= self.faults.fail:
            return False
        self._failed[path] += 1
        return True

    def cut(self, size: int) -> int | None:
        """After how many bytes of a body of ``size`` to cut it, or None; counts it."""
        limit = self.faults.cut_after
        if limit is None or limit >= size or self._cut >= self.faults.cuts:
            return None
        self._cut += 1
        return limit


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is what some tests do."""


class _Handler(BaseHTTPRequestHandler):
    index: ClassVar[MiniIndex]
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Tests read ``MiniIndex.requests`` instead."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        asked = Asked(
            self.command, self.path, self.headers["Range"], self.headers["Authorization"]
        )
        self.index.requests.append(asked)
        if self._refused(asked):
            return
        area, _, rest = self.path.strip("/").partition("/")
        if area == "simple" and (offers := self._offers(rest.strip("/"))):
            self._project(rest.strip("/"), offers)
        elif area == "plain":
            self._send(200, b"no index", "text/plain")
        elif area == "links":
            self._page(list(self.index.offers.values()))
        elif area == "files" and rest.removesuffix(".metadata") in self.index.offers:
            self._file(rest)
        else:
            self._send(404, b"not here", "text/plain")

    def _refused(self, asked: Asked) -> bool:
        wanted = self.index.faults.credentials
        if wanted is not None:
            token = base64.b64encode(":".join(wanted).encode()).decode()
            if asked.authorization != f"Basic {token}":
                self._send(401, b"who are you", "text/plain", {"WWW-Authenticate": "Basic"})
                return True
        if self.index.faults.redirect:
            self._send(302, b"there", "text/plain", {"Location": self.index.faults.redirect})
            return True
        if self.index.fails(self.path):
            after = self.index.faults.retry_after
            headers = {"Retry-After": after} if after else {}
            self._send(self.index.faults.status, b"not now", "text/plain", headers)
            return True
        return False

    def _offers(self, project: str) -> list[Offer]:
        return [offer for offer in self.index.offers.values() if offer.project == project]

    def _project(self, project: str, offers: list[Offer]) -> None:
        if not self.index.faults.json or "json" not in self.headers.get("Accept", ""):
            self._page(offers)
            return
        document = {
            "meta": {"api-version": "1.1"},
            "name": project,
            "files": [self._described(offer) for offer in offers],
        }
        self._send(200, json.dumps(document).encode(), _JSON)

    def _described(self, offer: Offer) -> dict[str, Any]:
        faults = self.index.faults
        described: dict[str, Any] = {
            "filename": offer.path.name,
            "url": f"../../files/{offer.path.name}",
            "hashes": {"sha256": offer.sha256} if faults.hashes else {},
            "requires-python": offer.requires_python,
            "yanked": offer.yanked or offer.yanked is not None,
            "core-metadata": _hashed(offer.metadata),
        }
        if offer.uploaded:
            described["upload-time"] = offer.uploaded
        if faults.sizes:
            described["size"] = offer.path.stat().st_size
        return described

    def _page(self, offers: list[Offer]) -> None:
        links = "".join(self._link(offer) for offer in offers)
        text = f"<!DOCTYPE html><html><body>{links}</body></html>"
        self._send(200, text.encode(), "text/html")

    def _link(self, offer: Offer) -> str:
        fragment = f"#sha256={offer.sha256}" if self.index.faults.hashes else ""
        attributes = {
            "href": f"/files/{offer.path.name}{fragment}",
            "data-requires-python": offer.requires_python,
            "data-yanked": offer.yanked,
            "data-core-metadata": "true" if offer.metadata else None,
        }
        shown = " ".join(
            f'{name}="{html.escape(value)}"'
            for name, value in attributes.items()
            if value is not None
        )
        return f"<a {shown}>{offer.path.name}</a><br/>"

    def _file(self, name: str) -> None:
        offer = self.index.offers[name.removesuffix(".metadata")]
        if name.endswith(".metadata"):
            self._send(200 if offer.metadata else 404, offer.metadata or b"", "text/plain")
            return
        content = offer.path.read_bytes()
        ranges = self.index.faults.ranges
        found = re.fullmatch(r"bytes=(\d*)-(\d*)", self.headers.get("Range") or "")
        if not (found and ranges):
            accepted = {"Accept-Ranges": "bytes"} if ranges else {}
            self._send(200, content, "application/octet-stream", accepted, file=True)
            return
        first = int(found[1]) if found[1] else max(0, len(content) - int(found[2]))
        end = min(int(found[2]) + 1 if found[1] and found[2] else len(content), len(content))
        if first >= len(content):
            self._send(416, b"", "text/plain", {"Content-Range": f"bytes */{len(content)}"})
        else:
            said = {"Content-Range": f"bytes {first}-{end - 1}/{len(content)}"}
            self._send(206, content[first:end], "application/octet-stream", said, file=True)

    def _send(
        self,
        status: int,
        body: bytes,
        content_type: str,
        headers: dict[str, str] | None = None,
        *,
        file: bool = False,
    ) -> None:
        self.close_connection = True
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        limit = self.index.cut(len(body)) if file else None
        sent = body[:limit]
        for start in range(0, len(sent), 16384):
            time.sleep(self.index.faults.slow)
            self.wfile.write(sent[start : start + 16384])


def _hashed(content: bytes | None) -> bool | dict[str, str]:
    return {"sha256": hashlib.sha256(content).hexdigest()} if content else False


def _metadata_of(path: Path) -> bytes:
    with zipfile.ZipFile(path) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".dist-info/METADATA")]
        return archive.read(name)
