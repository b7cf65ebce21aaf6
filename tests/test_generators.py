"""Generators: which of an environment's programs run native, and that their output is the same."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest
from packaging.utils import canonicalize_name
from packaging.version import Version

from crossbuild.building import environment
from crossbuild.building.environment import PREFIX
from crossbuild.building.generators import MOUNT, TOOLS, Finder
from crossbuild.catalog import Interpreter
from crossbuild.engine.base import Engine, Root, Tree
from crossbuild.engine.images import native
from crossbuild.engine.images.native import Kit, Natives
from crossbuild.errors import NetworkError
from crossbuild.fetch import fetch
from crossbuild.model import File
from crossbuild.net import configuration
from crossbuild.net.configuration import Indexes
from crossbuild.net.http import Http
from crossbuild.net.index import Index
from crossbuild.report import Message, Silent
from crossbuild.resolution.candidates import Judge
from crossbuild.resolution.uv import Uv
from crossbuild.store import Store
from crossbuild.target import Target
from tests.miniindex import MiniIndex
from tests.test_fetch import Recorder
from tests.wheels import wheel

TARGET = Target.parse("manylinux2014_aarch64", "3.11")
HOST = native.host_arch().name


@dataclass
class Unpacked:
    """Stands for Debian's packages: an empty tree, or an error."""

    path: Path
    error: NetworkError | None = None
    kits: list[Kit] = field(default_factory=list)

    def tree(self, kit: Kit) -> Tree:
        self.kits.append(kit)
        if self.error:
            raise self.error
        return Tree(key="native-fake", path=self.path)


@dataclass
class Bench:
    """A finder over a mini index, and what it said."""

    finder: Finder
    natives: Unpacked
    reporter: Recorder

    @property
    def said(self) -> list[str]:
        return [event.text for event in self.reporter.events if isinstance(event, Message)]


def finder(
    index: Index, http: Http, store: Store, natives: object, reporter: Recorder, target: Target
) -> Finder:
    def download(files: Sequence[File]) -> list[Path]:
        got = fetch(files, store=store, http=http, jobs=2, reporter=Silent())
        return [path for file in files if isinstance(path := got[file.url], Path)]

    return Finder(
        natives=cast("Natives", natives),
        index=index,
        download=download,
        uv=Uv.find(),
        store=store,
        reporter=reporter,
        target=target,
    )


def bench(
    mini_index: MiniIndex,
    store: Store,
    path: Path,
    error: NetworkError | None = None,
    target: Target = TARGET,
) -> Bench:
    natives, reporter = Unpacked(path / "native", error), Recorder()
    http = Http(pause=0.001)
    index = Index(Indexes(urls=(mini_index.url.rstrip("/"),)), http, store)
    return Bench(finder(index, http, store, natives, reporter, target), natives, reporter)


def cython(directory: Path, version: str, machine: str) -> Path:
    tag = f"cp311-cp311-manylinux2014_{machine}"
    files = {"Cython/__init__.py": f"# {machine}"}
    return wheel(directory, "Cython", version, tag=tag, files=files)


@pytest.fixture
def offered(mini_index: MiniIndex, tmp_path: Path) -> list[Path]:
    """An environment of an old Cython and of what has no programs; the index has newer ones."""
    for version in ("3.0.1", "3.0.2"):
        mini_index.add(cython(tmp_path, version, HOST))
    return [cython(tmp_path, "3.0.1", "aarch64"), wheel(tmp_path, "wheel", "1.0")]


def test_the_very_version_of_the_environment_runs_native(
    mini_index: MiniIndex, store: Store, tmp_path: Path, offered: list[Path]
) -> None:
    made = bench(mini_index, store, tmp_path)
    found = made.finder.of(offered)
    assert found is not None
    assert set(found.trees) == {MOUNT, TOOLS}
    tools = found.trees[TOOLS].path
    assert (tools / "lib/Cython/__init__.py").read_text() == f"# {HOST}"
    assert (tools / "lib/cython-3.0.1.dist-info").is_dir()
    lines = (tools / "bin/cython").read_text().splitlines()
    assert lines[0] == f"#!{MOUNT}/usr/bin/python3.11 -S"
    assert f'sys.path.append("{PREFIX}/lib/python3.11/site-packages")' in lines
    assert os.access(tools / "bin/cython", os.X_OK)
    assert made.natives.kits[0].suite == "bookworm"
    assert made.finder.of(offered) is found


def test_the_key_changes_with_the_version(
    mini_index: MiniIndex, store: Store, tmp_path: Path, offered: list[Path]
) -> None:
    made = bench(mini_index, store, tmp_path)
    one = made.finder.of(offered)
    other = made.finder.of([cython(tmp_path, "3.0.2", "aarch64")])
    assert one is not None
    assert other is not None
    assert one.key != other.key


def test_what_has_no_wheel_for_the_host_stays_emulated(
    mini_index: MiniIndex, store: Store, tmp_path: Path, offered: list[Path]
) -> None:
    made = bench(mini_index, store, tmp_path)
    assert made.finder.of([cython(tmp_path, "3.0.9", "aarch64"), *offered[1:]]) is None
    assert made.finder.of([wheel(tmp_path, "ninja", "1.0")]) is None
    assert made.finder.of(offered[1:]) is None
    assert made.said == []
    assert made.natives.kits == []


def test_a_target_that_is_not_emulated_needs_no_native_programs(
    mini_index: MiniIndex, store: Store, tmp_path: Path, offered: list[Path]
) -> None:
    target = Target.parse(f"manylinux2014_{HOST}", "3.11")
    assert bench(mini_index, store, tmp_path, target=target).finder.of(offered) is None


def test_builds_go_on_emulated_where_native_programs_cannot_be_had(
    mini_index: MiniIndex, store: Store, tmp_path: Path, offered: list[Path]
) -> None:
    made = bench(mini_index, store, tmp_path, NetworkError("no mirror answers"))
    assert made.finder.of(offered) is None
    assert made.finder.of(offered) is None
    assert made.said == ["cython will run emulated, not native: no mirror answers"]


PYX = """\
# cython: language_level=3
cimport other.part
IF UNAME_MACHINE == "aarch64":
    compiled_for = "for_aarch64"
ELSE:
    compiled_for = "for_any"
big = 1 << 40
def twice(double x): return other.part.grown(x) + 2 ** 3 + big
class Point:
    def __init__(self, x): self.x = x
    async def later(self): return [y async for y in self.x if y]
"""

SCRIPT = """\
import json, os, shutil, subprocess, time
os.chdir("/work")
def run(*argv):
    return subprocess.run(argv, check=True, capture_output=True, text=True).stdout
found, took = {}, {}
for place in ("tools", "env"):
    began = time.monotonic()
    run(f"/opt/crossbuild/{place}/bin/cython", "demo.pyx", "-o", "demo.c")
    took[place] = time.monotonic() - began
    found[place] = open("demo.c").read()
open("build.ninja", "w").write(
    "rule r\\n command = uname -m > $out\\nbuild machine: r\\n"
)
run("/opt/crossbuild/tools/bin/ninja")
open("CMakeLists.txt", "w").write(
    "cmake_minimum_required(VERSION 3.5)\\nproject(demo C)\\n"
    "include(CheckTypeSize)\\ncheck_type_size(long LONG)\\n"
    "try_run(RAN COMPILED ${CMAKE_BINARY_DIR} ${CMAKE_SOURCE_DIR}/m.c RUN_OUTPUT_VARIABLE OUT)\\n"
    "message(STATUS \\"${CMAKE_SYSTEM_PROCESSOR} ${CMAKE_HOST_SYSTEM_PROCESSOR}\\n${OUT}\\")\\n"
)
open("m.c", "w").write(
    "#include <stdio.h>\\n#include <sys/utsname.h>\\n"
    "int main(void) { struct utsname u; uname(&u); puts(u.machine); return 0; }\\n"
)
cmake = run("/opt/crossbuild/tools/bin/cmake", "-S", ".", "-B", "b")
print(json.dumps({
    "same": found["tools"] == found["env"],
    "machine": [made for made in ("for_aarch64", "for_any") if f'[] = "{made}"' in found["tools"]],
    "faster": took["env"] / took["tools"] > 2,
    "ninja": open("machine").read().strip(),
    "cmake": [line.strip("- ") for line in cmake.splitlines() if "aarch64" in line],
}))
"""

VERSIONS = {"Cython": "3.0.12", "ninja": "1.11.1.4", "cmake": "3.31.6"}


@pytest.mark.emulation
@pytest.mark.network
def test_native_generators_write_what_emulated_ones_write(
    shared_store: Store, engine: Engine, build_root: Root, tmp_path: Path
) -> None:
    """Cython with another package's .pxd and a condition on the machine; ninja; CMake."""
    indexes = configuration.load(dict(os.environ), home=tmp_path)
    natives = Natives(shared_store, reporter=Silent(), environment=dict(os.environ))
    with closing(Http(indexes.transport, indexes.logins)) as http:
        index = Index(indexes, http, shared_store)
        made = finder(index, http, shared_store, natives, Recorder(), TARGET)
        files = [_wheel(index, name, version) for name, version in VERSIONS.items()]
        wheels = made._download(files)
        inline = "cdef inline double grown(double x): return x\n"
        part = {"other/__init__.py": "", "other/part.pxd": inline}
        wheels.append(wheel(tmp_path, "other", "1.0", files=part))
        found = made.of(wheels)
    assert found is not None
    interpreter = build_root.image.interpreter((3, 11))
    assert isinstance(interpreter, Interpreter)
    tree = environment.make(wheels, interpreter, TARGET, uv=Uv.find(), store=shared_store)
    with engine.session(build_root, trees={PREFIX: tree, **found.trees}) as session:
        for name, text in {"script.py": SCRIPT, "demo.pyx": PYX}.items():
            (tmp_path / name).write_text(text)
            session.put(tmp_path / name, f"/work/{name}")
        result = session.run([f"{PREFIX}/bin/python", "/work/script.py"])
    assert result.ok, result.output
    assert json.loads(result.output.splitlines()[-1]) == {
        "same": True,
        "machine": ["for_aarch64"],
        "faster": True,
        "ninja": "aarch64",
        "cmake": ["aarch64 aarch64", "aarch64"],
    }


def _wheel(index: Index, name: str, text: str) -> File:
    version = Version(text)
    files = index.project(name).releases[version]
    found = Judge(target=TARGET).release(canonicalize_name(name), version, files).wheel
    assert found is not None
    return found
