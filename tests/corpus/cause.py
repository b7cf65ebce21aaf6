"""Failures sorted by the mechanism that would mend them, by what their diagnosis says."""

from __future__ import annotations

import enum
import re


class Cause(enum.Enum):
    """What is in the way."""

    SYSTEM = "system library or program"
    RUST = "Rust"
    FORTRAN = "Fortran"
    CYTHON = "Cython too new"
    SETUPTOOLS = "setuptools or Python too new"
    DOWNLOAD = "downloads while it builds"
    CONFIGURE = "configure"
    FLOOR = "floor"
    IMPORT = "import"
    DEFECT = "crossbuild"
    UNSORTED = "unsorted"


_SIGNS = (
    (Cause.RUST, r"cargo|rustc|[Rr]ust (compiler|toolchain)|maturin"),
    (Cause.FORTRAN, r"[Ff]ortran"),
    (Cause.CYTHON, r"cython_sources|\.pyx:\d+|longintrepr|Cython"),
    (
        Cause.SETUPTOOLS,
        r"No module named '(pkg_resources|distutils|imp|setuptools)|'Feature'|use_2to3"
        r"|test_suite|ob_digit|_PyLong|PyFrameObject|tp_print|PyThreadState|formatargspec",
    ),
    (Cause.DOWNLOAD, r"[Nn]ame resolution|urlopen|[Cc]ould not resolve host|getaddrinfo"),
    (
        Cause.SYSTEM,
        r"fatal error: \S+: No such file|file not found|cannot find -l|[-_]config\b|pkg-config"
        r"|pkg_config|[Cc]ould not find|[Nn]ot found|RequiredDependency|No such file or directory",
    ),
    (Cause.CONFIGURE, r"configure"),
)
_CODES = {9: Cause.FLOOR, 10: Cause.IMPORT, 70: Cause.DEFECT}


def of(diagnosis: str | None, code: int) -> Cause:
    """The cause of a failure: by exit code where that decides, else by its diagnosis."""
    if code in _CODES:
        return _CODES[code]
    signs = (cause for cause, sign in _SIGNS if diagnosis and re.search(sign, diagnosis))
    return next(signs, Cause.UNSORTED)
