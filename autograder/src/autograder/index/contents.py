"""What each site offers at this moment: the immutable seed, and what the workspace has published since."""

from __future__ import annotations

__all__ = ["Contents", "Seed"]

import contextlib
import re
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from autograder.index.advisories import NO_ADVISORIES, Advisories
from autograder.index.journal import Event, Journal
from autograder.index.ledger import TEAM_SITE, Ledger
from autograder.index.site import Site, Status
from autograder.index.store import IndexFile


@dataclass(frozen=True)
class Seed:
    """What a site offers from the beginning."""

    title: str
    projects: Mapping[str, Sequence[IndexFile]]
    statuses: Mapping[str, Status] = field(default_factory=dict)
    advisories: Advisories = NO_ADVISORIES


class Contents:
    """All sites, kept up with the journal. Threads may share it."""

    def __init__(
        self,
        seeds: Mapping[str, Seed],
        open_file: Callable[[str], BinaryIO],
        journal: Journal | None = None,
        keep: int = 0,
    ) -> None:
        """Offer these seeds, whose files `open_file` opens; without a journal nothing can be published.

        Clients may keep pages for `keep` seconds without asking again.
        """
        self._keep = keep
        self.seeds = seeds
        self.journal = journal
        self._open_file = open_file
        self._lock = threading.Lock()
        self._state: tuple[int, ...] | None = None
        self._sites: dict[str, Site] = {}
        self._events: dict[str, list[Event]] = {}

    def sites(self) -> Mapping[str, Site]:
        """Give the sites as they are now; one on which nothing happened is the same object as before, with its pages."""
        if self._now() != self._state:
            with self._lock:
                self._refresh()
        return self._sites

    def _now(self) -> tuple[int, ...]:
        return self.journal.state if self.journal else ()

    def _refresh(self) -> None:
        state = self._now()
        events = self.journal.events() if self.journal else []
        now = {name: [event for event in events if event.site == name] for name in self.seeds}
        self._sites = {
            name: self._sites[name]
            if name in self._sites and self._events[name] == now[name]
            else self._site(name, now[name])
            for name in self.seeds
        }
        # Last of all: who sees this state without the lock sees the sites that belong to it.
        self._events, self._state = now, state

    def ledger(self, name: str, events: Sequence[Event]) -> Ledger:
        """Go through these events of a site."""
        seed = self.seeds[name]
        return Ledger(name, seed.projects, seed.statuses, events)

    def open(self, sha256: str) -> BinaryIO:
        """Open a file of the seed or of the workspace.

        Raises:
            FileNotFoundError: there is no such file.
        """
        if not re.fullmatch(r"[0-9a-f]{64}", sha256):
            # A journal may come from anyone; no name that it makes up becomes a path.
            raise FileNotFoundError(f"{sha256!r} is no SHA-256")
        if self.journal is not None:
            with contextlib.suppress(FileNotFoundError, NotADirectoryError):
                return self.journal.file(sha256).open("rb")
        return self._open_file(sha256)

    def _site(self, name: str, events: Sequence[Event]) -> Site:
        seed = self.seeds[name]
        if not events:
            return Site(
                seed.title,
                seed.projects,
                self.open,
                name=name,
                statuses=seed.statuses,
                advisories=seed.advisories,
                own=seed.projects.keys() if self.journal and name == TEAM_SITE else (),
                keep=self._keep,
            )
        ledger = self.ledger(name, events)
        return Site(
            seed.title,
            # An installer needs to see no project of which nothing was published yet.
            {project: [*files.values()] for project, files in sorted(ledger.projects.items()) if files},
            self.open,
            name=name,
            statuses=ledger.statuses,
            provenance=ledger.provenance,
            serial=ledger.serial,
            advisories=seed.advisories,
            own={project for project in ledger.projects if ledger.mine(project)},
            keep=self._keep,
        )
