"""The command line of install.py."""

from crossbuild.installer.failure import USAGE, Failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

USAGE_TEXT = """\
usage: python3 install.py [OPTION]... [REQUIREMENT]...

Installs what lies beside this file: all of it, or the requirements named, with what they need.
It needs no pip, no network, and no other program.

where:
  --user                   this user's own directory
  --target DIR             one directory, to put on sys.path
  --prefix DIR             a tree like /usr/local
  --venv DIR               a virtual environment, made if it is not there
  --root DIR               a tree that will be the root of another system
what else:
  --upgrade                take the wheelhouse's version of what is named, if another is there
  --force-reinstall        install again what is there already
  --no-deps                without what they need
  --no-compile             without byte code
  --break-system-packages  even if the system's package manager owns this Python
  --dry-run                say what would be done
  --bootstrap-pip          pip, too, if it is not there: ensurepip's, else the wheelhouse's
  --with-pip               let the pip that is there do it, once all is checked
  --verify-key KEY         only if SHA256SUMS is signed with this key (minisign, or ssh-ed25519)
instead:
  --uninstall NAME...      remove
  --list                   say what is installed there
  --verify                 hold what is installed against its RECORD, and import it
  --recover                only finish, or take back, what a killed run left
  --help

exit codes:
  0 done  1 pip failed, or --verify found something  2 usage
  3 something is missing or conflicts  5 a wrong hash, damaged or unsafe
  6 this Python lacks something  7 cannot write  10 not for this machine  70 a defect
  130 interrupted
"""
FLAGS = (
    *("user", "upgrade", "force-reinstall", "no-deps", "no-compile", "break-system-packages"),
    *("dry-run", "bootstrap-pip", "with-pip", "uninstall", "list", "verify", "recover", "help"),
)
VALUES = ("venv", "target", "prefix", "root", "verify-key")
SHORT_FLAGS = {"-h": "--help", "-t": "--target", "-U": "--upgrade"}
PLACES = ("user", "target", "prefix", "venv")
INSTEAD = ("uninstall", "list", "verify", "recover")


class Options:
    """What the command line says; each option is an attribute. Raises Failure for nonsense."""

    def __init__(self, argv: "Sequence[str]") -> None:
        self.names: "list[str]" = []
        for name in FLAGS:
            setattr(self, name.replace("-", "_"), False)
        for name in VALUES:
            setattr(self, name.replace("-", "_"), "")
        self.read(list(argv))
        self.check()

    def __getattr__(self, name: str) -> "Any":
        raise AttributeError(name)

    def read(self, words: "list[str]") -> None:
        while words:
            word = SHORT_FLAGS.get(words[0], words[0])
            words = words[1:]
            name, equals, value = word[2:].partition("=")
            if not word.startswith("-"):
                self.names.append(word)
            elif word.startswith("--") and name in FLAGS and not equals:
                setattr(self, name.replace("-", "_"), True)
            elif word.startswith("--") and name in VALUES:
                if not equals and words and not words[0].startswith("-"):
                    value, words = words[0], words[1:]
                if not value:  # a variable that was empty must not mean: as if it were not said
                    raise Failure(USAGE, f"--{name} wants a value", "See --help.")
                setattr(self, name.replace("-", "_"), value)
            else:
                raise Failure(USAGE, f"{word} is no option of install.py", "See --help.")

    def check(self) -> None:
        for group in (PLACES, INSTEAD):
            said = [f"--{name}" for name in group if getattr(self, name)]
            if len(said) > 1:
                raise Failure(USAGE, f"{' and '.join(said)} cannot be used together")
        for name in ("with_pip", "root"):
            if self.venv and getattr(self, name):
                option = name.replace("_", "-")
                raise Failure(USAGE, f"--{option} and --venv cannot be used together")
        if self.uninstall and not self.names:
            raise Failure(USAGE, "--uninstall wants names", "See --help.")
