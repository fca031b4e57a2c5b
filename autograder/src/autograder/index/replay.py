"""Go through a journal that came from anyone, and find what our index would never have written.

A journal in a snapshot is not signed: whoever holds a secret could sign anything, and on the learner's machine nothing is secret from the
learner. What can be proven is that the index *could* have written it: each event is measured, at its place, by the rules by which the index
takes uploads, and every file that travelled is opened and checked again as when it was uploaded. So a journal made by hand can say at most
what honest uploads would have brought about, with files that any upload would have been taken with.
"""

from __future__ import annotations

__all__ = ["first_impossible"]

import hashlib
import io
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta

from packaging.metadata import ExceptionGroup, Metadata
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from autograder.index.archive_rules import check_archive, check_filename, check_names
from autograder.index.journal import Event
from autograder.index.ledger import MOST_EVENTS, TEAM_SITE, Ledger, Token
from autograder.index.refusal import Refused
from autograder.index.tokens import EXPIRATION, PROJECT_ID, PROJECT_NAME

_CLOCK = timedelta(hours=1)
"""A clock may be set back so far while somebody works."""
_MINT = 120
"""Seconds by which a token may seem to be used outside of its time: an event is dated when the upload is over."""


class _Impossible(Exception):
    pass


def first_impossible(site: str, events: Iterable[Event], read: Callable[[str], bytes | None]) -> str:
    """Say what is wrong with the first event of a site that the index would not have written; empty if there is none.

    `read` gives the content of an uploaded file by its hash, None if it didn't travel.
    """
    replay = _Replay(site, read)
    for number, event in enumerate(events, start=1):
        if number > MOST_EVENTS:
            return f"it has more than {MOST_EVENTS:,} events"
        try:
            replay.go_on(event)
        except _Impossible as problem:
            what = " ".join(part for part in (event.project, event.version) if part)
            return f"event {number}, {event.kind} {what}".strip() + f": {problem}"
    return ""


class _Replay:
    def __init__(self, site: str, read: Callable[[str], bytes | None]) -> None:
        self.ledger = Ledger(site, {}, {}, ())
        self.read = read
        self.latest = datetime.min.replace(tzinfo=UTC)
        self.contents: set[str] = set()

    def go_on(self, event: Event) -> None:
        """Check one event, then let it happen."""
        when = self._moment(event)
        ledger, known = self.ledger, event.project in self.ledger.projects
        match event.kind:
            case "create":
                self._require(not known, "that project was there already")
                self._require(event.project == canonicalize_name(event.project) != "", "that is no name of a project")
                self._actor(event, when, new=True)
            case "upload":
                if not known and ledger.site == TEAM_SITE:  # one of the team's, which was there from the start
                    ledger.projects[event.project] = {}
                    known = True
                self._require(known, "there is no such project that is theirs")
                self._require(ledger.status(event.project) != "archived", "the project is archived")
                self._actor(event, when)
                self._upload(event)
            case "yank" | "unyank":
                yanked = ledger.yanked(event.project, event.version)
                if ledger.site != TEAM_SITE:  # there everything of the team's may be yanked, whoever uploaded it
                    self._require(event.version in ledger.versions(event.project), "there is no such release")
                    self._require((yanked is None) == (event.kind == "yank"), "that changes nothing")
            case "delete" if ledger.site != TEAM_SITE:
                self._require(known, "there is no such project")
                files = ledger.projects[event.project].values()
                self._require(
                    not event.version or any(one.version == event.version for one in files), "there is no such release"
                )
                self._require(
                    not event.filename or any(one.filename == event.filename for one in files), "there is no such file"
                )
            case "token":
                self._require(str(event.details.get("id", "")) not in ledger.tokens, "a token has its id already")
                publisher = str(event.details.get("publisher", ""))
                self._require(not publisher or publisher in ledger.publishers, "there is no such publisher")
            case "revoke":
                self._require(str(event.details.get("id", "")) in ledger.tokens, "there is no such token")
            case "unpublisher":
                self._require(str(event.details.get("id", "")) in ledger.publishers, "there is no such publisher")
            case "delete" | "status" | "publisher" | "identity":
                pass
            case _:
                raise _Impossible("no index does that")
        ledger.add(event)
        if event.kind == "upload":
            self._require(event.filename in ledger.projects[event.project], "no index would list that file")

    def _require(self, so: bool, problem: str) -> None:
        if not so:
            raise _Impossible(problem)

    def _moment(self, event: Event) -> datetime:
        try:
            when = datetime.strptime(event.when, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        except ValueError:
            raise _Impossible("its time is none") from None
        self._require(self.latest - when <= _CLOCK, "it is older than what stands before it")
        self.latest = max(self.latest, when)
        return when

    def _actor(self, event: Event, when: datetime, *, new: bool = False) -> None:
        kind, _, name = event.actor.partition(":")
        if kind == "publisher":
            publisher = self.ledger.publishers.get(name)
            self._require(publisher is not None, "nobody registered the publisher that did it")
            if new:
                return self._require(publisher is not None and publisher.pending, "its publisher creates no project")
            fits = [one for one in self.ledger.tokens.values() if one.publisher == name]
        else:
            fits = [one for one in self.ledger.tokens.values() if one.id == name and not one.publisher]
            self._require(kind == "token" and bool(fits), "nobody made the token that did it")
        good = any(self._may(token, event.project, when, new=new) for token in fits)
        return self._require(good, "the token that did it wasn't good for that")

    def _may(self, token: Token, project: str, when: datetime, *, new: bool) -> bool:
        for caveat in token.caveats:
            match caveat:
                case [int(kind), int(expires), int(not_before)] if kind == EXPIRATION:
                    if not not_before - _MINT <= when.timestamp() <= expires + _MINT:
                        return False
                case [int(kind), [*names]] if kind == PROJECT_NAME:
                    if project not in names:
                        return False
                case [int(kind), [*ids]] if kind == PROJECT_ID:
                    # a project that was there from the start has an id which only its index knows
                    mine = self.ledger.ids.get(project)
                    if new or (mine and mine not in ids):
                        return False
        return True

    def _upload(self, event: Event) -> None:
        ledger = self.ledger
        files = [one for project in ledger.projects.values() for one in project.values()]
        self._require(event.filename not in ledger.burned, "that file name was burned")
        self._require(all(event.filename != one.filename for one in files), "that file name was taken")
        self._require(
            all(event.sha256 != one.sha256 for one in files), "that file was there already, under another name"
        )
        filetype = str(event.details.get("filetype", ""))
        self._require(filetype in ("bdist_wheel", "sdist"), "it is neither wheel nor sdist")
        if filetype == "sdist":
            others = [one for one in ledger.projects[event.project].values() if one.version == event.version]
            self._require(all(one.filename.endswith(".whl") for one in others), "a release has one sdist")
        head = f"Metadata-Version: 2.1\nName: {event.project}\nVersion: {event.version}\n"
        try:
            stated = Metadata.from_email(head)
            self._require(str(Version(event.version)) == event.version, "its version is not as the index writes it")
            check_filename(event.filename, filetype)
            check_names(event.filename, stated)
            data = self.read(event.sha256)
            if data is not None:
                self._content(event, data)
        except Refused as refused:
            raise _Impossible(refused.sentence) from None
        except (InvalidVersion, ExceptionGroup, ValueError):
            raise _Impossible("its name or version is none") from None

    def _content(self, event: Event, data: bytes) -> None:
        hashed = hashlib.sha256(data).hexdigest()
        self._require((hashed, len(data)) == (event.sha256, event.size), "its file has another hash or size")
        archive = check_archive(io.BytesIO(data), len(data), event.filename)
        archive.check_contents()
        if archive.metadata:
            kept = hashlib.sha256(archive.metadata).hexdigest()
            self._require(event.details.get("metadata_sha256") == kept, "its METADATA is not what is served beside it")
