"""Tests of `autograder.snapshot.opening`: nothing is believed, whoever sends it."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.exceptions import SnapshotError
from autograder.snapshot import LIMITS, SnapshotTree, digest
from autograder.tree import Entry, walk
from snapshots import HASH, Nothing, folders, put, valid

SPOILT = {
    "leaves by dots": folders(["", [["..", HASH, 5]]]),
    "leaves by a folder of dots": folders(["a/../..", [["x", HASH, 5]]]),
    "absolute": folders(["/etc", [["passwd", HASH, 5]]]),
    "slash in a name": folders(["", [["a/b", HASH, 5]]]),
    "empty name": folders(["", [["", HASH, 5]]]),
    "dot": folders(["", [[".", HASH, 5]]]),
    "doubled slash": folders(["a//b", [["x", HASH, 5]]]),
    "end of text": folders(["", [["a\0", HASH, 5]]]),
    "half a character": folders(["", [["\ud800", HASH, 5]]]),
    "a second way to write a name": folders(["", [["\udcc3\udca9", HASH, 5]]]),
    "too long": folders(["", [["a" * 256, HASH, 5]]]),
    "too deep": folders(["/".join("a" * 65), [["x", HASH, 5]]]),
    "name twice": folders(["", [["a", HASH, 5], ["a", HASH, 5]]]),
    "folder and file": folders(["", [["a", HASH, 5]]], ["a", []]),
    "below a file": folders(["", [["a", HASH, 5]]], ["a/b", [["c"]]]),
    "below a link": folders(["", [["a", HASH, 5], ["l", "/etc"]]], ["l", [["c"]]]),
    "what doesn't travel": folders(["", [["a", HASH, 5]]], [".git/objects", [["x"]]]),
    "too many": folders(["", [["a", HASH, 5], *([f"{number}"] for number in range(LIMITS.names))]]),
    "no hash": folders(["", [["a", "x", 5]]]),
    "size below zero": folders(["", [["a", HASH, -5]]]),
    "size that is true": folders(["", [["a", HASH, True]]]),
    "size with a point": folders(["", [["a", HASH, 5.0]]]),
    "two sizes": folders(["", [["a", HASH, 5], ["b", HASH, 6]]]),
    "rows that are none": folders("ab"),
    "no list": put(trees={"project": {"folders": {}, "placed": []}}),
    "fields too many": put(more=1),
    "other format": put(format="zip"),
    "other version": put(version=2),
    "version that is true": put(version=True),
    "exercise that is a path": put(exercise="../06"),
    "exercise that is none": put(exercise=None),
    "root at the top": put(facts={"root": "/", "python_home": "/usr/local/bin", "python_version": "3.11.7"}),
    "root with dots": put(facts={"root": "/a/../b", "python_home": "/usr/local/bin", "python_version": "3.11.7"}),
    "root that is relative": put(facts={"root": "a", "python_home": "/usr/local/bin", "python_version": "3.11.7"}),
    "root that is the system Python's": put(facts={"root": "/a", "python_home": "/a", "python_version": "3.11.7"}),
    "system Python in the workspace": put(facts={"root": "/a", "python_home": "/a/bin", "python_version": "3.11.7"}),
    "workspace in the system Python": put(facts={"root": "/a/b", "python_home": "/a", "python_version": "3.11.7"}),
    "version of Python": put(facts={"root": "/a", "python_home": "/usr/local/bin", "python_version": "3.11; rm"}),
    "content of nothing": put(contents=[[HASH, 5], ["0" * 64, 0]]),
    "content twice": put(contents=[[HASH, 5], [HASH, 5]]),
    "content too short": put(contents=[]),
    "content too long": put(contents=[[HASH, 6]]),
    "content below zero": put(contents=[[HASH, 5, -1, "a"]]),
    "record of nothing": put(contents=[[HASH, 5, 5, "../a"]]),
    "wheel without files": put(wheels=[["a.whl", []]]),
    "wheel that leaves": put(wheels=[["a.whl", [["../a", HASH, 5]]]]),
    "wheel with a path": put(wheels=[["../a.whl", [["a", HASH, 5]]]]),
    "wheel nobody knows": put(wheels=[["a.whl", "0" * 16, [5]]]),
    "place of no wheel": put(
        trees={"project": {"folders": [["", [["a", HASH, 5]]]], "placed": [["b", 0, []]]}},
    ),
    "exceptions that aren't there": put(
        trees={"project": {"folders": [["", [["a", HASH, 5]]]], "placed": [["b", 0, ["x"]]]}},
        wheels=[["a.whl", [["a", HASH, 5]]]],
    ),
}


def test_snapshot_made_by_hand_is_taken() -> None:
    """The measure of what follows: without a defect it is good."""
    opened = SnapshotTree.open(valid(), Nothing())
    assert opened.read("a") == b"hello"
    assert opened.names("") == ["a", "d", "l", "p"]
    assert opened.entry("l") == Entry("link", target="b")


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_manifest(name: str) -> None:
    """Each defect is refused, in one sentence."""
    with pytest.raises(
        SnapshotError, match=r"^This snapshot (can't be used: .*|was made .*|is of format \d+, .*)\.$"
    ) as caught:
        SnapshotTree.open(valid(SPOILT[name]), Nothing())
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("version", "made_by"), [(0, "can't be used"), (2, "a newer course made it"), (10**9, "can't be used")]
)
def test_other_version_is_named(version: int, made_by: str) -> None:
    """A snapshot of another format says which one, which side is behind, and what to do about it."""
    with pytest.raises(SnapshotError, match=made_by) as caught:
        SnapshotTree.open(valid(put(version=version)), Nothing())
    assert caught.value.next_step


def test_swapped_content() -> None:
    """Content that isn't what the manifest says is refused."""
    with pytest.raises(SnapshotError, match="doesn't have the hash"):
        SnapshotTree.open(valid(contents=b"jello"), Nothing())


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"NaN", b"9" * 5000])
def test_manifest_that_is_no_json(manifest: bytes) -> None:
    """Nor are texts taken that only look like JSON."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("contents", b"")
    with pytest.raises(SnapshotError):
        SnapshotTree.open(buffer.getvalue(), Nothing())


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip file of any members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\5\6" + bytes(18),
        zipped(),
        zipped(("manifest.json", b"{}")),
        zipped(("contents", b""), ("manifest.json", b"{}")),
        zipped(("manifest.json", b"{}"), ("contents", b""), ("more", b"")),
        zipped(("manifest.json", b"{}"), ("contents", b""), method=zipfile.ZIP_LZMA),
        zipped(("manifest.json", b" " * (LIMITS.manifest + 1)), ("contents", b"")),
        zipped(("manifest.json", b"{}"), ("contents", bytes(LIMITS.all_content + 1))),
        valid()[:-1],
        valid() + b"\0",
        b"\0" + valid()[1:],
        bytes(LIMITS.snapshot + 1),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_zip_file_that_is_no_snapshot(data: bytes) -> None:
    """Other zip files, cut ones, and those that unpack to more than they may."""
    with pytest.raises(SnapshotError):
        SnapshotTree.open(data, Nothing())


def test_bomb_that_lies_about_its_size() -> None:
    """The size that the zip file says isn't believed: no more than that is unpacked."""
    data = bytearray(zipped(("manifest.json", b"{}"), ("contents", bytes(7_900_000))))
    real = (7_900_000).to_bytes(4, "little")
    assert data.count(real) == 2
    with pytest.raises(SnapshotError):
        SnapshotTree.open(bytes(data.replace(real, (5).to_bytes(4, "little"))), Nothing())


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    """Only a SnapshotError comes out."""
    with pytest.raises(SnapshotError):
        SnapshotTree.open(data, Nothing())


GOOD = valid()


@settings(max_examples=600, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 3),
)
def test_mutated_bytes(edits: list[tuple[int, int]], cut: int) -> None:
    """A snapshot with some bytes changed is the same, or refused."""
    data = bytearray(GOOD)
    for place, value in edits:
        data[place] = value
    try:
        opened = SnapshotTree.open(bytes(data[: len(data) - cut]), Nothing())
    except SnapshotError:
        return
    assert opened.read("a") == b"hello"


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from([HASH, "a", "..", "/", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_mutated_manifest(data: st.DataObject) -> None:
    """A manifest with any value replaced is refused, or stays within the workspace."""

    def spoil(manifest: dict[str, Any]) -> None:
        here: Any = manifest
        while True:
            key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
                here = here[key]
                continue
            here[key] = data.draw(values)
            return

    try:
        opened = SnapshotTree.open(valid(spoil), Nothing())
    except SnapshotError:
        return
    assert digest(opened)
    for path, _ in walk(opened):
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))
