"""What a command changed, for people: in a terminal and in a notebook. What lies outside the project comes first.

Signs and words carry the meaning; colour only repeats it. Names and texts are the learner's, or an attacker's: nothing of them
steers a terminal, and nothing of them is HTML.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from autograder.changes.change import OUTSIDE, Area, Change, Step

__all__ = ["as_html", "as_rows", "as_text"]

_COLOURS = {"+": "32", "-": "31", "~": "33", "!": "1;33", "·": "2"}
_MOST_LINES = 14
_MOST_COMMAND_LINES = 8
_HEADINGS: dict[Area, str] = {
    "system": "The system Python, which all your projects share",
    "user": "Your user's own packages (~/.local), which all your projects share",
    "index": "On an index, which others see",
    "home": "Your HOME, outside of the project",
    "environment": "The environment {where}",
    "project": "The project's files",
    "shell": "This shell, until it ends",
}
_ON_INDEX = {
    "create": ("registered", "on"),
    "upload": ("uploaded", "to"),
    "yank": ("yanked", "on"),
    "unyank": ("not yanked", "any more on"),
    "delete": ("deleted", "from"),
    "status": ("marked", "on"),
    "token": ("made", "for"),
    "revoke": ("revoked", "on"),
    "publisher": ("trusted", "by"),
    "unpublisher": ("not trusted", "any more by"),
}
_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


@dataclass(frozen=True)
class _Line:
    sign: str
    word: str
    text: str
    note: str = ""
    below: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Section:
    heading: str
    outside: bool
    lines: tuple[_Line, ...]
    advice: str = ""


def _clean(text: str) -> str:
    """Take out what would steer a terminal or turn the writing direction."""
    return "".join(
        one if unicodedata.category(one) not in ("Cc", "Cf", "Cs", "Zl", "Zp") else "\N{REPLACEMENT CHARACTER}"
        for one in text
    )


def _bytes(size: int) -> str:
    for unit, scale in (("MB", 1_000_000), ("kB", 1_000)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}".replace(".0 ", " ")
    return f"{size} bytes" if size != 1 else "1 byte"


def _files(count: int) -> str:
    return f"{count} files" if count != 1 else "1 file"


def _line(one: Change) -> _Line:
    sign = _SIGNS[one.change]
    if one.kind == "environment":
        word = {"added": "made", "removed": "removed", "changed": "rewritten"}[one.change]
        told = (f"of {one.after}" if one.after else "", _files(one.count) if one.count else "", one.note)
        return _Line(sign, word, f"environment {one.name}", ", ".join(filter(None, told)))
    if one.kind == "distribution":
        if one.change == "changed" and one.before != one.after:
            return _Line(sign, "replaced", f"{one.name} {one.before} → {one.after}", one.note)
        word = {"added": "installed", "removed": "uninstalled", "changed": "installed"}[one.change]
        return _Line(sign, word, f"{one.name} {one.after or one.before}", one.note)
    if one.kind == "upload":
        word, preposition = _ON_INDEX.get(one.note, (one.note, "on"))
        return _Line(sign, word, f"{'an API token' if one.name == 'token' else one.name} {preposition} {one.where}")
    if one.kind == "activation":
        word = "activated" if one.change == "added" else "deactivated"
        return _Line(sign, word, f"environment {one.name}", f"instead of {one.before}" if one.before else "")
    if one.kind == "path":
        note = f"looked through first: {one.after}" if one.after else "empty: no command is found any more"
        return _Line(sign, "changed", "PATH", ", ".join(filter(None, (note, one.note))), one.lines)
    if one.kind == "cd":
        return _Line("·", "moved", f"into {one.after}", f"was in {one.before}")
    if one.kind == "variable":
        if one.change == "removed":
            return _Line(sign, "unset", one.name, f"was {one.before}")
        word = "exported" if one.change == "added" else "changed"
        return _Line(sign, word, f"{one.name}={one.after}", f"was {one.before}" if one.change == "changed" else "")
    what = {"command": "command ", "startup": "start-up file ", "folder": "folder "}.get(one.kind, "")
    word = {"added": "new", "removed": "gone", "changed": "changed"}[one.change]
    note = one.note
    if one.count and one.kind == "folder":
        note = ", ".join(filter(None, (_files(one.count), note)))
    if not one.name:
        return _Line("·", "and", f"{_files(one.count)} more")
    below = one.lines
    if one.kind == "file" and not below and one.change == "added":
        note = note or _bytes(one.size)
    return _Line(sign, word, f"{what}{one.name}", note, below)


def _sections(step: Step) -> Iterator[_Section]:
    groups: dict[tuple[Area, str], list[Change]] = {}
    for one in step.changes:
        if one.area != "cache":
            groups.setdefault((one.area, one.where if one.area in ("environment", "user") else ""), []).append(one)
    order = list(_HEADINGS)
    for (area, where), changes in sorted(groups.items(), key=lambda item: (order.index(item[0][0]), item[0][1])):
        lines = [_line(one) for one in sorted(changes, key=_rank)]
        if len(lines) > _MOST_LINES:
            lines = [*lines[: _MOST_LINES - 1], _Line("·", "and", f"{len(lines) - _MOST_LINES + 1} things more")]
        heading = _HEADINGS[area].format(where=where)
        if area == "user" and where:
            heading = f"An environment outside of the project, {where}"
        yield _Section(heading, area in OUTSIDE, tuple(lines), _advice(area, changes))


def _rank(one: Change) -> tuple[int, bool, str]:
    order = ("environment", "activation", "distribution", "startup", "command")
    return (order.index(one.kind) if one.kind in order else len(order), one.note == "as a dependency", one.name)


def _advice(area: Area, changes: Sequence[Change]) -> str:
    came = [one.name for one in changes if one.kind == "distribution" and one.change == "added"]
    if area == "system" and came:
        return "No environment got this. To install into one, activate it first: `source .venv/bin/activate`."
    if area == "user" and came and not changes[0].where:
        return "Environments don't see these unless they were made with --system-site-packages."
    return ""


def _caches(step: Step) -> str:
    parts = []
    for one in step.changes:
        if one.area == "cache":
            verb = "grew by" if one.size >= 0 else "shrank by"
            parts.append(f"{one.name}'s cache {verb} {_bytes(abs(one.size))}")
    return f"({'; '.join(parts)}: harmless, it only saves the next download)" if parts else ""


_MEANINGS = {
    126: "it was found but could not be executed",
    127: "there is no such command",
    130: "it was interrupted with Ctrl-C",
    137: "it was killed: by hand, or because it took too much memory",
    139: "it crashed: it reached for memory that isn't its own",
    143: "it was asked to end",
    152: "it was stopped: it took more processor time than a command may",
    153: "it was stopped: a file grew larger than one may",
}
"""What shells mean by a few exit statuses: 128 + the number of the signal that ended the command."""


def _heading(step: Step) -> str:
    if step.stopped:
        why = step.stopped.removeprefix("stopped: ")
        return f"This shell was ended, and all that ran in it: {why}. Your files are still there."
    if step.source == "now":
        return "Since then, without a command in a shell of the course (an editor, perhaps):"
    if step.by_nobody:
        return "Without a command that is on record (an editor, perhaps, or a command typed with a leading space):"
    lines = step.command.split("\n")
    if len(lines) > _MOST_COMMAND_LINES:
        lines = [*lines[: _MOST_COMMAND_LINES - 1], f"… and {len(lines) - _MOST_COMMAND_LINES + 1} lines more"]
    return "$ " + "\n".join(lines)


def _ending(step: Step) -> str:
    if step.by_nobody or step.stopped:
        return ""
    took = f", after {step.seconds:.1f} s" if step.seconds is not None and step.seconds >= 0.1 else ""
    meaning = _MEANINGS.get(step.status, "it failed") if step.status else "it worked"
    return f"exit status {step.status}{took}: {meaning}"


def as_rows(step: Step) -> dict[str, Any]:
    """Give a step for a page that draws it itself: all that is said of it, as texts that are safe to show, and nothing but JSON."""
    sections = list(_sections(step))
    ending = _ending(step)
    return {
        "key": f"{step.at:.3f} {step.source} {_clean(step.command[:20])}",
        "command": "" if step.by_nobody or step.stopped else _clean_lines(_heading(step).removeprefix("$ ")),
        "heading": _clean_lines(_heading(step)) if step.by_nobody or step.stopped else "",
        "ending": ending,
        "failed": bool(step.status),
        "outside": sum(len(one.lines) for one in sections if one.outside),
        "gist": _gist(sections) + (f", and {step.more} changes more" if step.more else ""),
        "sections": [
            {
                "heading": _clean(one.heading),
                "place": "outside" if one.outside else "shell" if one.heading == _HEADINGS["shell"] else "project",
                "lines": [asdict(_clean_line(line)) for line in one.lines],
                "advice": one.advice,
            }
            for one in sections
        ],
        "more": step.more,
        "quiet": _clean(_caches(step)),
    }


def _gist(sections: Sequence[_Section]) -> str:
    """Say in a few words what a step changed, what lies outside first."""
    if not sections:
        return "nothing changed"
    lines = [line for section in sections for line in section.lines]
    told = [f"{line.word} {_clean(line.text)}" for line in lines[:2]]
    return ", ".join([*told, *([f"and {len(lines) - 2} more"] if len(lines) > 2 else [])])


def _clean_line(line: _Line) -> _Line:
    return _Line(line.sign, line.word, _clean(line.text), _clean(line.note), tuple(map(_clean, line.below)))


def _clean_lines(text: str) -> str:
    return "\n".join(map(_clean, text.split("\n")))


class _Paint:
    def __init__(self, colour: bool) -> None:
        self._colour = colour

    def __call__(self, text: str, code: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self._colour and text else text


def as_text(steps: Sequence[Step], *, colour: bool = False) -> str:
    """Give steps for a terminal; `colour` repeats what the signs and words say."""
    if not steps:
        return "No command was typed in the course's shell yet."
    return "\n\n".join("\n".join(_step_text(step, _Paint(colour))) for step in steps)


def _step_text(step: Step, paint: _Paint) -> Iterator[str]:
    first, *more = _heading(step).split("\n")
    ending = _ending(step)
    yield paint(_clean(first), "1") + (paint(f"   ({ending})", "31" if step.status else "2") if ending else "")
    yield from (paint(f"  {_clean(line)}", "1") for line in more)
    sections = list(_sections(step))
    quiet = _caches(step)
    if not sections:
        yield "  Nothing changed." if not quiet else "  Nothing else changed."
    said_outside = False
    for section in sections:
        if section.outside and not said_outside:
            yield f"  {paint('! OUTSIDE THE PROJECT', '1;33')}"
            said_outside = True
        elif not section.outside and said_outside:
            yield "  IN THE PROJECT" if "shell" not in section.heading else "  IN THE SHELL"
            said_outside = False
        yield f"  {paint(_clean(section.heading), '1')}"
        for line in section.lines:
            note = f"  ({_clean(line.note)})" if line.note else ""
            marked = paint(f"{line.sign} {line.word:<11}", _COLOURS[line.sign])
            yield f"    {marked} {_clean(line.text)}{paint(note, '2')}"
            yield from (f"        {paint(_clean(one), _COLOURS.get(one[:1], '2'))}" for one in line.below)
        if section.advice:
            yield f"    → {section.advice}"
    if step.more:
        yield f"  … and {step.more} changes more."
    if quiet:
        yield f"  {paint(_clean(quiet), '2')}"


def as_html(steps: Sequence[Step]) -> str:
    """Give steps as HTML that needs no style sheet, no script and no network."""
    if not steps:
        return "<p>No command was typed in the course's shell yet.</p>"
    return f"<div class='wheelhouse-changes'>{''.join(map(_step_html, steps))}</div>"


def _escape(text: str) -> str:
    return html.escape(_clean_lines(text), quote=True)


def _with_code(sentence: str) -> str:
    """Show as code what stands between backticks in a sentence of ours."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", _escape(sentence))


def _step_html(step: Step) -> str:
    ending = _ending(step)
    heading = _heading(step)
    title = (
        f"<p><strong>{_escape(heading)}</strong></p>"
        if step.by_nobody or step.stopped
        else f"<p><code style='white-space:pre-wrap'>{_escape(heading)}</code> ({ending})</p>"
    )
    parts = []
    for section in _sections(step):
        rows = "".join(_line_html(line) for line in section.lines)
        outside = "<strong>! Outside the project:</strong> " if section.outside else ""
        advice = f"<p>→ {_with_code(section.advice)}</p>" if section.advice else ""
        parts.append(
            f"<p style='margin-bottom:0'>{outside}{_escape(section.heading)}</p><ul style='list-style:none;margin-top:0'>{rows}</ul>{advice}"
        )
    if not parts:
        parts.append("<p>Nothing changed.</p>")
    if step.more:
        parts.append(f"<p>… and {step.more} changes more.</p>")
    quiet = _caches(step)
    return f"<section>{title}{''.join(parts)}{f'<p><small>{_escape(quiet)}</small></p>' if quiet else ''}</section>"


def _line_html(line: _Line) -> str:
    note = f" <small>({_escape(line.note)})</small>" if line.note else ""
    below = "".join(
        f"<br><code style='white-space:pre-wrap;margin-left:2em'>{_escape(one)}</code>" for one in line.below
    )
    return f"<li>{line.sign} {_escape(line.word)} <code>{_escape(line.text)}</code>{note}{below}</li>"
