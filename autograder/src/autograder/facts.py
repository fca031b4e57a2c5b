"""What a reader of a workspace must know besides its files."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import PurePosixPath

__all__ = ["Facts"]


@dataclass(frozen=True)
class Facts:
    """Where the workspace stood, and with which Python; travels in the snapshot."""

    root: PurePosixPath
    """Where the learner's commands saw the top of the workspace."""
    python_home: str
    """The folder of the system Python's executables, as they saw it: `/usr/local/bin`."""
    python_version: str
    """The system Python's version: `3.11.7`."""
    seed: str = ""
    """What this learner's variant of the exercise was drawn from; see `autograder.variants`."""

    @property
    def python_series(self) -> str:
        """The version's first two numbers, as in `lib/python3.11`."""
        return ".".join(self.python_version.split(".")[:2])

    def show(self, path: str) -> str:
        """Give a path relative to the workspace if it lies in it, else as it is."""
        normal = PurePosixPath(posixpath.normpath(path))
        return str(normal.relative_to(self.root)) if normal.is_relative_to(self.root) else path
