"""Take out of recorded outputs what belongs to one machine or one run: its folders, addresses in memory, the day on which it ran."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

__all__ = ["Cleaner"]

_ADDRESS = re.compile(r"\b0x[0-9a-f]{9,16}\b")
_RANDOM = re.compile(r"(?<=/tmp/)((?:[a-z]+-)+|tmp)[a-z0-9_]{8}\b")


class Cleaner:
    """Knows what a lesson's outputs may not say, and what they say instead."""

    def __init__(self, course: Path, scratch: Path) -> None:
        """Take the places of this run."""
        places = [
            (str(scratch / "labs"), "~/labs"),
            (str(scratch), "~/scratch"),
            (str(course), "~/wheelhouse"),
            (str(Path.home()), "~"),
        ]
        self._places = [(found, said) for found, said in places if len(found) > 1]
        now = datetime.now(UTC)
        days = "|".join(f"{now + timedelta(days=days):%Y-%m-%d}" for days in (-1, 0, 1))
        self._today = re.compile(rf"\b(?:{days})(?:([ T])(\d\d:\d\d)(:\d\d)?(?:\.\d+)?)?")

    def text(self, text: str) -> str:
        """Give a text without them; columns of times stay as wide as they were."""
        for found, said in self._places:
            text = text.replace(found, said)
        text = _RANDOM.sub(r"\1…", _ADDRESS.sub("0x…", text))
        return self._today.sub(
            lambda time: f"YYYY-MM-DD{time[1] or ''}{'hh:mm' if time[2] else ''}{':ss' if time[3] else ''}", text
        )

    def output(self, output: Any) -> Any:
        """Give an output of a cell without them, whatever its kind."""
        return self._walk(output)

    def _walk(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self._walk(one) for one in value]
        if isinstance(value, dict):
            return type(value)({self.text(name): self._walk(one) for name, one in value.items()})
        return value
