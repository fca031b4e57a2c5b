"""Tests of `autograder.snapshot.restoring`: what a hostile workspace can do to those who run something in it."""

from __future__ import annotations

import hashlib
import importlib.util
import marshal
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from autograder.exceptions import SandboxError
from autograder.index import PackageIndex
from autograder.snapshot import ContentStore, SnapshotTree, open_store, pack, restore
from autograder.tree import FolderTree
from real_environments import PYTHON, SITE, SYSTEM, copy, facts, run
from snapshots import FACTS, HASH, hostile

EVIL = "import sys; print('evil'); sys.prefix = '/evil'\n"


@pytest.fixture(scope="module")
def index() -> PackageIndex:
    """The course's index."""
    return PackageIndex.open()


@pytest.fixture(scope="module")
def store(index: PackageIndex) -> ContentStore:
    """What it knows."""
    return open_store(index.known)


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two environments that have pip; not to be changed."""
    folder = tmp_path_factory.mktemp("full") / "work"
    folder.mkdir()
    run(PYTHON, "-m", "venv", "one", cwd=folder)
    copy(folder / "one", folder / "two")
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with an environment without pip, and a program that says where it runs."""
    folder = tmp_path_factory.mktemp("bare") / "work"
    folder.mkdir()
    run(PYTHON, "-m", "venv", "--without-pip", "one", cwd=folder)
    (folder / "app.py").write_text("import sys\nprint(sys.prefix)\n")
    return folder


@pytest.fixture
def work(bare: Path, tmp_path: Path) -> Path:
    """A copy of it, to be changed."""
    return copy(bare, tmp_path / "work")


def restored(work: Path, place: Path, index: PackageIndex, store: ContentStore | None, *, sealed: bool = True) -> Path:
    """Pack a workspace, and put it together elsewhere, as a grader does."""
    seen_at = facts(work)
    tree = SnapshotTree.open(pack(FolderTree(work), seen_at, index.known), index.known)
    place.mkdir()
    root, home = PurePosixPath(place), str(SYSTEM)
    assert restore(tree, place, facts=seen_at, root=root, python_home=home, store=store, sealed=sealed) == ()
    return place


def said(place: Path) -> str:
    """What the program prints, in its environment."""
    command = [str(place / "one" / "bin" / "python"), "app.py"]
    return subprocess.run(command, cwd=place, env={}, capture_output=True, text=True, check=False).stdout


def inodes(folder: Path) -> dict[int, list[Path]]:
    """Which files are which."""
    found: dict[int, list[Path]] = {}
    for one in folder.rglob("*"):
        if one.is_file() and not one.is_symlink():
            found.setdefault(one.stat().st_ino, []).append(one)
    return found


def test_nothing_is_shared_with_the_store(full: Path, tmp_path: Path, index: PackageIndex, store: ContentStore) -> None:
    """Who writes over every file in place, as its owner may, changes nothing for the next one who is given the same files."""
    place = restored(full, tmp_path / "first", index, store)
    before = {one.relative_to(place): one.read_bytes() for ones in inodes(place).values() for one in ones}
    for ones in inodes(place).values():
        assert ones[0].stat().st_nlink == len(ones), "no name of a file lies outside the folder"
        ones[0].chmod(0o644)
        ones[0].write_bytes(b"poison")
    again = restored(full, tmp_path / "second", index, store)
    after = {one.relative_to(again): one.read_bytes() for ones in inodes(again).values() for one in ones}
    moved = {path for path in after if before[path] != after[path]}
    assert before.keys() == after.keys()
    assert all(path.name == "pyvenv.cfg" or "bin" in path.parts for path in moved), "but for the folder's own name"


def test_the_store_gives_the_same(full: Path, tmp_path: Path, index: PackageIndex, store: ContentStore) -> None:
    """With and without it the same is written; a file that two environments have is written once, and not what one writes into."""
    with_store = restored(full, tmp_path / "with", index, store)
    without = restored(full, tmp_path / "without", index, None)
    for ones in inodes(with_store).values():
        for one in ones:
            other = without / one.relative_to(with_store)
            if one.name != "pyvenv.cfg" and one.parent.name != "bin":
                assert one.read_bytes() == other.read_bytes()
            assert one.stat().st_mode == other.stat().st_mode
    shared = [ones for ones in inodes(with_store).values() if len(ones) > 1]
    assert len(shared) > 100
    assert all("site-packages" in one.parts for ones in shared for one in ones)
    pip = [str(with_store / "one" / "bin" / "pip"), "--version"]
    assert str(with_store / "one") in subprocess.run(pip, env={}, capture_output=True, text=True, check=True).stdout


def a_sitecustomize(work: Path) -> None:
    """Put a file into the environment which every Python in it runs first."""
    (work / "one" / SITE / "sitecustomize.py").write_text(EVIL)


def a_usercustomize_folder(work: Path) -> None:
    """The same as a package of the other name."""
    (work / "one" / SITE / "usercustomize").mkdir()
    (work / "one" / SITE / "usercustomize" / "__init__.py").write_text(EVIL)


def a_pth_file(work: Path) -> None:
    """A line of a `.pth` file that begins with `import` is run."""
    (work / "one" / SITE / "zz.pth").write_text(f"import sys; exec({EVIL!r})\n")


def a_pth_file_in_disguise(work: Path) -> None:
    """The same by a link to a file of another name."""
    (work / "notes.txt").write_text(f"import sys; exec({EVIL!r})\n")
    (work / "one" / SITE / "zz.pth").symlink_to(work / "notes.txt")


def a_pth_file_with_a_mark(work: Path) -> None:
    """The same after a byte order mark, which Python 3.13 overlooks, and after another end of a line."""
    line = f"import sys; exec({EVIL!r})\r".encode()
    (work / "one" / SITE / "zz.pth").write_bytes(b"\xef\xbb\xbf" + line + line)


def a_site_packages_elsewhere(work: Path) -> None:
    """The same in a folder of another name, to which site-packages leads."""
    (work / "one" / SITE).rename(work / "things")
    (work / "one" / SITE).symlink_to(work / "things")
    (work / "things" / "zz.pth").write_text(f"import sys; exec({EVIL!r})\n")


def _a_library(work: Path) -> Path:
    """Make a standard library which is not the grader's."""
    library = work / "lib" / "python3.11" / "encodings"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text(EVIL)
    return library.parent


def a_path_file_beside_python(work: Path) -> None:
    """`python._pth` replaces the whole of `sys.path`, the standard library too."""
    (work / "one" / "bin" / "python._pth").write_text(f"{_a_library(work)}\nimport site\n")


def another_home(work: Path) -> None:
    """`home` in pyvenv.cfg says where the standard library is."""
    _a_library(work)
    (work / "bin").mkdir()
    (work / "one" / "pyvenv.cfg").write_text(f"home = {work / 'bin'}\n")


def another_home_behind(work: Path) -> None:
    """The same in the other place in which pyvenv.cfg is looked for, and with the other end of a line."""
    another_home(work)
    (work / "one" / "bin" / "pyvenv.cfg").write_text(f"x = 1\rhome = {work / 'bin'}\rhome={work / 'bin'}\r")


def another_home_in_disguise(work: Path) -> None:
    """The same by a link to a file of another name."""
    another_home(work)
    (work / "one" / "pyvenv.cfg").rename(work / "notes.txt")
    (work / "one" / "pyvenv.cfg").symlink_to(work / "notes.txt")


def another_python(work: Path) -> None:
    """A script for Python."""
    (work / "one" / "bin" / "python").unlink()
    (work / "one" / "bin" / "python").write_text("#!/bin/sh\necho evil\n")
    (work / "one" / "bin" / "python").chmod(0o755)


def another_python_behind_links(work: Path) -> None:
    """A script for Python, in a folder which the environment calls `bin`."""
    another_python(work)
    (work / "one" / "bin").rename(work / "tools")
    (work / "one" / "bin").symlink_to("../tools")


@pytest.mark.parametrize(
    "attack",
    [
        a_sitecustomize,
        a_usercustomize_folder,
        a_pth_file,
        a_pth_file_in_disguise,
        a_pth_file_with_a_mark,
        a_site_packages_elsewhere,
        a_path_file_beside_python,
        another_home,
        another_home_behind,
        another_home_in_disguise,
        another_python,
        another_python_behind_links,
    ],
)
def test_nothing_runs_before_the_program(
    work: Path, tmp_path: Path, index: PackageIndex, store: ContentStore, attack: Callable[[Path], None]
) -> None:
    """Nothing of the learner's is run by the environment's Python before the program that was asked for, and it is the grader's."""
    attack(work)
    heard = said(restored(work, tmp_path / "place", index, store))
    assert "evil" not in heard
    assert heard in (f"{tmp_path / 'place' / 'one'}\n", f"{SYSTEM.parent}\n"), (
        "it runs, in the environment where there is one"
    )


@pytest.mark.parametrize("flags", [1, 3])
def test_bytecode_does_not_stand_for_its_source(
    work: Path, tmp_path: Path, index: PackageIndex, store: ContentStore, flags: int
) -> None:
    """Bytecode that Python would believe by a hash is left out: anybody can put the hash of one source before the code of another."""
    (work / "program.py").write_text("print('as read')\n")
    told = importlib.util.source_hash(b"print('as read')\n")
    code = marshal.dumps(compile("print('evil')", "program.py", "exec"))
    cached = Path(importlib.util.cache_from_source(str(work / "program.py")))
    cached.parent.mkdir()
    cached.write_bytes(importlib.util.MAGIC_NUMBER + flags.to_bytes(4, "little") + told + code)
    place = restored(work, tmp_path / "place", index, store)
    words = [sys.executable, "-B", "-c", "import program"]
    assert subprocess.run(words, cwd=place, capture_output=True, text=True, check=True).stdout == "as read\n"
    assert subprocess.run(words, cwd=work, capture_output=True, text=True, check=True).stdout == "evil\n"


def test_attacks_are_real(work: Path, tmp_path: Path, index: PackageIndex) -> None:
    """Where the workspace is put back as it was, for its owner's own eyes, what starts by itself does so."""
    a_pth_file(work)
    assert "evil" in said(restored(work, tmp_path / "place", index, None, sealed=False))


def test_what_installers_wrote_still_works(
    work: Path, tmp_path: Path, index: PackageIndex, store: ContentStore
) -> None:
    """A `.pth` file with a path in it, as of an editable install, does what it did."""
    (work / "desk").mkdir()
    (work / "desk" / "desk.py").write_text("WHERE = 'desk'\n")
    (work / "one" / SITE / "__editable__.desk.pth").write_text(f"{work}/desk\n")
    (work / "app.py").write_text("import desk\nprint(desk.WHERE)\n")
    place = restored(work, tmp_path / "place", index, store)
    assert said(place) == "desk\n"


def test_contents_are_what_they_should_be(full: Path, tmp_path: Path, index: PackageIndex, store: ContentStore) -> None:
    """Each file has the hash that the manifest says, but those that name the folder."""
    seen_at = facts(full)
    tree = SnapshotTree.open(pack(FolderTree(full), seen_at, index.known), index.known)
    place = restored(full, tmp_path / "place", index, store)
    for path, node in tree.nodes.items():
        if node.kind == "file" and not path.endswith(("pyvenv.cfg", ".pth")) and "bin" not in path.split("/"):
            assert hashlib.sha256((place / path).read_bytes()).hexdigest() == node.sha256
            assert os.access(place / path, os.X_OK) == node.executable


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
