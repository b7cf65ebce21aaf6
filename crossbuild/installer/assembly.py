"""Assembles ``install.py``: the modules of this package in one file, for a machine without them.

A module joins by being imported: ``main`` and, from it, every module that it names in a
``from crossbuild.installer.NAME import …`` at its top. Its text is put into the file behind those
of the modules that it imports itself, without these imports and without what only type checkers
read. So all share one namespace: a name may be defined at the top of one module only, an import
of ours may rename nothing and stand only at the top, and annotations that Python 3.6 cannot
evaluate are quoted. A module of another package joins whole, as ``from crossbuild.targets import
probe_script`` does: it becomes a module object, and must import nothing of ours.

The same sources give the same bytes.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from importlib import resources

NAME = "install.py"
_OURS = "crossbuild"
_PACKAGE = "crossbuild.installer"
_EMBEDDED = '''

def embedded(name: str, source: str) -> "Any":
    """A module of crossbuild's own that is needed whole."""
    module = type(sys)(name)
    exec(compile(source, name + ".py", "exec"), module.__dict__)
    return module
'''


@cache
def script() -> str:
    """The text of ``install.py``.

    Raises ValueError for a module that does not keep to what this file says of them.
    """
    order = list(_ordered("main", ()))
    _check_names(order)
    head = ast.get_docstring(_tree("main"), clean=False)
    parts = [f'#!/usr/bin/env python3\n"""{head}"""\n', *_imports(order)]
    outside = sorted({pair for name in order for pair in _foreign(name)})
    parts += [_EMBEDDED] if outside else []
    for package, module in outside:
        source = _read(package, module)
        parts.append(f"\n\n{module} = embedded({module!r}, {_literal(source)})\n")
    parts += [f"\n\n# {name}\n\n{_body(name)}" for name in order]
    return "".join(parts)


def _read(package: str, module: str) -> str:
    return resources.files(package).joinpath(f"{module}.py").read_text(encoding="utf-8")


def _tree(name: str) -> ast.Module:
    return ast.parse(_read(_PACKAGE, name))


def _literal(source: str) -> str:
    escaped = source.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    return f'"""{escaped}"""'


def _ours(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == _OURS


def _ordered(name: str, above: tuple[str, ...], seen: set[str] | None = None) -> Iterator[str]:
    """The modules that one needs, each behind those that it needs itself, and then that one."""
    seen = set() if seen is None else seen
    if name in above:
        raise ValueError(f"{name} imports itself, by way of {', '.join(above)}")
    if name in seen:
        return
    seen.add(name)
    for node in _tree(name).body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{_PACKAGE}."):
            yield from _ordered(str(node.module).rpartition(".")[2], (*above, name), seen)
    yield name


def _foreign(name: str) -> Iterator[tuple[str, str]]:
    """The modules of other packages that one imports whole."""
    for node in ast.walk(_tree(name)):
        names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
        if any(item.partition(".")[0] == _OURS for item in names):
            raise ValueError(f"{name}: `import {names[0]}` cannot be assembled")
        if isinstance(node, ast.ImportFrom) and _ours(node):
            if any(item.asname for item in node.names) or node.col_offset:
                raise ValueError(
                    f"{name}: an import of ours stands at the top and renames nothing"
                )
            if not str(node.module).startswith(f"{_PACKAGE}."):
                yield from ((str(node.module), item.name) for item in node.names)


def _check_names(order: list[str]) -> None:
    """Every name at the top of a module must be its own."""
    owners: dict[str, str] = {}
    for module in order:
        for name in sorted(_defined(_tree(module)) - {"TYPE_CHECKING"}):
            if owners.setdefault(name, module) != module:
                raise ValueError(f"{name} is defined in {owners[name]} and in {module}")


def _defined(tree: ast.Module) -> set[str]:
    names: set[str] = set()
    for node in tree.body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names.update(target.id for target in targets if isinstance(target, ast.Name))
    return names


def _imports(order: list[str]) -> Iterator[str]:
    """The imports of the standard library, each once."""
    lines = {
        ast.unparse(node)
        for name in order
        for node in _tree(name).body
        if isinstance(node, (ast.Import, ast.ImportFrom)) and not _ours(node)
    }
    yield "\n" + "\n".join(sorted(lines | {"import sys"})) + "\n"


def _body(name: str) -> str:
    """The text of a module without its docstring, its imports and what type checkers read."""
    source = _read(_PACKAGE, name)
    lines = source.splitlines()
    for index, node in enumerate(ast.parse(source).body):
        if _dropped(node, first=index == 0):
            lines[node.lineno - 1 : node.end_lineno] = [None] * (  # type: ignore[list-item]
                (node.end_lineno or node.lineno) - node.lineno + 1
            )
    return "\n".join(line for line in lines if line is not None).strip("\n") + "\n"


def _dropped(node: ast.stmt, *, first: bool) -> bool:
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        return True
    if isinstance(node, ast.Expr) and first:
        return True
    if isinstance(node, ast.Assign):
        return ast.unparse(node) == "TYPE_CHECKING = False"
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
