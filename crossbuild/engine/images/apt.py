"""What the host's own apt is set up with: its mirror, proxies, certificates and passwords.

Asked of apt's tools, so that no setting is read differently from how apt reads it, and no
mirror has to be written down here.
"""

from __future__ import annotations

import os
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

from crossbuild import process

_KEYRINGS = Path("/usr/share/keyrings")
_TRANSPORT = re.compile(
    r"Acquire::(?:https?::|ftp::|socks|Retries|ForceIPv[46]|Check-(?:Valid-Until|Date)|"
    r"Max-ValidTime|Min-ValidTime|Max-FutureTime|Queue-Mode)"
)
"""Settings of how to fetch; none of them turns the check of signatures off (apt.conf(5))."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Archive:
    """Where packages come from.

    ``mirror`` None: the default of mmdebstrap. ``options`` are lines of apt.conf(5).
    """

    mirror: str | None = None
    options: tuple[str, ...] = ()


def host_archive(mirror: str | None = None) -> Archive:
    """The archive that this host uses; ``mirror`` overrides which.

    On a host without apt, or whose apt has no Debian suite, the mirror is left open.
    """
    if process.which("apt-config") is None:
        return Archive(mirror=mirror)
    return Archive(mirror=mirror or _mirror(), options=_transport() + _passwords())


def keyring() -> Path | None:
    """The keys of Debian's archive on this host (the package debian-archive-keyring)."""
    names = ("debian-archive-keyring.gpg", "debian-archive-keyring.pgp")
    return next((_KEYRINGS / name for name in names if (_KEYRINGS / name).exists()), None)


def _mirror() -> str | None:
    """The first mirror that apt has Debian itself from, not its security or backports."""
    fields = "$(ORIGIN)|$(LABEL)|$(CODENAME)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"
    done = process.run(["apt-get", "indextargets", "--format", fields], check=False)
    for line in done.stdout.splitlines():
        origin, label, codename, release, component, mirror = line.split("|", 5)
        if origin == label == "Debian" and "-" not in codename + release and component == "main":
            return mirror
    return None


def _transport() -> tuple[str, ...]:
    dump = process.run(["apt-config", "dump"], check=False).stdout
    return tuple(line for line in dump.splitlines() if _TRANSPORT.match(line))


def _passwords() -> tuple[str, ...]:
    """Where apt finds the passwords of mirrors (apt_auth.conf(5)), as far as we may read it."""
    names = {"Dir::Etc::netrc": "f", "Dir::Etc::netrcparts": "d"}
    asked = [word for name, kind in names.items() for word in (name, f"{name}/{kind}")]
    shell = process.run(["apt-config", "shell", *asked], check=False).stdout
    # Printed as NAME='value' for a shell's eval; the NAME is ours to choose.
    found = dict(word.split("=", 1) for word in shlex.split(shell) if "=" in word)
    return tuple(f'{name} "{path}";' for name, path in found.items() if os.access(path, os.R_OK))
