"""C that calls what CPython took away: built all the same, and right."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import wheels
from tests.e2e.conftest import Crossbuild
from tests.test_recipe_building import recipe

pytestmark = [pytest.mark.emulation, pytest.mark.network]

SETUP = """\
from setuptools import Extension, setup
setup(name="demo", version="1.0", ext_modules=[Extension("demo", ["demo.c"])])
"""
CODE = """\
#include <Python.h>

static PyObject *made(PyObject *self, PyObject *unused)
{
    const wchar_t *text = L"a\\u00e4\\u20ac";
    return Py_BuildValue("NNNNNN", PyUnicode_EncodeUTF8(text, 3, NULL),
                         PyUnicode_EncodeLatin1(text, 3, "replace"),
                         PyUnicode_EncodeASCII(text, 3, "ignore"),
                         PyUnicode_Encode(text, 2, "utf-16-le", NULL),
                         PyUnicode_EncodeUTF16(text, 1, "strict", -1),
                         PyUnicode_EncodeUTF32(text, 1, "strict", 1));
}

static PyMethodDef methods[] = {{"made", made, METH_NOARGS, NULL}, {NULL, NULL, 0, NULL}};
static struct PyModuleDef module = {PyModuleDef_HEAD_INIT, "demo", NULL, -1, methods};

PyMODINIT_FUNC PyInit_demo(void)
{
    Py_TYPE(&module) = &PyModuleDef_Type;
    return PyModule_Create(&module);
}
"""
RECIPE = """\
test-command = '''
python -c "import demo; assert demo.made() == (b'a\\303\\244\\342\\202\\254', b'a\\344?', b'a', \
b'a\\000\\344\\000', b'a\\000', b'\\000\\000\\000a')"
'''
"""


def test_encoders_and_assignments_of_before_3_11(crossbuild: Crossbuild, tmp_path: Path) -> None:
    """As in pyodbc 4.0.32, and in what Cython 0.29 wrote."""
    root = "demo-1.0"
    archive = wheels.write_tar(
        tmp_path / "demo-1.0.tar.gz",
        {
            f"{root}/setup.py": SETUP,
            f"{root}/demo.c": CODE,
            f"{root}/PKG-INFO": wheels.metadata("demo", "1.0"),
        },
    )
    own = tmp_path / "own"
    own.mkdir()
    recipe(own, RECIPE)
    words = (str(archive), "--target", "manylinux2014_aarch64", "--python", "3.11")
    ran = crossbuild(*words, "--recipes", str(own), "--json")
    assert ran.code == 0, ran.stderr
    assert ran.document["smoke"]["state"] == "passed"
    (made,) = ran.document["packages"]
    last = made["tried"][-1]
    assert (last["adapted"], last["rung"]) == (
        "its C calls PyUnicode_EncodeUTF8, which is there again",
        "native compiler",
    )
