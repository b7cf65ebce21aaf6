"""Runs on the target: tells as JSON what its Python is and accepts (schema crossbuild-probe/1).

    python3 probe.py > probe.json        or, with a file to write to:  python3 probe.py FILE

Python 3.6 or newer. It needs ``os`` and ``sys``; of everything else each part may be missing:
what cannot be found out is null, and ``unknown`` says why. It writes nothing but the answer,
starts one program to see whether that is allowed, asks the package index that this machine is
configured for whether it answers, and ends with code 0.
"""

import sys

from crossbuild.prober.answers import UNKNOWN, known
from crossbuild.prober.clibrary import libc
from crossbuild.prober.interpreter import host_platform, markers, python
from crossbuild.prober.library import modules, pip
from crossbuild.prober.network import index
from crossbuild.prober.places import free, places, sites, writable
from crossbuild.prober.programs import programs
from crossbuild.prober.tags import tags

SCHEMA = "crossbuild-probe/1"


def probe() -> "dict[str, object]":
    """Everything; ``unknown`` last, for it fills meanwhile."""
    library = known("libc", libc)
    found = known("places", places)
    answer: "dict[str, object]" = {
        "schema": SCHEMA,
        "markers": known("markers", markers),
        "python": python(),
        "libc": library,
        "platform": known("platform", host_platform),
        "tags": known("tags", lambda: tags(library)),
        "modules": modules(),
        "pip": pip(),
        "places": found,
        "sites": known("sites", sites),
        "writable": known("writable", lambda: writable(found)),
        "free": known("free", lambda: free(found)),
        "programs": bool(known("programs", programs)),
        "index": known("index", index),
    }
    answer["unknown"] = UNKNOWN
    return answer


def quoted(text: str) -> str:
    """A text in JSON, with nothing in it but ASCII."""
    units = text.encode("utf-16-be", "surrogatepass")
    codes = [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]
    signs = [f"\\u{code:04x}" if code in (34, 92) else chr(code) for code in codes]
    return (
        '"'
        + "".join(sign if " " <= sign[0] < "\x7f" else f"\\u{ord(sign):04x}" for sign in signs)
        + '"'
    )


def encoded(value: object, margin: str = "\n") -> str:
    """JSON, for a Python without the module json."""
    inner = margin + "  "
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict):
        items = [f"{quoted(key)}: {encoded(item, inner)}" for key, item in value.items()]
        return "{" + inner + ("," + inner).join(items) + margin + "}" if items else "{}"
    if isinstance(value, list):
        items = [encoded(item, inner) for item in value]
        return "[" + inner + ("," + inner).join(items) + margin + "]" if items else "[]"
    return {"None": "null", "True": "true", "False": "false"}.get(str(value), str(value))


def main(words: "list[str]") -> None:
    text = encoded(probe()) + "\n"
    if words:
        with open(words[0], "w") as file:
            file.write(text)
    else:
        sys.stdout.write(text)


if __name__ == "__main__":
    main(getattr(sys, "argv", [])[1:])
