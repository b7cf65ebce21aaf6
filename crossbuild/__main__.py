"""``python -m crossbuild``, and the command ``crossbuild``."""

from __future__ import annotations

import sys

_INTERRUPTED = 130


def start() -> int:
    """Run the command line; the exit code. Ctrl-C while its modules are loaded ends it quietly."""
    try:
        from crossbuild.cli.main import main
    except KeyboardInterrupt:
        sys.stderr.write("interrupted\n")
        return _INTERRUPTED
    return main()


if __name__ == "__main__":
    sys.exit(start())
