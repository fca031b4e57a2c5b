"""Tests of `autograder.source`: Python source, read without running it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autograder.exceptions import Failed
from autograder.index import PackageIndex
from autograder.source import LARGEST_SOURCE, Source, starts
from autograder.tree import FolderTree
from autograder.workspace import Workspace
from real_environments import facts

SHOP = b'''
"""The till."""
import os, shop.prices as prices
from . import labels
from ..stock import count as how_many, reserve
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from shop.kiosk import Kiosk
else:
    Kiosk = None
try:
    import tomllib
except ImportError:
    import tomli as tomllib

def sell(thing=os.getcwd()):
    import json
    return lambda: print(thing)

class Till:
    import decimal
    drawers = [repr(name) for name in os.listdir()]
    def close(self):
        from shop import night

lines = [line for line in "a b".split()] and (text := "c")
with open("today.txt") as today:
    first, *rest = today
__all__ = ["sell"] + ["Till"]
__all__ += ("lines",)
__all__.extend(["rest"])

if __name__ == "__main__":
    import shop.window
    sell()
'''


def source(text: str) -> Source:
    """Read this text."""
    return Source("x.py", text.encode())


def test_imports_and_where_they_stand() -> None:
    """Each imported name is given, with what the import's place means for whoever imports the file."""
    found = {str(one): one for one in Source("till.py", SHOP).imports}

    assert list(found) == [
        "import os",
        "import shop.prices as prices",
        "from . import labels",
        "from ..stock import count as how_many",
        "from ..stock import reserve",
        "from typing import TYPE_CHECKING",
        "from shop.kiosk import Kiosk",
        "import tomllib",
        "import tomli as tomllib",
        "import json",
        "import decimal",
        "from shop import night",
        "import shop.window",
    ]
    later = [words for words, one in found.items() if not one.at_import]
    assert later == ["from shop.kiosk import Kiosk", "import json", "from shop import night", "import shop.window"]
    assert [found[words].place for words in ("import tomllib", "import decimal", "import json")] == [
        "module",
        "class",
        "function",
    ]
    assert found["from shop.kiosk import Kiosk"].typing_only
    assert found["import shop.window"].guarded


def test_a_relative_import_is_resolved() -> None:
    """What a relative import may name depends on the package in which the file lies."""
    one, two, star = source("from . import a\nfrom ..b import c\nfrom d import *\n").imports

    assert one.modules("shop.till") == ("shop.till", "shop.till.a")
    assert two.modules("shop.till") == ("shop.b", "shop.b.c")
    assert star.modules("shop.till") == ("d",)


def test_names_are_those_that_python_would_bind(tmp_path: Path) -> None:
    """The names found by reading are those which the module has after it was really imported."""
    text = SHOP.split(b"if TYPE_CHECKING")[1].split(b'if __name__ == "__main__"')[0]
    text = b"import os\nTYPE_CHECKING = False\nif TYPE_CHECKING" + text.replace(b"tomli ", b"json ")
    (tmp_path / "today.txt").write_text("a\nb\n")
    for name in ("shop", "till"):
        (tmp_path / f"{name}.py").write_bytes(text if name == "till" else b"")
    ask = "import till; print(*sorted(name for name in vars(till) if not name.startswith('__') or name == '__all__'))"
    done = subprocess.run([sys.executable, "-c", ask], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.stdout.split() == sorted(Source("till.py", text).names), done.stderr


def test_what_is_exported() -> None:
    """`__all__` is read in the forms in which people write it."""
    assert Source("till.py", SHOP).exported == ("sell", "Till", "lines", "rest")
    assert source("__all__: list[str] = []").exported == ()
    assert source("import os").exported is None


@pytest.mark.parametrize(
    ("test", "sound", "compared_with"),
    [
        ("__name__ == '__main__'", True, "__main__"),
        ('"__main__" == __name__', True, "__main__"),
        ("__name__ == 'main'", False, "main"),
        ("__name__ != '__main__'", False, "__main__"),
        ("__name__ == __main__", False, ""),
        ("__name__", False, ""),
    ],
)
def test_guards_sound_or_not(test: str, sound: bool, compared_with: str) -> None:
    """A guard is found also where it is misspelt, with what it compares and what it calls."""
    (guard,) = source(f"def main(): pass\n\nif {test}:\n    main()\n").guards

    assert (guard.sound, guard.compared_with, guard.line, guard.calls) == (sound, compared_with, 3, ("main",))


def test_what_an_import_calls() -> None:
    """Calls in functions and below a guard don't count, defaults and class bodies do."""
    found = [one.function for one in Source("till.py", SHOP).calls_at_import]

    assert found == ["os.getcwd", "repr", "os.listdir", "'a b'.split", "open", "__all__.extend"]


def test_a_function_that_is_missing_is_told() -> None:
    """Who asks for a function hears which ones there are."""
    assert source("def sell(): pass").function("sell").lineno == 1
    with pytest.raises(Failed, match=r"defines `close` and `sell`\."):
        source("def sell():\n  def inner(): pass\ndef close(): pass").function("total")


@pytest.mark.parametrize(
    "content",
    [
        b"if True print(1)",
        b"def f():\nreturn",
        b"\0",
        b"# coding: no-such\n",
        b"x = '\xff'",
        b"(" * 3000,
        b"-" * 90_000 + b"1",
    ],
)
def test_what_is_no_python_is_told_in_words(content: bytes, tmp_path: Path) -> None:
    """Whatever stands in the file, the learner hears that Python can't read it, and how to see why."""
    with pytest.raises(Failed, match="Python can't read") as caught:
        Source("till.py", content)
    command = caught.value.next_step.split("`")[1].split()
    (tmp_path / "till.py").write_bytes(content)
    done = subprocess.run([sys.executable, *command[1:]], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert done.returncode != 0
    assert "Error" in done.stderr


def test_too_much_is_not_looked_at() -> None:
    """A source file that would take seconds to parse is refused."""
    with pytest.raises(Failed, match="was not looked at"):
        Source("till.py", b"#" * (LARGEST_SOURCE + 1))


def test_deep_text_is_walked() -> None:
    """A condition deeper than Python's own recursion is no trouble."""
    text = "x = " + "+".join("1" for _ in range(900)) + "\nimport os\n"

    assert [str(one) for one in source(text).imports] == ["import os"]


@given(st.text(alphabet="import frm.*,()\n :=_allif'ab", max_size=80))
def test_any_text_is_read_or_refused(text: str) -> None:
    """No text breaks the reader."""
    try:
        found = source(text)
    except Failed:
        return
    assert found.imports is not None
    assert found.exported is None or found.names
    assert found.guards is not None
    assert found.calls_at_import is not None


def test_a_workspace_gives_it(tmp_path: Path) -> None:
    """A check asks its workspace for a source file, and one that is missing is told of."""
    (tmp_path / "till.py").write_bytes(SHOP)
    work = Workspace(FolderTree(tmp_path), facts(tmp_path), PackageIndex.open().known)

    assert "sell" in work.source("./till.py").names
    with pytest.raises(Failed, match="no file `kiosk"):
        work.source("kiosk.py")


INSTALLED = """#!/home/learner/project/.venv/bin/python3
# -*- coding: utf-8 -*-
import re
import sys
from pip._internal.cli.main import main
if __name__ == '__main__':
    sys.argv[0] = re.sub(r'(-script\\.pyw|\\.exe)?$', '', sys.argv[0])
    sys.exit(main())
"""


def test_an_installers_command_is_known() -> None:
    """What pip, uv and virtualenv write calls one function; so does each of this environment's own commands that pip wrote."""
    assert starts(INSTALLED.encode()) == "pip._internal.cli.main:main"
    assert starts(INSTALLED.replace("main()", "main.run()").encode()) == "pip._internal.cli.main:main.run"
    long = INSTALLED.replace(
        "#!/home/learner/project/.venv/bin/python3", "#!/bin/sh\n'''exec' '/a b/python3' \"$0\" \"$@\"\n' '''"
    )
    assert starts(long.encode()) == "pip._internal.cli.main:main"
    late = INSTALLED.replace("from pip._internal.cli.main import main\n", "").replace(
        "    sys.argv", "    from pip._internal.cli.main import main\n    sys.argv", 1
    )
    assert starts(late.encode()) == "pip._internal.cli.main:main"
    ours = Path(sys.executable).with_name("pytest")
    assert starts(ours.read_bytes()).startswith(("pytest", "_pytest"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("sys.exit(main())", "sys.exit(0)"),
        ("sys.exit(main())", "print('pip 23.2.1')"),
        ("sys.exit(main())", "main(); sys.exit(0)"),
        ("sys.exit(main())", "sys.exit(main(print('x')))"),
        ("if __name__", "print('pip 23.2.1')\nif __name__"),
        ("if __name__ ==", "if print(__name__) =="),
        ("import sys", "import sys, evil"),
        ("import main", "import main, sys"),
        ("import main", "import evil as sys"),
        ("import main", "import *"),
        ("from pip._internal.cli.main", "from ..evil"),
        ("import re\n", "import re\ndef main(): pass\n"),
        ("sys.argv[0] =", "sys.argv[1] ="),
        ("import re", "import ("),
        ("import re", "\0"),
        ("if __name__ == '__main__':", "if __name__ == '__main__':\n    pass\nelse:"),
    ],
)
def test_a_command_that_does_more_is_not(old: str, new: str) -> None:
    """A script that does anything else beside it, before or after, or is no Python, is nobody's command."""
    changed = INSTALLED.replace(old, new, 1)
    assert changed != INSTALLED
    assert starts(changed.encode()) == ""


@given(st.binary(max_size=300))
def test_any_script_can_be_asked(data: bytes) -> None:
    """Whatever stands in the file, there is an answer."""
    assert starts(data) == ""
