"""Tests of `autograder.changes.bell`, `.recent` and of what a page is given to draw."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder import folder
from autograder.changes import Bell, Observer, Recent, as_rows, as_text, record_file
from autograder.changes.change import Change, Step
from autograder.folder import LiveWorkspace
from autograder.sandbox.prompts import Prompt

LONG = 60.0


@pytest.fixture(params=["by the kernel", "by looking"])
def bell(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Bell]:
    """A bell for a folder that isn't there yet, in both ways in which it can hear."""
    one = Bell(tmp_path / "records", by_kernel=request.param == "by the kernel")
    yield one
    one.close()


def test_the_bell_rings_for_what_is_written(bell: Bell, tmp_path: Path) -> None:
    """A file that is made, touched, added to or put in another's place wakes whoever waits, also in a folder that came or was replaced meanwhile."""
    place = tmp_path / "records"

    def heard(change: threading.Timer) -> bool:
        while bell.wait(0.3):  # what rings still of what was before
            pass
        change.start()
        found = bell.wait(LONG)
        change.join()
        return found

    def come() -> None:
        place.mkdir()
        (place / "prompt").touch()

    assert heard(threading.Timer(0.2, come))
    time.sleep(0.02)  # where times of files are coarse
    assert heard(threading.Timer(0.2, os.utime, [place / "prompt"]))
    assert heard(threading.Timer(0.2, (place / "commands.jsonl").write_text, ["{}\n"]))
    place.rename(tmp_path / "before")
    assert heard(threading.Timer(0.2, come))


def test_the_bell_is_rung_by_hand(bell: Bell) -> None:
    """Another thread wakes whoever waits; one that was closed can be rung in vain."""
    threading.Timer(0.1, bell.ring).start()
    assert bell.wait(LONG)
    assert not bell.wait(0.0)

    bell.close()
    bell.ring()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveWorkspace]:
    """A workspace of no exercise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WHEELHOUSE_LABS", str(tmp_path_factory.mktemp("recent") / "labs"))
        live = folder.begin_free("recent")
        yield live
        folder.remove_tree(live.project.parent)


def _type(observer: Observer, command: str, status: int = 0) -> None:
    now = time.time()
    observer.hear([Prompt("zsh", status, "/", command, False, now, now, {})])


def test_the_last_commands_are_followed(live: LiveWorkspace) -> None:
    """Each look gives the last few if there is anything new, also when the last line comes in two parts, and nothing else."""
    live = folder.begin_free(live.name, fresh=True)
    recent = Recent(live, most=3)
    observer = Observer(live, "terminal")
    assert not recent.look()

    for number in range(5):
        _type(observer, f"echo {number}")
    assert [step.command for step in recent.look() or []] == ["echo 2", "echo 3", "echo 4"]
    assert recent.look() is None

    line = json.dumps({**Step("late", "terminal", at=time.time()).as_json()}) + "\n"
    for part in (line[:20], line[20:]):
        with record_file(live).open("a") as file:
            file.write(part)
        found = recent.look()
    assert [step.command for step in found or []] == ["echo 3", "echo 4", "late"]


def test_a_record_begun_anew_is_followed(live: LiveWorkspace) -> None:
    """After a reset, and where the record was cut or is gone, what is shown is what is there."""
    live = folder.begin_free(live.name, fresh=True)
    observer, recent = Observer(live, "terminal"), Recent(live)
    _type(observer, "echo one")
    assert len(recent.look() or []) == 1

    record_file(live).write_text("nonsense\n")
    assert recent.look() == []
    _type(observer, "echo two")
    assert [step.command for step in recent.look() or []] == ["echo two"]
    record_file(live).unlink()
    assert recent.look() == []
    assert recent.look() is None


def test_a_shell_that_was_ended_is_told_in_words(live: LiveWorkspace) -> None:
    """What was left of the command that ran then is told with it, and the bound is said instead of a bare `Killed`."""
    live = folder.begin_free(live.name, fresh=True)
    observer = Observer(live, "terminal")
    (live.project / "half.txt").write_text("half")
    observer.hear([Prompt("ended", 137, "", stopped="stopped: more than 2 GB of memory together")])

    steps = Recent(live).look() or []
    row = as_rows(steps[-1])

    assert row["heading"].startswith("This shell was ended, and all that ran in it: more than 2 GB of memory together.")
    assert "half.txt" in row["gist"]
    assert "more than 2 GB of memory together" in as_text(steps[-1:])


def test_what_a_page_draws(live: LiveWorkspace) -> None:
    """What lies outside the project stands first, under a word of its own; nothing in it steers or marks up a page; it is JSON."""
    step = Step(
        "pip install \x1b[31mwebfw\u202e",
        "terminal",
        status=1,
        at=12.5,
        seconds=2.0,
        changes=(
            Change("project", "file", "changed", "a\nb", lines=("- old", "+ new")),
            Change("system", "distribution", "added", "webfw", after="2.0"),
            Change("cache", "cache", "changed", "pip", size=2048),
        ),
    )

    row = json.loads(json.dumps(as_rows(step)))

    assert [section["place"] for section in row["sections"]] == ["outside", "project"]
    assert row["outside"] == 1
    assert row["failed"]
    assert row["gist"].startswith("installed webfw 2.0, ")
    assert row["sections"][0]["lines"][0]["sign"] == "+"
    assert row["sections"][1]["lines"][0]["below"] == ["- old", "+ new"]
    assert "pip's cache grew" in row["quiet"]
    assert not set("\x1b\u202e") & set(json.dumps(row, ensure_ascii=False))
    assert "\n" not in row["sections"][1]["lines"][0]["text"]
