"""Tests of `autograder.published`: what a journal says was published, and how it travels."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from autograder.exceptions import BrokenExercise, Failed, SnapshotError
from autograder.facts import Facts
from autograder.folder import index
from autograder.index.journal import Event, Journal
from autograder.published import Published
from autograder.snapshot import SnapshotTree, pack, restore_published
from autograder.tree import FolderTree

FACTS = Facts(PurePosixPath("/home/learner/project"), "/usr/local/bin", "3.11.7")


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    """A workspace that released shelf-scanner 1.0 and 1.1 on PyPI, yanked the first, and deleted a third."""
    journal = Journal(tmp_path / "published")
    about: dict[str, Any] = {"site": "pypi", "project": "shelf-scanner"}
    journal.append(Event(kind="create", details={"id": "1", "name": "Shelf-Scanner"}, **about))
    for version in ("1.0", "1.1", "1.2"):
        data = f"wheel {version}".encode()
        filename = f"shelf_scanner-{version}-py3-none-any.whl"
        journal.append(
            Event(kind="upload", version=version, filename=filename, sha256=journal.keep(data), size=len(data), **about)
        )
    journal.append(Event(kind="yank", version="1.0", reason="scans upside down", **about))
    journal.append(Event(kind="delete", version="1.2", **about))
    (journal.folder / "secrets.json").write_text('{"key": "hidden"}')
    return journal


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A workspace's folder with one file, and a name that a snapshot wants for itself."""
    folder = tmp_path / "project"
    (folder / ".wheelhouse/published").mkdir(parents=True)
    (folder / ".wheelhouse/published/journal.jsonl").write_text(Event(site="pypi", kind="token").line().decode())
    (folder / "app.py").write_text("print()\n")
    return folder


def test_releases_as_they_stand(journal: Journal) -> None:
    """What is there now, what is yanked and why, and what can never come back."""
    here = Published("pypi", FolderTree(journal.folder))

    assert here.projects == ["shelf-scanner"]
    assert [(one.version, one.yanked) for one in here.releases("shelf-scanner")] == [
        ("1.0", "scans upside down"),
        ("1.1", None),
    ]
    assert here.burned == {"shelf_scanner-1.2-py3-none-any.whl"}
    assert here.content(here.release("shelf-scanner", "1.1").wheels[0]) == b"wheel 1.1"
    assert Published("testpypi", FolderTree(journal.folder)).projects == []


@pytest.mark.parametrize(
    ("version", "found"),
    [("2.0", "`shelf-scanner 1.0`, `shelf-scanner 1.1`"), ("1.2", "was deleted from PyPI")],
)
def test_what_is_not_there_is_told(journal: Journal, version: str, found: str) -> None:
    """A missing release is told apart from one that was deleted."""
    with pytest.raises(Failed) as failed:
        Published("pypi", FolderTree(journal.folder)).release("shelf-scanner", version)

    assert found in failed.value.found


def test_nothing_published_is_no_trouble(tmp_path: Path) -> None:
    """Without a journal there is no release, and that can be said."""
    for tree in (None, FolderTree(tmp_path / "none")):
        with pytest.raises(Failed, match="no release of `leftpad`"):
            Published("testpypi", tree).release("leftpad", "1.0")
    with pytest.raises(BrokenExercise):
        Published("elsewhere", None)


def test_a_journal_from_anyone_breaks_nothing(tmp_path: Path) -> None:
    """Lines that make no sense are left out."""
    lines = [
        b"[]",
        b'{"site":"pypi","kind":"upload","when":"x","project":"a","version":"not one","filename":"a","sha256":"z"}',
        b"\xff\xfe",
        b'{"site":"pypi","kind":"yank","when":"x"}',
        b'{"site":"pypi","kind":"token","when":"x","details":{"id":7,"caveats":[[]]}}',
        b'{"site":"pypi","kind":"create"',
    ]
    (tmp_path / "journal.jsonl").write_bytes(b"\n".join(lines))

    here = Published("pypi", FolderTree(tmp_path))

    assert (here.projects, here.tokens, here.publishers) == ([], [], [])


def test_the_journal_travels_and_secrets_do_not(journal: Journal, project: Path, tmp_path: Path) -> None:
    """A snapshot holds journal and files, not the keys; the workspace can't pretend to have published anything."""
    known = index().known
    data = pack(FolderTree(project, FACTS.root), FACTS, known, published=FolderTree(journal.folder))
    opened = SnapshotTree.open(data, known)

    assert b"hidden" not in data
    assert opened.names("") == ["app.py"]
    there = Published("pypi", opened.published)
    assert [one.version for one in there.releases("shelf-scanner")] == ["1.0", "1.1"]
    assert there.tokens == []
    restore_published(FolderTree(journal.folder), tmp_path / "again")
    assert sorted(one.name for one in (tmp_path / "again").iterdir()) == ["files", "journal.jsonl"]
    assert Journal(tmp_path / "again").events() == journal.events()
    assert pack(opened, FACTS, known, published=opened.published) == data


def test_a_snapshot_without_anything_published(project: Path) -> None:
    """Where nothing was published nothing is said of it, whatever the workspace holds under that name."""
    known = index().known

    opened = SnapshotTree.open(pack(FolderTree(project, FACTS.root), FACTS, known), known)

    assert opened.published is None
    assert opened.names("") == ["app.py"]


def test_a_forged_name_among_the_published_is_refused(journal: Journal, project: Path) -> None:
    """A snapshot with any other file beside the journal is no snapshot of ours."""
    known = index().known
    data = pack(FolderTree(project, FACTS.root), FACTS, known, published=FolderTree(journal.folder))
    forged = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as archive, zipfile.ZipFile(forged, "w") as changed:
        manifest = json.loads(archive.read("manifest.json"))
        for _, items in manifest["trees"]["project"]["folders"]:
            for item in items:
                if item[0] == "journal.jsonl":
                    item[0] = "secrets.json"
        changed.writestr("manifest.json", json.dumps(manifest))
        changed.writestr("contents", archive.read("contents"))

    with pytest.raises(SnapshotError, match="other published files"):
        SnapshotTree.open(forged.getvalue(), known)
