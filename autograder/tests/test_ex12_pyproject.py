"""Tests of `autograder.catalog.ex12_pyproject`: honest wheels of every backend count, stale ones don't, and the tried command is the installed one."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from autograder.catalog.ex12_pyproject import checks
from autograder.catalog.ex12_pyproject.built import Project
from autograder.exceptions import Failed
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace, index
from autograder.runner import check_live
from autograder.workspace import Workspace

Begun = Callable[[Exercise], LiveWorkspace]

pytestmark = pytest.mark.xdist_group("12-pyproject")

SCALES = """
[build-system]
requires = ["{requires}"]
build-backend = "{backend}"

[project]
name = "till-scales"
version = "1.4.0"
description = "Reads the scales"
requires-python = ">=3.11"
dependencies = ["leftpad>=1.1", "netcore>=1.0,<2", "drawer-lock; sys_platform == 'win32'"]

[project.optional-dependencies]
Web_Shop = ["shoplib[all]>=2; python_version >= '3.11' or sys_platform == 'win32'"]

[project.scripts]
weigh = "till_scales:main"
"""


@pytest.fixture
def live(begun: Begun) -> LiveWorkspace:
    """The exercise, just begun."""
    return begun(find_exercise("12"))


def _work(live: LiveWorkspace) -> Workspace:
    return Workspace(live.tree, live.facts, index().known, variant=find_exercise("12").variant)


def _type(live: LiveWorkspace, commands: str) -> str:
    return live.sandbox.run(["bash", "-ec", commands], live.place).output


@pytest.mark.parametrize(
    ("requires", "backend"),
    [
        ("setuptools", "setuptools.build_meta"),
        ("hatchling", "hatchling.build"),
        ("poetry-core", "poetry.core.masonry.api"),
        ("pdm-backend", "pdm.backend"),
    ],
)
def test_an_honest_wheel_counts_whoever_built_it(live: LiveWorkspace, requires: str, backend: str) -> None:
    """However a backend writes the same metadata, the wheel is known to be what the project says."""
    (live.project / "scales/setup.py").unlink()
    (live.project / "scales/pyproject.toml").write_text(SCALES.format(requires=requires, backend=backend))
    said = _type(live, "uv build -q --wheel scales")

    assert check_live(live, submit=False).task(1).state == "passed", said


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("1.4.0", "1.4.1", "version"),
        (">=3.11", ">=3.12", "requires-python"),
        ("leftpad>=1.1", "leftpad>=1.2", "dependencies"),
        ("Web_Shop", "web", "optional-dependencies"),
        ("weigh =", "scale =", "scripts"),
        ('"Reads the scales"', '"Reads the scales"\nlicense = "MIT"', "license"),
    ],
)
def test_a_wheel_older_than_the_project_is_told_apart(live: LiveWorkspace, old: str, new: str, names: str) -> None:
    """What was changed after the build is named."""
    path = live.project / "scales/pyproject.toml"
    path.write_text(SCALES.format(requires="flit_core", backend="flit_core.buildapi"))
    _type(live, "uv build -q --wheel scales")
    Project(_work(live), "scales").wheel("till-scales")

    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(Failed, match=rf"^`{names}` in `scales/pyproject.toml` is not what") as caught:
        Project(_work(live), "scales").wheel("till-scales")
    assert re.search(caught.value.evidence, _type(live, "python3 show.py scales"))


@pytest.mark.parametrize("returns", ["", "0", "3", "True", "'a text'", "print('said') or None"])
def test_the_tried_command_is_the_installed_one(live: LiveWorkspace, returns: str) -> None:
    """Called by a check, a function ends with the same status as the command that an installer makes of it."""
    with (live.project / "weather/weather.py").open("a") as module:
        module.write(f"\n\ndef main():\n    print(advice())\n    return {returns}\n")
    with (live.project / "weather/pyproject.toml").open("a") as project:
        project.write('\n[project.scripts]\nweather = "weather:main"\n')
    said = _type(
        live,
        """
        uv build -q --wheel weather
        uv venv -q there
        uv pip install -q --python there weather/dist/*.whl
        cd weather
        ../there/bin/weather >/dev/null 2>&1 && echo status 0 || echo status $?
        cd .. && rm -r there
        """,
    )
    outcomes = {one.check.name: one for one in check_live(live, submit=False).task(3).outcomes}
    ends = outcomes[checks.weather_ends_well.name]

    told = re.search(r"exit status (\d+)", ends.found or "")
    assert outcomes[checks.weather_tells.name].state == "passed"
    assert f"status {told[1] if told else 0}" in said, ends.as_json()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[",
        "project = 3",
        "[project]\nname = ['x']",
        "[project]\nname = 'stock-list'\nversion = 3\ndynamic = 7\nscripts = 'x'\nlicense = ['MIT']\ndependencies = 1\noptional-dependencies = 4",
        "dependency-groups = 4\n[project]\nname = 'stock-list'",
        "[project]\nname = 'stock-list'\n[dependency-groups]\ntest = 3\ndev = [3]",
        "[project]\nname = 'stock-list'\n[dependency-groups]\ntest = ['pytest']\nTest = ['pytest']\ndev = [{}]",
        "[project]\nname = 'stock-list'\nrequires-python = 'new'\ndependencies = ['a b']",
        "[project]\nname = 'x'\n[build-system]\nrequires = 4\nbuild-backend = 7",
        "build-system = 'flit'\n[project]\nname = 'x'",
        "x = " + "[" * 100_000,
    ],
)
def test_whatever_stands_in_the_file_the_learner_is_told(live: LiveWorkspace, text: str) -> None:
    """No content of pyproject.toml ends in an error of ours."""
    _type(live, "uv build -q --wheel stock; uv build -q --wheel tags")
    for folder in ("stock", "tags", "scales"):
        (live.project / folder / "pyproject.toml").write_text(text)
    for one in find_exercise("12").checks:
        if one.task in (1, 2, 4) and one.name != "setup_py_was_not_run":
            with pytest.raises(Failed):
                one.function(_work(live))
