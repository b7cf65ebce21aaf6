"""Whether the package index that this machine is configured for answers."""

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

INDEXES: "list[str]" = []
"""The indexes of the machine where crossbuild runs; it fills them in."""
TIMEOUT = 3
"""Seconds for each step of a conversation."""
PATIENCE = 8
"""Seconds for all of it: nothing limits how long the name of a host is looked up."""
OFF = ("", "0", "false", "no", "off", "n", "f")


def index() -> "dict[str, object]":
    """The first index that answers, or the last that did not, and why."""
    if os.environ.get("PIP_NO_INDEX", "").lower() not in OFF:
        raise LookupError("PIP_NO_INDEX says that none is to be asked")
    urls = []
    for url in candidates():
        if url.rstrip("/") not in urls:
            urls.append(url.rstrip("/"))
    if not urls:
        raise LookupError("none is configured here")
    answer: "list[dict[str, object]]" = []
    patiently(lambda: answer.append(asked(urls)))
    late = {"url": public(urls[0]), "reachable": False, "how": None, "error": "no answer in time"}
    return answer[0] if answer else late


def patiently(ask: "object") -> None:
    """Ask in a thread that may be left behind."""
    try:
        import threading
    except ImportError:
        ask()  # type: ignore[operator]
        return
    thread = threading.Thread(target=ask)  # type: ignore[arg-type]
    thread.daemon = True
    thread.start()
    thread.join(PATIENCE)


def asked(urls: "list[str]") -> "dict[str, object]":
    answer: "dict[str, object]" = {}
    for url in urls:
        answer = {"url": public(url), "reachable": False, "how": None, "error": None}
        try:
            answer["how"] = reach(url)
            answer["reachable"] = True
            return answer
        except Exception as error:  # noqa: BLE001
            answer["error"] = f"{type(error).__name__}: {error}"
    return answer


def candidates() -> "Iterator[str]":
    """What the environment, pip's files, crossbuild's user and pip itself say, in this order."""
    for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL", "PIP_INDEX_URL"):
        if os.environ.get(name):
            yield os.environ[name].rpartition("=")[2] if "UV_" in name else os.environ[name]
    for path in files():
        yield from written(path)
    yield from INDEXES
    try:
        from pip._internal.models.index import PyPI

        yield PyPI.simple_url
    except Exception:  # noqa: BLE001
        return


def files() -> "list[str]":
    """Where pip keeps its configuration, what counts more first."""
    home = os.path.expanduser("~")
    config = os.environ.get("XDG_CONFIG_HOME") or os.path.join(home, ".config")
    return [
        os.environ.get("PIP_CONFIG_FILE", ""),
        os.path.join(sys.prefix, "pip.conf"),
        os.path.join(config, "pip", "pip.conf"),
        os.path.join(home, ".pip", "pip.conf"),
        "/etc/xdg/pip/pip.conf",
        "/etc/pip.conf",
    ]


def written(path: str) -> "Iterator[str]":
    """The indexes that a file of pip's names."""
    try:
        with open(path, encoding="utf-8") as lines:
            pairs = [line.partition("=") for line in lines]
    except (OSError, ValueError):
        return
    for key, _, value in pairs:
        if key.strip().replace("_", "-").lower() == "index-url" and value.strip():
            yield value.strip()


def public(url: str) -> str:
    """An address without a password."""
    scheme, _, rest = url.partition("://")
    place, slash, path = rest.partition("/")
    return f"{scheme}://{place.rpartition('@')[2]}{slash}{path}"


def reach(url: str) -> str:
    """Ask for one project's page, through a proxy where one is configured; how it was asked.

    Without what that takes, a connection is all that is tried.
    """
    try:
        import urllib.request

        if url.startswith("https:"):
            import ssl  # noqa: F401
    except ImportError:
        return connect(url)
    from urllib.error import HTTPError

    try:
        urllib.request.urlopen(public(url) + "/pip/", timeout=TIMEOUT).close()
    except HTTPError as error:
        error.close()
        if error.code not in (401, 404):
            raise
    return "asked"


def connect(url: str) -> str:
    import socket

    scheme, _, rest = public(url).partition("://")
    place = rest.partition("/")[0]
    host, _, port = place.rpartition(":") if place[-1:].isdigit() else (place, "", "")
    number = int(port) if port else {"https": 443}.get(scheme, 80)
    socket.create_connection((host or place, number), TIMEOUT).close()
    return "connected"
