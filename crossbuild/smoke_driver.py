"""Runs on the target (Python 3.6+, standard library only): import each module in its own process.

Arguments: one JSON list of ``[distribution, module]`` and the path to write the results to: a
JSON list of ``{"distribution", "module", "error", "seconds"}``; ``error`` is null or the end of
the traceback, at most 4,000 characters.
"""

import json
import subprocess
import sys
import time
from typing import Optional

SECONDS = 300


def attempt(module: str) -> Optional[str]:
    """Import ``module`` in a fresh interpreter: None, or what went wrong."""
    code = "import importlib, sys; importlib.import_module(sys.argv[1])"
    try:
        done = subprocess.run(
            [sys.executable, "-c", code, module],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return f"no end after {SECONDS} s"
    if done.returncode == 0:
        return None
    text = done.stdout.decode("utf-8", "replace")[-4000:]
    if done.returncode < 0:
        text += f"\nkilled by signal {-done.returncode}"
    return text or f"code {done.returncode}"


def main() -> None:
    """Import everything named on the command line."""
    rows = []
    for distribution, module in json.loads(sys.argv[1]):
        began = time.time()
        error = attempt(module)
        seconds = round(time.time() - began, 3)
        rows.append(
            {"distribution": distribution, "module": module, "error": error, "seconds": seconds}
        )
    with open(sys.argv[2], "w") as results:
        json.dump(rows, results)


if __name__ == "__main__":
    main()
