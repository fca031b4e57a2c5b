"""Tests of `autograder.jupyter.import_moves`: what a file looks like after an import has moved."""

from __future__ import annotations

import pytest

from autograder.exceptions import UsageError
from autograder.jupyter.import_moves import Move, moved

BASKET = '''"""A basket."""

from discounts import (
    discount,
)
import json, member


class Basket:
    def total(self):
        """What there is to pay."""
        return discount(1)

    def short(self): return discount(2)

    def other(self):
        return json.dumps(1)
'''


def test_into_the_functions_that_use_it() -> None:
    """Behind a docstring, before the first line, on a line of its own; and nowhere else."""
    text = moved(BASKET, [Move(3, "discounts", "function")])

    assert (
        text
        == '''"""A basket."""

import json, member


class Basket:
    def total(self):
        """What there is to pay."""
        from discounts import discount
        return discount(1)

    def short(self):
        from discounts import discount
        return discount(2)

    def other(self):
        return json.dumps(1)
'''
    )


def test_one_of_several_on_a_line() -> None:
    """What else the statement imports stays where it is."""
    text = moved(BASKET, [Move(6, "member", "typing")])

    assert "\nimport json\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import member\n" in text
    assert "from . import b\nif" not in moved("from . import a, b\n", [Move(1, "b", "function")])
    assert moved("from . import a, b\n", [Move(1, "b", "function")]) == "from . import a\n"


def test_hints_are_postponed_behind_the_docstring() -> None:
    """`from __future__` comes first, as Python wants it, and once."""
    moves = [Move(3, "discounts", "postponed"), Move(6, "member", "postponed")]
    text = moved(BASKET, moves)

    assert text.startswith('"""A basket."""\nfrom __future__ import annotations\n\nfrom typing')
    assert text.count("__future__") == 1
    assert text.count("if TYPE_CHECKING:") == 2
    compile(text, "basket.py", "exec")
    assert moved(text.replace("import json", "import os\nimport json"), [Move(9, "json", "postponed")]).count(
        "__future__"
    ) == (1)


def test_two_moves_into_one_function() -> None:
    """Both come to stand in it."""
    text = moved(
        "import a\nimport b\ndef f():\n    return a, b\n", [Move(1, "a", "function"), Move(2, "b", "function")]
    )

    assert text == "def f():\n    import a\n    import b\n    return a, b\n"


def test_what_cannot_be_moved_is_told() -> None:
    """No import there, one in something else, or one that shares its line."""
    for text in ("x = 1\n", "try:\n    import a\nexcept ImportError:\n    pass\n"):
        with pytest.raises(UsageError, match="no import at the top level"):
            moved(text, [Move(1, "a", "function")])
    with pytest.raises(UsageError, match="more than one statement"):
        moved("import a; x = 1\n", [Move(1, "a", "function")])
