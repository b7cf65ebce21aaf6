from __future__ import annotations

import re
from pathlib import Path

import pytest

from crossbuild import catalog
from crossbuild.catalog import Archive, Debian, Interpreter, Oci, Role, Source
from crossbuild.errors import UsageError
from crossbuild.platforms import ARCHES
from crossbuild.target import Target

GOOD = """\
roles = ["build", "target"]
suite = "sid"
glibc = "2.50"
arches = ["aarch64", "s390x"]

[pythons]
cp314-cp314 = "/usr/bin/python3.14"

[packages]
common = ["python3.14"]
build = ["gcc", "g++"]
target = ["libstdc++6"]
"""


PULLED = f"""\
roles = ["build"]
glibc = "2.17"
arches = ["aarch64"]

[pythons]
cp37-cp37m = "/opt/python/cp37-cp37m/bin/python"

[oci]
repository = "pypa/manylinux2014_ARCH"
tag = "2030.01.01-1"

[oci.digests]
aarch64 = "sha256:{"a" * 64}"
"""


def write(directory: Path, text: str) -> Path:
    path = directory / "sid.toml"
    path.write_text(text, encoding="utf-8")
    return path


def debian(source: Source) -> Debian:
    assert isinstance(source, Debian)
    return source


def test_every_shipped_image_is_understood_and_the_oldest_comes_first() -> None:
    found = [(image.name, image.glibc) for image in catalog.images()]
    assert found == [
        ("manylinux2014-aarch64", (2, 17)),
        ("manylinux_2_28-aarch64", (2, 28)),
        ("bullseye-aarch64", (2, 31)),
        ("manylinux_2_34-aarch64", (2, 34)),
        ("bookworm-aarch64", (2, 36)),
        ("trixie-aarch64", (2, 41)),
    ]


def test_no_clean_machine_is_given_compilers_headers_or_pip() -> None:
    sources = [image.source for image in catalog.images() if Role.TARGET in image.roles]
    packages = {name for source in sources for name in debian(source).target}
    assert "zlib1g" in packages
    assert not [name for name in packages if re.search(r"-dev$|gcc$|g\+\+|pip|venv", name)]


@pytest.mark.parametrize(
    ("platform", "python", "expected"),
    [
        ("manylinux2014_aarch64", "3.9", "bullseye-aarch64"),
        ("manylinux2014_aarch64", "3.11", "bookworm-aarch64"),
        ("manylinux2014_aarch64", "3.13", "trixie-aarch64"),
        ("linux_aarch64", "3.11", "bookworm-aarch64"),
        ("manylinux2014_aarch64", "3.8", None),
        ("manylinux2014_s390x", "3.11", None),
        ("musllinux_1_2_aarch64", "3.11", None),
    ],
)
def test_the_image_is_the_oldest_with_the_python(
    platform: str, python: str, expected: str | None
) -> None:
    found = catalog.image_for(Target.parse(platform, python))
    assert (found.name if found else None) == expected


@pytest.mark.parametrize(
    ("platform", "python", "expected"),
    [
        ("manylinux2014_aarch64", "3.12", "manylinux2014-aarch64"),
        ("manylinux_2_34_aarch64", "3.12", "manylinux2014-aarch64"),
        ("manylinux2014_aarch64", "3.11", "bookworm-aarch64"),
        ("manylinux2014_s390x", "3.12", None),
        ("manylinux2014_aarch64", "3.7", None),
    ],
)
def test_an_image_of_a_registry_builds_what_no_image_of_packages_can(
    platform: str, python: str, expected: str | None
) -> None:
    target = Target.parse(platform, python)
    found = catalog.image_for(target, obtainable=lambda _: True)
    assert (found.name if found else None) == expected


def test_nothing_is_proven_in_an_image_that_is_only_for_building() -> None:
    target = Target.parse("manylinux2014_aarch64", "3.12")
    for options in ({"at_least_floor": True}, {"role": Role.TARGET, "at_least_floor": False}):
        found = catalog.image_for(target, obtainable=lambda _: True, **options)
        assert found is None


@pytest.mark.parametrize(
    ("floor", "expected"), [(17, True), (36, True), (37, False)], ids=["below", "equal", "above"]
)
def test_a_clean_machine_must_have_the_targets_glibc(floor: int, expected: bool) -> None:
    target = Target.parse(f"manylinux_2_{floor}_aarch64", "3.11")
    assert (catalog.image_for(target, at_least_floor=True) is not None) is expected
    assert catalog.image_for(target) is not None


def test_an_image_is_found_by_name_or_the_names_are_listed() -> None:
    assert debian(catalog.image("trixie-aarch64").source).suite == "trixie"
    with pytest.raises(UsageError, match="no image 'trixy-aarch64'") as caught:
        catalog.image("trixy-aarch64")
    assert caught.value.remedy.startswith("Did you mean trixie-aarch64? The images are ")


def test_one_file_gives_an_image_for_each_processor(tmp_path: Path) -> None:
    first, second = catalog.read(write(tmp_path, GOOD))
    assert (first.name, first.arch) == ("sid-aarch64", ARCHES["aarch64"])
    assert (second.name, second.arch) == ("sid-s390x", ARCHES["s390x"])
    source = debian(first.source)
    assert source.build == ("python3.14", "gcc", "g++")
    assert source.target == ("python3.14", "libstdc++6")
    assert first.roles == {Role.BUILD, Role.TARGET}
    interpreter = first.interpreter((3, 14))
    assert interpreter is not None
    assert interpreter.command == "/opt/python/cp314-cp314/bin/python"
    assert interpreter.cache_tag == "cpython-314"
    assert first.interpreter((3, 11)) is None


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ('suite = "sid"', "suite = 13", "suite: a text is expected"),
        ('suite = "sid"\n', "", "suite: missing"),
        ('glibc = "2.50"', 'glibc = "new"', "glibc: a version like"),
        ('["aarch64", "s390x"]', '["arm64"]', "arches: 'arm64' is none of"),
        ("cp314-cp314", "python3", "python3: a tag like"),
        ("cp314-cp314", "cp314-cp313", "cp314-cp313: a tag like"),
        ('common = ["python3.14"]', 'comon = ["python3.14"]', "packages.comon: unknown key"),
        ('build = ["gcc", "g++"]', 'build = "gcc"', "packages.build: a list of names"),
        ('"gcc", "g++"', '"gcc", "--option"', "'--option' is not a name"),
        ("[pythons]", "[pythns]", "pythns: unknown key"),
        ('"build", "target"', '"build", "proof"', "roles: 'proof' is none of build, target"),
        ('roles = ["build", "target"]\n', "", "roles: missing"),
        ('["build", "target"]', '["build"]', "packages.target: unknown key"),
        ("[packages]", "[packets]", "packages: one of the tables packages, oci and archive"),
        ('suite = "sid"', "suite = ", "is not TOML"),
    ],
)
def test_what_is_not_understood_names_the_file_and_the_key(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new))
    with pytest.raises(UsageError, match=re.escape(complaint)) as caught:
        catalog.read(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("aarch64 = ", "arm64 = ", "oci.digests.arm64: unknown key"),
        ("[oci.digests]\naarch64", "aarch64", "oci.aarch64: unknown key"),
        ('"sha256:aaaa', '"sha256:', "oci.digests.aarch64: sha256: and 64"),
        ('"sha256:', '"md5:', "oci.digests.aarch64: sha256: and 64"),
        ("tag = ", "tags = ", "oci.tags: unknown key"),
        ('tag = "2030.01.01-1"\n', "", "oci.tag: missing"),
        ('"pypa/', '"registry.example/pypa/', "oci.repository: 'registry.example/pypa/many"),
        ('"pypa/', '"registry:5000/pypa/', "oci.repository: 'registry:5000/pypa/many"),
        ('glibc = "2.17"', 'glibc = "2.17"\nsuite = "sid"', "suite: unknown key"),
        ("cp37-cp37m", "cp37-cp37x", "pythons.cp37-cp37x: a tag like"),
        ("cp37-cp37m", "cp38-cp38m", "pythons.cp38-cp38m: a tag like"),
    ],
)
def test_an_image_of_a_registry_is_read_as_strictly(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in PULLED
    path = write(tmp_path, PULLED.replace(old, new))
    with pytest.raises(UsageError, match=re.escape(complaint)) as caught:
        catalog.read(path)
    assert str(path) in str(caught.value)


def test_an_image_without_its_digest_is_refused(tmp_path: Path) -> None:
    head, _, _ = PULLED.partition("[oci.digests]")
    with pytest.raises(UsageError, match=r"sid\.toml: oci\.digests: missing"):
        catalog.read(write(tmp_path, head))


OWN = f"""\
roles = ["target"]
glibc = "2.31"
arches = ["aarch64"]

[pythons]
cp38-cp38 = "/usr/bin/python3.8"

[archive]
path = "my-kylin.tar"
digest = "sha256:{"a" * 64}"
"""


def test_a_users_own_archive_is_beside_its_description(tmp_path: Path) -> None:
    (image,) = catalog.read(write(tmp_path, OWN))
    assert image.source == Archive(path=tmp_path / "my-kylin.tar", digest=f"sha256:{'a' * 64}")
    assert image.roles == {Role.TARGET}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("digest = ", "sha256 = ", "archive.sha256: unknown key"),
        ("sha256:", "sha1:", "archive.digest: sha256: and 64"),
        ('path = "my-kylin.tar"\n', "", "archive.path: missing"),
        ("[archive]", "[oci]", "oci.path: unknown key"),
    ],
)
def test_a_users_own_archive_is_read_as_strictly(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in OWN
    with pytest.raises(UsageError, match=re.escape(complaint)):
        catalog.read(write(tmp_path, OWN.replace(old, new)))


def test_an_image_of_a_registry_names_no_registry(tmp_path: Path) -> None:
    (image,) = catalog.read(write(tmp_path, PULLED))
    assert image.source == Oci(
        repository="pypa/manylinux2014_aarch64",
        tag="2030.01.01-1",
        digest=f"sha256:{'a' * 64}",
    )
    assert image.roles == {Role.BUILD}
    assert image.interpreters == (
        Interpreter(tag="cp37-cp37m", version=(3, 7), path="/opt/python/cp37-cp37m/bin/python"),
    )
