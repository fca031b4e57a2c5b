"""Say when a submission came in, from what can't be forged and what can.

`timestamp.txt` and a file's time of change (mtime) are the learner's to set; a file's time of arrival on this disk (ctime) is the kernel's.
So the learner's word counts only where it lies between the two:

- later than the arrival: it can't be, and the arrival counts;
- earlier than the handed-in snapshot was written, as its mtime says: it can't be, and the mtime counts. That is asked only where mtime
  and arrival differ: where a copy wrote both at once (a zip file, git, an exchange over HTTP) the mtime speaks of the copying;
- missing, garbage, or from before there was such a course: the arrival counts.

Who sets back both on their own machine isn't caught here, but where the exchange takes the folder in: its inode has a ctime there.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime, timedelta

__all__ = ["TIMESTAMP", "received"]

TIMESTAMP = "timestamp.txt"
"""What nbgrader adds to a submission when it is handed in."""

EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)
"""Before this course could be handed in anywhere."""
CLOCKS = timedelta(minutes=5)
"""By how much the clocks of two honest machines may differ."""

_WRITTEN = re.compile(
    r"(\d{4}-\d\d-\d\d)[ T](\d\d:\d\d(?::\d\d)?(?:\.\d{1,6})?) ?(?:(UTC|GMT|Z)|([+-]\d\d):?(\d\d))?", re.ASCII
)


def received(state: os.stat_result, stamp: bytes | None) -> tuple[datetime, str]:
    """Give the time that counts, in UTC, and a sentence where that isn't what `timestamp.txt` says; it is empty otherwise.

    `state` is that of the submitted snapshot, `stamp` the content of `timestamp.txt`, None if there is none.
    """
    arrived = _moment(state.st_ctime)
    written = min(_moment(state.st_mtime), arrived)
    if stamp is None:
        return arrived, f"There is no `{TIMESTAMP}`, so the time counts at which the snapshot came here."
    claimed = _parse(stamp)
    if claimed is None or claimed < EARLIEST:
        return (
            arrived,
            f"`{TIMESTAMP}` holds no time at which this can have been handed in; the time counts at which it came here.",
        )
    if claimed > arrived + CLOCKS:
        return arrived, f"`{TIMESTAMP}` says a time after that at which the snapshot came here, which counts."
    if written < arrived - CLOCKS and claimed < written - CLOCKS:
        return written, f"`{TIMESTAMP}` says a time before that at which the snapshot was last written, which counts."
    return claimed, ""


def _moment(seconds: float) -> datetime:
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):  # a file system can hold years that a calendar can't
        return datetime.max.replace(tzinfo=UTC) if seconds > 0 else datetime.min.replace(tzinfo=UTC)


def _parse(stamp: bytes) -> datetime | None:
    found = _WRITTEN.fullmatch(stamp.decode("ascii", "replace").strip())
    if found is None:
        return None
    date, time, _zulu, hours, minutes = found.groups()
    try:
        return datetime.fromisoformat(f"{date}T{time}{f'{hours}:{minutes}' if hours else '+00:00'}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
