"""The import graph of a folder: who imports whom, what goes round in a circle, and what becomes of it if an import moves.

The arrows are read from the source by `ast`. What happens is really tried, on a copy in the sandbox: each module is imported first,
in a fresh Python each, as the folder is and after each move.
"""

from __future__ import annotations

import html
import itertools
import json
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import traitlets

from autograder import folder as workspaces
from autograder.exceptions import CourseError, UsageError
from autograder.import_graph import Edge, ImportGraph, circles
from autograder.jupyter import session
from autograder.jupyter.graph_drawing import Drawing, draw, svg
from autograder.jupyter.import_moves import MOVES, Move, moved
from autograder.jupyter.pictures.picture import Picture, script, style
from autograder.jupyter.words import inline_html, show
from autograder.sandbox import Limits, Place
from autograder.sandbox.system_python import make_system, system_python_version
from autograder.snapshot import restore

__all__ = ["CycleGraph", "Fate", "cycle_graph", "try_moves"]

MOST_MODULES = 16
MOST_ARROWS = 60

WHEN = {
    "import": "when the file is imported",
    "call": "when a function is called",
    "run": "when the file is run as a program",
    "never": "never (for type checkers only)",
}

_DRIVER = r"""
import json, subprocess, sys
mark, folder, program, *modules = sys.argv[1:]
probe = '''
import sys
file, fate = "", "works"
try:
    __import__(sys.argv[1])
except BaseException as error:
    fate, step = type(error).__name__, error.__traceback__
    while step:
        name = step.tb_frame.f_code.co_filename
        if not name.startswith("<"):
            file = f"{name}:{step.tb_lineno}"
        step = step.tb_next
loaded = list(sys.modules)
import json, os
print()
print(sys.argv[2] + json.dumps([fate, os.path.relpath(file) if file else "", loaded]))
'''
def told(done):
    for line in reversed(done.stdout.splitlines()):
        if line.startswith(mark):
            return json.loads(line[len(mark):])
    return ["an early end", "", []]
def run(*words):
    try:
        return subprocess.run([sys.executable, *words], cwd=folder, capture_output=True, text=True, errors="replace", timeout=10)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(words, 124, "", "no end within 10 s")
answers = [told(run("-c", probe, module, mark)) for module in modules]
if program:
    done = run(program)
    said = (done.stdout + done.stderr).strip().splitlines() or [""]
    answers.append([done.returncode, said[-1], []])
print()
print(mark + json.dumps(answers))
"""


@dataclass(frozen=True)
class Fate:
    """What became of importing a module first, or of starting the program."""

    first: str
    """The module; or the program, as a command."""
    works: bool
    what: str
    """`works`, or the type of the error; of a program the last line of what it printed."""
    where: str = ""
    """File and line at which it ended."""
    loads: tuple[str, ...] = ()
    """The folder's modules that were loaded."""


def _read(live: workspaces.LiveWorkspace, place: str) -> ImportGraph:
    entry = live.tree.entry(place) if place else None
    if place and (entry is None or entry.kind != "folder"):
        raise UsageError(f"There is no folder {place} in this workspace.", "Run the cells above first.")
    graph = ImportGraph(live.tree, place, lenient=True)
    if not graph.modules:
        raise UsageError(f"There is no Python file in {place or 'this workspace'}.", "Run the cells above first.")
    if len(graph.modules) > MOST_MODULES or len(graph.edges) > MOST_ARROWS:
        raise UsageError(
            f"{place or 'This workspace'} holds {len(graph.modules)} modules, more than fit into a picture.",
            "Name one of its folders.",
        )
    return graph


def try_moves(
    live: workspaces.LiveWorkspace, place: str, moves: dict[int, str], program: str = ""
) -> tuple[ImportGraph, list[Fate]]:
    """Move imports (by the number of their arrow) in a copy, then import each module first, in a fresh Python each.

    Raises:
        UsageError: an import can't be moved, or isn't there any more.
    """
    graph = _read(live, place)
    changed = _changed(live, graph, moves)
    with tempfile.TemporaryDirectory(prefix="wheelhouse-") as scratch:
        copy = Place(Path(scratch) / "project", Path(scratch) / "home", Path(scratch) / "system")
        for one in (copy.project, copy.home, copy.system):
            one.mkdir()
        make_system(copy.system)
        box = live.sandbox
        root, home = str(box.root(copy)), str(box.python_home(copy))
        restore(live.tree, copy.project, facts=live.facts, root=box.root(copy), python_home=home)
        for path, text in changed.items():
            (copy.project / path).write_text(text, encoding="utf-8")
        mark = secrets.token_hex(12)
        words = ["python3", "-B", "-c", _DRIVER, mark, place or ".", program, *graph.modules]
        done = box.run(words, copy, limits=Limits(wall_seconds=60))
        workspaces.remove_tree(copy.project)
    _, found, told = done.output.rpartition(mark)
    if not found:
        raise CourseError(f"The trial did not come to its end. {done.stopped}".strip(), "Try it again.")
    fates = []
    firsts = [*graph.modules, *([f"python {program}"] if program else [])]
    for first, (fate, where, loaded) in zip(firsts, json.loads(told), strict=True):
        if isinstance(fate, int):
            fates.append(Fate(first, fate == 0, where.replace(root, "~/project") or "(prints nothing)"))
        else:
            inside = tuple(name for name in graph.modules if name in loaded)
            fates.append(Fate(first, fate == "works", fate, where, inside))
    return graph, fates


def _changed(live: workspaces.LiveWorkspace, graph: ImportGraph, moves: dict[int, str]) -> dict[str, str]:
    """Give the new text of each file in which something moves."""
    by_module: dict[str, list[Move]] = {}
    for number, how in moves.items():
        if not 0 <= number < len(graph.edges) or how not in MOVES:
            raise UsageError("There is no such import any more.", "Run this cell again.")
        edge = graph.edges[number]
        statement = edge.statement
        name = statement.name if statement.level and not statement.module else statement.module
        by_module.setdefault(edge.importer, []).append(Move(statement.line, name, how))
    texts = {}
    for module, wanted in by_module.items():
        path = graph.paths[module]
        texts[path] = moved(live.tree.read(path).decode("utf-8-sig", "replace"), wanted)
    return texts


class CycleGraph(Picture):
    """The picture: the drawing and its arrows as a list on the left, the chosen arrow and what was tried on the right."""

    _esm = script("cycle_graph")
    _css = style("cycle_graph")

    place = traitlets.Unicode().tag(sync=True)
    python = traitlets.Unicode().tag(sync=True)
    drawing = traitlets.Dict().tag(sync=True)
    arrows: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    """For each import: who, whom, the statement and its line; when it is executed, and whether in a circle, now."""
    rings: traitlets.List[list[str]] = traitlets.List().tag(sync=True)
    """The circles that there are now."""
    moves = traitlets.Dict().tag(sync=True)
    """By arrow: how it was moved."""
    ways = traitlets.Dict(MOVES).tag(sync=True)
    fates: traitlets.List[dict[str, Any]] = traitlets.List().tag(sync=True)
    unread: traitlets.List[str] = traitlets.List().tag(sync=True)

    def __init__(self, live: workspaces.LiveWorkspace, place: str, program: str = "") -> None:
        """Read a folder, and import each of its modules first; raises UsageError if there is none to read."""
        graph, fates = try_moves(live, place, {}, program)
        self._workspace = live
        self._program = program
        self._edges = tuple((edge.importer, edge.imported, str(edge.statement)) for edge in graph.edges)
        self._drawing = _drawn(graph)
        super().__init__(
            place=place or ".",
            python=system_python_version(),
            drawing=self._drawing.as_data(),
            unread=list(graph.unread.values()),
            **_shown(graph, {}, fates),
        )

    def answer(self, question: dict[str, Any]) -> None:
        """Move one import more (or put all back), and try every order."""
        if question.get("back") is True:
            wanted: dict[int, str] = {}
        else:
            number, how = question.get("arrow"), question.get("how")
            if not isinstance(number, int) or not isinstance(how, str) or how not in MOVES:
                return
            wanted = {**{int(one): way for one, way in self.moves.items()}, number: how}
        place = "" if self.place == "." else self.place
        graph, fates = try_moves(self._workspace, place, wanted, self._program)
        if tuple((edge.importer, edge.imported, str(edge.statement)) for edge in graph.edges) != self._edges:
            raise UsageError(f"The files in {self.place} have changed meanwhile.", "Run this cell again.")
        with self.hold_sync():
            for name, value in _shown(graph, wanted, fates).items():
                setattr(self, name, value)

    remembers = True

    def recordings(self) -> Iterator[list[dict[str, Any]]]:
        """Move each import alone in every way, and each two of a circle into functions; put them back."""
        movable = [number for number, arrow in enumerate(self.arrows) if arrow["movable"]]
        circling = [number for number in movable if self.arrows[number]["circling"]]
        for number, how in itertools.product(movable, self.ways):
            yield [{"arrow": number, "how": how}, {"back": True}]
        for pair in itertools.permutations(circling, 2):
            yield [*({"arrow": number, "how": "function"} for number in pair), {"back": True}]

    # ---- Without a kernel

    def _label(self) -> str:
        """Say in a sentence what is drawn."""
        rings = "; ".join(" → ".join([*ring, ring[0]]) for ring in self.rings)
        return (
            f"Import graph of {self.place}: {len(self.drawing['boxes'])} modules, {len(self.arrows)} imports; "
            f"{'circles: ' + rings if rings else 'no circle'}."
        )

    def as_text(self) -> str:
        """List the imports, the circles and what was tried as plain text."""
        lines = [self._label()]
        lines += [f"    {_told(one)}" for one in self.arrows]
        lines += [f"    {one}" for one in self.unread]
        lines.append(f"Each imported first, in a fresh Python {self.python}:")
        for fate in self.fates:
            where = f" at {fate['where']}" if fate["where"] else ""
            loads = f"; loads {', '.join(fate['loads'])}" if fate["loads"] else ""
            lines.append(f"    {fate['first']}: {fate['what']}{where}{loads}")
        return "\n".join(lines)

    def as_html(self) -> str:
        """Give the drawing, the list and what was tried as HTML without script."""
        items = "".join(f"<li>{inline_html(_told(one, '`'))}</li>" for one in self.arrows)
        unread = "".join(f"<li>{inline_html(one)}</li>" for one in self.unread)
        rows = "".join(
            f"<tr><td><code>{html.escape(fate['first'])}</code></td><td>{html.escape(('✓ ' if fate['works'] else '✗ ') + fate['what'])}</td>"
            f"<td>{html.escape(fate['where'])}</td><td>{html.escape(', '.join(fate['loads']))}</td></tr>"
            for fate in self.fates
        )
        picture = svg(self._drawing, [(one["when"], one["circling"]) for one in self.arrows], self._label())
        return (
            f"<section aria-label='{html.escape(self._label(), quote=True)}'>"
            f"<p><strong>{html.escape(self._label())}</strong></p>{picture}<ul>{items}{unread}</ul>"
            f"<table><caption>Each imported first, in a fresh Python {html.escape(self.python)}</caption>"
            "<thead><tr><th>First</th><th>What happens</th><th>Where</th><th>Loads</th></tr></thead>"
            f"<tbody>{rows}</tbody></table></section>"
        )


def _drawn(graph: ImportGraph) -> Drawing:
    """Draw the members of circles next to one another."""
    circling = [name for ring in graph.circles() for name in ring]
    names = [*dict.fromkeys(circling), *(name for name in graph.modules if name not in circling)]
    return draw(names, [(edge.importer, edge.imported) for edge in graph.edges])


def _shown(graph: ImportGraph, moves: dict[int, str], fates: list[Fate]) -> dict[str, Any]:
    """Give what changes when imports move."""
    whens = [_when(edge, moves.get(number, "")) for number, edge in enumerate(graph.edges)]
    walked = [(edge.importer, edge.imported) for edge, when in zip(graph.edges, whens, strict=True) if when == "import"]
    back = {start: _reachable(start, walked) for start in graph.modules}
    arrows = [
        {
            "importer": edge.importer,
            "imported": edge.imported,
            "line": edge.statement.line,
            "statement": str(edge.statement),
            "path": graph.paths[edge.importer],
            "when": when,
            "says": WHEN[when],
            "circling": when == "import" and edge.importer in back[edge.imported],
            "movable": edge.when == "import" and edge.statement.place == "module",
            "moved": moves.get(number, ""),
        }
        for number, (edge, when) in enumerate(zip(graph.edges, whens, strict=True))
    ]
    return {
        "arrows": arrows,
        "rings": [list(ring) for ring in circles(graph.modules, walked)],
        "moves": {str(number): how for number, how in moves.items()},
        "fates": [asdict(fate) for fate in fates],
    }


def _when(edge: Edge, move: str) -> str:
    return {"": edge.when, "function": "call"}.get(move, "never")


def _reachable(start: str, walked: list[tuple[str, str]]) -> set[str]:
    found = {start}
    grew = True
    while grew:
        more = {end for begin, end in walked if begin in found} - found
        found |= more
        grew = bool(more)
    return found


def _told(arrow: dict[str, Any], mark: str = "") -> str:
    """Say one arrow as a sentence."""
    circle = ", part of a circle" if arrow["circling"] else ""
    was_moved = f" (moved {MOVES[arrow['moved']].replace('`', mark)})" if arrow["moved"] else ""
    return (
        f"{mark}{arrow['importer']}{mark} imports {mark}{arrow['imported']}{mark} in line {arrow['line']} "
        f"{arrow['says']}{circle}{was_moved}"
    )


def cycle_graph(place: str = "", *, run: str = "") -> None:
    """Show who imports whom in a folder of this notebook's workspace, and let imports be moved in a copy.

    `run` is a program in the folder which is started as well: `cycle_graph("shop", run="till.py")`.

    Raises:
        UsageError: there is no such folder, or too much in it.
    """
    if session.grading():
        return
    show(CycleGraph(session.here(), place, run))
