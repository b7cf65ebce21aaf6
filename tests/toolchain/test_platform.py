"""What zig and clang are told a target is."""

from __future__ import annotations

import pytest

from crossbuild.target import Target
from crossbuild.toolchain.platform import Platform


@pytest.mark.parametrize(
    ("tag", "zig", "clang"),
    [
        ("manylinux2014_aarch64", "aarch64-linux-gnu.2.17", "aarch64-linux-gnu"),
        ("manylinux_2_28_aarch64", "aarch64-linux-gnu.2.28", "aarch64-linux-gnu"),
        ("manylinux2014_x86_64", "x86_64-linux-gnu.2.17", "x86_64-linux-gnu"),
        ("manylinux2014_armv7l", "arm-linux-gnueabihf.2.17", "armv7-linux-gnueabihf"),
        ("manylinux2014_ppc64le", "powerpc64le-linux-gnu.2.19", "powerpc64le-linux-gnu"),
        ("manylinux2014_s390x", "s390x-linux-gnu.2.17", "s390x-linux-gnu"),
        ("manylinux_2_31_riscv64", "riscv64-linux-gnu.2.31", "riscv64-linux-gnu"),
        ("musllinux_1_2_aarch64", "aarch64-linux-musl", "aarch64-linux-musl"),
        ("linux_aarch64", "aarch64-linux-gnu.2.17", "aarch64-linux-gnu"),
        ("manylinux_2_99_aarch64", "aarch64-linux-gnu.2.43", "aarch64-linux-gnu"),
    ],
)
def test_names(tag: str, zig: str, clang: str) -> None:
    platform = Platform.of(Target.parse(tag, "3.11"))
    assert (platform.zig, platform.clang) == (zig, clang)
    assert platform.x86 == (tag == "manylinux2014_x86_64")
