"""A package whose library needs newer ones in the image, built on one from source.

Debian's snappy is C++, and wants of libstdc++ what no older system has.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from crossbuild.disk import hash_of
from tests import wheels
from tests.e2e.conftest import TARGET, Crossbuild

pytestmark = [pytest.mark.emulation, pytest.mark.network]

SETUP = """\
from setuptools import Extension, setup
module = Extension("demo", ["demo.c"], libraries=["snappy"])
setup(name="demo", version="1.0", ext_modules=[module])
"""
MODULE = """\
#include <Python.h>
size_t snappy_max_compressed_length(size_t);
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo"};
PyMODINIT_FUNC PyInit_demo(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddIntConstant(made, "number", snappy_max_compressed_length(1));
    return made;
}
"""
MAKEFILE = """\
libsnappy.so.1: number.c
\t$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$@ -o $@ $<
"""
NUMBER = "unsigned long snappy_max_compressed_length(unsigned long n) { return n + 4710; }\n"
LIBRARY = """\
why = "It stands for a library that is larger."
build = '''
test "$(uname -m)" != "$ARCH"
make libsnappy.so.1
mkdir -p "$DESTDIR$PREFIX/lib"
cp libsnappy.so.1 "$DESTDIR$PREFIX/lib"
ln -s libsnappy.so.1 "$DESTDIR$PREFIX/lib/libsnappy.so"
'''
"""


def test_the_library_is_built_at_the_floor_and_travels_in_the_wheel(
    crossbuild: Crossbuild, tmp_path: Path
) -> None:
    archive = wheels.write_tar(
        tmp_path / "demo-1.0.tar.gz",
        {
            "demo-1.0/setup.py": SETUP,
            "demo-1.0/demo.c": MODULE,
            "demo-1.0/PKG-INFO": wheels.metadata("demo", "1.0"),
        },
    )
    source = wheels.write_tar(
        tmp_path / "snappy.tar.gz",
        {
            "snappy/Makefile": MAKEFILE,
            "snappy/number.c": NUMBER,
        },
    )
    own = tmp_path / "own"
    (own / "libraries").mkdir(parents=True)
    file = f'[file]\nurl = "{source.as_uri()}"\nsha256 = "{hash_of(source)}"\n'
    (own / "libraries" / "snappy.toml").write_text(LIBRARY + file)
    (own / "demo.toml").write_text(
        'why = "It is a test."\nsources = ["snappy"]\ntest-imports = ["demo"]\n'
        'system.debian = ["libsnappy-dev"]\n'
        "test-command = \"python -c 'import demo; assert demo.number == 4711'\"\n"
    )
    words = (str(archive), "--target", TARGET, "--python", "3.11", "--recipes", str(own))
    ran = crossbuild(*words, "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["smoke"]["state"] == "passed"
    assert "building snappy from source first, for demo 1.0 cannot be made to fit" in ran.stderr
    assert "(copied from the image) needs GLIBCXX_" in ran.stderr
    report = json.loads((tmp_path / "wheelhouse" / "crossbuild-report.json").read_text())
    (package,) = report["packages"]
    assert package["libraries"] == ["snappy.tar.gz"]
    assert package["grafted"] == ["libsnappy.so.1"]
