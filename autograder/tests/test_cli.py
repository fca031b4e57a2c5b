"""Tests of `autograder.cli`: the command as a learner types it."""

from __future__ import annotations

import json
import os
import re
import select
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from autograder.cli import _wants_zsh, main
from autograder.exceptions import UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.folder import LiveWorkspace
from autograder.sandbox.bubblewrap import find_bubblewrap
from autograder.sandbox.bubblewrap_wheel import fetched_bubblewrap

Begun = Callable[[Exercise], LiveWorkspace]


def course(*words: str | Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a `course` command and give what it printed."""
    return subprocess.run(
        [sys.executable, "-m", "autograder.cli", *map(str, words)],
        capture_output=True,
        text=True,
        env={**os.environ, "NO_COLOR": "1", **variables},
        stdin=subprocess.DEVNULL,
        timeout=200,
        check=False,
    )


COMMANDS = [
    "list",
    "report",
    "export",
    "import",
    "begin",
    "reset",
    "shell",
    "diff",
    "check",
    "hint",
    "doctor",
    "build",
    "claims",
    "messages",
    "grade",
    "index",
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    """`--help` says what the command does and shows it used."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])

    assert ended.value.code == 0
    assert re.search(rf"Example: course {command}\b", capsys.readouterr().out)


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`course --help` is the menu, and this file's list is complete."""
    with pytest.raises(SystemExit):
        main(["--help"])

    assert re.findall(r"^    (\w+) ", capsys.readouterr().out, re.MULTILINE) == COMMANDS


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["begin", "99"], "There is no exercise '99'. There are: 01-modules, 02-packages"),
        (["check", "06"], "There is no workspace for 06-virtual-environments yet. Run `course begin 06`."),
        (["hint", "06"], "Run `course begin 06`"),
        (["check", "06", "--snapshot", "nowhere.snapshot"], "can't be read"),
        (["hint", "06", "--answer"], "Name the task"),
        (["hint", "06", "9", "--answer"], "has no task 9"),
        (["check", "06", "--jsn"], "Run `course check --help`"),
        (["diff", "06"], "There is no workspace for 06-virtual-environments yet. Run `course begin 06`."),
        (["diff"], "No exercise is begun yet. Run `course begin 06`."),
        (["begin"], "EX is missing. Run `course begin --help`"),
        (["shel", "06"], "there is no command 'shel'; did you mean `course shell`?"),
    ],
)
def test_a_wrong_call_is_answered_in_one_sentence(labs: Path, words: list[str], sentence: str) -> None:
    """What was wrong and the next step, on stderr, with exit status 2 and no traceback."""
    done = course(*words)

    assert done.returncode == 2
    assert sentence in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_check_tells_its_result_by_exit_status(begun: Begun) -> None:
    """0 when all is done, 1 when something is missing; the JSON is the verdict."""
    exercise = find_exercise("06")
    live = begun(exercise)

    before = course("check", "06", "--json")
    for task in exercise.tasks:
        live.sandbox.run(["bash", "-c", task.answer], live.place)
    after = course("check", "06", "--json")

    assert (before.returncode, after.returncode) == (1, 0)
    assert json.loads(before.stdout)["score"] == 0
    assert json.loads(after.stdout)["score"] == exercise.points
    assert before.stderr == after.stderr == ""


def test_check_says_what_was_found_and_the_next_step(begun: Begun) -> None:
    """For people: every task with its points, and for what is missing why and what to look at."""
    begun(find_exercise("06"))

    shown = course("check", "06").stdout

    assert "0 of 20" in shown
    assert "Run `" in shown
    assert "\x1b" not in shown


def test_a_damaged_snapshot_is_one_sentence(labs: Path, tmp_path: Path) -> None:
    """Whoever grades is told which file can't be read, and is not stopped by a traceback."""
    damaged = tmp_path / "06-virtual-environments.snapshot"
    damaged.write_bytes(b"PK\x03\x04 not really")

    done = course("check", "06", "--snapshot", damaged)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("course: ")


def test_hints_come_one_by_one(begun: Begun) -> None:
    """Each call gives the next hint; the last one says how to see an answer; nothing else changes."""
    begun(find_exercise("06"))

    first, second = course("hint", "06", "1").stdout, course("hint", "06", "1").stdout

    assert "Hint 1 of" in first
    assert "Hint 2 of" in second


def test_shell_runs_one_command_in_the_sandbox(begun: Begun) -> None:
    """What stands behind `--` sees the workspace, and its exit status is ours."""
    begun(find_exercise("06"))

    done = course("shell", "06", "--", "bash", "-c", "pwd; exit 7")

    assert (done.stdout, done.returncode) == ("/home/learner/project\n", 7)


def test_a_killed_shell_is_followed_by_a_new_one_where_that_is_wanted(begun: Begun) -> None:
    """JupyterLab closes a terminal when its process ends: the reason would be gone with it."""
    begun(find_exercise("06"))
    outside, inside = os.openpty()
    words = [sys.executable, "-m", "autograder.cli", "shell", "--again", "06"]
    shell = subprocess.Popen(["setsid", "--ctty", *words], stdin=inside, stdout=inside, stderr=inside)
    os.close(inside)
    seen = b""

    def expect(text: bytes) -> None:
        nonlocal seen
        while text not in seen:
            assert select.select([outside], [], [], 60)[0], seen
            seen += os.read(outside, 1 << 16)
        seen = seen.partition(text)[2]

    try:
        expect(b"~/project")
        os.write(outside, b"sleep 1.5; kill -9 $$\n")
        expect(b"is a new shell.")  # the line is wrapped before
        expect(b"You are in the sandbox")
        expect(b"~/project")
        os.write(outside, b"exit 7\n")
        assert shell.wait(60) == 7
    finally:
        os.close(outside)
        shell.wait(60)


def test_diff_says_what_the_last_command_changed(
    begun: Begun, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For people and for programs, also of single commands; without colour where nobody asked for it."""
    monkeypatch.setenv("NO_COLOR", "1")
    begun(find_exercise("06"))
    assert main(["diff", "06"]) == 0
    assert main(["shell", "06", "--", "python", "-m", "venv", "mine"]) == 0
    assert main(["shell", "06", "--", "bash", "-c", "echo 1 > notes.txt; exit 3"]) == 3
    assert "No command was typed" in capsys.readouterr().out

    assert main(["diff", "06"]) == 0
    last = capsys.readouterr().out
    assert main(["diff", "06", "--last", "2", "--json"]) == 0
    both = json.loads(capsys.readouterr().out)

    assert "new         notes.txt" in last
    assert "exit status 3" in last
    assert "mine" not in last
    assert "\x1b" not in last
    assert [step["command"] for step in both["steps"]] == [
        "python -m venv mine",
        "bash -c 'echo 1 > notes.txt; exit 3'",
    ]
    assert both["steps"][0]["changes"][0]["kind"] == "environment"


def test_a_zsh_that_is_not_there_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who asks for zsh where there is none gets a sentence; whose own shell it is gets bash."""
    assert not _wants_zsh(None, there=False)
    monkeypatch.setenv("SHELL", "/usr/bin/zsh")
    assert not _wants_zsh(None, there=False)
    assert _wants_zsh(None, there=True)
    assert not _wants_zsh("bash", there=True)
    monkeypatch.setenv("SHELL", "/bin/bash")
    assert not _wants_zsh(None, there=True)
    with pytest.raises(UsageError, match="Install zsh"):
        _wants_zsh("zsh", there=False)


def test_reset_undoes_even_the_worst(begun: Begun) -> None:
    """After a global `pip install` and `rm -rf ~` the next reset is a workspace as new, and the machine is untouched."""
    exercise = find_exercise("06")
    live = begun(exercise)
    files = sorted(path.relative_to(live.project) for path in live.project.rglob("*"))
    here = sorted(Path(__file__).parent.iterdir())
    worst = "pip install --quiet orm; python -c 'import orm' || exit 9; rm -rf ~ 2>/dev/null; ls -A ~/project | wc -l"

    broken = course("shell", "06", "--", "bash", "-c", worst)
    reset = course("reset", "06")
    polluted = course("shell", "06", "--", "python", "-c", "import orm")

    assert broken.stdout.split()[-1] == "0", broken.stdout
    assert reset.returncode == 0, reset.stderr
    assert polluted.returncode == 1
    assert sorted(path.relative_to(live.project) for path in live.project.rglob("*")) == files
    assert sorted(Path(__file__).parent.iterdir()) == here
    assert course("check", "06").returncode == 1


def changed_machine(script: str, *words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Type a `course` command on this machine as changed by `script`, in a mount namespace of its own."""
    return subprocess.run(
        ["unshare", "--user", "--map-root-user", "--mount", "bash", "-ec", f'{script}; exec "$@"', "-",
         sys.executable, "-m", "autograder.cli", *words],
        capture_output=True, text=True, env={**os.environ, **variables}, timeout=100, check=False,
    )  # fmt: skip


def without_bubblewrap() -> str:
    """Give the command that hides this machine's bubblewrap, and the one which the course has fetched."""
    there = [one for one in (find_bubblewrap(), fetched_bubblewrap()) if one is not None]
    return "; ".join(f"mount --bind /dev/null {shlex.quote(one)}" for one in there) or "true"


needs_namespaces = pytest.mark.skipif(
    subprocess.run(["unshare", "--user", "--map-root-user", "--mount", "true"], check=False).returncode != 0,
    reason="this machine allows no user namespaces, in which alone a test may change it",
)


@needs_namespaces
def test_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    """Beginning where there is no room says so, and leaves nothing that looks begun."""
    tiny = tmp_path / "tiny"
    tiny.mkdir()

    done = changed_machine(f"mount -t tmpfs -o size=1m none '{tiny}'", "begin", "06", WHEELHOUSE_LABS=str(tiny))

    assert done.returncode == 3, done.stderr
    assert "Make room" in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr


@needs_namespaces
def test_without_bubblewrap_a_weaker_tier_is_named(tmp_path: Path) -> None:
    """A machine without bubblewrap still runs the course, and `doctor` says what is missing and how to get it."""
    done = changed_machine(without_bubblewrap(), "doctor", WHEELHOUSE_LABS=str(tmp_path / "labs"))

    assert done.returncode == 1, done.stderr
    assert "medium is in force" in done.stdout or "basic is in force" in done.stdout  # where Landlock is, or isn't
    assert "bubblewrap" in done.stdout


@needs_namespaces
def test_a_tier_that_cannot_work_is_refused(tmp_path: Path) -> None:
    """Who asks for the strong tier where it can't work gets a sentence, not a weaker one."""
    done = changed_machine(
        without_bubblewrap(), "begin", "06", WHEELHOUSE_LABS=str(tmp_path / "labs"), WHEELHOUSE_TIER="strong"
    )

    assert done.returncode == 3
    assert "Traceback" not in done.stderr
    assert "bubblewrap" in done.stderr


def test_ctrl_c_loses_nothing(begun: Begun) -> None:
    """Interrupting `course check --watch` ends it with a sentence."""
    begun(find_exercise("06"))
    watching = subprocess.Popen(
        [sys.executable, "-m", "autograder.cli", "check", "06", "--watch"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert watching.stdout is not None
    watching.stdout.readline()
    watching.send_signal(signal.SIGINT)
    _, said = watching.communicate(timeout=30)

    assert watching.returncode == 130
    assert "Nothing is lost" in said
    assert "Traceback" not in said


@pytest.mark.slow
def test_the_basic_tier_teaches_and_checks_the_same(labs: Path) -> None:
    """Where there is no bubblewrap the exercise can be begun, done and checked, with all its points."""
    exercise = find_exercise("06")
    answers = "\n".join(f"(\n{task.answer})" for task in exercise.tasks)

    begun = course("begin", "06", WHEELHOUSE_TIER="basic")
    before = course("check", "06", "--json", WHEELHOUSE_TIER="basic")
    typed = course("shell", "06", "--", "bash", "-c", answers, WHEELHOUSE_TIER="basic")
    after = course("check", "06", "--json", WHEELHOUSE_TIER="basic")

    assert (begun.returncode, before.returncode) == (0, 1), begun.stderr + before.stderr
    assert json.loads(before.stdout)["score"] == 0
    assert json.loads(after.stdout)["score"] == exercise.points, typed.stdout + after.stdout
