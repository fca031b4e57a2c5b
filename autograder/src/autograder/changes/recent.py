"""The last commands of a workspace, followed while they come: only what was added to the record since the last look is read."""

from __future__ import annotations

import json
import os
from collections import deque

from autograder.changes.change import Step
from autograder.changes.record import record_file
from autograder.folder import LiveWorkspace

__all__ = ["MOST", "Recent"]

MOST = 12
"""How many commands are kept."""
_TAIL = 200_000
"""Bytes of the record's end that are read at first: more than so many commands take, as a rule."""


class Recent:
    """Follows one workspace's record."""

    def __init__(self, live: LiveWorkspace, most: int = MOST) -> None:
        """Look at nothing yet."""
        self._live = live
        self._steps: deque[Step] = deque(maxlen=most)
        self._inode = self._at = 0
        self._made = 0

    def look(self) -> list[Step] | None:
        """Give the last commands, and what changed between them, oldest first; None if nothing was added since the last look."""
        try:
            made = self._live.made
            descriptor = os.open(record_file(self._live), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return self._forget()
        with os.fdopen(descriptor, "rb") as file:
            state = os.fstat(descriptor)
            again = state.st_ino != self._inode or state.st_size < self._at or made != self._made
            if not again and state.st_size == self._at:
                return None
            if again:
                self._steps.clear()
                self._inode, self._made, self._at = state.st_ino, made, max(0, state.st_size - _TAIL)
            file.seek(self._at)
            data = file.read(state.st_size - self._at)
        whole = data[: data.rfind(b"\n") + 1]  # the last line may still be being written
        self._at += len(whole)
        for line in whole.splitlines():
            try:
                step = Step.from_json(json.loads(line))
            except (ValueError, RecursionError):
                continue
            if step is not None and step.at >= made / 1e9:
                self._steps.append(step)
        return list(self._steps) if whole or again else None

    def _forget(self) -> list[Step] | None:
        had = bool(self._steps)
        self._steps.clear()
        self._inode = self._at = self._made = 0
        return [] if had else None
