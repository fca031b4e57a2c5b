"""Tests of `autograder.jupyter.import_trace`: what the spy sees is what Python does."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator

import pytest

from autograder import folder
from autograder.exceptions import UsageError
from autograder.folder import LiveWorkspace
from autograder.jupyter.import_trace import Trace, trace


@pytest.fixture
def live(labs: object) -> Iterator[LiveWorkspace]:
    """A workspace with two files of one name, a bare folder, and a module that fails."""
    one = folder.begin_free("tracer")
    for path, text in {
        "tools/hours.py": "import words\nHOURS = 'day'\n",
        "tools/words.py": "print('words are executed')\n",
        "night/hours.py": "HOURS = 'night'\n",
        "tools/broken.py": "half = 1\nraise RuntimeError('no paper')\n",
        "drawer/empty.txt": "",
    }.items():
        (one.project / path).parent.mkdir(exist_ok=True)
        (one.project / path).write_text(text)
    yield one
    folder.remove_tree(one.project)


def said(found: Trace, kind: str) -> list[str]:
    """Give the sentences of one kind."""
    return [step.says for step in found.steps if step.kind == kind and not step.depth]


def won(found: Trace) -> dict[str, str]:
    """Give what was found, by the entry of sys.path."""
    return {one["entry"]: one["found"] for one in found.entries if one["found"]}


@pytest.mark.parametrize(
    ("start", "pythonpath", "first", "winner"),
    [
        ("script", "", "tools", "tools"),
        ("script", "night", "tools", "tools"),
        ("-m", "night", ".", "night"),
        ("-c", "tools", "''", "tools"),
        ("-P", "night:tools", "night", "night"),
    ],
)
def test_the_way_of_starting_decides(live: LiveWorkspace, start: str, pythonpath: str, first: str, winner: str) -> None:
    """What comes first in sys.path, and which of two files is imported, is told for each way of starting."""
    found = trace(live, "import hours", start=start, folder="tools", pythonpath=pythonpath)

    assert found.entries[0]["entry"] == first
    assert won(found) == {winner: "hours"}
    assert found.outcome == f"`hours` is `{winner}/hours.py`."
    assert not list(live.project.rglob("start_here.py"))


def test_the_steps_come_in_their_order(live: LiveWorkspace) -> None:
    """Asked, finders, path, spec, stored, bytecode, executed, bound: and what the body imports is told one deeper."""
    found = trace(live, "import hours", folder="tools")

    kinds = [step.kind for step in found.steps if not step.depth]
    assert list(dict.fromkeys(kinds)) == ["ask", "finder", "entry", "found", "store", "bytecode", "executed", "bind"]
    assert [step.says for step in found.steps if step.depth] == ["Its body imports `words`: from `tools/words.py`."]
    assert found.printed == "words are executed"


def test_bytecode_is_written_used_and_out_of_date(live: LiveWorkspace) -> None:
    """The first import writes it, the second uses it, an edit makes it useless; an edit that keeps time and size doesn't."""
    file = live.project / "night/hours.py"

    def bytecode() -> str:
        return " ".join(said(trace(live, "import hours", folder="night"), "bytecode"))

    assert re.search(r"no bytecode.* written to `night/__pycache__/hours\.", bytecode())
    assert "is used" in bytecode()
    file.write_text("HOURS = 'late at night'\n")
    assert re.search(r"out of date.* written to", bytecode())
    before = file.stat()
    file.write_text("HOURS = 'long at night'\n")
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert "is used" in bytecode()


def test_hashed_bytecode_is_told_apart(live: LiveWorkspace) -> None:
    """What a .pyc is trusted by is read from its header."""
    for mode, words in {"checked": "trusted by its hash", "unchecked": "never checked"}.items():
        compiling = ["python3", "-m", "compileall", "-q", "-f", "--invalidation-mode", f"{mode}-hash", "night"]
        assert live.sandbox.run(compiling, live.place).exit_status == 0

        assert words in " ".join(said(trace(live, "import hours", folder="night"), "bytecode"))


def test_twice_is_a_look_into_a_dictionary(live: LiveWorkspace) -> None:
    """The second of two imports is answered from sys.modules."""
    found = trace(live, "import hours; import hours", folder="tools")

    first, second = said(found, "ask")
    assert "is not in `sys.modules`" in first
    assert "is in `sys.modules`" in second
    assert len(said(found, "executed")) == 1


def test_what_is_built_in_is_not_looked_for_in_the_path(live: LiveWorkspace) -> None:
    """A file of the same name loses, and no entry of sys.path is asked."""
    (live.project / "errno.py").write_text("")
    found = trace(live, "import errno")

    assert found.outcome == "`errno` is built-in."
    assert said(found, "entry") == []


def test_a_bare_folder_and_what_lies_in_it(live: LiveWorkspace) -> None:
    """A folder without `__init__.py` is found after everything else was looked through."""
    assert trace(live, "import drawer").outcome == "`drawer` is a bare folder."
    assert trace(live, "from tools import words").outcome == "`tools.words` is `tools/words.py`."


def test_failures_are_told_as_steps(live: LiveWorkspace) -> None:
    """A missing module, a body that raises and a relative import without a package each say what happened."""
    assert "No module named 'nope'" in trace(live, "import nope").outcome
    assert "taken out of `sys.modules` again" in said(trace(live, "import broken", folder="tools"), "failed")[0]
    assert trace(live, "from . import words", folder="tools").steps[0].mark == "bad"
    assert trace(live, "from . import words", start="-m", folder="tools").outcome.startswith("`tools.words` is")


@pytest.mark.parametrize(
    "statement",
    ["print(1)", "import", "", "import a\nimport b", "x = 1; import a", "import " + "a" * 300, "(" * 150, "import a\0"],
)
def test_only_import_statements_are_run(live: LiveWorkspace, statement: str) -> None:
    """Whatever else is typed is refused in a sentence."""
    with pytest.raises(UsageError, match="no import statement"):
        trace(live, statement)


def test_what_is_no_start_and_no_folder_is_refused(live: LiveWorkspace) -> None:
    """The page may send anything."""
    (live.project / "my tools").mkdir()
    for more in (
        {"start": "-x"},
        {"folder": "../.."},
        {"folder": "/etc"},
        {"folder": "tools/hours.py"},
        {"folder": "my tools", "start": "-m"},
        {"pythonpath": "a\nb"},
    ):
        with pytest.raises(UsageError):
            trace(live, "import hours", **more)
    (live.project / "tools/start_here.py").write_text("mine")
    with pytest.raises(UsageError, match="already"):
        trace(live, "import hours", folder="tools")
    assert (live.project / "tools/start_here.py").read_text() == "mine"
