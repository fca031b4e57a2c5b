"""`wheelhouse.toml`: what a company may set, how it is read, and that exercises keep to it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from autograder.exceptions import UsageError
from autograder.exercise import chosen_exercises, find_exercises
from autograder.places import cache
from autograder.settings import Policy, Settings, read_settings, settings


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of a company's own: its `wheelhouse.toml`, still to be written."""
    root = tmp_path / "course"
    root.mkdir()
    monkeypatch.setenv("WHEELHOUSE_COURSE", str(root))
    return root / "wheelhouse.toml"


def test_nothing_need_be_set(company: Path) -> None:
    """Without a file, or with an empty one, everything is as the course has it."""
    assert settings() == Settings()
    company.write_text("")
    assert settings() == Settings(file=company)
    assert chosen_exercises() == find_exercises()


def test_what_the_course_ships_sets_nothing() -> None:
    """The file in the repository only explains; each line of it, made valid by removing its mark, is a setting."""
    shipped = Path(__file__).parents[2] / "wheelhouse.toml"
    assert read_settings(shipped) == Settings(file=shipped)


def test_each_example_in_it_is_a_setting(company: Path) -> None:
    """Whoever takes the marks away has settings that can be read."""
    text = (Path(__file__).parents[2] / "wheelhouse.toml").read_text("utf-8")
    lines = re.sub(r"^# (?=[\w-]+ = )", "", text, flags=re.MULTILINE)
    company.write_text(lines.replace("exercises = [1", "# exercises = [1"), "utf-8")
    found = settings()
    assert found.track == "newcomer"
    assert found.index.url.startswith("https://")
    assert found.index.distributions == ("our-library>=2",)
    assert found.policy == Policy(">=3.11", ("hatchling", "flit-core"), 7)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[polcy]", r"no `polcy`\. Did you mean `policy`\?"),
        ("[policy]\ncooldown = 7", r"no `cooldown` in \[policy\]\. Did you mean `cooldown-days`\?"),
        ("[policy]\ncooldown-days = -1", r"`cooldown-days` is -1\. It must be a whole number"),
        ("[policy]\ncooldown-days = true", r"`cooldown-days` is True"),
        ("[policy]\npython = '3.12'", r"`python` is '3\.12'\. It must be a condition"),
        ("[policy]\nbuild-backends = 'hatchling'", r"must be a list of distributions"),
        ("[policy]\nbuild-backends = ['a b']", r"must be a list of distributions"),
        ("[index]\nurl = 'packages.example'", r"`url` is .* begins with https"),
        ("[index]\nurl = 'https://me:secret@packages.example/simple/'", r"holds no password"),
        ("[index]\ndistributions = ['a @ https://packages.example/a.whl']", r"must be a list of requirements"),
        ("[index]\ndistributions = ['==']", r"must be a list of requirements"),
        ("[course]\nexercises = ['06']", r"must be a list of numbers"),
        ("[course]\ntrack = 'newcomer'\nexercises = [6]", r"names both a track and exercises"),
        ("course = 7", r"`course` is no table\. Write it as \[course\]"),
        ("[course", r"can't be read"),
    ],
    ids=lambda text: re.sub(r"\W+", "-", text.partition("\n")[2] or text)[:40],
)
def test_a_mistake_is_told_with_the_next_step(company: Path, text: str, says: str) -> None:
    """What can't be is refused in a sentence that names it, with what to do and where the file is."""
    company.write_text(text)
    with pytest.raises(UsageError) as caught:
        settings()
    assert re.search(says, str(caught.value))
    assert str(company) in str(caught.value)
    assert "\n" not in caught.value.message.partition("can't be read")[0]


def test_a_change_counts_at_once(company: Path) -> None:
    """A process that runs already sees what is set anew."""
    company.write_text("[policy]\ncooldown-days = 1")
    assert settings().policy.cooldown_days == 1
    company.write_text("[policy]\ncooldown-days = 11")
    assert settings().policy.cooldown_days == 11


def test_a_track_chooses_exercises(company: Path) -> None:
    """Each exercise says for whom it is; a track has some of them, in their order, and each is in a track."""
    tracks = {track for one in find_exercises() for track in one.tracks}
    assert tracks == {"newcomer", "library author", "operations"}
    assert all(one.tracks for one in find_exercises())
    for track in tracks:
        company.write_text(f"[course]\ntrack = '{track}'")
        assert chosen_exercises() == tuple(one for one in find_exercises() if track in one.tracks)
    company.write_text("[course]\nexercises = [6, 1]")
    assert [one.number for one in chosen_exercises()] == [1, 6]


@pytest.mark.parametrize(
    "text", ["[course]\ntrack = 'newcommer'", "[course]\nexercises = [99]"], ids=["track", "number"]
)
def test_what_there_is_not_can_not_be_chosen(company: Path, text: str) -> None:
    """The sentence names what there is."""
    company.write_text(text)
    with pytest.raises(UsageError, match="There are: "):
        chosen_exercises()


_KEPT = """
import json, sys
from autograder import folder, runner
from autograder.exercise import find_exercise
from autograder.grading.jobs import judges
from autograder.sandbox import Limits

told = {}
for number, edit in json.loads(sys.argv[1]):
    exercise = find_exercise(number)
    live = folder.begin(exercise)
    task = live.exercise.task(1)
    for name, commands in (("ours", task.answer), ("theirs", edit)):
        done = live.sandbox.run(["bash", "-c", commands], live.place, limits=Limits(wall_seconds=120))
        verdict = runner.check_live(live, submit=False).task(1)
        told[f"{number} {name}"] = [verdict.state, *(one.found for one in verdict.outcomes if one.state == "failed")]
    told[f"{number} rules"] = (live.project / "COMPANY.md").read_text()
    told[f"{number} key"] = judges(exercise)
print(json.dumps(told))
"""
_EDITS = [
    (
        "12",
        'sed -i \'s/hatchling.build/flit_core.buildapi/; s/"hatchling"/"flit_core"/\' scales/pyproject.toml; uv build -q scales',
    ),
    (
        "09",
        "cd website; uv pip compile -q --upgrade --generate-hashes requirements.in --output-file requirements.txt",
    ),
]


def _told(course: Path, labs: Path, text: str, **answers: str) -> dict[str, object]:
    course.write_text(text, "utf-8")
    variables = os.environ | {"WHEELHOUSE_LABS": str(labs), "WHEELHOUSE_CACHE": str(cache())}
    edits = [(number, answers.get(f"ex{number}", edit)) for number, edit in _EDITS]
    command = [sys.executable, "-c", _KEPT, json.dumps(edits)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False, timeout=250)
    assert done.returncode == 0, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_exercises_keep_to_the_policy(company: Path, tmp_path: Path) -> None:
    """Start, reference answer and checks follow what is set: the same work is right in one company and wrong in another."""
    hatchling = 'sed -i \'s/flit_core.buildapi/hatchling.build/; s/"flit_core>=3.12"/"hatchling"/\' scales/pyproject.toml; uv build -q scales'
    free = _told(company, tmp_path / "free", "", ex12=hatchling)
    strict = "[policy]\npython = '>=3.10'\nbuild-backends = ['flit-core']\ncooldown-days = 7\n"
    strictly = _told(company, tmp_path / "strict", strict, ex12=hatchling)

    passed = ["12 ours", "12 theirs", "09 ours", "09 theirs"]
    assert {key: free[key] for key in passed} == {key: ["passed"] for key in passed}
    assert strictly["12 ours"] == ["passed"]
    assert strictly["12 theirs"] == ["failed", "It is built by `hatchling.build`, of `hatchling`."]
    assert strictly["09 ours"] == ["passed"]
    assert strictly["09 theirs"] == ["failed", "It names `daily-offers 1.2`, which is younger."]
    assert ">=3.10" in str(strictly["12 rules"])
    assert "7 days" in str(strictly["09 rules"])
    assert free["12 key"] != strictly["12 key"]
