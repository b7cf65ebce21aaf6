"""The command line of a sandbox: namespaces of our own around bubblewrap.

setpriv  (crossbuild.process: dies with crossbuild)
 └ unshare  a user namespace where we are root, mounts, processes; its child dies with it
    └ sh  process 1 there: when it dies, the kernel kills the rest. Registers QEMU
       └ bwrap  lays out the files, gives up every privilege
          └ the command, as uid 1000, without network or the host's files

Everything below ``sh`` is nicer than it: so it gets to die at once, however many processes
compete for the processor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from crossbuild.engine.base import WORK, Limits
from crossbuild.engine.emulation import Emulation
from crossbuild.errors import UsageError

UID = 1000
"""The user inside: not 0, or archives would be unpacked with their owners (DESIGN section 4)."""

THREADS_PER_PROCESS = 4
"""The kernel counts threads where ``Limits.processes`` counts processes."""

_RESERVED_PIDS = 300
OWN = frozenset({"dev", "proc", "sys", "tmp", "run", "work"})
"""What each session has of its own at the top; what a root has there is not seen."""

_RESERVED = frozenset({"dev", "etc", "proc", "sys", "tmp", "usr", "var"})

# $1 the session's directory, $2 the largest process number, $3 a rule for binfmt_misc or nothing.
# The rules are mounted on /sys, which is there on every host and which nothing below needs;
# /proc/sys/fs/binfmt_misc is there only once the kernel has loaded the module. /dev/shm has to
# be a tmpfs: glibc before 2.34 looks for one, or there are no semaphores.
_ENTER = """\
set -e
if [ -n "$3" ]; then
  mount -t binfmt_misc none /sys
  printf %s "$3" >/sys/register
fi
mount -t tmpfs -o size=256m,mode=1777 none "$1/shm"
exec 3>"$1/status"
umask 022
{
  ulimit -n 4096
  echo 2 >/proc/sys/user/max_user_namespaces
  echo "$2" >/proc/sys/kernel/pid_max
  echo 800 >/proc/self/oom_score_adj
} 2>/dev/null || :
shift 3
nice -n 10 "$@"
exit $?
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class Sandbox:
    """One root with what is mounted over it.

    ``directory`` is the session's own on the host: ``lay_out`` makes in it what is writable
    inside. ``mounts`` maps absolute paths inside to host directories, read-only. ``writable``
    opens the root itself, for finishing an image.
    """

    root: Path
    directory: Path
    emulation: Emulation
    limits: Limits
    mounts: Mapping[str, Path]
    writable: bool = False

    @property
    def work(self) -> Path:
        """``WORK`` on the host."""
        return self.directory / "work"

    @property
    def status(self) -> Path:
        """Where bubblewrap tells what became of the command (bwrap(1), --json-status-fd)."""
        return self.directory / "status"

    def lay_out(self) -> None:
        """Make the session's directories."""
        for name in ("work", "tmp", "shm"):
            (self.directory / name).mkdir()

    def argv(
        self,
        command: Sequence[str],
        *,
        environment: Mapping[str, str],
        cwd: str = WORK,
        cgroup: Path | None = None,
    ) -> list[str]:
        """The whole host command line that runs ``command`` inside."""
        setenv = [word for name in environment.items() for word in ("--setenv", *name)]
        return [
            *_joining(cgroup),
            *("unshare", "--user", "--map-root-user", "--mount", "--pid", "--mount-proc"),
            *("--fork", "--kill-child", "sh", "-c", _ENTER, "sh"),
            *(str(self.directory), str(self._largest_pid), self.emulation.rule),
            *("prlimit", f"--nproc={self._threads}", f"--fsize={self.limits.disk}", "--core=0"),
            *("bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"),
            *("--uid", str(UID), "--gid", str(UID), "--hostname", "crossbuild"),
            *("--json-status-fd", "3", "--clearenv", *setenv),
            *self._filesystem(),
            *("--chdir", cwd, "--", *command),
        ]

    @property
    def _threads(self) -> int:
        return self.limits.processes * THREADS_PER_PROCESS

    @property
    def _largest_pid(self) -> int:
        """Numbers below 300 are not given out again once they were all used (kernel/pid.c)."""
        return self._threads + _RESERVED_PIDS

    def _filesystem(self) -> list[str]:
        """The mounts: a fresh root, so that any path can be a mount point, then read-only."""
        words: list[str] = []
        bind = "--bind" if self.writable else "--ro-bind"
        for path in _entries(self.root):
            inside = f"/{path.relative_to(self.root)}"
            if path.is_symlink():
                words += ["--symlink", str(path.readlink()), inside]
            else:
                words += [bind, str(path), inside]
        for name in ("work", "tmp"):
            words += ["--bind", str(self.directory / name), f"/{name}"]
        words += ["--proc", "/proc", "--dev", "/dev", "--dir", "/run"]
        words += ["--bind", str(self.directory / "shm"), "/dev/shm", "--remount-ro", "/dev"]  # noqa: S108
        for inside, outside in self.mounts.items():
            words += ["--ro-bind", str(outside), inside]
        return [*words, "--remount-ro", "/"]


def check_mount_point(path: str) -> None:
    """Raise UsageError for a path that nothing can be mounted on inside a sandbox."""
    pure = PurePosixPath(path)
    top = pure.parts[1] if len(pure.parts) > 1 else ""
    if not pure.is_absolute() or ".." in pure.parts or not top or top in _RESERVED:
        raise UsageError(f"{path!r} cannot be a mount point in a sandbox")


def _joining(cgroup: Path | None) -> list[str]:
    """A prefix that puts what follows into a cgroup before it can fork."""
    if cgroup is None:
        return []
    return ["sh", "-ec", 'echo $$ >"$1"; shift; exec "$@"', "sh", str(cgroup / "cgroup.procs")]


def _entries(root: Path) -> list[Path]:
    """What of the root is mounted: /opt entry by entry, so that trees can join it."""
    top = [path for path in sorted(root.iterdir()) if path.name not in OWN]
    split = [path for path in top if path.name == "opt" and not path.is_symlink()]
    inner = [path for parent in split for path in sorted(parent.iterdir())]
    return [path for path in top if path not in split] + inner
