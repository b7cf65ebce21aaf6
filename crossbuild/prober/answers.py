"""What is asked, and what could not be found out."""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, TypeVar

    T = TypeVar("T")

BITS = 64 if sys.maxsize > 2**32 else 32
UNKNOWN: "dict[str, str]" = {}


def known(name: str, ask: "Callable[[], T | None]") -> "T | None":
    """What ``ask`` answers; where it has no answer, None, and ``unknown`` says why."""
    try:
        answer = ask()
    except Exception as error:  # noqa: BLE001
        UNKNOWN[name] = f"{type(error).__name__}: {error}"
        return None
    if answer is None:
        UNKNOWN[name] = "nothing here tells it"
    return answer


def first(*ways: "tuple[str, Callable[[], str | None]]") -> "tuple[str, str]":
    """The first answer of several ways to find one thing out, with the name of the way."""
    failures = []
    for name, ask in ways:
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001
            failures.append(f"{name}: {type(error).__name__}: {error}")
            continue
        if answer:
            return answer, name
        failures.append(f"{name}: no answer")
    raise LookupError("; ".join(failures))


def config(name: str) -> "Any":
    """A variable that this Python was built with; None where it is not told."""
    try:
        import sysconfig

        return sysconfig.get_config_var(name)
    except Exception:  # noqa: BLE001
        return None
