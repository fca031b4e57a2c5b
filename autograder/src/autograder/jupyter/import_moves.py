"""Move an import of a source file elsewhere, as an editor would: into the functions that use it, or below `if TYPE_CHECKING:`.

Only text is changed; whether the file still works afterwards is for a real Python to say.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass

from autograder.exceptions import UsageError

__all__ = ["MOVES", "Move", "moved"]

MOVES = {
    "function": "into the functions that use it",
    "typing": "below `if TYPE_CHECKING:`",
    "postponed": "below `if TYPE_CHECKING:`, with all hints postponed",
}

Function = ast.FunctionDef | ast.AsyncFunctionDef
Statement = ast.Import | ast.ImportFrom


@dataclass(frozen=True)
class Move:
    """What to do with an import."""

    line: int
    """The first line of its statement, which stands at the top level of the file."""
    name: str
    """The module or name that is meant, where the statement brings several: as in `import NAME` or `from . import NAME`."""
    how: str
    """One of `MOVES`."""


def moved(text: str, moves: Iterable[Move]) -> str:
    """Give a source text after some moves.

    Raises:
        UsageError: no such import stands at the top level of the text, or it shares its line with something else.
    """
    tree = ast.parse(text)
    lines = text.splitlines()
    replaced: dict[int, list[str]] = {}
    """By line, counted from 1: what stands there instead."""
    inside: dict[int, tuple[Function, list[str]]] = {}
    """By a function's line: what comes first in it."""
    postponed = False
    for move in moves:
        statement = _statement(tree, lines, move.line)
        leaving, staying = _parted(statement, move.name)
        stays = [ast.unparse(staying)] if staying is not None else []
        if move.how == "function":
            bound = {alias.asname or alias.name.partition(".")[0] for alias in leaving.names}
            for function in _functions(tree):
                if _uses(function, bound):
                    inside.setdefault(function.lineno, (function, []))[1].append(ast.unparse(leaving))
        else:
            stays += ["from typing import TYPE_CHECKING", "if TYPE_CHECKING:", f"    {ast.unparse(leaving)}"]
            postponed = postponed or move.how == "postponed"
        replaced[statement.lineno] = stays
        for line in range(statement.lineno + 1, (statement.end_lineno or statement.lineno) + 1):
            replaced[line] = []
    for function, statements in inside.values():
        _open(function, statements, lines, replaced)
    if postponed and not _postpones(tree):
        first = tree.body[0]
        has_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
        line = (first.end_lineno or 1) if has_docstring else 0
        lines.insert(line, "from __future__ import annotations")
        replaced = {old + (old > line): new for old, new in replaced.items()}
    result = [new for number, old in enumerate(lines, 1) for new in replaced.get(number, [old])]
    return "\n".join(result) + "\n"


def _statement(tree: ast.Module, lines: list[str], line: int) -> Statement:
    found = [node for node in tree.body if isinstance(node, Statement) and node.lineno == line]
    if not found:
        raise UsageError(
            f"Line {line} has no import at the top level of the file.",
            "Choose another one, or look at the folder again.",
        )
    beside = [node for node in tree.body if node is not found[0] and node.lineno <= line <= (node.end_lineno or 0)]
    if beside or lines[line - 1][: found[0].col_offset].strip():
        raise UsageError(f"Line {line} holds more than one statement.", "Give the import a line of its own.")
    return found[0]


def _parted(statement: Statement, name: str) -> tuple[Statement, Statement | None]:
    """Part a statement into what is meant and the rest; what comes from one module stays together."""
    several = isinstance(statement, ast.Import) or statement.module is None
    meant = [alias for alias in statement.names if alias.name == name] if several else []
    rest = [alias for alias in statement.names if alias not in meant]
    if not meant or not rest:
        return statement, None
    if isinstance(statement, ast.Import):
        return ast.Import(meant), ast.Import(rest)
    return (
        ast.ImportFrom(statement.module, meant, statement.level),
        ast.ImportFrom(statement.module, rest, statement.level),
    )


def _functions(tree: ast.Module) -> list[Function]:
    """List the functions that stand in no other function: those of the module, and those of its classes."""
    found: list[Function] = []
    todo: list[ast.AST] = [tree]
    while todo:
        for node in ast.iter_child_nodes(todo.pop()):
            if isinstance(node, Function):
                found.append(node)
            else:
                todo.append(node)
    return sorted(found, key=lambda node: node.lineno)


def _uses(function: Function, names: set[str]) -> bool:
    return any(
        isinstance(node, ast.Name) and node.id in names for statement in function.body for node in ast.walk(statement)
    )


def _open(function: Function, statements: list[str], lines: list[str], replaced: dict[int, list[str]]) -> None:
    """Put statements first in a function, behind its docstring."""
    first = function.body[0]
    says = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    if first.lineno == function.lineno or (says and first.lineno == first.end_lineno == function.lineno):
        head = lines[first.lineno - 1].encode()  # columns are counted in bytes
        indent = " " * (function.col_offset + 4)
        rest = head[first.col_offset :].decode()
        replaced[first.lineno] = [
            head[: first.col_offset].decode().rstrip(),
            *(indent + one for one in statements),
            indent + rest,
        ]
        return
    indent = " " * first.col_offset
    line = first.end_lineno or first.lineno
    new = [indent + one for one in statements]
    if says:
        replaced[line] = [*replaced.get(line, [lines[line - 1]]), *new]
    else:
        replaced[first.lineno] = [*new, *replaced.get(first.lineno, [lines[first.lineno - 1]])]


def _postpones(tree: ast.Module) -> bool:
    return any(
        isinstance(node, ast.ImportFrom)
        and node.module == "__future__"
        and any(alias.name == "annotations" for alias in node.names)
        for node in tree.body
    )
