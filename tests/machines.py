"""Roots of small Linux machines that never ran: ELF files without code in the usual places."""

from __future__ import annotations

from collections.abc import Sequence

from crossbuild.platforms import ARCHES
from tests.elves import shared_object
from tests.tars import Member, directory, file, link


def program(arch: str = "aarch64") -> bytes:
    """A program for a processor."""
    return shared_object(arch=ARCHES[arch])


def glibc(version: str, arch: str = "aarch64") -> bytes:
    """A C library that says its version."""
    banner = f"GNU C Library (Some GLIBC {version}-0x1) stable release version {version}.\n"
    return program(arch) + b"\0" * 100 + banner.encode()


def machine(
    pythons: Sequence[str] = ("usr/bin/python3.8",),
    *,
    version: str = "2.31",
    arch: str = "aarch64",
) -> list[Member]:
    """A machine with merged /usr, as Debian's and Kylin's are."""
    triplet = ARCHES[arch].triplet
    return [
        *(link("bin", "usr/bin"), link("lib", "usr/lib"), directory("etc"), directory("usr")),
        *(directory("usr/bin"), directory(f"usr/lib/{triplet}")),
        file("usr/bin/dash", program(arch), mode=0o755),
        link("usr/bin/sh", "dash"),
        file(f"lib/{triplet}/libc-{version}.so", glibc(version, arch), mode=0o755),
        link(f"lib/{triplet}/libc.so.6", f"libc-{version}.so"),
        *(file(name, program(arch), mode=0o755) for name in pythons),
        file("etc/passwd", b"root:x:0:0:root:/root:/bin/sh"),
    ]
