"""Failures sorted by the mechanism that would mend them, by what their diagnosis says."""

from __future__ import annotations

import enum
import re

from tests.corpus.listing import Kind


class Cause(enum.Enum):
    """What is in the way."""

    SYSTEM = "system library or program"
    RUST = "Rust"
    FORTRAN = "Fortran"
    CYTHON = "Cython too new"
    STALE = "C of the sdist, made for an older Python"
    SETUPTOOLS = "setuptools too new"
    DOWNLOAD = "downloads while it builds"
    CONFIGURE = "configure"
    FLOOR = "floor"
    IMPORT = "import"
    DEFECT = "crossbuild"
    UNSORTED = "unsorted"


_SIGNS = (
    (Cause.RUST, ("[Cc]argo", "rustc", "[Rr]ust (compiler|toolchain)", "maturin")),
    (Cause.FORTRAN, ("[Ff]ortran",)),
    (Cause.CYTHON, ("cython_sources", r"\.pyx:\d+", "Cython")),
    (
        Cause.STALE,
        ("longintrepr", "ob_digit", "_PyLong", "PyFrameObject", "PyThreadState", "tp_print"),
    ),
    (
        Cause.SETUPTOOLS,
        (
            "No module named '(pkg_resources|distutils|imp|setuptools)",
            *("'Feature'", "use_2to3", "formatargspec", "test_suite"),
        ),
    ),
    (
        Cause.DOWNLOAD,
        (
            "[Nn]ame resolution",
            "[Nn]ame or service not known",
            "urlopen",
            "[Cc]ould not resolve host",
            "getaddrinfo",
        ),
    ),
    (
        Cause.SYSTEM,
        (
            *(r"fatal error: \S+: No such file", "file not found", "No such file or directory"),
            *(
                "cannot find -l",
                r"[-_]config\b",
                "pkg.config",
                "[Cc]ould not find",
                "[Nn]ot found",
            ),
            *(
                "could not be found",
                "Unable to load",
                "RequiredDependency",
                "Dependency .* not found",
            ),
        ),
    ),
    (Cause.CONFIGURE, ("configure",)),
)
_CODES = {9: Cause.FLOOR, 10: Cause.IMPORT, 70: Cause.DEFECT}


def of(diagnosis: str | None, code: int, kind: Kind) -> Cause:
    """The cause of a failure: by exit code where that decides, else by its diagnosis.

    What a package in Rust downloads is the compiler that it did not find (maturin's puccinialin).
    """
    if code in _CODES:
        return _CODES[code]
    said = diagnosis or ""
    seen = (cause for cause, signs in _SIGNS if any(re.search(sign, said) for sign in signs))
    found = next(seen, Cause.UNSORTED)
    return Cause.RUST if found is Cause.DOWNLOAD and kind is Kind.RUST else found
