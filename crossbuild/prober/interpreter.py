"""The Python itself: version, ABI, the variables of PEP 508."""

import os
import sys

from crossbuild.prober.answers import BITS, config, known

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def full_version(info: "Any") -> str:
    """``3.13.0rc1`` for a version_info."""
    text = ".".join(map(str, info[:3]))
    return text if info[3] == "final" else text + info[3][0] + str(info[4])


def markers() -> "dict[str, str]":
    """The variables of PEP 508."""
    system, _, release, version, machine = os.uname()
    name = sys.implementation.name
    running = sys.version.split()[0]
    return {
        "implementation_name": name,
        "implementation_version": full_version(sys.implementation.version),
        "os_name": os.name,
        "platform_machine": machine,
        "platform_python_implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(name, name),
        "platform_release": release,
        "platform_system": system,
        "platform_version": version,
        "python_full_version": running,
        "python_version": ".".join(running.split(".")[:2]),
        "sys_platform": sys.platform,
    }


def abis() -> "list[str]":
    """The ABI tags of this CPython, best first."""
    nodot = "{}{}".format(*sys.version_info)
    debug = config("Py_DEBUG")
    if debug is None:
        debug = hasattr(sys, "gettotalrefcount")
    flags = "t" if free_threaded() else ""
    if sys.version_info < (3, 8):
        pymalloc = config("WITH_PYMALLOC")
        if pymalloc is None:
            pymalloc = "m" in sys.abiflags
        return ["cp" + nodot + ("d" if debug else "") + ("m" if pymalloc else "")]
    return [f"cp{nodot}{flags}{kind}" for kind in (("d", "") if debug else ("",))]


def free_threaded() -> bool:
    """Whether this Python has no global interpreter lock (PEP 703)."""
    if sys.version_info < (3, 13):
        return False
    told = config("Py_GIL_DISABLED")
    return "t" in sys.abiflags if told is None else bool(told)


def extension_suffix() -> str:
    """How extension modules end, ``.cpython-38-aarch64-linux-gnu.so``."""
    import _imp

    return config("EXT_SUFFIX") or _imp.extension_suffixes()[0]


def soabi() -> str:
    """The middle of that, ``cpython-38-aarch64-linux-gnu``."""
    return config("SOABI") or extension_suffix().split(".")[1]


def host_platform() -> str:
    """``linux-aarch64``, as sysconfig.get_platform() has it."""
    try:
        import sysconfig

        return sysconfig.get_platform()
    except Exception:  # noqa: BLE001
        return "{}-{}".format(sys.platform, os.uname()[4])


def python() -> "dict[str, object]":
    return {
        "executable": sys.executable or None,
        "implementation": sys.implementation.name,
        "version": full_version(sys.version_info),
        "version_info": list(sys.version_info),
        "abis": known("python.abis", abis),
        "soabi": known("python.soabi", soabi),
        "ext_suffix": known("python.ext_suffix", extension_suffix),
        "cache_tag": sys.implementation.cache_tag,
        "bits": BITS,
        "free_threaded": free_threaded(),
        "virtual": sys.prefix != sys.base_prefix,
    }
