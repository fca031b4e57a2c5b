"""The same wishes in five locks, made by their own tools in the sandbox, and what each of them tells (for pictures/lock_lens.py)."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path
from typing import Any

from autograder.exceptions import CourseError
from autograder.folder import LiveWorkspace
from autograder.sandbox import Limits

__all__ = ["MARKS", "TITLES", "read_forms"]

RIGHT = 10
"""To which the real price-rounding rounds 11 cents."""

PROBE = Path(__file__).parent / "static" / "lock_probe.py"

TITLES = {
    "wishes": "the wishes",
    "freeze": "pip freeze",
    "compiled": "pip-compile",
    "hashed": "with hashes",
    "pylock": "pylock.toml",
    "uv": "uv.lock",
}
MARKS = {
    "direct": "what was asked for?",
    "transitive": "what that needs?",
    "hashes": "which file?",
    "markers": "other platforms?",
    "python": "which Python?",
    "index": "from where?",
}
"""What a lock may tell, in the order shown."""

_LINES = {
    "direct": r"-r requirements\.in|^requires-dist",
    "transitive": r"^netcore==|^name = \"netcore\"",
    "hashes": r"sha256",
    "markers": r"sys_platform",
    "python": r"^requires-python",
    "index": r"^index = |registry = |^--index-url",
}
"""The line that tells it, in whichever of the formats."""
_REMARKS = {"python": r"^#.*with Python"}
"""The line that only remarks it: no tool reads it."""

_YES = {
    "direct": "This line tells what somebody asked for; the rest came along.",
    "transitive": "What the wishes need is named, too, and pinned.",
    "hashes": "This line says which file it is, whatever its name.",
    "markers": "This line counts on Windows only: the lock knows of other platforms than this one.",
    "python": "This line says for which Pythons the lock was made, and tools obey it.",
    "index": "This line says from which index it comes.",
}
_NO = {
    "direct": "No line tells what somebody asked for: all look the same.",
    "transitive": "What the wishes need is not named: it floats.",
    "hashes": "No line has a hash: any file of that name and version will do.",
    "markers": "It knows only the machine on which it was made: what Windows needs is missing.",
    "python": "No line says for which Python it was made.",
    "index": "No line says from which index it comes: whoever installs decides.",
}
_REMARKED = {"python": "A remark says with which Python it was made; no tool reads it."}


def read_forms(live: LiveWorkspace) -> list[dict[str, Any]]:
    """Make all forms, and try each; gives what is shown of them, in their order.

    Raises:
        CourseError: the sandbox has no pip-tools, or the run did not come to its end.
    """
    mark = secrets.token_hex(12)
    done = live.sandbox.run(
        ["python3", "-"],
        live.place,
        limits=Limits(wall_seconds=180),
        stdin=f"{PROBE.read_text('utf-8')}\n\nmain({mark!r})\n".encode(),
    )
    _, found, told = done.output.rpartition(f"\n{mark}")
    if not found:
        last = (done.output.strip().splitlines() or [""])[-1][:200]
        raise CourseError(
            f"The locks could not be made. {done.stopped} {last}".strip(),
            "Run `course doctor` to see whether the tools are there, then run this cell again.",
        )
    forms = json.loads(told.splitlines()[0])
    return [_form(kind, forms[kind]) for kind in TITLES]


def _form(kind: str, raw: dict[str, Any]) -> dict[str, Any]:
    text = raw["text"].rstrip("\n")
    return {
        "kind": kind,
        "title": TITLES[kind],
        "file": raw["file"],
        "command": raw["command"],
        "lines": text.split("\n"),
        "marks": {name: mark(kind, name, text) for name in MARKS},
        "later": _later(raw["later"]),
        "exchanged": _exchanged(raw["exchanged"]),
    }


def mark(kind: str, name: str, text: str) -> dict[str, Any]:
    """Say whether a lock tells one thing: `yes`, `no` or `remark`; with the number of the line that does, from 0, or -1."""
    lines = text.split("\n")
    if kind == "wishes" and name == "direct":
        return {"has": "yes", "line": 0, "says": "All of it is what somebody asked for."}
    for pattern, has, says in ((_LINES[name], "yes", _YES), (_REMARKS.get(name), "remark", _REMARKED)):
        for number, line in enumerate(lines):
            if pattern and re.search(pattern, line):
                return {"has": has, "line": number, "says": says[name]}
    return {"has": "no", "line": -1, "says": _NO[name]}


def _later(raw: dict[str, Any]) -> dict[str, Any]:
    """Say what came of it once netcore 2.0 was out."""
    version = raw["versions"].get("netcore", "")
    good = raw["status"] == 0 and version == "1.1"
    says = (
        "Nothing was installed."
        if raw["status"]
        else f"`netcore` {version} was installed: "
        + ("the same as on Monday." if good else "another than on Monday, and nobody had asked for it.")
    )
    return {**_tried(raw), "good": good, "short": f"netcore {version}" if version else "refused", "says": says}


def _exchanged(raw: dict[str, Any]) -> dict[str, Any]:
    """Say what came of it when another file lay under the name of price-rounding 1.0."""
    if raw["status"]:
        good, short, says = True, "refused", "The changed file was refused, and nothing was installed."
    elif raw["rounds"] == RIGHT:
        good, short, says = True, "not taken", "The right file was found elsewhere, and the changed one was not taken."
    else:
        good, short = False, "let in"
        says = f"The changed file was installed without a word: 11 cents are rounded to {raw['rounds']} now, and were to {RIGHT}."
    return {**_tried(raw), "good": good, "short": short, "says": says}


def _tried(raw: dict[str, Any]) -> dict[str, Any]:
    said = [line for line in raw["said"].split("\n") if line.strip()]
    return {"command": raw["command"], "status": raw["status"], "said": said[:30]}
