"""Where a class's files lie: what `nbgrader_config.py` says, read without nbgrader, whose import takes a second or two."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autograder.exceptions import CourseError, UsageError
from autograder.places import course_root

__all__ = ["Classroom", "find_classroom"]

CONFIG = "nbgrader_config"


@dataclass(frozen=True)
class Classroom:
    """One course's settings for nbgrader, as far as they say where things lie."""

    root: Path
    """The folder from which nbgrader's commands are typed."""
    config: Any
    """All settings, a `traitlets.config.Config`."""

    def _setting(self, name: str, default: str) -> str:
        value = self.config.CourseDirectory.get(name, default)
        return value if isinstance(value, str) else default

    @property
    def course_id(self) -> str:
        """What nbgrader calls the course; it may be empty."""
        return self._setting("course_id", "").strip()

    @property
    def db_url(self) -> str:
        """The gradebook's address; a path in it is absolute."""
        url = self._setting("db_url", f"sqlite:///{self.root / 'gradebook.db'}")
        scheme, mark, path = url.partition(":///")
        if scheme.split("+")[0] != "sqlite" or not path or path.startswith((":", "file:")):
            return url
        return f"{scheme}{mark}{self.root / path}"

    @property
    def database(self) -> Path | None:
        """The gradebook's file; None where it is no file."""
        scheme, _, path = self.db_url.partition(":///")
        if scheme.split("+")[0] != "sqlite" or path.startswith((":", "file:")):
            return None
        return Path(path.partition("?")[0])

    def _step(self, setting: str, default: str, student: str, exercise: str) -> Path:
        shape = self._setting("directory_structure", "{nbgrader_step}/{student_id}/{assignment_id}")
        step = self._setting(setting, default)
        return self.root / shape.format(nbgrader_step=step, student_id=student, assignment_id=exercise)

    def submitted(self, student: str, exercise: str) -> Path:
        """The folder in which a learner's submission lies."""
        return self._step("submitted_directory", "submitted", student, exercise)

    def autograded(self, student: str, exercise: str) -> Path:
        """The folder that formgrader and feedback read."""
        return self._step("autograded_directory", "autograded", student, exercise)

    def source(self, exercise: str) -> Path:
        """The folder with nbgrader's source of an exercise."""
        return self._step("source_directory", "source", ".", exercise)

    @property
    def kept(self) -> Path:
        """The folder of what is kept of each grading, beside the gradebook."""
        database = self.database
        return (database.parent if database else self.root) / "results"

    @property
    def ignore(self) -> list[str]:
        """Names of files that are never copied, as patterns."""
        default = [".ipynb_checkpoints", "*.pyc", "__pycache__", "feedback"]
        return [str(one) for one in self.config.CourseDirectory.get("ignore", default)]

    @property
    def permissions(self) -> int:
        """The mode of files in `autograded`."""
        shared = self.config.CourseDirectory.get("groupshared", False) is True
        chosen = self.config.BaseConverter.get("permissions", self.config.Autograde.get("permissions", None))
        return int(str(chosen), 8) if chosen is not None else 0o664 if shared else 0o444

    def students(self, exercise: str) -> list[str]:
        """Name those who have handed in something for an exercise, in order."""
        parts = self.submitted("*", exercise).parts
        at = next((number for number, part in enumerate(parts) if "*" in part), 0)
        place, (before, _, after) = Path(*parts[:at]), parts[at].partition("*")
        if not at or not place.is_dir():
            return []
        names = [
            one.name[len(before) : len(one.name) - len(after)]
            for one in place.iterdir()
            if one.name.startswith(before) and one.name.endswith(after) and len(one.name) > len(before + after)
        ]
        return sorted(name for name in names if os.path.lexists(self.submitted(name, exercise)))

    @contextlib.contextmanager
    def only_one(self, what: str, say: Callable[[str], None], *, patience: float = 600.0) -> Iterator[int]:
        """Let nobody else do the same at the same time; wait for who does, and say so.

        The lock's descriptor is given: a process that inherits it holds the lock until it ends, too.

        Raises:
            CourseError: it takes longer than `patience`, in seconds.
        """
        self.kept.mkdir(parents=True, exist_ok=True)
        with (self.kept / f"{what}.lock").open("a") as lock:
            until, said = time.monotonic() + patience, False
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() > until:
                        raise CourseError(
                            "Another `course grade` is at work here and doesn't end.",
                            "Look for it with `ps`, end it, and run this again: nothing is lost.",
                        ) from None
                    if not said:
                        say("Another `course grade` is at work here: waiting for it. Ctrl-C stops waiting.")
                        said = True
                    time.sleep(0.2)
            yield lock.fileno()


def find_classroom() -> Classroom:
    """Find the course from whose folder nbgrader would be run: the working directory, or else the course this belongs to.

    Raises:
        UsageError: there is no `nbgrader_config.py`, or it can't be read.
    """
    here = Path.cwd()
    root = here if (here / f"{CONFIG}.py").is_file() else course_root()
    if root is None or not (root / f"{CONFIG}.py").is_file():
        raise UsageError(
            "There is no class here: no `nbgrader_config.py` in this folder.",
            "Go to the folder from which you run nbgrader, and type the command there.",
        )
    try:
        from jupyter_core.paths import jupyter_config_path
        from traitlets.config.loader import Config, ConfigFileNotFound, JSONFileConfigLoader, PyFileConfigLoader
    except ImportError:
        raise UsageError(
            "nbgrader, which keeps the gradebook, is not installed.", "Run `pip install 'autograder[nbgrader]'`."
        ) from None
    config = Config()
    for folder in (*reversed(jupyter_config_path()), str(root)):  # as nbgrader does: what is read later wins
        for loader in (PyFileConfigLoader, JSONFileConfigLoader):
            name = f"{CONFIG}{'.py' if loader is PyFileConfigLoader else '.json'}"
            try:
                config.merge(loader(name, path=folder).load_config())
            except ConfigFileNotFound:
                continue
            except Exception as error:
                raise UsageError(
                    f"{Path(folder, name)} can't be read: {type(error).__name__}: {error}.", "Mend that file."
                ) from error
    return Classroom(root, config)
