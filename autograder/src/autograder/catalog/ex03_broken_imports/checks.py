"""What must be true once the shop's four programs can be imported again, whole, and in good time."""

from __future__ import annotations

import ast
import builtins
import re
import secrets
import sys
from pathlib import PurePosixPath
from typing import Any

from autograder import Failed, Workspace, check
from autograder.import_graph import ImportGraph
from autograder.source import Source
from autograder.wording import code, listing, seen

# ---- Task 1: A circle


@check(
    task=1,
    points=1,
    acts=True,
    acts_in="till",
    hints=[
        "Import each of the two files first, in a Python of its own: where does each of them stop?",
        "While a file is being imported, its lines run from top to bottom. What has the first file defined when the second one asks it for a name?",
        "Find the one name that both files need. It is defined in the file which can't be finished without the other one.",
    ],
)
def whichever_comes_first(work: Workspace) -> None:
    """`basket` and `discounts` can be imported in either order, and add up as before."""
    for path in ("till/basket.py", "till/discounts.py"):
        work.file(path).require()
    _either_first(work, "till", "basket", "discounts")
    added = """
import basket
def total(*prices):
    customer = basket.Basket()
    for cents in prices:
        customer.add(cents)
    return customer.total()
told["small"], told["large"] = total(320, 173), total(5000, 123)
"""
    fate = _fresh(work, "till", added)
    for size, right in (("small", 495), ("large", 4970)):
        if fate.get(size) != right:
            came = f"gives {code(str(fate.get(size)))}; it should give {right}."
            if fate.get("error"):
                came = _ends(fate["error"])
            goods = {"small": "320 and 173", "large": "5000 and 123"}[size]
            raise Failed(
                expected="A basket comes to the same as before, less the discount, in coins.",
                found=f"Both files can be imported, but adding up a basket of {goods} {came}",
                next_step="Run `python3 till/till.py` to see the till at work; its basket of 4950 and 175 comes to 4970.",
                evidence=r"Error|To pay",
            )


@check(
    task=1,
    points=1,
    hints=[
        "Draw the files as boxes and each import as an arrow. Can you walk along the arrows and come back?",
        "`import basket` instead of `from basket import …` may help for today, but it is an arrow too.",
        "Once both files get from a third one what they share, one of the two arrows between them has no purpose any more.",
    ],
)
def no_circle(work: Workspace) -> None:
    """No chain of imports at the top of the till's files leads back to where it began."""
    graph = ImportGraph(work.tree, "till")
    for circle in graph.circles():
        way = " → ".join(code(name) for name in (*circle, circle[0]))
        importer, imported = circle[-1], circle[0]
        (edge, *_) = [one for one in graph.edges if (one.importer, one.imported) == (importer, imported)]
        path = graph.paths[importer]
        raise Failed(
            expected="The till's files don't import one another in a circle.",
            found=f"The imports go round: {way}. It is closed by line {edge.statement.line} of {code(path)}.",
            next_step="Run `grep -n import till/*.py` to see who imports whom.",
            evidence=rf"{re.escape(path)}:{edge.statement.line}:",
        )


@check(
    task=1,
    points=1,
    after=whichever_comes_first,
    hints=[
        "An import in a function is a good cure where only that function needs it. Here somebody else wants the name, too.",
        "Search the till's files for imports that are indented.",
        "If an import works only inside a function, ask what it would meet at the top of the file, and move that out of the way instead.",
    ],
)
def imports_stand_at_the_top(work: Workspace) -> None:
    """No function in the till's files imports another one of them."""
    graph = ImportGraph(work.tree, "till")
    for edge in graph.edges:
        if edge.when == "call":
            path, line = graph.paths[edge.importer], edge.statement.line
            why = "this task wants what is shared in a module of its own, which everybody can import at the top."
            if edge.imported not in ("basket", "discounts"):
                why = "nothing is in its way at the top, where everybody would see what the file needs."
            raise Failed(
                expected="Imports from one of the till's files to another stand at the top.",
                found=f"Line {line} of {code(path)} imports {code(edge.imported)} inside a function. That works, but {why}",
                next_step=f"Run `grep -n import {path}` to see it.",
                evidence=rf"(?m)^{line}:\s+",
            )
    for name, source in graph.sources.items():
        for node in ast.walk(source.tree):
            called = getattr(getattr(node, "func", None), "id", getattr(getattr(node, "func", None), "attr", ""))
            if called in ("__import__", "import_module"):
                raise Failed(
                    expected="The till's files import one another by `import` statements at the top.",
                    found=f"{code(graph.paths[name])} imports by calling {code(called)}: a circle stays a circle, however it is spelt.",
                    next_step=f"Run `grep -n {called} {graph.paths[name]}` to see it.",
                    evidence=seen(called),
                )


@check(
    task=1,
    points=1,
    hints=[
        "Nour's price tags need to round as well, and they know nothing of baskets or discounts.",
        "A circle of two becomes a line when what both need moves to a third place, which needs neither of them.",
        "The function `rounded` needs one more thing besides itself: look at what stands right above it.",
    ],
)
def rounding_has_its_own_module(work: Workspace) -> None:
    """`rounded` is defined in a module of its own."""
    graph = ImportGraph(work.tree, "till")
    homes = _definitions(graph, "rounded")
    for name in ("basket", "discounts", "till"):
        if name in homes:
            raise Failed(
                expected="`rounded` is defined in a module which is about nothing else.",
                found=f"`rounded` is defined in line {homes[name]} of {code(f'till/{name}.py')}: "
                f"who wants to round a price has to import all of {code(name)} with it.",
                next_step="Run `grep -n rounded till/*.py` to see where it is defined and who uses it.",
                evidence=rf"till/{name}\.py:{homes[name]}:",
            )
    if not homes:
        raise Failed(
            expected="`rounded` is defined in a module of its own.",
            found="No file in `till/` defines `rounded` any more.",
            next_step="Run `ls -R till` to see which files there are.",
            evidence=r"basket\.py|till",
        )


# ---- Task 2: Imported for a hint


@check(
    task=2,
    points=1,
    acts=True,
    acts_in="delivery",
    hints=[
        "Import `order` in a fresh Python, then `customer` in another one. Which line of which file stops them?",
        "Before Python 3.14 a hint is evaluated when its function is defined, so each name in it must exist then, unless the hint is postponed.",
        "A hint may stand in quotes; or `from __future__ import annotations`, as a file's first statement, postpones all of its hints.",
    ],
)
def delivery_works(work: Workspace) -> None:
    """`order` and `customer` can be imported in either order, and a parcel gets its label."""
    for path in ("delivery/order.py", "delivery/customer.py"):
        work.file(path).require()
    _either_first(work, "delivery", "order", "customer")
    fate = _fresh(
        work,
        "delivery",
        """
import customer
ada = customer.Customer("Ada", "3 Mill Lane")
told["label"] = ada.buy("Tea", 320).label(ada)
""",
    )
    if fate.get("label") != "Tea for Ada, 3 Mill Lane":
        came = _ends(fate["error"]) if fate.get("error") else f"gives {code(str(fate.get('label')))}."
        raise Failed(
            expected="A parcel gets the label `Tea for Ada, 3 Mill Lane`, as before.",
            found=f"Both files can be imported, but making a label {came}",
            next_step="Run `python3 delivery/deliver.py` to see what happens.",
            evidence=r"Error|for",
        )


@check(
    task=2,
    points=1,
    after=delivery_works,
    hints=[
        "The hint is of use: editors and type checkers live on it.",
        "It is only Python itself, when it runs the program, that has no need of the class.",
        "Put the hint back as it was: what has to change is *when* its name is imported.",
    ],
)
def hint_is_kept(work: Workspace) -> None:
    """The parameter `customer` of `Order.label` still has the hint `Customer`."""
    source = work.source("delivery/order.py")
    hint = _hint(source)
    names = {"Customer"} | {one.bound for one in source.imports if (one.module, one.name) == ("customer", "Customer")}
    if hint is None or not names & _identifiers(hint)[1]:
        is_now = "has no hint" if hint is None else f"has the hint {code(ast.unparse(hint))}"
        raise Failed(
            expected="`Order.label` says that its `customer` is a `Customer`.",
            found=f"The hint is gone: `customer` {is_now} now. Keep it; only the import at run time is too much.",
            next_step="Run `grep -n 'def ' delivery/order.py` to see the parameters.",
            evidence=r"def label",
        )


@check(
    task=2,
    points=1,
    after=hint_is_kept,
    hints=[
        "A type checker reads the file from the top and looks the hint's name up, as you would.",
        "`typing` has a name which type checkers take to be true, and which is false when the program runs.",
        "An `if` with that name as its condition may hold an import.",
    ],
)
def checkers_can_find_it(work: Workspace) -> None:
    """Type checkers can see in `delivery/order.py` where the hint's name comes from."""
    source = work.source("delivery/order.py")
    hint = _hint(source)
    begins = _identifiers(hint)[0] if hint is not None else set()
    known = {one.bound for one in source.imports if one.place != "function"}
    if begins - known - set(dir(builtins)):
        indoors = [one for one in source.imports if one.module == "customer" and one.place == "function"]
        where = (
            f"it is imported in line {indoors[0].line}, inside a function, and isn't known outside"
            if indoors
            else "nothing in the file imports it"
        )
        raise Failed(
            expected="Who reads `delivery/order.py` without running it can tell what `Customer` is.",
            found=f"The hint names `Customer`, but {where}: for a type checker it is an unknown name.",
            next_step="Run `grep -n -E 'import|Customer' delivery/order.py` to see what is imported and where.",
            evidence=r"Customer",
        )


@check(
    task=2,
    points=1,
    acts=True,
    acts_in="delivery",
    after=delivery_works,
    hints=[
        "Which modules has Python loaded after `import order`? `sys.modules` tells.",
        "A hint in quotes isn't evaluated, but an import at the top of a file is executed all the same.",
        "The import has to stand where a type checker sees it and the running program doesn't pass by.",
    ],
)
def order_stands_alone(work: Workspace) -> None:
    """`import order` doesn't load `customer`."""
    fate = _fresh(work, "delivery", "import order")
    if "customer" in fate.get("loaded", ()):
        raise Failed(
            expected="`import order` loads `order` without `customer`.",
            found="After `import order` the module `customer` is loaded, too: it is still imported when the program runs, not only for type checkers.",
            next_step="""Run `PYTHONPATH=delivery python3 -c 'import order, sys; print("customer" in sys.modules)'` to see it.""",
            evidence=r"^True$",
        )


# ---- Task 3: The shadow


@check(
    task=3,
    points=1,
    hints=[
        "Ask Python which file it took for `random`: every module has a `__file__`.",
        "The folder of the program that you start comes before the standard library, so a file in it hides whatever has the same name.",
        "`sys.stdlib_module_names` holds all names that are taken. Throwing away `__pycache__` never helps: it is made again from the same file.",
    ],
)
def nothing_hides_the_library(work: Workspace) -> None:
    """No module in `prizes/` has the name of one in the standard library."""
    for name in work.tree.names("prizes"):
        stem, suffix = PurePosixPath(name).stem, PurePosixPath(name).suffix
        entry = work.tree.entry(f"prizes/{name}")
        is_module = suffix in (".py", ".pyc", ".so") and entry is not None and entry.kind != "folder"
        if work.file(f"prizes/{name}/__init__.py").exists:
            stem, is_module = name, True
        if is_module and stem.partition(".")[0] in sys.stdlib_module_names:
            raise Failed(
                expected="No file in `prizes/` has the name of a module of the standard library.",
                found=f"The culprit is {code(f'prizes/{name}')}: its name is a standard-library name, and the program's own folder is looked through first.",
                next_step=f"Run `PYTHONPATH=prizes python3 -c 'import {stem}; print({stem}.__file__)'` to see which file Python takes.",
                evidence=r"prizes/|Error",
            )


@check(
    task=3,
    points=1,
    hints=[
        "The trouble is the file's name, not what stands in it.",
        "The leaflets for next month will want the prizes, too, and won't want to draw a winner.",
        "Give the file a name that says what it holds, and that nobody has taken yet.",
    ],
)
def prizes_survive(work: Workspace) -> None:
    """`prize_for` lives on in a module of its own."""
    graph = ImportGraph(work.tree, "prizes")
    homes = set(_definitions(graph, "prize_for"))
    if homes - {"draw"}:
        if homes != {"random"}:
            return
        found = "`prize_for` is still in `prizes/random.py`, under the name that makes the trouble."
    elif homes:
        found = "`prize_for` has moved into `draw.py`: who only wants to know the prizes would have to draw a winner."
    else:
        found = "No file in `prizes/` defines `prize_for` any more."
    raise Failed(
        expected="`prize_for` is defined in a module of its own, beside `draw.py`, under a better name.",
        found=found,
        next_step="Run `ls prizes; grep -rn --include='*.py' prize_for prizes` to see which files there are, and what is in them.",
        evidence=r"draw\.py",
    )


@check(
    task=3,
    points=2,
    acts=True,
    acts_in="prizes",
    hints=[
        "Start it and read the last line: who is asked for what?",
        "`draw.py` needs two modules: one is Python's, one is ours. How many does it import?",
        "Each of the two calls has to name the module that really has the function.",
    ],
)
def winner_is_drawn(work: Workspace) -> None:
    """`prizes/draw.py` runs with Python's `random` and with our `prize_for`."""
    work.file("prizes/draw.py").require()
    fate = _fresh(
        work,
        "prizes",
        """
import runpy
names = {}
try:
    names = runpy.run_path("draw.py", run_name="__main__")
except SystemExit as left:
    if left.code not in (None, 0):
        raise
told["draws"] = hasattr(sys.modules.get("random"), "randint")
known = [names, *(getattr(module, "__dict__", {}) for module in list(sys.modules.values()))]
told["prizes"] = any(one["prize_for"](7) == "a pound of sugar" for one in known if "prize_for" in one)
""",
    )
    expected = "`draw.py` draws a ticket with Python's `random` and says what it wins."
    look = "Run `python3 prizes/draw.py` to see how it ends."
    if fate.get("error"):
        raise Failed(expected=expected, found=f"`draw.py` {_ends(fate['error'])}", next_step=look, evidence=r"Error")
    if not fate.get("draws"):
        raise Failed(
            expected=expected,
            found="`draw.py` comes to its end, but nothing is drawn: Python's own `random` is never loaded.",
            next_step="Run `grep -n random prizes/draw.py` to see what is left of it.",
            evidence=r"random|\A\Z",
        )
    if not fate.get("prizes"):
        raise Failed(
            expected=expected,
            found="`draw.py` comes to its end, but no module of ours tells the prizes: none with our `prize_for` is loaded.",
            next_step="Run `grep -n import prizes/draw.py` to see what it imports.",
            evidence=r"import|\A\Z",
        )


# ---- Task 4: Slow to start


@check(
    task=4,
    points=1,
    acts=True,
    acts_in="pricelist",
    hints=[
        "`python3 -X importtime` tells which import costs how much.",
        "All lines outside a function run when the file is imported: at the top, at the bottom and below `try:` alike.",
        "What is imported inside a function is imported when the function is called, and only the first call pays for it.",
    ],
)
def charts_wait(work: Workspace) -> None:
    """`import tool` doesn't run `charts`; neither does looking up a price."""
    source = work.source("pricelist/tool.py")
    fate = _tool(work)
    if fate.get("priced") and not fate.get("charts_early"):
        return
    expected = "`charts` is run when somebody wants a chart, and not before."
    lines = [one.line for one in source.imports if "charts" in one.modules() and one.at_import]
    if fate.get("error"):
        raise Failed(
            expected=expected,
            found=f"Importing `tool` and looking up a price {_ends(fate['error'])}",
            next_step="Run `PYTHONPATH=pricelist python3 -c 'import tool; print(tool.price(\"Tea\"))'` to see where.",
            evidence=r"Error",
        )
    if lines:
        raise Failed(
            expected=expected,
            found=f"Line {lines[0]} of `pricelist/tool.py` imports `charts` and stands in no function, so it is still executed at import time, wherever in the file it stands: only what is in a function waits until somebody calls it.",
            next_step="Run `grep -n -E 'import|def ' pricelist/tool.py` to see what stands where.",
            evidence=rf"(?m)^{lines[0]}:",
        )
    raise Failed(
        expected=expected,
        found="After `import tool` and looking up a price `charts` has been run already, though nobody asked for a chart.",
        next_step="Run `grep -n chart pricelist/tool.py` to see who might have asked.",
        evidence=r"chart",
    )


@check(
    task=4,
    points=1,
    acts=True,
    acts_in="pricelist",
    hints=[
        "There may be more than one heavy import. Who else brings dozens of modules?",
        "`PYTHONPATH=pricelist python3 -X importtime -c 'import tool'` lists every module that is loaded; those which it was asked for stand furthest to the left.",
        "XML is for the supplier's order alone. What helped with the charts helps here, too.",
    ],
)
def it_starts_light(work: Workspace) -> None:
    """`import tool` loads fewer than 50 modules."""
    source = work.source("pricelist/tool.py")
    fate = _fresh(work, "pricelist", "import tool")
    if not fate.get("error") and len(fate["loaded"]) < MOST_MODULES:
        return
    if fate.get("error"):
        found = f"`import tool` {_ends(fate['error'])}"
    else:
        asked = listing(one.modules()[0] for one in source.imports if one.at_import)
        found = f"`import tool` still loads {MOST_MODULES} modules or more; what it asks for itself at import time is {asked}."
    raise Failed(
        expected=f"`import tool` loads fewer than {MOST_MODULES} modules.",
        found=found,
        next_step="""Run `PYTHONPATH=pricelist python3 -c 'import sys; n = len(sys.modules); import tool; print(len(sys.modules) - n, "more modules")'` to count them.""",
        evidence=r"^([5-9]\d|\d{3,}) more modules|Error",
    )


@check(
    task=4,
    points=2,
    acts=True,
    acts_in="pricelist",
    after=charts_wait,
    hints=[
        "A program that does nothing starts fastest. All three functions have to go on working.",
        'Try `tool.chart()` and `tool.order("Tea")`: which name does Python miss?',
        "Each function that uses a module has to see to it that the module is there when it is called.",
    ],
)
def all_of_it_works(work: Workspace) -> None:
    """`tool.price`, `tool.chart` and `tool.order` give what they gave before, the chart by `charts`."""
    work.file("pricelist/tool.py").require()
    fate = _tool(work)
    for call in ('price("Tea")', "chart()", 'order("Tea")'):
        if fate.get(call) is not True:
            error = fate.get("error") or fate.get(f"{call} ends with")
            raise Failed(
                expected=f"`tool.{call}` gives what it gave before.",
                found=f"`tool.{call}` {_ends(error)}" if error else f"`tool.{call}` gives something else.",
                next_step=f"Run `PYTHONPATH=pricelist python3 -c 'import tool; print(tool.{call})'` to see what it does.",
                evidence=r"\S",
            )
    if not fate.get("charts_used"):
        raise Failed(
            expected="The chart is drawn by `charts`.",
            found="`tool.chart()` gives a chart, but not by `charts`, which the others in the team go on working on.",
            next_step="Run `grep -n chart pricelist/tool.py` to see where it comes from.",
            evidence=r"chart",
        )


# ---- What several of them need

MOST_MODULES = 50

_PROBE = """
import sys
before = set(sys.modules)
told = {}
try:
    exec(sys.argv[1])
except BaseException as error:
    told["error"] = type(error).__name__
told["loaded"] = sorted(set(sys.modules) - before)
print("\\n" + sys.argv[2] + repr(told))
"""


def _fresh(work: Workspace, folder: str, program: str) -> dict[str, Any]:
    """Run a few lines in a fresh Python whose path begins with `folder`; give what they put into `told`.

    `loaded` are the modules that they loaded, `error` is the type of what ended them: never the text, which is another one in each Python.
    What the learner's files print is not believed: the answer stands behind a mark which nobody knows beforehand.
    """
    mark = secrets.token_hex(12)
    ran = work.run("python3", "-c", _PROBE, program, mark, cwd=folder)
    _, found, told = ran.output.rpartition(mark)
    if not found:
        return {"error": "an early end", "loaded": []}
    try:
        answer = ast.literal_eval(told.strip().partition("\n")[0])
    except (ValueError, SyntaxError):
        answer = None
    return answer if isinstance(answer, dict) else {"error": "an early end", "loaded": []}


_TOOL = """
import tool
told["priced"] = tool.price("Tea") == 320
def run():  # a module that is loaded lazily is there before it has been run
    module = sys.modules.get("charts")
    return module is not None and "bars" in object.__getattribute__(module, "__dict__")
told["charts_early"] = run()
def order():
    text = tool.order("Tea")
    import xmlrpc.client
    return xmlrpc.client.loads(text) == (("Tea", 320), "order")
right = "Tea     ##\\nSugar   #\\nTeapot  " + "#" * 20
calls = {'price("Tea")': lambda: told["priced"], "chart()": lambda: tool.chart() == right, 'order("Tea")': order}
for call, works in calls.items():
    try:
        told[call] = works()
    except Exception as error:
        told[call + " ends with"] = type(error).__name__
told["charts_used"] = run()
"""


_MEANS = {
    "AttributeError": "somebody is asked for a name that it hasn't got",
    "ImportError": "a module is asked for a name that it hasn't got, or hasn't got yet",
    "ModuleNotFoundError": "no file of that name is found",
    "NameError": "a name is used which has no meaning there at that moment",
    "SyntaxError": "it isn't Python",
}


def _ends(error: str) -> str:
    """Say how something ends, and what this kind of error means."""
    means = f": {_MEANS[error]}" if error in _MEANS else ""
    return f"ends with {code(error)}{means}."


def _either_first(work: Workspace, folder: str, *doors: str) -> None:
    """Require that each of two modules can be imported first, in a fresh Python each."""
    fates = {door: str(_fresh(work, folder, f"import {door}").get("error", "")) for door in doors}
    for door, other in (doors, doors[::-1]):
        if fates[door]:
            found = f"In a fresh Python, `import {door}` {_ends(fates[door])}"
            if not fates[other]:
                found = f"`import {other}` works, but `import {door}` in a fresh Python still {_ends(fates[door])} It depends on who comes first."
            raise Failed(
                expected=f"Each of {code(doors[0])} and {code(doors[1])} can be the first to be imported.",
                found=found,
                next_step=f"Run `PYTHONPATH={folder} python3 -c 'import {door}'` and read from the bottom up: which line of which file needs what?",
                evidence=r"Error",
            )


def _tool(work: Workspace) -> dict[str, Any]:
    """Use all of the price list, and see when `charts` is run."""
    return _fresh(work, "pricelist", _TOOL)


def _definitions(graph: ImportGraph, name: str) -> dict[str, int]:
    """Give the modules that define a name themselves, and the line; importing it is not defining it."""
    return {
        module: binding.line
        for module, source in graph.sources.items()
        for binding in source.bindings
        if binding.name == name and binding.kind != "import"
    }


def _hint(source: Source) -> ast.expr | None:
    """Give the hint of the parameter `customer` of `Order.label`; None if it has none, or isn't there."""
    for node in ast.walk(source.tree):
        if isinstance(node, ast.ClassDef) and node.name == "Order":
            for method in node.body:
                if isinstance(method, ast.FunctionDef) and method.name == "label":
                    arguments = [*method.args.posonlyargs, *method.args.args, *method.args.kwonlyargs]
                    return next((one.annotation for one in arguments if one.arg == "customer"), None)
    return None


def _identifiers(hint: ast.expr) -> tuple[set[str], set[str]]:
    """Give the names that a hint begins with, and those it ends with, also where it is a text: `a.B` begins with `a`."""
    begins, ends = set(), set()
    todo: list[ast.AST] = [hint]
    while todo:
        for node in ast.walk(todo.pop()):
            if isinstance(node, ast.Name):
                begins.add(node.id)
                ends.add(node.id)
            elif isinstance(node, ast.Attribute):
                ends.add(node.attr)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 200:
                try:
                    todo.append(ast.parse(node.value, mode="eval").body)
                except (SyntaxError, ValueError, RecursionError):
                    continue
    return begins, ends
