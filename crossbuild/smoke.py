"""The proof: install the wheelhouse inside a clean rootfs of the target and import it there.

The rootfs has an interpreter and nothing else: no compiler, no headers, no pip, no network.
pip comes from its own pinned wheel and installs with hashes required; ``pip check`` must
agree; then each module is imported in a process of its own.
"""

from __future__ import annotations

import compileall
import json
import sys
import tempfile
import time
import zipfile
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

from packaging.utils import NormalizedName, canonicalize_name
from packaging.version import Version

from crossbuild.catalog import Interpreter
from crossbuild.engine.base import WORK, Engine, ExecResult, Limits, Root, Session, Tree
from crossbuild.errors import VerificationError
from crossbuild.platforms import dotted
from crossbuild.proof import ImportResult, SmokeResult, SmokeState
from crossbuild.report import Reporter, Stage
from crossbuild.store import Store
from crossbuild.target import Target


@dataclass(frozen=True, kw_only=True, slots=True)
class Pip:
    """A release of pip, by the hash of its wheel."""

    version: Version
    sha256: str


_PIP_3_7 = Pip(
    version=Version("24.0"),
    sha256="ba0d021a166865d2265246961bec0152ff124de910c5cc39f1156ce3fa7c69dc",
)
"""The newest pip that still runs on CPython 3.7."""
_PIP_3_8 = Pip(
    version=Version("25.0.1"),
    sha256="c46efd13b6aa8279f33f2864459c8ce587ea6a1a59ee20de055868d8f7688f7f",
)
"""The newest pip that still runs on CPython 3.8."""

_WHEELS = "/opt/crossbuild/wheelhouse"
_PIP = "/opt/crossbuild/pip"
_VENV = f"{WORK}/venv"
_REMEDY = (
    "Prove it in an image of your own machine: on it, as root, `tar --one-file-system -czf "
    "machine.tar.gz -C / .`; or `docker export CONTAINER -o machine.tar`; then "
    "`crossbuild verify DIR --target … --image ./machine.tar.gz`. "
    "`crossbuild images import` keeps one under a name."
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Proof:
    """What the smoke install is to show: distributions and the modules to import of each.

    ``commands`` are what their recipes test them with, for sh(1).
    """

    modules: Mapping[NormalizedName, tuple[str, ...]]
    commands: Mapping[NormalizedName, str] = field(default_factory=dict)
    requirements: str = "requirements.txt"


def not_run(target: Target, reason: str | None = None) -> SmokeResult:
    """The honest result where no proof was possible: never a pass."""
    return SmokeResult(
        state=SmokeState.NOT_RUN,
        reason=reason or _no_image(target),
        remedy="" if reason else _REMEDY,
    )


def _no_image(target: Target) -> str:
    floor = f" and glibc {dotted(target.floor)} or newer" if target.floor else ""
    return f"no image has CPython {target.python_version}{floor} for {target.arch.name}"


def pip_for(python: tuple[int, int]) -> Pip:
    """The pip that installs in the proof: the newest that nearly every Python can run."""
    return _PIP_3_7 if python < (3, 8) else _PIP_3_8


def pip_tree(wheel: Path, target: Target, store: Store) -> Tree:
    """Unpack the pinned pip wheel once: importing it from a zip is slow under emulation.

    Byte code is the same for every processor: a host Python of the target's version compiles
    it, which halves pip's emulated start.
    """

    def unpack(directory: Path) -> None:
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(directory)
        if target.python == sys.version_info[:2]:
            compileall.compile_dir(directory, quiet=2, stripdir=str(directory))

    key = f"pip-{target.interpreter}-{pip_for(target.python).sha256[:16]}"
    return Tree(key=key, path=store.make_tree(key, unpack))


def smoke(
    wheelhouse: Path,
    proof: Proof,
    target: Target,
    *,
    engine: Engine,
    root: Root,
    python: Interpreter,
    pip: Tree,
    limits: Limits,
    reporter: Reporter,
) -> SmokeResult:
    """Install ``wheelhouse`` in a clean sandbox of ``root`` and import ``proof``'s modules.

    ``python`` is the image's interpreter that it is for. The result says PASSED or FAILED, with
    pip's own words or the tracebacks; it raises only when the sandbox itself cannot be opened
    (HostError).
    """
    reporter.emit(Stage(name="smoke", detail=f"install and import in a clean {root.image.name}"))
    began = time.monotonic()
    trees = {_WHEELS: Tree(key="wheelhouse", path=wheelhouse, lasting=False), _PIP: pip}
    with engine.session(root, trees=trees, limits=limits) as session:
        failure = _install(session, python, proof.requirements)
        imports = () if failure else _import(session, target, proof.modules)
        tests = {} if failure else _test(session, proof.commands)
    broken = [item for item in imports if item.error is not None]
    reason = failure or "; ".join([*map(_line, broken), *tests.values()])
    return SmokeResult(
        state=SmokeState.FAILED if reason else SmokeState.PASSED,
        reason=reason,
        image=root.image.name,
        glibc=root.image.glibc,
        broken=_named(wheelhouse, failure, {item.distribution for item in broken} | tests.keys()),
        imports=imports,
        seconds=time.monotonic() - began,
    )


def _named(wheelhouse: Path, failure: str, names: Collection[NormalizedName]) -> tuple[str, ...]:
    """The wheels that pip named when it failed, and those of ``names``."""
    wheels = [wheel.name for wheel in sorted(wheelhouse.glob("*.whl"))]
    return tuple(
        wheel
        for wheel in wheels
        if wheel in failure or canonicalize_name(wheel.partition("-")[0]) in names
    )


def _install(session: Session, python: Interpreter, requirements: str) -> str:
    """Install and check; the empty string, or one sentence with pip's own words."""
    result = session.run([python.command, "-m", "venv", "--without-pip", _VENV])
    if not result.ok:
        return f"the target's Python cannot make a virtual environment: {_words(result)}"
    pip = [f"{_VENV}/bin/python", "-B", "-m", "pip", "--disable-pip-version-check"]
    install = [
        *pip, "install", "--quiet", "--no-compile", "--no-cache-dir", "--no-index",
        "--find-links", _WHEELS, "--require-hashes", "-r", f"{_WHEELS}/{requirements}",
    ]  # fmt: skip
    result = session.run(install, env={"PYTHONPATH": _PIP})
    if not result.ok:
        return f"pip cannot install the wheelhouse: {_words(result)}"
    result = session.run([*pip, "check"], env={"PYTHONPATH": _PIP})
    return "" if result.ok else f"pip check found a conflict: {_words(result)}"


def _words(result: ExecResult) -> str:
    if result.stopped is not None:
        return f"it was ended for its {result.stopped.value}"
    lines = [line.strip() for line in result.output.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return " ".join((errors or lines[-3:])[:3]) or f"code {result.returncode}"


def _import(
    session: Session, target: Target, modules: Mapping[NormalizedName, Sequence[str]]
) -> tuple[ImportResult, ...]:
    """Import every module in a process of its own; one emulated driver starts them all."""
    source = resources.files("crossbuild").joinpath("smoke_driver.py")
    with resources.as_file(source) as driver:
        session.put(driver, f"{WORK}/driver.py")
    pairs = [[name, module] for name, names in modules.items() for module in names]
    driven = f"{WORK}/imports.json"
    python = f"{_VENV}/bin/python"
    result = session.run([python, f"{WORK}/driver.py", json.dumps(pairs), driven])
    if not result.ok:
        raise VerificationError(
            f"the import test ended early on {target.platform}: {_words(result)}"
        )
    with tempfile.TemporaryDirectory() as directory:
        copy = Path(directory, "imports.json")
        session.get(driven, copy)
        rows = json.loads(copy.read_text())
    return tuple(_result(row) for row in rows)


def _test(session: Session, commands: Mapping[NormalizedName, str]) -> dict[NormalizedName, str]:
    """Run the test commands where the wheelhouse is installed; what went wrong, a sentence each.

    As in cibuildwheel, not in the sdist's directory: what is tested is what is installed.
    """
    failed = {}
    path = f"{_VENV}/bin:/usr/local/bin:/usr/bin:/bin"
    for name, command in commands.items():
        result = session.run(["/bin/sh", "-ec", command], env={"PATH": path})
        if not result.ok:
            failed[name] = f"the test command of {name} failed: {_words(result)}"
    return failed


def _result(row: Mapping[str, object]) -> ImportResult:
    error = row["error"]
    return ImportResult(
        distribution=canonicalize_name(str(row["distribution"])),
        module=str(row["module"]),
        error=None if error is None else str(error),
        seconds=float(str(row["seconds"])),
    )


def _line(item: ImportResult) -> str:
    last = (item.error or "").strip().splitlines()[-1:]
    return f"import {item.module} ({item.distribution}): {''.join(last)}"
