"""Which package is chosen: lines of real Contents indexes, of bullseye and bookworm."""

from __future__ import annotations

import re
import subprocess

import pytest

from crossbuild.engine.images.owners import WORTH_KEEPING, owner
from crossbuild.lack import Lack, Thing
from crossbuild.platforms import ARCHES

HEADER, MODULE, LIBRARY = Thing.HEADER, Thing.MODULE, Thing.LIBRARY
PROGRAM, CMAKE = Thing.PROGRAM, Thing.CMAKE

CURL = "libdevel/libcurl4-gnutls-dev,libdevel/libcurl4-nss-dev,libdevel/libcurl4-openssl-dev"
INDEX = f"""
usr/bin/curl-config                                     {CURL}
usr/bin/krb5-config                                     libdevel/heimdal-dev,libdevel/libkrb5-dev
usr/bin/mysql_config                                    libdevel/libmariadb-dev-compat
usr/bin/pg_config                                       database/postgresql-common
usr/bin/pg_config                                       libdevel/libpq-dev
usr/bin/swig                                            interpreters/swig
usr/include/aarch64-linux-gnu/curl/curl.h               {CURL}
usr/include/eigen3/Eigen/Dense                          libdevel/libeigen3-dev
usr/include/hdf/netcdf.h                                libdevel/libhdf4-dev
usr/include/hdf5/mpich/hdf5.h                           libdevel/libhdf5-mpich-dev
usr/include/hdf5/openmpi/hdf5.h                         libdevel/libhdf5-openmpi-dev
usr/include/hdf5/serial/hdf5.h                          libdevel/libhdf5-dev
usr/include/lber.h                                      libdevel/libldap-dev
usr/include/netcdf.h                                    libdevel/libnetcdf-dev
usr/include/postgresql/libpq-fe.h                       libdevel/libpq-dev
usr/include/python3.11/greenlet/greenlet.h              python/python3-greenlet
usr/include/zlib.h                                      libdevel/zlib1g-dev
usr/include/other/zlib.h                                libdevel/libother-dev
usr/lib/aarch64-linux-gnu/atlas/liblapack.so            libdevel/libatlas-base-dev
usr/lib/aarch64-linux-gnu/cmake/Snappy/SnappyConfig.cmake libdevel/libsnappy-dev
usr/lib/aarch64-linux-gnu/hdf5/serial/libhdf5.so        libdevel/libhdf5-dev
usr/lib/aarch64-linux-gnu/lapack/liblapack.so           libdevel/liblapack-dev
usr/lib/aarch64-linux-gnu/libgeos.so                    libdevel/libgeos-dev
usr/lib/aarch64-linux-gnu/libsnappy.so                  libdevel/libsnappy-dev
usr/lib/aarch64-linux-gnu/libz.a                        libdevel/zlib1g-dev
usr/lib/aarch64-linux-gnu/pkgconfig/libxslt.pc          libdevel/libxslt1-dev
usr/lib/aarch64-linux-gnu/pkgconfig/mysqlclient.pc      libdevel/libmariadb-dev-compat
usr/lib/x86_64-linux-gnu/pkgconfig/elsewhere.pc         libdevel/libelsewhere-dev
usr/share/eigen3/cmake/Eigen3Config.cmake               libdevel/libeigen3-dev
usr/share/pkgconfig/xproto.pc                           contrib/x11/x11proto-dev
"""


def found(thing: Thing, name: str, *present: str) -> str | None:
    return owner(INDEX, Lack(thing=thing, name=name), ARCHES["aarch64"], present=present)


@pytest.mark.parametrize(
    ("thing", "name", "package"),
    [
        (HEADER, "lber.h", "libldap-dev"),
        # The top directory before one below it, which no compiler looks in by itself.
        (HEADER, "netcdf.h", "libnetcdf-dev"),
        (HEADER, "libpq-fe.h", "libpq-dev"),
        (HEADER, "Eigen/Dense", "libeigen3-dev"),
        # OpenSSL is in every build root; MPI in none.
        (HEADER, "curl/curl.h", "libcurl4-openssl-dev"),
        (HEADER, "hdf5.h", "libhdf5-dev"),
        # Another interpreter's: a wheel has to bring it.
        (HEADER, "greenlet/greenlet.h", None),
        (HEADER, "unheard-of.h", None),
        (HEADER, "lberXh", None),
        (MODULE, "mysqlclient", "libmariadb-dev-compat"),
        (MODULE, "xproto", "x11proto-dev"),
        (MODULE, "elsewhere", None),
        (LIBRARY, "snappy", "libsnappy-dev"),
        (LIBRARY, "lapack", "liblapack-dev"),
        (LIBRARY, "hdf5", "libhdf5-dev"),
        (LIBRARY, "libxslt", "libxslt1-dev"),
        (LIBRARY, "libsnappy", "libsnappy-dev"),
        (LIBRARY, "z", "zlib1g-dev"),
        (PROGRAM, "pg_config", "libpq-dev"),
        (PROGRAM, "mysql_config", "libmariadb-dev-compat"),
        (PROGRAM, "curl-config", "libcurl4-openssl-dev"),
        (PROGRAM, "krb5-config", "libkrb5-dev"),
        (PROGRAM, "swig", "swig"),
        (PROGRAM, "config", None),
        (CMAKE, "Eigen3", "libeigen3-dev"),
        (CMAKE, "Snappy", "libsnappy-dev"),
        (CMAKE, "GEOS", "libgeos-dev"),
        (CMAKE, "SWIG", "swig"),
        (CMAKE, "Threads", None),
    ],
)
def test_the_most_plausible_owner_is_chosen(thing: Thing, name: str, package: str | None) -> None:
    assert found(thing, name) == package


def test_what_is_installed_cannot_be_what_is_missing() -> None:
    assert found(HEADER, "zlib.h") == "zlib1g-dev"
    assert found(HEADER, "zlib.h", "zlib1g-dev", "gcc") is None
    assert found(PROGRAM, "curl-config", "libcurl4-gnutls-dev") is None


def test_the_lines_that_are_kept_are_all_that_are_asked_for() -> None:
    useless = "usr/share/doc/libpq-dev/README libdevel/libpq-dev\nusr/lib/python3/x.py python/x\n"
    kept = subprocess.run(
        ["grep", "-E", WORTH_KEEPING],
        input=re.sub(" +", " ", INDEX.strip()) + "\n" + useless,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    assert kept == re.sub(" +", " ", INDEX.strip()).splitlines()
