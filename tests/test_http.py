"""Requests: what is tried again, what is not, how downloads go on, and what people are told."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from crossbuild import parallel, process
from crossbuild.errors import CrossbuildError, NetworkError
from crossbuild.net.configuration import Transport
from crossbuild.net.credentials import Login, Logins
from crossbuild.net.http import Http
from tests.miniindex import MiniIndex

CONTENT = bytes(range(256)) * 1024
NAME = "big-1.0.tar.gz"


@pytest.fixture
def http() -> Http:
    return Http(pause=0.001)


@pytest.fixture
def url(mini_index: MiniIndex, tmp_path: Path) -> str:
    path = tmp_path / NAME
    path.write_bytes(CONTENT)
    mini_index.add(path)
    return mini_index.file_url(NAME)


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "partial"


@pytest.fixture
def ending() -> Iterator[None]:
    yield
    process.reopen()


def ignore(_received: int, _total: int | None) -> None:
    """Nobody looks at the progress."""


def get(url: str, transport: Transport | None = None) -> str:
    response = Http(transport, pause=0.001).get(url)
    assert response is not None
    return response.text


def test_a_page_or_nothing(mini_index: MiniIndex, http: Http, url: str) -> None:
    response = http.get(f"{mini_index.url}big/", accept="text/html")
    assert response is not None
    assert NAME in response.text
    assert http.get(f"{mini_index.url}unknown/") is None


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_errors_are_retried(
    mini_index: MiniIndex, http: Http, url: str, status: int
) -> None:
    mini_index.faults.fail, mini_index.faults.status = 2, status
    response = http.get(url)
    assert response is not None
    assert response.content == CONTENT
    assert len(mini_index.requests) == 3


@pytest.mark.parametrize(
    ("said", "pause"), [("7", 7), ("3600", 60), ("soon", 0.001), (None, 0.001)]
)
def test_a_server_may_say_when_to_come_back(
    mini_index: MiniIndex,
    http: Http,
    url: str,
    monkeypatch: pytest.MonkeyPatch,
    said: str | None,
    pause: float,
) -> None:
    pauses: list[float] = []
    monkeypatch.setattr("crossbuild.net.http._sleep", pauses.append)
    mini_index.faults.fail, mini_index.faults.status = 1, 429
    mini_index.faults.retry_after = said
    assert http.get(url) is not None
    assert pauses == [pytest.approx(pause, rel=0.25)]


@pytest.mark.parametrize(
    ("status", "requests", "message"),
    [
        (503, 5, "answered 503 Service Unavailable"),
        (400, 1, "answered 400 Bad Request"),
        (418, 1, "answered 418"),
        (599, 1, "answered 599"),
    ],
)
def test_lasting_errors_are_told(
    mini_index: MiniIndex, http: Http, url: str, status: int, requests: int, message: str
) -> None:
    mini_index.faults.fail, mini_index.faults.status = -1, status
    with pytest.raises(NetworkError, match=message) as caught:
        http.get(url)
    assert url in str(caught.value)
    assert len(mini_index.requests) == requests


@pytest.mark.parametrize(
    ("login", "message"),
    [
        (None, r"127\.0\.0\.1:\d+ wants a user name and a password \(401 Unauthorized\)"),
        (Login("me", "wrongsecret"), "refuses the configured user name and password"),
    ],
)
def test_a_missing_login_says_where_to_put_it(
    mini_index: MiniIndex, url: str, login: Login | None, message: str
) -> None:
    mini_index.faults.credentials = ("me", "secret")
    logins = Logins()
    logins.learn(mini_index.url, login)
    with pytest.raises(NetworkError, match=message) as caught:
        Http(logins=logins).get(url)
    assert "netrc" in caught.value.remedy
    assert logins.redact(caught.value.remedy) == caught.value.remedy
    assert "secret" not in str(caught.value)
    assert len(mini_index.requests) == 1


def test_a_server_that_was_sent_no_login_does_not_refuse_one(mini_index: MiniIndex) -> None:
    """Behind a redirect to another host the login stays away: its place is what is missing."""
    with MiniIndex() as other:
        other.faults.credentials = ("me", "secret")
        elsewhere = other.file_url("x").replace("127.0.0.1", "localhost")
        mini_index.faults.redirect = elsewhere
        logins = Logins()
        logins.learn(mini_index.url, Login("me", "secret"))
        with pytest.raises(NetworkError, match=r"localhost:\d+ wants a user name and a password"):
            Http(logins=logins).get(mini_index.file_url("x"))


def test_a_login_goes_to_its_own_server_only(mini_index: MiniIndex, url: str) -> None:
    mini_index.faults.credentials = ("mé", "pass:wörd")
    logins = Logins()
    logins.learn(mini_index.url, Login("mé", "pass:wörd"))
    assert Http(logins=logins).get(url) is not None
    with MiniIndex() as other:
        assert Http(logins=logins).get(other.file_url("x")) is None
        assert other.requests[0].authorization is None


def test_a_download_is_whole_and_tells_its_progress(http: Http, url: str, partial: Path) -> None:
    progress: list[tuple[int, int | None]] = []
    http.download(url, partial, lambda *amounts: progress.append(amounts))
    assert partial.read_bytes() == CONTENT
    assert progress[0] == (0, len(CONTENT))
    assert progress[-1] == (len(CONTENT), len(CONTENT))
    assert len(progress) > 3


def test_a_download_goes_on_where_it_stopped(
    mini_index: MiniIndex, http: Http, url: str, partial: Path
) -> None:
    partial.write_bytes(CONTENT[:100_000])
    http.download(url, partial, ignore)
    assert partial.read_bytes() == CONTENT
    assert [asked.range for asked in mini_index.requests] == ["bytes=100000-"]


def test_a_cut_connection_is_resumed_as_long_as_bytes_come(
    mini_index: MiniIndex, http: Http, url: str, partial: Path
) -> None:
    mini_index.faults.cut_after, mini_index.faults.cuts = 30_000, 100
    http.download(url, partial, ignore)
    assert partial.read_bytes() == CONTENT
    assert len(mini_index.requests) == 9
    assert mini_index.requests[-1].range == "bytes=240000-"


def test_a_connection_that_is_always_cut_at_once_is_an_error(
    mini_index: MiniIndex, http: Http, url: str, partial: Path
) -> None:
    mini_index.faults.cut_after, mini_index.faults.cuts = 0, 100
    with pytest.raises(NetworkError, match=f"closed the connection after 0 of {len(CONTENT)} byt"):
        http.download(url, partial, ignore)
    assert len(mini_index.requests) == 5


def test_a_server_without_ranges_starts_again(
    mini_index: MiniIndex, http: Http, url: str, partial: Path
) -> None:
    mini_index.faults.ranges = False
    partial.write_bytes(b"x" * 500_000)
    http.download(url, partial, ignore)
    assert partial.read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT) + 1, 2 * len(CONTENT)])
def test_a_partial_that_is_too_long_is_downloaded_anew(
    http: Http, url: str, partial: Path, size: int
) -> None:
    partial.write_bytes(b"x" * size)
    http.download(url, partial, ignore)
    assert partial.read_bytes() == CONTENT


def test_a_partial_that_is_whole_needs_nothing(http: Http, url: str, partial: Path) -> None:
    partial.write_bytes(CONTENT)
    http.download(url, partial, ignore)
    assert partial.read_bytes() == CONTENT


def test_a_missing_file_is_an_error(mini_index: MiniIndex, http: Http, partial: Path) -> None:
    with pytest.raises(NetworkError, match="answered 404 Not Found"):
        http.download(mini_index.file_url("missing.whl"), partial, ignore)
    assert not partial.exists()


def test_sizes(mini_index: MiniIndex, http: Http, url: str, tmp_path: Path) -> None:
    missing = mini_index.file_url("missing.whl")
    refused = "http://127.0.0.1:1/x.whl"
    local = (tmp_path / NAME).as_uri()
    sizes = http.sizes([url, missing, refused, local, (tmp_path / "none").as_uri()])
    assert list(sizes.values()) == [len(CONTENT), None, None, len(CONTENT), None]
    assert {asked.method for asked in mini_index.requests} == {"HEAD"}
    asked = len(mini_index.requests)
    assert http.size(url) == len(CONTENT)
    assert len(mini_index.requests) == asked


def test_no_network_names_the_host(http: Http, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_kwargs: object) -> None:
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", fail)
    with pytest.raises(NetworkError, match=r"the name index\.example cannot be resolved"):
        http.get("https://index.example/simple/x/")


def test_a_closed_port_is_named(http: Http) -> None:
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:1 cannot be reached: connection ref"):
        http.get("http://127.0.0.1:1/")


def test_a_silent_server_is_named(mini_index: MiniIndex, url: str) -> None:
    mini_index.faults.slow = 0.3
    with pytest.raises(NetworkError, match=r"127\.0\.0\.1:\d+ sent nothing for 0\.05 s"):
        get(url, Transport(timeout=0.05))


def test_an_address_that_is_none(http: Http) -> None:
    with pytest.raises(NetworkError, match="cannot be read"):
        http.get("https://:bad/")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[MiniIndex]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with MiniIndex(tls=context) as index:
        yield index


def test_an_unknown_authority_is_told_with_the_way_out(secure: MiniIndex) -> None:
    with pytest.raises(
        NetworkError, match=r"certificate of 127\.0\.0\.1:\d+ is not trusted: "
    ) as e:
        get(secure.links)
    assert "SSL_CERT_FILE" in e.value.remedy


def test_a_given_authority_is_trusted(
    secure: MiniIndex, authority: trustme.CA, tmp_path: Path
) -> None:
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    assert "<html>" in get(secure.links, Transport(ca_bundle=bundle))


def test_an_insecure_host_is_believed(secure: MiniIndex) -> None:
    place = secure.base.removeprefix("https://")
    assert "<html>" in get(secure.links, Transport(insecure_hosts=frozenset({place})))


def test_no_tls_behind_https(mini_index: MiniIndex) -> None:
    with pytest.raises(NetworkError, match="no TLS connection to 127"):
        get(mini_index.links.replace("http:", "https:"))


def test_proxies(mini_index: MiniIndex) -> None:
    proxies = {"http": mini_index.base}
    assert Http(Transport(proxies=proxies)).get("http://index.example/simple/") is None
    assert mini_index.requests[0].path == "http://index.example/simple/"
    direct = Transport(proxies={"all": "http://127.0.0.1:1"}, no_proxy="x.example,127.0.0.1")
    assert "<html>" in get(mini_index.links, direct)


def test_a_dead_proxy_is_told(mini_index: MiniIndex) -> None:
    message = "the proxy on the way to 127.* cannot be used: connection refused"
    with pytest.raises(NetworkError, match=message):
        get(mini_index.links, Transport(proxies={"http": "http://127.0.0.1:1"}))


@pytest.mark.usefixtures("ending")
def test_a_run_that_ends_stops_downloads(
    mini_index: MiniIndex, http: Http, url: str, partial: Path
) -> None:
    mini_index.faults.slow = 0.05

    def end(received: int, _total: int | None) -> None:
        if received:
            process.terminate_all()

    with pytest.raises(process.CancelledError):
        http.download(url, partial, end)
    assert 0 < partial.stat().st_size < len(CONTENT)


@pytest.mark.usefixtures("ending")
def test_a_run_that_ends_stops_pauses(mini_index: MiniIndex, url: str) -> None:
    mini_index.faults.fail = -1
    threading.Timer(0.1, process.terminate_all).start()
    began = time.monotonic()
    with pytest.raises(process.CancelledError):
        Http(pause=60).get(url)
    assert time.monotonic() - began < 5


def test_each_keeps_the_order() -> None:
    def work(item: int) -> int:
        time.sleep(0.01 * (3 - item))
        return item * item

    assert parallel.each([0, 1, 2, 3], work, jobs=4) == [0, 1, 4, 9]
    assert parallel.each([], work, jobs=4) == []


def test_each_raises_the_first_error_and_begins_nothing_more() -> None:
    begun: list[int] = []

    def work(item: int) -> None:
        begun.append(item)
        raise CrossbuildError(f"item {item}")

    with pytest.raises(CrossbuildError, match="item 0"):
        parallel.each(range(100), work, jobs=1)
    assert len(begun) < 100


@pytest.mark.usefixtures("ending")
def test_each_does_not_wait_for_a_thread_that_sleeps() -> None:
    threading.Timer(0.1, process.terminate_all).start()
    began = time.monotonic()
    with pytest.raises(process.CancelledError):
        parallel.each([1], lambda _: threading.Event().wait(30), jobs=1)
    assert time.monotonic() - began < 5
