"""Versions and specifiers (PEP 440), for a Python without packaging."""

import re

VERSION = re.compile(
    r"""\s*v?(?:(?P<epoch>[0-9]+)!)?(?P<release>[0-9]+(?:\.[0-9]+)*)
    (?:[-_.]?(?P<pre>alpha|a|beta|b|preview|pre|c|rc)[-_.]?(?P<pre_n>[0-9]+)?)?
    (?P<post>-(?P<post_dash>[0-9]+)|[-_.]?(?:post|rev|r)[-_.]?(?P<post_n>[0-9]+)?)?
    (?P<dev>[-_.]?dev[-_.]?(?P<dev_n>[0-9]+)?)?
    (?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?\s*""",
    re.VERBOSE | re.IGNORECASE,
)
CLAUSE = re.compile(r"\s*(===|~=|==|!=|<=|>=|<|>)\s*(.+?)\s*")
PHASES = {"alpha": "a", "beta": "b", "c": "rc", "pre": "rc", "preview": "rc"}
LAST = 1 << 62
"""Sorts behind every number."""


class Version:
    """A version that sorts as PEP 440 says. Raises ValueError for what is none."""

    def __init__(self, text: str) -> None:
        found = VERSION.fullmatch(text)
        if found is None:
            raise ValueError(f"{text!r} is no version")
        self.text = text.strip()
        part = found.groupdict()
        self.epoch = int(part["epoch"] or 0)
        self.release = tuple(map(int, part["release"].split(".")))
        phase = (part["pre"] or "").lower()
        self.pre = (PHASES.get(phase, phase), int(part["pre_n"] or 0)) if phase else None
        post = part["post_dash"] or part["post_n"] or 0
        self.post = int(post) if part["post"] else None
        self.dev = int(part["dev_n"] or 0) if part["dev"] else None
        self.local = tuple(re.split("[-_.]", (part["local"] or "").lower()))
        self.public = (self.epoch, trimmed(self.release), self.phase(), *self.tail())
        self.key = (*self.public, tuple(map(segment, self.local)) if part["local"] else ())

    def phase(self) -> "tuple[str, int]":
        """Where the release stands: a development release sorts before its pre-releases."""
        if self.pre is None and self.post is None and self.dev is not None:
            return "", 0
        return self.pre or ("z", 0)

    def tail(self) -> "tuple[int, int]":
        """The post-release and the development release, each absent one in its place."""
        return -1 if self.post is None else self.post, LAST if self.dev is None else self.dev

    @property
    def prerelease(self) -> bool:
        """Whether it is one, or a development release."""
        return self.pre is not None or self.dev is not None


def trimmed(release: "tuple[int, ...]") -> "tuple[int, ...]":
    """1.0 and 1.0.0 are the same."""
    end = len(release)
    while end > 1 and release[end - 1] == 0:
        end -= 1
    return release[:end]


def segment(text: str) -> "tuple[int, int, str]":
    """A part of a local version: numbers sort behind words."""
    return (1, int(text), "") if text.isdigit() else (0, 0, text)


def same_version(left: str, right: str) -> bool:
    """Whether two versions are equal; as texts where one of them is none."""
    try:
        return Version(left).key == Version(right).key
    except ValueError:
        return left == right


def clauses(text: str) -> "list[tuple[str, str]]":
    """The operator and version of each part of a specifier. Raises ValueError for what is none."""
    found = []
    for part in text.split(","):
        if part.strip():
            clause = CLAUSE.fullmatch(part)
            if clause is None:
                raise ValueError(f"{part.strip()!r} is no version specifier")
            found.append((clause.group(1), clause.group(2)))
    return found


def contains(specifier: str, version: str) -> bool:
    """Whether a version is in a set. Pre-releases are: what is there was chosen elsewhere.

    Raises ValueError for a specifier that is none. A version that is none is only in ``===``.
    """
    held = [holds(operator, wanted, version) for operator, wanted in clauses(specifier)]
    return all(held)


def holds(operator: str, wanted: str, given: str) -> bool:
    if operator == "===":
        return given.strip().lower() == wanted.lower()
    try:
        version = Version(given)
    except ValueError:
        return False
    if wanted.endswith(".*") and operator in ("==", "!="):
        return begins(version, Version(wanted[:-2])) == (operator == "==")
    bound = Version(wanted[:-2] if wanted.endswith(".*") else wanted)  # >=2.6.* was once usual
    if operator == "~=":
        stem = Version("{}!{}".format(bound.epoch, ".".join(map(str, bound.release[:-1]))))
        return version.public >= bound.public and begins(version, stem)
    if operator in ("==", "!="):
        local = bool(bound.key[-1])
        equal = version.key == bound.key if local else version.public == bound.public
        return equal == (operator == "==")
    return ordered(operator, version, bound)


def begins(version: Version, stem: Version) -> bool:
    """Whether a version's release begins so; a stem with a phase is the whole of it."""
    length = len(stem.release)
    if stem.pre is not None or stem.post is not None or stem.dev is not None:
        return version.public == stem.public
    release = version.release + (0,) * (length - len(version.release))
    return version.epoch == stem.epoch and release[:length] == stem.release


def ordered(operator: str, version: Version, bound: Version) -> bool:
    """<, <=, >= and >; the strict ones leave out the bound's own pre-, post- and local ones."""
    if operator == "<=":
        return version.public <= bound.public
    if operator == ">=":
        return version.public >= bound.public
    same = version.epoch == bound.epoch and trimmed(version.release) == trimmed(bound.release)
    if operator == "<":
        excluded = version.prerelease and not bound.prerelease and same
        return version.public < bound.public and not excluded
    excluded = (
        same and version.pre == bound.pre and version.post is not None and bound.post is None
    )
    return version.public > bound.public and not excluded
