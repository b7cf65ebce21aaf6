"""What a build lacked: the sentences of real builds, word for word."""

from __future__ import annotations

import pytest

from crossbuild.building.lacking import Listener
from crossbuild.lack import Lack, Thing

HEADER, MODULE, LIBRARY = Thing.HEADER, Thing.MODULE, Thing.LIBRARY
PROGRAM, CMAKE = Thing.PROGRAM, Thing.CMAKE


def lacks(*lines: str) -> list[tuple[Thing, str]]:
    listener = Listener()
    for line in lines:
        listener.hear(line)
    found = (*listener.lacks.ending, *listener.lacks.maybe)
    return [(lack.thing, lack.name) for lack in found]


@pytest.mark.parametrize(
    ("line", "thing", "name"),
    [
        ("Modules/common.h:15:10: fatal error: 'lber.h' file not found", HEADER, "lber.h"),
        ("a.c:1:10: fatal error: lber.h: No such file or directory", HEADER, "lber.h"),
        ("x.cpp:3:10: fatal error: boost/python.hpp: No such file or directory",
         HEADER, "boost/python.hpp"),
        ("x.cc:3:10: fatal error: 'Eigen/Dense' file not found", HEADER, "Eigen/Dense"),
        ("ld.lld: error: unable to find library -lsnappy", LIBRARY, "snappy"),
        ("/usr/bin/ld: cannot find -lsnappy: No such file or directory", LIBRARY, "snappy"),
        ("/usr/bin/ld: cannot find -lsnappy", LIBRARY, "snappy"),
        (("error: unable to find dynamic system library 'snappy' using strategy 'paths_first'. "
         "searched paths:"), LIBRARY, "snappy"),
        ("OSError: libgeos_c.so: cannot open shared object file: No such file or directory",
         LIBRARY, "geos_c"),
        ("Error: pg_config executable not found.", PROGRAM, "pg_config"),
        (("ConfigurationError: Could not run curl-config: [Errno 2] No such file or directory: "
         "'curl-config'"), PROGRAM, "curl-config"),
        ("/bin/sh: 1: xslt-config: not found", PROGRAM, "xslt-config"),
        ("/bin/sh: line 1: mysql_config: command not found", PROGRAM, "mysql_config"),
        ("sh: krb5-config: not found", PROGRAM, "krb5-config"),
        ("OSError: mysql_config not found", PROGRAM, "mysql_config"),
        ("Could not find geos-config executable. Either append the path to geos-config",
         PROGRAM, "geos-config"),
        ("FileNotFoundError: [Errno 2] No such file or directory: 'gdal-config'",
         PROGRAM, "gdal-config"),
        ("error: command 'swig' failed: No such file or directory", PROGRAM, "swig"),
        ("unable to execute 'swig': No such file or directory", PROGRAM, "swig"),
        ("CMake Error: No CMAKE_Fortran_COMPILER could be found.", PROGRAM, "gfortran"),
        ("  No CMAKE_Fortran_COMPILER could be found.", PROGRAM, "gfortran"),
        ("../meson.build:1:0: ERROR: Unknown compiler(s): [['gfortran'], ['flang-new'], ['g95']]",
         PROGRAM, "gfortran"),
        (('CMake Error: CMake was unable to find a build program corresponding to "Ninja".  '
          "CMAKE_MAKE_PROGRAM is not set."), PROGRAM, "ninja"),
        (('CMake Error: CMake was unable to find a build program corresponding to '
          '"Ninja Multi-Config".'), PROGRAM, "ninja"),
        (('CMake Error: CMake was unable to find a build program corresponding to '
          '"Unix Makefiles".'), PROGRAM, "make"),
        ("error: extension 'demo' has Fortran sources but no Fortran compiler found",
         PROGRAM, "gfortran"),
        ("numpy.distutils.fcompiler.CompilerNotFound: gnu95: f90 nor f77", PROGRAM, "gfortran"),
        ("Could not locate executable gfortran", PROGRAM, "gfortran"),
        ("make: yacc: No such file or directory", PROGRAM, "yacc"),
        ("make[1]: flex: Command not found", PROGRAM, "flex"),
        ("../meson.build:8:1: ERROR: Program 'glib-mkenums' not found or not executable",
         PROGRAM, "glib-mkenums"),
        ('../meson.build:31:12: ERROR: Dependency "cairo" not found, tried pkgconfig and cmake',
         MODULE, "cairo"),
        (("../m:5:0: ERROR: Dependency lookup for dbus-1 with method 'pkgconfig' failed: "
         "Pkg-config for machine host machine not found."), MODULE, "dbus-1"),
        ("No package 'libffi' found", MODULE, "libffi"),
        ("Package libsystemd was not found in the pkg-config search path.", MODULE, "libsystemd"),
        ("Package 'dbus-1', required by 'virtual:world', not found", MODULE, "dbus-1"),
        ("Command 'pkg-config --exists mysqlclient' returned non-zero exit status 1.",
         MODULE, "mysqlclient"),
        ("Trying pkg-config --exists mysqlclient", MODULE, "mysqlclient"),
        ("pkgconfig.pkgconfig.PackageNotFoundError: xmlsec1 not found", MODULE, "xmlsec1"),
        ("  Could NOT find ZLIB (missing: ZLIB_LIBRARY ZLIB_INCLUDE_DIR)", CMAKE, "ZLIB"),
        ('  Could not find a package configuration file provided by "Eigen3" with any of',
         CMAKE, "Eigen3"),
        ("The headers or library files could not be found for jpeg,", LIBRARY, "jpeg"),
        ("configure: error: portaudio.h not found", HEADER, "portaudio.h"),
        ("Could not find the header file <sasl/sasl.h>", HEADER, "sasl/sasl.h"),
    ],
)  # fmt: skip
def test_a_sentence_names_what_is_lacking(line: str, thing: Thing, name: str) -> None:
    assert (thing, name) in lacks(line)


def test_a_sentence_may_name_two() -> None:
    said = "Error: Please make sure the libxml2 and libxslt development packages are installed."
    assert lacks(said) == [(LIBRARY, "libxml2"), (LIBRARY, "libxslt")]


@pytest.mark.parametrize(
    "line",
    [
        "_configtest.c:1:10: fatal error: 'foo.h' file not found",
        "/b/CMakeFiles/CMakeScratch/x/src.c:1:10: fatal error: 'pthread_np.h' file not found",
        "-- Could NOT find Doxygen (missing: DOXYGEN_EXECUTABLE)",
        "/bin/sh: 1: git: not found",
        "error: command 'cargo' failed: No such file or directory",
        "a.c:1:1: error: use of undeclared identifier 'x'",
        "a.c:1:10: fatal error: '../secret.h' file not found",
        "a.c:1:10: fatal error: 'Python.h' file not found",
        "copying demo/data.txt -> build/lib/demo",
        "x" * 2000 + " fatal error: 'lber.h' file not found",
    ],
)
def test_what_is_no_lack_is_passed_over(line: str) -> None:
    assert lacks(line) == []


def test_a_generator_that_was_only_tried_is_asked_for_last() -> None:
    found = lacks(
        'CMake Error: CMake was unable to find a build program corresponding to "Ninja".',
        "  Could NOT find BLAS (missing: BLAS_LIBRARIES)",
    )
    assert found == [(CMAKE, "BLAS"), (PROGRAM, "ninja")]


def test_what_ends_a_build_comes_before_what_may_have() -> None:
    found = lacks(
        "No package 'optional' found",
        "a.c:1:10: fatal error: 'lber.h' file not found",
        "b.c:1:10: fatal error: 'sasl.h' file not found",
        "b.c:1:10: fatal error: 'lber.h' file not found",
    )
    assert found == [(HEADER, "lber.h"), (HEADER, "sasl.h"), (MODULE, "optional")]


@pytest.mark.parametrize(
    ("lack", "said"),
    [
        (Lack(thing=HEADER, name="lber.h"), "lber.h"),
        (Lack(thing=MODULE, name="libpq"), "libpq.pc"),
        (Lack(thing=LIBRARY, name="pq"), "-lpq"),
        (Lack(thing=LIBRARY, name="libxml2"), "libxml2"),
        (Lack(thing=PROGRAM, name="pg_config"), "pg_config"),
        (Lack(thing=CMAKE, name="ZLIB"), "find_package(ZLIB)"),
    ],
)
def test_a_lack_is_told_in_a_word(lack: Lack, said: str) -> None:
    assert str(lack) == said
