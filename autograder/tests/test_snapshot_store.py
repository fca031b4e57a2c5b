"""Tests of `autograder.snapshot.store`."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.snapshot.store import open_store

CONTENTS = {hashlib.sha256(data).hexdigest(): data for data in (b"", b"one", b"two\n" * 1000)}


class Few:
    """Knows three contents, and counts how often it is asked for one."""

    def __init__(self) -> None:
        """Begin at 0."""
        self.asked = 0

    def hashes(self) -> list[str]:
        """Name them."""
        return list(CONTENTS)

    def everything(self) -> Iterator[tuple[str, bytes]]:
        """Give all."""
        yield from CONTENTS.items()

    def content(self, sha256: str) -> bytes | None:
        """Give one."""
        self.asked += 1
        return CONTENTS.get(sha256)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the stores lie, in a cache of this test's own."""
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path))
    return tmp_path / "contents"


def stores(place: Path) -> list[Path]:
    """The finished ones."""
    return [one for one in place.iterdir() if one.name != ".lock"]


def test_it_is_built_once(place: Path) -> None:
    """What is known comes out of the store, and its source isn't asked again, neither now nor by the next process."""
    for _ in range(2):
        known = Few()
        store = open_store(known)
        assert {one: store.content(one) for one in CONTENTS} == CONTENTS
        assert known.asked == 0
    (path,) = stores(place)
    assert path.stat().st_mode & 0o777 == 0o444
    assert store.content("0" * 64) is None


def test_a_wrong_byte_is_never_given(place: Path) -> None:
    """A store whose bytes were changed, cut or replaced costs time, and gives what the source gives."""
    open_store(Few())
    (path,) = stores(place)
    good = path.read_bytes()
    for bad in (good[:-2] + b"xx", good[:-3], good + b"more", b"garbage", b"", good.replace(b",3]", b",4]")):
        path.unlink(missing_ok=True)
        path.write_bytes(bad)
        store = open_store(Few())
        assert {one: store.content(one) for one in CONTENTS} == CONTENTS


def test_a_damaged_store_is_made_anew(place: Path) -> None:
    """The next process doesn't suffer from it."""
    open_store(Few())
    (path,) = stores(place)
    path.unlink()
    path.write_bytes(b"garbage")
    open_store(Few())
    known = Few()
    open_store(known).content(next(iter(CONTENTS)))
    assert known.asked == 0


def _use(_: int) -> bool:
    store = open_store(Few())
    return {one: store.content(one) for one in CONTENTS} == CONTENTS


def test_many_workers_share_it(place: Path) -> None:
    """Eight processes that start at once build one store, and all read it whole."""
    with multiprocessing.get_context("fork").Pool(8) as pool:
        assert all(pool.map(_use, range(8)))
    assert len(stores(place)) == 1


def test_old_editions_go(place: Path) -> None:
    """What nobody opened for two weeks, and what a killed builder left, is removed when a store is built; the others stay."""
    place.mkdir()
    ages = {"old-edition": 15 * 86_400, "recent-edition": 86_400, ".new-killed": 7_200, ".new-at-work": 10}
    for name, age in ages.items():
        (place / name).write_bytes(b"x")
        os.utime(place / name, (time.time() - age,) * 2)
    open_store(Few())
    assert {one.name for one in place.iterdir()} >= {"recent-edition", ".new-at-work"}
    assert not {one.name for one in place.iterdir()} & {"old-edition", ".new-killed"}


def test_without_a_disk_it_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the cache can't be written the source gives everything."""
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("WHEELHOUSE_CACHE", str(tmp_path / "file"))
    store = open_store(Few())
    assert {one: store.content(one) for one in CONTENTS} == CONTENTS
