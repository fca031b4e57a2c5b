"""Begin, reset and open again, so that a process killed at any moment loses no work and leaves nothing that `course begin` can't mend.

What a killed process was at stands in the state folder:

* `making`: a workspace that wasn't there is being made; all that lies there is ours;
* `resetting`: which workspace is being reset, and how far that went: `out`, the learner's work is being moved to `before-reset`;
  `in`, a new start is being moved from `spare` to where the work was. Whoever comes next goes on from there.

Where neither stands there and the record is gone or illegible, what lies in the workspace is work, and is kept as `before-reset`.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.exercise import Exercise, find_exercises
from autograder.folder.git_index import refresh
from autograder.folder.live import (
    LiveWorkspace,
    drawn_for_learner,
    explained,
    load,
    locked,
    read_record,
    sandbox,
    set_current,
    write_whole,
)
from autograder.folder.moving import move_aside, move_contents, real_folder
from autograder.folder.start import Start, keep_start, kept_start, make_really, pythons_of
from autograder.places import labs
from autograder.sandbox import ISOLATING
from autograder.sandbox.plan import Marks, Plan, discard, let_owner_in, put_right, sweep
from autograder.sandbox.pythons import Pythons
from autograder.sandbox.system_python import make_system

__all__ = ["SCRATCH", "begin", "begin_free", "prepare", "prepare_starts", "reset"]

SCRATCH = "scratch"


def begin(exercise: Exercise, *, submit_to: Path | None = None, learner: str | None = None) -> LiveWorkspace:
    """Make an exercise's workspace, or open the one that is there; it becomes the current one.

    What a learner keeps under the workspace's name that isn't ours is moved aside, not removed.
    For whom a new one is drawn, where the exercise differs from learner to learner, `drawn_for_learner` says.
    """
    with locked(exercise.id):
        _go_on(exercise)
        live = load(exercise.id, exercise)
        if live is None:
            live = LiveWorkspace(exercise.id, drawn_for_learner(exercise, learner), sandbox().tier, submit_to)
            with explained():
                _keep_what_lies_there(live)
            _make(live)
        else:
            (live.state / "making").unlink(missing_ok=True)
            if submit_to is not None and live.submit_to != submit_to:
                live.submit_to = submit_to
                live.save()
        set_current(live.name)
    return live


def reset(exercise: Exercise) -> LiveWorkspace:
    """Put a workspace back to its start: files, HOME and system Python; hints shown are remembered.

    The work so far is kept as `labs/.wheelhouse/<id>/before-reset`, until the next reset.
    """
    with locked(exercise.id):
        _go_on(exercise)
        old = load(exercise.id, exercise)
        live = LiveWorkspace(exercise.id, old.exercise if old else drawn_for_learner(exercise), sandbox().tier)
        if old is not None:
            live.submit_to, live.hints = old.submit_to, old.hints
        elif read_record(exercise.id) is None and not (live.state / "begun").exists():
            with explained():
                move_aside(live.project)
        start = kept_start(live)
        with explained():
            sweep(live.state)
            _prepare_spare(live, start)
            _write_stage(live, "out")
            _finish_reset(live, "out", start)
        set_current(live.name)
    return live


def begin_free(name: str = SCRATCH, *, fresh: bool = False, pythons: Pythons | None = None) -> LiveWorkspace:
    """Open a workspace that belongs to no exercise: the scratch one, or a lesson's throw-away one with `fresh`.

    `pythons` says which a lesson asks for (see `autograder.sandbox.pythons.pythons_asked_for`).
    """
    with locked(name):
        live = None if fresh else load(name, None)
        if live is None:
            live = LiveWorkspace(name, None, sandbox().tier)
            _make(live, pythons)
    return live


# --- from nothing

SPARE = ".spare"


def prepare() -> None:
    """Have a new system Python ready, which the next workspace to be begun takes: it is most of what beginning one costs.

    For whoever has time: a server that starts, an installation. Does nothing where one is ready.
    """
    with locked(SPARE):
        ready, fresh = labs() / ".wheelhouse" / SPARE / "system", labs() / ".wheelhouse" / SPARE / "making"
        if not ready.is_dir():
            with explained():
                discard(fresh, ready.parent)
                make_system(fresh)
                fresh.rename(ready)


def prepare_starts(say: Callable[[str], None] = lambda _: None) -> None:
    """Have the start of each exercise ready, where one serves all its workspaces: for whoever installs the course.

    Raises:
        CourseError: one can't be made.
    """
    for exercise in find_exercises():
        if exercise.begin_script is not None and sandbox().tier in ISOLATING:
            say(f"Making the start of {exercise.id} …")
            kept_start(LiveWorkspace(exercise.id, exercise, sandbox().tier))


def _take_spare_system(live: LiveWorkspace) -> None:
    """Take the one that is ready, if there is one; whether it is as it should be is seen when it is put right."""
    ready = labs() / ".wheelhouse" / SPARE / "system"
    if ready.is_dir() and not live.place.system.exists():
        with contextlib.suppress(OSError):  # another one took it
            ready.rename(live.place.system)


def _keep_what_lies_there(live: LiveWorkspace) -> None:
    """Save what somebody may miss before a workspace is made where something lies."""
    if not os.path.lexists(live.project):
        return
    if not (live.state / "begun").exists():
        move_aside(live.project)
    elif not (live.state / "making").exists() and live.project.is_dir() and any(live.project.iterdir()):
        kept = live.state / "before-reset"
        kept.mkdir(exist_ok=True)  # beside what lies there already
        move_contents(live.project, kept)


def _make(live: LiveWorkspace, pythons: Pythons | None = None) -> None:
    """Make everything from nothing; `workspace.json` comes last, so that a half-made workspace is made anew."""
    with explained():
        (live.state / "making").touch()
        (live.state / "workspace.json").unlink(missing_ok=True)
        (live.state / "begun").touch()  # from here on what lies there is ours
    start = kept_start(live)
    with explained():
        sweep(live.state)
        _take_spare_system(live)
        real_folder(live.project, live.state)
        plan = start.project if start else {}
        marks = put_right(live.project, plan, {}, live.state)
        _true_indexes(live.project, plan)
        _make_the_rest(live, start, pythons if pythons is not None else pythons_of(live))
        if start is None:
            make_really(live, live.place)
        _remember(live, "project", start, marks)
        live.save()
        (live.state / "making").unlink()
        sweep(live.state)


def _make_the_rest(live: LiveWorkspace, start: Start | None, pythons: Pythons) -> None:
    """Make HOME, what was published, and the system Python."""
    home = live.place.home
    real_folder(home, live.state)
    marks = put_right(home, start.home if start else {}, _recall(live, "home", start), live.state)
    _remember(live, "home", start, marks)
    published, fresh = live.state / "published", live.state / "published.new"
    discard(fresh, live.state)
    if start and start.published:
        fresh.mkdir()
        put_right(fresh, start.published, {}, live.state)
    discard(published, live.state)  # after the other was made: no file of the two shall have the same inode
    if fresh.exists():
        fresh.rename(published)
    make_system(live.place.system, pythons, start.beyond if start else None)


def _true_indexes(folder: Path, plan: Plan) -> None:
    for path in plan:
        if path.endswith(".git/index"):
            with contextlib.suppress(OSError):
                refresh(folder / path)


# --- what was put where, so that the next reset touches only what was changed


def _remember(live: LiveWorkspace, what: str, start: Start | None, marks: Marks) -> None:
    file = live.state / f"marks-{what}.json"
    if start is None:
        file.unlink(missing_ok=True)
    else:
        file.write_text(json.dumps({"key": start.key, "marks": marks}), encoding="utf-8")


def _recall(live: LiveWorkspace, what: str, start: Start | None) -> Marks:
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
        said = json.loads((live.state / f"marks-{what}.json").read_bytes())
        if start is not None and said["key"] == start.key:
            marks: Marks = said["marks"]
            return marks
    return {}


# --- reset


def _prepare_spare(live: LiveWorkspace, start: Start | None) -> None:
    """Have the new start ready beside the workspace: what the last reset kept, with only what differs made anew."""
    spare, kept = live.state / "spare", live.state / "before-reset"
    if spare.is_symlink() or not spare.is_dir():
        discard(spare, live.state)
        if start is not None and start.project and kept.is_dir() and not kept.is_symlink():
            let_owner_in(kept)
            kept.rename(spare)
            with contextlib.suppress(FileNotFoundError):
                (live.state / "marks-before.json").replace(live.state / "marks-spare.json")
        else:
            spare.mkdir()
    discard(kept, live.state)
    _complete_spare(live, start)


def _complete_spare(live: LiveWorkspace, start: Start | None) -> None:
    spare = live.state / "spare"
    real_folder(spare, live.state)
    marks = put_right(spare, start.project if start else {}, _recall(live, "spare", start), live.state)
    _remember(live, "spare", start, marks)


def _write_stage(live: LiveWorkspace, stage: str) -> None:
    write_whole(live.state / "resetting", json.dumps({"stage": stage, "record": live.record()}))


def _finish_reset(live: LiveWorkspace, stage: str, start: Start | None) -> None:
    """Do what a reset has still to do; each step may be done twice."""
    kept, spare = live.state / "before-reset", live.state / "spare"
    if stage == "out":
        (live.state / "workspace.json").unlink(missing_ok=True)
        (live.state / "begun").touch()
        real_folder(kept, live.state)
        real_folder(live.project, live.state)
        move_contents(live.project, kept)
        with contextlib.suppress(FileNotFoundError):
            (live.state / "marks-project.json").replace(live.state / "marks-before.json")
        _write_stage(live, "in")
    for folder in (live.project, kept, spare):
        real_folder(folder, live.state)
    for name in sorted(set(os.listdir(live.project)) & set(os.listdir(spare))):
        (live.project / name).rename(kept / f"{name} {os.urandom(2).hex()}")  # a shell made it meanwhile
    move_contents(spare, live.project)
    with contextlib.suppress(FileNotFoundError):
        (live.state / "marks-spare.json").replace(live.state / "marks-project.json")
    _true_indexes(live.project, start.project if start else {})
    _make_the_rest(live, start, pythons_of(live))
    if start is None:
        put_right(live.project, {}, {}, live.state)  # whoever was killed here had made half of it
        make_really(live, live.place)
        keep_start(live)
    live.save()
    for mark in ("making", "resetting"):
        (live.state / mark).unlink(missing_ok=True)
    discard(spare, live.state)
    sweep(live.state)


def _go_on(exercise: Exercise) -> None:
    """Finish the reset of somebody who was killed at it."""
    live = LiveWorkspace(exercise.id, exercise, sandbox().tier)
    file = live.state / "resetting"
    if not file.exists():
        return
    with explained():
        said: dict[str, Any] = {}
        with contextlib.suppress(ValueError, TypeError):
            said = dict(json.loads(file.read_bytes()))
        with contextlib.suppress(ValueError, TypeError, AttributeError, KeyError):
            record = said["record"]
            live.exercise = exercise.drawn(str(record.get("seed") or ""))
            live.submit_to = Path(record["submit_to"]) if record["submit_to"] else None
            live.hints = {str(key): int(value) for key, value in record["hints"].items()}
        stage = "in" if said.get("stage") == "in" else "out"  # where that can't be told, all that lies there is kept
        start = kept_start(live)
        if stage == "out" or start is None:  # else part of it was moved already
            _complete_spare(live, start)
        _finish_reset(live, stage, start)
