"""Runs auditwheel on one wheel, in a process of its own.

auditwheel changes the process's working directory and reads PATH, SOURCE_DATE_EPOCH and
LD_LIBRARY_PATH from its environment: none of that belongs in a program that builds several
wheels at once. Its command line serves only the host's own platforms, its API all of them.

Reads a JSON request from standard input and writes a JSON answer to standard output.

Request: ``wheel``, ``output`` (directory), ``root`` (of the image), ``ldpaths`` (on the host),
``architecture``, ``libc`` (null: found out), ``policy`` (null: the newest one), ``platforms``
(the tags the wheel gets; empty: it keeps its own), ``exclude`` (libraries others provide),
``python`` (whether Python's own library is copied in, too, and not left to whoever loads it).

Answer: ``wheel`` (path), or ``refused`` (sentences), or ``error`` (auditwheel's own words), or
``errno`` when a file could not be written.
"""

from __future__ import annotations

import dataclasses
import json
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from auditwheel import lddtree, repair
from auditwheel.architecture import Architecture
from auditwheel.error import AuditwheelError
from auditwheel.libc import Libc
from auditwheel.patcher import ElfPatcher
from auditwheel.policy import Policy
from auditwheel.wheel_abi import WheelAbIInfo, analyze_wheel_abi

from crossbuild.engine.images import within


def graft(request: Mapping[str, Any]) -> dict[str, Any]:
    """Copy the libraries that the policy does not promise into the wheel, and tag it."""
    root = Path(request["root"])
    _look_only_below(root)
    if request["python"]:
        for module in (lddtree, repair):
            vars(module)["LIBPYTHON_RE"] = re.compile("(?!)")
    abi = analyze_wheel_abi(
        Libc(request["libc"]) if request["libc"] else None,
        Architecture(request["architecture"]),
        Path(request["wheel"]),
        frozenset(request["exclude"]),
        disable_isa_ext_check=False,
        allow_graft=True,
        args_ldpaths=":".join(request["ldpaths"]),
    )
    name = request["policy"]
    policy = abi.policies.get_policy_by_name(name) if name else abi.policies.lowest
    refused = list(_refused(abi, policy))
    if refused:
        return {"refused": refused}
    platforms = request["platforms"]
    made = repair.repair_wheel(
        _renamed(abi, policy, platforms),
        Path(request["wheel"]),
        abis=platforms or [policy.name],
        lib_sdir=".libs",
        out_dir=Path(request["output"]),
        update_tags=bool(platforms),
        patcher=ElfPatcher.get_patcher("patchelf", policy.name),
        strip=False,
        zip_compression_level=zlib.Z_BEST_SPEED,
    )
    return {"wheel": str(made or request["wheel"])}


def _look_only_below(image: Path) -> None:
    """Search a file's own RPATH in the image, and follow the image's links in there.

    auditwheel would take both for this host's.
    """
    original, follow = lddtree.parse_ld_paths, lddtree.readlink

    def parse_ld_paths(str_ldpaths: str, path: str = "", root: str = "") -> list[str]:
        entries = [entry for entry in str_ldpaths.split(":") if entry]
        if path:
            entries = [item if "ORIGIN" in item else f"{image}{item}" for item in entries]
        return original(":".join(entries), path, root)

    def readlink(path: str, root: str, *, prefixed: bool = False) -> str:
        if Path(path).is_relative_to(image):
            return str(within.resolved(image, str(Path(path).relative_to(image))))
        return follow(path, root, prefixed=prefixed)

    lddtree.parse_ld_paths = parse_ld_paths
    lddtree.readlink = readlink


def _refused(abi: WheelAbIInfo, policy: Policy) -> Iterator[str]:
    """What auditwheel's command line would refuse, but for symbol versions."""
    for file, references in abi.full_external_refs.items():
        for library, symbols in references[policy.name].blacklist.items():
            yield f"{file} uses private symbols of {library}: {', '.join(symbols)}"
    if policy > abi.machine_policy:
        yield "its code needs a newer processor than the platform promises"


def _renamed(abi: WheelAbIInfo, policy: Policy, platforms: list[str]) -> WheelAbIInfo:
    """The same findings under the target's own name: there is no policy for each glibc."""
    if not platforms:
        return abi
    references = {
        file: {platforms[0]: by_policy[policy.name]}
        for file, by_policy in abi.full_external_refs.items()
    }
    return dataclasses.replace(abi, full_external_refs=references)


def main() -> None:
    """Answer one request."""
    try:
        answer = graft(json.load(sys.stdin))
    except OSError as error:
        answer = {"errno": error.errno}
    except (AuditwheelError, LookupError, RuntimeError, ValueError) as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
