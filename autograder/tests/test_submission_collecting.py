"""Tests of `autograder.submission.collecting` and `taking`; what an attacker can do with users of their own is in test_nbgrader_collect."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autograder.submission import Refused
from autograder.submission.collecting import (
    MOST_OFFERS,
    SECRET,
    Found,
    Rules,
    Taken,
    keep,
    look,
    name_of,
    settled,
    take,
)

NOW = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
RULES = Rules(known=frozenset({"06-x.ipynb", "06-x.snapshot"}))
ME = name_of(os.getuid())


class Inbound:
    """An exchange's folder, held open, in which the user who tests hands in."""

    def __init__(self, folder: Path) -> None:
        """Open it."""
        self.folder = folder
        self.open = os.open(folder, os.O_RDONLY)

    def hand_in(self, when: str = "yesterday", learner: str = ME, **files: str) -> Path:
        """Leave a submission there; files are named by their endings."""
        place = self.folder / f"{learner}+06-x+{when}+tag"
        place.mkdir()
        for ending, text in files.items():
            (place / f"06-x.{ending}").write_text(text)
        return place

    def look(self, rules: Rules = RULES) -> Found:
        """Look at what there is."""
        return look(self.open, "06-x", rules, read_time=lambda text: None)

    def take(self, rules: Rules = RULES) -> Taken:
        """Take the newest."""
        return take(self.open, self.look(rules).offers[ME][0], rules)


@pytest.fixture
def inbound(tmp_path: Path) -> Iterator[Inbound]:
    """An empty one."""
    made = Inbound(tmp_path)
    yield made
    os.close(made.open)


@given(st.integers(-400, 400))
def test_a_time_counts_that_the_file_system_about_confirms(seconds: int) -> None:
    """To two minutes the folder's name is believed; beyond that the file system is, and a sentence says so."""
    claimed = NOW + timedelta(seconds=seconds)
    when, odd = settled(claimed, NOW, timedelta(minutes=2))
    assert (when, bool(odd)) == ((claimed, False) if abs(seconds) <= 120 else (NOW, True))


def test_a_name_without_a_time_has_the_file_system_s() -> None:
    """No word of the learner's is needed to know when something came."""
    assert settled(None, NOW, timedelta(0))[0] == NOW
    assert settled(datetime(1, 1, 1, tzinfo=UTC), NOW, timedelta(0))[0] == NOW


def touched(path: Path) -> None:
    """Set a file's time of modification back, until its time of change is later than that of all others: a kernel's clock ticks slowly."""
    latest = max(one.stat().st_ctime_ns for one in path.parents[path.is_file()].rglob("*"))
    while path.stat().st_ctime_ns <= latest:
        os.utime(path, (0, 0))


def test_the_newest_comes_first_by_what_really_changed(inbound: Inbound) -> None:
    """Work that is put into an old folder is as new as the work."""
    old = inbound.hand_in("one", snapshot="a")
    inbound.hand_in("two", snapshot="b")
    inbound.hand_in("three", snapshot="c")
    touched(old)
    newest = [offer.name.split("+")[2] for offer in inbound.look().offers[ME]]
    assert newest[0] == "one"
    touched(inbound.folder / f"{ME}+06-x+two+tag" / "06-x.snapshot")
    assert inbound.look().offers[ME][0].name.split("+")[2] == "two"


def test_a_learner_s_name_may_hold_a_plus(inbound: Inbound) -> None:
    """The exercise's name is what a folder's name is cut at, and other exercises are none of ours."""
    rules = Rules(known=RULES.known, own=False)
    inbound.hand_in(learner="a+b", snapshot="x")
    (inbound.folder / "a+b+07-y+now+tag").mkdir()
    (inbound.folder / "no-submission").mkdir()
    assert list(inbound.look(rules).offers) == ["a+b"]


def test_many_folders_are_counted_and_not_kept(inbound: Inbound) -> None:
    """Of a learner who hands in without end the newest are looked at."""
    for number in range(3 * MOST_OFFERS):
        inbound.hand_in(f"{number:04}")
    found = inbound.look()
    assert len(found.offers[ME]) == MOST_OFFERS
    assert found.unseen == {ME: 2 * MOST_OFFERS}


def test_only_what_is_known_is_taken(inbound: Inbound) -> None:
    """Notebook and snapshot come; what lies beside them is named and left; time and secret are ours."""
    place = inbound.hand_in(ipynb="{}", snapshot="snap")
    (place / "timestamp.txt").write_text("1999-01-01 00:00:00.000000 UTC")
    (place / "notes.txt").write_text("notes")
    taken = inbound.take()
    assert {name for name in taken.files if name.startswith("06")} == set(RULES.known or ())
    assert taken.files["timestamp.txt"].startswith(f"{taken.when:%Y-%m-%d}".encode())
    assert len(taken.files[SECRET]) == 128
    assert "Left where they are: `notes.txt`." in taken.noticed


@pytest.mark.parametrize("limits", [{"largest": 3}, {"most": 5}])
def test_too_much_is_refused(inbound: Inbound, limits: dict[str, int]) -> None:
    """A file, and all together, have a largest size."""
    inbound.hand_in(ipynb="{}", snapshot="snap")
    with pytest.raises(Refused, match="too large"):
        inbound.take(Rules(known=RULES.known, **limits))  # type: ignore[arg-type]


def test_an_unknown_assignment_is_bounded(inbound: Inbound) -> None:
    """Where every file is taken, their number and the depth of folders have a limit."""
    everything = Rules(known=None, ignore=("*.pyc",))
    place = inbound.hand_in()
    deep = place.joinpath(*["d"] * 9)
    deep.mkdir(parents=True)
    with pytest.raises(Refused, match="deep"):
        inbound.take(everything)
    (place / "d").rename(inbound.folder / "away")
    for number in range(600):
        (place / f"{number}.txt").touch()
    with pytest.raises(Refused, match="more than 500 files"):
        inbound.take(everything)


def test_what_is_kept_stands_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """The old submission goes when the new one is written; where that fails, or was stopped, the old one stays."""
    place = tmp_path / "ada" / "06-x"
    keep(Taken({"a": b"1", "b/c": b"2"}, NOW), place)
    keep(Taken({"a": b"3"}, NOW), place, shared=True)
    assert [path.name for path in place.iterdir()] == ["a"]
    assert stat.S_IMODE(place.stat().st_mode) == 0o2770
    assert (place / "a").stat().st_mtime == NOW.timestamp()
    with pytest.raises(OSError, match="File name too long"):
        keep(Taken({"a": b"4", "n" * 300: b""}, NOW), place)
    assert (place / "a").read_bytes() == b"3"
    place.rename(place.with_name(".06-x.replaced"))  # as a run leaves it that is killed between two renames
    keep(Taken({"a": b"5"}, NOW), place)
    assert [path.name for path in place.parent.iterdir()] == ["06-x"]


@settings(max_examples=60)
@given(st.text(st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]), min_size=1, max_size=60))
def test_any_name_can_stand_in_the_exchange(text: str) -> None:
    """Whatever a folder is called, looking at the exchange ends, and refusals are sentences."""
    import tempfile

    with tempfile.TemporaryDirectory() as made:
        one = Inbound(Path(made))
        try:
            name = f"{text}+06-x+{text}"
            if len(os.fsencode(name)) > 255 or name in (".", ".."):
                return
            (one.folder / name).mkdir()
            found = one.look()
            assert len(found.refusals) + len(found.offers) == 1
        finally:
            os.close(one.open)
