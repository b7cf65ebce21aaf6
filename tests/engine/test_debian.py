from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from crossbuild import catalog
from crossbuild.catalog import Debian, Role
from crossbuild.engine.images import debian
from crossbuild.engine.images.apt import Archive
from crossbuild.engine.images.sourcepackages import SourcePackages
from crossbuild.errors import (
    CrossbuildError,
    HostError,
    IntegrityError,
    NetworkError,
    StorageError,
)
from crossbuild.library import DebianSource
from crossbuild.report import Silent
from crossbuild.store import Store
from tests.engine.programs import install

IMAGE = catalog.image("bookworm-aarch64")
SOURCE = "crossbuild-source"
MIRROR = Archive(mirror="http://mirror.example/debian", options=('Acquire::Retries "3";',))


def unpack(root: Path, archive: Archive = MIRROR, **environment: str) -> None:
    assert isinstance(IMAGE.source, Debian)
    debian.unpack(
        IMAGE.source,
        IMAGE.arch,
        Role.TARGET,
        root,
        archive=archive,
        environment={"PATH": os.environ["PATH"], **environment},
    )


UNREACHABLE = """\
W: some warning
E: Failed to fetch http://mirror.example/InRelease  Could not connect to mirror.example:80
E: mmdebstrap failed to run"""
UNSIGNED = """\
W: GPG error: The following signatures couldn't be verified: NO_PUBKEY 0E98404D386FA1D9
E: Failed to fetch http://mirror.example/InRelease"""


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        (UNREACHABLE, NetworkError, "Could not connect to mirror.example:80"),
        (UNSIGNED, IntegrityError, "NO_PUBKEY 0E98404D386FA1D9"),
        (
            "E: Failed to fetch http://mirror.example/x.deb  Hash Sum mismatch",
            IntegrityError,
            "Hash Sum mismatch",
        ),
        ("E: Write error - write (28: No space left on device)", StorageError, "is full"),
        ("tar: ./x: Cannot write: No space left on device", StorageError, "is full"),
        ("E: You don't have enough free space in /x/archives/.", StorageError, "is full"),
        ("E: Unable to locate package python3.11", HostError, "python3.11"),
        ("something else entirely", HostError, "something else entirely"),
    ],
)
def test_what_apt_complains_of_becomes_one_sentence(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    said: str,
    kind: type[CrossbuildError],
    message: str,
) -> None:
    install(monkeypatch, tmp_path / "bin", unshare=f"cat >&2 <<'E'\n{said}\nE\nexit 25")
    with pytest.raises(kind) as caught:
        unpack(tmp_path / "root")
    assert type(caught.value) is kind
    assert message in str(caught.value)
    if kind is StorageError:
        assert str(tmp_path / "root") in str(caught.value)
    else:
        where = (
            "Debian bookworm for aarch64 could not be unpacked from http://mirror.example/debian"
        )
        assert where in str(caught.value)


def test_a_mirrors_password_is_in_no_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = "E: Failed to fetch http://me:s3cret@mirror.example/debian/InRelease  Could not connect"
    install(monkeypatch, tmp_path / "bin", unshare=f"echo '{said}' >&2; exit 25")
    with pytest.raises(NetworkError, match=r"from http://mirror.example/debian: Failed") as caught:
        unpack(tmp_path / "root", Archive(mirror="http://me:s3cret@mirror.example/debian"))
    assert "s3cret" not in str(caught.value)


def test_the_users_proxy_and_the_hosts_settings_reach_apt_and_nothing_else_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    install(monkeypatch, tmp_path / "bin", unshare=f'(env; printf "<%s>\\n" "$@") >{seen}')
    unpack(tmp_path / "root", https_proxy="http://p.example", SECRET_TOKEN="s3cret")
    text = seen.read_text(encoding="utf-8")
    assert "https_proxy=http://p.example\n" in text
    assert "SECRET_TOKEN" not in text
    assert '<--aptopt=Acquire::Retries "3";>' in text
    assert "<--arch=arm64>" in text
    assert text.rstrip().endswith(
        f"<bookworm>\n<{tmp_path / 'root'}>\n<http://mirror.example/debian>"
    )


def test_an_open_mirror_is_left_to_mmdebstrap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = tmp_path / "seen"
    install(monkeypatch, tmp_path / "bin", unshare=f'printf "<%s>\\n" "$@" >{seen}')
    unpack(tmp_path / "root", Archive())
    assert seen.read_text(encoding="utf-8").endswith(f"<bookworm>\n<{tmp_path / 'root'}>\n")


def test_a_missing_mmdebstrap_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(HostError, match="mmdebstrap is not installed") as caught:
        unpack(tmp_path / "root")
    assert "mmdebstrap" in caught.value.remedy


POSTINST = """\
update-alternatives --install /usr/bin/which which /usr/bin/which.debianutils 0 \\
    --slave /usr/share/man/man1/which.1.gz which.1.gz /usr/share/man/man1/which.debianutils.1.gz
update-alternatives --quiet --install /usr/bin/cc cc /usr/bin/gcc 20 \\
    #--slave /usr/share/man/man1/cc.1.gz cc.1.gz /usr/share/man/man1/gcc.1.gz

    update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\
        --slave /usr/bin/nawk nawk /usr/bin/mawk
"""


def test_finishing_does_what_maintainer_scripts_would_have_done(tmp_path: Path) -> None:
    for name in ("usr/bin", "usr/lib/python3.11", "usr/share/doc/x", "etc/apt", "dev"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("gcc", "mawk", "which"):
        (tmp_path / "usr/bin" / name).write_text("", encoding="ascii")
    (tmp_path / "usr/lib/python3.11/sitecustomize.py").symlink_to("/etc/sitecustomize.py")
    (tmp_path / debian.SCRIPTS).write_text(POSTINST, encoding="ascii")
    debian.finish(IMAGE, tmp_path)
    links = {
        path.name: path.readlink()
        for path in (tmp_path / "usr/bin").iterdir()
        if path.is_symlink()
    }
    assert links == {"cc": Path("gcc"), "awk": Path("mawk"), "nawk": Path("mawk")}
    python = tmp_path / "opt/python/cp311-cp311/bin/python"
    assert python.readlink() == Path("/usr/bin/python3.11")
    assert "builder:x:1000" in (tmp_path / "etc/passwd").read_text(encoding="ascii")
    assert not (tmp_path / "usr/share/doc").exists()
    assert not (tmp_path / "etc/apt").exists()
    assert list((tmp_path / "usr/lib/python3.11").iterdir()) == []


def test_the_key_of_a_root_names_the_versions_of_its_packages(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    keys = []
    for version in ("3.11.2-6", "3.11.2-7", "3.11.2-6"):
        (tmp_path / debian.MANIFEST).write_text(f"python3.11_{version}_arm64.deb\n", "ascii")
        keys.append(debian.content_key(tmp_path))
    assert keys[0] == keys[2] != keys[1]


def test_a_root_with_more_packages_shares_the_rest(tmp_path: Path) -> None:
    interpreter = IMAGE.interpreters[0]
    plain, root = tmp_path / "plain", tmp_path / "root"
    library = "usr/lib/python3.11"
    for top in (plain, root):
        (top / library / "json").mkdir(parents=True)
        for name in ("same", "changed", "later"):
            (top / name).write_bytes(b"x" * 5000)
            os.utime(top / name, (0, 0))
        (top / "link").symlink_to("/same")
    (root / "changed").write_bytes(b"y" * 5000)
    os.utime(root / "changed", (0, 0))
    os.utime(root / "later", (1, 1))
    (root / "own").write_bytes(b"z" * 5000)
    for name in ("__pycache__/os.pyc", "json/__pycache__/tool.pyc", "gone/__pycache__/x.pyc"):
        path = plain / library / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"code")
    debian.share(interpreter, plain, root)
    files = [path for path in root.rglob("*") if path.is_file() and not path.is_symlink()]
    linked = {str(path.relative_to(root)) for path in files if path.stat().st_nlink == 2}
    compiled = {f"{library}/__pycache__/os.pyc", f"{library}/json/__pycache__/tool.pyc"}
    assert linked == {"same", *compiled}
    assert (root / "changed").read_bytes()[:1] == b"y"
    assert not [path for path in root.rglob("*") if path.name.startswith(".")]


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Makes an ``unshare`` that puts its words into the file, and does more with its ``$root``."""

    def make(more: str) -> Path:
        words = tmp_path / "words"
        script = f"""\
printf "<%s>\\n" "$@" >{words}
root=$(printf "%s\\n" "$@" | grep /root-)
{more}"""
        install(monkeypatch, tmp_path / "bin", unshare=script)
        (tmp_path / "got").mkdir()
        return words

    return make


def test_an_index_is_what_apt_got_and_checked(tmp_path: Path, seen: Callable[[str], Path]) -> None:
    words = seen(f'echo "usr/bin/pg_config database/libpq-dev" >"$root/{debian.CONTENTS}"\n')
    assert isinstance(IMAGE.source, Debian)
    debian.contents(
        IMAGE.source, IMAGE.arch, tmp_path / "got", worth="^usr/(bin|include)/",
        archive=MIRROR, environment={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    text = words.read_text(encoding="utf-8")
    assert "Contents-$(ARCHITECTURE)" in text
    assert "grep -E '^usr/(bin|include)/'" in text
    assert '<--aptopt=Acquire::Retries "3";>' in text
    assert text.endswith("<http://mirror.example/debian>\n")
    assert [path.name for path in (tmp_path / "got").iterdir()] == [debian.CONTENTS]


def test_a_source_is_what_apt_got_and_checked(tmp_path: Path, seen: Callable[[str], Path]) -> None:
    names = ["hello_2.10-3.dsc", "hello_2.10.orig.tar.gz"]
    words = seen(f'mkdir "$root/{SOURCE}"; cd "$root/{SOURCE}"; touch {" ".join(names)}\n')
    debian.source(
        "bookworm", "hello", IMAGE.arch, tmp_path / "got",
        archive=MIRROR, environment={"PATH": os.environ["PATH"]},
    )  # fmt: skip
    text = words.read_text(encoding="utf-8")
    assert "apt-get source --only-source --download-only hello" in text
    assert "deb-src" in text
    assert "<--arch=arm64>" in text
    assert text.endswith("<http://mirror.example/debian>\n")
    assert sorted(path.name for path in (tmp_path / "got").iterdir()) == names


@pytest.mark.network
def test_a_source_package_of_the_real_archive(tmp_path: Path) -> None:
    shelf = SourcePackages(store=Store(tmp_path), reporter=Silent(), environment=dict(os.environ))
    hello = DebianSource(suite="bookworm", package="hello")
    names = [path.name for path in shelf.files(hello).iterdir()]
    for part in (".dsc", ".orig.tar.", ".debian.tar."):
        assert any(part in name for name in names)
    assert shelf.files(hello).parent == tmp_path / "trees"
