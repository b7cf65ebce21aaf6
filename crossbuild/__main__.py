"""``python -m crossbuild``."""

from __future__ import annotations

import sys

from crossbuild.cli.main import main

sys.exit(main())
