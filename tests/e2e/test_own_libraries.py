"""A package whose library needs a newer glibc in the image, built on one from source."""

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
module = Extension("demo", ["demo.c"], libraries=["crypto"])
setup(name="demo", version="1.0", ext_modules=[module])
"""
MODULE = """\
#include <Python.h>
unsigned long OpenSSL_version_num(void);
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo"};
PyMODINIT_FUNC PyInit_demo(void) {
    PyObject *made = PyModule_Create(&module);
    PyModule_AddIntConstant(made, "number", OpenSSL_version_num());
    return made;
}
"""
MAKEFILE = """\
libcrypto.so.3: number.c
\t$(CC) $(CFLAGS) $(LDFLAGS) -shared -Wl,-soname,$@ -o $@ $<
"""
LIBRARY = """\
why = "It stands for a library that is larger."
build = '''
test "$(uname -m)" != "$ARCH"
make libcrypto.so.3
mkdir -p "$DESTDIR$PREFIX/lib"
cp libcrypto.so.3 "$DESTDIR$PREFIX/lib"
ln -s libcrypto.so.3 "$DESTDIR$PREFIX/lib/libcrypto.so"
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
        tmp_path / "crypto.tar.gz",
        {
            "crypto/Makefile": MAKEFILE,
            "crypto/number.c": "unsigned long OpenSSL_version_num(void) { return 4711; }\n",
        },
    )
    own = tmp_path / "own"
    (own / "libraries").mkdir(parents=True)
    file = f'[file]\nurl = "{source.as_uri()}"\nsha256 = "{hash_of(source)}"\n'
    (own / "libraries" / "crypto.toml").write_text(LIBRARY + file)
    (own / "demo.toml").write_text(
        'why = "It is a test."\nsources = ["crypto"]\ntest-imports = ["demo"]\n'
        "test-command = \"python -c 'import demo; assert demo.number == 4711'\"\n"
    )
    words = (str(archive), "--target", TARGET, "--python", "3.11", "--recipes")

    ran = crossbuild(*words, str(own), "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["smoke"]["state"] == "passed"
    assert "building crypto from source first" in ran.stderr
    report = json.loads((tmp_path / "wheelhouse" / "crossbuild-report.json").read_text())
    (package,) = report["packages"]
    assert package["libraries"] == ["crypto.tar.gz"]
    assert package["grafted"] == ["libcrypto.so.3"]

    without = crossbuild(*words, "none", "-o", "none")
    assert without.code == 9
    assert "libcrypto.so.3 (copied from the image) needs GLIBC_2" in without.stderr
