"""uv as a subprocess: it solves for versions and it unpacks wheels; it never runs an sdist's code.

Neither use asks uv anything about the target: uv knows few platforms and no floor but its own
list. Which file fits the target is decided by ``wheel.candidate``; uv sees the outcome only.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.utils import parse_wheel_filename

from crossbuild import process
from crossbuild.errors import HostError, IntegrityError
from crossbuild.target import Target

_QUIET = ("--no-config", "--no-python-downloads", "--no-progress", "--color", "never")
_RUN_DEPENDENT = ("uv_cache.json", "direct_url.json")
"""What uv adds to a dist-info that differs from run to run: times and paths of this host."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Uv:
    """One uv binary. ``python`` is any interpreter of this host; uv refuses to work without."""

    binary: Path
    python: Path = Path(sys.executable)

    @classmethod
    def find(cls) -> Uv:
        """The uv that was installed with crossbuild. Raises HostError when it is gone."""
        import uv

        try:
            return cls(binary=Path(uv.find_uv_bin()))
        except FileNotFoundError as error:
            raise HostError(
                "uv is not installed beside crossbuild",
                remedy="Install crossbuild again; uv is one of its requirements.",
            ) from error

    def install(self, wheels: Sequence[Path], directory: Path, target: Target) -> None:
        """Unpack wheels into ``directory`` (made if absent) as ``uv pip install --target`` does.

        The files are taken as they are: whether they fit the target is the caller's affair,
        and requirements between them are not looked at. The same wheels give the same bytes,
        but for the shebangs in ``bin``, which name this host's Python. Raises IntegrityError
        for a wheel that cannot be unpacked.
        """
        directory.mkdir(parents=True, exist_ok=True)
        if not wheels:
            return
        with tempfile.TemporaryDirectory(prefix=".uv-", dir=directory.parent) as scratch:
            links = Path(scratch, "links")
            pins = _linked(wheels, links)
            argv = [
                *self._argv("install", Path(scratch, "cache")),
                *("--target", str(directory), "--no-deps", "--offline", "--no-index"),
                *("--no-build", "--find-links", str(links)),
                *("--python-version", target.python_version, *pins),
            ]
            try:
                process.run(argv, env=_environment(Path(scratch)))
            except process.ProcessError as error:
                raise IntegrityError(f"uv cannot install {_reason(error.output)}") from error
        _forget_this_run(directory)

    def _argv(self, command: str, cache: Path) -> tuple[str, ...]:
        own = ("--python", str(self.python), "--cache-dir", str(cache))
        return (str(self.binary), "pip", command, *_QUIET, *own)


def _linked(wheels: Sequence[Path], directory: Path) -> tuple[str, ...]:
    """Offer the wheels to uv under names that fit every platform; return their exact pins."""
    directory.mkdir()
    pins = []
    for wheel in wheels:
        name, version, _, _ = parse_wheel_filename(wheel.name)
        escaped = "-".join(wheel.name.split("-")[:2])
        directory.joinpath(f"{escaped}-py3-none-any.whl").symlink_to(wheel.absolute())
        pins.append(f"{name}=={version}")
    return tuple(pins)


def _environment(scratch: Path) -> Mapping[str, str]:
    """What a uv child sees: nothing of the user's settings, no proxy on the way to this host."""
    return {"HOME": str(scratch), "TMPDIR": str(scratch), "NO_PROXY": "127.0.0.1"}


def _reason(output: str) -> str:
    """The chain of causes that uv printed, in one line, without its progress lines."""
    lines = [line.strip() for line in output.splitlines()]
    causes = [line for line in lines if line.startswith(("error:", "cause:", "Caused by:"))]
    return ": ".join(cause.split(":", 1)[1].strip() for cause in causes or lines[-1:])


def _forget_this_run(directory: Path) -> None:
    """Remove the files that would make two installs of the same wheels differ."""
    directory.joinpath(".lock").unlink(missing_ok=True)
    for record in directory.glob("*.dist-info/RECORD"):
        for name in _RUN_DEPENDENT:
            record.with_name(name).unlink(missing_ok=True)
        rows = record.read_text(encoding="utf-8").splitlines(keepends=True)
        prefixes = tuple(f"{record.parent.name}/{name}," for name in _RUN_DEPENDENT)
        kept = [row for row in rows if not row.startswith(prefixes)]
        record.write_text("".join(kept), encoding="utf-8")
