"""What stands on the page that a learner gets back, as plain data: tasks, their reports, what was asked and what was handed in.

Nothing of a learner's is taken as HTML or Markdown: what they wrote is text, and what would steer a terminal, or turn the writing
direction, is shown as a mark. The template beside this file says how it looks.
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["TEMPLATE", "Page", "Part", "Section", "harmless", "page_of"]

TEMPLATE = Path(__file__).with_name("feedback.html.j2")

_REPORT = re.compile(r'<div class="wheelhouse-report">')
_STEERING = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


@dataclass(frozen=True)
class Part:
    """One piece of a task."""

    kind: str
    """`text` (ours, Markdown), `report` (ours, HTML) or `work` (the learner's, plain)."""
    source: str = ""
    html: str = ""
    says: str = ""
    """What a `work` is, for the line that opens it."""
    comment: str = ""
    """What a human wrote about it, as Markdown."""
    open: bool = False


@dataclass
class Section:
    """One graded task or question."""

    title: str
    anchor: str
    score: float | None = None
    """None where a human must look."""
    points: float = 0.0
    cells: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Page:
    """The whole page."""

    title: str
    tasks: tuple[Section, ...]


def harmless(text: str) -> str:
    """Replace what would steer a terminal or turn the writing direction; line breaks and tabs stay."""
    return _STEERING.sub("\N{REPLACEMENT CHARACTER}", text)


def _heading(source: str) -> str:
    found = re.search(r"^#{1,6} +(.+?) *#*$", source, re.MULTILINE)
    return re.sub(r"[`*_]", "", found[1]) if found else ""


def _report(cell: Mapping[str, Any]) -> str:
    """Give a graded cell's report: HTML if it is one that `report` wrote, else its text, escaped."""
    parts = []
    for output in cell.get("outputs", ()):
        data = output.get("data", {})
        if output.get("output_type") == "display_data":
            made = str(data.get("text/html", ""))
            text = str(data.get("text/plain", ""))
            parts.append(made if _REPORT.match(made) else f"<pre>{html.escape(text)}</pre>")
    return "\n".join(parts)


def page_of(name: str, cells: Sequence[Mapping[str, Any]], ungraded: Collection[str] = ()) -> Page:
    """Order a graded notebook's cells by task; `cells` carry nbgrader's metadata, with `score`, `points` and `comment`.

    `ungraded` names those at which a human must still look; nbgrader itself would say 0.

    What stands before a graded cell belongs to it; what was added after the last one is left out, since nothing was asked there.
    """
    title, sections, waiting = "", [], []
    for cell in cells:
        mark = cell["metadata"].get("nbgrader") or {}
        source = str(cell["source"])
        graded = bool(mark.get("grade") or mark.get("task"))
        if mark.get("locked") and not graded:
            if cell["cell_type"] == "markdown":
                title = title or _heading(source)
                waiting.append(Part("text", source))
            continue
        if not graded:
            says = "What stands in your answer cell" if mark.get("solution") else "A cell of your own"
            waiting.append(Part("work", source, says=says, comment=str(mark.get("comment") or "")))
            continue
        section = Section("", str(mark["grade_id"]), mark.get("score"), float(mark.get("points") or 0))
        asked = [part for part in waiting if part.kind == "text"]
        headings = [heading for part in asked if (heading := _heading(part.source))]
        section.title = headings[-1] if headings else f"Question {mark['grade_id']}"
        comment = str(mark.get("comment") or "")
        if mark.get("solution"):
            section.cells = [*waiting, Part("work", source, says="Your answer", comment=comment, open=True)]
        else:
            report = Part("report", html=_report(cell), comment=comment)
            section.cells = [report, *waiting]
        if mark["grade_id"] in ungraded:
            section.score = None
        sections.append(section)
        waiting = []
    return Page(title or name, tuple(sections))
