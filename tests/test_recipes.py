"""Recipes: every shipped one has its reason, and what cannot be understood is refused by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbuild import recipes
from crossbuild.building import patching
from crossbuild.errors import BuildError, UsageError
from crossbuild.library import DebianSource, FileSource, Library
from crossbuild.recipe import Compilers, Patch, Recipe

DIFF = """\
--- a/setup.py
+++ b/setup.py
@@ -1,3 +1,3 @@
 one
-two
+TWO
 three
"""
SHA = hashlib.sha256(DIFF.encode()).hexdigest()
FULL = f"""\
versions = ">=2,<3"
why = "It takes all that a recipe has."
build-requires = ["wheel"]
build-constraints = ["Cython<3; python_version < '3.14'"]
before-all = "touch made"
test-imports = ["demo.inner"]
test-command = "python -c 'import demo'"
compilers = ["image"]
patches = [{{file = "demo.patch", sha256 = "{SHA}"}}]

[system]
debian = ["libdemo-dev"]

[environment]
CFLAGS = "$CFLAGS -DX"

[config-settings]
one = "1"
several = ["a", "b"]
"""


def write(directory: Path, text: str, name: str = "demo.toml") -> Path:
    (directory / "demo.patch").write_text(DIFF)
    path = directory / name
    path.write_text(text)
    return path


@pytest.mark.pure
def test_each_shipped_recipe_says_why_it_exists() -> None:
    found = recipes.shipped().known
    names = {str(item.name) for item in found}
    assert names >= {
        "cryptography", "h5py", "lxml", "mysqlclient", "pillow", "psycopg2", "pycurl",
        "python-ldap", "pyzmq", "shapely",
    }  # fmt: skip
    libraries = {source.name: source for item in found for source in item.sources}
    files = Path(recipes.__file__).parent.parent / "recipes" / "libraries"
    assert set(libraries) == {path.stem for path in files.glob("*.toml")}
    reasons = [*(item.why for item in found), *(item.why for item in libraries.values())]
    assert all(len(why) > 30 and why.endswith(".") for why in reasons)


def test_every_key_is_read_and_written_again(tmp_path: Path) -> None:
    (found,) = recipes.read_file(write(tmp_path, FULL))
    assert found == Recipe(
        name=canonicalize_name("demo"),
        versions=found.versions,
        why="It takes all that a recipe has.",
        system={"debian": ("libdemo-dev",)},
        environment={"CFLAGS": "$CFLAGS -DX"},
        config_settings={"one": "1", "several": ("a", "b")},
        build_requires=(Requirement("wheel"),),
        build_constraints=(Requirement("Cython<3; python_version < '3.14'"),),
        patches=(Patch(file="demo.patch", sha256=SHA, text=DIFF),),
        before_all="touch made",
        test_imports=("demo.inner",),
        test_command="python -c 'import demo'",
        compilers=(Compilers.IMAGE,),
    )
    again = json.loads(json.dumps(found.to_json()))
    assert recipes.from_json(again, Path("plan.json")) == found


@pytest.mark.parametrize(
    ("said", "imports"), [("", None), ("test-imports = []\ntest-command = 'demo'", ())]
)
def test_no_module_is_another_thing_than_nothing_said(
    tmp_path: Path, said: str, imports: tuple[str, ...] | None
) -> None:
    (found,) = recipes.read_file(write(tmp_path, f"why = 'It is a test.'\n{said}\n"))
    assert found.test_imports == imports
    again = json.loads(json.dumps(found.to_json()))
    assert recipes.from_json(again, Path("plan.json")) == found


def library(directory: Path, name: str, text: str) -> None:
    (directory / "libraries").mkdir(exist_ok=True)
    (directory / "libraries" / f"{name}.toml").write_text(f"why = 'It is a test.'\n{text}")


MADE = f"build = 'make'\nfile = {{url = 'https://h.example/d/a-1.tar.gz', sha256 = '{SHA}'}}"
PACKAGED = "build = 'cmake .'\ntools = ['cmake']\ndebian = {suite = 'sid', source = 'alib'}"


def test_sources_are_read_each_after_what_it_needs_and_written_again(tmp_path: Path) -> None:
    library(tmp_path, "low", MADE)
    library(tmp_path, "mid", f"needs = ['low']\n{PACKAGED}")
    library(tmp_path, "top", f"needs = ['mid', 'low']\n{MADE}")
    (found,) = recipes.read_file(write(tmp_path, "why = 'x'\nsources = ['top', 'mid']"))
    low, mid, _ = found.sources
    assert [item.name for item in found.sources] == ["low", "mid", "top"]
    assert low == Library(
        name="low",
        why="It is a test.",
        source=FileSource(url="https://h.example/d/a-1.tar.gz", sha256=SHA),
        build="make",
    )
    assert (mid.source, mid.tools) == (DebianSource(suite="sid", package="alib"), ("cmake",))
    again = json.loads(json.dumps(found.to_json()))
    assert recipes.from_json(again, Path("plan.json")) == found


def test_a_users_recipe_may_name_a_library_of_ours(tmp_path: Path) -> None:
    (found,) = recipes.read_file(write(tmp_path, "why = 'x'\nsources = ['libpq']"))
    assert [item.name for item in found.sources] == ["openssl", "libpq"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (MADE.replace("build", "make"), "make: unknown key"),
        ("build = 'make'", "file: one of the tables debian and file is expected"),
        (f"{MADE}\ndebian = {{suite = 'sid', source = 'alib'}}", "file: one of the tables"),
        (MADE.replace(SHA, ""), "file.sha256: a text is expected"),
        (MADE.replace(SHA, SHA[1:]), "file.sha256: 64 hexadecimal digits"),
        (PACKAGED.replace("'alib'", "'-a'"), "debian.source: '-a' is not a name"),
        (PACKAGED.replace("build = 'cmake .'", ""), "build: missing"),
        (f"needs = ['other']\n{MADE}", "needs: there is no"),
        (f"needs = ['low']\n{MADE}", "needs: low needs itself"),
    ],
)
def test_a_source_without_a_hash_or_a_meaning_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    library(tmp_path, "low", text)
    with pytest.raises(UsageError) as caught:
        recipes.read_file(write(tmp_path, "why = 'x'\nsources = ['low']"))
    assert said in str(caught.value)
    assert "low.toml" in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("versions = '>=2'", "why: missing"),
        ("why = 'x'\nwhat = 1", "what: unknown key"),
        ("why = ''", "why: a text is expected"),
        ('why = "a\\nb"', "why: one line is expected"),
        ("why = 'x'\nversions = '2'", "versions: a range"),
        ("why = 'x'\nsystem.gentoo = ['a1']", "system.gentoo: unknown key"),
        ("why = 'x'\nsystem.debian = ['--help']", "system.debian: '--help' is not a name"),
        ("why = 'x'\nenvironment.1A = 'x'", "environment.1A: the name of a variable"),
        ("why = 'x'\nbuild-requires = ['a b']", "build-requires: 'a b' is no requirement"),
        ("why = 'x'\nbuild-constraints = ['a @ https://h/a']", "names an address"),
        ("why = 'x'\ntest-imports = ['a-b']", "test-imports: 'a-b' is no module"),
        ("why = 'x'\ntest-imports = []", "test-imports: a module is expected, or a test-command"),
        ("why = 'x'\ncompilers = ['tcc']", "compilers: 'tcc' is none of native, image"),
        ("why = 'x'\npatches = ['a']", "patches: 'a' is not a table"),
        ("why = 'x'\npatches = [{file = '../a', sha256 = 'b'}]", "patches[0].file: the name"),
        ("why = 'x'\npatches = [{file = 'no.patch', sha256 = 'b'}]", "no.patch cannot be read"),
        ("why = 'x'\npatches = [{file = 'demo.patch', sha256 = 'b'}]", f"is {SHA}"),
        ("recipe = []", "recipe: a list of tables"),
        ("why = 'x'\nrecipe = [{why = 'y'}]", "why: unknown key"),
        ("[[recipe]]\nversions = '<1'", "recipe[0].why: missing"),
        ("why", "is not TOML"),
    ],
)
def test_what_is_not_understood_is_named(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UsageError) as caught:
        recipes.read_file(write(tmp_path, text))
    assert said in str(caught.value)
    assert "demo.toml" in str(caught.value)


def test_a_file_is_named_as_its_package(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"belongs into my-demo\.toml"):
        recipes.read_file(write(tmp_path, "why = 'x'", "My_Demo.toml"))


def test_the_first_that_covers_a_version_and_the_users_own_before_ours(tmp_path: Path) -> None:
    own, base = tmp_path / "own", tmp_path / "base"
    for directory in (own, base):
        directory.mkdir()
    write(base, "[[recipe]]\nversions='<2'\nwhy='old'\n[[recipe]]\nwhy='new'")
    write(base, "why='ours'", "other.toml")
    ours = recipes.read(base)
    demo, other = canonicalize_name("demo"), canonicalize_name("other")

    def why(found: recipes.Recipes, version: str) -> str:
        recipe = found.of(demo, Version(version))
        return recipe.why if recipe else "none"

    assert [why(ours, version) for version in ("1", "2.0b1", "3")] == ["old", "new", "new"]
    write(own, "versions='>=3'\nwhy='mine'")
    both = recipes.overlaid(ours, recipes.read(own))
    assert [why(both, version) for version in ("1", "3")] == ["none", "mine"]
    assert both.of(other, Version("1")) is not None
    with pytest.raises(UsageError, match="no directory"):
        recipes.read(tmp_path / "none")


def test_the_key_changes_with_what_is_built_and_with_nothing_else(tmp_path: Path) -> None:
    def key(old: str, new: str) -> str:
        assert old in FULL
        (found,) = recipes.read_file(write(tmp_path, FULL.replace(old, new)))
        return found.key

    plain = key("2", "2")
    same = [("It takes", "It has"), (">=2", ">=1"), ("demo.inner", "demo"), ("import demo", "1")]
    assert {key(*pair) for pair in same} == {plain}
    other = [("-DX", "-DY"), ('"1"', '"2"'), ("libdemo", "libother"), ("image", "native"),
             ("touch made", "touch other")]  # fmt: skip
    assert len({plain, *(key(*pair) for pair in other)}) == 1 + len(other)


TIME = 1700000000
GONE = "--- a/setup.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n"


def applied(directory: Path, before: str, diff: str) -> str:
    path = directory / "setup.py"
    path.write_bytes(before.encode())
    patching.apply(Patch(file="demo.patch", sha256="", text=diff), directory, "demo 1.0", TIME)
    return path.read_bytes().decode()


def test_a_patch_changes_adds_and_removes_files(tmp_path: Path) -> None:
    end = "\\ No newline at end of file\n"
    new = f"--- /dev/null\n+++ b/sub/new.py\n@@ -0,0 +1,2 @@\n+x\n+y\n{end}"
    gone = f"--- a/sub/new.py\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-x\n-y\n{end}"
    assert applied(tmp_path, "one\ntwo\nthree\nfour\n", DIFF) == "one\nTWO\nthree\nfour\n"
    assert applied(tmp_path, "one\n", new) == "one\n"
    assert (tmp_path / "sub" / "new.py").read_text() == "x\ny"
    assert (tmp_path / "sub" / "new.py").stat().st_mtime == TIME
    applied(tmp_path, "one\n", gone)
    assert not (tmp_path / "sub" / "new.py").exists()


@pytest.mark.parametrize(
    ("before", "diff", "said"),
    [
        ("one\nTwo\nthree\n", DIFF, "setup.py is different from line 1"),
        ("zero\none\ntwo\nthree\n", DIFF, "setup.py is different from line 1"),
        ("", DIFF.replace("setup.py", "other.py"), "there is no b/other.py"),
        ("", DIFF.replace("b/setup.py", "b/../../x"), "is not in the sdist"),
        ("one\ntwo\nthree\n", DIFF.removesuffix(" three\n"), "other lines than it says"),
        (
            "one\ntwo\nthree\n",
            DIFF.replace("-two", "?who\n-two"),
            "says nothing that a diff can say",
        ),
        ("one\ntwo\n", GONE, "setup.py is not empty after it"),
        ("", "nothing of the kind\n", "it is no unified diff"),
        ("", "--- /dev/null\n+++ b/setup.py\n@@ -0,0 +1 @@\n+x\n", "is there already"),
    ],
)
def test_a_patch_that_does_not_fit_is_refused(
    tmp_path: Path, before: str, diff: str, said: str
) -> None:
    with pytest.raises(BuildError) as caught:
        applied(tmp_path, before, diff)
    assert "demo 1.0: the patch demo.patch does not fit" in str(caught.value)
    assert said in str(caught.value)


def test_a_patch_writes_nothing_through_a_link_that_leaves(tmp_path: Path) -> None:
    top = tmp_path / "sdist"
    top.mkdir()
    (top / "out").symlink_to(tmp_path)
    diff = "--- /dev/null\n+++ b/out/new.py\n@@ -0,0 +1 @@\n+x\n"
    with pytest.raises(BuildError, match=r"b/out/new\.py leads out of the sdist"):
        applied(top, "", diff)
    assert not (tmp_path / "new.py").exists()
