"""Programs in the scripts directory: entry points and ``#!python`` files, as pip makes them."""

import os
import re
import sys

from crossbuild.installer.failure import DAMAGED, Failure

LONGEST_SHEBANG = 127
WRAPPER = """\
# -*- coding: utf-8 -*-
import re
import sys
from {module} import {first}
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit({attribute}())
"""
ENTRY = re.compile(r"(?P<module>[\w.]+)\s*(?::\s*(?P<attribute>[\w.]+)\s*)?(?:\[[^\]]*\]\s*)?")
VERSIONED = re.compile(r"(pip|easy_install)(-?[0-9]+(\.[0-9]+)?)?")


def shebang(executable: str) -> bytes:
    """The first line, or lines: where the path is too long for the kernel or has a space.

    Then /bin/sh reads them, and Python sees a string there.
    """
    path = os.fsencode(executable)
    if b" " not in path and len(path) + 3 <= LONGEST_SHEBANG:
        return b"#!" + path + b"\n"
    if b" " in path:
        path = b'"' + path + b'"'
    return b"#!/bin/sh\n'''exec' " + path + b' "$0" "$@"\n' + b"' '''\n"


def rewritten(first_line: bytes, executable: str) -> bytes:
    """The first line of a script for this interpreter, where it is ``#!python`` (PEP 427)."""
    return shebang(executable) if first_line.startswith(b"#!python") else first_line


def wrappers(points: "dict[str, dict[str, str]]", executable: str) -> "dict[str, bytes]":
    """The programs that entry points ask for, by name. Raises Failure for one that cannot be."""
    wanted = versioned({**points.get("gui_scripts", {}), **points.get("console_scripts", {})})
    return {name: wrapper(name, value, executable) for name, value in sorted(wanted.items())}


def versioned(wanted: "dict[str, str]") -> "dict[str, str]":
    """The programs of pip have the version of this Python in their names, not of its maker's."""
    found = {name: value for name, value in wanted.items() if not VERSIONED.fullmatch(name)}
    major, minor = sys.version_info[:2]
    for name, names in (
        ("pip", ["pip", f"pip{major}", f"pip{major}.{minor}"]),
        ("easy_install", ["easy_install", f"easy_install-{major}.{minor}"]),
    ):
        if name in wanted:
            found.update(dict.fromkeys(names, wanted[name]))
    return found


def wrapper(name: str, value: str, executable: str) -> bytes:
    """One program."""
    entry = ENTRY.fullmatch(value)
    if not name or name in (".", "..") or "/" in name or "\\" in name or "\0" in name:
        raise Failure(DAMAGED, f"an entry point is named {name!r}, which is no file's name")
    if entry is None or not entry.group("attribute"):
        raise Failure(DAMAGED, f"the entry point {name} = {value} names no function to call")
    attribute = entry.group("attribute")
    body = WRAPPER.format(
        module=entry.group("module"), first=attribute.split(".")[0], attribute=attribute
    )
    return shebang(executable) + body.encode("utf-8")


def is_wrapper(name: str, points: "dict[str, dict[str, str]]") -> bool:
    """Whether a script is one that old setuptools made of an entry point; those are made anew."""
    for ending in (".exe", "-script.py", ".pya"):
        if name.lower().endswith(ending):
            name = name[: -len(ending)]
            break
    return name in points.get("console_scripts", {}) or name in points.get("gui_scripts", {})
