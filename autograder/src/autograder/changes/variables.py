"""What a command changed in its shell: variables, PATH, the folder. That holds for this one shell and ends with it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from autograder.changes.change import Change, How
from autograder.sandbox.redaction import HIDDEN, hides, redact

__all__ = ["compare_variables"]

_OF_THE_SHELL = frozenset(
    ("_", "PWD", "OLDPWD", "SHLVL", "COLUMNS", "LINES", "PS1", "RPS1", "PROMPT", "VIRTUAL_ENV_PROMPT", "RPROMPT")
)
_LONGEST = 300


def _value(name: str, value: str) -> str:
    return HIDDEN if hides(name) else redact(value)[:_LONGEST]


def compare_variables(
    before: Mapping[str, str], after: Mapping[str, str], *, root: PurePosixPath, home: str = "/home/learner"
) -> Iterator[Change]:
    """Say which exported variables came, went or changed; paths below the workspace are told relative to it."""

    def short(path: str) -> str:
        where = PurePosixPath(path)
        if where.is_relative_to(root):
            return str(where.relative_to(root))
        return f"~/{where.relative_to(home)}" if where.is_relative_to(home) else path

    old, new = before.get("VIRTUAL_ENV", ""), after.get("VIRTUAL_ENV", "")
    if old != new:
        turned: How = "added" if new else "removed"
        yield Change("shell", "activation", turned, short(new or old), before=short(old) if old and new else "")
    path = (
        [one for one in before.get("PATH", "").split(":") if one],
        [one for one in after.get("PATH", "").split(":") if one],
    )
    if path[0] != path[1]:
        came = [short(one) for one in path[1] if one not in path[0]]
        went = [short(one) for one in path[0] if one not in path[1]]
        lines = (*(f"+ {redact(one)}" for one in came), *(f"- {redact(one)}" for one in went))
        first = short(path[1][0]) if path[1] else ""
        note = "" if came or went else "another order"
        yield Change("shell", "path", "changed", "PATH", after=redact(first), lines=lines[:10], note=note)
    for name in sorted(before.keys() | after.keys()):
        if name in _OF_THE_SHELL or name in ("PATH", "VIRTUAL_ENV") or name.startswith(("WHEELHOUSE_", "__")):
            continue
        was, now = before.get(name), after.get(name)
        if was == now:
            continue
        how: How = "added" if was is None else "removed" if now is None else "changed"
        yield Change(
            "shell",
            "variable",
            how,
            name[:_LONGEST],
            before=_value(name, was) if was is not None else "",
            after=_value(name, now) if now is not None else "",
        )
    if (was := before.get("PWD")) and (now := after.get("PWD")) and was != now:
        yield Change("shell", "cd", "changed", "folder", before=_folder(short(was)), after=_folder(short(now)))


def _folder(path: str) -> str:
    return "the project's folder" if path == "." else path
