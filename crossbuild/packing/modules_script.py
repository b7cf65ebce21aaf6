"""Tells where the modules of this Python's standard library lie, and those that they import.

    python -I -S modules_script.py DIRECTORY NAME...

Copies them to the directory, as they lie below the library, and writes ``answer.json`` there:
``version``; ``files``, the names of what was copied; ``compiled``, the asked-for ones that are
no Python; ``unknown``, those that there are not. Modules without which no Python starts are left
out.
"""

import sys

STARTED = set(sys.modules)

import ast  # noqa: E402
import importlib.util  # noqa: E402
import json  # noqa: E402
import os  # noqa: E402
import sysconfig  # noqa: E402

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

LIBRARY = os.path.realpath(sysconfig.get_path("stdlib"))
LEFT_OUT = {"test", "tests", "idle_test", "__pycache__", "site-packages", "_bundled"}


class Search:
    """What was found so far."""

    def __init__(self) -> None:
        self.files: "dict[str, str]" = {}
        self.compiled: "set[str]" = set()
        self.unknown: "set[str]" = set()

    def follow(self, names: "list[str]") -> None:
        """Find modules and, from them, what they import when they are imported."""
        queue, seen = list(names), set(STARTED)
        while queue:
            name = queue.pop().split(".")[0]
            if name in seen:
                continue
            seen.add(name)
            spec = importlib.util.find_spec(name)
            if spec is None:
                self.unknown.add(name)
            elif spec.origin is None or not spec.origin.endswith(".py"):
                self.compiled.add(name)
            else:
                for path in files_of(spec.origin):
                    self.files[os.path.relpath(path, LIBRARY)] = path
                    queue += imported(path)


def files_of(origin: str) -> "Iterator[str]":
    """A module's file, or every file of a package."""
    origin = os.path.realpath(origin)
    if not origin.startswith(LIBRARY + os.sep):
        return
    if os.path.basename(origin) != "__init__.py":
        yield origin
        return
    for top, directories, names in os.walk(os.path.dirname(origin)):
        directories[:] = sorted(set(directories) - LEFT_OUT)
        for name in sorted(names):
            if name.endswith(".py"):
                yield os.path.join(top, name)


def imported(path: str) -> "Iterator[str]":
    """The modules that a file imports at its top; those in functions come when they are used."""
    with open(path, "rb") as file:
        tree = ast.parse(file.read())
    queue = list(tree.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module
        elif isinstance(node, (ast.If, ast.Try, ast.With)) and not for_programs(node):
            queue += [item for item in ast.walk(node) if isinstance(item, ast.stmt)][1:]


def for_programs(node: ast.stmt) -> bool:
    """Whether something is for ``python -m`` alone."""
    test = node.test if isinstance(node, ast.If) else None
    return isinstance(test, ast.Compare) and getattr(test.left, "id", "") == "__name__"


def main(directory: str, names: "list[str]") -> None:
    search = Search()
    search.follow(names)
    asked = {name.split(".")[0] for name in names}
    for name, path in search.files.items():
        copy = os.path.join(directory, name)
        os.makedirs(os.path.dirname(copy), exist_ok=True)
        with open(path, "rb") as source, open(copy, "wb") as file:
            file.write(source.read())
    answer = {
        "version": ".".join(map(str, sys.version_info[:3])),
        "files": sorted(search.files),
        "compiled": sorted(search.compiled & asked),
        "unknown": sorted(search.unknown & asked),
    }
    with open(os.path.join(directory, "answer.json"), "w") as file:
        json.dump(answer, file)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
