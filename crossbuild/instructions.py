"""README.txt: what to do with a wheelhouse on its machine, in English and in Chinese.

The commands are for the very machine: its Python, its version, whether it has pip.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from crossbuild.platforms import Family, dotted
from crossbuild.target import Target

NAME = "README.txt"
_WIDTH = 79
_LIBRARIES = {Family.MANYLINUX: "glibc", Family.MUSLLINUX: "musl"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Step:
    """Something to do: why, in both languages, and the commands that do it."""

    english: str
    chinese: str
    commands: tuple[str, ...] = ()


def wheelhouse(target: Target, packages: Sequence[str], more: Iterable[Step] = ()) -> str:
    """The text for a wheelhouse as it lies there; ``packages`` are ``name version``.

    ``more`` are steps that go before the others.
    """
    return text(target, packages, [*more, *steps(target)])


def text(target: Target, packages: Sequence[str], todo: Sequence[Step]) -> str:
    """A text with these steps, after what it is and for what."""
    english = [_wrapped(f"Python packages, to be installed without internet, for {_of(target)}.")]
    chinese = [f"供离线安装的 Python 软件包，适用于：\n{_of(target, '{} 或更高版本')}"]
    for step in todo:
        commands = "".join(f"\n    {command}" for command in step.commands)
        english.append(f"{_wrapped(step.english)}\n{commands}".rstrip())
        chinese.append(f"{step.chinese}\n{commands}".rstrip())
    english.append(f"It holds:\n\n{_wrapped(', '.join(packages))}")
    return "\n\n".join([*english, "-" * _WIDTH, *chinese]) + "\n"


def steps(target: Target) -> Iterator[Step]:
    """From looking at the Python to trying what was installed."""
    python = interpreter(target)
    yield Step(
        english=f"This has to say Python {target.python_version}:",
        chinese=f"先确认版本，应显示 Python {target.python_version}：",
        commands=(f"{python} --version",),
    )
    yield from _ways(target, python)
    yield Step(
        english="For this user only, or in an environment of its own:",
        chinese="没有权限写系统目录时，装到用户目录，或装进单独的虚拟环境：",
        commands=(f"{python} install.py --user", f"{python} install.py --venv DIRECTORY"),
    )
    yield Step(
        english="Are all files as they were made? (install.py looks, too.)",
        chinese="检查文件是否完整（install.py 也会检查）：",
        commands=("sha256sum -c SHA256SUMS",),
    )
    yield Step(
        english="Does it work? This imports every package (with --user, --venv … as above):",
        chinese="检查安装结果（逐个导入；安装时用过 --user、--venv 等选项的，这里也要加上）：",
        commands=(f"{python} install.py --verify",),
    )


def signed(target: Target, suffix: str) -> Step:
    """How to tell whose wheelhouse it is; ``suffix`` is what the signature's name ends in."""
    python = interpreter(target)
    tool = {
        "minisig": "minisign -V -p KEY.pub -m SHA256SUMS",
        "sig": "ssh-keygen -Y verify -f ALLOWED_SIGNERS -I WHO -n crossbuild "
        "-s SHA256SUMS.sig < SHA256SUMS",
    }[suffix]
    return Step(
        english="It is signed. With the public key of whoever made it (and an install.py that "
        "you trust), refuse anything else; or ask the tool:",
        chinese="本目录带有签名。用制作者的公钥验证，不符则拒绝安装；或用签名工具验证：",
        commands=(f"{python} install.py --verify-key KEY.pub", tool),
    )


def needing(wheels: Iterable[tuple[str, str]]) -> Iterator[Step]:
    """What to know of wheels that need more than was promised: ``name version``, the platform."""
    for label, platform in wheels:
        yield Step(
            english=f"{label} needs more of the C library than was asked for: {platform}. Where "
            "that is older, it is refused.",
            chinese=f"{label} 需要更新的 C 库（{platform}），C 库较旧的机器上会拒绝安装。",
        )


def with_pip(target: Target) -> Step:
    """How to get the pip that is in the wheelhouse."""
    return Step(
        english="pip itself is in here. To install it, too, where there is none:",
        chinese="本目录带有 pip。目标机器没有 pip 时，可以一并安装：",
        commands=(f"{interpreter(target)} install.py --bootstrap-pip",),
    )


def interpreter(target: Target) -> str:
    """The target's Python as one types it."""
    told = target.reported.executable if target.reported else None
    return shlex.quote(told) if told else "python3"


def _ways(target: Target, python: str) -> Iterator[Step]:
    """With pip and without; what is surely there comes first."""
    lacks = target.reported is not None and target.reported.pip is False
    pip = Step(
        english="With pip, in this directory:",
        chinese="用 pip 安装（在本目录中执行）：",
        commands=(f"{python} -m pip install --no-index --find-links . -r requirements.txt",),
    )
    without = Step(
        english="That machine has no pip. Without it:" if lacks else "Without pip:",
        chinese="该机器没有 pip，请用：" if lacks else "没有 pip 时：",
        commands=(f"{python} install.py",),
    )
    yield from (without,) if lacks else (pip, without)


def _of(target: Target, floor: str = "{} or newer") -> str:
    library = _LIBRARIES.get(target.family)
    named = [f"{target.name} ({target.platform})"] if target.name and not target.reported else []
    parts = [*named, f"CPython {target.python_version}", f"Linux {target.arch}"]
    if library and target.floor:
        parts.append(floor.format(f"{library} {dotted(target.floor)}"))
    return ", ".join(parts)


def _wrapped(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_on_hyphens=False)
