"""Our face in nbgrader's exchange: `nbgrader collect`, and formgrader's button, without trusting what lies in the exchange.

Stock collect copies as the instructor whatever a learner put there: it follows links, to the gradebook too, believes the name and the time
in a folder's name, and stops for the whole class at the first folder that it can't copy. The course's `nbgrader_config.py` says instead::

    c.ExchangeFactory.collect = "autograder.nbgrader_collect.SafeCollect"

All options of stock collect are heeded. What is refused is told in a sentence each, the learner's submission before it counts, and the
next learner's is collected.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from nbgrader.api import Gradebook, MissingEntry  # type: ignore[import-untyped]
from nbgrader.exchange.default.collect import ExchangeCollect  # type: ignore[import-untyped]
from nbgrader.utils import parse_utc  # type: ignore[import-untyped]
from traitlets import Integer

from autograder.exercise import find_exercises
from autograder.runner import snapshot_name
from autograder.submission import Refused, read_regular
from autograder.submission.arrival import TIMESTAMP
from autograder.submission.collecting import Found, Offer, Refusal, Rules, keep, look, take
from autograder.wording import code

__all__ = ["Outcome", "SafeCollect"]

MOST_TRIES = 10
"""How many folders of one learner are read until one can be taken."""
_TIME = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})?( UTC)?", re.ASCII)
_ZONED = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(\.\d{1,6})? ?([A-Z]{2,5}|-\d\d:?\d\d)", re.ASCII)

State = Literal["collected", "updated", "as before", "refused"]


@dataclass(frozen=True)
class Outcome:
    """What came of one learner's submissions."""

    learner: str
    state: State
    when: datetime | None = None
    """When what is there now was handed in, in UTC; None where nothing is."""
    refusals: tuple[Refusal, ...] = ()
    """Folders that were not taken."""
    noticed: tuple[str, ...] = ()
    """What was odd, and stopped nothing."""


class SafeCollect(ExchangeCollect):  # type: ignore[misc]
    """nbgrader's collect, for learners who may be anybody."""

    clock_seconds = Integer(
        120,
        help="How far the time in a submission's name may be from the time at which the file system says it came, and still count.",
    ).tag(config=True)

    def init_src(self) -> None:
        """Find what there is, without opening any of it."""
        if self.coursedir.course_id == "":
            self.fail("No course id specified. Re-run with --course flag.")
        self.inbound_path = str(Path(self.root, self.coursedir.course_id, "inbound"))
        self.outcomes: list[Outcome] = []
        try:
            self._inbound = os.open(self.inbound_path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            self.fail(f"The exchange's folder {self.inbound_path} can't be read: {error.strerror}.")
        self.duedate = self._due() if self.before_duedate else None

    def _due(self) -> datetime | None:
        with Gradebook(self.coursedir.db_url, self.coursedir.course_id) as gradebook:
            try:
                due = gradebook.find_assignment(self.coursedir.assignment_id).duedate
            except MissingEntry:
                return None
        return due.replace(tzinfo=UTC) if due else None

    def _rules(self) -> Rules:
        name = self.coursedir.assignment_id
        exercise = next((one for one in find_exercises() if one.id == name), None)
        return Rules(
            known=frozenset((f"{name}.ipynb", snapshot_name(exercise))) if exercise else None,
            largest=int(self.coursedir.max_file_size * 1000),
            most=int(self.coursedir.max_dir_size * 1000),
            ignore=tuple(self.coursedir.ignore),
            include=tuple(self.coursedir.include),
            own=self.check_owner,
            clocks=timedelta(seconds=self.clock_seconds),
        )

    def copy_files(self) -> None:
        """Take each learner's newest submission that can be taken, and say what came of everybody's."""
        rules = self._rules()
        if not rules.own:
            self.log.warning("check_owner is off: whoever can write to the exchange can hand in under any name.")
        try:
            found = look(
                self._inbound,
                self.coursedir.assignment_id,
                rules,
                wanted=self.coursedir.student_id or "*",
                read_time=self._read_time,
            )
            learners = sorted({*found.offers, *(one.learner for one in found.refusals)})
            if not learners:
                self.log.warning(
                    f"No submissions of {code(self.coursedir.assignment_id)} for course {code(self.coursedir.course_id)} to collect"
                )
                return
            for number, learner in enumerate(learners, 1):
                outcome = self._collect(learner, found, rules)
                self.outcomes.append(outcome)
                self._tell(outcome, f"[{number}/{len(learners)}]")
            self._sum_up()
        finally:
            os.close(self._inbound)

    def _collect(self, learner: str, found: Found, rules: Rules) -> Outcome:
        """Take one learner's newest submission that can be taken; whatever happens, the next learner is collected."""
        refusals = [one for one in found.refusals if one.learner == learner]
        place = Path(
            self.coursedir.format_path(self.coursedir.submitted_directory, learner, self.coursedir.assignment_id)
        )
        noticed: list[str] = []
        if more := found.unseen.get(learner):
            noticed.append(f"{more} more folders of this learner's were not looked at.")
        there, known = place.is_dir(), self._known_time(place)
        for offer in self._in_turn(found.offers.get(learner, []))[:MOST_TRIES]:
            if there and not self._is_wanted(offer, known):
                return Outcome(learner, "as before", known, tuple(refusals), tuple(noticed))
            try:
                taken = take(self._inbound, offer, rules)
                if there and not self._is_wanted(offer, known):
                    return Outcome(learner, "as before", known, tuple(refusals), tuple(noticed))
                keep(taken, place, shared=self.coursedir.groupshared)
            except Refused as refused:
                refusals.append(Refusal(learner, offer.name, str(refused)))
            except OSError as error:
                refusals.append(Refusal(learner, offer.name, f"It can't be kept: {error.strerror or error}."))
            else:
                state: State = "updated" if there else "collected"
                return Outcome(learner, state, taken.when, tuple(refusals), (*noticed, *taken.noticed))
        state = "as before" if there else "refused"
        return Outcome(learner, state, known, tuple(refusals), tuple(noticed))

    def _in_turn(self, offers: list[Offer]) -> list[Offer]:
        """Put first what shall be taken: the newest, or with `--before-duedate` the newest that was in time."""
        if self.duedate is None:
            return offers
        due = self.duedate
        return sorted(offers, key=lambda one: one.when > due)  # stable: the newest stays first among its like

    def _is_wanted(self, offer: Offer, known: datetime | None) -> bool:
        """Say whether an offer replaces what was collected before, by stock collect's own rules."""
        if self.update and (known is None or offer.when > known):
            return True
        return bool(self.before_duedate) and offer.when != known

    def _known_time(self, place: Path) -> datetime | None:
        """Read when that was handed in which was collected before; None if nothing was, or its time is garbage."""
        try:
            return self._read_time(read_regular(place / TIMESTAMP, 200).decode("ascii", "replace").strip())
        except (OSError, Refused):
            return None

    def _read_time(self, text: str) -> datetime | None:
        """Read a time that nbgrader wrote, in UTC or, where the class's time zone is set, in that."""
        try:
            if _TIME.fullmatch(text):
                return datetime.fromisoformat(text.removesuffix(" UTC")).replace(tzinfo=UTC)
            if self.timezone != "UTC" and _ZONED.fullmatch(text):
                return parse_utc(text).replace(tzinfo=UTC)  # type: ignore[no-any-return]
        except (ValueError, OverflowError, TypeError, KeyError):
            pass
        return None

    def _tell(self, outcome: Outcome, number: str) -> None:
        name, exercise = code(outcome.learner).strip("`"), self.coursedir.assignment_id
        lines = {
            "collected": f"Collecting submission: {name} {exercise}",
            "updated": f"Updating submission: {name} {exercise}",
            "as before": f"No newer submission to collect: {name} {exercise}"
            if self.update
            else f"Submission already exists, use --update to update: {name} {exercise}",
            "refused": f"Nothing of {name} could be collected.",
        }
        if outcome.state == "as before" and outcome.refusals:
            lines["as before"] = f"What was collected before stays: {name} {exercise}"
        self.log.log(40 if outcome.state == "refused" else 20, f"{number} {lines[outcome.state]}")

    def _sum_up(self) -> None:
        """List at the end what an instructor should know; a name or a text of a learner's is one line, without control characters."""
        for outcome in self.outcomes:
            name = code(outcome.learner).strip("`")
            for refusal in outcome.refusals:
                self.log.error(f"  {name}: refused {code(refusal.name)}: {refusal.why}")
            if outcome.refusals and outcome.when is not None:
                self.log.warning(f"  {name}: the submission of {outcome.when:%Y-%m-%d %H:%M:%S} UTC counts.")
            for text in outcome.noticed:
                self.log.warning(f"  {name}: {text}")
        states = Counter(one.state for one in self.outcomes)
        kept = sum(one.state != "refused" and bool(one.refusals) for one in self.outcomes)
        counts = [
            f"{states[state]} {state}" for state in ("collected", "updated", "as before", "refused") if states[state]
        ]
        more = f"; of {kept} an older submission counts, or something else of theirs was refused" if kept else ""
        self.log.info(f"{self.coursedir.assignment_id}: {len(self.outcomes)} learners: {', '.join(counts)}{more}.")
