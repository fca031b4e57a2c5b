"""The words in which a change is written down: one `Change` for each thing, one `Step` for each command."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, get_args

__all__ = ["AREAS", "OUTSIDE", "Area", "Change", "How", "Kind", "Step"]

Area = Literal["system", "user", "index", "home", "environment", "project", "shell", "cache"]
"""Where: in the order in which it is told."""

AREAS: tuple[Area, ...] = get_args(Area)
OUTSIDE: tuple[Area, ...] = ("system", "user", "index", "home")
"""What every project of the learner shares, or what others can see. (A cache is outside too, and harmless.)"""

How = Literal["added", "removed", "changed"]

Kind = Literal[
    "environment",
    "distribution",
    "command",
    "startup",
    "file",
    "folder",
    "upload",
    "variable",
    "path",
    "activation",
    "cd",
    "cache",
]


@dataclass(frozen=True)
class Change:
    """One thing that isn't as it was."""

    area: Area
    kind: Kind
    change: How
    name: str
    where: str = ""
    """The environment's folder, as the learner sees it; empty elsewhere."""
    before: str = ""
    """The version, value or folder before."""
    after: str = ""
    note: str = ""
    """What one should know about it, in a few words."""
    lines: tuple[str, ...] = ()
    """Lines of a text that came (`+ …`) or went (`- …`)."""
    count: int = 0
    """How many files, where it stands for more than one."""
    size: int = 0
    """By how many bytes they grew."""

    def as_json(self) -> dict[str, Any]:
        """Give it for `json`, without what is empty."""
        return {key: value for key, value in asdict(self).items() if value not in ("", 0, ())}


_TEXTS = ("name", "where", "before", "after", "note")


def _change(told: Any) -> Change | None:
    """Read a change; None if it is none of ours."""
    if not isinstance(told, dict) or told.get("area") not in AREAS or told.get("kind") not in get_args(Kind):
        return None
    if told.get("change") not in get_args(How):
        return None
    known = {one.name: told[one.name] for one in fields(Change) if one.name in told}
    lines = known.pop("lines", ())
    if not isinstance(lines, (list, tuple)) or not all(isinstance(line, str) for line in lines):
        return None
    if not all(isinstance(known.get(key, ""), str) for key in _TEXTS):
        return None
    if not all(type(known.get(key, 0)) is int for key in ("count", "size")):
        return None
    return Change(**known, lines=tuple(lines)) if "name" in known else None


@dataclass(frozen=True)
class Step:
    """One command, and what it changed."""

    command: str
    """As typed, without secrets; empty where no command is known."""
    source: str
    """`terminal`, `cell`, `command` (`course shell EX -- …`); `meanwhile` for what happened between two commands, `now` since the last."""
    status: int = 0
    cwd: str = ""
    """Where the shell stood afterwards."""
    at: float = 0.0
    """When it had ended, in seconds since 1970."""
    seconds: float | None = None
    changes: tuple[Change, ...] = field(default=())
    more: int = 0
    """How many changes are not listed."""
    stopped: str = ""
    """The bound that ended the shell itself, in words; what ran then is not known by name."""

    @property
    def by_nobody(self) -> bool:
        """Whether no shell of ours ran it: an editor did, another program, or a command that was not to be remembered."""
        return self.source in ("meanwhile", "now")

    def as_json(self) -> dict[str, Any]:
        """Give it for `json`."""
        told = {key: value for key, value in asdict(self).items() if key != "changes" and (key != "stopped" or value)}
        return {**told, "changes": [change.as_json() for change in self.changes]}

    @classmethod
    def from_json(cls, told: Any) -> Step | None:
        """Read what `as_json` gave; None if it is none of ours."""
        try:
            seconds = told["seconds"]
            return cls(
                command=str(told["command"]),
                source=str(told["source"]),
                status=int(told["status"]),
                cwd=str(told["cwd"]),
                at=float(told["at"]),
                seconds=None if seconds is None else float(seconds),
                changes=tuple(one for one in map(_change, told["changes"]) if one is not None),
                more=int(told.get("more", 0)),
                stopped=str(told.get("stopped", "")),
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            return None
