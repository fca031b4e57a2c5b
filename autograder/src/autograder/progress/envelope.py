"""One file of named parts with a digest over every byte: written, and read with care.

::

    wheelhouse-record 1 <SHA-256 of all that follows this line, in hexadecimal>
    {"kind": …, "parts": [[name, size], …], …}
    the parts, one after the other

`head -2 FILE` shows what it says of itself. Nothing in it is compressed, so that nothing can unpack to more than it is;
whoever reads one takes it for hostile: sizes and counts are bounded, names are plain, every byte is covered by the digest.
The digest tells a damaged copy from a whole one. It is no signature: whoever changes a file can write another digest.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from autograder.exceptions import UsageError
from autograder.submission import Refused, read_regular

__all__ = ["LARGEST", "MAGIC", "Envelope", "read_bounded", "seal", "unseal"]

MAGIC = b"wheelhouse-record 1 "
LARGEST = 64_000_000
"""In bytes; a usual one has some hundred thousand."""
LARGEST_HEAD = 100_000
MOST_PARTS = 200

_FIRST = len(MAGIC) + 64 + 1
_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{0,119}", re.ASCII)


@dataclass(frozen=True)
class Envelope:
    """What a whole file holds. Its texts are still a stranger's."""

    facts: Mapping[str, Any]
    """What it says of itself, as JSON gives it, without the list of its parts."""
    parts: Mapping[str, bytes]
    digest: str
    """The SHA-256 that its first line tells, which is right."""


def seal(facts: Mapping[str, Any], parts: Mapping[str, bytes]) -> bytes:
    """Write such a file; the same facts and parts give the same bytes.

    Raises:
        UsageError: it would be larger than one may be.
    """
    table = [[name, len(data)] for name, data in parts.items()]
    head = json.dumps({**facts, "parts": table}, sort_keys=True, separators=(",", ":")).encode("ascii")
    rest = b"".join([head, b"\n", *parts.values()])
    if len(rest) + _FIRST > LARGEST or len(head) > LARGEST_HEAD or len(parts) > MOST_PARTS:
        raise UsageError(
            f"The record would be larger than {LARGEST // 1_000_000} MB.",
            "Remove what doesn't belong to the exercises; `du -a labs | sort -n | tail` shows the largest.",
        )
    return _first_line(rest) + rest


def _first_line(rest: bytes) -> bytes:
    return MAGIC + hashlib.sha256(rest).hexdigest().encode("ascii") + b"\n"


def unseal(data: bytes) -> Envelope:
    """Read such a file, which anybody may have written.

    Raises:
        UsageError: it is none, too large, cut short, or one byte of it isn't what was written.
    """
    if len(data) > LARGEST:
        _refuse(f"it is larger than {LARGEST:,} bytes")
    if not data.startswith(MAGIC):
        _refuse("it is none, or its beginning was changed")
    rest = data[_FIRST:]
    if data[:_FIRST] != _first_line(rest):
        _refuse("it is not what was written: a byte of it was changed, or it was cut short")
    head, newline, body = rest[: LARGEST_HEAD + 1].partition(b"\n")
    if not newline:
        _refuse("what it says of itself is too long")
    body = rest[len(head) + 1 :]
    try:
        facts = json.loads(head.decode("ascii"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        _refuse("what it says of itself is not JSON")
    if not isinstance(facts, dict):
        _refuse("what it says of itself is of another kind")
    return Envelope(facts, _parts(facts.pop("parts", None), body), data[len(MAGIC) : _FIRST - 1].decode("ascii"))


def _parts(table: Any, body: bytes) -> dict[str, bytes]:
    if not isinstance(table, list) or len(table) > MOST_PARTS:
        _refuse("it holds more parts than a course has")
    found: dict[str, bytes] = {}
    start = 0
    for row in table:
        if not isinstance(row, list) or len(row) != 2:
            _refuse("its list of parts is none")
        name, size = row
        if not isinstance(name, str) or not _NAME.fullmatch(name) or name in found:
            _refuse("one of its parts has a name that can't be, or one that another has")
        if type(size) is not int or not 0 <= size <= len(body) - start:
            _refuse("one of its parts has a size that can't be")
        found[name] = body[start : start + size]
        start += size
    if start != len(body):
        _refuse("it holds bytes that belong to none of its parts")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


def _refuse(why: str) -> NoReturn:
    raise UsageError(f"This record can't be used: {why}.", "Ask for the file that `course report --record` wrote.")


def read_bounded(path: Path, limit: int = LARGEST) -> bytes:
    """Read a file that somebody gave, without waiting on a pipe.

    Raises:
        UsageError: there is none, it is no regular file, or has more than `limit` bytes.
    """
    try:
        return read_regular(path.resolve(), limit)
    except Refused as error:
        reason = str(error).split(". ")[0]
        raise UsageError(f"{reason}.", "Name a file that `course report --record` wrote.") from None
    except OSError as error:
        raise UsageError(
            f"{path} can't be read: {error.strerror or error}.", "Name a file that `course report --record` wrote."
        ) from error
