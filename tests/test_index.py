"""Indexes and find-links: which files there are, what they say, and whom to believe."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

from crossbuild.errors import IntegrityError, NetworkError, UnknownPackageError, UsageError
from crossbuild.model import File, Kind, SourceMetadata
from crossbuild.net.configuration import Indexes
from crossbuild.net.credentials import Login, Logins
from crossbuild.net.http import Http
from crossbuild.net.index import Index, Project
from crossbuild.net.metadata import of_local_wheel
from crossbuild.store import Store
from tests.miniindex import MiniIndex
from tests.wheels import sdist, wheel, write_zip

Opened = Callable[..., Index]


@pytest.fixture
def opened(mini_index: MiniIndex, store: Store) -> Opened:
    def opened(*urls: str, links: tuple[str, ...] = (), merge: bool = False) -> Index:
        indexes = Indexes(
            urls=tuple(url.rstrip("/") for url in urls or [mini_index.url]),
            find_links=links,
            merge=merge,
        )
        return Index(indexes, Http(pause=0.001), store)

    return opened


def files(project: Project) -> dict[str, list[str]]:
    return {
        str(version): [file.filename for file in project.releases[version]]
        for version in sorted(project.releases)
    }


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("json", [True, False])
def test_a_project_is_its_files_by_version(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path, json: bool
) -> None:
    mini_index.faults.json = json
    built = mini_index.add(
        wheel(tmp_path, "Foo.Bar", "1.0", tag="cp311-cp311-manylinux2014_aarch64"),
        requires_python=">=3.8",
        yanked="broken & old",
        core_metadata=True,
    )
    source = mini_index.add(sdist(tmp_path, "foo-bar", "1.0"), yanked="")
    mini_index.add(sdist(tmp_path, "foo-bar", "2.0rc1"))
    project = opened().project("foo_bar")
    assert project.name == "foo-bar"
    assert files(project) == {
        "1.0": [built.name, source.name],
        "2.0rc1": ["foo_bar-2.0rc1.tar.gz"],
    }
    first, second = project.releases[Version("1.0")]
    assert first == File(
        filename=built.name,
        url=mini_index.file_url(built.name),
        kind=Kind.WHEEL,
        sha256=sha256(built),
        size=built.stat().st_size if json else None,
        requires_python=first.requires_python,
        yanked="broken & old",
        core_metadata=True,
    )
    assert str(first.requires_python) == ">=3.8"
    assert (second.kind, second.yanked, second.core_metadata) == (Kind.SDIST, "", False)


def test_a_page_is_asked_for_once(mini_index: MiniIndex, opened: Opened, tmp_path: Path) -> None:
    mini_index.add(wheel(tmp_path, "a", "1"))
    index = opened()
    assert index.project("A") is index.project("a")
    assert [asked.path for asked in mini_index.requests] == ["/simple/a/"]


@pytest.mark.parametrize("json", [True, False])
def test_a_missing_hash_is_none(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path, json: bool
) -> None:
    mini_index.faults.hashes, mini_index.faults.json = False, json
    mini_index.add(wheel(tmp_path, "a", "1"))
    assert opened().project("a").releases[Version("1")][0].sha256 is None


@pytest.mark.parametrize(
    "name", ["a-1.0.exe", "a-1.0-py3.6.egg", "b-1.0.tar.gz", "a-nonsense!.tar.gz", "README"]
)
def test_what_is_no_file_of_the_project_is_passed_over(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path, name: str
) -> None:
    mini_index.add(wheel(tmp_path, "a", "1"))
    (tmp_path / name).write_bytes(b"")
    mini_index.add(tmp_path / name, project="a")
    assert files(opened().project("a")) == {"1": ["a-1-py3-none-any.whl"]}


def test_old_sdist_names_are_understood(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    for name in ("a-b-0.1.zip", "a.b-0.2.tar.bz2", "A_b-0.3.tgz", "a-b-1.0-2.tar.gz"):
        (tmp_path / name).write_bytes(b"")
        mini_index.add(tmp_path / name, project="a-b")
    assert list(files(opened().project("a-b"))) == ["0.1", "0.2", "0.3", "1.0.post2"]


def test_an_unknown_package_names_it_and_the_indexes(
    mini_index: MiniIndex, opened: Opened
) -> None:
    with MiniIndex() as other, pytest.raises(UnknownPackageError) as caught:
        opened(mini_index.url, other.url).project("Nope")
    hosts = f"{mini_index.base[7:]} or {other.base[7:]}"
    assert str(caught.value) == f"there is no package nope on {hosts}"


def test_without_any_index_an_unknown_package_says_so(store: Store) -> None:
    with pytest.raises(UnknownPackageError, match="forbid to ask an index"):
        Index(Indexes(urls=()), Http(), store).project("a")


def test_the_first_index_that_knows_a_project_is_believed(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    private = mini_index.add(wheel(tmp_path, "a", "1"))
    with MiniIndex() as public:
        public.add(wheel(tmp_path, "a", "99"))
        public.add(wheel(tmp_path, "b", "1"))
        index = opened(mini_index.url, public.url)
        assert files(index.project("a")) == {"1": [private.name]}
        assert files(index.project("b")) == {"1": ["b-1-py3-none-any.whl"]}
        merged = opened(mini_index.url, public.url, merge=True)
        assert list(files(merged.project("a"))) == ["1", "99"]


def test_an_index_that_fails_is_not_passed_over(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    mini_index.faults.credentials = ("a", "b")
    with MiniIndex() as public:
        public.add(wheel(tmp_path, "a", "99"))
        index = opened(mini_index.url, public.url)
        with pytest.raises(NetworkError, match="wants a user name"):
            index.project("a")


def test_what_is_no_index_page_is_told(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    mini_index.add(wheel(tmp_path, "a", "1"))
    with pytest.raises(NetworkError, match="is not a page of a package index"):
        opened(f"{mini_index.base}/plain").project("a")


def test_an_index_on_this_host(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "simple/a").mkdir(parents=True)
    digest = "0" * 64
    (tmp_path / "simple/a/index.html").write_text(
        f'<a href="../../a-1-py3-none-any.whl#sha256={digest}">a-1-py3-none-any.whl</a>'
    )
    index = opened((tmp_path / "simple").as_uri())
    (file,) = index.project("a").releases[Version("1")]
    assert (file.url, file.sha256) == ((tmp_path / "a-1-py3-none-any.whl").as_uri(), digest)
    with pytest.raises(UnknownPackageError):
        index.project("b")


def test_find_links_add_files(mini_index: MiniIndex, opened: Opened, tmp_path: Path) -> None:
    mini_index.add(wheel(tmp_path, "a", "1"))
    directory = tmp_path / "links with space"
    directory.mkdir()
    local = wheel(directory, "a", "2")
    wheel(directory, "b", "1")
    (directory / "a-3-py3-none-any.whl").mkdir()
    page = tmp_path / "page.html"
    page.write_text('<a href="a-4-py3-none-any.whl#sha256=' + "4" * 64 + '">download here</a>')
    with MiniIndex() as flat:
        flat.add(wheel(tmp_path, "a", "5"))
        index = opened(links=(directory.as_uri(), page.as_uri(), flat.links))
        releases = index.project("a").releases
        index.project("b")
        assert len(flat.requests) == 1
    assert [str(version) for version in sorted(releases)] == ["1", "2", "4", "5"]
    (file,) = releases[Version("2")]
    assert (file.sha256, file.size) == (sha256(local), local.stat().st_size)
    assert file.url == local.as_uri()
    assert releases[Version("4")][0].url == (tmp_path / "a-4-py3-none-any.whl").as_uri()


def test_a_page_of_links_with_an_address_that_is_none_is_named(
    opened: Opened, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text('<a href="https://[x/a-1.tar.gz">a</a>')
    with pytest.raises(NetworkError, match=rf"{page.as_uri()} cannot be understood") as caught:
        opened(links=(page.as_uri(),)).project("a")
    assert "find-links" in caught.value.remedy


def test_the_same_file_of_two_places_counts_once(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    path = mini_index.add(wheel(tmp_path, "a", "1"))
    (file,) = opened(links=(tmp_path.as_uri(),)).project("a").releases[Version("1")]
    assert file.url == mini_index.file_url(path.name)


def test_credentials_in_links_are_taken_off(store: Store, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text('<a href="https://me:secret@files.example/a-1.tar.gz">a</a>')
    logins = Logins()
    index = Index(Indexes(urls=(), find_links=(page.as_uri(),)), Http(logins=logins), store)
    assert index.project("a").releases[Version("1")][0].url == "https://files.example/a-1.tar.gz"
    assert logins.of("https://files.example/a-1.tar.gz") == Login("me", "secret")


EXPECTED = SourceMetadata(
    requires_dist=('b>=1; extra == "x"', "c"), requires_python=">=3.9", extras=("x",)
)


def with_metadata(directory: Path, **more: dict[str, bytes]) -> Path:
    return wheel(
        directory,
        "a",
        "1",
        requires=EXPECTED.requires_dist,
        requires_python=EXPECTED.requires_python,
        extras=EXPECTED.extras,
        **more,  # type: ignore[arg-type]
    )


def the_file(index: Index) -> File:
    (file,) = index.project("a").releases[Version("1")]
    return file


def test_metadata_from_the_index(mini_index: MiniIndex, opened: Opened, tmp_path: Path) -> None:
    path = mini_index.add(with_metadata(tmp_path), core_metadata=True)
    index = opened()
    assert index.metadata(the_file(index)) == EXPECTED
    assert [asked.path for asked in mini_index.asked("files")] == [f"/files/{path.name}.metadata"]


def test_metadata_from_the_end_of_the_wheel(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    mini_index.add(with_metadata(tmp_path))
    index = opened()
    assert index.metadata(the_file(index)) == EXPECTED
    assert [asked.range for asked in mini_index.asked("files")] == ["bytes=-65536"]


def test_metadata_from_the_start_of_a_big_wheel(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    small = with_metadata(tmp_path)
    with zipfile.ZipFile(small) as archive:
        members = {name: archive.read(name) for name in reversed(archive.namelist())}
    noise = b"".join(hashlib.sha256(bytes([n % 256, n // 256])).digest() for n in range(20_000))
    write_zip(small, {**members, "noise": noise})
    assert small.stat().st_size > 600_000
    mini_index.add(small)
    index = opened()
    assert index.metadata(the_file(index)) == EXPECTED
    assert len(mini_index.asked("files")) == 2


def test_metadata_is_remembered_across_runs(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    mini_index.add(with_metadata(tmp_path))
    index = opened()
    index.metadata(the_file(index))
    asked = len(mini_index.asked("files"))
    again = opened()
    assert again.metadata(the_file(again)) == EXPECTED
    assert len(mini_index.asked("files")) == asked


def test_a_server_without_ranges_has_no_metadata(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    mini_index.add(with_metadata(tmp_path))
    mini_index.faults.ranges = False
    index = opened()
    assert index.metadata(the_file(index)) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-10]),
        lambda path: path.write_bytes(b"<html>"),
        lambda path: write_zip(path, {"b-1.dist-info/METADATA": "Name: b"}),
        lambda path: write_zip(path, {"a-1.dist-info/METADATA": "", "A-1.dist-info/METADATA": ""}),
    ],
)
def test_a_wheel_that_is_none_has_no_metadata(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path, spoil: Callable[[Path], object]
) -> None:
    path = with_metadata(tmp_path)
    spoil(path)
    mini_index.add(path)
    index = opened()
    assert index.metadata(the_file(index)) is None
    assert of_local_wheel(path) is None


def test_metadata_of_local_files(opened: Opened, tmp_path: Path) -> None:
    with_metadata(tmp_path)
    index = opened(links=(tmp_path.as_uri(),))
    assert index.metadata(the_file(index)) == EXPECTED
    assert of_local_wheel(tmp_path / "missing-1-py3-none-any.whl") is None


def test_an_sdist_has_no_metadata_here(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    mini_index.add(sdist(tmp_path, "a", "1"))
    index = opened()
    assert index.metadata(the_file(index)) is None
    assert mini_index.asked("files") == []


def test_direct_local_files(opened: Opened, tmp_path: Path) -> None:
    path = sdist(tmp_path, "a", "1.5")
    version, file = opened().direct(Requirement(f"a @ {path.as_uri()}"))
    assert str(version) == "1.5"
    assert file == File(
        filename=path.name,
        url=path.as_uri(),
        kind=Kind.SDIST,
        sha256=sha256(path),
        size=path.stat().st_size,
    )


def test_a_direct_url_with_a_hash_is_not_downloaded(
    mini_index: MiniIndex, opened: Opened, tmp_path: Path
) -> None:
    url = mini_index.file_url("a-1-py3-none-any.whl")
    _, file = opened().direct(Requirement(f"a @ {url}#sha256={'A' * 64}"))
    assert (file.url, file.sha256) == (url, "a" * 64)
    assert mini_index.requests == []


def test_a_direct_url_without_a_hash_is_downloaded_for_it(
    mini_index: MiniIndex, opened: Opened, store: Store, tmp_path: Path
) -> None:
    path = mini_index.add(wheel(tmp_path, "a", "1"))
    mini_index.faults.credentials = ("me", "secret")
    url = mini_index.file_url(path.name).replace("://", "://me:secret@")
    _, file = opened().direct(Requirement(f"a @ {url}"))
    assert (file.sha256, file.size) == (sha256(path), path.stat().st_size)
    assert file.url == mini_index.file_url(path.name)
    assert store.file(sha256(path), path.name) is not None


@pytest.mark.parametrize(
    ("address", "error", "message"),
    [
        ("file:///nowhere/a-1.tar.gz", UsageError, "there is no file /nowhere/a-1.tar.gz"),
        ("file:///etc/passwd", UsageError, "is not, by its file name, a wheel or an sdist of a"),
        ("https://x.example/b-1.tar.gz", UsageError, "a wheel or an sdist of a"),
        ("https://x.example/a.tar.gz", UsageError, "a wheel or an sdist of a"),
        ("ftp://x.example/a-1.tar.gz", UsageError, "only https, http and file"),
        ("https://x.example/a-1.tar.gz#subdirectory=x", UsageError, "from a subdirectory of"),
        ("https://u:pw@x.example/z#subdirectory=x", UsageError, r"of https://x\.example/z$"),
    ],
)
def test_direct_mistakes(
    opened: Opened, address: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        opened().direct(Requirement(f"a @ {address}"))


def test_a_direct_file_with_another_hash(opened: Opened, tmp_path: Path) -> None:
    path = sdist(tmp_path, "a", "1")
    with pytest.raises(IntegrityError, match=f"wrong hash: expected sha256 {'0' * 64}"):
        opened().direct(Requirement(f"a @ {path.as_uri()}#sha256={'0' * 64}"))
