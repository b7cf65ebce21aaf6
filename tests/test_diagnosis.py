"""The line that tells what went wrong, out of what builds print."""

from __future__ import annotations

import pytest

from crossbuild.building.diagnosis import Witness, reason, tail

pytestmark = pytest.mark.pure

EXIT = {"kind": "hook", "type": "SystemExit", "message": "error: command 'gcc' failed"}
CALLED = {"kind": "hook", "type": "CalledProcessError", "message": "Command '['meson']' failed"}
HEADER = "a.c:3:10: fatal error: foo.h: No such file or directory"
NINJA = (
    'CMake Error: CMake was unable to find a build program corresponding to "Ninja".  '
    "CMAKE_MAKE_PROGRAM is not set.  You probably need to select a different build tool."
)

CASES = {
    "a compiler's first error": (
        EXIT,
        ["gcc -c a.c", HEADER, "b.c:1:1: error: later", "error: command 'gcc' failed"],
        HEADER,
    ),
    "not a configuration check's": (
        EXIT,
        ["/tmp/x/conftest.c:1:10: fatal error: nope.h", "_configtest.c:5: error: no", HEADER],
        HEADER,
    ),
    "a linker's": (
        EXIT,
        ["ld.lld: error: unable to find library -lpq", "clang: error: linker command failed"],
        "ld.lld: error: unable to find library -lpq",
    ),
    "Cython's": (
        CALLED,
        [
            "warning: h5py/_conv.pyx:1:0: unused",
            "h5py/_conv.pyx:751:49: Cannot assign type 'herr_t (...)' to 'H5T_conv_t'",
            "Cython.Compiler.Errors.CompileError: /work/build/h5py-3.11.0/h5py/_conv.pyx",
        ],
        "h5py/_conv.pyx:751:49: Cannot assign type 'herr_t (...)' to 'H5T_conv_t'",
    ),
    "meson's": (
        CALLED,
        ["The Meson build system", "../meson.build:12:0: ERROR: Dependency 'x' not found"],
        "../meson.build:12:0: ERROR: Dependency 'x' not found",
    ),
    "CMake's": (
        CALLED,
        [
            "-- Check",
            "CMake Error at external/pybind11/CMakeLists.txt:8 (cmake_minimum_required):",
            "  Compatibility with CMake < 3.5 has been removed from CMake.",
            "",
            "  Update the VERSION argument <min> value.",
        ],
        (
            "CMake Error at external/pybind11/CMakeLists.txt:8 (cmake_minimum_required): "
            "Compatibility with CMake < 3.5 has been removed from CMake."
        ),
    ),
    "CMake's, after that of a generator that was only tried": (
        CALLED,
        [
            NINJA,
            "-- Configuring incomplete, errors occurred!",
            "CMake Error at Modules/FindPackageHandleStandardArgs.cmake:290 (message):",
            "  Could NOT find BLAS (missing: BLAS_LIBRARIES)",
            "Call Stack (most recent call first):",
            "  CMakeLists.txt:16 (find_package)",
        ],
        (
            "CMake Error at Modules/FindPackageHandleStandardArgs.cmake:290 (message): "
            "Could NOT find BLAS (missing: BLAS_LIBRARIES)"
        ),
    ),
    "that of a generator, where nothing else is said": (CALLED, [NINJA, "-- Configuring"], NINJA),
    "one in colours": (
        EXIT,
        ["\x1b[1ma.c:1:2: \x1b[0m\x1b[31merror: \x1b[0mx"],
        "a.c:1:2: error: x",
    ),
    "an exception of its own": (
        {"kind": "hook", "type": "ModuleNotFoundError", "message": "No module named 'numpy'"},
        ["x.c:1:1: error: y"],
        "ModuleNotFoundError: No module named 'numpy'",
    ),
    "what setup.py exits with": (
        {"kind": "hook", "type": "SystemExit", "message": "Please set FOO_HOME"},
        ["looking for foo"],
        "Please set FOO_HOME",
    ),
    "a module of pkg-config, where setup.py gives a number for an answer": (
        {"kind": "hook", "type": "SystemExit", "message": "1"},
        ["Cannot find foo:", "", "Package foo was not found in the pkg-config search path."],
        "Package foo was not found in the pkg-config search path.",
    ),
    "a program that is not there": (
        {"kind": "hook", "type": "SystemExit", "message": "1"},
        ["/bin/sh: 1: foo-config: not found", "giving up"],
        "/bin/sh: 1: foo-config: not found",
    ),
    "an error before what was only asked": (
        {"kind": "hook", "type": "SystemExit", "message": "1"},
        ["Package foo was not found in the pkg-config search path.", HEADER],
        HEADER,
    ),
    "what setup.py said last, where it gives a number": (
        {"kind": "hook", "type": "SystemExit", "message": "1"},
        ["foo is missing", "Traceback (most recent call last):", "SystemExit: 1"],
        "foo is missing",
    ),
    "the last line, where there is no answer": (None, ["working", "giving up", ""], "giving up"),
    "nothing at all": (None, [], "it printed nothing"),
    "an exception without words": (
        {"kind": "hook", "type": "AssertionError", "message": ""},
        [],
        "AssertionError",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_reason(case: str) -> None:
    error, output, said = CASES[case]
    witness = Witness()
    for line in output:
        witness.hear(line)
    assert reason(error, witness, "\n".join(output)) == said


def test_the_first_error_is_known_when_its_line_is_long_gone() -> None:
    witness = Witness()
    witness.hear("a.c:1:1: error: the cause")
    for number in range(10_000):
        witness.hear(f"b.c:{number}:1: error: an effect")
    assert reason(EXIT, witness, "the end\n") == "a.c:1:1: error: the cause"


def test_a_terminal_is_not_told_anything() -> None:
    hostile = "\x1b]0;title\x07a.c:1:1: error: \x1b[2Jx\x08\x9b31m\n"
    witness = Witness()
    witness.hear(hostile)
    assert reason(EXIT, witness, "") == "a.c:1:1: error: x31m"
    assert tail(hostile) == ("a.c:1:1: error: x31m",)
    error = {**EXIT, "message": "\x1b[31mno\x1b[0m"}
    assert reason(error, Witness(), "") == "no"


def test_tail_is_the_last_lines_that_say_something() -> None:
    assert tail("\n".join(["x"] * 5 + ["one  ", "", "two", ""]), lines=2) == ("one", "two")


@pytest.mark.parametrize(
    ("line", "phase"),
    [
        (HEADER, "compiling"),
        ("ld.lld: error: unable to find library -lpq", "linking"),
        ("a.pyx:1:2: undeclared name not builtin: unicode", "cythonizing"),
        ("CMake Error at CMakeLists.txt:3 (find_package):", "configuring"),
        ("error: something", None),
    ],
)
def test_the_phase_is_that_of_whoever_complained(line: str, phase: str | None) -> None:
    witness = Witness()
    witness.hear(line)
    assert witness.phase == phase
