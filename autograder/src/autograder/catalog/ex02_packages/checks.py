"""What must be true once the shop's four packages behave."""

from __future__ import annotations

import ast
import json
import re
import secrets
from pathlib import Path
from typing import Any

from autograder import Failed, Workspace, check
from autograder.exceptions import SandboxError
from autograder.wording import code, listing, seen, unseen

START = Path(__file__).parent / "start"

# ---- Task 1: A front door

CLASSES = ("PriceTag", "ShelfLabel")
PRINTING = "Run `python3 labels/print_tags.py` and read the last line that it prints."


@check(
    task=1,
    points=2,
    acts=True,
    acts_in="labels",
    hints=[
        "Which file does Python run when it imports the package `tags` itself? What is in it decides which names the package has.",
        "A name that a file imports is a name of that file: `__init__.py` may fetch from its own modules what it wants to offer.",
        "Inside a package a module beside you is written with a dot in front: `from .` and the module's name. One such line a class.",
    ],
)
def classes_come_from_the_package(work: Workspace) -> None:
    """`from tags import PriceTag, ShelfLabel` gives the classes of `tags.price` and `tags.shelf`."""
    expected = (
        "`from tags import PriceTag, ShelfLabel` gives the classes that live in `tags/price.py` and `tags/shelf.py`."
    )
    told = _ask(
        work,
        "labels",
        """
        import tags
        told["lacks"] = [name for name in ("PriceTag", "ShelfLabel") if not hasattr(tags, name)]
        try:
            import tags.price, tags.shelf
        except ModuleNotFoundError as error:
            told["gone"] = [error.name]
        else:
            told["gone"] = [
                f"{module.__name__}.{name}"
                for module, name in ((tags.price, "PriceTag"), (tags.shelf, "ShelfLabel"))
                if not hasattr(module, name)
            ]
        if not told["lacks"] and not told["gone"]:
            told["twice"] = [
                name
                for module, name in ((tags.price, "PriceTag"), (tags.shelf, "ShelfLabel"))
                if getattr(tags, name) is not getattr(module, name)
            ]
        """,
        "tags",
        PRINTING,
    )
    if told["lacks"]:
        promised = work.file("labels/tags/__init__.py").exists and work.source("labels/tags/__init__.py").exported
        only_listed = promised and set(told["lacks"]) & set(promised)
        raise Failed(
            expected=expected,
            found=f"`tags/__init__.py` decides which names the package has, and gives it no {listing(told['lacks'])}."
            + (" A name in `__all__` is only listed: nothing is fetched by it." if only_listed else ""),
            next_step=PRINTING,
            evidence="ImportError",
        )
    if told["gone"]:
        raise Failed(
            expected=expected,
            found=f"{listing(told['gone'])} {_verb(told['gone'])} gone: programs that fetch a class there get an error now.",
            next_step="Run `ls labels/tags; grep -Hn '^class' labels/tags/*.py` to see which class lives where.",
            evidence=r"labels/tags/.*class",
        )
    if told["twice"]:
        name = told["twice"][0]
        module = {"PriceTag": "price", "ShelfLabel": "shelf"}[name]
        raise Failed(
            expected=expected,
            found=f"`tags.{name}` and `tags.{module}.{name}` are two classes of the same name: what one makes is no instance of the other.",
            next_step=f"Run `grep -n {name} labels/tags/*.py` to see where that name gets its meaning.",
            evidence=name,
        )


@check(
    task=1,
    points=1,
    acts=True,
    acts_in="labels",
    after=classes_come_from_the_package,
    hints=[
        "Without being told, a star import takes every name of the package that doesn't begin with an underscore; and modules are names, too.",
        "The package can say itself what a star import gives: by one name with two underscores on each side.",
        "`__all__` is a list of names, each written as a text in quotes.",
    ],
)
def star_gives_exactly_two(work: Workspace) -> None:
    """`from tags import *` gives exactly `PriceTag` and `ShelfLabel`."""
    expected = "`from tags import *` gives `PriceTag` and `ShelfLabel`, and nothing else."
    told = _ask(
        work,
        "labels",
        """
        import tags
        kind = type(getattr(tags, "__all__", [])).__name__
        told["kind"] = kind
        if hasattr(tags, "__all__"):
            told["undefined"] = [name for name in tags.__all__ if isinstance(name, str) and not hasattr(tags, name)]
            told["no_text"] = [str(name) for name in tags.__all__ if not isinstance(name, str)]
        if not told.get("undefined") and not told.get("no_text"):
            names = {}
            exec("from tags import *", names)
            told["star"] = sorted(name for name in names if name != "__builtins__")
        """,
        "tags",
        PRINTING,
    )
    look = "Run `grep -n -A 3 __all__ labels/tags/__init__.py` to read it."
    if told["kind"] == "str":
        raise Failed(
            expected=expected,
            found="`__all__` is one text, not a list: Python takes each of its letters for a name.",
            next_step=look,
            evidence="__all__",
        )
    if told.get("no_text"):
        raise Failed(
            expected=expected,
            found="`__all__` holds objects, and a star import refuses them: it wants the names, as texts.",
            next_step=look,
            evidence="__all__",
        )
    if told.get("undefined"):
        raise Failed(
            expected=expected,
            found=f"`__all__` names {listing(told['undefined'])}, which the package doesn't have: the star import ends in an AttributeError.",
            next_step=look,
            evidence="__all__",
        )
    star = set(told["star"])
    if star != set(CLASSES):
        extra, missing = star - set(CLASSES), set(CLASSES) - star
        parts = [f"The star import also gives {listing(extra)}."] if extra else []
        parts += [f"The star import doesn't give {listing(missing)}."] if missing else []
        why = "the package has no `__all__`" if told["kind"] == "list" and "undefined" not in told else ""
        raise Failed(
            expected=expected,
            found=" ".join(parts) + (f" That is so since {why}." if why and extra else ""),
            next_step="Run `cd labels && python3 -c 'from tags import *; print(dir())'; cd ..` to see every name that it brings.",
            evidence=seen(sorted(extra)[0]) if extra else unseen(f"'{sorted(missing)[0]}',"),
        )


@check(
    task=1,
    points=1,
    acts=True,
    acts_in="labels",
    after=classes_come_from_the_package,
    hints=[
        "Nour's `README.md` names two programs that use more of `tags` than the classes.",
        "Keeping a name out of a star import doesn't mean taking it out of the package.",
        "Wherever they are defined, `tags/__init__.py` must have the names `PAPER` and `_cents`.",
    ],
)
def helpers_stay_within_reach(work: Workspace) -> None:
    """`tags.PAPER` and `tags._cents` can still be used."""
    told = _ask(
        work,
        "labels",
        """
        import tags
        told["lacks"] = [f"tags.{name}" for name in ("PAPER", "_cents") if not hasattr(tags, name)]
        told["works"] = told["lacks"] or tags._cents(1205) == "12.05" and isinstance(tags.PAPER, str)
        """,
        "tags",
        PRINTING,
    )
    if told["lacks"] or not told["works"]:
        lost = (
            f"{listing(told['lacks'])} {_verb(told['lacks'])} gone"
            if told["lacks"]
            else "A helper no longer gives what it gave"
        )
        raise Failed(
            expected="`tags.PAPER` and `tags._cents` are still there, for the programs that use them.",
            found=f"{lost}: the window display or the accountant's spreadsheet stops working.",
            next_step="Run `cd labels && python3 -c 'import tags; print(dir(tags))'; cd ..` to see which names the package has.",
            evidence=unseen(f"'{told['lacks'][0].removeprefix('tags.')}',") if told["lacks"] else r"'_cents'",
        )


# ---- Task 2: One dot too many?

_RECEIPT = """
kept=$(mktemp -d) && cp -a till "$kept"
printf 'tea %s\\nbiscuits %s\\n' "$1" "$2" > till/basket.txt
cat >> till/receipts/core.py <<END

with open(__file__ + "$3", "a") as loaded:
    print(__name__, file=loaded)
END
rm -f till/receipt.txt
bash till/run.sh
status=$?
echo
echo "$3 $status"
echo "$3 receipt $(grep '^To pay:' till/receipt.txt 2> /dev/null)"
echo "$3 loaded $(tr '\\n' ' ' < "till/receipts/core.py$3" 2> /dev/null)"
rm -rf till && mv "$kept/till" till && rmdir "$kept"
"""


@check(
    task=2,
    points=2,
    acts=True,
    acts_in="till",
    hints=[
        "`python3 receipts/cli.py` starts a lonely file: Python doesn't know that it belongs to a package, so a dot means nothing to it.",
        "Python can be told to start a module by its full name instead of by its path. `python3 --help` lists the option among the first.",
        "With `-m` the name is written as in an import: dots, no `.py`. And Python looks for it from the folder where it is started: the one that holds the package.",
    ],
)
def receipt_is_written(work: Workspace) -> None:
    """`till/run.sh` succeeds, and writes the receipt for the basket."""
    tea, biscuits = secrets.randbelow(90) + 2, secrets.randbelow(90) + 2
    status, paid, _ = _receipt(work, tea, biscuits)
    if status != 0:
        raise Failed(
            expected="`till/run.sh` succeeds.",
            found=f"`till/run.sh` ends with exit status {status}.{_why(work)}",
            next_step="Run `bash till/run.sh; echo exit status $?` and read what it says.",
            evidence=r"exit status [^0]",
        )
    if paid != f"To pay: {(450 * tea + 320 * biscuits) / 100:.2f}":
        raise Failed(
            expected="`till/run.sh` writes `till/receipt.txt` for whatever is in `till/basket.txt`.",
            found="`till/run.sh` succeeds, but "
            + (
                "the receipt doesn't fit the basket."
                if paid
                else "writes no receipt: it loads the program and doesn't run it."
            ),
            next_step="Run `rm -f till/receipt.txt; bash till/run.sh; ls till; cat till/run.sh` to see what it leaves behind.",
            evidence=r"run\.sh",
        )


@check(
    task=2,
    points=1,
    acts=True,
    acts_in="till",
    after=receipt_is_written,
    hints=[
        "A file can be loaded under more than one name, and then is more than one module. Which names could `core.py` have?",
        "If you changed the import, or the list of folders in which Python looks: take it back. The cure is in how the program is started.",
        "`cli.py` stays as Nour left it. Only `run.sh` has to change.",
    ],
)
def core_is_part_of_its_package(work: Workspace) -> None:
    """`core.py` is loaded as `receipts.core`, by the import that `cli.py` has always had."""
    _, _, loaded = _receipt(work, 2, 2)
    expected = "`cli.py` is as it was, and its import loads `core.py` as `receipts.core`."
    others = sorted({name for name in loaded if name != "receipts.core"})
    now, before = work.source("till/receipts/cli.py"), (START / "till/receipts/cli.py").read_bytes()
    changed = ast.dump(now.tree) != ast.dump(ast.parse(before))
    look = "Run `grep -n import till/receipts/cli.py; cat till/run.sh` to see how it is imported and started."
    if others:
        raise Failed(
            expected=expected,
            found=f"`core.py` was loaded as {listing(others)}, a stranger to the package `receipts`: "
            "its folder stands on the path, or the import names it without its package.",
            next_step=look,
            evidence=r"import",
        )
    if changed or not loaded:
        written = [str(one) for one in now.imports if one.module.split(".")[-1] == "core" or one.name == "core"]
        other = [one for one in written if one != "from .core import receipt"]
        raise Failed(
            expected=expected,
            found=f"`cli.py` is no longer the file that was tested: it now says {listing(other)}."
            if other
            else "`cli.py` was changed, and is no longer the file that was tested.",
            next_step=look,
            evidence=r"import",
        )


# ---- Task 3: Two halves of one package

HALVES = ("staff/office/crew", "staff/shopfloor/crew")


@check(
    task=3,
    points=1,
    hints=[
        "Import `crew` with both folders on the path, and ask it for its `__file__`. A package in two places can't have one.",
        "Python stops at the first folder called `crew` that has a certain file in it, and takes it for the whole package.",
        "A folder without `__init__.py` is only a *part* of a package, and Python goes on looking for the others.",
    ],
)
def no_half_claims_to_be_all(work: Workspace) -> None:
    """Neither half has an `__init__.py`, which would make it the whole package."""
    claims = [half for half in HALVES if work.file(f"{half}/__init__.py").exists]
    if claims:
        where = listing(claims)
        joined = [half for half in claims if "extend_path" in work.file(f"{half}/__init__.py").text]
        raise Failed(
            expected="`crew` has no `__init__.py`, neither in the office nor on the shop floor.",
            found=f"There is an `__init__.py` in {where}: "
            + (
                "with `extend_path` it has to know that there are other halves, and fails with the first that lacks the line."
                if joined
                else "with such a file a folder is a regular package, complete in itself, and hides every other folder of that name."
            ),
            next_step="Run `find staff -name __init__.py` to see all there are; not each of them is in the way.",
            evidence=seen(f"{claims[0]}/__init__.py"),
        )


@check(
    task=3,
    points=2,
    acts=True,
    acts_in="staff",
    hints=[
        "Start `staff/run.sh`: which half does it find, and which not?",
        "Each half stays in its folder, and `crew.wages` is still a regular package with a function in it.",
        "Exactly one file is too many. If you took away more, *Start over* brings it back.",
    ],
)
def both_halves_are_found(work: Workspace) -> None:
    """With either folder first on the path, `crew.wages` and `crew.rota` can be imported from their own halves."""
    for path in ("office:shopfloor", "shopfloor:office"):
        told = _ask(
            work,
            "staff",
            """
            import importlib, os
            told["missing"], told["empty"], told["places"] = [], [], {}
            for name, function in (("crew.wages", "pay"), ("crew.rota", "on_duty")):
                try:
                    module = importlib.import_module(name)
                except ModuleNotFoundError:
                    told["missing"].append(name)
                    continue
                if not hasattr(module, function):
                    told["empty"].append(f"{name}.{function}")
                else:
                    told["places"][name] = os.path.relpath(module.__file__)
            import crew
            told["parts"] = sorted({os.path.relpath(one) for one in crew.__path__})
            """,
            "crew",
            "Run `bash staff/run.sh` and read the last line that it prints.",
            path=path,
        )
        first = f" when `{path.partition(':')[0]}` comes first" if path.startswith("shop") else ""
        running = "Run `bash staff/run.sh` and read the last line that it prints."
        if told["missing"]:
            raise Failed(
                expected="`crew.wages` and `crew.rota` can both be imported.",
                found=f"{listing(told['missing'])} can't be imported{first}: "
                f"Python takes {listing(told['parts'])} for all there is of `crew`, and looks nowhere else.",
                next_step=running,
                evidence="Error|EUR" if first else "Error",
            )
        if told["empty"]:
            raise Failed(
                expected="`crew.wages` is a package which offers `pay`, and `crew.rota` offers `on_duty`.",
                found=f"{listing(told['empty'])} {_verb(told['empty'])} gone. A folder that has lost its `__init__.py` can still be imported, and is empty.",
                next_step=running,
                evidence="Error",
            )
        wandered = [
            name
            for name, home in (("crew.wages", "office/"), ("crew.rota", "shopfloor/"))
            if not told["places"][name].startswith(f"{home}crew/")
        ]
        if wandered or len(told["parts"]) != 2:
            raise Failed(
                expected="The office keeps `crew.wages`, the shop floor keeps `crew.rota`, and `crew` has two places.",
                found=f"{listing(wandered)} comes from the other half's folder, or from neither."
                if wandered
                else f"`crew` has {len(told['parts'])} places on the path, not two.",
                next_step="Run `find staff -name '*.py'` to see what lies where.",
                evidence=r"staff/",
            )


# ---- Task 4: Tests that nobody finds

TESTS = {
    "stock/tests/test_arrivals.py": ("ArrivalTest", "test_nothing_needs_no_box"),
    "stock/tests/shelf/test_count.py": ("ShelfTest", "test_front_row_only"),
    "stock/tests/storeroom/test_count.py": ("StoreroomTest", "test_a_started_box_is_a_box"),
}


@check(
    task=4,
    points=1,
    acts=True,
    acts_in="stock",
    hints=[
        "unittest finds tests by importing them, and looks only into folders that it can import as regular packages.",
        "What makes a folder a regular package? `stock/counting` is one, `stock/tests` isn't.",
        "It is every folder on the way to a test that counts: `tests` itself, and those in it.",
    ],
)
def unittest_finds_them(work: Workspace) -> None:
    """`python3 -m unittest discover`, typed in `stock/`, finds all three tests."""
    told = _ask(
        work,
        "stock",
        """
        import unittest
        told["found"], told["broken"] = [], []
        todo = [unittest.defaultTestLoader.discover(".")]
        while todo:
            one = todo.pop()
            if isinstance(one, unittest.TestSuite):
                todo += one
            elif type(one).__name__ in ("_FailedTest", "ModuleSkipped"):
                told["broken"].append(one._testMethodName)
            else:
                told["found"].append([type(one).__name__, one._testMethodName])
        """,
        "tests",
        "Run `cd stock && python3 -m unittest discover -v; cd ..` and count what it finds.",
    )
    _all_three(
        {(str(one[0]), str(one[1])) for one in told["found"]},
        "unittest",
        "every folder on the way to a test must be a regular package, or unittest goes past it",
        "Run `cd stock && python3 -m unittest discover -v; cd ..` and count what it finds.",
    )


_PYTEST = """
if ! command -v pytest > /dev/null; then
  python3 -m pip install --quiet --disable-pip-version-check --target "$2/tools" pytest
  PATH=$2/tools/bin:$PATH PYTHONPATH=$2/tools; export PYTHONPATH
fi
command -v pytest > /dev/null || { echo "$1 none"; exit; }
cd stock && PYTHONDONTWRITEBYTECODE=1 pytest -q -p no:cacheprovider --junitxml="$2/report.xml" > /dev/null 2>&1
echo "$1 $(grep -o '<testcase [^>]*>' "$2/report.xml" | tr '\\n' ' ')"
rm -rf "$2"
"""


@check(
    task=4,
    points=1,
    acts=True,
    acts_in="stock",
    hints=[
        "Two of the three files have the same name. How can pytest tell apart two modules that are both called `test_count`?",
        "In a regular package a module's full name has the package's name in front of it, and then both may live.",
        "pytest puts the first folder above a test that is *not* a regular package on the path. The tests import `counting`, so that folder had better be `stock`.",
    ],
)
def pytest_finds_them(work: Workspace) -> None:
    """`pytest`, typed in `stock/`, finds all three tests and can import them."""
    mark = secrets.token_hex(12)
    ran = work.run("bash", "-c", f'scratch=$(mktemp -d)\nset -- "$1" "$scratch"\n{_PYTEST}', "pytest", mark)
    told = re.search(rf"^{mark} (.*)$", ran.output, re.MULTILINE)
    if told is None or told.group(1) == "none":
        raise SandboxError("There is no pytest here to try it with.", "Run `course doctor` to see what is missing.")
    cases = re.findall(r'<testcase classname="([^"]*)" name="([^"]*)"', told.group(1))
    look = "Run `cd stock && pytest -v; cd ..` and read which tests it names, or why it stops."
    _all_three(
        {(place.rpartition(".")[2], name) for place, name in cases},
        "pytest",
        "it stops where two files have one name, or where a test can't import `counting`",
        look,
    )


@check(
    task=4,
    points=1,
    after=unittest_finds_them,
    hints=[
        "The list on the wall names three files. Are they still there?",
        "Nothing has to be renamed, moved or rewritten for this task; files have to be added.",
        "*Start over* in the checklist brings back the three files as they were.",
    ],
)
def tests_kept_their_places(work: Workspace) -> None:
    """The three tests are in the files where they were, under their names."""
    for path, (group, name) in TESTS.items():
        found = work.file(path).exists and {
            (one.name, part.name)
            for one in ast.walk(work.source(path).tree)
            if isinstance(one, ast.ClassDef)
            for part in one.body
            if isinstance(part, ast.FunctionDef)
        }
        if not found or (group, name) not in found:
            raise Failed(
                expected=f"{code(path)} holds {code(f'{group}.{name}')}, as the list on the wall says.",
                found=f"{code(path)} is gone: the folders were at fault, not the files' names."
                if found is False
                else f"{code(path)} no longer holds it.",
                next_step="Run `find stock -name '*.py' | sort` to see which files there are.",
                evidence=r"stock/" if found is not False else unseen(path),
            )


# ---- What several of them need

_ASK = """
import json, sys, textwrap
mark, body = sys.argv.pop(), sys.argv.pop()
told = {}
try:
    exec(textwrap.dedent(body), {"told": told})
except BaseException as error:
    told["error"], told["missing"] = type(error).__name__, str(getattr(error, "name", None) or "")
print("\\n" + mark, json.dumps(told))
"""


def _ask(work: Workspace, folder: str, body: str, package: str, look: str, *, path: str = "") -> dict[str, Any]:
    """Let a fresh Python, started in `folder`, find out about `package`; `body` writes what it finds into `told`.

    It answers under a mark which nobody knows beforehand; raises Failed if importing goes wrong.
    """
    mark = secrets.token_hex(12)
    ran = work.run(
        "env", f"PYTHONPATH={path}", "PYTHONDONTWRITEBYTECODE=1", "python3", "-c", _ASK, body, mark, cwd=folder
    )
    answer = re.search(rf"^{mark} (.+)$", ran.output, re.MULTILINE)
    told = json.loads(answer.group(1)) if answer else {"error": "SystemExit", "missing": ""}
    error, missing = told.get("error"), told.get("missing", "")
    if error is None:
        return dict(told)
    expected = f"{code(package)} can be imported, from the folder {code(folder)}."
    if error == "ModuleNotFoundError" and missing:
        found = (
            f"On the way into {code(package)}, Python looks for a module {code(missing)} and finds none of that name."
        )
        if "." not in missing and work.file(f"{folder}/{package}/{missing}.py").exists:
            found += " There is one inside the package, but that isn't where an import without a dot looks."
    else:
        found = f"Importing {code(package)} ends with {code(str(error))}."
    raise Failed(expected=expected, found=found, next_step=look, evidence=r"Error|[Ee]xit|\S")


def _verb(names: list[str]) -> str:
    return "is" if len(names) == 1 else "are"


def _why(work: Workspace) -> str:
    """Say what a start of `cli.py` has against it, where `run.sh` shows it."""
    text = work.file("till/run.sh").text
    if re.search(r"-m\s+\S+\.py\b", text):
        return " After `-m` Python wants the name of a module, as an import would write it; the last dot and `py` are no part of that."
    if re.search(r"-m\s+cli\b", text):
        return (
            " Started from inside the folder `receipts`, `cli` is a module without a package, so its dot means nothing."
        )
    if re.search(r"(^|[\s/])cli\.py\b", text):
        return " It starts `cli.py` as a lone file; Python then knows no package that the dot in its import could mean."
    return ""


def _all_three(found: set[tuple[str, str]], finder: str, why: str, look: str) -> None:
    """Require that the three tests are among those found."""
    lost = sorted(path for path, one in TESTS.items() if one not in found)
    if lost:
        raise Failed(
            expected=f"{finder} finds three tests.",
            found=f"{finder} finds {3 - len(lost)} of 3: not the {'one' if len(lost) == 1 else 'ones'} in {listing(lost)}. "
            f"The rule behind it: {why}.",
            next_step=look,
            evidence=r"Ran|passed|error|ERROR|collected|NO TESTS",
        )


def _receipt(work: Workspace, tea: int, biscuits: int) -> tuple[int, str, list[str]]:
    """Run the till on a basket of our own: its exit status, what is to pay, and the names under which core.py was loaded."""
    work.file("till/receipts/core.py").require()
    mark = secrets.token_hex(12)
    ran = work.run("bash", "-c", _RECEIPT, "receipt", str(tea), str(biscuits), mark)
    told = dict(re.findall(rf"^{mark} (\d+|receipt|loaded) ?(.*)$", ran.output, re.MULTILINE))
    status = next((int(key) for key in told if key.isdigit()), 1)
    return status, told.get("receipt", ""), told.get("loaded", "").split()
