"""Who imports whom in a folder of Python source, and which of them go round in a circle; read, never run.

The folder is taken for an entry of `sys.path`: a file `a.py` in it is the module `a`, a file `pkg/b.py` is `pkg.b`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from autograder.exceptions import Failed
from autograder.source import Import, Source
from autograder.tree import Tree

__all__ = ["Edge", "ImportGraph", "at_import", "circles"]

MOST_MODULES = 60
LARGEST = 200_001


@dataclass(frozen=True)
class Edge:
    """One statement by which one module of the folder imports another one of it."""

    importer: str
    imported: str
    statement: Import

    @property
    def when(self) -> str:
        """When the statement is executed: `import`, `call` (in a function), `run` (below the guard), `never` (for type checkers only)."""
        if self.statement.typing_only:
            return "never"
        if self.statement.place == "function":
            return "call"
        return "run" if self.statement.guarded else "import"


def at_import(edge: Edge) -> bool:
    """Say whether an edge counts while modules are being imported."""
    return edge.when == "import"


class ImportGraph:
    """The modules of a folder and their imports of one another; what comes from elsewhere is left out."""

    def __init__(self, tree: Tree, folder: str = "", *, lenient: bool = False) -> None:
        """Read every Python file below `folder`, at most 60 of them, environments and hidden folders left out.

        With `lenient` a file that can't be read as Python stays a module without imports, and `unread` says why.

        Raises:
            Failed: a file is no Python (unless `lenient`).
        """
        self.folder = folder
        self.unread: dict[str, str] = {}
        self.sources: dict[str, Source] = {}
        self.paths: dict[str, str] = {}
        """By module: the file's path in the workspace."""
        for path in _python_files(tree, folder):
            name = _module(PurePosixPath(path).relative_to(folder) if folder else PurePosixPath(path))
            if not name or name in self.paths:
                continue
            self.paths[name] = path
            try:
                self.sources[name] = Source(path, tree.read(path, LARGEST))
            except FileNotFoundError:
                self.unread[name] = f"The content of `{path}` is not here."
            except Failed as failed:
                if not lenient:
                    raise
                self.unread[name] = failed.found

    @property
    def modules(self) -> tuple[str, ...]:
        """The modules' names, in order."""
        return tuple(sorted(self.paths))

    @cached_property
    def edges(self) -> tuple[Edge, ...]:
        """Every import of one module of the folder by another, in the order of the files and of their lines."""
        found = []
        for name in self.modules:
            source = self.sources.get(name)
            seen: set[tuple[str, int]] = set()
            for statement in source.imports if source else ():
                package = name if self.paths[name].endswith("/__init__.py") else name.rpartition(".")[0]
                target = self._target(statement, package)
                if target and target != name and (target, statement.line) not in seen:
                    seen.add((target, statement.line))
                    found.append(Edge(name, target, statement))
        return tuple(found)

    def _target(self, statement: Import, package: str) -> str:
        """Find the module of the folder that a statement means; empty if it is none of them."""
        for name in reversed(statement.modules(package)):
            if name in self.paths:
                return name
        base = statement.modules(package)[0]
        while base and base not in self.paths:
            base = base.rpartition(".")[0]
        return base

    def circles(self, counts: Callable[[Edge], bool] = at_import) -> list[tuple[str, ...]]:
        """Give the circles among the edges that count, see `circles`."""
        return circles(self.modules, [(edge.importer, edge.imported) for edge in self.edges if counts(edge)])


def _python_files(tree: Tree, folder: str) -> list[str]:
    """List the source files below a folder, without what isn't the project's own."""
    found: list[str] = []
    todo = [folder]
    while todo and len(found) < MOST_MODULES:
        here = todo.pop(0)
        names = tree.names(here)
        if "pyvenv.cfg" in names:
            continue
        for name in names:
            path = f"{here}/{name}" if here else name
            entry = tree.entry(path)
            if entry is None or name.startswith(".") or name == "__pycache__":
                continue
            if entry.kind == "folder":
                todo.append(path)
            elif entry.kind == "file" and name.endswith(".py") and len(found) < MOST_MODULES:
                found.append(path)
    return found


def _module(path: PurePosixPath) -> str:
    """Name a file's module; empty if no `import` statement could."""
    parts = [*path.parts[:-1], path.stem]
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts) if parts and all(part.isidentifier() for part in parts) else ""


def circles(nodes: Iterable[str], edges: Iterable[tuple[str, str]]) -> list[tuple[str, ...]]:
    """Give a shortest circle through each edge that is part of any, the shortest first, each beginning with its first name.

    `("a", "b")` means that `a` leads to `b` and `b` leads to `a`.
    """
    ahead: dict[str, list[str]] = {node: [] for node in sorted(nodes)}
    for start, end in edges:
        if end not in ahead[start]:
            ahead[start].append(end)
    found = set()
    for start, ends in ahead.items():
        for end in ends:
            way = _shortest_way(end, start, ahead)
            if way:
                first = way.index(min(way))
                found.add((*way[first:], *way[:first]))
    return sorted(found, key=lambda circle: (len(circle), circle))


def _shortest_way(start: str, end: str, ahead: dict[str, list[str]]) -> tuple[str, ...]:
    """Give a shortest way from one node to another, with both of them; empty if there is none."""
    ways: list[tuple[str, ...]] = [(start,)]
    seen = {start}
    for way in ways:  # grows while it is walked: nearest first
        if way[-1] == end:
            return way
        for step in ahead[way[-1]]:
            if step not in seen:
                seen.add(step)
                ways.append((*way, step))
    return ()
