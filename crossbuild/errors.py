"""Every way a run can end badly: one root class; each leaf has an exit code and a remedy.

The message says what happened and to what, in one sentence; ``remedy`` says what to do about
it. The command line prints both and exits with ``exit_code``; nothing here prints.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar


class CrossbuildError(Exception):
    """The root. ``str(error)`` is one sentence; ``remedy`` one more, possibly empty."""

    exit_code: ClassVar[int] = 1
    default_remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.remedy = self.default_remedy if remedy is None else remedy


class UsageError(CrossbuildError):
    """An argument, requirement, target or configuration that cannot be understood."""

    exit_code = 2


class ResolutionError(CrossbuildError):
    """No set of versions satisfies the requirements on the target."""

    exit_code = 3


class UnknownPackageError(ResolutionError):
    """A name or a version that the index does not have."""

    default_remedy = "Check the spelling, or add the index that has it with --extra-index-url."


class NetworkError(CrossbuildError):
    """An index or a mirror could not be reached, or answered with an error."""

    exit_code = 4
    default_remedy = "Check the connection, the proxy and the index settings, then run again."


class IntegrityError(CrossbuildError):
    """Bytes that are not what was promised: wrong hash, truncated file, unsafe archive member."""

    exit_code = 5


class HostError(CrossbuildError):
    """The host lacks something: an emulator, bubblewrap, user namespaces."""

    exit_code = 6
    default_remedy = "Run `crossbuild doctor`; `crossbuild setup` installs what is missing."


class StorageError(CrossbuildError):
    """A directory cannot be written or the disk is full."""

    exit_code = 7


class BuildError(CrossbuildError):
    """A package could not be built.

    ``log`` names the file with its whole output, ``tail`` has the last lines of it. ``eras``:
    how many earlier times are worth going back to, if newer build requirements may be to blame.
    ``phase`` is what was going on, in a word or two: empty where nobody knows.
    """

    exit_code = 8

    def __init__(
        self,
        message: str,
        *,
        remedy: str | None = None,
        log: Path | None = None,
        tail: tuple[str, ...] = (),
    ) -> None:
        whole = f"Its whole output is in {log}." if log else ""
        said = self.default_remedy if remedy is None else remedy
        super().__init__(message, remedy=" ".join(filter(None, (said, whole))))
        self.log = log
        self.tail = tail
        self.eras = 0
        self.phase = ""


class LimitError(BuildError):
    """A build was ended for passing a limit: time, silence, memory, processes or disk."""

    default_remedy = "If the package is honest and only slow, raise --timeout."


class RepairError(CrossbuildError):
    """A built wheel cannot be made to fit the target's floor."""

    exit_code = 9


class FloorError(RepairError):
    """A built wheel needs a newer C library than the target promises.

    ``needs``: the lowest platform that has all it needs; None where no known one has.
    """

    def __init__(self, message: str, *, needs: str | None) -> None:
        lowest = f"The lowest target that would do is {needs}." if needs else None
        super().__init__(message, remedy=lowest)
        self.needs = needs


class VerificationError(CrossbuildError):
    """A wheel or the wheelhouse is not what the target can use."""

    exit_code = 10


class ChannelError(CrossbuildError):
    """A channel to another machine is cut for good, or its other end refuses."""

    exit_code = 13
    default_remedy = (
        "What has arrived is kept there: the same command goes on where this one was cut."
    )


EXIT_OK = 0
EXIT_INCOMPLETE = 11
"""The wheelhouse was published but some packages failed; the report lists them."""
EXIT_UNPROVEN = 12
"""The wheelhouse is complete and statically sound, but the smoke install could not run."""
EXIT_INTERNAL = 70
"""A defect of crossbuild itself (sysexits.h, EX_SOFTWARE); the traceback is in a file."""
EXIT_INTERRUPTED = 130
