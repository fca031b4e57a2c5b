"""What each site offers, kept up with the journal while it is served."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest

from autograder.index.contents import Contents, Seed
from autograder.index.journal import Event, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A workspace's journal."""
    return Journal(tmp_path / "published")


@pytest.fixture
def offered(journal: Journal) -> Contents:
    """Two empty sites and what the workspace publishes on them."""

    def from_seed(sha256: str) -> io.BytesIO:
        if sha256 != "a" * 64:
            raise FileNotFoundError(sha256)
        return io.BytesIO(b"seed")

    return Contents(dict.fromkeys(("pypi", "testpypi"), Seed("Test", {})), from_seed, journal)


def test_unchanged_site_keeps_its_pages(offered: Contents, journal: Journal) -> None:
    """When something is published on one site, the pages of the others aren't written anew."""
    before = offered.sites()
    assert offered.sites() is before
    journal.append(Event(site="pypi", kind="create", project="till-slip"))
    after = offered.sites()
    assert after["testpypi"] is before["testpypi"]
    assert after["pypi"] is not before["pypi"]


def test_reset_is_seen(offered: Contents, journal: Journal) -> None:
    """When the journal is deleted, only the seed is left."""
    publish(journal, 1)
    assert list(offered.sites()["pypi"].projects) == ["till-slip"]
    journal.path.unlink()
    assert list(offered.sites()["pypi"].projects) == []


def test_files_of_seed_and_workspace(offered: Contents, journal: Journal) -> None:
    """A file is opened wherever it is; what is nowhere, or no hash at all, is not found."""
    with offered.open(journal.keep(b"published")) as file:
        assert file.read() == b"published"
    with offered.open("a" * 64) as file:
        assert file.read() == b"seed"
    for sha256 in ("b" * 64, "../journal.jsonl", ""):
        with pytest.raises(FileNotFoundError):
            offered.open(sha256)


def publish(journal: Journal, number: int) -> None:
    """Write that a file was published."""
    if not journal.events():
        journal.append(Event(site="pypi", kind="create", project="till-slip"))
    journal.append(
        Event(
            site="pypi",
            kind="upload",
            project="till-slip",
            version=str(number),
            filename=f"till_slip-{number}-py3-none-any.whl",
            sha256=f"{number:064x}",
        )
    )


def test_no_thread_sees_an_older_state_than_before(offered: Contents, journal: Journal) -> None:
    """While one thread publishes, others never lose sight of what they have seen, and all see the end."""
    ended = threading.Event()
    losses: list[tuple[int, int]] = []

    def look() -> None:
        most, last = 0, False
        while not last:
            last = ended.is_set()
            seen = len(offered.sites()["pypi"].files)
            if seen < (60 if last else most):
                losses.append((most, seen))
            most = max(most, seen)

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(60):
        publish(journal, number)
    ended.set()
    for thread in threads:
        thread.join()
    assert losses == []
