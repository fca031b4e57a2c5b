"""When is it worth looking? When a shell's prompt has returned, when a file was saved, and every few seconds in any case."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autograder.changes import Bell, glance, record_file, signal_file
from autograder.folder import LiveWorkspace

__all__ = ["GLANCES", "PERIOD", "UNSEEN_PERIOD", "Waiting", "time_of"]

PERIOD = 1.0
"""Seconds between two looks at the project's own files while the checklist can be seen."""
GLANCES = 8
"""Every so many of them the whole workspace is looked at, which costs some ten times as much."""
UNSEEN_PERIOD = 5.0
"""Seconds between two looks while it can't be seen."""
SILENCE = 10.0
"""Seconds after which a page that says nothing more is taken for closed."""
MOST_PAGES = 50


def time_of(file: Path) -> int:
    """Give a file's time of change; 0 where it is not there."""
    try:
        return file.stat().st_mtime_ns
    except OSError:
        return 0


class Waiting:
    """Waits for one workspace, for one thread; everything else may be called from any thread."""

    def __init__(self, live: LiveWorkspace, period: float, recorded: Callable[[], None]) -> None:
        """Begin to listen; `recorded` is called by whoever waits when a command was written down, which is soon after its prompt."""
        with contextlib.suppress(OSError):  # a full disk: the bell then looks for the folder by itself
            signal_file(live).parent.mkdir(parents=True, exist_ok=True)
        self._live = live
        self._period = period
        self._recorded = recorded
        self._bell = Bell(signal_file(live).parent)
        self._told, self._written = time_of(signal_file(live)), time_of(record_file(live))
        self._seen = glance(live)
        self._over = threading.Event()
        self._spoken = False
        self._pages: dict[str, tuple[float, bool]] = {}
        """By page: when it spoke last, and whether the list can be seen there."""
        self.ring = self._bell.ring
        """Wakes whoever waits."""

    def over(self) -> bool:
        """Say whether nobody shall wait any more."""
        return self._over.is_set()

    def end(self) -> None:
        """Wait no more."""
        self._over.set()
        self._bell.ring()

    def close(self) -> None:
        """Give back what the system lent; for whoever waited last."""
        self._bell.close()

    # --- who sees it

    @property
    def visible(self) -> bool:
        """Whether anybody may see it: a page that says so, or none that has said anything yet."""
        now = time.monotonic()
        return not self._spoken or any(seen and now - at < SILENCE for at, seen in list(self._pages.values()))

    def note_page(self, message: dict[str, Any]) -> None:
        """Take what a page says of itself: which one it is, whether the list can be seen there, whether it is gone."""
        before, now, self._spoken = self.visible, time.monotonic(), True
        page = str(message.get("view", ""))[:40]
        if len(self._pages) < MOST_PAGES or page in self._pages:
            self._pages[page] = (now, bool(message.get("visible", True)) and not message.get("gone"))
        for old in [name for name, (at, _) in list(self._pages.items()) if now - at > 6 * SILENCE]:
            self._pages.pop(old, None)
        if self.visible and not before:
            self._bell.ring()

    # --- waiting

    def wait(self, due: Callable[[], float | None]) -> bool:
        """Wait until it is worth looking; True if a prompt returned or a file was saved since the last time.

        `due` names the moment of the monotonic clock at which it is so in any case, or None; it is asked again after each `ring`.
        """
        live, last, glances = self._live, time.monotonic(), GLANCES
        while not self.over():
            visible = self.visible
            next_glance = last + (self._period if visible else max(self._period, UNSEEN_PERIOD))
            moment = due()
            self._bell.wait((next_glance if moment is None else min(next_glance, moment)) - time.monotonic())
            now, told, written = time.monotonic(), time_of(signal_file(live)), time_of(record_file(live))
            if told != self._told and (visible or now >= next_glance):
                self._told, self._seen = told, glance(live)
                return True
            if written != self._written:
                self._written = written
                self._recorded()
            if (moment := due()) is not None and now >= moment:
                return False
            if now >= next_glance:
                last, glances = now, glances - (1 if visible else GLANCES)
                before, self._seen = self._seen, glance(live)
                if self._seen != before:
                    return True
                if glances <= 0:
                    return False
        return False
