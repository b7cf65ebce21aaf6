"""What can go wrong on the target, said in one sentence, with an exit code as crossbuild's own."""

FAILED = 1
USAGE = 2
INCOMPLETE = 3
DAMAGED = 5
LACKING = 6
UNWRITABLE = 7
UNFIT = 10


class Failure(Exception):
    """What happened, to what; ``remedy`` is what to do about it, ``code`` the exit code."""

    def __init__(self, code: int, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.remedy = remedy

    def sentence(self) -> str:
        """All of it, in one line."""
        return f"{self}. {self.remedy}" if self.remedy else f"{self}."


def reason(error: BaseException) -> str:
    """What an error says of itself: the operating system's words where it is one of its."""
    said = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return said[:1].lower() + said[1:]


def unwritable(path: str, error: OSError) -> Failure:
    """A place that cannot be written."""
    remedy = "Choose another place: --user, --target DIR, --prefix DIR or --venv DIR."
    if error.errno == 28:  # ENOSPC
        remedy = "Make room, then run it again: nothing was changed."
    return Failure(UNWRITABLE, f"{path} cannot be written: {reason(error)}", remedy)
