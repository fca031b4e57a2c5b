"""The record of a workspace's commands: what was typed, how it ended, when, where, and what it changed, one JSON line each.

::

    labs/.wheelhouse/<id>/records/commands.jsonl   the record, without secrets, at most 1 MB
    labs/.wheelhouse/<id>/records/listing.json     the state at the last prompt
    labs/.wheelhouse/<id>/records/prompt           touched whenever a prompt returns: look again
    labs/.wheelhouse/<id>/records/lock

It is written by the process outside that serves the sandbox, after it was told of a prompt: the learner's shell doesn't wait for it.
What cannot be written is not recorded; the shell never notices.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from autograder.changes.change import Change, Step
from autograder.changes.compare import Differences, compare
from autograder.changes.listing import Listing, Stamp, take
from autograder.changes.variables import compare_variables
from autograder.folder import LiveWorkspace, undisturbed
from autograder.sandbox.prompts import Prompt
from autograder.sandbox.redaction import redact

__all__ = ["Observer", "last", "record_file", "signal_file", "typed_after"]

MOST_BYTES = 1_000_000
MOST_CHANGES = 100
LONGEST_COMMAND = 2_000
_TICK = 0.02
"""Seconds by which the kernel's times of files may be behind the clock."""


def _folder(live: LiveWorkspace) -> Path:
    return live.state / "records"


def signal_file(live: LiveWorkspace) -> Path:
    """Give the file whose time changes whenever a prompt returns; it need not be there yet."""
    return _folder(live) / "prompt"


def record_file(live: LiveWorkspace) -> Path:
    """Give the file of the commands, one JSON line each; it need not be there yet."""
    return _folder(live) / "commands.jsonl"


@contextlib.contextmanager
def _locked(live: LiveWorkspace) -> Iterator[None]:
    """Let one process at a time compare and write: several shells may be open."""
    with (_folder(live) / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _write(target: Path, text: str) -> None:
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(text)
    fresh.replace(target)


class _Baseline:
    """The state at the last prompt, which several processes share by a file."""

    def __init__(self, live: LiveWorkspace) -> None:
        self._file = _folder(live) / "listing.json"
        self._live = live
        self._known: Listing | None = None
        self._mark: tuple[int, int] | None = None

    def _stat(self) -> tuple[int, int] | None:
        try:
            state = self._file.stat()
        except OSError:
            return None
        return state.st_ino, state.st_mtime_ns

    def read(self) -> Listing | None:
        """Give it; None where there is none of this workspace: it was just begun, or started over."""
        mark = self._stat()
        if mark is None or mark != self._mark:
            self._known, self._mark = None, mark
            with contextlib.suppress(OSError, ValueError, RecursionError):
                self._known = Listing.from_json(json.loads(self._file.read_bytes()))
        if self._known is not None and self._known.made != self._live.made:
            return None
        return self._known

    def write(self, listing: Listing) -> None:
        _write(self._file, json.dumps(listing.as_json(), separators=(",", ":")))
        self._known, self._mark = listing, self._stat()


class Observer:
    """Is told by one shell, or of one command, and writes the record."""

    def __init__(self, live: LiveWorkspace, source: str) -> None:
        """Take the state as it is now for the one before the first command."""
        self._live = live
        self._source = source
        self._baseline = _Baseline(live)
        self._variables: Mapping[str, str] | None = None
        with contextlib.suppress(Exception):  # a record is never worth a shell
            _folder(live).mkdir(parents=True, exist_ok=True)
            self._record([])

    def hear(self, prompts: Sequence[Prompt]) -> None:
        """Take the prompts that came: signal at once, then compare and write; what goes wrong is not recorded, and no more."""
        with contextlib.suppress(OSError):
            signal_file(self._live).touch()
        with contextlib.suppress(Exception):
            self._record(prompts)

    def note(self, command: str, status: int, began: float, ended: float) -> None:
        """Write down a single command that ran without a shell."""
        self.hear([Prompt("command", status, "", command, False, began, ended, self._variables or {})])

    def _record(self, prompts: Sequence[Prompt]) -> None:
        live = self._live
        with undisturbed(live), _locked(live):
            before = self._baseline.read()
            after = take(live, before)
            if before is None:  # a new workspace: nothing to compare with
                self._baseline.write(after)
                before = after
            found = before.differences(after)
            parts = _split(found, before, after, prompts)
            steps = []
            for number, prompt in enumerate([None, *prompts]):
                part = parts[number]
                changes = compare(live, before, after, part) if part else []
                if prompt is not None:
                    changes += self._of_shell(prompt)
                if changes or (prompt is not None and (prompt.command or prompt.stopped)):
                    steps.append(self._step(prompt, changes))
            if steps:
                self._append(steps)
            if found or before.whole != after.whole:
                self._baseline.write(after)

    def _of_shell(self, prompt: Prompt) -> list[Change]:
        if prompt.shell == "command":
            return []
        before, now = self._variables, {**prompt.variables, "PWD": prompt.cwd}
        self._variables = now
        if before is None or not prompt.variables:
            return []  # the first prompt; or the shell is no more, and all that was in it
        home = prompt.variables.get("HOME", "/home/learner")
        return list(compare_variables(before, now, root=self._live.root, home=home))

    def _step(self, prompt: Prompt | None, changes: list[Change]) -> Step:
        known = prompt is not None and bool(prompt.command or prompt.stopped)
        now = time.time()
        began, ended = (prompt.began, prompt.ended) if prompt else (None, None)
        return Step(
            command=redact(prompt.command)[:LONGEST_COMMAND] if prompt and known else "",
            source=self._source if known else "meanwhile",
            status=prompt.status if prompt and known else 0,
            cwd=prompt.cwd if prompt else "",
            at=round(ended if ended is not None and ended <= now + 1 else now, 3),
            seconds=round(ended - began, 3) if began is not None and ended is not None and ended >= began else None,
            changes=tuple(changes[:MOST_CHANGES]),
            more=max(0, len(changes) - MOST_CHANGES),
            stopped=prompt.stopped if prompt else "",
        )

    def _append(self, steps: list[Step]) -> None:
        target = record_file(self._live)
        lines = "".join(json.dumps(step.as_json()) + "\n" for step in steps)
        descriptor = os.open(target, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "ab") as file:
            size = file.tell()
            if size and os.pread(descriptor, 1, size - 1) != b"\n":  # whoever wrote last was killed meanwhile
                lines = "\n" + lines
            file.write(lines.encode("ascii"))
            size += len(lines)
        if size > MOST_BYTES:
            kept = target.read_bytes()[-MOST_BYTES // 2 :].partition(b"\n")[2]
            _write(target, kept.decode("utf-8", "replace"))


def _split(
    found: Differences, before: Listing, after: Listing, prompts: Sequence[Prompt]
) -> list[dict[str, tuple[Stamp | None, Stamp | None]]]:
    """Share differences out by time: those before the first command (an editor's), then each command's.

    Who pastes many lines has many prompts before we could look once; the kernel's own times of files tell which line it was.
    """
    parts: list[dict[str, tuple[Stamp | None, Stamp | None]]] = [{} for _ in range(len(prompts) + 1)]
    if not prompts:
        parts[0] = dict(found)
        return parts
    first = next((prompt.began for prompt in prompts if prompt.began is not None), None)
    single = len(prompts) == 1
    for path, pair in found.items():
        moment = _moment(path, pair, after)
        chosen = len(prompts)
        if moment is not None:
            if first is not None and moment < first - _TICK:
                chosen = 0
            elif not single:
                chosen = next(
                    (
                        number
                        for number, prompt in enumerate(prompts, 1)
                        if prompt.ended is not None and prompt.began is not None and moment <= prompt.ended
                    ),
                    chosen,
                )
        parts[chosen][path] = pair
    return parts


def _moment(path: str, pair: tuple[Stamp | None, Stamp | None], after: Listing) -> float | None:
    """Say when a path changed; for what is gone, when a folder above it did."""
    stamp = pair[1]
    while stamp is None and "/" in path:
        path = path.rpartition("/")[0]
        stamp = after.files.get(path)
    return stamp[3] / 1e9 if stamp is not None else None


def _read(live: LiveWorkspace) -> list[Step]:
    """Read the record since the workspace was begun or started over, oldest first."""
    try:
        with record_file(live).open("rb") as file:
            data = file.read(2 * MOST_BYTES)
        since = live.made / 1e9
    except OSError:
        return []
    found = []
    for line in data.splitlines():
        try:
            step = Step.from_json(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if step is not None and step.at >= since:
            found.append(step)
    return found


def last(live: LiveWorkspace, count: int = 1) -> list[Step]:
    """Give the last `count` commands with their changes, oldest first, and what changed between and since without one.

    Raises:
        UsageError: the workspace is gone.
    """
    steps = _read(live)
    chosen: list[Step] = []
    commands = 0
    for step in reversed(steps):
        if not step.by_nobody:
            if commands == count:
                break
            commands += 1
        chosen.insert(0, step)
    while chosen and chosen[0].by_nobody and commands == count:
        chosen.pop(0)
    with undisturbed(live):
        before = _Baseline(live).read()
        if before is not None:
            after = take(live, before)
            changes = compare(live, before, after, before.differences(after))
            if changes:
                chosen.append(
                    Step(
                        "",
                        "now",
                        at=round(time.time(), 3),
                        changes=tuple(changes[:MOST_CHANGES]),
                        more=max(0, len(changes) - MOST_CHANGES),
                    )
                )
    return chosen


def typed_after(live: LiveWorkspace, moment: float) -> list[float]:
    """Say when each command that was typed after a moment had ended, oldest first, in seconds since 1970; a thousand at most."""
    try:
        with record_file(live).open("rb") as file:
            lines = file.read(2 * MOST_BYTES).splitlines()
    except OSError:
        return []
    found: list[float] = []
    for line in reversed(lines[-1000:]):
        try:
            step = Step.from_json(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if step is None or not 0 <= step.at <= time.time() + 1:
            continue
        if step.at <= moment:
            break
        if not step.by_nobody:
            found.append(step.at)
    return sorted(found)
