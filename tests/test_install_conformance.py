"""What install.py leaves on the disk is what pip leaves, file by file and RECORD line by line.

For the most downloaded pure packages, numpy and lxml, and packages with programs of their own,
data files, headers and a namespace; on every Python of this host, with the pip that it has.
Chosen on 2026-11-26: the newest versions that CPython 3.6 can use, so that one set serves all.
"""

from __future__ import annotations

import csv
import io
import marshal
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import houses, pythons

PURE = """
    attrs==22.2.0 boto3==1.23.10 botocore==1.26.10 cachetools==4.2.4 certifi==2025.4.26
    charset-normalizer==2.0.12 click==8.0.4 colorama==0.4.5 filelock==3.4.1 idna==3.10
    importlib-metadata==4.8.3 iniconfig==1.1.1 jinja2==3.0.3 jmespath==0.10.0 packaging==21.3
    platformdirs==2.4.0 pluggy==1.0.0 pyasn1==0.5.1 pygments==2.14.0 python-dateutil==2.9.0.post0
    pytz==2025.2 requests==2.27.1 rsa==4.9.1 s3transfer==0.5.2 setuptools==59.6.0 six==1.17.0
    tomli==1.2.3 typing-extensions==4.1.1 urllib3==1.26.20 wheel==0.37.1 zipp==3.6.0
"""
SPECIAL = """
    docutils==0.18.1 sphinxcontrib-htmlhelp==2.0.0 widgetsnbextension==3.6.10
"""
"""Programs of their own, a namespace, data files."""
NUMPY = {"3.6": "1.19.5", "3.7": "1.21.6", "3.8": "1.24.4", "3.9": "2.0.2"}
HEADERS = {"3.6": "0.4.17"}
LXML = {"3.6": "4.5.2"}
"""pip 18.1 knows no newer manylinux than the first."""
COMPILED = f"3.{sys.version_info[1]}"
"""Where byte code is compared, too: it takes pip ten times as long as all else."""

pytestmark = pytest.mark.network


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where downloads stay between runs, if the user wants that."""
    kept = os.environ.get("CROSSBUILD_TEST_CACHE")
    directory = Path(kept, "conformance") if kept else tmp_path_factory.mktemp("conformance")
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def wanted(version: str) -> list[str]:
    """What is installed on a Python."""
    own = [f"numpy=={NUMPY.get(version, '2.2.6')}", f"greenlet=={HEADERS.get(version, '3.1.1')}"]
    return [*PURE.split(), *SPECIAL.split(), f"lxml=={LXML.get(version, '5.4.0')}", *own]


def downloaded(cache: Path, version: str) -> list[Path]:
    """The wheels, downloaded if they are not there."""
    names = wanted(version)
    digest = houses.digest_of(" ".join(names).encode())[:12]
    done = cache / f"{version}-{digest}"
    if not done.exists():
        partial = cache / f"{version}-partial"
        shutil.rmtree(partial, ignore_errors=True)
        argv = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "-q"]
        argv += ["--python-version", version, "--find-links", str(cache), "-d", str(partial)]
        for tag in ["manylinux1"] if version == "3.6" else ["manylinux_2_17", "manylinux2014"]:
            argv += ["--platform", f"{tag}_{platform.machine()}"]
        subprocess.run([*argv, *names], check=True)
        for wheel in partial.iterdir():
            if not (cache / wheel.name).exists():
                os.link(wheel, cache / wheel.name)  # the next Python wants most of them, too
        partial.rename(done)
    return sorted(done.iterdir())


def piped(python: str, place: Path, root: Path, *, compiling: bool) -> None:
    argv = [python, "-I", "-m", "pip", "install", "-q", "--no-index", "--find-links", str(place)]
    argv += ["--root", str(root), "--ignore-installed", "--no-deps", "--no-warn-script-location"]
    argv += ["--disable-pip-version-check", "--no-cache-dir"]
    argv += ["--compile" if compiling else "--no-compile"]
    done = subprocess.run(
        [*argv, "-r", str(place / "requirements.txt")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("version", pythons.each())
def test_the_tree_is_pips(tmp_path: Path, cache: Path, version: str) -> None:
    place, python = tmp_path / "wheelhouse", str(pythons.interpreter(version))
    place.mkdir()
    for wheel in downloaded(cache, version):
        (place / wheel.name).symlink_to(wheel)
    houses.house(place)
    root, theirs = tmp_path / "root", tmp_path / "pips"
    piped(python, place, root, compiling=version == COMPILED)
    root.rename(theirs)
    words = [] if version == COMPILED else ["--no-compile"]
    done = houses.install(place, "--root", root, "--no-deps", *words, python=python, flags=("-I",))
    assert (done.code, done.error) == (0, "")
    expected, found = dict(tree(theirs)), dict(tree(root))
    assert found.keys() == expected.keys()
    different = [name for name in expected if found[name] != expected[name]]
    assert not different, [(name, expected[name], found[name]) for name in different[:3]]
    whole = houses.install(place, "--root", root, "--verify", python=python, flags=("-I",))
    assert whole.code == 0, whole.said
    assert sum(name.endswith(".dist-info/RECORD") for name in found) == len(wanted(version))
    for part in (
        "bin/rst2html.py",
        "share/jupyter/",
        "site-packages/sphinxcontrib/",
        "greenlet.h",
    ):
        assert any(part in name for name in found), part


def tree(root: Path) -> Iterator[tuple[str, object]]:
    """Each file and directory, but for the differences that are allowed.

    - ``INSTALLER`` says who installed it.
    - ``REQUESTED`` is pip's note of what was named on its command line.
    - The head of byte code has the time at which its source was unpacked, and its body is not
      the same each time (marshal): the code itself is. That of a program has the program's path
      in it, which pip leaves full of ``..``.
    - pip writes the programs of entry points in other words since version 25: of these only the
      lines count that start Python, import the function and call it.
    """
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.name == "REQUESTED" and path.parent.suffix == ".dist-info":
            continue
        if path.is_dir():
            yield name, "directory"
        elif path.name == "INSTALLER":
            yield name, path.stat().st_mode
        elif path.name == "RECORD":
            yield name, record(path.read_bytes())
        else:
            yield name, (path.stat().st_mode & 0o7777, content(path))


def content(path: Path) -> object:
    data = path.read_bytes()
    if path.suffix == ".pyc" and f"-3{sys.version_info[1]}." in path.name:
        code = marshal.loads(data[16:])
        return code, path.parent.parent.name == "bin" or code.co_filename
    if path.parent.name == "bin" and b"    sys.argv[0] = " in data:
        told = (b"#!", b"'''", b"from ", b"    sys.exit(")
        return b"\n".join(line for line in data.splitlines() if line.startswith(told))
    return data


def record(data: bytes) -> object:
    """The lines of RECORD, in their order, but for those of the files above.

    And but for the hashes of programs, which pip gives of their first state before version 23,
    and of byte code that a wheel brings (numpy's does), which it lists twice.
    """
    lines = data.split(b"\r\n")
    rows = csv.reader(io.StringIO(data.decode(), newline=""))
    kept = []
    for line, row in zip(lines, rows, strict=False):
        if row[0].endswith(".dist-info/INSTALLER"):
            kept.append(b"INSTALLER")
        elif "/bin/" in row[0]:
            kept.append(row[0].encode())
        elif row[0].endswith(".pyc"):
            kept += [row[0].encode()] if row[0].encode() not in kept[-1:] else []
        elif not row[0].endswith(".dist-info/REQUESTED"):
            kept.append(line)
    return kept
