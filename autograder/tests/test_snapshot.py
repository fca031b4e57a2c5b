"""Tests of `autograder.snapshot`: what comes out is what went in."""

from __future__ import annotations

import io
import json
import os
import shutil
import socket
import subprocess
import time
import zipfile
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from autograder.distribution import KnownWheel
from autograder.exceptions import SnapshotError
from autograder.index import PackageIndex
from autograder.snapshot import SnapshotTree, digest, pack, restore, travels
from autograder.tree import Entry, FolderTree, Tree, walk
from autograder.workspace import Workspace
from real_environments import PYTHON, SITE, SYSTEM, copy, facts, make, run
from snapshots import FACTS, HOME, Nothing


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, index: PackageIndex) -> Path:
    """A workspace with three environments, one with pip, and a git repository; not to be changed."""
    folder = tmp_path_factory.mktemp("made")
    work = make(folder, index)
    run(PYTHON, "-m", "venv", "full", cwd=work)
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/pypi/simple/"
        run("full/bin/python", "-m", "pip", "install", "-q", "-i", url, "leftpad==1.0", cwd=work)
    shutil.rmtree(work / "home")
    (work / "app.py").write_text("import leftpad\n")
    (work / "run.sh").write_text("#!/bin/sh\n")
    (work / "run.sh").chmod(0o755)
    (work / "empty" / "folder").mkdir(parents=True)
    os.mkfifo(work / "pipe")
    git = ["git", "-c", "init.defaultBranch=main"]
    subprocess.run([*git, "init", "-q"], cwd=work, check=True)
    subprocess.run([*git, "add", "app.py", "venv"], cwd=work, check=True)
    who = ["-c", "user.name=a", "-c", "user.email=a@b.example"]
    subprocess.run([*git, *who, "commit", "-q", "-m", "all"], cwd=work, check=True)
    return work


def everything(tree: Tree) -> dict[str, tuple[Entry, list[str], str, bytes | None]]:
    """All that can be asked of what travels."""
    found = {}
    for path, entry in walk(tree):
        if not travels(path):
            continue
        hashed, content = "", None
        if entry.kind == "file":
            hashed = tree.sha256(path)
            content = tree.read(path)
        found[path] = (entry, [name for name in tree.names(path) if travels(f"{path}/{name}")], hashed, content)
    return found


def test_real_workspace_answers_as_before(made: Path, index: PackageIndex) -> None:
    """Entries, names, contents and hashes of a folder, its snapshot, and the snapshot restored are equal."""
    seen_at = facts(made)
    tree = FolderTree(made, seen_at.root)
    data = pack(tree, seen_at, index.known, exercise="06-virtual-environments")
    opened = SnapshotTree.open(data, index.known)
    assert everything(opened) == everything(tree)
    assert (opened.facts, opened.exercise, opened.root) == (seen_at, "06-virtual-environments", seen_at.root)
    assert opened.not_travelled == ()
    assert digest(opened) == digest(tree)
    assert pack(opened, seen_at, index.known, exercise="06-virtual-environments") == data
    assert pack(FolderTree(made, seen_at.root), seen_at, index.known, exercise="06-virtual-environments") == data


def test_real_workspace_is_restored(made: Path, tmp_path: Path, index: PackageIndex) -> None:
    """What is restored is the same, but for what can't be: pipes; and it works."""
    seen_at = facts(made)
    opened = SnapshotTree.open(pack(FolderTree(made), seen_at, index.known), index.known)
    place = tmp_path / "place"
    place.mkdir()
    missing = restore(opened, place, facts=seen_at, root=PurePosixPath(place), python_home=str(SYSTEM))
    assert missing == ()
    before, after = everything(opened), everything(FolderTree(place))
    assert before.keys() - after.keys() == {"pipe"}
    moved = {path for path in after if before[path] != after[path]}
    assert moved <= {path for path in after if "/bin/" in path or path.endswith("pyvenv.cfg")}
    for maker in ("venv", "uv", "virtualenv", "full"):
        Workspace(FolderTree(place), facts(place), index.known).environment(maker).in_place()
        done = subprocess.run([place / maker / "bin" / "leftpad", "7", "3"], capture_output=True, text=True, env={})
        assert done.stdout == "  7\n", done.stderr
    git = subprocess.run(["git", "ls-files", "app.py"], cwd=place, capture_output=True, text=True, check=True)
    assert git.stdout == "app.py\n"


def test_environment_is_moved_with_its_root(made: Path, tmp_path: Path, index: PackageIndex) -> None:
    """Where the folder is seen elsewhere, what names the old place names the new one; other text stays."""
    seen_at = facts(made)
    work = copy(made, tmp_path / "work")
    site = work / "venv" / SITE
    (site / "__editable__.desk.pth").write_text(f"{made}/desk/src\n{made}2/desk\n")
    (work / "notes.txt").write_text(f"{made}\n")
    opened = SnapshotTree.open(pack(FolderTree(work, seen_at.root), seen_at, index.known), index.known)
    place = tmp_path / "place"
    place.mkdir()
    restore(opened, place, facts=seen_at, root=HOME, python_home="/opt/python/bin")
    assert (place / "venv" / SITE / "__editable__.desk.pth").read_text() == f"{HOME}/desk/src\n{made}2/desk\n"
    assert (place / "notes.txt").read_text() == f"{made}\n"
    for maker in ("venv", "uv", "virtualenv"):
        assert "home = /opt/python/bin\n" in (place / maker / "pyvenv.cfg").read_text()
        first = (place / maker / "bin" / "leftpad").read_text()
        assert f"{HOME}/{maker}/bin/python" in first
        assert str(made) not in (place / maker / "bin" / "activate").read_text()
        assert os.readlink(place / maker / "bin" / "python").startswith(("/opt/python/bin/", "python"))


def test_grader_with_another_index_reads_the_same(made: Path, index: PackageIndex) -> None:
    """What came with the learner's Python needn't be known to the grader: its record is the measure there."""

    class Other:
        """An index whose Python came with other wheels, none of which it knows."""

        def wheels(self, name: str, version: str) -> list[KnownWheel]:
            return [one for one in index.known.wheels(name, version) if one.origin != "ensurepip"]

        def wheel(self, filename: str) -> KnownWheel | None:
            found = index.known.wheel(filename)
            return found if found is not None and found.origin != "ensurepip" else None

        def served(self, sha256: str) -> None:
            return None

        def content(self, sha256: str) -> bytes | None:
            return None

    seen_at = facts(made)
    opened = SnapshotTree.open(pack(FolderTree(made), seen_at, index.known), Other())
    environment = Workspace(opened, seen_at, Other()).environment("full")
    assert environment.distribution("pip").entry_points
    assert environment.distribution("leftpad", "==1.0").requested
    assert all(f"/{SITE}/" in path for path in opened.not_travelled)


def test_grader_with_another_edition_says_so(made: Path, index: PackageIndex) -> None:
    """A grader whose leftpad is another blames nobody."""
    data = pack(FolderTree(made), facts(made), index.known)
    with pytest.raises(SnapshotError, match=r"another leftpad-1\.[01]-py3-none-any\.whl|another pricetag"):
        SnapshotTree.open(data, Nothing())


def test_how_it_is_written_is_no_state(made: Path, index: PackageIndex) -> None:
    """Ordered otherwise, with spaces, without compression: it is the same state, with the same digest, and is packed to the same bytes."""
    seen_at = facts(made)
    data = pack(FolderTree(made, seen_at.root), seen_at, index.known)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        manifest, contents = json.loads(archive.read("manifest.json")), archive.read("contents")
    tree = manifest["trees"]["project"]
    tree["folders"] = [[folder, items[::-1]] for folder, items in tree["folders"][::-1]]
    tree["placed"].reverse()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("manifest.json", json.dumps(dict(reversed(manifest.items())), indent=2))
        archive.writestr("contents", contents)
    other = SnapshotTree.open(buffer.getvalue(), index.known)
    assert buffer.getvalue() != data
    assert digest(other) == digest(SnapshotTree.open(data, index.known))
    assert pack(other, other.facts, index.known) == data


def test_snapshot_is_small(made: Path, index: PackageIndex) -> None:
    """Four environments, one with pip, take less than 100 KB; without pip less than 20 KB; an empty workspace next to nothing."""
    seen_at = facts(made)
    assert len(pack(FolderTree(made), seen_at, index.known)) < 100_000
    tree = FolderTree(made / "venv")
    assert len(pack(tree, seen_at, index.known)) < 20_000


def test_snapshot_is_quick(made: Path, index: PackageIndex) -> None:
    """Packing takes less than a second of this machine's time, opening less than a quarter."""
    tree = FolderTree(made)
    before = time.process_time()
    data = pack(tree, facts(made), index.known)
    packed = time.process_time()
    SnapshotTree.open(data, index.known)
    assert packed - before < 1
    assert time.process_time() - packed < 0.25


names = st.one_of(
    st.sampled_from(
        ["a", "b", "src", "site-packages", "__pycache__", ".git", "objects", "x-1.dist-info", "RECORD", "bin", "python"]
    ),
    st.binary(min_size=1, max_size=6).filter(lambda raw: b"/" not in raw and b"\0" not in raw).map(os.fsdecode),
).filter(lambda name: name not in (".", ".."))


def trees() -> st.SearchStrategy[dict[str, Any]]:
    """Folders of files, executables, links and folders, with odd names."""
    leaf = st.one_of(
        st.binary(max_size=40),
        st.binary(max_size=10).map(lambda data: ("executable", data)),
        st.one_of(names, st.sampled_from(["..", "/etc/passwd", "../../x", "a/b"])).map(lambda target: ("link", target)),
        st.just(("pipe", "")),
    )
    return st.recursive(
        st.dictionaries(names, leaf, max_size=4),
        lambda inner: st.dictionaries(names, st.one_of(leaf, inner), max_size=4),
        max_leaves=12,
    )


def write(tree: dict[str, Any], folder: Path) -> None:
    """Put a generated tree on the disk."""
    for name, what in tree.items():
        path = folder / name
        if isinstance(what, dict):
            path.mkdir()
            write(what, path)
        elif isinstance(what, bytes):
            path.write_bytes(what)
        elif what[0] == "link":
            path.symlink_to(what[1])
        elif what[0] == "pipe":
            os.mkfifo(path)
        else:
            path.write_bytes(what[1])
            path.chmod(0o755)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A folder to be filled anew for each example."""
    return tmp_path / "place"


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(generated=trees(), asked=st.lists(st.lists(names, max_size=3).map("/".join), max_size=5))
def test_any_tree_answers_as_before(place: Path, generated: dict[str, Any], asked: list[str]) -> None:
    """Whatever is in a folder: its snapshot answers alike, packs to the same bytes, and restores to the same."""
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir()
    write(generated, place)
    tree = FolderTree(place, HOME)
    data = pack(tree, FACTS, Nothing())
    opened = SnapshotTree.open(data, Nothing())
    assert everything(opened) == everything(tree)
    for path in [*asked, "", ".", "a/..", "/", "a//b", "b/."]:
        if not path.startswith("/") and travels(str(PurePosixPath(path))):
            assert opened.entry(path) == tree.entry(path), path
            assert opened.names(path) == [name for name in tree.names(path) if travels(f"{PurePosixPath(path)}/{name}")]
    assert pack(opened, FACTS, Nothing()) == data
    assert digest(opened) == digest(tree)
    copied = place.with_name("copy")
    shutil.rmtree(copied, ignore_errors=True)
    copied.mkdir()
    restore(opened, copied, facts=FACTS)
    again = everything(FolderTree(copied, HOME))
    for path, found in everything(opened).items():
        if found[0].kind not in ("other", "folder") and "bin" not in path.split("/"):
            assert again[path] == found
