"""Put workspaces that were made ready elsewhere in the place of those here: all of them or none, whoever is killed meanwhile.

::

    labs/.wheelhouse/.arriving/<random>/   what shall come, complete; removed by the next arrival where nobody asked for it any more
    labs/.wheelhouse/arriving.json         the moment from which it comes: whoever opens one of these workspaces finishes it first
    labs/before-import-1/                  what was there, moved aside: the workspaces' files, and what belongs to them in `.wheelhouse`

Before the second file is there, nothing has changed; from then on everything will. Each step may be done twice.
Whoever writes that file holds the locks of all workspaces that it names; so who holds one of them knows that nothing is half moved there.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autograder.exceptions import CourseError
from autograder.exercise import find_exercise
from autograder.folder.live import LiveWorkspace, explained, lock_of, set_current, write_whole
from autograder.folder.moving import move_contents, real_folder, remove_tree
from autograder.folder.start import kept_start, pythons_of
from autograder.places import labs
from autograder.sandbox.plan import let_owner_in
from autograder.sandbox.system_python import make_system

__all__ = ["Arrival", "Page", "arrive", "finish", "new_stage"]

_STAYS = {"lock", "system", "start"}
"""What of a workspace's state isn't moved: a lock may be held, a system Python and a start are made right in place."""


@dataclass(frozen=True)
class Page:
    """One notebook that shall come."""

    fresh: str
    """Its path in the stage."""
    target: str
    keep: bool
    """Whether the one that stands there holds something of the learner's."""


@dataclass(frozen=True)
class Arrival:
    """What shall come."""

    stage: Path
    """Holds for each workspace `<id>/project`, and `<id>/state` with its record, `workspace.json`."""
    names: tuple[str, ...]
    pages: tuple[Page, ...] = ()
    current: str = ""
    """The workspace that a new shell opens then."""


def _folder() -> Path:
    return labs() / ".wheelhouse"


def _order() -> Path:
    return _folder() / "arriving.json"


def new_stage() -> Path:
    """Make an empty folder for what shall come, on the labs' own disk; what killed importers left there is removed."""
    above = _folder() / ".arriving"
    with explained():
        above.mkdir(parents=True, exist_ok=True)
        with _exclusively():
            pending = _pending()
            for old in above.iterdir():
                if (pending is None or old != pending[0].stage) and not _in_use(old):
                    remove_tree(old)
            stage = above / secrets.token_hex(8)
            stage.mkdir()
            (stage / "pid").write_text(str(os.getpid()), encoding="ascii")
    return stage


def _in_use(stage: Path) -> bool:
    try:
        os.kill(int((stage / "pid").read_text("ascii")), 0)
    except PermissionError:
        return True
    except (OSError, ValueError):
        return False
    return True


@contextlib.contextmanager
def _exclusively() -> Iterator[None]:
    _folder().mkdir(parents=True, exist_ok=True)
    with (_folder() / "arriving.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def arrive(arrival: Arrival) -> Path | None:
    """Let everything come, and give the folder to which what was there was moved aside; None if nothing was.

    Raises:
        CourseError: it can't be moved or made here; either nothing has changed, or whoever opens a workspace next will finish.
    """
    with explained(), _exclusively():
        _finish_pending()
        with _all_locked(arrival.names):
            aside = _free_aside() if _something_is_there(arrival) else None
            for name in arrival.names:
                (arrival.stage / name / "out").touch()
            order = {**asdict(arrival), "stage": str(arrival.stage), "aside": str(aside) if aside else None}
            write_whole(_order(), json.dumps(order))
            _move(arrival, aside)
    return aside


def finish(name: str | None = None) -> None:
    """Finish what somebody was killed at, if it concerns this workspace (or any); waits for whoever is at it."""
    if not _order().exists():
        return
    pending = _pending()
    if pending is not None and name is not None and name not in pending[0].names:
        return
    with explained(), _exclusively():
        _finish_pending()


def _finish_pending() -> None:
    pending = _pending()
    if pending is not None:
        with _all_locked(pending[0].names):
            _move(*pending)


def _pending() -> tuple[Arrival, Path | None] | None:
    try:
        said: dict[str, Any] = json.loads(_order().read_bytes())
        pages = tuple(Page(**one) for one in said["pages"])
        aside = Path(said["aside"]) if said["aside"] else None
        return Arrival(Path(said["stage"]), tuple(said["names"]), pages, said["current"]), aside
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise CourseError(
            f"{_order()} can't be read: {error}.", "Tell us, and move that file away; nothing else is lost."
        ) from error


@contextlib.contextmanager
def _all_locked(names: Sequence[str]) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for name in sorted(names):
            (_folder() / name).mkdir(parents=True, exist_ok=True)
            lock = stack.enter_context(lock_of(name).open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _something_is_there(arrival: Arrival) -> bool:
    return any(os.path.lexists(labs() / name) for name in arrival.names) or any(page.keep for page in arrival.pages)


def _free_aside() -> Path:
    number = 1
    while os.path.lexists(aside := labs() / f"before-import-{number}"):
        with contextlib.suppress(OSError):
            aside.rmdir()  # empty: somebody was killed before anything came
            break
        number += 1
    aside.mkdir()
    return aside


def _move(arrival: Arrival, aside: Path | None) -> None:
    for name in arrival.names:
        if (arrival.stage / name).is_dir():
            _move_workspace(arrival.stage / name, name, aside)
    for page in arrival.pages:
        _move_page(arrival.stage, page, aside)
    if arrival.current:
        set_current(arrival.current)
    _order().unlink(missing_ok=True)
    remove_tree(arrival.stage)


def _move_workspace(fresh: Path, name: str, aside: Path | None) -> None:
    project, state = labs() / name, _folder() / name
    out = fresh / "out"
    if out.exists():
        if os.path.lexists(project) and aside is not None:
            _move_out(project, aside / name, state)
            _move_out(state, aside / ".wheelhouse" / name, state)
        out.unlink()
    real_folder(project, state)
    record = fresh / "state" / "workspace.json"
    _move_in(fresh / "project", project)
    _move_in(fresh / "state", state, last=record.name)
    exercise = find_exercise(name)
    said = json.loads(record.read_bytes()) if record.exists() else {}
    live = LiveWorkspace(name, exercise.drawn(str(said.get("seed") or "")), str(said.get("tier") or ""))
    if said:
        start = kept_start(live)
        make_system(live.place.system, pythons_of(live), start.beyond if start else None)
        _renamed(record, state / record.name)
    remove_tree(fresh)


def _move_out(source: Path, target: Path, rubbish: Path) -> None:
    """Move what lies in a folder to another one: a shell open in the first sees what comes next."""
    target.mkdir(parents=True, exist_ok=True)
    if source.is_symlink() or not source.is_dir():
        source.rename(target / source.name)
        return
    let_owner_in(source)
    if source != rubbish:
        move_contents(source, target)
        return
    for entry in sorted(source.iterdir()):
        if entry.name not in _STAYS:
            let_owner_in(entry)
            entry.rename(target / entry.name)


def _move_in(source: Path, target: Path, last: str = "") -> None:
    """Move all that is in one folder into another; what a shell made there meanwhile gives way."""
    for entry in sorted(source.iterdir()) if source.is_dir() else ():
        if entry.name != last:
            _renamed(entry, target / entry.name)


def _renamed(entry: Path, target: Path) -> None:
    if os.path.lexists(target):
        target.rename(target.with_name(f".{target.name}-{secrets.token_hex(2)}"))
    entry.replace(target)


def _move_page(stage: Path, page: Page, aside: Path | None) -> None:
    fresh, target = stage / page.fresh, Path(page.target)
    if not fresh.exists():
        return
    if page.keep and aside is not None and target.is_file() and not (aside / target.name).exists():
        shutil.copyfile(target, aside / target.name)
    if target.parent.is_dir():
        write_whole(target, fresh.read_text("utf-8"))
    fresh.unlink()
