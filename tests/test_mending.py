"""A build that lacks something of the system: what is added, how often, and what is kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from crossbuild import build, catalog
from crossbuild.building import asking, sources
from crossbuild.building.backend import Workshop
from crossbuild.building.mending import MOST, Mender
from crossbuild.catalog import Debian, Image, Role
from crossbuild.engine.base import Limits, Root
from crossbuild.engine.images.supplies import equipped
from crossbuild.errors import BuildError, HostError, NetworkError
from crossbuild.lack import Addition, Lack
from crossbuild.ladder import Climb, Rung
from crossbuild.model import RawWheel
from crossbuild.report import Message
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from tests.fakeengine import FakeEngine, Outcome
from tests.test_backend import HOOK, IMAGE, TARGET, Recorder, toolchain
from tests.test_build import made, step
from tests.wheels import metadata, sdist


def said(*lines: str) -> Outcome:
    return Outcome(answer=HOOK, output="".join(f"{line}\n" for line in lines), returncode=1)


LDAP = said("a.c:1:10: fatal error: 'lber.h' file not found")
CONFIG = said("Error: pg_config executable not found.")
OTHER = said("a.c:1:1: error: no such thing")
PACKAGES = {"lber.h": "libldap-dev", "sasl.h": "libsasl2-dev", "pg_config": "libpq-dev"}


class Engine(FakeEngine):
    """Its roots are named after their packages; one package cannot be installed."""

    def prepare(self, image: Image, role: Role) -> Root:
        assert isinstance(image.source, Debian)
        assert isinstance(IMAGE.source, Debian)
        added = image.source.build[len(IMAGE.source.build) :]
        if "conflicting-dev" in added:
            raise HostError("apt could not install it")
        root = super().prepare(image, role)
        return replace(root, key="+".join([root.key, *added]))


class Shelf:
    """Who knows the packages, from a table of the names of what is lacking."""

    def __init__(self, packages: Mapping[str, str]) -> None:
        self.packages = packages
        self.asked: list[str] = []

    def owner(self, lack: Lack, root: Root) -> str | None:
        self.asked.append(lack.name)
        if self.packages.get(lack.name) == "unreachable":
            raise NetworkError("the mirror cannot be reached")
        return self.packages.get(lack.name)


class Bench:
    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = Store(directory / "cache")
        self.archive = sdist(directory, "demo", "1.0", setup_py="")
        self.engine = Engine(directory / "fake")
        self.reporter = Recorder()
        self.packages: Mapping[str, str] = PACKAGES
        self.climb = Climb()

    def workshop(self, *, mends: bool = True) -> Workshop:
        mender = Mender(
            supplies=Shelf(self.packages),
            store=self.store,
            reporter=self.reporter,
        )
        return Workshop(
            engine=self.engine,
            root=self.engine.prepare(IMAGE, Role.BUILD),
            toolchain=toolchain(self.directory),
            store=self.store,
            uv=Uv.find(),
            target=TARGET,
            limits=Limits(),
            reporter=self.reporter,
            mender=mender if mends else None,
        )

    def build(self, *outcomes: Outcome, mends: bool = True) -> RawWheel:
        self.engine.outcomes = list(outcomes)
        return build.build(
            step(self.archive),
            self.archive,
            [],
            workshop=self.workshop(mends=mends).known(self.archive),
            output=self.directory / "out",
            log=self.directory / "demo.log",
            climb=self.climb,
        )

    @property
    def rungs(self) -> list[Rung]:
        return [Rung.NATIVE if "CC" in asked.env else Rung.EMULATED for asked in self.engine.asked]

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.reporter.events if isinstance(event, Message)]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_lacks_is_added_and_the_native_compilers_try_again(
    bench: Bench, tmp_path: Path
) -> None:
    raw = bench.build(LDAP, made(tmp_path / "w"))
    assert raw.added == (Addition(package="libldap-dev", lack="lber.h"),)
    assert (raw.rung, bench.rungs) == (Rung.NATIVE, [Rung.NATIVE, Rung.NATIVE])
    assert bench.said == ["demo 1.0: added libldap-dev (lber.h)"]
    assert "added libldap-dev (lber.h)" in raw.log.read_text()
    tried = [(attempt.added, attempt.error is None) for attempt in bench.climb.attempts]
    assert tried == [((), False), (("libldap-dev",), True)]


def test_what_was_added_is_remembered_and_so_is_the_key(bench: Bench, tmp_path: Path) -> None:
    raw = bench.build(LDAP, made(tmp_path / "w"))
    fresh = bench.workshop()
    known = fresh.known(bench.archive)
    assert known.added == raw.added
    assert known.root.key == "bookworm-aarch64-build+libldap-dev"
    keys = [build.key(step(bench.archive), [], shop) for shop in (fresh, known)]
    assert keys[0] != keys[1] == build.key(step(bench.archive), [], fresh.equipped(raw.added))
    again = bench.build(made(tmp_path / "w"))
    assert again.added == raw.added
    assert len(bench.said) == 1


def test_the_packages_of_a_root_have_one_order(bench: Bench) -> None:
    one, two = (Addition(package=name, lack="x") for name in ("liba-dev", "libb-dev"))
    roots = [bench.workshop().equipped(added).root for added in ((one, two), (two, one))]
    assert roots[0].key == roots[1].key


def test_all_that_ends_a_build_is_added_at_once(bench: Bench, tmp_path: Path) -> None:
    both = said(
        "a.c:1:10: fatal error: 'lber.h' file not found",
        "b.c:1:10: fatal error: 'sasl.h' file not found",
        "pg_config not found",
    )
    raw = bench.build(both, made(tmp_path / "w"))
    assert [item.package for item in raw.added] == ["libldap-dev", "libsasl2-dev"]


def test_of_what_may_have_ended_it_one_is_added_at_a_time(bench: Bench, tmp_path: Path) -> None:
    maybe = said("No package 'unheard-of' found", "pg_config not found", "lber.h not found")
    raw = bench.build(maybe, LDAP, made(tmp_path / "w"))
    assert [str(item) for item in raw.added] == ["libpq-dev (pg_config)", "libldap-dev (lber.h)"]


def test_a_compiler_that_said_why_needs_no_guess(bench: Bench, tmp_path: Path) -> None:
    failed = said("pg_config not found", "a.c:1:1: error: no such thing")
    raw = bench.build(failed, made(tmp_path / "w"))
    assert (raw.added, raw.rung) == ((), Rung.EMULATED)


def test_nothing_is_added_twice(bench: Bench) -> None:
    with pytest.raises(BuildError, match=r"lber\.h"):
        bench.build(LDAP, LDAP, LDAP)
    assert bench.said[0] == "demo 1.0: added libldap-dev (lber.h)"
    assert bench.rungs == [Rung.NATIVE, Rung.NATIVE, Rung.EMULATED]


def test_the_error_says_what_was_added(bench: Bench) -> None:
    with pytest.raises(BuildError) as raised:
        bench.build(CONFIG, OTHER, OTHER)
    assert "libpq-dev (pg_config)" in raised.value.remedy


def test_there_is_an_end(bench: Bench) -> None:
    names = [f"h{number}.h" for number in range(MOST + 2)]
    bench.packages = {name: f"lib{name[:-2]}-dev" for name in names}
    failures = [said(f"a.c:1:10: fatal error: '{name}' file not found") for name in names]
    with pytest.raises(BuildError):
        bench.build(*failures)
    assert len([text for text in bench.said if "added" in text]) == MOST
    assert bench.workshop().known(bench.archive).added == ()


@pytest.mark.parametrize(
    ("package", "told"),
    [
        ("unreachable", "could not be looked up: the mirror cannot be reached"),
        ("conflicting-dev", "conflicting-dev (lber.h) cannot be added: apt could not install it"),
    ],
)
def test_a_package_that_cannot_be_had_leaves_the_builds_own_error(
    bench: Bench, package: str, told: str
) -> None:
    bench.packages = {"lber.h": package}
    with pytest.raises(BuildError, match=r"'lber\.h' file not found"):
        bench.build(LDAP, LDAP)
    assert any(text.endswith(told) for text in bench.said)


def test_nobody_looks_where_nobody_is_to(bench: Bench) -> None:
    with pytest.raises(BuildError, match="pg_config"):
        bench.build(CONFIG, CONFIG, mends=False)
    assert bench.said == [text for text in bench.said if "added" not in text]


def test_asking_a_backend_adds_too(bench: Bench, tmp_path: Path) -> None:
    answer = Outcome(answer={"requires": [], "metadata": metadata("demo", "1.0")})
    bench.engine.outcomes = [CONFIG, answer]
    shop = bench.workshop()
    inspection = sources.inspect(bench.archive)
    found = asking.inspect(shop, bench.archive, inspection, shop.environment([]))
    assert found.metadata is not None
    assert bench.said == ["demo 1.0: added libpq-dev (pg_config)"]
    # The build begins with it, and the next run does not ask again.
    assert bench.build(made(tmp_path / "w")).added[0].package == "libpq-dev"
    again = asking.inspect(bench.workshop(), bench.archive, inspection, shop.environment([]))
    assert again == found


def test_only_an_image_of_packages_can_have_more() -> None:
    more = equipped(IMAGE, ("libpq-dev",))
    assert isinstance(more.source, Debian)
    assert more.source.build[-1] == "libpq-dev"
    assert more != IMAGE
    other = catalog.image("manylinux2014-aarch64")
    assert equipped(other, ("libpq-dev",)) == other


UNKNOWN = Outcome(
    answer=HOOK, output="a.c:1:10: fatal error: unheard-of.h: No such file or directory\n"
)


@pytest.mark.parametrize(
    ("mends", "said"),
    [
        (True, "It lacks unheard-of.h, which no package of Debian bookworm that could be added"),
        (False, "It lacks unheard-of.h, and nothing was added for it (--no-auto-deps)."),
    ],
)
def test_what_nothing_was_added_for_is_said(bench: Bench, mends: bool, said: str) -> None:
    with pytest.raises(BuildError) as raised:
        bench.build(UNKNOWN, UNKNOWN, mends=mends)
    assert raised.value.remedy.startswith(said)
    assert str(raised.value).count("unheard-of.h") == 1
