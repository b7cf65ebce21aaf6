"""uv behind its two doors: choosing versions from one view, and unpacking wheels."""

from __future__ import annotations

import http.client
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from packaging.utils import NormalizedName
from packaging.version import Version

from crossbuild.errors import IntegrityError, NetworkError
from crossbuild.resolution.loopback import Offer, serving
from crossbuild.resolution.uv import Solved, Unsolvable, Uv
from crossbuild.target import Target
from tests.wheels import metadata, wheel

TARGET = Target.parse("manylinux2014_aarch64", "3.11")


class Shown:
    """A view: versions by package, with what each requires; ``None`` cannot be used."""

    def __init__(self, packages: Mapping[str, Mapping[str, Sequence[str] | None]]) -> None:
        self.packages = packages

    def offers(self, name: NormalizedName) -> Sequence[Offer] | None:
        if name == "broken":
            raise NetworkError("the real index cannot be reached")
        if name not in self.packages:
            return None
        return [
            Offer(version=Version(version), usable=requires is not None)
            for version, requires in self.packages[name].items()
        ]

    def metadata(self, name: NormalizedName, version: Version) -> str:
        requires = self.packages[name][str(version)] or ()
        return metadata(name, str(version), requires=requires, extras=["x"])


VIEW = Shown(
    {
        "a": {"1": ["b"], "2": ["b", "nix; extra == 'x'"], "3": None},
        "b": {"1": [], "2": [], "3rc1": []},
        "c": {"1": ["b<2", "a<2"]},
        "d": {"1": ["b>=2"]},
    }
)


def chosen(*requirements: str, constraints: Sequence[str] = ()) -> dict[str, str] | str:
    """Versions by name, or the explanation."""
    with serving(VIEW) as index:
        answer = Uv.find().compile(
            [Requirement(item) for item in requirements],
            [Requirement(item) for item in constraints],
            index,
        )
    if isinstance(answer, Unsolvable):
        return answer.explanation
    assert isinstance(answer, Solved)
    return {str(choice.name): str(choice.version) for choice in answer.choices}


def test_the_newest_usable_versions_that_go_together() -> None:
    assert chosen("a") == {"a": "2", "b": "2"}
    assert chosen("a", "c") == {"a": "1", "b": "1", "c": "1"}
    assert chosen("a", constraints=["b<2", "z<1"]) == {"a": "2", "b": "1"}


def test_contradictions_are_explained_without_hints() -> None:
    explanation = chosen("c", "d")
    assert isinstance(explanation, str)
    assert "all versions of d depend on b>=2" in explanation
    assert "hint" not in explanation
    assert "\n" not in explanation
    missing = chosen("a[x]==2")
    assert isinstance(missing, str)
    assert "nix" in missing


def test_extras_are_kept() -> None:
    with serving(VIEW) as index:
        answer = Uv.find().compile([Requirement("b[X]")], [], index)
    assert isinstance(answer, Solved)
    assert [choice.extras for choice in answer.choices] == [{"x"}]


def test_settings_of_the_user_do_not_reach_uv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = tmp_path / "uv.toml"
    settings.write_text('exclude-newer = "1990-01-01T00:00:00Z"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("UV_CONFIG_FILE", str(settings))
    monkeypatch.setenv("UV_CONSTRAINT", "nowhere.txt")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert chosen("b") == {"b": "2"}


def test_what_the_view_raises_is_raised() -> None:
    with pytest.raises(NetworkError, match="the real index"):
        chosen("broken")


def test_the_view_is_shown_to_no_one_else() -> None:
    with serving(VIEW) as index:
        place = urlsplit(index)
        connection = http.client.HTTPConnection(place.netloc, timeout=10)
        seen = {}
        for path in (f"{place.path}/a/", "/simple/a/", f"{place.path}/nix/"):
            connection.request("GET", path)
            response = connection.getresponse()
            response.read()
            seen[path] = response.status
        connection.close()
    assert list(seen.values()) == [200, 404, 404]


def installed(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def test_wheels_of_any_platform_are_unpacked_the_same_each_time(tmp_path: Path) -> None:
    wheels = [
        wheel(tmp_path, "Foo.Bar", "1.0", tag="cp311-cp311-manylinux2014_aarch64", build="2"),
        wheel(tmp_path, "odd", "1+local", tag="cp38-abi3-linux_s390x", requires=["nix"]),
    ]
    uv = Uv.find()
    for place in ("one", "two"):
        uv.install(wheels, tmp_path / place, TARGET)
    one = installed(tmp_path / "one")
    assert {"foo_bar.py", "odd.py", "odd-1+local.dist-info/METADATA"} <= one.keys()
    assert one == installed(tmp_path / "two")
    assert {path.name for path in tmp_path.iterdir()} == {"one", "two", *(w.name for w in wheels)}


def test_no_wheels_make_an_empty_directory(tmp_path: Path) -> None:
    Uv.find().install([], tmp_path / "empty", TARGET)
    assert installed(tmp_path / "empty") == {}


def test_a_wheel_that_cannot_be_unpacked_is_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad-1-py3-none-any.whl"
    bad.write_bytes(b"no zip")
    with pytest.raises(IntegrityError, match="bad"):
        Uv.find().install([bad], tmp_path / "out", TARGET)
