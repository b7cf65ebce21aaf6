"""Requirements as people write them, on the command line and in files."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.cli import requirement_file
from crossbuild.cli.requirements import parse, public
from crossbuild.errors import UsageError

WHEEL = "bar-2.0-cp311-cp311-linux_aarch64.whl"
INDEX = "https://index.example"


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with a wheel, an sdist, a source tree and a list of requirements."""
    (tmp_path / "foo-1.0.tar.gz").touch()
    (tmp_path / WHEEL).touch()
    (tmp_path / "numpy").mkdir()
    (tmp_path / "list.txt").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("numpy", "numpy"),
        ("requests[socks] >= 2 ; os_name == 'nt'", 'requests[socks]>=2; os_name == "nt"'),
        ("./foo-1.0.tar.gz", "foo @ file://{here}/foo-1.0.tar.gz"),
        ("foo-1.0.tar.gz ; os_name=='nt'", 'foo @ file://{here}/foo-1.0.tar.gz ; os_name == "nt"'),
        (f"{WHEEL}[x]", f"bar[x] @ file://{{here}}/{WHEEL}"),
        ("foo @ ./foo-1.0.tar.gz", "foo @ file://{here}/foo-1.0.tar.gz"),
        ("file://{here}/foo-1.0.tar.gz", "foo @ file://{here}/foo-1.0.tar.gz"),
        (f"{INDEX}/x_y-1.0-py3-none-any.whl#a=b", f"x-y @ {INDEX}/x_y-1.0-py3-none-any.whl#a=b"),
        (f"{INDEX}/main.zip#egg=foo", f"foo @ {INDEX}/main.zip#egg=foo"),
        (f"foo @ {INDEX}/main.zip", f"foo @ {INDEX}/main.zip"),
    ],
)
def test_everything_becomes_pep_508(text: str, expected: str, here: Path) -> None:
    assert str(parse(text.format(here=here), here)) == expected.format(here=here)


@pytest.mark.parametrize(
    ("text", "sentence", "remedy"),
    [
        ("numpy=1.2", "'numpy=1.2' is not a requirement", "numpy==1.2"),
        ("numpy 1.2", "'numpy 1.2' is not a requirement", "numpy==1.2"),
        ("numpy>=", "'numpy>=' is not a requirement", "PEP 508"),
        ("./numpy", "./numpy is a directory", "python -m build --sdist ./numpy"),
        (".", ". is a directory", "python -m build --sdist"),
        ("./no.whl", "there is no file ./no.whl", ""),
        ("list.txt", "list.txt is a file, not a package", "-r list.txt"),
        (f"{INDEX}/main.zip", "does not say by its file name", "`NAME @ https://"),
        (f"git+{INDEX}/a/b", "is a version-control address", "--sdist"),
        ("git@index.example:a/b", "is a version-control address", "--sdist"),
        ("https://[x/foo-1.0.zip", "'https://[x/foo-1.0.zip' holds no valid address", "//"),
        ("foo @ https://[x/foo-1.0.zip", "holds no valid address", "//"),
        ("git+https://[x/foo", "holds no valid address", "//"),
        ("foo @ git+ssh://git@index.example/a", "is a version-control address", "--sdist"),
    ],
)
def test_what_cannot_be_is_one_sentence(text: str, sentence: str, remedy: str, here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, here)
    assert sentence in str(caught.value)
    assert remedy in caught.value.remedy
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "git+https://user:hunter2@index.example/a",
        "https://user:hunter2@index.example/main.zip",
        "foo @ https://user:hunter2@index.example/a.zip ; nonsense",
        "https://user:hunter2@[index.example/a-1.0.zip",
    ],
)
def test_no_message_repeats_a_password(text: str, here: Path) -> None:
    with pytest.raises(UsageError) as caught:
        parse(text, here)
    assert "hunter2" not in f"{caught.value} {caught.value.remedy}"


def test_a_package_with_the_name_of_a_directory_is_a_package(here: Path) -> None:
    assert str(parse("numpy", here)) == "numpy"


def test_public_takes_only_the_login_away() -> None:
    assert public("https://a:b@index.example/x?y#z") == f"{INDEX}/x?y#z"


FILE = """\
# comment
--index-url https://${USER_NAME}@index.example/simple
-i https://second.example/simple
--extra-index-url=https://extra.example/simple
-f links
--no-binary a,b
--prefer-binary

numpy>=1.26 \\
    --hash=sha256:{zeros} \\
    --hash=sha512:ffff
requests[socks] ; os_name == 'nt'   # why
./foo-1.0.tar.gz
-c limits.txt
-r more/nested.txt
"""


@pytest.fixture
def project(here: Path) -> Path:
    """Files of requirements that include one another."""
    (here / "links").mkdir()
    (here / "more").mkdir()
    (here / "main.txt").write_text(FILE.replace("{zeros}", "0" * 64))
    (here / "limits.txt").write_text("numpy<2\n")
    (here / "more" / "nested.txt").write_text("--no-index\n../foo-1.0.tar.gz\n")
    return here


def test_a_file_is_read_with_all_it_includes(project: Path) -> None:
    found = requirement_file.read([project / "main.txt"], [], {"USER_NAME": "me"})
    sdist = f"foo @ file://{project}/foo-1.0.tar.gz"
    assert [str(item) for item in found.requirements] == [
        "numpy>=1.26",
        'requests[socks]; os_name == "nt"',
        sdist,
        sdist,
    ]
    assert [str(item) for item in found.constraints] == ["numpy<2"]
    assert {str(name): hashes for name, hashes in found.hashes.items()} == {"numpy": {"0" * 64}}
    assert found.index_url == "https://second.example/simple"
    assert found.extra_index_urls == ["https://extra.example/simple"]
    assert found.find_links == [str(project / "links")]
    assert found.formats == [("no_binary", "a,b")]
    assert found.no_index


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_files_from_windows_are_read(encoding: str, tmp_path: Path) -> None:
    path = tmp_path / "list.txt"
    path.write_bytes("numpy\r\nscipy\r\n".encode(encoding))
    found = requirement_file.read([path], [], {})
    assert [str(item) for item in found.requirements] == ["numpy", "scipy"]


@pytest.mark.parametrize(
    ("text", "sentence", "remedy"),
    [
        ("numpy\n-e .", ":2: --editable is not supported", "sdist"),
        ("--pre", ":1: --pre is not supported", "pre-release"),
        ("numpy --config-settings=a=b", ":1: --config-settings is not supported", ""),
        ("--frobnicate", ":1: --frobnicate is not understood here", ""),
        ("numpy=1", ":1: 'numpy=1' is not a requirement", "numpy==1"),
        ("a\n\\\n\nb=1", ":4: 'b=1' is not a requirement", ""),
        (f"--index-url {INDEX}/${{TOKEN}}", ":1: ${TOKEN} is not set", ""),
        ("numpy --hash=sha256:12", ":1: --hash=sha256:12 is not sha256:", ""),
        ("numpy --hash=sha512:12", ":1: numpy has hashes, but none is SHA-256", ""),
        ("-r list.txt", "list.txt includes itself", ""),
        (f"-r {INDEX}/r.txt", "is an address", "Download"),
        ("-r none.txt", "there is no file", ""),
        (f"git+{INDEX}/x", f":1: git+{INDEX}/x is a version-control", ""),
    ],
)
def test_a_line_without_a_meaning_names_its_place(
    text: str, sentence: str, remedy: str, tmp_path: Path
) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(UsageError) as caught:
        requirement_file.read([path], [], {})
    assert sentence in str(caught.value)
    assert remedy in caught.value.remedy
    assert str(caught.value).count("list.txt:") <= 1


@pytest.mark.parametrize("name", ["uv.lock", "pyproject.toml", "pylock.toml"])
def test_other_formats_are_told_apart(name: str, tmp_path: Path) -> None:
    (tmp_path / name).touch()
    with pytest.raises(UsageError, match="not in pip's requirements format"):
        requirement_file.read([tmp_path / name], [], {})


def test_what_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_bytes(b"\xff\x00\x80")
    with pytest.raises(UsageError, match="is not text"):
        requirement_file.read([tmp_path / "x.txt"], [], {})
