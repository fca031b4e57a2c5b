"""A workspace on this machine, opened: where its parts are, its record, its snapshot."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import functools
import json
import os
import secrets
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from autograder.exceptions import CourseError, UsageError
from autograder.exercise import Exercise, find_exercise
from autograder.index import PackageIndex
from autograder.places import course_root, labs
from autograder.sandbox import Place, Sandbox, choose
from autograder.sandbox.system_python import system_python_version
from autograder.snapshot import pack
from autograder.tree import FolderTree
from autograder.variants import LARGEST_SEED
from autograder.workspace import Facts

__all__ = [
    "LiveWorkspace",
    "current",
    "drawn_for_learner",
    "explained",
    "index",
    "load",
    "lock_of",
    "locked",
    "open_workspace",
    "read_record",
    "sandbox",
    "set_current",
    "settle_arrival",
    "submit_folder",
    "undisturbed",
]


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
    _contents: dict[str, bytes] = field(default_factory=dict, repr=False, compare=False)
    """What travelled in the last snapshot, by hash."""

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
            seed=self.exercise.seed if self.exercise else "",
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
        return pack(
            self.tree,
            self.facts,
            index().known,
            exercise=exercise,
            published=self.published,
            kept=self._contents,
        )

    def record(self) -> dict[str, Any]:
        """Give what is written down of it."""
        return {
            "version": 1,
            "exercise": self.exercise.id if self.exercise else None,
            "seed": self.exercise.seed if self.exercise else "",
            "tier": self.tier,
            "submit_to": str(self.submit_to) if self.submit_to else None,
            "hints": self.hints,
        }

    def save(self) -> None:
        """Write down what is known of it, so that a crash leaves the old record or the new one."""
        write_whole(self.state / "workspace.json", json.dumps(self.record(), indent=1) + "\n")


def write_whole(target: Path, content: str | bytes) -> None:
    """Replace a file, so that a crash leaves the old one or the new one; raises OSError where it can't be written."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}-", delete=False) as file:
        try:
            file.write(content.encode("utf-8") if isinstance(content, str) else content)
            file.flush()
            Path(file.name).chmod(0o644)
            Path(file.name).replace(target)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


def drawn_for_learner(exercise: Exercise, learner: str | None = None) -> Exercise:
    """Give an exercise as this learner shall have it, if it differs from one to another.

    The seed is the learner's name where it is known: given, in `WHEELHOUSE_LEARNER`, or JupyterHub's; else it is random.
    An empty name asks for the variant of the reference answers, as tests and authors do.
    """
    if not exercise.variants.personal:
        return exercise
    name = os.environ.get("WHEELHOUSE_LEARNER") if learner is None else learner
    if name is None:
        name = os.environ.get("JUPYTERHUB_USER") or secrets.token_hex(8)
    legible = "".join(one for one in name.strip() if one.isprintable())
    return exercise.drawn(legible[:LARGEST_SEED])


def read_record(name: str) -> dict[str, Any] | None:
    """Read what was written down of a workspace; None if nothing legible was."""
    try:
        record = json.loads((labs() / ".wheelhouse" / name / "workspace.json").read_bytes())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) and record.get("version") == 1 else None


def load(name: str, exercise: Exercise | None) -> LiveWorkspace | None:
    """Open a workspace; None if it was not begun, or not finished."""
    settle_arrival(name)
    record = read_record(name)
    if record is None or not (labs() / name).is_dir():
        return None
    submit_to = record.get("submit_to")
    live = LiveWorkspace(
        name,
        exercise.drawn(str(record.get("seed") or "")) if exercise else None,
        str(record["tier"]),
        Path(submit_to) if submit_to else None,
        {str(key): int(value) for key, value in dict(record.get("hints") or {}).items()},
    )
    for folder in (live.place.home, live.place.system):
        folder.mkdir(parents=True, exist_ok=True)
    return live


@contextlib.contextmanager
def locked(name: str) -> Iterator[None]:
    """Let only one process at a time make or replace a workspace: a notebook and a terminal may begin together."""
    while True:
        settle_arrival(name)
        with explained():
            lock_of(name).parent.mkdir(parents=True, exist_ok=True)
            lock = lock_of(name).open("w")
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not _arriving(name):  # else somebody was killed between the two
                yield
                return


def lock_of(name: str) -> Path:
    """Give the file which `locked` and `undisturbed` lock."""
    return labs() / ".wheelhouse" / name / "lock"


def _arriving(name: str) -> bool:
    try:
        said = json.loads((labs() / ".wheelhouse" / "arriving.json").read_bytes())
    except FileNotFoundError:
        return False
    except (OSError, ValueError):
        return True
    return not isinstance(said, dict) or name in said.get("names", (name,))


def settle_arrival(name: str) -> None:
    """See to it that no import stands half done in a workspace: see `autograder.folder.arriving`."""
    if _arriving(name):
        from autograder.folder.arriving import finish

        finish(name)


@contextlib.contextmanager
def undisturbed(live: LiveWorkspace) -> Iterator[None]:
    """Keep a workspace from being begun or reset meanwhile: what is read is a state of the learner's, not one in the making.

    Raises:
        UsageError: the workspace is gone, before or after.
    """
    settle_arrival(live.name)
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
def explained() -> Iterator[None]:
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


def set_current(name: str) -> None:
    """Note which workspace was begun last."""
    write_whole(labs() / ".wheelhouse" / "current", name + "\n")


def open_workspace(exercise: Exercise) -> LiveWorkspace:
    """Open a workspace that was begun.

    Raises:
        UsageError: it was not.
    """
    live = load(exercise.id, exercise)
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
        return load(name, find_exercise(name))
    except (OSError, UsageError):
        return None


def submit_folder(live: LiveWorkspace) -> Path | None:
    """Say where snapshots go: beside the notebook it was begun from, else beside the course's own copy of it; None if none can be written."""
    candidates = [live.submit_to]
    root = course_root()
    if root is not None and live.exercise is not None:
        candidates.append(root / "exercises" / live.exercise.id)
    return next((one for one in candidates if one is not None and one.is_dir() and os.access(one, os.W_OK)), None)
