"""Tests of `autograder.tree`."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path, PurePosixPath

import pytest

from autograder.tree import Entry, FolderTree, Found, Outside, resolve, scan, walk


@pytest.fixture
def tree(tmp_path: Path) -> FolderTree:
    """A folder with every kind of entry."""
    folder = tmp_path / "project"
    (folder / "src/shop").mkdir(parents=True)
    (folder / "src/shop/till.py").write_text("price = 3\n")
    (folder / "run.sh").write_text("true\n")
    (folder / "run.sh").chmod(0o755)
    (folder / "by-name").symlink_to("src/shop")
    (folder / "by-path").symlink_to("/home/learner/project/src")
    (folder / "away").symlink_to("/etc/passwd")
    (folder / "up").symlink_to("../../etc")
    (folder / "round").symlink_to("round")
    os.mkfifo(folder / "pipe")
    return FolderTree(folder, PurePosixPath("/home/learner/project"))


def test_entry_tells_the_kinds_apart(tree: FolderTree) -> None:
    """Files, folders, links and whatever else there is are named for what they are."""
    assert tree.entry("run.sh") == Entry("file", executable=True, size=5)
    assert tree.entry("src") == Entry("folder")
    assert tree.entry("away") == Entry("link", target="/etc/passwd")
    assert tree.entry("pipe") == Entry("other")
    assert tree.entry("nothing") is None
    assert tree.entry("") == Entry("folder")


@pytest.mark.parametrize(
    "path",
    ["by-name/till.py", "up/passwd", "../project/run.sh", "/etc/passwd", "away", "pipe", "src"],
)
def test_nothing_is_read_through_a_link(tree: FolderTree, path: str) -> None:
    """A link, whatever it points to, a pipe and a folder have no content."""
    with pytest.raises(FileNotFoundError):
        tree.read(path)
    with pytest.raises(FileNotFoundError):
        tree.sha256(path)


@pytest.mark.parametrize(
    ("path", "end"),
    [
        ("run.sh", "run.sh"),
        ("by-name/till.py", "src/shop/till.py"),
        ("by-path/shop/till.py", "src/shop/till.py"),
        ("src/../run.sh", "run.sh"),
        ("not/there", "not/there"),
        ("away", Outside("away", "/etc/passwd")),
        ("up/passwd", Outside("up/passwd", "/home/learner")),
        ("round", Outside("round", "round")),
    ],
)
def test_resolve_follows_links_within_the_workspace_only(tree: FolderTree, path: str, end: str | Outside) -> None:
    """Absolute links count as the learner's commands see them, and whatever leaves is named."""
    assert resolve(tree, path) == end


def test_resolve_can_leave_the_last_link_alone(tree: FolderTree) -> None:
    """Like `lstat`."""
    assert resolve(tree, "away", last=False) == "away"


def test_walk_goes_through_all_and_follows_nothing(tree: FolderTree) -> None:
    """Parents come before what is in them, and a link is one entry."""
    assert [path for path, _ in walk(tree)] == [
        "away", "by-name", "by-path", "pipe", "round", "run.sh", "src", "src/shop", "src/shop/till.py", "up",
    ]  # fmt: skip


def test_hash_is_taken_again_when_a_file_changes(tree: FolderTree) -> None:
    """A remembered hash is of what is there now."""
    before = tree.sha256("run.sh")
    (tree.folder / "run.sh").write_text("false\n")

    assert tree.sha256("run.sh") != before


def test_read_stops_at_its_limit(tree: FolderTree) -> None:
    """A huge file costs no more than what was asked for."""
    assert tree.read("run.sh", limit=3) == b"tru"


class Asked:
    """The same folder, of which each name is asked for by its path."""

    def __init__(self, tree: FolderTree) -> None:
        """Ask `tree`."""
        self.root, self.entry, self.names, self.read = tree.root, tree.entry, tree.names, tree.read
        self.sha256 = tree.sha256


def test_scan_by_descriptors_finds_what_asking_path_by_path_does(tree: FolderTree) -> None:
    """One look at each name, and the same order, entries and hashes."""

    def wanted(path: str) -> bool:
        return path != "by-path"

    quick = [(path, entry, hashed()) for path, entry, hashed in scan(tree, wanted)]
    assert quick == [(path, entry, hashed()) for path, entry, hashed in scan(Asked(tree), wanted)]
    assert {path for path, _, _ in quick} == {path for path, _ in walk(tree)} - {"by-path"}
    assert ("src/shop/till.py", Entry("file", size=10), hashlib.sha256(b"price = 3\n").hexdigest()) in quick


def _scan_and(tree: FolderTree, at: str, do: Callable[[], object]) -> dict[str, tuple[Entry, str]]:
    """Scan, and do something at the moment at which `at` was seen and nothing of it read."""

    def steps(found: Iterator[Found]) -> Iterator[tuple[str, tuple[Entry, str]]]:
        for path, entry, hashed in found:
            if path == at:
                do()
            yield path, (entry, hashed())

    return dict(steps(tree.scan(lambda _: True)))


def test_a_link_swapped_in_during_a_scan_leads_nowhere(tree: FolderTree, tmp_path: Path) -> None:
    """A folder or a file that becomes a link, or a pipe, after it was seen is not followed, read or waited for."""
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "till.py").write_text("theirs\n")
    source, script = tree.folder / "src", tree.folder / "run.sh"

    def swap_folder() -> None:
        source.rename(tmp_path / "old")
        source.symlink_to(secret)

    def swap_file() -> None:
        script.unlink()
        script.symlink_to(secret / "till.py")

    def swap_pipe() -> None:
        script.unlink()
        os.mkfifo(script)

    assert _scan_and(tree, "run.sh", swap_file)["run.sh"][1] == ""
    script.unlink()
    script.write_text("now\n")
    assert _scan_and(tree, "run.sh", swap_pipe)["run.sh"][1] == ""
    found = _scan_and(tree, "src", swap_folder)
    assert found["src"][0].kind == "folder"
    assert not [path for path in found if path.startswith("src/")]


def test_hash_stays_known_when_a_folder_is_renamed(tree: FolderTree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A renamed environment costs no reading."""
    time.sleep(0.15)  # until what is remembered has settled
    before = tree.sha256("src/shop/till.py")
    (tree.folder / "src").rename(tree.folder / "lib")

    def refuse(*_: object) -> int:
        raise AssertionError

    monkeypatch.setattr(tree, "_open", refuse)
    assert tree.sha256("lib/shop/till.py") == before
    assert ("lib/shop/till.py", before) in [(path, hashed()) for path, _, hashed in tree.scan(lambda _: True)]


def test_hash_is_of_another_file_with_the_same_size_and_time(tree: FolderTree) -> None:
    """Who sets the time of change back still has a new hash."""
    script = tree.folder / "run.sh"
    time.sleep(0.15)
    tree.sha256("run.sh")
    state = script.stat()
    script.write_text("eurt\n")
    os.utime(script, ns=(state.st_atime_ns, state.st_mtime_ns))

    assert tree.sha256("run.sh") == hashlib.sha256(b"eurt\n").hexdigest()


def test_hash_of_a_file_that_changed_just_now_is_not_trusted(tree: FolderTree) -> None:
    """Two writes within one tick of the file system's clock leave the same size and times."""
    script = tree.folder / "run.sh"
    for text in ("1234\n", "4321\n") * 20:
        script.write_text(text)
        assert tree.sha256("run.sh") == hashlib.sha256(text.encode()).hexdigest()


def test_a_forgotten_hash_is_one_that_two_walks_did_not_meet(tree: FolderTree) -> None:
    """What is remembered doesn't grow with every file that ever was."""
    time.sleep(0.15)
    tree.sha256("run.sh")
    (tree.folder / "run.sh").unlink()
    for _ in range(2):
        list(tree.scan(lambda _: True))
    assert not tree._hashes
    assert not tree._older
