"""Read Python source without running it: what it imports and where, which names it binds, what it does when imported.

The text is a learner's and may be anything: it is parsed by `ast` and never compiled or executed.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from autograder.exceptions import Failed
from autograder.wording import code, command, listing, seen

__all__ = ["Binding", "Call", "Guard", "Import", "Place", "Source", "starts"]

LARGEST_SOURCE = 200_000

Place = Literal["module", "class", "function"]
"""Where a statement stands: what stands in a function isn't executed by an import, all else is."""


@dataclass(frozen=True)
class Import:
    """One name that one import statement brings: `from a import b, c` gives two of these."""

    module: str
    """As written, without leading dots; empty for `from . import b`."""
    name: str
    """What is taken out of the module: `b`, or `*`; empty for `import a`."""
    bound: str
    """The name that it gets here; empty for a star import."""
    level: int
    """How many dots a relative import begins with; 0 if it is absolute."""
    line: int
    place: Place
    typing_only: bool = False
    """Whether it stands below `if TYPE_CHECKING:`."""
    guarded: bool = False
    """Whether it stands below `if __name__ == …:`."""

    @property
    def at_import(self) -> bool:
        """Whether it is executed when the file is imported."""
        return self.place != "function" and not self.typing_only and not self.guarded

    def modules(self, package: str = "") -> tuple[str, ...]:
        """Give the absolute names of the modules it may import, seen from a file of `package`.

        `from a import b` may import `a` and `a.b`: which of the two `b` is, only an import can tell.
        """
        base = self.module
        if self.level:
            parts = package.split(".")
            above = parts[: len(parts) - self.level + 1]
            base = ".".join([*above, *([self.module] if self.module else [])])
        return (base, f"{base}.{self.name}") if self.name not in ("", "*") else (base,)

    def __str__(self) -> str:
        """Write it as a statement of its own."""
        if not self.name:
            alias = "" if self.bound == self.module.partition(".")[0] else f" as {self.bound}"
            return f"import {self.module}{alias}"
        alias = "" if self.bound in ("", self.name) else f" as {self.bound}"
        return f"from {'.' * self.level}{self.module} import {self.name}{alias}"


@dataclass(frozen=True)
class Binding:
    """A name that the module gets when its body runs."""

    name: str
    kind: Literal["import", "function", "class", "value"]
    line: int


@dataclass(frozen=True)
class Guard:
    """An `if` that asks for `__name__`."""

    line: int
    compared_with: str
    """The text on the other side; empty if that is no text."""
    test: str
    """The whole condition, as Python would write it."""
    calls: tuple[str, ...]
    """What is called below it, as written: `main`, `report.write`."""

    @property
    def sound(self) -> bool:
        """Whether it is true when the file is run, and false when it is imported."""
        return self.test.replace('"', "'") in ("__name__ == '__main__'", "'__main__' == __name__")


@dataclass(frozen=True)
class Call:
    """Something that is called while the module's body runs."""

    function: str
    """As written: `print`, `json.dumps`."""
    line: int


@dataclass(frozen=True)
class _Seen:
    node: ast.AST
    place: Place
    typing_only: bool
    guarded: bool


class Source:
    """A file of Python source."""

    def __init__(self, path: str, content: bytes) -> None:
        """Parse the bytes of the file at `path`; raises Failed if they are no Python, or too much of it."""
        self.path = path
        look = f"Run {command('wc', '-c', path)} to see its size."
        if len(content) > LARGEST_SOURCE:
            raise Failed(
                expected=f"{code(path)} is a source file of ordinary size.",
                found=f"{code(path)} has {len(content):,} bytes: it was not looked at.",
                next_step=look,
                evidence=seen(str(len(content))),
            )
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # what Python thinks of the learner's backslashes goes nowhere
                self.tree = ast.parse(content)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            where = f" around line {line}" if line else ""
            raise Failed(
                expected=f"{code(path)} is Python.",
                found=f"Python can't read {code(path)}: there is something wrong{where}.",
                next_step=f"Run {command('python3', '-m', 'py_compile', path)} to see what Python says about it.",
                evidence=r"Error",
            ) from None

    def __repr__(self) -> str:
        """Name the path."""
        return f"<Source {self.path}>"

    # ---- Walking

    @cached_property
    def _nodes(self) -> tuple[_Seen, ...]:
        """Every node with what stands around it, in the order of the text; without recursion, however deep it is."""
        found = []
        todo = [_Seen(self.tree, "module", False, False)]
        while todo:
            here = todo.pop()
            found.append(here)
            todo += reversed(list(_below(here)))
        return tuple(found)

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """What it imports, anywhere, in the order of the text."""
        found = []
        for one in self._nodes:
            node = one.node
            if isinstance(node, ast.Import):
                for alias in node.names:
                    bound = alias.asname or alias.name.partition(".")[0]
                    found.append(Import(alias.name, "", bound, 0, node.lineno, one.place, one.typing_only, one.guarded))
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    bound = alias.asname or ("" if alias.name == "*" else alias.name)
                    found.append(
                        Import(
                            node.module or "",
                            alias.name,
                            bound,
                            node.level,
                            node.lineno,
                            one.place,
                            one.typing_only,
                            one.guarded,
                        )
                    )
        return tuple(found)

    @cached_property
    def bindings(self) -> tuple[Binding, ...]:
        """The names that its body binds when it is imported, in the order of the text; names in functions and classes aren't."""
        return tuple(
            binding
            for one in self._nodes
            if one.place == "module" and not one.typing_only and not one.guarded
            for binding in _bound(one.node)
        )

    @cached_property
    def names(self) -> frozenset[str]:
        """The names bound by its body."""
        return frozenset(one.name for one in self.bindings)

    @cached_property
    def guards(self) -> tuple[Guard, ...]:
        """The `if __name__ == …:` of the module's body, sound or not."""
        found = []
        for node in self.tree.body:
            if isinstance(node, ast.If) and _asks_for_name(node.test):
                texts = [
                    part.value
                    for part in ast.walk(node.test)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                ]
                calls = (call for statement in node.body for call in ast.walk(statement) if isinstance(call, ast.Call))
                found.append(
                    Guard(
                        node.lineno,
                        texts[0] if texts else "",
                        _written(node.test),
                        tuple(_written(c.func) for c in calls),
                    )
                )
        return tuple(found)

    @cached_property
    def calls_at_import(self) -> tuple[Call, ...]:
        """What is called when the file is imported: not what stands in functions, nor below a guard."""
        return tuple(
            Call(_written(one.node.func), one.node.lineno)
            for one in self._nodes
            if isinstance(one.node, ast.Call) and one.place != "function" and not one.guarded and not one.typing_only
        )

    @cached_property
    def exported(self) -> tuple[str, ...] | None:
        """The texts in `__all__`, as far as they stand there as texts; None if the module has none."""
        found: list[str] | None = None
        for node in self.tree.body:
            targets = node.targets if isinstance(node, ast.Assign) else []
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                targets = [node.target]
            if isinstance(node, ast.Assign | ast.AnnAssign) and any(_is_all(one) for one in targets) and node.value:
                found = _texts(node.value)
            elif isinstance(node, ast.AugAssign) and _is_all(node.target):
                found = [*(found or []), *_texts(node.value)]
            elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
                function = node.value.func
                if isinstance(function, ast.Attribute) and _is_all(function.value):
                    found = [*(found or []), *(text for part in node.value.args for text in _texts(part))]
        return None if found is None else tuple(found)

    # ---- What a check wants

    def function(self, name: str) -> ast.FunctionDef | ast.AsyncFunctionDef:
        """Give a function of the module's body; raises Failed, naming those that are there, if it isn't one."""
        functions = {
            one.node.name: one.node
            for one in self._nodes
            if isinstance(one.node, ast.FunctionDef | ast.AsyncFunctionDef) and one.place == "module"
        }
        if name in functions:
            return functions[name]
        raise Failed(
            expected=f"{code(self.path)} defines a function {code(name)}.",
            found=f"{code(self.path)} defines {listing(functions)}.",
            next_step=f"Run {command('cat', '-n', self.path)} to read it.",
            evidence=r"(?m)^\s+\d+",
        )


def _below(here: _Seen) -> Iterator[_Seen]:
    """Give the parts of a node, each with what stands around it."""
    node, place = here.node, here.place
    if isinstance(node, ast.If):
        checking, asking = _is_type_checking(node.test), _asks_for_name(node.test)
        yield _Seen(node.test, place, here.typing_only, here.guarded)
        for statement in node.body:
            yield _Seen(statement, place, here.typing_only or checking, here.guarded or asking)
        for statement in node.orelse:
            yield _Seen(statement, place, here.typing_only, here.guarded)
        return
    inner: list[ast.AST] = []
    inside: Place = "function"
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        inner = [*node.body]  # decorators and defaults are evaluated where the function is defined
    elif isinstance(node, ast.Lambda):
        inner = [node.body]
    elif place != "function" and isinstance(node, ast.ClassDef):
        inner, inside = [*node.body], "class"
    elif place != "function" and isinstance(node, ast.comprehension):
        inner, inside = [node.target], "class"  # executed at once, and its names are its own
    own = {id(one) for one in inner}
    for one in ast.iter_child_nodes(node):
        yield _Seen(one, inside if id(one) in own else place, here.typing_only, here.guarded)


def _bound(node: ast.AST) -> Iterator[Binding]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield Binding(alias.asname or alias.name.partition(".")[0], "import", node.lineno)
    elif isinstance(node, ast.ImportFrom):
        for alias in node.names:
            if alias.name != "*":
                yield Binding(alias.asname or alias.name, "import", node.lineno)
    elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        yield Binding(node.name, "function", node.lineno)
    elif isinstance(node, ast.ClassDef):
        yield Binding(node.name, "class", node.lineno)
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield Binding(node.id, "value", node.lineno)


def _is_all(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and node.id == "__all__"


def _texts(node: ast.AST) -> list[str]:
    return [part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)]


def _is_type_checking(test: ast.AST) -> bool:
    """Say whether a condition is `TYPE_CHECKING`, however it was imported."""
    return (isinstance(test, ast.Name) and test.id == "TYPE_CHECKING") or (
        isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING"
    )


def _asks_for_name(test: ast.AST) -> bool:
    return any(isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(test))


def _written(node: ast.AST) -> str:
    """Write an expression as Python would; "…" if it is too deep for that."""
    try:
        return ast.unparse(node)
    except RecursionError:
        return "…"


def starts(script: bytes) -> str:
    """Name the function, as `module:name`, that a script calls if it does no more than the command of an installer; empty if it does other things.

    What pip, uv and virtualenv write: the function is imported, `sys.argv[0]` is trimmed, and `sys.exit(function())` ends it.
    """
    try:
        body = ast.parse(script[:LARGEST_SOURCE]).body
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ""
    if body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Constant):
        body = body[1:]  # the text by which `/bin/sh` starts Python where the first line would be too long
    last = body[-1] if body else None
    if not isinstance(last, ast.If) or last.orelse or _written(last.test) != "__name__ == '__main__'":
        return ""
    steps = [*body[:-1], *last.body[:-1]]
    others = [node for node in steps if _written(node) not in _TRIMMING]
    taken = others[0] if len(others) == 1 else None
    if not isinstance(taken, ast.ImportFrom) or taken.level or len(taken.names) != 1:
        return ""
    called = taken.names[0].asname or taken.names[0].name
    ends = re.fullmatch(rf"sys\.exit\({re.escape(called)}((?:\.\w+)*)\(\)\)", _written(last.body[-1]))
    if ends is None or called in ("sys", "re"):
        return ""
    return f"{taken.module}:{taken.names[0].name}{ends[1]}"


_TRIMMING = {
    ast.unparse(ast.parse(text))
    for text in (
        "import re",
        "import sys",
        "from re import sub",
        r"sys.argv[0] = re.sub(r'(-script\.pyw|\.exe)?$', '', sys.argv[0])",
        r"sys.argv[0] = re.sub(r'(-script\.pyw?|\.exe)?$', '', sys.argv[0])",
        "sys.argv[0] = sys.argv[0].removesuffix('.exe')",
        "if sys.argv[0].endswith('-script.pyw'):\n    sys.argv[0] = sys.argv[0][:-11]\nelif sys.argv[0].endswith('.exe'):\n    sys.argv[0] = sys.argv[0][:-4]",
        "if sys.argv[0].endswith('.exe'):\n    sys.argv[0] = sys.argv[0][:-4]",
    )
}
"""All that an installer's command does besides, as `ast.unparse` writes it."""
