"""Tests of `autograder.progress.envelope`: one file of parts, of which no byte can be changed unseen."""

from __future__ import annotations

import hashlib
import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from autograder.exceptions import UsageError
from autograder.progress import envelope
from autograder.progress.envelope import MAGIC, read_bounded, seal, unseal

ROUNDS = int(float(os.environ.get("WHEELHOUSE_ROUNDS", "1")))
PARTS = {"06-a.snapshot": bytes(range(256)) * 3, "06-a.verdict.json": b"{}\n", "empty.part": b""}
WHOLE = seal({"format": "test", "learner": "Zoë"}, PARTS)


def test_what_is_sealed_comes_back() -> None:
    """Facts and parts are as they were, the digest is that of all behind the first line, and the same gives the same bytes."""
    found = unseal(WHOLE)

    assert dict(found.parts) == PARTS
    assert found.facts == {"format": "test", "learner": "Zoë"}
    assert found.digest == hashlib.sha256(WHOLE.partition(b"\n")[2]).hexdigest()
    assert seal({"learner": "Zoë", "format": "test"}, PARTS) == WHOLE


def test_every_byte_counts() -> None:
    """Whichever byte is changed, in whichever bit, the file is refused: magic, digest, newlines, table, parts."""
    for position in range(len(WHOLE)):
        for bit in range(8):
            changed = bytearray(WHOLE)
            changed[position] ^= 1 << bit
            with pytest.raises(UsageError, match="can't be used"):
                unseal(bytes(changed))


def test_a_byte_more_or_less_counts() -> None:
    """A file that was cut, or to which something was added, anywhere, is refused."""
    chosen = random.Random(3)
    for _ in range(200 * ROUNDS):
        at = chosen.randrange(len(WHOLE) + 1)
        for other in (WHOLE[:at], WHOLE[:at] + b"x" + WHOLE[at:], WHOLE[:at] + WHOLE[at + 1 :]):
            if other != WHOLE:
                with pytest.raises(UsageError, match="can't be used"):
                    unseal(other)


def rewritten(head: Any, body: bytes = b"") -> bytes:
    """Write a file as somebody does who knows how digests are made."""
    text = head if isinstance(head, bytes) else json.dumps(head).encode()
    rest = text + b"\n" + body
    return MAGIC + hashlib.sha256(rest).hexdigest().encode() + b"\n" + rest


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"[" * 90_000, b""),
        (b"[]", b""),
        (b"5", b""),
        (b"{", b""),
        (b'{"parts": NaN}', b""),
        (b"\xff", b""),
        (b" " * 200_000, b""),
        ({}, b""),
        ({"parts": {}}, b""),
        ({"parts": [["a", 1]] * 201}, b"x" * 201),
        ({"parts": [["a", 1], ["a", 1]]}, b"xx"),
        ({"parts": [["../a", 1]]}, b"x"),
        ({"parts": [["a/b", 1]]}, b"x"),
        ({"parts": [["a\n", 1]]}, b"x"),
        ({"parts": [["a", 2]]}, b"x"),
        ({"parts": [["a", 0]]}, b"x"),
        ({"parts": [["a", -1]]}, b"x"),
        ({"parts": [["a", True]]}, b"x"),
        ({"parts": [["a", 1.0]]}, b"x"),
        ({"parts": [["a", 10**30]]}, b"x"),
        ({"parts": [["a"]]}, b"x"),
        ({"parts": ["ab"]}, b"x"),
        ({"parts": [[["a"], 1]]}, b"x"),
    ],
    ids=[
        *("deep", "list", "number", "cut", "constant", "no-text", "long-head", "no-parts", "object-of-parts"),
        *("too-many", "twice", "upward", "folder", "newline", "longer", "left-over", "negative", "true", "fraction"),
        *("huge", "short-row", "text-row", "list-for-a-name"),
    ],
)
def test_a_right_digest_makes_nothing_believed(head: Any, body: bytes) -> None:
    """Who writes another digest gets no further: counts, names and sizes are looked at before anything is used."""
    with pytest.raises(UsageError, match="can't be used"):
        unseal(rewritten(head, body))


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither is it read into memory, nor written."""
    monkeypatch.setattr(envelope, "LARGEST", 1000)
    with pytest.raises(UsageError, match="larger"):
        seal({}, {"a": b"x" * 1000})
    (tmp_path / "large").write_bytes(b"x" * 5000)
    with pytest.raises(UsageError, match="too large"):
        read_bounded(tmp_path / "large", 1000)


def test_only_a_regular_file_is_read(tmp_path: Path) -> None:
    """A pipe isn't waited for, a folder and a missing file are said in a sentence."""
    os.mkfifo(tmp_path / "pipe")
    for name in ("pipe", ".", "missing"):
        with pytest.raises(UsageError) as refused:
            read_bounded(tmp_path / name)
        assert refused.value.next_step
