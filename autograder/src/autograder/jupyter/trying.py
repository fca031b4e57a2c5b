"""Checks that run something, tried in a thread of their own: they may take seconds, can be ended, and hold up no look at the files."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import threading
import time
from collections.abc import Callable, Iterator

from autograder.acting import Cancelled, Onlooker
from autograder.exercise import Check
from autograder.folder import LiveWorkspace
from autograder.jupyter import session
from autograder.verdict import Verdict

__all__ = ["Trial"]

Ended = Callable[["Trial", Verdict | BaseException | None], None]
"""Takes what came of it: a verdict; what went wrong; or nothing, if it was ended before."""


class Trial:
    """One try of all an exercise's acting checks, as the workspace is now."""

    def __init__(
        self, live: LiveWorkspace, *, asked: bool, tell: Callable[[Trial, Check, int, int], None], ended: Ended
    ) -> None:
        """Begin it; `asked` says whether the learner pressed the button. `ended` is called from its thread, once."""
        self.asked = asked
        self._live = live
        self._over = threading.Event()
        self._tell = tell
        self._ended = ended
        self._thread = threading.Thread(target=self._run, name=f"trial-{live.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def end(self) -> None:
        """Stop what runs; returns at once."""
        self._over.set()

    def join(self, seconds: float) -> None:
        """Wait until it has ended."""
        self._thread.join(seconds)

    def _run(self) -> None:
        found: Verdict | BaseException | None = None
        try:
            with self._alone():
                onlooker = Onlooker(functools.partial(self._tell, self), self._over.is_set)
                found = session.check(self._live, onlooker=onlooker)
        except Cancelled:
            found = None
        except Exception as error:
            found = error
        if self._over.is_set():
            found = None
        self._ended(self, found)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Take turns with other notebooks on the same exercise: who comes second finds the results kept."""
        with (self._live.state / "trying").open("w") as lock:
            while True:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError:
                    if self._over.is_set():
                        raise Cancelled from None
                    time.sleep(0.1)
            yield
