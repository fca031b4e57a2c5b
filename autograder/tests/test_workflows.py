"""The workflows of this repository: what the course teaches of them, they keep themselves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from autograder.exceptions import CourseError
from autograder.sandbox import Completed, Limits, tools
from sandbox_places import new_place, sandbox_of

COURSE = Path(__file__).parents[2]
FOLDER = COURSE / ".github" / "workflows"


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Completed]:
    """What the course's own tools say of the workflows, without a network."""
    try:
        tools.provide_tools()
    except CourseError as error:
        pytest.skip(f"the tools can't be had: {error}")
    place = new_place(tmp_path_factory.mktemp("workflows"))
    there = place.project / ".github" / "workflows"
    there.mkdir(parents=True)
    for file in FOLDER.glob("*.yml"):
        (there / file.name).write_bytes(file.read_bytes())
    commands = {
        "zizmor": "zizmor --offline --persona pedantic --no-progress .github/workflows",
        "check-jsonschema": "check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml",
    }
    box = sandbox_of("basic")
    return {
        name: box.run(["bash", "-ec", text], place, limits=Limits(wall_seconds=120)) for name, text in commands.items()
    }


@pytest.mark.parametrize("tool", ["zizmor", "check-jsonschema"])
def test_workflows_are_clean(tool: str, looked_at: dict[str, Completed]) -> None:
    """Nothing is found in them by the tools with which learners check theirs in lesson 14."""
    done = looked_at[tool]
    assert done.exit_status == 0, done.output


def test_a_bad_workflow_would_be_found(looked_at: dict[str, Completed], tmp_path: Path) -> None:
    """The tools really look: a token that every step may use, and an action by its tag, are found."""
    place = new_place(tmp_path / "place")
    bad = (FOLDER / "test.yml").read_text("utf-8")
    bad = re.sub(r"@[0-9a-f]{40} # (v\d)\S*", r"@\1", bad).replace("permissions: {}", "permissions: write-all")
    (place.project / "bad.yml").write_text(bad, "utf-8")
    done = sandbox_of("basic").run(["zizmor", "--offline", "--no-progress", "bad.yml"], place)
    assert done.exit_status != 0
    assert "unpinned-uses" in done.output


def test_each_change_is_proven_on_every_python() -> None:
    """The command is the README's, and the Pythons are those from the oldest that the package takes to the newest it names."""
    text = (FOLDER / "test.yml").read_text("utf-8")
    pythons = re.findall(r'"(3\.\d+)"', re.search(r"python: \[(.*)\]", text)[1])  # type: ignore[index]
    oldest = re.search(r'requires-python = ">=(3\.\d+)"', (COURSE / "autograder/pyproject.toml").read_text("utf-8"))
    assert oldest is not None
    assert pythons == [f"3.{minor}" for minor in range(int(oldest[1].partition(".")[2]), 15)]
    assert re.search(r"run: make test\b", text)
    assert "cron:" in (FOLDER / "newest.yml").read_text("utf-8")
