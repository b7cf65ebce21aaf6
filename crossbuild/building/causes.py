"""What a compiler's complaint means: C that was written for an older CPython.

Each row is a name that was in CPython's headers and is not any more, or not as it was. The
version is the first without it ("What's New in Python", "C API Changes", "Removed").
"""

from __future__ import annotations

import re
from typing import NamedTuple

Python = tuple[int, int]


class _Row(NamedTuple):
    sentence: re.Pattern[str]
    since: Python


def _rows(*rows: tuple[str, Python]) -> tuple[_Row, ...]:
    return tuple(_Row(re.compile(sentence), since) for sentence, since in rows)


_GONE = _rows(
    (r"\btp_print\b", (3, 8)),
    (r"\bPyCode_New\b|function call to .*, expected 16, have 15", (3, 8)),
    (r"\bexc_(type|value|traceback)\b.*(_ts|PyThreadState|exc_info|_err_stackitem)", (3, 11)),
    (r"no member named 'exc_(type|value|traceback)'", (3, 11)),
    (r"\blongintrepr\.h\b", (3, 11)),
    (r"incomplete (type|definition).*(_frame|PyFrameObject)", (3, 11)),
    (r"(_frame|PyFrameObject).*(incomplete|no member named 'f_)", (3, 11)),
    (r"no member named '(use_tracing|recursion_depth|curexc_\w+)'", (3, 11)),
    (r"\bPyUnicode_Encode(UTF\w+|Latin1|ASCII|\w*Escape|Charmap|Decimal)?\b", (3, 11)),
    (r"\bPyUnicode_(TranslateCharmap|TransformDecimalToASCII)\b", (3, 11)),
    (r"\bPyObject_As(Read|Write|Char)Buffer\b", (3, 10)),
    (r"no member named 'ob_digit'", (3, 12)),
    (r"\bPyUnicode_(AS_UNICODE|GET_SIZE|AsUnicode|FromUnicode|GET_DATA_SIZE)\b", (3, 12)),
    (r"\b_PyUnicode_get_wstr_length\b|no member named 'wstr(_length)?'", (3, 12)),
    (r"\bPyEval_(CallObject\w*|CallFunction|CallMethod)\b|\bPyCFunction_Call\b", (3, 13)),
    (r"\b_PyThreadState_UncheckedGet\b|\b_PyLong_AsByteArray\b", (3, 13)),
    (r"\b_Py(Object|CFunction)_Fast(Call|Vectorcall)\w*\b|\b_PyInterpreterState_Get\b", (3, 13)),
)
ASSIGNED = re.compile(r"expression is not assignable|lvalue required as left operand")
"""Something was assigned to that is no variable; ``Py_TYPE(x)`` was one until 3.11."""


def gone_since(why: str, python: Python) -> Python | None:
    """The CPython that took away what a compiler misses, if that is in the target's past."""
    return next((row.since for row in _GONE if row.since <= python and row.sentence.search(why)),
                None)  # fmt: skip


def advice(since: Python) -> str:
    """What to do with C for an older CPython."""
    before = f"{since[0]}.{since[1] - 1}"
    return (
        f"Its C code is for CPython {before} or older: what it uses is not in the C interface of "
        f"{since[0]}.{since[1]}. Take a newer version of it, or make the wheels for --python "
        f"{before}."
    )
