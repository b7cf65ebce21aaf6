"""Requirements and their markers (PEP 508), for a Python without packaging."""

import re

from crossbuild.installer.versions import Version, contains

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

NAME = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)\s*(?:\[([^\]]*)\])?\s*")
TOKEN = re.compile(
    r"""\s*(?:(?P<text>'[^']*'|"[^"]*")|(?P<sign>===|~=|==|!=|<=|>=|<|>|\(|\))"""
    r"""|(?P<word>[A-Za-z_][A-Za-z0-9_.]*))"""
)
OPERATORS = ("===", "~=", "==", "!=", "<=", ">=", "<", ">", "in", "not in")
OLD_NAMES = {
    "os.name": "os_name",
    "sys.platform": "sys_platform",
    "platform.version": "platform_version",
    "platform.machine": "platform_machine",
    "platform.python_implementation": "platform_python_implementation",
    "python_implementation": "platform_python_implementation",
}
"""What PEP 345 called them; setuptools wrote these for years."""
VERSIONS = {
    *("implementation_version", "platform_release", "python_full_version", "python_version"),
}


def canonical(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub("[-_.]+", "-", name.strip()).lower()


class Requirement:
    """``name[extras] specifier; marker``. Raises ValueError for what is no requirement."""

    def __init__(self, text: str) -> None:
        self.text = " ".join(text.split())
        body, _, self.marker = text.partition(";")
        found = NAME.match(body)
        if found is None:
            raise ValueError(f"{text!r} is no requirement")
        self.name = canonical(found.group(1))
        asked = (found.group(2) or "").split(",")
        self.extras = frozenset(canonical(extra) for extra in asked if extra.strip())
        self.specifier = body[found.end() :].strip()
        if self.specifier.startswith("@"):
            self.specifier = ""
        elif self.specifier.startswith("("):
            self.specifier = self.specifier.strip("() ")
        contains(self.specifier, "0")  # refuses what is no specifier

    def accepts(self, version: str) -> bool:
        """Whether a version will do."""
        return contains(self.specifier, version)

    def applies(self, environment: "Mapping[str, str]", extra: str = "") -> bool:
        """Whether the marker holds here, with one extra asked for, or none."""
        if not self.marker.strip():
            return True
        return Marker(self.marker, {**environment, "extra": extra}).value


class Marker:
    """A marker, evaluated while it is parsed."""

    def __init__(self, text: str, environment: "Mapping[str, str]") -> None:
        self.environment = environment
        self.tokens = tokens(text)
        self.at = 0
        self.value = self.any_of()
        if self.at != len(self.tokens):
            raise ValueError(f"{text.strip()!r} is no marker")

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def take(self) -> str:
        token = self.peek()
        self.at += 1
        return token

    def any_of(self) -> bool:
        value = self.all_of()
        while self.peek() == "or":
            self.take()
            value = self.all_of() or value
        return value

    def all_of(self) -> bool:
        value = self.one()
        while self.peek() == "and":
            self.take()
            value = self.one() and value
        return value

    def one(self) -> bool:
        if self.peek() == "(":
            self.take()
            value = self.any_of()
            if self.take() != ")":
                raise ValueError("a bracket is not closed")
            return value
        left, operator, right = self.take(), self.take(), self.take()
        if operator == "not":
            operator, right = f"not {right}", self.take()
        if operator not in OPERATORS:
            raise ValueError(f"{operator!r} is no operator")
        variables = {OLD_NAMES.get(side, side) for side in (left, right) if side[:1] not in "'\""}
        return compared(self.meaning(left), operator, self.meaning(right), variables)

    def meaning(self, token: str) -> str:
        if token[:1] in ("'", '"'):
            return token[1:-1]
        try:
            return self.environment[OLD_NAMES.get(token, token)]
        except KeyError:
            raise ValueError(f"{token!r} is no marker variable") from None


def tokens(text: str) -> "list[str]":
    found, at = [], 0
    text = text.strip()
    while at < len(text):
        token = TOKEN.match(text, at)
        if token is None:
            raise ValueError(f"{text!r} is no marker")
        found.append(token.group().strip())
        at = token.end()
    return found


def compared(left: str, operator: str, right: str, variables: "set[str]") -> bool:
    """One comparison: of versions where the variable is one; texts have no order (PEP 508)."""
    if operator in ("in", "not in"):
        return (left in right) == (operator == "in")
    if "extra" in variables:
        return (canonical(left) == canonical(right)) == (operator == "==")
    if operator == "===":
        return left == right
    if variables & VERSIONS and is_version(right[:-2] if right.endswith(".*") else right):
        return contains(operator + right, left)
    if operator == "~=":
        raise ValueError(f"{left!r} ~= {right!r} compares no versions")
    if operator in ("<", ">"):
        return False
    return (left == right) == (operator != "!=")


def is_version(text: str) -> bool:
    try:
        Version(text)
    except ValueError:
        return False
    return True
