"""Links of update-alternatives(1): read from scripts as Debian has them, and made in a root."""

from __future__ import annotations

from pathlib import Path

import pytest

from crossbuild.engine.images import alternatives

LIB = "/usr/lib/aarch64-linux-gnu"
BLAS = f"""\
#!/bin/sh
set -e

update-alternatives --install {LIB}/libblas.so libblas.so-aarch64-linux-gnu \\
                    {LIB}/blas/libblas.so 10 \\
                    --slave {LIB}/libblas.a libblas.a-aarch64-linux-gnu \\
                    {LIB}/blas/libblas.a \\
                    --slave /usr/include/aarch64-linux-gnu/cblas.h cblas.h-aarch64-linux-gnu \\
                    /usr/include/aarch64-linux-gnu/cblas-netlib.h

exit 0
"""
OPENBLAS = f"""\
update-alternatives --install {LIB}/libblas.so \\
                    libblas.so-aarch64-linux-gnu \\
                    {LIB}/openblas-pthread/libblas.so \\
                    100 \\
                    --slave {LIB}/pkgconfig/blas.pc \\
                    blas.pc-aarch64-linux-gnu \\
                    {LIB}/openblas-pthread/pkgconfig/blas-openblas.pc
"""
GCC = """\
update-alternatives --quiet \\
    --install /usr/bin/cc cc /usr/bin/gcc 20 \\
    #--slave /usr/share/man/man1/cc.1.gz cc.1.gz /usr/share/man/man1/gcc.1.gz

update-alternatives --quiet \\
    --install /usr/bin/c99 c99 /usr/bin/c99-gcc 20
"""
AWKWARD = """\
if [ "$1" = configure ]; then update-alternatives --install /bin/vi vi /bin/tiny 5; fi
for name in a b; do update-alternatives --install /usr/bin/$name $name /usr/bin/x 5; done
update-alternatives --install /usr/bin/y y "/usr/bin/tiny 5
update-alternatives --install usr/bin/z z /usr/bin/tiny 5
update-alternatives --install /usr/bin/w w /usr/bin/tiny much
update-alternatives --remove vi /bin/tiny
update-alternatives --install /usr/bin/short
"""


def links(root: Path) -> dict[str, str]:
    """Every link of a root, by its path, with what it says."""
    found = (path for path in root.rglob("*") if path.is_symlink())
    return {str(path.relative_to(root)): str(path.readlink()) for path in found}


def files(root: Path, *names: str) -> None:
    for name in names:
        path = root / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name, encoding="ascii")


def test_a_library_and_what_comes_with_it(tmp_path: Path) -> None:
    header = "/usr/include/aarch64-linux-gnu/cblas-netlib.h"
    files(tmp_path, f"{LIB}/blas/libblas.so", f"{LIB}/blas/libblas.a", header)
    alternatives.link(tmp_path, BLAS)
    assert links(tmp_path) == {
        f"{LIB[1:]}/libblas.so": "blas/libblas.so",
        f"{LIB[1:]}/libblas.a": "blas/libblas.a",
        "usr/include/aarch64-linux-gnu/cblas.h": "cblas-netlib.h",
    }


@pytest.mark.parametrize("scripts", [BLAS + OPENBLAS, OPENBLAS + BLAS])
def test_the_choice_is_that_of_the_highest_priority(tmp_path: Path, scripts: str) -> None:
    files(tmp_path, *(f"{LIB}/{name}/libblas.so" for name in ("blas", "openblas-pthread")))
    files(tmp_path, f"{LIB}/blas/libblas.a")
    alternatives.link(tmp_path, scripts)
    assert links(tmp_path) == {f"{LIB[1:]}/libblas.so": "openblas-pthread/libblas.so"}


def test_what_is_not_there_is_no_choice(tmp_path: Path) -> None:
    files(tmp_path, f"{LIB}/blas/libblas.so")
    alternatives.link(tmp_path, BLAS + OPENBLAS)
    assert links(tmp_path) == {f"{LIB[1:]}/libblas.so": "blas/libblas.so"}


def test_what_is_there_stays(tmp_path: Path) -> None:
    files(tmp_path, "/usr/bin/gcc", "/usr/bin/cc", "/usr/bin/c99-gcc")
    alternatives.link(tmp_path, GCC)
    assert links(tmp_path) == {"usr/bin/c99": "c99-gcc"}


def test_what_is_not_written_out_is_left_out(tmp_path: Path) -> None:
    files(tmp_path, "/usr/bin/tiny", "/usr/bin/x")
    (tmp_path / "bin").symlink_to("usr/bin")
    alternatives.link(tmp_path, AWKWARD)
    assert links(tmp_path) == {"bin": "usr/bin", "usr/bin/vi": "tiny"}


def test_no_link_leads_out_of_the_root(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    files(root, "/usr/bin/tiny")
    outside.mkdir()
    (root / "etc").symlink_to(outside)
    alternatives.link(root, "update-alternatives --install /etc/x x /usr/bin/tiny 5\n")
    assert list(outside.iterdir()) == []
