"""One program out of modules of ours, for machines that have nothing but a Python.

A module joins by being imported: the one that is asked for and, from it, every module that it
names in a ``from crossbuild.PACKAGE.NAME import …`` at its top. Its text is put into the file
behind those of the modules that it imports itself, without these imports and without what only
type checkers read. So all share one namespace: a name may be defined at the top of one module
only, an import of ours may rename nothing and stand only at the top, and annotations that Python
3.6 cannot evaluate are quoted.

The same sources give the same bytes.
"""

from __future__ import annotations

import ast
import io
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from importlib import resources


def assembled(main: str) -> str:
    """The module ``main`` and what it needs, as one file with its docstring.

    Raises ValueError for a module that does not keep to what this file says of them.
    """
    order = list(_ordered(main, (), main.partition(".")[0]))
    root = main.partition(".")[0]
    _check_names(order)
    head = ast.get_docstring(_tree(main), clean=False)
    parts = [f'#!/usr/bin/env python3\n"""{head}"""\n\n', *_imports(order, root)]
    parts += [f"\n\n# {_short(name)}\n\n{_body(name)}" for name in order]
    return "".join(parts)


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


def _read(module: str) -> str:
    package, _, name = module.rpartition(".")
    return resources.files(package).joinpath(f"{name}.py").read_text(encoding="utf-8")


def _tree(module: str) -> ast.Module:
    return ast.parse(_read(module))


def _short(module: str) -> str:
    return module.rpartition(".")[2]


def _ordered(
    module: str, above: tuple[str, ...], root: str, seen: set[str] | None = None
) -> Iterator[str]:
    """The modules that one needs, each behind those that it needs itself, and then that one."""
    seen = set() if seen is None else seen
    if module in above:
        by = ", ".join(map(_short, above))
        raise ValueError(f"{_short(module)} imports itself, by way of {by}")
    if module in seen:
        return
    seen.add(module)
    for needed in _needed(module, root):
        yield from _ordered(needed, (*above, module), root, seen)
    yield module


def _needed(module: str, root: str) -> Iterator[str]:
    """The modules of ours that one imports."""
    for node in ast.walk(_tree(module)):
        names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
        if any(name.partition(".")[0] == root for name in names):
            raise ValueError(f"{_short(module)}: `import {names[0]}` cannot be assembled")
        if isinstance(node, ast.ImportFrom) and _ours(node, root):
            if any(item.asname for item in node.names) or node.col_offset:
                text = "an import of ours stands at the top and renames nothing"
                raise ValueError(f"{_short(module)}: {text}")
            yield str(node.module)


def _ours(node: ast.stmt, root: str) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == root


def _check_names(order: Sequence[str]) -> None:
    """Every name at the top of a module must be its own."""
    owners: dict[str, str] = {}
    for module in map(str, order):
        for name in sorted(_defined(_tree(module)) - {"TYPE_CHECKING"}):
            if owners.setdefault(name, module) != module:
                both = f"{_short(owners[name])} and in {_short(module)}"
                raise ValueError(f"{name} is defined in {both}")


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def _imports(order: Sequence[str], root: str) -> Iterator[str]:
    """The imports of the standard library, each once."""
    lines = {
        ast.unparse(node)
        for module in order
        for node in _tree(module).body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not _ours(node, root)
    }
    yield "\n".join(sorted(lines)) + "\n"


def _body(module: str) -> str:
    """The text of a module without its docstring, its imports and what type checkers read."""
    source = _read(module)
    body = ast.parse(source).body
    dropped = [node for place, node in enumerate(body) if _dropped(node, first=place == 0)]
    return _without(source, dropped).strip("\n") + "\n"


def _dropped(node: ast.stmt, *, first: bool) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr) and first:
        return True
    if isinstance(node, ast.Assign):
        return ast.unparse(node) == "TYPE_CHECKING = False"
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def _without(source: str, items: Iterable[ast.stmt]) -> str:
    gone = {
        line for item in items for line in range(item.lineno, (item.end_lineno or item.lineno) + 1)
    }
    kept = (line for number, line in enumerate(source.splitlines(), 1) if number not in gone)
    return "\n".join(kept)
