"""Tests of `autograder.variants`: what differs from learner to learner."""

from __future__ import annotations

from pathlib import Path

import pytest

from autograder.exceptions import BrokenExercise
from autograder.variants import Variants

TEXT = """
[commands]
names = ["a", "b", "c"]
shuffle = [
    { line = "python3 x.py", first = "x" }, { line = "python3 -m x", first = "y" }, { line = "python3 -c x", first = "z" },
]

[shelf]
choose = [{ name = "teas" }, { name = "spices" }]
"""


@pytest.fixture
def variants(tmp_path: Path) -> Variants:
    """Three rows in six orders, and one of two others."""
    (tmp_path / "variants.toml").write_text(TEXT, "utf-8")
    return Variants(tmp_path / "variants.toml")


def test_the_empty_seed_gives_what_is_written(variants: Variants) -> None:
    """The reference answers' variant has the rows in the order of the file, and the first of those to choose from."""
    drawn = variants.draw("")
    assert drawn["shelf"] == {"name": "teas"}
    assert [drawn["commands"][f"{name}.first"] for name in "abc"] == ["x", "y", "z"]


def test_a_seed_gives_the_same_on_every_machine(variants: Variants) -> None:
    """What was drawn once is drawn by the grader, too: the draw is pinned, since learners have begun with it."""
    assert [variants.draw("ada")["commands"][f"{name}.first"] for name in "abc"] == ["y", "x", "z"]
    assert variants.draw("ada") == variants.draw("ada")


def test_a_class_gets_every_variant(variants: Variants) -> None:
    """Among a few hundred learners each of the twelve variants comes up, about equally often."""
    drawn = [
        variants.draw(f"learner-{number}").fill("{{commands.a.first}}{{commands.b.first}}{{shelf.name}}")
        for number in range(600)
    ]
    assert variants.count == 12
    assert len(set(drawn)) == 12
    assert min(drawn.count(one) for one in set(drawn)) > 25


def test_rows_stay_whole(variants: Variants) -> None:
    """A shuffled row moves with all its values, and none is lost."""
    first = {"python3 x.py": "x", "python3 -m x": "y", "python3 -c x": "z"}
    for seed in ("ada", "bob", "cem", "dia"):
        row = variants.draw(seed)["commands"]
        assert {row[f"{name}.line"]: row[f"{name}.first"] for name in "abc"} == first


def test_texts_are_filled(variants: Variants) -> None:
    """Values stand where a text names them; other braces stay."""
    drawn = variants.draw("")
    assert (
        drawn.fill("{{shelf.name}}: {{commands.b.line}} {x} {{ y }} ${{ z }}")
        == "teas: python3 -m x {x} {{ y }} ${{ z }}"
    )
    with pytest.raises(BrokenExercise, match=r"\{\{shelf\.colour\}\}"):
        drawn.fill("{{shelf.colour}}")


def test_without_a_file_nothing_differs(tmp_path: Path) -> None:
    """An exercise without variants leaves every text as it is, whatever braces it holds."""
    none = Variants(tmp_path / "variants.toml")
    assert (bool(none), none.count, dict(none.draw("ada"))) == (False, 1, {})
    assert none.draw("ada").fill("{{shelf.name}}") == "{{shelf.name}}"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("x", "not TOML"),
        ("x = 1", "no group"),
        ("[x]\nrows = []", "choose"),
        ("[x]\nshuffle = [{a = '1'}, {a = '2'}]", "names"),
        ("[x]\nchoose = [{a = '1'}]", "two rows"),
        ("[x]\nchoose = [{a = '1'}, {b = '2'}]", "different keys"),
        ("[x]\nchoose = [{a = '1'}, {a = 2}]", "no text"),
        ("[x]\nnames = ['a', 'a']\nshuffle = [{a = '1'}, {a = '2'}]", "different names"),
    ],
    ids=["no-toml", "no-table", "neither", "unnamed", "one-row", "other-keys", "number", "one-name-twice"],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, why: str) -> None:
    """An author's slip in `variants.toml` is told in a sentence."""
    file = tmp_path / "variants.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(BrokenExercise, match=why):
        Variants(file)
