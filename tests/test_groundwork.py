"""C libraries that a recipe has built first: their order, their sandbox, and what is kept."""

from __future__ import annotations

import hashlib
import io
import tarfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild.building import groundwork
from crossbuild.building.groundwork import MOUNT, Groundwork
from crossbuild.catalog import Debian, Image, Role
from crossbuild.engine.base import Limits, Root, Stop
from crossbuild.errors import BuildError, HostError, IntegrityError
from crossbuild.library import DebianSource, FileSource, Library
from crossbuild.model import File
from crossbuild.store import Store
from tests import wheels
from tests.fakeengine import FakeEngine, FakeSession, Outcome
from tests.test_backend import IMAGE, TARGET, Recorder, toolchain


def packed(*names: str) -> Outcome:
    """A build that leaves these files below its prefix."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for name in names:
            archive.addfile(tarfile.TarInfo(name))
    return Outcome(files={"../made.tar": stream.getvalue()})


class Engine(FakeEngine):
    """Notes which images it was asked for."""

    images: list[Image]

    def prepare(self, image: Image, role: Role) -> Root:
        self.images = [*getattr(self, "images", ()), image]
        return super().prepare(image, role)


class Bench:
    """Two libraries, one as a file and one of a distribution; nothing is built for real."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(directory / "cache")
        self.engine = Engine(directory / "fake")
        self.reporter = Recorder()
        self.wanted: list[File] = []
        made = wheels.write_tar(directory / "one-1.0.tar.gz", {"one-1.0/configure": "#!/bin/sh"})
        self.archive = made
        sha256 = hashlib.sha256(made.read_bytes()).hexdigest()
        self.one = Library(
            name="one",
            why="It is a test.",
            source=FileSource(url=made.as_uri(), sha256=sha256),
            build="make one",
        )
        self.two = Library(
            name="two",
            why="It is another.",
            source=DebianSource(suite="bookworm", package="two"),
            tools=("cmake",),
            build="make two",
        )
        self.package = directory / "two"
        self.package.mkdir()
        wheels.write_tar(self.package / "two_2.0.orig.tar.gz", {"two/Makefile": "all:"})
        wheels.write_tar(
            self.package / "two_2.0-3.debian.tar.gz", {"debian/patches/series": "a.patch\n"}
        )
        (self.package / "two_2.0-3.dsc").write_text("signed")
        unwinder = directory / "root/usr/lib64/libgcc_s.so.1"
        unwinder.parent.mkdir(parents=True)
        unwinder.write_bytes(b"the target's")

    def files(self, source: DebianSource) -> Path:
        assert source.package == "two"
        return self.package

    def download(self, files: Sequence[File]) -> list[Path]:
        self.wanted += files
        return [self.archive for _ in files]

    @property
    def groundwork(self) -> Groundwork:
        return Groundwork(
            engine=self.engine,
            root=FakeEngine(self.directory / "root").prepare(IMAGE, Role.BUILD),
            store=self.store,
            toolchain=toolchain(self.directory),
            target=TARGET,
            shelf=self,
            download=self.download,
            reporter=self.reporter,
            limits=Limits(),
            jobs=3,
        )


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_each_is_built_with_those_before_it_by_native_programs(bench: Bench) -> None:
    bench.engine.outcomes = [packed("lib/libone.so"), packed("lib/libone.so", "lib/libtwo.so")]
    laid = bench.groundwork.lay([bench.one, bench.two])
    assert laid.labels == ("one-1.0.tar.gz", "two 2.0-3")
    names = sorted(path.name for path in laid.libraries.iterdir())
    assert names == ["libone.so", "libtwo.so"]

    first, second = bench.engine.asked
    assert MOUNT not in first.trees
    unwinder = first.trees["/opt/crossbuild/unwinder"].path / "libgcc_s.so.1"
    assert unwinder.read_bytes() == b"the target's"
    assert (second.trees[MOUNT].path / "lib/libone.so").is_file()
    for asked, command in ((first, "make one\n"), (second, "make two\n")):
        assert asked.argv[:2] == ("/bin/sh", "-ec")
        assert command in asked.argv[2]
        assert asked.env["PREFIX"] == MOUNT
        assert (asked.env["CC"], asked.env["TRIPLET"]) == ("cc", "aarch64-linux-gnu")
        assert asked.env["MAKEFLAGS"] == "-j3"
    one, two = bench.engine.images
    assert one.arch != TARGET.arch
    assert isinstance(one.source, Debian)
    assert isinstance(two.source, Debian)
    assert set(two.source.build) - set(one.source.build) == {"cmake"}
    assert [file.sha256 for file in bench.wanted] == [bench.one.source.sha256]  # type: ignore[union-attr]


def test_what_was_built_is_found_again_until_something_of_it_changes(bench: Bench) -> None:
    bench.engine.outcomes = [packed("a"), packed("b")]
    first = bench.groundwork.lay([bench.one, bench.two])
    assert bench.groundwork.lay([bench.one, bench.two]) == first
    assert len(bench.engine.asked) == 2

    def key(*libraries: Library) -> str:
        bench.engine.outcomes = [packed("c") for _ in libraries]
        return bench.groundwork.lay(libraries).tree.key

    keys = {
        first.tree.key,
        key(bench.one),
        key(bench.two),
        key(replace(bench.one, build="make other"), bench.two),
        key(bench.one, replace(bench.two, tools=())),
    }
    (bench.package / "two_2.0.orig.tar.gz").write_bytes(bench.archive.read_bytes())
    keys.add(key(bench.one, bench.two))
    assert len(keys) == 6


def test_a_source_of_debian_has_debians_own_part_in_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def put(_: FakeSession, source: Path, destination: str) -> None:
        assert destination == "/work/source"
        seen.extend(str(path.relative_to(source)) for path in source.rglob("*") if path.is_file())

    monkeypatch.setattr(FakeSession, "put", put)
    bench.engine.outcomes = [packed("a")]
    bench.groundwork.lay([bench.two])
    assert sorted(seen) == ["Makefile", "debian/patches/series"]
    assert "debian/patches/$name" in bench.engine.asked[0].argv[2]


def test_an_image_that_nothing_can_be_linked_for_is_named(bench: Bench) -> None:
    (bench.directory / "root/usr/lib64/libgcc_s.so.1").unlink()
    with pytest.raises(HostError, match=r"bookworm-aarch64 has no libgcc_s\.so\.1"):
        bench.groundwork.lay([bench.two])


def test_one_that_fails_is_told_with_the_line_that_tells(bench: Bench) -> None:
    bench.engine.outcomes = [
        Outcome(output="checking\nx.c:1:2: error: no such thing\nmake: done for\n", returncode=2)
    ]
    with pytest.raises(
        BuildError, match=r"^two 2\.0-3 could not be built: x\.c:1:2: error"
    ) as caught:
        bench.groundwork.lay([bench.two])
    assert caught.value.log is not None
    assert "no such thing" in caught.value.log.read_text()
    bench.engine.outcomes = [Outcome(returncode=1, stopped=Stop.WALL)]
    with pytest.raises(BuildError, match="passed the limit of wall time"):
        bench.groundwork.lay([bench.two])


def test_a_source_package_of_another_form_is_refused(bench: Bench) -> None:
    (bench.package / "two_2.0.orig.tar.gz.asc").touch()
    bench.engine.outcomes = [packed("a")]
    bench.groundwork.lay([bench.two])
    more = bench.package / "two_2.0.orig-more.tar.gz"
    more.touch()
    with pytest.raises(IntegrityError, match="source two of Debian bookworm is not one archive"):
        bench.groundwork.lay([bench.two])
    more.unlink()
    (bench.package / "two_2.0-3.debian.tar.gz").unlink()
    with pytest.raises(IntegrityError, match="source two of Debian bookworm is not one archive"):
        bench.groundwork.lay([bench.two])


def test_a_build_finds_the_libraries_first() -> None:
    found = groundwork.variables({"PATH": "/usr/bin", "LDFLAGS": "-s"})
    assert found["PATH"] == f"{MOUNT}/bin:/usr/bin"
    assert found["LDFLAGS"] == f"-L{MOUNT}/lib -s"
    assert found["PKG_CONFIG_PATH"] == f"{MOUNT}/lib/pkgconfig"
    assert found["CPATH"] == f"{MOUNT}/include"
