"""Tests of exercise 09: its locks fit the index, and what no tool wrote is refused in a sentence."""

from __future__ import annotations

import hashlib
from pathlib import Path, PurePosixPath

import pytest

from autograder import Failed
from autograder.catalog.ex09_locking.locks import (
    START,
    of_pylock,
    of_requirements,
    of_uv,
    require_closure,
    require_files,
)
from autograder.index import PackageIndex
from autograder.tree import FolderTree
from autograder.workspace import Facts, Workspace

FACTS = Facts(PurePosixPath("/home/learner/project"), "/usr/local/bin", "3.11.7")


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


def _work(folder: Path, index: PackageIndex) -> Workspace:
    return Workspace(FolderTree(folder), FACTS, index.known)


@pytest.mark.parametrize("folder", ["till", "stock", "accounts"])
def test_the_start_holds_good_locks(folder: str, index: PackageIndex) -> None:
    """Each lock with which learners begin is whole, and its hashes are those of the index's files; no address is in it."""
    work = _work(START, index)
    path = f"{folder}/requirements.txt"
    lock = of_requirements(work, path)
    wishes = [line.requirement for line in work.requirements(f"{folder}/requirements.in").lines if line.requirement]

    assert require_closure(work, path, wishes, lock).keys() == lock.keys()
    require_files(work, path, lock)
    assert "://" not in (START / path).read_text("utf-8")


def test_the_altered_file_is_the_one_of_the_answer(index: PackageIndex) -> None:
    """What the reference answer writes down is the hash of the company's file."""
    (altered,) = index.files("price-rounding", "company")
    with index._open_file(altered.sha256) as file:
        digest = hashlib.sha256(file.read()).hexdigest()
    assert digest in (START.parent / "exercise.md").read_text("utf-8")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "package = 1",
        "package = [1]",
        "[[package]]\nname = 'a'",
        "[[package]]\nname = 'a'\nversion = 'x'\nsource = {registry = '.'}",
        "[[package]]\nname = 'a'\nsource = {virtual = '.'}\ndependencies = [{name = 'gone'}]",
        "[[package]]\nname = 'a'\nsource = {virtual = '.'}\ndependencies = 1",
        "[[package]]\nname = 'a'\nsource = {virtual = '.'}\nmetadata = {requires-dist = [{name = 'b', specifier = '?'}]}",
        "[[package]]\nname = 1\nversion = '1'\nsource = {registry = '.'}\nwheels = [1]",
        "a = " + "[" * 5000,
    ],
)
def test_a_lock_that_no_tool_wrote(text: str, tmp_path: Path, index: PackageIndex) -> None:
    """A damaged lock is read as a lock, or refused as the learner's mistake; never as ours."""
    (tmp_path / "pylock.toml").write_text(text, "utf-8")
    work = _work(tmp_path, index)
    for read in (of_uv, of_pylock):
        with pytest.raises(Failed) as failed:
            read(work, "pylock.toml")
        assert "pylock.toml" in failed.value.found
        assert "Run `" in (failed.value.next_step or "")


def test_hashes_of_other_files(tmp_path: Path, index: PackageIndex) -> None:
    """A hash is told to be another version's, another project's, the changed file's, or nobody's."""
    leftpad = index.files("leftpad")
    (altered,) = index.files("price-rounding", "company")
    for line, says in [
        (f"leftpad==1.1 --hash=sha256:{leftpad[0].sha256}", "belongs to version 1.0"),
        (f"orm==1.0 --hash=sha256:{leftpad[0].sha256}", "belongs to `leftpad-1.0"),
        (f"price-rounding==1.0 --hash=sha256:{altered.sha256}", "accepted the changed file"),
        (f"leftpad==1.1 --hash=sha256:{'0' * 64}", "No release has a file"),
        ("leftpad==1.1", "has no hash"),
    ]:
        (tmp_path / "requirements.txt").write_text(line, "utf-8")
        work = _work(tmp_path, index)
        with pytest.raises(Failed) as failed:
            require_files(work, "requirements.txt", of_requirements(work, "requirements.txt"))
        assert says in failed.value.found
