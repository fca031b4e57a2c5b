"""Take out of recorded outputs what belongs to one machine or one run: places of temporary files, ports, the course's own folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["Cleaner"]


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

    def text(self, text: str) -> str:
        """Give a text without them."""
        for found, said in self._places:
            text = text.replace(found, said)
        return text

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
