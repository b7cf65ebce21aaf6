"""Ten of the corpus, one of each kind that builds in seconds, from the index to the proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.corpus import listing
from tests.corpus.running import Way, run

pytestmark = [pytest.mark.emulation, pytest.mark.network]

FIXED = {
    "docopt": "native compiler",
    "netifaces": "native compiler",
    "spidev": "native compiler",
    "mmh3": "native compiler",
    "editdistance": "native compiler",
    "pycrypto": "native compiler",
    "markupsafe": "native compiler",
    "cffi": "native compiler",
    "python-ldap": "native compiler",
    "rpds-py": "native compiler",
}
"""Which rung makes each; ``tests/corpus/packages.toml`` says what each teaches."""


@pytest.mark.parametrize(("name", "rung"), FIXED.items(), ids=list(FIXED))
def test_a_package_without_a_wheel_is_proven(name: str, rung: str, cache: Path) -> None:
    (entry,) = [item for item in listing.load() if item.name == name]
    made = run(entry, Way(cache=cache, words=("--engine", "rootfs")))
    assert made["proven"], made["diagnosis"]
    assert made["step"] == "build" or entry.source
    assert made["rung"] == rung
