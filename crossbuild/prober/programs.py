"""Other programs, with or without the module subprocess."""

import os
import sys


def said(program: str) -> str:
    """What a program writes to standard error, with or without the module subprocess."""
    try:
        import subprocess
    except ImportError:
        return said_to_fork(program)
    with subprocess.Popen([program], stderr=subprocess.PIPE) as running:
        return running.communicate()[1].decode("utf-8", "replace")


def said_to_fork(program: str) -> str:
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.dup2(writing, 2)
            os.execv(program, [program])
        finally:
            os._exit(127)
    os.close(writing)
    with os.fdopen(reading, "rb") as answer:
        text = answer.read().decode("utf-8", "replace")
    os.waitpid(child, 0)
    return text


def programs() -> bool:
    """Whether a program may be started: this Python again, to do nothing."""
    code = ended([sys.executable or "/proc/self/exe", "-I", "-S", "-c", "pass"])
    if code != 0:
        raise OSError(f"a program that does nothing ended with {code}")
    return True


def ended(argv: "list[str]") -> int:
    """Run a program and give its exit code, as wait(2) has it."""
    try:
        import subprocess
    except ImportError:
        child = os.fork()
        if child == 0:
            try:
                os.execv(argv[0], argv)
            finally:
                os._exit(127)
        return os.waitpid(child, 0)[1]
    return subprocess.call(argv)
