"""Virtual environments (PEP 405), made without the modules venv and ensurepip."""

import os
import sys

from crossbuild.installer.failure import UNWRITABLE, Failure
from crossbuild.installer.journal import Journal, make_directories
from crossbuild.installer.schemes import SHORT, Scheme, by_hand, chosen

CONFIGURATION = "pyvenv.cfg"
ACTIVATE = """\
# Use it so: . {0}/bin/activate        and end it so: deactivate
deactivate() {{
    PATH=$_CROSSBUILD_PATH; export PATH
    unset VIRTUAL_ENV _CROSSBUILD_PATH; unset -f deactivate
    hash -r 2>/dev/null
}}
_CROSSBUILD_PATH=$PATH
VIRTUAL_ENV={0}; export VIRTUAL_ENV
PATH=$VIRTUAL_ENV/bin:$PATH; export PATH
unset PYTHONHOME
hash -r 2>/dev/null
"""


def venv_scheme(directory: str) -> Scheme:
    """The scheme of a virtual environment that is there or will be made.

    Raises Failure for a directory that holds something else.
    """
    directory = os.path.abspath(directory)
    if os.path.lexists(directory):
        check_venv(directory)
    headers = os.path.join(directory, "include", "site", SHORT)
    python = os.path.join(directory, "bin", "python")
    scheme = chosen(by_hand(directory), directory, headers, python)
    scheme.searched = False
    scheme.venv = directory
    return scheme


def check_venv(directory: str) -> None:
    remedy = "Choose another directory for --venv."
    if not os.path.isdir(directory):
        raise Failure(UNWRITABLE, f"{directory} is a file", remedy)
    if not os.listdir(directory):
        return
    if not os.path.isfile(os.path.join(directory, CONFIGURATION)):
        raise Failure(UNWRITABLE, f"{directory} holds something, and is no venv", remedy)
    if not os.path.isdir(os.path.join(directory, "lib", SHORT)):
        raise Failure(UNWRITABLE, f"{directory} is a venv of another Python than {SHORT}", remedy)


def base_python() -> str:
    """The interpreter that virtual environments of this one start."""
    base = getattr(sys, "_base_executable", None) or sys.executable
    if sys.prefix != sys.base_prefix and base == sys.executable:
        base = os.path.join(sys.base_prefix, "bin", SHORT)
    return os.path.abspath(base or "/usr/bin/python3")


def stage_venv(scheme: Scheme, journal: Journal) -> None:
    """Let the transaction make what the environment has not yet."""
    top, python = scheme.venv, base_python()
    texts = {
        CONFIGURATION: f"home = {os.path.dirname(python)}\n"
        "include-system-site-packages = false\n"
        f"version = {sys.version.split()[0]}\n",
        os.path.join("bin", "activate"): ACTIVATE.format(shell_quoted(top)),
    }
    links = {"bin/python": python, "bin/python3": "python", f"bin/{SHORT}": "python"}
    if sys.maxsize > 2**32:
        links["lib64"] = "lib"
    for name in (*texts, *links):
        path = os.path.join(top, name)
        if os.path.lexists(path):
            continue
        make_directories(os.path.dirname(journal.staged(path)))
        if name in links:
            os.symlink(links[name], journal.staged(path))
        else:
            with open(journal.staged(path), "w", encoding="utf-8") as file:
                file.write(texts[name])


def shell_quoted(text: str) -> str:
    return "'" + text.replace("'", "'\"'\"'") + "'"
