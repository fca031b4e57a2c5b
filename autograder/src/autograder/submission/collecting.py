"""Take submissions out of nbgrader's exchange, where learners write what they like: nothing is followed, waited for or believed.

The exchange's folder is held open and everything is reached from there, one name at a time, without following a link.
A submission is a folder of the learner's own; of it only the files are read that the course knows, and only regular ones with one name.
When it was handed in is what the file system says, unless the folder's name says a time close by.
`look` finds what there is, `take` reads one submission, `keep` writes it; what is amiss is `Refused`, in one sentence.
"""

from __future__ import annotations

import errno
import fnmatch
import os
import pwd
import re
import secrets
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autograder.folder import remove_tree
from autograder.submission.arrival import EARLIEST, TIMESTAMP
from autograder.submission.gate import Refused
from autograder.submission.taking import SECRET, Reader, Rules, kind_of, open_folder, reason
from autograder.wording import code

__all__ = ["SECRET", "Found", "Offer", "Refusal", "Rules", "Taken", "keep", "look", "name_of", "take"]

MOST_OFFERS = 50
"""Of one learner; older folders of theirs are counted."""
MOST_REFUSALS = 20
"""Of one learner's folders; more are counted."""
_DAY_NONE = datetime.min.replace(tzinfo=UTC)
_SECRET = re.compile(rb"[0-9A-Za-z_=-]{16,300}\s*")


@dataclass(frozen=True)
class Offer:
    """A folder in the exchange that may be a submission."""

    name: str
    learner: str
    when: datetime
    """When it was handed in, in UTC, as far as its own state says; see `Taken.when`."""
    claimed: datetime | None
    """What its name says."""


@dataclass(frozen=True)
class Refusal:
    """A folder that wasn't taken, with the sentence that says why."""

    learner: str
    """Whose it is: its owner's, not the one's whom it names."""
    name: str
    why: str


@dataclass
class Found:
    """What there is for one exercise: by learner, the newest first."""

    offers: dict[str, list[Offer]] = field(default_factory=dict)
    refusals: list[Refusal] = field(default_factory=list)
    unseen: dict[str, int] = field(default_factory=dict)
    """How many more folders of a learner there were than are looked at."""
    _refused: Counter[str] = field(default_factory=Counter)

    def refuse(self, learner: str, name: str, why: str) -> None:
        """Note a refusal, or count it where there are many of one learner's."""
        self._refused[learner] += 1
        if self._refused[learner] <= MOST_REFUSALS:
            self.refusals.append(Refusal(learner, name, why))
        else:
            self.unseen[learner] = self.unseen.get(learner, 0) + 1


@dataclass(frozen=True)
class Taken:
    """One submission, in memory."""

    files: Mapping[str, bytes]
    """By path; timestamp and secret are among them."""
    when: datetime
    """When it was handed in, in UTC."""
    noticed: tuple[str, ...] = ()
    """Sentences for the instructor: what was odd, and stopped nothing."""


def name_of(uid: int) -> str:
    """Give the name of a user of this machine, or "user 1234" for one without."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def look(
    inbound: int,
    exercise: str,
    rules: Rules,
    *,
    wanted: str = "*",
    read_time: Callable[[str], datetime | None],
    owner_of: Callable[[int], str] = name_of,
) -> Found:
    """Find the submissions of an exercise in the open folder `inbound`.

    `wanted` is a pattern of learners' names; `read_time` reads the time out of a folder's name (None: it can't).
    Raises OSError where `inbound` itself can't be read.
    """
    found = Found()
    pattern = re.compile(rf"(?P<learner>.+)\+{re.escape(exercise)}\+(?P<rest>.*)", re.DOTALL)
    home = os.fstat(inbound).st_dev
    with os.scandir(inbound) as entries:
        for entry in entries:
            match = pattern.fullmatch(entry.name)
            if match is None or not fnmatch.fnmatchcase(match["learner"], wanted):
                continue
            try:
                state = entry.stat(follow_symlinks=False)
            except OSError:  # gone since it was listed
                continue
            learner, owner = match["learner"], owner_of(state.st_uid)
            why = _no_submission(learner, owner, state, home, rules)
            if why:
                found.refuse(owner, entry.name, why)
                continue
            claimed = read_time(match["rest"].rpartition("+")[0] or match["rest"])
            offer = Offer(entry.name, learner, settled(claimed, _changed(state), rules.clocks)[0], claimed)
            theirs = found.offers.setdefault(learner, [])
            theirs.append(offer)
            if len(theirs) > 2 * MOST_OFFERS:
                _keep_newest(theirs, found.unseen)
    for theirs in found.offers.values():
        _keep_newest(theirs, found.unseen)
        theirs[:] = sorted((_deepened(inbound, one, rules) for one in theirs), key=_order, reverse=True)
    return found


def _no_submission(learner: str, owner: str, state: os.stat_result, home: int, rules: Rules) -> str:
    if not stat.S_ISDIR(state.st_mode):
        return f"It is {kind_of(state)}, not a folder."
    if state.st_dev != home:
        return "Another disk stands in its place."
    if rules.own and owner != learner:
        return f"It names {code(learner)}, but belongs to {code(owner)}."
    if learner in (".", "..") or not learner.isprintable():
        return "It names a learner who can't be."
    return ""


def _keep_newest(offers: list[Offer], unseen: dict[str, int]) -> None:
    offers.sort(key=_order, reverse=True)
    if len(offers) > MOST_OFFERS:
        unseen[offers[0].learner] = unseen.get(offers[0].learner, 0) + len(offers) - MOST_OFFERS
        del offers[MOST_OFFERS:]


def _order(offer: Offer) -> tuple[datetime, datetime, str]:
    return offer.when, offer.claimed or _DAY_NONE, offer.name


def settled(claimed: datetime | None, arrived: datetime, clocks: timedelta) -> tuple[datetime, str]:
    """Give the time that counts, and a sentence where that isn't the one in the folder's name; it is empty otherwise."""
    if claimed is None or claimed < EARLIEST:
        return arrived, "Its name holds no time at which it can have been handed in; the time counts at which it came."
    if arrived - clocks <= claimed <= arrived + clocks:
        return claimed, ""
    way = "before" if claimed < arrived else "after"
    said = claimed.strftime("%Y-%m-%d %H:%M:%S UTC")
    return arrived, f"Its name says {said}, which is {way} the time at which it was last changed; the latter counts."


def _changed(*states: os.stat_result) -> datetime:
    """Give the latest time of change; it is the kernel's, no user can set it."""
    return datetime.fromtimestamp(max(one.st_ctime_ns for one in states) // 1000 / 1_000_000, UTC)


def _deepened(inbound: int, offer: Offer, rules: Rules) -> Offer:
    """Look also at the times of the files: work may have been put into an old folder."""
    try:
        place = open_folder(inbound, offer.name)
    except OSError:
        return offer
    try:
        states = [os.fstat(place)]
        for name in sorted(rules.known or ()):
            try:
                states.append(os.stat(name, dir_fd=place, follow_symlinks=False))
            except OSError:
                continue
        return replace(offer, when=settled(offer.claimed, _changed(*states), rules.clocks)[0])
    finally:
        os.close(place)


def take(inbound: int, offer: Offer, rules: Rules, *, owner_of: Callable[[int], str] = name_of) -> Taken:
    """Read one submission.

    Raises Refused, with the reason in a sentence; nothing was written then.
    """
    try:
        place = open_folder(inbound, offer.name)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise Refused("It is no folder any more.") from None
        raise Refused(f"Its folder can't be read: {reason(error)}.") from None
    try:
        own = os.fstat(place)
        if rules.own and owner_of(own.st_uid) != offer.learner:
            raise Refused(f"It names {code(offer.learner)}, but belongs to {code(owner_of(own.st_uid))}.")
        reader = Reader(own, rules)
        if rules.known is None:
            reader.tree(place, "", 1)
        else:
            reader.these(place, rules.known)
        files, noticed = reader.files, reader.noticed
        if not files:
            raise Refused("There is nothing in it that the course wrote.")
        try:
            found = reader.read(place, SECRET, 400)
        except (Refused, FileNotFoundError):
            found = b""
        if _SECRET.fullmatch(found) is None:
            found = secrets.token_hex(64).encode()
            noticed.append(
                f"It has no {code(SECRET)} of nbgrader's, so its learner can't fetch the feedback by nbgrader."
            )
        when, odd = settled(offer.claimed, _changed(own, *reader.states), rules.clocks)
    except OSError as error:
        raise Refused(f"It can't be read: {reason(error)}.") from None
    finally:
        os.close(place)
    stamp = when.strftime("%Y-%m-%d %H:%M:%S.%f UTC").encode()
    files = {**files, SECRET: found, TIMESTAMP: stamp}
    return Taken(files, when, (*([odd] if odd else []), *noticed))


def keep(taken: Taken, place: Path, *, shared: bool = False) -> None:
    """Write a submission to the folder `place`, in one step: what stood there before goes when the new one is whole.

    `shared` lets the group write too, as nbgrader's `groupshared`. Raises OSError; what stood there stands there still.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    fresh, old = (place.with_name(f".{place.name}.{word}") for word in ("collecting", "replaced"))
    if old.is_dir() and not place.exists():  # stopped in the middle, once
        old.rename(place)
    for left in (fresh, old):
        if left.exists():
            remove_tree(left)
    try:
        fresh.mkdir()
        seconds = taken.when.timestamp()
        for name, data in taken.files.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            os.utime(path, (seconds, seconds))
        if shared:
            for path in (place.parent, fresh, *fresh.rglob("*")):
                path.chmod(0o2770 if path.is_dir() else 0o660)
        if place.exists():
            place.rename(old)
        fresh.rename(place)
    except OSError:
        if old.is_dir() and not place.exists():
            old.rename(place)
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if old.exists():
        remove_tree(old)
