from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.engine.images import apt
from crossbuild.engine.images.apt import Archive
from tests.engine.programs import install

TARGETS = """\
Debian|Debian-Security|bookworm-security|bookworm-security|main|http://security.example/
Docker|Debian|bookworm|bookworm|stable|http://third.example/
Debian|Debian|bookworm-backports|bookworm-backports|main|http://backports.example/
Debian|Debian|bookworm|bookworm|contrib|http://contrib.example/
Debian|Debian|bookworm|bookworm|main|http://mirror.example/debian/
Debian|Debian|trixie|trixie|main|http://other.example/debian/
"""
DUMP = """\
APT "";
Acquire::http::Proxy "http://proxy.example:3128";
Acquire::https::CaInfo "/etc/ssl/company.pem";
Acquire::AllowInsecureRepositories "1";
Acquire::IndexTargets::deb::Packages "";
Acquire::Retries "3";
Dir::Etc "etc/apt/";
"""


def host_apt(monkeypatch: pytest.MonkeyPatch, directory: Path, targets: str = TARGETS) -> None:
    (directory / "auth.conf").write_text("", encoding="ascii")
    (directory / "targets").write_text(targets, encoding="ascii")
    (directory / "dump").write_text(DUMP, encoding="ascii")
    shell = f"Dir::Etc::netrc='{directory}/auth.conf'\nDir::Etc::netrcparts='{directory}/none/'"
    install(
        monkeypatch,
        directory / "bin",
        apt_get=f'[ "$1" = indextargets ] && cat {directory}/targets',
        apt_config=f'if [ "$1" = dump ]; then cat {directory}/dump; else cat <<E\n{shell}\nE\nfi',
    )


def test_the_mirror_is_where_apt_has_debian_itself_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_apt(monkeypatch, tmp_path)
    assert apt.host_archive() == Archive(
        mirror="http://mirror.example/debian/",
        options=(
            'Acquire::http::Proxy "http://proxy.example:3128";',
            'Acquire::https::CaInfo "/etc/ssl/company.pem";',
            'Acquire::Retries "3";',
            f'Dir::Etc::netrc "{tmp_path}/auth.conf";',
        ),
    )


def test_the_users_mirror_comes_first_and_the_hosts_proxy_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_apt(monkeypatch, tmp_path)
    found = apt.host_archive("http://mine.example/debian")
    assert found.mirror == "http://mine.example/debian"
    assert 'Acquire::http::Proxy "http://proxy.example:3128";' in found.options


def test_a_host_without_debian_leaves_the_mirror_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host_apt(monkeypatch, tmp_path, targets="Ubuntu|Ubuntu|noble|noble|main|http://u.example/\n")
    assert apt.host_archive().mirror is None


def test_a_host_without_apt_leaves_everything_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert apt.host_archive() == Archive()
    assert apt.host_archive("http://m.example/") == Archive(mirror="http://m.example/")
