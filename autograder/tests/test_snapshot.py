"""Tests of `autograder.snapshot`: what comes out is what went in, whoever sends it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import random
import resource
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
from autograder.exceptions import SandboxError, SnapshotError
from autograder.facts import Facts
from autograder.index import PackageIndex
from autograder.snapshot import LIMITS, SnapshotTree, digest, pack, restore, travels
from autograder.snapshot.records import full, thin
from autograder.snapshot.state import Node
from autograder.tree import Entry, FolderTree, Tree, walk
from autograder.workspace import Workspace
from real_environments import PYTHON, SITE, SYSTEM, copy, facts, make, run

HOME = PurePosixPath("/home/learner/project")
FACTS = Facts(HOME, "/usr/local/bin", "3.11.7")


class Nothing:
    """An index that knows nothing."""

    def wheels(self, name: str, version: str) -> list[KnownWheel]:
        """Know no release."""
        return []

    def wheel(self, filename: str) -> None:
        """Know no file."""
        return None

    def served(self, sha256: str) -> None:
        """Know no file of an index."""
        return None

    def content(self, sha256: str) -> None:
        """Know no content."""
        return None


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


def test_digest_is_of_lines_of_json(tmp_path: Path) -> None:
    """Results are kept under it: written quicker, it must be what it was."""
    (tmp_path / 'say "hé"\\').write_text("x")
    (tmp_path / "run").write_text("y")
    (tmp_path / "run").chmod(0o755)
    (tmp_path / os.fsdecode(b"\xff\n")).symlink_to(os.fsdecode(b"\xfe\t"))
    os.mkfifo(tmp_path / "pipe")
    tree = FolderTree(tmp_path, HOME)
    found = hashlib.sha256(f"{HOME}\n".encode())
    for path, entry in sorted(walk(tree)):
        hashed = tree.sha256(path) if entry.kind == "file" else ""
        found.update(json.dumps([path, entry.kind, hashed, entry.executable, entry.target]).encode() + b"\n")
    assert digest(tree) == found.hexdigest()


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


# Hostile snapshots


def valid(change: Any = None, contents: bytes = b"hello") -> bytes:
    """Make a snapshot by hand, from a manifest that `change` may spoil."""
    hashed = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
    manifest: dict[str, Any] = {
        "format": "wheelhouse-snapshot",
        "version": 1,
        "exercise": "06-virtual-environments",
        "facts": {"root": "/home/learner/project", "python_home": "/usr/local/bin", "python_version": "3.11.7"},
        "trees": {"project": {"folders": [["", [["a", hashed, 5], ["l", "b"], ["p"]]], ["d", []]], "placed": []}},
        "wheels": [],
        "contents": [[hashed, 5]],
    }
    if change:
        change(manifest)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("manifest.json", json.dumps(manifest))
        archive.writestr("contents", contents)
    return buffer.getvalue()


def folders(*rows: Any) -> Any:
    """Replace the list of folders."""
    return lambda manifest: manifest["trees"]["project"].update(folders=list(rows))


def put(**fields: Any) -> Any:
    """Replace fields of the manifest."""
    return lambda manifest: manifest.update(fields)


HASH = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"
SPOILT = {
    "leaves by dots": folders(["", [["..", HASH, 5]]]),
    "leaves by a folder of dots": folders(["a/../..", [["x", HASH, 5]]]),
    "absolute": folders(["/etc", [["passwd", HASH, 5]]]),
    "slash in a name": folders(["", [["a/b", HASH, 5]]]),
    "empty name": folders(["", [["", HASH, 5]]]),
    "dot": folders(["", [[".", HASH, 5]]]),
    "doubled slash": folders(["a//b", [["x", HASH, 5]]]),
    "end of text": folders(["", [["a\0", HASH, 5]]]),
    "half a character": folders(["", [["\ud800", HASH, 5]]]),
    "a second way to write a name": folders(["", [["\udcc3\udca9", HASH, 5]]]),
    "too long": folders(["", [["a" * 256, HASH, 5]]]),
    "too deep": folders(["/".join("a" * 65), [["x", HASH, 5]]]),
    "name twice": folders(["", [["a", HASH, 5], ["a", HASH, 5]]]),
    "folder and file": folders(["", [["a", HASH, 5]]], ["a", []]),
    "below a file": folders(["", [["a", HASH, 5]]], ["a/b", [["c"]]]),
    "below a link": folders(["", [["a", HASH, 5], ["l", "/etc"]]], ["l", [["c"]]]),
    "what doesn't travel": folders(["", [["a", HASH, 5]]], [".git/objects", [["x"]]]),
    "too many": folders(["", [["a", HASH, 5], *([f"{number}"] for number in range(LIMITS.names))]]),
    "no hash": folders(["", [["a", "x", 5]]]),
    "size below zero": folders(["", [["a", HASH, -5]]]),
    "size that is true": folders(["", [["a", HASH, True]]]),
    "size with a point": folders(["", [["a", HASH, 5.0]]]),
    "two sizes": folders(["", [["a", HASH, 5], ["b", HASH, 6]]]),
    "rows that are none": folders("ab"),
    "no list": put(trees={"project": {"folders": {}, "placed": []}}),
    "fields too many": put(more=1),
    "other format": put(format="zip"),
    "other version": put(version=2),
    "version that is true": put(version=True),
    "exercise that is a path": put(exercise="../06"),
    "exercise that is none": put(exercise=None),
    "root at the top": put(facts={"root": "/", "python_home": "/usr/local/bin", "python_version": "3.11.7"}),
    "root with dots": put(facts={"root": "/a/../b", "python_home": "/usr/local/bin", "python_version": "3.11.7"}),
    "root that is relative": put(facts={"root": "a", "python_home": "/usr/local/bin", "python_version": "3.11.7"}),
    "root that is the system Python's": put(facts={"root": "/a", "python_home": "/a", "python_version": "3.11.7"}),
    "system Python in the workspace": put(facts={"root": "/a", "python_home": "/a/bin", "python_version": "3.11.7"}),
    "workspace in the system Python": put(facts={"root": "/a/b", "python_home": "/a", "python_version": "3.11.7"}),
    "version of Python": put(facts={"root": "/a", "python_home": "/usr/local/bin", "python_version": "3.11; rm"}),
    "content of nothing": put(contents=[[HASH, 5], ["0" * 64, 0]]),
    "content twice": put(contents=[[HASH, 5], [HASH, 5]]),
    "content too short": put(contents=[]),
    "content too long": put(contents=[[HASH, 6]]),
    "content below zero": put(contents=[[HASH, 5, -1, "a"]]),
    "record of nothing": put(contents=[[HASH, 5, 5, "../a"]]),
    "wheel without files": put(wheels=[["a.whl", []]]),
    "wheel that leaves": put(wheels=[["a.whl", [["../a", HASH, 5]]]]),
    "wheel with a path": put(wheels=[["../a.whl", [["a", HASH, 5]]]]),
    "wheel nobody knows": put(wheels=[["a.whl", "0" * 16, [5]]]),
    "place of no wheel": put(
        trees={"project": {"folders": [["", [["a", HASH, 5]]]], "placed": [["b", 0, []]]}},
    ),
    "exceptions that aren't there": put(
        trees={"project": {"folders": [["", [["a", HASH, 5]]]], "placed": [["b", 0, ["x"]]]}},
        wheels=[["a.whl", [["a", HASH, 5]]]],
    ),
}


def test_snapshot_made_by_hand_is_taken() -> None:
    """The measure of what follows: without a defect it is good."""
    opened = SnapshotTree.open(valid(), Nothing())
    assert opened.read("a") == b"hello"
    assert opened.names("") == ["a", "d", "l", "p"]
    assert opened.entry("l") == Entry("link", target="b")


@pytest.mark.parametrize("name", SPOILT)
def test_spoilt_manifest(name: str) -> None:
    """Each defect is refused, in one sentence."""
    with pytest.raises(
        SnapshotError, match=r"^This snapshot (can't be used: .*|was made .*|is of format \d+, .*)\.$"
    ) as caught:
        SnapshotTree.open(valid(SPOILT[name]), Nothing())
    assert caught.value.next_step


@pytest.mark.parametrize(
    ("version", "made_by"), [(0, "can't be used"), (2, "a newer course made it"), (10**9, "can't be used")]
)
def test_other_version_is_named(version: int, made_by: str) -> None:
    """A snapshot of another format says which one, which side is behind, and what to do about it."""
    with pytest.raises(SnapshotError, match=made_by) as caught:
        SnapshotTree.open(valid(put(version=version)), Nothing())
    assert caught.value.next_step


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


def test_swapped_content() -> None:
    """Content that isn't what the manifest says is refused."""
    with pytest.raises(SnapshotError, match="doesn't have the hash"):
        SnapshotTree.open(valid(contents=b"jello"), Nothing())


@pytest.mark.parametrize("manifest", [b"", b"{", b"[]", b"\xff", b"[" * 100_000, b'{"a":1,"a":1}', b"NaN", b"9" * 5000])
def test_manifest_that_is_no_json(manifest: bytes) -> None:
    """Nor are texts taken that only look like JSON."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("manifest.json", manifest)
        archive.writestr("contents", b"")
    with pytest.raises(SnapshotError):
        SnapshotTree.open(buffer.getvalue(), Nothing())


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """Make a zip file of any members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"PK\5\6" + bytes(18),
        zipped(),
        zipped(("manifest.json", b"{}")),
        zipped(("contents", b""), ("manifest.json", b"{}")),
        zipped(("manifest.json", b"{}"), ("contents", b""), ("more", b"")),
        zipped(("manifest.json", b"{}"), ("contents", b""), method=zipfile.ZIP_LZMA),
        zipped(("manifest.json", b" " * (LIMITS.manifest + 1)), ("contents", b"")),
        zipped(("manifest.json", b"{}"), ("contents", bytes(LIMITS.all_content + 1))),
        valid()[:-1],
        valid() + b"\0",
        b"\0" + valid()[1:],
        bytes(LIMITS.snapshot + 1),
    ],
    ids=lambda data: f"{len(data)} bytes",
)
def test_zip_file_that_is_no_snapshot(data: bytes) -> None:
    """Other zip files, cut ones, and those that unpack to more than they may."""
    with pytest.raises(SnapshotError):
        SnapshotTree.open(data, Nothing())


def test_bomb_that_lies_about_its_size() -> None:
    """The size that the zip file says isn't believed: no more than that is unpacked."""
    data = bytearray(zipped(("manifest.json", b"{}"), ("contents", bytes(7_900_000))))
    real = (7_900_000).to_bytes(4, "little")
    assert data.count(real) == 2
    with pytest.raises(SnapshotError):
        SnapshotTree.open(bytes(data.replace(real, (5).to_bytes(4, "little"))), Nothing())


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400))
def test_random_bytes(data: bytes) -> None:
    """Only a SnapshotError comes out."""
    with pytest.raises(SnapshotError):
        SnapshotTree.open(data, Nothing())


GOOD = valid()


@settings(max_examples=600, deadline=None)
@given(
    edits=st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=6),
    cut=st.integers(0, 3),
)
def test_mutated_bytes(edits: list[tuple[int, int]], cut: int) -> None:
    """A snapshot with some bytes changed is the same, or refused."""
    data = bytearray(GOOD)
    for place, value in edits:
        data[place] = value
    try:
        opened = SnapshotTree.open(bytes(data[: len(data) - cut]), Nothing())
    except SnapshotError:
        return
    assert opened.read("a") == b"hello"


values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.sampled_from([HASH, "a", "..", "/", ""]),
    ),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=3), inner, max_size=3)),
    max_leaves=6,
)


@settings(max_examples=600, deadline=None)
@given(data=st.data())
def test_mutated_manifest(data: st.DataObject) -> None:
    """A manifest with any value replaced is refused, or stays within the workspace."""

    def spoil(manifest: dict[str, Any]) -> None:
        here: Any = manifest
        while True:
            key = data.draw(st.sampled_from(sorted(here) if isinstance(here, dict) else range(len(here))))
            if isinstance(here[key], dict | list) and here[key] and data.draw(st.booleans()):
                here = here[key]
                continue
            here[key] = data.draw(values)
            return

    try:
        opened = SnapshotTree.open(valid(spoil), Nothing())
    except SnapshotError:
        return
    assert digest(opened)
    for path, _ in walk(opened):
        assert not path.startswith("/")
        assert not {"", ".", ".."} & set(path.split("/"))


def test_records_are_thinned_and_filled() -> None:
    """What is left out can be said again, and a lie about its size is found out."""
    nodes = {"site/a.py": Node("file", HASH, 5), "bin/a": Node("file", HASH, 5)}
    line = b"LPJNul-wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ,5"
    text = b"a.py,sha256=%s\r\n../bin/a,sha256=%s\r\nb.py,sha256=%s\nx,,\n" % (line, line, line)
    record = "site/a-1.dist-info/RECORD"
    short = thin(text, record, nodes)
    assert short == b"a.py,*\r\n../bin/a,*\r\nb.py,sha256=%s\nx,,\n" % line
    assert full(short, record, nodes, len(text)) == text
    with pytest.raises(ValueError, match="another size"):
        full(short * 1000, record, nodes, len(text))
    with pytest.raises(ValueError, match="isn't there"):
        full(b"c.py,*\n", record, nodes, 100)
    assert thin(b"a.py,*\n" + text, record, nodes) is None


# Restoring


def hostile(*rows: Any) -> SnapshotTree:
    """Open a snapshot with these folders."""

    def change(manifest: dict[str, Any]) -> None:
        manifest["trees"]["project"]["folders"] = [["", [["a", HASH, 5]]], *rows]

    return SnapshotTree.open(valid(change), Nothing())


def test_links_are_restored_as_links(tmp_path: Path) -> None:
    """Links that lead out are written as they are, last, and nothing is written through them."""
    place = tmp_path / "place"
    place.mkdir()
    outside = tmp_path / "outside"
    outside.mkdir()
    tree = hostile(["d", [["out", "../../outside"], ["x", HASH, 5]]], ["out2", [["y", HASH, 5, 1]]])
    restore(tree, place, facts=FACTS)
    assert os.readlink(place / "d" / "out") == "../../outside"
    assert (place / "out2" / "y").stat().st_mode & 0o777 == 0o755
    assert list(outside.iterdir()) == []


def test_only_into_an_empty_folder(tmp_path: Path) -> None:
    """What stands there is never overwritten, nor followed."""
    (tmp_path / "a").symlink_to("/dev/null")
    with pytest.raises(SandboxError, match="empty"):
        restore(hostile(), tmp_path, facts=FACTS)


@pytest.mark.parametrize("hidden", [True, False], ids=["without pyvenv.cfg", "with pyvenv.cfg"])
def test_interpreters_of_learners_are_never_restored(tmp_path: Path, hidden: bool) -> None:
    """Whatever stands for Python in an environment, the system's stands there afterwards."""
    env: list[Any] = [] if hidden else [["pyvenv.cfg", HASH, 5]]
    programs = [["python", HASH, 5, 1], ["python3", "/tmp/evil"], ["python3.11", "python3"], ["pip", HASH, 5, 1]]
    good = [["python", "python3"], ["python3", "/usr/local/bin/python3"]]
    tree = hostile([".venv", env], [".venv/bin", programs], ["fine", env], ["fine/bin", good])
    restore(tree, tmp_path, facts=FACTS, python_home="/srv/system/bin")
    for name in ("python", "python3", "python3.11"):
        assert os.readlink(tmp_path / ".venv" / "bin" / name) == "/srv/system/bin/python3"
    assert (tmp_path / ".venv" / "bin" / "pip").read_bytes() == b"hello"
    assert os.readlink(tmp_path / "fine" / "bin" / "python") == "/srv/system/bin/python3"
    assert os.readlink(tmp_path / "fine" / "bin" / "python3") == "/srv/system/bin/python3"


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


def test_disk_that_takes_no_more_is_said(tmp_path: Path) -> None:
    """A system that refuses to write gives one sentence, here by the limit on a file's size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (3, before[1]))
    try:
        with pytest.raises(SandboxError, match="can't be put together again: File too large") as caught:
            restore(hostile(), tmp_path, facts=FACTS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert caught.value.next_step
