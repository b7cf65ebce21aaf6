"""Wheelhouses for install.py, and running it in a Python of this host."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crossbuild.installer import assembly
from crossbuild.installer.wheelfile import Name


@dataclass(frozen=True, kw_only=True, slots=True)
class Done:
    """How a run ended; ``said`` is its output, ``error`` what it wrote to standard error."""

    code: int
    said: str
    error: str


def house(directory: Path, *, pinned: bool = True) -> Path:
    """Make a wheelhouse of a directory of wheels: install.py, the sums and, mostly, the pins."""
    (directory / "install.py").write_text(assembly.script(), encoding="utf-8")
    lines = []
    for path in sorted(directory.glob("*.whl")):
        name = Name(path.name)
        lines.append(f"{name.project}=={name.version} --hash=sha256:{sha256(path)}\n")
    if pinned:
        (directory / "requirements.txt").write_text("".join(lines))
    sums = [path for path in sorted(directory.iterdir()) if path.name != "SHA256SUMS"]
    text = "".join(f"{sha256(path)}  {path.name}\n" for path in sums if path.is_file())
    (directory / "SHA256SUMS").write_text(text)
    return directory


def sha256(path: Path) -> str:
    return digest_of(path.read_bytes())


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def install(
    wheelhouse: Path,
    *arguments: object,
    python: str = sys.executable,
    flags: Sequence[str] = (),
    prelude: str = "",
    environment: dict[str, str] | None = None,
    name: str = "install.py",
) -> Done:
    """Run install.py; ``prelude`` is code that the interpreter runs before it."""
    words = [str(argument) for argument in arguments]
    script = wheelhouse / name
    argv = [python, *flags, str(script), *words]
    if prelude:
        run = f"space = dict(__name__='__main__', __file__={str(script)!r})\n"
        run += f"exec({_loading(script)}, space)"
        argv = [python, *flags, "-c", f"{prelude}\n{run}", *words]
    variables = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(environment or {})}
    done = subprocess.run(argv, capture_output=True, text=True, check=False, env=variables)
    assert "Traceback" not in done.stderr, done.stderr
    return Done(code=done.returncode, said=done.stdout, error=done.stderr)


def _loading(script: Path) -> str:
    """How a prelude's interpreter gets at the code, whatever else it has not."""
    if script.suffix == ".pyc":
        return f"__import__('marshal').loads(open({str(script)!r}, 'rb').read()[16:])"
    return f"compile(open({str(script)!r}, encoding='utf-8').read(), 'install.py', 'exec')"


def snapshot(*directories: Path) -> dict[str, object]:
    """Everything below: files with mode and content, links with target, directories."""
    return dict(pair for directory in directories for pair in _below(directory))


def _below(directory: Path) -> Iterator[tuple[str, object]]:
    for path in sorted(directory.rglob("*")):
        if path.is_symlink():
            yield str(path), str(path.readlink())
        elif path.is_dir():
            yield str(path), "directory"
        else:
            yield str(path), (path.stat().st_mode & 0o7777, path.read_bytes())
