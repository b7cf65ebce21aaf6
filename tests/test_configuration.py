"""Where packages come from: what uv and pip were told, in their order, and nobody's password."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.errors import UsageError
from crossbuild.net import configuration
from crossbuild.net.configuration import Indexes
from crossbuild.net.credentials import Login, Logins, split

DEFAULT = "https://default.example/simple"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own, no system files, and an index that uv would name."""
    monkeypatch.setattr(configuration, "default_index", lambda: DEFAULT)
    monkeypatch.setattr("sys.prefix", str(tmp_path / "prefix"))
    (tmp_path / "home").mkdir()
    (tmp_path / "work").mkdir()
    return tmp_path / "home"


class Loader:
    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def load(
        self,
        index_url: str | None = None,
        extra: tuple[str, ...] = (),
        links: tuple[str, ...] = (),
        **environment: str,
    ) -> Indexes:
        return configuration.load(
            environment,
            index_url=index_url,
            extra_index_urls=extra,
            find_links=links,
            home=self.root / "home",
            directory=self.root / "work",
            system=self.root / "etc",
        )


@pytest.fixture
def loader(tmp_path: Path) -> Loader:
    return Loader(tmp_path)


def test_nothing_configured_is_uvs_default(loader: Loader) -> None:
    indexes = loader.load()
    assert indexes.urls == (DEFAULT,)
    assert indexes.find_links == ()
    assert not indexes.merge
    assert indexes.transport.timeout == 30
    assert indexes.warnings == ()


@pytest.mark.parametrize(
    ("environment", "urls"),
    [
        ({"UV_DEFAULT_INDEX": "https://a.example/"}, ["https://a.example"]),
        ({"UV_DEFAULT_INDEX": "corp=https://a.example/"}, ["https://a.example"]),
        ({"UV_INDEX_URL": "https://a.example"}, ["https://a.example"]),
        ({"PIP_INDEX_URL": "https://a.example"}, ["https://a.example"]),
        ({"PIP_INDEX_URL": ""}, [DEFAULT]),
        (
            {"UV_DEFAULT_INDEX": "https://a.example", "PIP_INDEX_URL": "https://b.example"},
            ["https://a.example"],
        ),
        (
            {"UV_INDEX": "x=https://a.example https://b.example"},
            ["https://a.example", "https://b.example", DEFAULT],
        ),
        (
            {
                "UV_EXTRA_INDEX_URL": "https://a.example",
                "PIP_EXTRA_INDEX_URL": "https://b.example",
            },
            ["https://a.example", "https://b.example", DEFAULT],
        ),
        ({"PIP_NO_INDEX": "1", "PIP_INDEX_URL": "https://a.example"}, []),
        ({"PIP_NO_INDEX": "0", "PIP_INDEX_URL": "https://a.example"}, ["https://a.example"]),
    ],
)
def test_environment(loader: Loader, environment: dict[str, str], urls: list[str]) -> None:
    assert loader.load(None, (), (), **environment).urls == tuple(urls)


def test_arguments_win_and_add_up(loader: Loader) -> None:
    indexes = loader.load(
        "https://argument.example/simple/",
        ("https://extra.example",),
        UV_DEFAULT_INDEX="https://a.example",
        UV_INDEX="https://b.example https://extra.example",
    )
    assert indexes.urls == (
        "https://extra.example",
        "https://b.example",
        "https://argument.example/simple",
    )


def test_pips_files(loader: Loader) -> None:
    loader.write(
        "etc/xdg/pip/pip.conf", "[global]\nindex-url = https://system.example\ntimeout = 7\n"
    )
    loader.write(
        "home/.config/pip/pip.conf",
        "[global]\nindex_url = https://user.example\n"
        "extra-index-url =\n    https://one.example\n    https://two.example\n"
        "[install]\ntrusted-host = h.example\n    i.example:8443\n",
    )
    indexes = loader.load()
    assert indexes.urls == ("https://one.example", "https://two.example", "https://user.example")
    assert indexes.transport.timeout == 7
    assert indexes.transport.insecure_hosts == {"h.example", "i.example:8443"}


def test_pips_environment_replaces_its_files(loader: Loader) -> None:
    loader.write(
        "home/.pip/pip.conf",
        "[global]\nextra-index-url = https://file.example\nproxy = p.example\n",
    )
    indexes = loader.load(PIP_EXTRA_INDEX_URL="https://environment.example")
    assert indexes.urls == ("https://environment.example", DEFAULT)
    assert indexes.transport.proxies["https"] == "http://p.example"


def test_pip_config_file_replaces_the_users(loader: Loader) -> None:
    loader.write("home/.config/pip/pip.conf", "[global]\nindex-url = https://user.example\n")
    own = loader.write("own.conf", "[global]\nindex-url = https://own.example\n")
    assert loader.load(PIP_CONFIG_FILE=str(own)).urls == ("https://own.example",)
    assert loader.load(PIP_CONFIG_FILE="/dev/null").urls == (DEFAULT,)


def test_the_install_section_wins_over_global_in_any_file(loader: Loader) -> None:
    loader.write("etc/pip.conf", "[install]\nindex-url = https://install.example\n")
    loader.write("home/.config/pip/pip.conf", "[global]\nindex-url = https://global.example\n")
    assert loader.load().urls == ("https://install.example",)


def test_uvs_files(loader: Loader) -> None:
    loader.write(
        "home/.config/uv/uv.toml",
        'index-strategy = "unsafe-best-match"\n'
        '[[index]]\nname = "corp"\nurl = "https://corp.example"\n'
        '[[index]]\nurl = "https://only.example"\nexplicit = true\n'
        '[[index]]\nurl = "https://mirror.example"\ndefault = true\n'
        '[[index]]\nurl = "https://flat.example"\nformat = "flat"\n',
    )
    loader.write("etc/uv/uv.toml", 'extra-index-url = ["https://system.example"]\n')
    loader.write("home/.config/pip/pip.conf", "[global]\nindex-url = https://pip.example\n")
    indexes = loader.load()
    assert indexes.urls == (
        "https://corp.example",
        "https://system.example",
        "https://mirror.example",
    )
    assert indexes.find_links == ("https://flat.example",)
    assert indexes.merge


def test_a_projects_settings_come_first(loader: Loader) -> None:
    loader.write("home/.config/uv/uv.toml", 'index-url = "https://user.example"\n')
    loader.write(
        "pyproject.toml",
        '[tool.uv]\nindex-url = "https://project.example"\n'
        '[tool.uv.pip]\nindex-url = "https://pip-section.example"\n',
    )
    loader.write("work/pyproject.toml", '[project]\nname = "x"\n')
    assert loader.load().urls == ("https://pip-section.example",)
    assert loader.load(UV_NO_CONFIG="1").urls == (DEFAULT,)
    own = loader.write("own.toml", 'index-url = "https://own.example"\n')
    assert loader.load(UV_CONFIG_FILE=str(own)).urls == ("https://own.example",)


def test_find_links_are_paths_and_pages(loader: Loader, tmp_path: Path) -> None:
    for name in ("work/links", "home/links", "a b"):
        (tmp_path / name).mkdir(parents=True)
    indexes = loader.load(
        links=("links", "~/links", "https://pages.example/list.html"),
        UV_FIND_LINKS=f"{tmp_path}/a b,./links",
        PIP_FIND_LINKS="missing links",
    )
    assert indexes.find_links == (
        (tmp_path / "work/links").as_uri(),
        (tmp_path / "home/links").as_uri(),
        "https://pages.example/list.html",
        (tmp_path / "a b").as_uri(),
    )
    assert indexes.warnings == (f"the location for links {tmp_path}/work/missing is not there",)


def test_paths_in_uvs_files_are_relative_to_the_file(loader: Loader, tmp_path: Path) -> None:
    (tmp_path / "home/.config/uv/links").mkdir(parents=True)
    loader.write("home/.config/uv/uv.toml", 'find-links = ["links"]\n')
    assert loader.load().find_links == ((tmp_path / "home/.config/uv/links").as_uri(),)


@pytest.mark.parametrize(
    ("path", "text", "message"),
    [
        ("home/.config/uv/uv.toml", "index-url = [", "uv.toml cannot be understood"),
        ("home/.config/uv/uv.toml", "index-url = 3", "bad value of index-url"),
        ("home/.config/uv/uv.toml", "index = [3]", "bad value of index"),
        ("home/.config/uv/uv.toml", "[[index]]", "bad value of url"),
        ("home/.config/uv/uv.toml", "find-links = [3]", "bad value of find-links"),
        ("home/.config/pip/pip.conf", "index-url = x", "pip.conf cannot be understood"),
        ("home/.config/pip/pip.conf", "[global]\ntimeout = soon", "not 'soon'"),
        ("home/.config/pip/pip.conf", "[global]\nindex-url = ftp://x.example", "by ftp://"),
        (
            "home/.config/pip/pip.conf",
            "[global]\ncert = /no/ca.pem",
            "CA bundle /no/ca.pem is",
        ),
    ],
)
def test_bad_files(loader: Loader, path: str, text: str, message: str) -> None:
    loader.write(path, text)
    with pytest.raises(UsageError, match=message):
        loader.load()


def test_an_unreadable_file_is_a_warning(loader: Loader) -> None:
    (loader.root / "home/.config/uv/uv.toml").mkdir(parents=True)
    assert "uv.toml cannot be read" in loader.load().warnings[0]


def test_certificates_and_proxies(loader: Loader, tmp_path: Path) -> None:
    (one, two, three) = (loader.write(name, "") for name in ("1.pem", "2.pem", "3.pem"))
    transport = loader.load(
        PIP_CERT=str(two),
        REQUESTS_CA_BUNDLE=str(three),
        HTTPS_PROXY="p.example:3128",
        no_proxy="x",
    ).transport
    assert transport.ca_bundle == two
    assert transport.proxies == {"https": "http://p.example:3128"}
    assert transport.no_proxy == "x"
    assert loader.load(SSL_CERT_FILE=str(one), PIP_CERT=str(two)).transport.ca_bundle == one
    assert loader.load(CURL_CA_BUNDLE=str(three)).transport.ca_bundle == three
    assert loader.load(SSL_CLIENT_CERT=str(one)).transport.client_certificate == one


def test_logins_are_taken_off_addresses(loader: Loader) -> None:
    indexes = loader.load(
        "https://me:p%40ss@a.example/simple",
        UV_INDEX="my-corp=https://b.example/simple",
        UV_INDEX_MY_CORP_USERNAME="bob",
        UV_INDEX_MY_CORP_PASSWORD="opensesame",
        HTTPS_PROXY="http://proxy:proxypass@p.example:3128",
    )
    assert indexes.urls == ("https://b.example/simple", "https://a.example/simple")
    assert indexes.logins.of("https://a.example/files/x.whl") == Login("me", "p@ss")
    assert indexes.logins.of("https://b.example/simple/x/") == Login("bob", "opensesame")
    assert indexes.logins.of("https://c.example/") is None
    shown = repr(indexes) + indexes.redact("p@ss p%40ss opensesame proxypass https://u:v@c/ @")
    assert not any(secret in shown for secret in ("p@ss", "p%40ss", "opensesame", "proxypass"))
    assert shown.endswith("**** **** **** **** https://****@c/ @")


def test_netrc(loader: Loader) -> None:
    loader.write("home/.netrc", "machine n.example login me password fromnetrc\n")
    indexes = loader.load()
    assert indexes.logins.of("https://n.example/simple/x/") == Login("me", "fromnetrc")
    assert indexes.redact("is fromnetrc") == "is ****"
    own = loader.write("other", "default login you password elsewhere\n")
    assert loader.load(NETRC=str(own)).logins.of("http://any.example/") == Login(
        "you", "elsewhere"
    )


def test_a_broken_netrc_is_a_warning_that_quotes_nothing(loader: Loader) -> None:
    loader.write("home/.netrc", "machine n.example login me passwort geheim\n")
    (warning,) = loader.load().warnings
    assert "geheim" not in warning
    assert "at line 1" in warning


def test_of_two_logins_on_one_server_the_nearer_path_counts() -> None:
    logins = Logins()
    logins.learn("https://one:first@a.example/team/one/simple")
    logins.learn("https://two:second@a.example/team/two/simple")
    assert logins.of("https://a.example/team/two/simple/x/") == Login("two", "second")
    assert logins.of("https://a.example/team/one/files/x") == Login("one", "first")
    assert logins.of("http://a.example/team/one/files/x") is None
    assert logins.of("https://a.example:444/team/one/files/x") is None
    assert logins.of("https://A.example:443/team/one/files/x") == Login("one", "first")


def test_a_token_without_password_is_a_secret() -> None:
    logins = Logins()
    assert logins.learn("https://t0ken@a.example/x") == "https://a.example/x"
    assert logins.redact("t0ken") == "****"
    assert "t0ken" in repr(Login("t0ken"))


@pytest.mark.parametrize(
    ("url", "plain", "login"),
    [
        ("https://a.example/x@y", "https://a.example/x@y", None),
        ("https://u@a.example:8/x", "https://a.example:8/x", Login("u")),
        ("https://u:p:q@a.example/", "https://a.example/", Login("u", "p:q")),
        ("file:///a@b", "file:///a@b", None),
    ],
)
def test_split(url: str, plain: str, login: Login | None) -> None:
    assert split(url) == (plain, login)


def test_uv_names_its_default_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    url = configuration.default_index()
    assert url.startswith("https://")
    assert url.endswith("/simple")
