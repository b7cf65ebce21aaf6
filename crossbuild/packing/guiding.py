"""The instructions of a bundle: what to do with it on its machine, for its form."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

from packaging.utils import parse_wheel_filename

from crossbuild import floors, instructions
from crossbuild.errors import UsageError
from crossbuild.instructions import Step, interpreter
from crossbuild.packing import cargo
from crossbuild.packing.archives import TOP
from crossbuild.packing.cargo import REPORT, Cargo
from crossbuild.packing.order import Form
from crossbuild.target import Target

_COPY = Step(
    english="Copy all of this directory there, or its parts one by one into one directory. "
    "This checks and joins them, and says which is missing or damaged:",
    chinese="把本目录全部复制到目标机器（也可以分几次复制到同一目录）。检查并合并各部分：",
)


def target_of(load: Cargo) -> Target | None:
    """The machine that a wheelhouse is for, as its report says; None where none does."""
    report = load.named(REPORT)
    try:
        document = json.loads(report.path.read_bytes()) if report else {}
        return Target.from_json(document["target"])
    except (KeyError, TypeError, ValueError, UsageError):
        return None


def packages(load: Cargo) -> list[str]:
    """``name version`` of each wheel."""
    names = sorted(parse_wheel_filename(item.name)[:2] for item in load.wheels)
    return [f"{name} {version}" for name, version in names]


def inside(load: Cargo, target: Target, suffix: str | None, scratch: Path) -> Cargo:
    """The wheelhouse with instructions for what it holds now; ``suffix`` is of its signature."""
    steps = [instructions.signed(target, suffix)] if suffix else []
    names = packages(load)
    if "pip" in (name.partition(" ")[0] for name in names):
        steps.append(instructions.with_pip(target))
    text = instructions.wheelhouse(target, names, [*_needing(load, target), *steps])
    readme = cargo.written(scratch, instructions.NAME, text.encode())
    return cargo.changed(load, [readme], scratch)


def beside(load: Cargo, target: Target, form: Form, name: str, *, split: bool) -> str:
    """The instructions that go with a file of this name, or with its parts."""
    python = interpreter(target)
    name = shlex.quote(name)
    steps = [*_needing(load, target), *([_joining(python, name)] if split else [])]
    if form in {Form.PYZ, Form.TEXT}:
        steps += _running(python, name)
    else:
        steps += [_unpacking(python, form, name), *instructions.steps(target)]
    return instructions.text(target, packages(load), steps)


def _needing(load: Cargo, target: Target) -> Iterator[Step]:
    """What needs more than the target promises."""
    above = floors.above(target, [Path(item.name) for item in load.wheels])
    return instructions.needing(above)


def _joining(python: str, name: str) -> Step:
    again = f"cat {name}.[0-9]* > {name} && sha256sum -c {name}.sha256"
    commands = (f"{python} join.py", f"{again}   # the same without Python")
    return Step(english=_COPY.english, chinese=_COPY.chinese, commands=commands)


def _unpacking(python: str, form: Form, name: str) -> Step:
    commands = {
        Form.TAR: (f"tar xf {name}   # or: {python} -m tarfile -e {name}",),
        Form.ZIP: (f"{python} -m zipfile -e {name} .",),
    }[form]
    return Step(
        english="Unpack it, and go on in its directory:",
        chinese="解包，然后进入目录：",
        commands=(*commands, f"cd {TOP}"),
    )


def _running(python: str, name: str) -> list[Step]:
    return [
        Step(
            english="It runs by itself, with no pip. For this user only, or in an environment of "
            "its own:",
            chinese="可直接运行，不需要 pip。也可以装到用户目录，或装进单独的虚拟环境：",
            commands=(
                f"{python} {name} install",
                f"{python} {name} install --user",
                f"{python} {name} install --venv DIRECTORY",
            ),
        ),
        Step(
            english="Is it as it was made? What is in it? Or only unpack it (for pip, say):",
            chinese="检查是否完整，列出内容，或只解包（例如要用 pip 安装）：",
            commands=(
                f"{python} {name} verify",
                f"{python} {name} list",
                f"{python} {name} unpack DIRECTORY",
            ),
        ),
    ]
