"""Tests of `autograder.snapshot.packing`: what travels, what stays, and what is too much."""

from __future__ import annotations

import hashlib
import io
import os
import random
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from autograder.exceptions import SnapshotError
from autograder.index import PackageIndex
from autograder.snapshot import LIMITS, SnapshotTree, pack, travels
from autograder.snapshot.state import Node
from autograder.tree import Entry, FolderTree
from real_environments import SITE
from snapshots import FACTS, HOME, Nothing


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


def test_what_does_not_travel() -> None:
    """Bytecode of installed packages, and what of git no check can ask for."""
    stay = [
        f".venv/{SITE}/pip/__pycache__",
        f".venv/{SITE}/__pycache__/leftpad.cpython-311.pyc",
        ".git/objects/ab/cdef",
        "sub/.git/hooks/pre-commit",
        ".git/logs/refs/heads",
        ".git/modules/x/objects/ab",
    ]
    go = [
        "src/__pycache__/app.pyc",
        ".git/objects",
        ".git/index",
        ".git/refs/heads/logs/x",
        "hooks/x",
        f".venv/{SITE}/pip",
    ]
    assert [path for path in stay + go if travels(path)] == go


def test_hand_copied_package_travels_as_hashes(tmp_path: Path, index: PackageIndex) -> None:
    """Code of site-packages which the index knows needn't travel, even where no installer put it."""
    (wheel,) = index.known.wheels("leftpad", "1.1")
    content = index.known.content(wheel.files["leftpad.py"])
    assert content
    site = tmp_path / ".venv" / SITE / "deep"
    site.mkdir(parents=True)
    (site / "leftpad.py").write_bytes(content)
    (tmp_path / "leftpad.py").write_bytes(content + b"# mine\n")
    data = pack(FolderTree(tmp_path), FACTS, index.known)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert archive.read("contents") == content + b"# mine\n"
    assert SnapshotTree.open(data, index.known).read(f".venv/{SITE}/deep/leftpad.py") == content


def test_large_files_travel_as_hashes(tmp_path: Path) -> None:
    """A file over 2 MB is there, but can't be read, and is named."""
    (tmp_path / "large").write_bytes(bytes(LIMITS.file_content + 1))
    (tmp_path / "just").write_bytes(bytes(LIMITS.file_content))
    tree = FolderTree(tmp_path)
    opened = SnapshotTree.open(pack(tree, FACTS, Nothing()), Nothing())
    assert opened.entry("large") == tree.entry("large")
    assert opened.sha256("large") == tree.sha256("large")
    assert opened.not_travelled == ("large",)
    assert opened.read("just", 10) == bytes(10)
    with pytest.raises(FileNotFoundError):
        opened.read("large")


def test_small_files_travel_first(tmp_path: Path) -> None:
    """Where there is too much, what is written by hand gets through."""
    for number in range(6):
        (tmp_path / f"a{number}").write_bytes(random.Random(number).randbytes(1_500_000 + number))
    (tmp_path / "z.py").write_text("x = 1\n")
    opened = SnapshotTree.open(pack(FolderTree(tmp_path), FACTS, Nothing()), Nothing())
    assert opened.not_travelled == ("a5",)
    assert opened.read("z.py") == b"x = 1\n"


class Growing:
    """Two files of the same content, of which one was shorter when its size was looked at than when it was hashed."""

    root = PurePosixPath("/home/learner/project")

    def __init__(self, content: bytes) -> None:
        """Have both."""
        self.content = content
        hashed = hashlib.sha256(content).hexdigest()
        self.nodes = {"log": Node("file", hashed, 3), "copy": Node("file", hashed, len(content))}

    def read(self, path: str, limit: int) -> bytes:
        """Give the content of either."""
        return self.content[:limit]


@pytest.mark.parametrize("content", [b"line 1", b"x" * 2_100_000], ids=["travels", "too large"])
def test_a_file_that_grew_meanwhile(content: bytes) -> None:
    """A shell that writes while a snapshot is made doesn't make it one that nobody takes."""
    growing: Any = Growing(content)

    tree = SnapshotTree.open(pack(growing, FACTS, Nothing()), Nothing())

    assert {tree.nodes[name].size for name in ("log", "copy")} == {len(content)}


def test_contents_that_are_kept_are_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bytes are those of a snapshot made from nothing, and what no longer travels is forgotten."""
    (tmp_path / "same.py").write_text("x = 1\n")
    (tmp_path / "gone.py").write_text("x = 2\n")
    kept: dict[str, bytes] = {}
    tree = FolderTree(tmp_path)
    assert pack(tree, FACTS, Nothing(), kept=kept) == pack(FolderTree(tmp_path), FACTS, Nothing())
    (tmp_path / "gone.py").unlink()
    (tmp_path / "new.py").write_text("x = 3\n")
    (tmp_path / "copy.py").write_text("x = 1\n")
    whole = pack(FolderTree(tmp_path), FACTS, Nothing())
    read: list[str] = []

    def reading(path: str, limit: int = 0) -> bytes:
        read.append(path)
        return FolderTree.read(tree, path, limit)

    monkeypatch.setattr(tree, "read", reading)
    assert pack(tree, FACTS, Nothing(), kept=kept) == whole
    assert read == ["new.py"]
    assert sorted(kept.values()) == [b"x = 1\n", b"x = 3\n"]


class Wide:
    """A folder of any number of empty files."""

    root = HOME

    def __init__(self, count: int) -> None:
        """Hold `count` files."""
        self.count = count

    def entry(self, path: str) -> Entry | None:
        """Say that it is a file."""
        return Entry("file")

    def names(self, path: str) -> list[str]:
        """Name them all."""
        return [] if path else [f"{number:05}" for number in range(self.count)]

    def read(self, path: str, limit: int = 0) -> bytes:
        """Give nothing."""
        return b""

    def sha256(self, path: str) -> str:
        """Give the hash of nothing."""
        return hashlib.sha256(b"").hexdigest()


def test_as_many_names_as_there_may_be() -> None:
    """At the bound a snapshot is made and opened; one more is too much."""
    opened = SnapshotTree.open(pack(Wide(LIMITS.names), FACTS, Nothing()), Nothing())
    assert len(opened.names("")) == LIMITS.names
    with pytest.raises(SnapshotError, match="more than 20,000 files and folders, too much") as caught:
        pack(Wide(LIMITS.names + 1), FACTS, Nothing())
    assert "du -a" in caught.value.next_step


@pytest.mark.parametrize("defect", ["depth", "path", "size"])
def test_workspace_with_too_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, defect: str) -> None:
    """More than a snapshot holds is said in a sentence, with what to do; nothing huge is read for it."""
    with (tmp_path / "sparse").open("wb") as file:
        file.truncate(LIMITS.hashed + 1 if defect == "size" else 0)
    monkeypatch.chdir(tmp_path)
    for _ in range({"depth": 70, "path": 4, "size": 0}[defect]):
        name = "d" if defect == "depth" else "p" * 200
        Path(name).mkdir()
        os.chdir(name)
    with pytest.raises(SnapshotError, match="too much for a snapshot"):
        pack(FolderTree(tmp_path), FACTS, Nothing())
