"""The journal of what a workspace has published: shared by processes, cut by a kill, deleted by a reset."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.index import journal as module
from autograder.index.journal import Event, Journal


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A journal in a folder that isn't there yet."""
    return Journal(tmp_path / "published")


def upload(version: str) -> Event:
    """An event to write."""
    return Event(site="pypi", kind="upload", project="till", version=version, details={"requires_python": ">=3.9"})


def test_what_was_written_is_read(journal: Journal) -> None:
    """Events come back as they were written, in this and in another process's journal, oldest first."""
    assert journal.events() == []
    events = [upload("1.0"), upload("1.1"), Event(site="testpypi", kind="yank", reason="ünsafe\n\u2028 text")]
    for event in events:
        journal.append(event)
    assert journal.events() == events
    assert Journal(journal.folder).events() == events
    assert len(journal.path.read_bytes().splitlines()) == 3


def test_reading_makes_nothing(journal: Journal) -> None:
    """Looking at a journal that isn't there leaves no trace."""
    assert journal.events() == []
    assert journal.state == ()
    assert not journal.folder.exists()


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_half_written_line_is_ignored_and_healed(journal: Journal, cut: int) -> None:
    """A last line without its end doesn't count, and the next append doesn't grow onto it."""
    first, second, third = upload("1"), upload("2"), upload("3")
    journal.append(first)
    journal.append(second)
    journal.path.write_bytes(journal.path.read_bytes()[:-cut])
    assert journal.events() == [first]
    assert Journal(journal.folder).events() == [first]
    journal.append(third)
    assert journal.events() == [first, third]
    assert Journal(journal.folder).events() == [first, third]


def test_journal_of_one_half_line_is_empty(journal: Journal) -> None:
    """A journal whose only line is cut, however long, is an empty one."""
    journal.folder.mkdir()
    journal.path.write_bytes(b"x" * 10_000)
    assert journal.events() == []
    journal.append(upload("1"))
    assert [event.version for event in journal.events()] == ["1"]
    assert journal.path.read_bytes().startswith(b'{"site"')


@pytest.mark.parametrize(
    "line",
    [b"", b"nonsense", b"[]", b"{}", b'{"site":"pypi","kind":1,"when":""}', b"[" * 100_000, b"\xff\xfe", b'"\\ud800"'],
)
def test_damaged_line_costs_only_itself(journal: Journal, line: bytes) -> None:
    """What can't be read in the middle is left out; all else is there."""
    journal.append(upload("1"))
    with journal.path.open("ab") as file:
        file.write(line + b"\n")
    journal.append(upload("2"))
    assert [event.version for event in journal.events()] == ["1", "2"]
    assert [event.version for event in Journal(journal.folder).events()] == ["1", "2"]


def test_reset_under_an_open_journal(journal: Journal) -> None:
    """When the folder is deleted, and even when another journal of the same size comes instead, the new one is read."""
    journal.append(upload("1"))
    assert len(journal.events()) == 1
    journal.path.unlink()
    assert journal.events() == []
    journal.append(upload("2"))
    journal.append(upload("3"))
    assert [event.version for event in journal.events()] == ["2", "3"]
    journal.path.write_bytes(upload("4").line() + upload("5").line())
    assert [event.version for event in journal.events()] == ["4", "5"]


def test_endless_journal_is_read_to_a_bound(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal from a stranger costs bounded memory."""
    journal.append(upload("1"))
    monkeypatch.setattr(module, "MOST_BYTES", journal.path.stat().st_size + 10)
    journal.append(upload("2"))
    assert [event.version for event in Journal(journal.folder).events()] == ["1"]


def test_threads_and_processes_append_at_once(journal: Journal) -> None:
    """No line is lost or mixed, and what was decided on the events still holds when the line is written."""
    code = (
        "import sys, pathlib; from autograder.index.journal import *\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for _ in range(20):\n"
        "    with journal.change() as change:\n"
        "        change.append(Event(site='pypi', kind='upload', size=len(change.events)))\n"
    )
    processes = [subprocess.Popen([sys.executable, "-c", code, journal.folder]) for _ in range(2)]

    def count() -> None:
        for _ in range(20):
            with journal.change() as change:
                change.append(Event(site="pypi", kind="upload", size=len(change.events)))

    threads = [threading.Thread(target=count) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [process.wait() for process in processes] == [0, 0]
    assert [event.size for event in journal.events()] == list(range(80))


def test_killed_writer_loses_at_most_its_last_line(journal: Journal) -> None:
    """After `kill -9` all lines that were reported as written are there, and the lock is free."""
    code = (
        "import sys, pathlib; from autograder.index.journal import *\n"
        "journal = Journal(pathlib.Path(sys.argv[1]))\n"
        "for number in range(100000):\n"
        "    journal.append(Event(site='pypi', kind='upload', size=number + 1))\n"
        "    print(number + 1, flush=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code, journal.folder], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.1)
        os.kill(process.pid, signal.SIGKILL)
        reported = int((process.stdout.read().split() or [b"1"])[-1])
    sizes = [event.size for event in journal.events()]
    assert sizes == list(range(1, len(sizes) + 1))
    assert len(sizes) >= reported
    journal.append(upload("1"))
    assert len(journal.events()) == len(sizes) + 1


def test_files_are_named_by_their_content(journal: Journal) -> None:
    """A file is there whole under its hash, twice is once, and what isn't taken leaves nothing."""
    sha256 = journal.keep(b"a wheel")
    assert journal.keep(b"a wheel") == sha256
    assert journal.file(sha256).read_bytes() == b"a wheel"
    with journal.incoming() as file:
        file.write(b"half")
    assert [path.name for path in (journal.folder / "files").iterdir()] == [sha256]


def test_what_a_killed_upload_left_is_swept(journal: Journal) -> None:
    """A file that somebody began long ago goes away with the next; one that is being written stays."""
    files = journal.folder / "files"
    files.mkdir(parents=True)
    for name, age in ((".new-old", 2 * module.LEFT_SECONDS), (".new-young", 1)):
        (files / name).write_bytes(b"half")
        os.utime(files / name, (time.time() - age,) * 2)
    sha256 = journal.keep(b"whole")
    assert sorted(path.name for path in files.iterdir()) == [".new-young", sha256]


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_no_other_name_is_a_file(journal: Journal, name: str) -> None:
    """Only a SHA-256 is ever made a path."""
    with pytest.raises(ValueError, match="no SHA-256"):
        journal.file(name)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=300))
def test_any_bytes_are_a_journal(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """Whatever stands in the file, it can be read and appended to."""
    journal = Journal(tmp_path_factory.mktemp("any"))
    journal.path.write_bytes(data)
    before = journal.events()
    journal.append(upload("1"))
    assert [*before, journal.events()[-1]] == journal.events()
