"""A learner's workspaces on this machine: begun, opened again, reset.

::

    labs/06-virtual-environments/                      the workspace, which the learner sees and edits
    labs/.wheelhouse/06-virtual-environments/home/     their HOME in the sandbox
    labs/.wheelhouse/06-virtual-environments/system/   the system Python's own parts, which they may pollute
    labs/.wheelhouse/06-virtual-environments/published/   what they published to the index, and its journal
    labs/.wheelhouse/06-virtual-environments/workspace.json   written last: without it the workspace was never finished
    labs/.wheelhouse/current                           the workspace begun last, which a new shell opens
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import hashlib
import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.exceptions import BrokenExercise, CourseError, UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.index import PackageIndex
from autograder.places import course_root, labs
from autograder.sandbox import Limits, Place, Sandbox, choose
from autograder.sandbox.system_python import make_system, system_python_version
from autograder.snapshot import pack
from autograder.tree import FolderTree
from autograder.workspace import Facts

__all__ = [
    "LiveWorkspace",
    "begin",
    "begin_free",
    "current",
    "index",
    "open_workspace",
    "remove_tree",
    "reset",
    "sandbox",
    "signature",
    "submit_folder",
    "undisturbed",
]

SCRATCH = "scratch"


@functools.cache
def index() -> PackageIndex:
    """Open the index once a process."""
    return PackageIndex.open()


@functools.cache
def sandbox(tier: str | None = None) -> Sandbox:
    """Choose the sandbox once a process, by trying."""
    return choose(index(), tier=tier)


@dataclass
class LiveWorkspace:
    """A workspace on this machine."""

    name: str
    """The exercise's id; or `scratch`, or a lesson's."""
    exercise: Exercise | None
    tier: str
    submit_to: Path | None = None
    """The folder beside the exercise notebook, into which snapshots go."""
    hints: dict[str, int] = field(default_factory=dict)
    """How many hints were shown, by check."""
    _tree: FolderTree | None = field(default=None, repr=False)

    @property
    def project(self) -> Path:
        """The workspace's folder."""
        return labs() / self.name

    @property
    def state(self) -> Path:
        """The folder of all that belongs to it and isn't the learner's to edit."""
        return labs() / ".wheelhouse" / self.name

    @property
    def place(self) -> Place:
        """What the sandbox shows of it."""
        return Place(self.project, self.state / "home", self.state / "system", published=self.state / "published")

    @property
    def made(self) -> int:
        """When it was made from nothing, in nanoseconds: another time means another workspace, though in the same folder."""
        return (self.state / "begun").stat().st_mtime_ns

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox in which it was begun, and must stay: environments hold absolute paths."""
        return sandbox(self.tier)

    @property
    def facts(self) -> Facts:
        """What a reader must know besides the files."""
        return Facts(
            root=self.root,
            python_home=str(self.sandbox.python_home(self.place)),
            python_version=system_python_version(),
        )

    @property
    def root(self) -> PurePosixPath:
        """Where the learner's commands see the workspace."""
        return self.sandbox.root(self.place)

    @property
    def tree(self) -> FolderTree:
        """The workspace's files; kept, since it remembers hashes."""
        if self._tree is None:
            self._tree = FolderTree(self.project, self.root)
        return self._tree

    @property
    def published(self) -> FolderTree:
        """What was published from it; an empty tree before anything was."""
        return FolderTree(self.state / "published")

    def snapshot(self) -> bytes:
        """Pack its state, for whoever checks it, here or elsewhere.

        Raises:
            SnapshotError: it holds more than a snapshot may.
        """
        exercise = self.exercise.id if self.exercise else ""
        return pack(self.tree, self.facts, index().known, exercise=exercise, published=self.published)

    def save(self) -> None:
        """Write down what is known of it, so that a crash leaves the old record or the new one."""
        record = {
            "version": 1,
            "exercise": self.exercise.id if self.exercise else None,
            "tier": self.tier,
            "submit_to": str(self.submit_to) if self.submit_to else None,
            "hints": self.hints,
        }
        target = self.state / "workspace.json"
        fresh = target.with_suffix(f".{os.getpid()}.new")
        fresh.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        fresh.replace(target)


def _read_record(name: str) -> dict[str, Any] | None:
    try:
        record = json.loads((labs() / ".wheelhouse" / name / "workspace.json").read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("version") == 1 else None


def _load(name: str, exercise: Exercise | None) -> LiveWorkspace | None:
    record = _read_record(name)
    if record is None or not (labs() / name).is_dir():
        return None
    submit_to = record.get("submit_to")
    live = LiveWorkspace(
        name,
        exercise,
        str(record["tier"]),
        Path(submit_to) if submit_to else None,
        {str(key): int(value) for key, value in dict(record.get("hints") or {}).items()},
    )
    for folder in (live.place.home, live.place.system):
        folder.mkdir(parents=True, exist_ok=True)
    return live


@contextlib.contextmanager
def _locked(name: str) -> Iterator[None]:
    """Let only one process at a time make or replace a workspace: a notebook and a terminal may begin together."""
    state = labs() / ".wheelhouse" / name
    with _explained():
        state.mkdir(parents=True, exist_ok=True)
        lock = (state / "lock").open("w")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextlib.contextmanager
def undisturbed(live: LiveWorkspace) -> Iterator[None]:
    """Keep a workspace from being begun or reset meanwhile: what is read is a state of the learner's, not one in the making.

    Raises:
        UsageError: the workspace is gone, before or after.
    """
    with contextlib.ExitStack() as stack:
        with contextlib.suppress(OSError):
            lock = stack.enter_context((live.state / "lock").open())
            fcntl.flock(lock, fcntl.LOCK_SH)
        if live.project.is_dir():
            yield
        if not live.project.is_dir():
            begin_again = f"Run `course begin {live.exercise.number:02}`" if live.exercise else "Run the first cell"
            raise UsageError(f"The workspace of {live.name} is gone.", f"{begin_again} to make it again.")


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    """Say in a sentence why files can't be made in the labs."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise CourseError(
                f"The disk that holds {labs()} is full.",
                "Make room, or set WHEELHOUSE_LABS to a folder on another disk, and run the command again.",
            ) from error
        raise CourseError(
            f"The workspace can't be made in {labs()}: {error.strerror or error}.",
            "Set WHEELHOUSE_LABS to a folder you may write to.",
        ) from error


def remove_tree(folder: Path) -> None:
    """Remove a folder whatever a learner left in it: unwritable folders, trees too deep for `shutil.rmtree`."""
    if not os.path.lexists(folder):
        return
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".gone-") as gone:
        moved = Path(gone) / "it"
        folder.rename(moved)
        done = subprocess.run(["rm", "-rf", str(moved)], stderr=subprocess.DEVNULL, check=False)
        if done.returncode != 0:
            subprocess.run(["chmod", "-R", "u+rwX", str(moved)], stderr=subprocess.DEVNULL, check=False)
            subprocess.run(["rm", "-rf", str(moved)], check=False)


def _move_contents(source: Path, target: Path) -> None:
    """Move all that is in a folder, but not the folder: a shell that is open in it shall see what comes next."""
    if source.is_dir() and not source.is_symlink():
        for entry in source.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                entry.chmod(entry.stat().st_mode | stat.S_IRWXU)  # a folder that may not be written to can't be moved
            entry.rename(target / entry.name)


def _empty(folder: Path) -> None:
    """Make a folder empty, or make it; where it is already, it stays the same folder."""
    if folder.is_symlink() or not folder.is_dir():
        remove_tree(folder)
        folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".gone-") as gone:
        contents = Path(gone) / "it"
        contents.mkdir()
        _move_contents(folder, contents)
        remove_tree(contents)


def _make(live: LiveWorkspace) -> None:
    """Make everything from nothing; `workspace.json` comes last, so that a half-made workspace is made anew."""
    (live.state / "workspace.json").unlink(missing_ok=True)
    with _explained():
        (live.state / "begun").touch()  # from here on what lies there is ours
        for folder in (live.project, live.place.home):
            _empty(folder)
        remove_tree(live.state / "published")
        make_system(live.place.system)
        exercise = live.exercise
        if exercise is not None:
            if exercise.start.is_dir():
                shutil.copytree(exercise.start, live.project, dirs_exist_ok=True, symlinks=True)
            if exercise.begin_script is not None:
                done = live.sandbox.run(
                    ["bash", "-euo", "pipefail", "-c", exercise.begin_script.read_text("utf-8")],
                    live.place,
                    limits=Limits(wall_seconds=120),
                )
                if done.exit_status != 0:
                    raise BrokenExercise(
                        f"The start of {exercise.id} can't be made: {done.output.strip()[-300:]} {done.stopped}".strip(),
                        "Run `course doctor`, and tell us what it says.",
                    )
        live.save()


def _set_current(name: str) -> None:
    target = labs() / ".wheelhouse" / "current"
    fresh = target.with_suffix(f".{os.getpid()}")
    fresh.write_text(name + "\n", encoding="utf-8")
    fresh.replace(target)


def begin(exercise: Exercise, *, submit_to: Path | None = None) -> LiveWorkspace:
    """Make an exercise's workspace, or open the one that is there; it becomes the current one.

    What a learner keeps under the workspace's name that isn't ours is moved aside, not removed.
    """
    with _locked(exercise.id):
        live = _load(exercise.id, exercise)
        if live is None:
            live = LiveWorkspace(exercise.id, exercise, sandbox().tier, submit_to)
            if _read_record(exercise.id) is None and not (live.state / "begun").exists():
                _move_aside(live.project)
            _make(live)
        elif submit_to is not None and live.submit_to != submit_to:
            live.submit_to = submit_to
            live.save()
        _set_current(live.name)
    return live


def _move_aside(folder: Path) -> None:
    if not os.path.lexists(folder):
        return
    number = 1
    while os.path.lexists(aside := folder.with_name(f"{folder.name}.before-{number}")):
        number += 1
    folder.rename(aside)


def reset(exercise: Exercise) -> LiveWorkspace:
    """Put a workspace back to its start: files, HOME and system Python; hints shown are remembered.

    The work so far is kept as `labs/.wheelhouse/<id>/before-reset`, until the next reset.
    """
    with _locked(exercise.id):
        old = _load(exercise.id, exercise)
        live = LiveWorkspace(exercise.id, exercise, sandbox().tier)
        if old is not None:
            live.submit_to, live.hints = old.submit_to, old.hints
        with _explained():
            kept = live.state / "before-reset"
            remove_tree(kept)
            kept.mkdir()
            _move_contents(live.project, kept)
        _make(live)
        _set_current(live.name)
    return live


def begin_free(name: str = SCRATCH, *, fresh: bool = False) -> LiveWorkspace:
    """Open a workspace that belongs to no exercise: the scratch one, or a lesson's throw-away one with `fresh`."""
    with _locked(name):
        live = None if fresh else _load(name, None)
        if live is None:
            live = LiveWorkspace(name, None, sandbox().tier)
            _make(live)
    return live


def open_workspace(exercise: Exercise) -> LiveWorkspace:
    """Open a workspace that was begun.

    Raises:
        UsageError: it was not.
    """
    live = _load(exercise.id, exercise)
    if live is None:
        raise UsageError(
            f"There is no workspace for {exercise.id} yet.",
            f"Run `course begin {exercise.number:02}`.",
        )
    return live


def current() -> LiveWorkspace | None:
    """Open the workspace begun last; None if there is none."""
    try:
        name = (labs() / ".wheelhouse" / "current").read_text("utf-8").strip()
        return _load(name, find_exercise(name))
    except (OSError, UsageError):
        return None


def signature(folder: Path, *, bytecode: bool = True) -> str:
    """Tell in milliseconds whether anything may have changed: names, modes, sizes, times; no content is read.

    Bytecode of installed packages is no part of the state, and other bytecode is only looked at with `bytecode`.
    """
    found = hashlib.sha256()
    todo = [str(folder)]
    while todo:
        try:
            with os.scandir(todo.pop()) as entries:
                for entry in sorted(entries, key=lambda one: one.name):
                    if entry.name == "__pycache__" and (not bytecode or "/site-packages/" in entry.path):
                        continue
                    state = entry.stat(follow_symlinks=False)
                    mark = f"{entry.path}\0{state.st_mode}"
                    if entry.is_dir(follow_symlinks=False):
                        todo.append(entry.path)  # its own time changes with what is skipped in it, too
                    else:
                        mark += f"\0{state.st_size}\0{state.st_mtime_ns}"
                    found.update(f"{mark}\n".encode(errors="surrogateescape"))
        except OSError:
            continue
    return found.hexdigest()


def submit_folder(live: LiveWorkspace) -> Path | None:
    """Say where snapshots go: beside the notebook it was begun from, else beside the course's own copy of it."""
    candidates = [live.submit_to]
    root = course_root()
    if root is not None and live.exercise is not None:
        candidates.append(root / "exercises" / live.exercise.id)
    return next((one for one in candidates if one is not None and one.is_dir()), None)
