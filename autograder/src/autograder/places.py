"""Where things lie on this machine: the course, the learners' workspaces, the cache."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import platformdirs

__all__ = ["cache", "course_root", "labs", "other_labs"]


def course_root() -> Path | None:
    """Find the folder that holds `nbgrader_config.py` and `notebooks/`; None where only the package is installed.

    Looked for in `$WHEELHOUSE_COURSE`, then upward from the working directory, then upward from this file (an editable install).
    """
    named = os.environ.get("WHEELHOUSE_COURSE")
    if named:
        return Path(named).absolute()
    for start in (Path.cwd(), Path(__file__).resolve().parent):
        for folder in (start, *start.parents):
            if (folder / "nbgrader_config.py").is_file() and (folder / "notebooks").is_dir():
                return folder
    return None


def labs() -> Path:
    """Give the folder that holds the workspaces: `$WHEELHOUSE_LABS`, or `labs` in the course, or one of the user's own."""
    named = os.environ.get("WHEELHOUSE_LABS")
    if named:
        return Path(named).absolute()
    root = course_root()
    return root / "labs" if root else platformdirs.user_data_path("wheelhouse") / "labs"


@contextlib.contextmanager
def other_labs(place: Path) -> Iterator[None]:
    """Let workspaces be made elsewhere for a while, so that the learner's own are not touched."""
    before = os.environ.get("WHEELHOUSE_LABS")
    os.environ["WHEELHOUSE_LABS"] = str(place)
    try:
        yield
    finally:
        del os.environ["WHEELHOUSE_LABS"]
        if before is not None:
            os.environ["WHEELHOUSE_LABS"] = before


def cache() -> Path:
    """Give the folder of things that can be made again: `$WHEELHOUSE_CACHE`, or `.cache/wheelhouse` in the course, or the user's own.

    What is in it is keyed by content, written under a temporary name and renamed: it may be shared and may be deleted at any time.
    """
    named = os.environ.get("WHEELHOUSE_CACHE")
    if named:
        return Path(named).absolute()
    root = course_root()
    return root / ".cache" / "wheelhouse" if root else platformdirs.user_cache_path("wheelhouse")
