"""Tests of `autograder.grading.shared`: results that several machines share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

pytest.importorskip("fsspec", reason="fsspec, an extra, is not installed")

from autograder.exceptions import UsageError
from autograder.grading import Job, Result
from autograder.grading.shared import SharedExecutor, SharedResults

JOBS = [Job("01-modules", f"{number:064x}", b"") for number in range(4)]


class Counting:
    """An executor that says what it was asked for, and fails on the last job through a fault of its own."""

    workers = 1

    def __init__(self) -> None:
        """Nobody has asked for anything yet."""
        self.asked: list[str] = []

    def run(self, jobs: Sequence[Job]) -> Iterator[Result]:
        """Refuse every job."""
        for job in jobs:
            self.asked.append(job.key)
            yield Result(job.key, "", "It is no snapshot.", job.key == JOBS[-1].key)


@pytest.fixture(params=["folder", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A folder, and an object store which fsspec keeps in memory."""
    return str(tmp_path / "results") if request.param == "folder" else f"memory://{tmp_path.name}"


def test_what_one_machine_did_another_finds(place: str) -> None:
    """The second who grades the same work has nothing to do but what failed through a fault of ours."""
    first, second = Counting(), Counting()
    given = list(SharedExecutor(first, SharedResults(place)).run(JOBS))
    again = list(SharedExecutor(second, SharedResults(place)).run(JOBS))
    assert first.asked == [job.key for job in JOBS]
    assert second.asked == [JOBS[-1].key]
    assert again == given


def test_damaged_and_foreign_results_are_done_anew(tmp_path: Path) -> None:
    """Half a result, or one that stands under another's name, counts as none."""
    results = SharedResults(str(tmp_path))
    results.put(Result(JOBS[0].key, "", "It is no snapshot."))
    (kept,) = tmp_path.rglob("*.json")
    kept.write_text(kept.read_text()[:-5])
    assert results.get(JOBS[0].key) is None
    results.put(Result(JOBS[0].key, "", "It is no snapshot."))
    other = kept.with_name(f"{JOBS[1].key}.json")
    other.write_bytes(kept.read_bytes())
    assert results.get(JOBS[0].key) is not None
    assert results.get(JOBS[1].key) is None


def test_a_store_that_takes_nothing_costs_no_result(tmp_path: Path) -> None:
    """Where results can't be kept they are given all the same."""
    place = tmp_path / "results"
    shared = SharedExecutor(Counting(), SharedResults(str(place)))
    place.rmdir()
    place.write_text("a file in the way")
    assert len(list(shared.run(JOBS))) == len(JOBS)


@pytest.mark.parametrize("place", ["nowhere://bucket", "/proc/results"], ids=["protocol", "read-only"])
def test_a_place_that_is_none_is_told(place: str) -> None:
    """A place that can't be is told in a sentence before anything is graded."""
    with pytest.raises(UsageError, match="can't be used"):
        SharedResults(place)
