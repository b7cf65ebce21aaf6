"""One program out of a package's modules, for machines that have nothing but a Python.

The modules import from each other with ``from PACKAGE.MODULE import NAME`` alone, so that one
after the other in one file they mean the same.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources

_STRAY = "{} line {}: only `from {}.MODULE import NAME` can be assembled"


def assembled(package: str, modules: Sequence[str]) -> str:
    """The modules as one file, in this order; the last one's docstring is the file's.

    What is under ``if TYPE_CHECKING:`` is left out, so annotations have to be texts. Raises
    ValueError for an import that cannot be taken out, and for a name that two modules define.
    """
    defined: dict[str, str] = {}
    bodies = []
    for name in modules:
        source = resources.files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(source)
        for own in _definitions(tree):
            if defined.setdefault(own, name) != name:
                raise ValueError(f"{own} is defined in {defined[own]} and in {name}")
        bodies.append(_without(source, _dispensable(tree, package, name)).strip("\n"))
    head = ast.get_docstring(tree, clean=False) or ""
    return "\n\n\n".join((f'"""{head}"""', *bodies)) + "\n"


def minified(source: str) -> str:
    """A program without comments, docstrings, blank lines and most of its indentation.

    It may have no other texts that go over several lines.
    """
    tree = ast.parse(source)
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docstrings = [
        item.body[0]
        for item in ast.walk(tree)
        if isinstance(item, documented) and ast.get_docstring(item) is not None
    ]
    lines = _without(source, docstrings).splitlines()
    for token in tokenize.generate_tokens(io.StringIO("\n".join(lines)).readline):
        if token.type == tokenize.COMMENT:
            row, column = token.start
            lines[row - 1] = lines[row - 1][:column]
    return "".join(f"{_narrow(line)}\n" for line in lines if line.strip())


def _narrow(line: str) -> str:
    bare = line.strip()
    return " " * ((len(line) - len(line.lstrip())) // 4) + bare


def _definitions(tree: ast.Module) -> Iterator[str]:
    for item in tree.body:
        if isinstance(item, (ast.FunctionDef, ast.ClassDef)):
            yield item.name
        for target in item.targets if isinstance(item, ast.Assign) else ():
            if isinstance(target, ast.Name) and target.id != "TYPE_CHECKING":
                yield target.id
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            yield item.target.id


def _dispensable(tree: ast.Module, package: str, name: str) -> Iterator[ast.stmt]:
    """The docstring, what is for type checkers, and the imports of one module by another."""
    if ast.get_docstring(tree) is not None:
        yield tree.body[0]
    yield from (item for item in tree.body if _for_checkers(item))
    root = package.partition(".")[0]
    within = (item for item in ast.walk(tree) if isinstance(item, (ast.Import, ast.ImportFrom)))
    for item in within:
        module = f"{item.module}" if isinstance(item, ast.ImportFrom) else item.names[0].name
        own = module.partition(".")[0] == root
        inside = isinstance(item, ast.ImportFrom) and module.startswith(f"{package}.")
        if own and (not inside or any(alias.asname for alias in item.names)):
            raise ValueError(_STRAY.format(name, item.lineno, package))
        if own:
            yield item


def _for_checkers(item: ast.stmt) -> bool:
    if isinstance(item, ast.If):
        return isinstance(item.test, ast.Name) and item.test.id == "TYPE_CHECKING"
    if not isinstance(item, ast.Assign):
        return False
    (target, *_) = item.targets
    return isinstance(target, ast.Name) and target.id == "TYPE_CHECKING"


def _without(source: str, items: Iterable[ast.stmt]) -> str:
    gone = {
        line for item in items for line in range(item.lineno, (item.end_lineno or item.lineno) + 1)
    }
    kept = (line for number, line in enumerate(source.splitlines(), 1) if number not in gone)
    return "\n".join(kept)
