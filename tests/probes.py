"""What the script of ``crossbuild probe`` would print on a Kylin desktop."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from crossbuild.target import Target

KYLIN = Target.parse("manylinux_2_31_aarch64", "3.8.10")
MARKERS = {
    **KYLIN.markers,
    "platform_release": "5.4.18-85-generic",
    "platform_version": "#74-KYLINOS SMP",
}
TOLD: dict[str, Any] = {
    "schema": "crossbuild-probe/1",
    "markers": MARKERS,
    "python": {
        "executable": "/usr/bin/python3",
        "implementation": "cpython",
        "version": "3.8.10",
        "version_info": [3, 8, 10, "final", 0],
        "abis": ["cp38"],
        "soabi": "cpython-38-aarch64-linux-gnu",
        "ext_suffix": ".cpython-38-aarch64-linux-gnu.so",
        "cache_tag": "cpython-38",
        "bits": 64,
        "free_threaded": False,
        "virtual": False,
    },
    "libc": {"name": "glibc", "version": "2.31", "found_by": "os.confstr"},
    "platform": "linux-aarch64",
    "tags": list(map(str, KYLIN.tags)),
    "modules": {"venv": True, "ensurepip": False},
    "pip": None,
    "places": None,
    "writable": {"/tmp": True},
    "unknown": {"places": "ImportError: sysconfig"},
}


def told(**changes: Any) -> dict[str, Any]:
    """The same with other values."""
    return {**deepcopy(TOLD), **changes}
