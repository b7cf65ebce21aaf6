"""Where the parts of a wheel go: the schemes of this Python, as pip chooses among them."""

import os
import sys

from crossbuild.installer.failure import UNWRITABLE, USAGE, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PARTS = ("purelib", "platlib", "scripts", "headers", "data")
SHORT = "python{}.{}".format(*sys.version_info[:2])


class Scheme:
    """The five directories, the interpreter that scripts start, and what was asked for.

    ``searched``: an installed distribution elsewhere on the path counts as there, too.
    """

    def __init__(self, paths: "dict[str, str]", title: str, executable: str = "") -> None:
        self.paths = paths
        self.title = title
        self.executable = executable or sys.executable or "/usr/bin/env python3"
        self.searched = True
        self.venv = ""

    def directory(self, part: str, project: str) -> str:
        """Where files of one part go; headers have a directory for each project."""
        return os.path.join(self.paths[part], project) if part == "headers" else self.paths[part]

    def roots(self) -> "list[str]":
        """The directories, each once."""
        return list(dict.fromkeys(self.paths[part] for part in PARTS))

    def below(self, root: str) -> "Scheme":
        """The same in a tree that will be the root of another system (``--root``)."""
        moved = {part: root + os.path.abspath(path) for part, path in self.paths.items()}
        scheme = Scheme(moved, root, self.executable)
        scheme.searched = False
        return scheme


def environment() -> str:
    """The virtual environment that this Python runs in, or nothing.

    Without site (-S) Python before 3.14 takes no notice of its own: this looks where site would
    (PEP 405). What was meant for the environment would lie in the Python that it was made of.
    """
    if sys.prefix != sys.base_prefix:
        return sys.prefix
    if not sys.flags.no_site or not sys.executable:
        return ""
    programs = os.path.dirname(os.path.abspath(sys.executable))
    above = os.path.dirname(programs)
    marked = any(os.path.isfile(os.path.join(one, "pyvenv.cfg")) for one in (programs, above))
    return above if marked else ""


def in_venv() -> bool:
    """Whether this Python runs in a virtual environment."""
    return bool(environment())


def from_sysconfig(name: "str | None", values: "dict[str, str]") -> "dict[str, str]":
    """The paths of a scheme of sysconfig; by hand where this Python has no sysconfig."""
    try:
        import sysconfig

        if name is None:
            return sysconfig.get_paths(vars=values)
        return sysconfig.get_paths(name, values)
    except (ImportError, KeyError, ValueError):
        return by_hand(values.get("base") or values.get("userbase") or sys.prefix)


def by_hand(base: str) -> "dict[str, str]":
    """The paths that CPython has on Linux when nobody changed them."""
    library = os.path.join(base, "lib", SHORT, "site-packages")
    return {
        "purelib": library,
        "platlib": library,
        "scripts": os.path.join(base, "bin"),
        "data": base,
        "include": os.path.join(base, "include", SHORT),
    }


def preferred(kind: str, old: str) -> str:
    """The name of a scheme: sysconfig's choice since 3.10."""
    try:
        import sysconfig

        ask: "Any" = sysconfig.get_preferred_scheme  # type: ignore[attr-defined,unused-ignore]
        return str(ask(kind))
    except (ImportError, AttributeError):
        return old


def chosen(paths: "dict[str, str]", title: str, headers: str, executable: str = "") -> Scheme:
    parts = {part: paths[part] for part in PARTS if part != "headers"}
    if os.path.realpath(parts["platlib"]) == os.path.realpath(parts["purelib"]):
        parts["platlib"] = parts["purelib"]  # lib64 is a link to lib
    return Scheme({**parts, "headers": headers}, title, executable)


def default_scheme() -> Scheme:
    """Where this Python's own packages go."""
    if environment() not in ("", sys.prefix):
        return prefix_scheme(environment())
    paths = from_sysconfig(None, {})
    if not in_venv():
        paths = debian_before_sysconfig_knew(paths)
        return chosen(paths, f"{sys.prefix} (Python {SHORT[6:]})", paths["include"])
    return chosen(paths, sys.prefix, os.path.join(sys.prefix, "include", "site", SHORT))


def debian_before_sysconfig_knew(paths: "dict[str, str]") -> "dict[str, str]":
    """Debian before Python 3.10 told only distutils that local packages go to /usr/local."""
    try:
        import site

        own = site.getsitepackages()
    except (ImportError, AttributeError):
        return paths
    if sys.version_info >= (3, 10) or not own or not own[0].startswith("/usr/local/lib/"):
        return paths
    if not own[0].endswith("dist-packages"):
        return paths
    return {**by_hand("/usr/local"), "purelib": own[0], "platlib": own[0]}


def user_scheme() -> Scheme:
    """The user's own directory. Raises Failure in a virtual environment that is closed to it."""
    import site

    if in_venv() and not site.ENABLE_USER_SITE:
        message = "--user cannot be used in a virtual environment that does not see user packages"
        raise Failure(USAGE, message, "Leave --user out.")
    base = site.getuserbase()
    paths = from_sysconfig(preferred("user", "posix_user"), {"userbase": base})
    return chosen(paths, base, paths["include"])


def prefix_scheme(prefix: str, executable: str = "", name: str = "") -> Scheme:
    """A tree like /usr/local. Distributions elsewhere on the path count as there, as with pip."""
    prefix = os.path.abspath(prefix)
    values = {"base": prefix, "platbase": prefix, "installed_base": prefix}
    paths = from_sysconfig(name or preferred("prefix", "posix_prefix"), values)
    headers = os.path.join(prefix, "include", "site", SHORT) if in_venv() else paths["include"]
    return chosen(paths, prefix, headers, executable)


def target_scheme(directory: str) -> Scheme:
    """One directory to put on ``sys.path``; scripts go to its bin."""
    directory = os.path.abspath(directory)
    paths = {**by_hand(directory), "purelib": directory, "platlib": directory}
    scheme = chosen(paths, directory, os.path.join(directory, "include", "python"))
    scheme.searched = False
    return scheme


def scheme_for(options: "Any", say: "Any") -> Scheme:
    """The scheme that the options ask for. Raises Failure where none can be written."""
    if options.target:
        scheme = target_scheme(options.target)
    elif options.prefix:
        scheme = prefix_scheme(options.prefix)
    elif options.user:
        scheme = user_scheme()
    else:
        scheme = default_or_user(options, say)
    return scheme.below(os.path.abspath(options.root)) if options.root else scheme


def default_or_user(options: "Any", say: "Any") -> Scheme:
    """The default; the user's directory where the default is closed to this user, as pip does."""
    scheme = default_scheme()
    if options.root or all(may_write(scheme.paths[part]) for part in ("purelib", "platlib")):
        return scheme
    import site

    if site.ENABLE_USER_SITE and not in_venv():
        say(
            f"{scheme.paths['purelib']} cannot be written: installing for this user alone (--user)"
        )
        return user_scheme()
    message = f"{scheme.paths['purelib']} cannot be written by this user"
    remedy = "Choose another place: --user, --target DIR, --prefix DIR or --venv DIR."
    raise Failure(UNWRITABLE, message, remedy)


def may_write(path: str) -> bool:
    """Whether this user may write there: in the directory, or in the nearest one that exists."""
    while not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return os.access(path, os.W_OK)


def refuse_managed() -> None:
    """Raise Failure where the system's package manager owns this Python (PEP 668)."""
    if in_venv():
        return
    standard = from_sysconfig(None, {}).get("stdlib") or os.path.dirname(os.__file__)
    marker = os.path.join(standard, "EXTERNALLY-MANAGED")
    if os.path.isfile(marker):
        message = f"this Python belongs to the system's package manager ({marker})"
        remedy = "Install into a virtual environment of its own with --venv DIR"
        raise Failure(USAGE, message, remedy + ", or insist with --break-system-packages.")
