"""The one file in which a learner carries progress from one machine to another: written, and read with care.

A zip file, which `unzip -l` shows; its comment is the SHA-256 of all before the comment, so that a damaged copy is told from a whole one::

    progress.json                          who made it; each exercise's hints and times; what stayed behind; cells of notebooks
    06-virtual-environments/workspace      a snapshot, as it is handed in, with git's objects
    06-virtual-environments/home           a snapshot of HOME, without caches and secrets
    06-virtual-environments/history        what was reached when, JSON lines
    06-virtual-environments/commands       what was typed and what it changed, JSON lines

Whoever reads one takes it for hostile: count and sizes are bounded before anything is unpacked, and snapshots are read as in grading.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn

from autograder import __version__
from autograder.changes.change import Step
from autograder.distribution import Known
from autograder.exceptions import SnapshotError, UsageError
from autograder.exercise import Exercise, find_exercises
from autograder.progress.own_cells import read_cells
from autograder.snapshot import LIMITS, SnapshotTree

__all__ = ["LARGEST", "SUFFIX", "Carried", "Part", "from_bytes", "to_bytes"]

FORMAT, VERSION = "wheelhouse-progress-file", 1
SUFFIX = ".wheelhouse"
LARGEST = 40_000_000
"""In bytes; a usual one has some ten thousand."""
MOST_LINES_BYTES = 2_000_000
_MEMBERS = ("workspace", "home", "history", "commands")
_MOST_MEMBERS = 200
_COMMENT = 64


@dataclass(frozen=True)
class Part:
    """What is carried of one exercise."""

    exercise: Exercise
    """As it was drawn for this learner."""
    work: SnapshotTree
    home: SnapshotTree
    made: int
    """When the workspace was begun, in nanoseconds."""
    hints: Mapping[str, int] = field(default_factory=dict)
    history: bytes = b""
    commands: bytes = b""
    left: tuple[str, ...] = ()
    """What stayed behind, as short texts: files of HOME with secrets, distributions in the system Python."""


@dataclass(frozen=True)
class Carried:
    """All of it."""

    made_at: str
    current: str
    parts: tuple[Part, ...]
    cells: Mapping[str, list[dict[str, str]]]
    """By notebook, such as `exercises/06-virtual-environments`: the learner's own cells."""
    unknown: tuple[str, ...] = ()
    """Exercises which this course doesn't have."""


def to_bytes(facts: Mapping[str, Any], members: Sequence[tuple[str, bytes]]) -> bytes:
    """Write the file; `facts` becomes `progress.json`."""
    head = {"format": FORMAT, "version": VERSION, "course": __version__, **facts}
    text = json.dumps(head, sort_keys=True, separators=(",", ":")).encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("progress.json", text), *members):
            member = zipfile.ZipInfo(name)  # dated 1980: the same progress, the same bytes
            member.create_system = 3
            member.external_attr = 0o644 << 16
            stored = data[:2] == b"PK"  # a snapshot is compressed already
            archive.writestr(member, data, zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED, compresslevel=9)
        archive.comment = b"0" * _COMMENT
    before = buffer.getvalue()[:-_COMMENT]
    return before + hashlib.sha256(before).hexdigest().encode()


def _refuse(why: str) -> NoReturn:
    raise UsageError(f"This progress file can't be used: {why}.", "Nothing was changed here. Export it once more.")


def from_bytes(data: bytes, known: Known) -> Carried:
    """Read such a file, which anybody may have written.

    Raises:
        UsageError: it is damaged, hostile, too large or of a newer course; nothing of it was used.
    """
    members = _members(data)
    try:
        told = json.loads(members.pop("progress.json", b"").decode("utf-8"))
    except (ValueError, RecursionError):
        _refuse("what it says of itself is not JSON")
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        _refuse("it is of another kind")
    if told.get("version") != VERSION:
        _refuse("a course of another edition made it")
    try:
        return _carried(told, members, known)
    except SnapshotError as error:
        _refuse(re.sub(r"^This snapshot (can't be used: )?|\.$", "", error.message))
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, OverflowError) as error:
        _refuse(str(error) if isinstance(error, ValueError) and len(str(error)) < 80 else "it holds other things")


def _members(data: bytes) -> dict[str, bytes]:
    """Unzip with bounds; only the layout that `to_bytes` writes is taken."""
    if len(data) > LARGEST:
        _refuse(f"it is larger than {LARGEST:,} bytes")
    end = data[-22 - _COMMENT : -_COMMENT]
    if len(end) != 22 or end[:4] != b"PK\5\6" or end[20:] != _COMMENT.to_bytes(2, "little"):
        _refuse("it is none, or was cut short")
    if hashlib.sha256(data[:-_COMMENT]).hexdigest().encode() != data[-_COMMENT:]:
        _refuse("it was damaged on its way, or changed")
    count, table = int.from_bytes(end[10:12], "little"), int.from_bytes(end[12:16], "little")
    if count > _MOST_MEMBERS or table > 50_000 or data[-42 - _COMMENT : -38 - _COMMENT] == b"PK\6\7":
        _refuse("it holds more than a course has")
    found: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for member in archive.infolist():
                bound = LIMITS.snapshot if member.filename.endswith(("/workspace", "/home")) else MOST_LINES_BYTES
                if member.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED) or member.flag_bits & 1:
                    _refuse("it is compressed in another way")
                if member.file_size > bound or member.filename in found:
                    _refuse("one of its parts is too large, or there twice")
                with archive.open(member) as file:
                    found[member.filename] = file.read(bound + 1)
                if len(found[member.filename]) != member.file_size:
                    _refuse("it says one size and has another")
    except UsageError:
        raise
    except Exception:  # zipfile lets zlib.error, struct.error, EOFError, NotImplementedError and others through
        _refuse("it is damaged")
    return found


def _carried(told: Mapping[str, Any], members: dict[str, bytes], known: Known) -> Carried:
    ours = {one.id: one for one in find_exercises()}
    parts, unknown = [], []
    names = told["exercises"]
    if not isinstance(names, dict) or {f"{name}/{one}" for name in names for one in _MEMBERS} != set(members):
        raise ValueError("its parts aren't those that it names")
    for name, facts in sorted(names.items()):
        if not re.fullmatch(r"[0-9]{2}-[a-z0-9-]{1,80}", name):
            raise ValueError("it names an exercise that can't be")
        if name not in ours:
            unknown.append(name)
            continue
        work, home = (SnapshotTree.open(members[f"{name}/{one}"], known) for one in ("workspace", "home"))
        if work.exercise != name or home.exercise or home.published is not None:
            raise ValueError("a workspace in it is another exercise's")
        parts.append(
            Part(
                ours[name].drawn(work.facts.seed),
                work,
                home,
                _number(facts["made"], 1 << 62),
                {_text(key, r"\w{1,100}"): _number(count, 100) for key, count in dict(facts["hints"]).items()},
                _lines(members[f"{name}/history"]),
                _steps(members[f"{name}/commands"]),
                tuple(_text(one, r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]{1,200}") for one in facts["left"][:50]),
            )
        )
    cells = {_text(key, r"(exercises|notebooks)/[0-9]{2}-[a-z0-9-]{1,80}"): one for key, one in told["cells"].items()}
    current = _text(told["current"], r"[0-9]{2}-[a-z0-9-]{1,80}|")
    made_at = datetime.fromisoformat(_text(told["made_at"], r"20[0-9T:+-]{18,30}")).isoformat()
    return Carried(
        made_at,
        current if current in {part.exercise.id for part in parts} else "",
        tuple(parts),
        {key: read_cells(one) for key, one in cells.items()},
        tuple(unknown),
    )


def _text(value: Any, pattern: str) -> str:
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise ValueError("it has a text that isn't as it should be")
    return value


def _number(value: Any, most: int) -> int:
    if type(value) is not int or not 0 <= value <= most:
        raise ValueError("it has a number that isn't as it should be")
    return value


def _lines(data: bytes) -> bytes:
    """Take lines of JSON; what is none is left out, so that nothing else ever gets to a terminal."""
    kept = []
    for line in data.splitlines():
        try:
            kept.append(json.dumps(json.loads(line), separators=(",", ":")))
        except (ValueError, RecursionError):
            continue
    return "".join(f"{line}\n" for line in kept).encode("ascii")


def _steps(data: bytes) -> bytes:
    """Take the record of commands, without what could steer a terminal."""
    kept = []
    for line in data.splitlines():
        try:
            step = Step.from_json(json.loads(line))
        except (ValueError, RecursionError):
            continue
        if step is not None:
            text = json.dumps(step.as_json())
            if not re.search(r"\\u00(0[0-8b-f]|1|7f|[89])", text):
                kept.append(text + "\n")
    return "".join(kept).encode("ascii")
