"""pip: using the one that is there, and putting one there; always in this process."""

import os
import sys

from crossbuild.installer.failure import FAILED, LACKING, Failure, reason
from crossbuild.installer.house import House
from crossbuild.installer.wheelfile import Wheel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any


def run_pip(options: "Any", wheels: "Sequence[Wheel]") -> None:
    """Let pip install the very wheels that were checked, by their hashes, and no others.

    Raises Failure where there is no pip, or it fails.
    """
    try:
        import runpy
        import tempfile

        import pip  # noqa: F401
    except ImportError as error:
        remedy = "Leave --with-pip out, or put pip there first with --bootstrap-pip."
        raise Failure(LACKING, f"pip cannot be used here: {reason(error)}", remedy) from None
    words = ["install", "--no-index", *passed_on(options)]
    for directory in sorted({os.path.dirname(wheel.path) for wheel in wheels}):
        words += ["--find-links", directory]
    with tempfile.NamedTemporaryFile("w", prefix="install-", suffix=".txt") as pins:
        for wheel in wheels:
            pin = f"{wheel.name.project}=={wheel.name.version}"
            pins.write(f"{pin} --hash=sha256:{wheel.sha256}\n")
        pins.flush()
        before, sys.argv = sys.argv, ["pip", *words, "--no-deps", "-r", pins.name]
        try:
            runpy.run_module("pip", run_name="__main__", alter_sys=True)
        except SystemExit as end:
            if end.code:
                raise Failure(FAILED, f"pip ended with {end.code}, see above") from None
        finally:
            sys.argv = before


def passed_on(options: "Any") -> "list[str]":
    """The options that pip has under the same name."""
    flags = ["user", "upgrade", "force-reinstall", "no-compile", "break-system-packages"]
    words = [f"--{name}" for name in flags if getattr(options, name.replace("-", "_"))]
    for name in ("target", "prefix", "root"):
        if getattr(options, name):
            words += [f"--{name}", getattr(options, name)]
    return words


def pip_house(house: House) -> "House | None":
    """Where a wheel of pip lies: this Python's own (ensurepip's), else the wheelhouse."""
    for directory in ensurepip_directories():
        if os.path.isdir(directory):
            bundled = House(directory)
            bundled.opened = house.opened
            if any(name.project == "pip" for name in bundled.names.values()):
                return bundled
    if any(name.project == "pip" for name in house.names.values()):
        return house
    return None


def ensurepip_directories() -> "list[str]":
    """Where ensurepip has its wheels; distributions may keep them elsewhere."""
    found = [configured("WHEEL_PKG_DIR")]
    import importlib.util

    spec = importlib.util.find_spec("ensurepip")  # not imported: it would want subprocess
    places = (spec.submodule_search_locations or []) if spec is not None else []
    found += [os.path.join(directory, "_bundled") for directory in places]
    return [directory for directory in found if directory]


def configured(name: str) -> str:
    """A variable that this Python was built with; empty where it is not told."""
    try:
        import sysconfig

        return str(sysconfig.get_config_var(name) or "")
    except ImportError:
        return ""


def no_pip() -> Failure:
    """There is no pip to be put there."""
    remedy = "Carry a wheel of pip in the wheelhouse (name pip as a requirement), or do without."
    return Failure(LACKING, "there is no pip to install: no ensurepip, and no wheel of it", remedy)
