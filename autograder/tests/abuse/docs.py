"""The table as it stands in `docs/sandbox.md`."""

from __future__ import annotations

from pathlib import Path

from .table import ROWS, TIERS, Row

__all__ = ["PAGE", "committed", "render", "write"]

PAGE = Path(__file__).parents[2] / "docs" / "sandbox.md"
_BEGIN, _END = "<!-- built by `python -m tests.abuse --write`; don't edit -->\n", "<!-- end of the table -->\n"
_GROUPS = {
    "quick": "Reach what isn't the learner's",
    "bounds": "Take more than one's share",
    "outlive": "Outlive the run",
    "traps": "Lay traps for what comes after",
    "asks": "Misuse the command `course` inside, which asks the course outside",
}


def render(rows: tuple[Row, ...] = ROWS) -> str:
    """Write the table in Markdown, one for each group."""
    lines, reasons = [], list(dict.fromkeys(row.why for row in rows if row.why))
    for group, title in _GROUPS.items():
        own = [row for row in rows if row.group == group]
        lines += ["", f"### {title}", "", f"| attempt | {' | '.join(TIERS)} |", "| --- |" + " --- |" * len(TIERS)]
        for row in own:
            note = f" ({reasons.index(row.why) + 1})" if row.why else ""
            ends = [row.expected(tier) for tier in TIERS]
            shown = [
                f"**{end}**{note if tier != 'basic' else ''}" if end == "open" else end
                for tier, end in zip(TIERS, ends, strict=True)
            ]
            lines.append(f"| {row.attempt} | {' | '.join(shown)} |")
    lines += ["", "Why it is open by design:", ""]
    lines += [f"{number}. {reason[0].upper()}{reason[1:]}." for number, reason in enumerate(reasons, start=1)]
    return "\n".join(lines).lstrip("\n") + "\n\n"


def committed() -> str:
    """Give the table that the page holds."""
    text = PAGE.read_text("utf-8")
    return text[text.index(_BEGIN) + len(_BEGIN) : text.index(_END)].lstrip("\n")


def write() -> None:
    """Put the table into the page."""
    text = PAGE.read_text("utf-8")
    head, tail = text[: text.index(_BEGIN) + len(_BEGIN)], text[text.index(_END) :]
    PAGE.write_text(f"{head}\n{render()}{tail}", encoding="utf-8")
