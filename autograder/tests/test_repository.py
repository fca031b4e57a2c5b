"""Tests of `autograder.repository`, beside the real git."""

from __future__ import annotations

import os
import struct
import subprocess
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from autograder.exceptions import Failed
from autograder.index import PackageIndex
from autograder.repository import Repository
from autograder.snapshot import SnapshotTree, pack
from autograder.tree import FolderTree
from real_environments import facts, fails

QUIET = {"PATH": "/usr/bin:/bin", "GIT_CONFIG_NOSYSTEM": "1", "GIT_CONFIG_GLOBAL": os.devnull, "LC_ALL": "C"}


def git(folder: Path, *words: str) -> bytes:
    """Run git, without anybody's configuration."""
    names = ("-c", "user.name=a", "-c", "user.email=a@b.example", "-c", "init.defaultBranch=main")
    return subprocess.run(["git", *names, *words], cwd=folder, env=QUIET, check=True, capture_output=True).stdout


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A workspace that is a git repository, with an environment committed to it."""
    folder = tmp_path / "work"
    for name in ("app.py", ".venv/pyvenv.cfg", ".venv/bin/activate", "docs/ü b.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "all of it")
    return folder


def listed(folder: Path) -> tuple[str, ...]:
    """What git itself lists."""
    return tuple(sorted(os.fsdecode(name) for name in set(git(folder, "ls-files", "-z").split(b"\0")) if name))


@pytest.mark.parametrize("version", ["2", "3", "4"])
def test_tracked_is_what_git_lists(work: Path, version: str) -> None:
    """Every version of the index is read, with long paths, odd names, and entries that carry more flags."""
    long = "a" * 180 + "/" + "b" * 200
    for name in (long, "a" * 180 + "/c", "z"):
        (work / name).parent.mkdir(exist_ok=True)
        (work / name).write_text("")
    (work / os.fsdecode(b"\xffodd")).write_text("")
    git(work, "add", ".")
    (work / "later").write_text("")
    if version != "2":
        git(work, "add", "--intent-to-add", "later")
    git(work, "update-index", "--index-version", version)
    repository = Repository(FolderTree(work))
    assert (work / ".git/index").read_bytes()[4:8] == struct.pack(">L", int(version))
    assert repository.tracked == listed(work)
    assert long in repository.tracked


def test_what_lies_below(work: Path) -> None:
    """A folder, with or without a slash, and a file; a name that only begins alike isn't below."""
    repository = Repository(FolderTree(work))
    assert repository.tracks(".venv/") == (".venv/bin/activate", ".venv/pyvenv.cfg")
    assert repository.tracks("app.py") == ("app.py",)
    assert repository.tracks(".ven") == ()
    assert repository.tracks(".") == repository.tracked


def test_untracked_after_removal_from_the_index(work: Path) -> None:
    """`git rm --cached` is seen before it is committed."""
    git(work, "rm", "-r", "-q", "--cached", ".venv")
    assert Repository(FolderTree(work)).tracks(".venv") == ()


def test_new_repository_tracks_nothing(tmp_path: Path) -> None:
    """Where nothing was ever added there is no index."""
    git(tmp_path, "init", "-q")
    assert Repository(FolderTree(tmp_path)).tracked == ()


def test_conflict_lists_each_path_once(work: Path) -> None:
    """During a merge the index holds a path three times."""
    git(work, "checkout", "-q", "-b", "other")
    (work / "app.py").write_text("1")
    git(work, "commit", "-q", "-a", "-m", "1")
    git(work, "checkout", "-q", "-")
    (work / "app.py").write_text("2")
    git(work, "commit", "-q", "-a", "-m", "2")
    with pytest.raises(subprocess.CalledProcessError):
        git(work, "merge", "-q", "other")
    assert Repository(FolderTree(work)).tracked == listed(work)


def test_repository_with_longer_hashes(tmp_path: Path) -> None:
    """SHA-256 repositories have longer entries."""
    git(tmp_path, "init", "-q", "--object-format=sha256")
    (tmp_path / "one").write_text("")
    (tmp_path / "two").write_text("")
    git(tmp_path, "add", ".")
    assert Repository(FolderTree(tmp_path)).tracked == ("one", "two")


def test_worktree(work: Path) -> None:
    """In a worktree `.git` is a file that leads to its own index and to the common exclude file."""
    git(work, "worktree", "add", "-q", "tree")
    (work / "tree" / "more").write_text("")
    git(work / "tree", "add", "more")
    (work / ".git" / "info" / "exclude").write_text("*.log\n")
    repository = Repository(FolderTree(work), "tree")
    assert repository.tracks("more") == ("more",)
    assert repository.ignores("x.log")
    assert Repository(FolderTree(work)).tracks("more") == ()


def test_no_repository(tmp_path: Path) -> None:
    """Nothing there."""
    fails(lambda: Repository(FolderTree(tmp_path)), tmp_path, "^`.git` does not exist")


def test_folder_called_git(tmp_path: Path) -> None:
    """A folder by that name, with nothing in it."""
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    fails(lambda: Repository(FolderTree(tmp_path), "shop"), tmp_path, "^`shop/.git` holds no git repository")


@pytest.mark.parametrize("content", ["gitdir: /srv/repository", "gitdir: ../../elsewhere/.git\n"])
def test_git_file_leading_out(tmp_path: Path, content: str) -> None:
    """A `.git` file that leads out of the workspace is not followed."""
    (tmp_path / ".git").write_text(content)
    fails(lambda: Repository(FolderTree(tmp_path)), tmp_path, "leads out of the workspace|leaves the workspace")


def test_git_link_leading_out(tmp_path: Path) -> None:
    """Nor is a link."""
    (tmp_path / ".git").symlink_to("/srv/repository/.git")
    fails(lambda: Repository(FolderTree(tmp_path)), tmp_path, "it leads to `/srv/repository/.git`")


@pytest.mark.parametrize("content", [b"", b"DIRC", b"DIRC\0\0\0\5\0\0\0\0", b"x" * 2_100_000])
def test_damaged_index(work: Path, content: bytes) -> None:
    """An index that git wouldn't read either."""
    (work / ".git" / "index").write_bytes(content)
    fails_quietly(work, "index` is damaged")


def fails_quietly(work: Path, found: str) -> None:
    """Require a Failed; git's own words on the damage are git's."""
    with pytest.raises(Failed, match=found):
        _ = Repository(FolderTree(work)).tracked


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), version=st.sampled_from([2, 4]))
def test_no_index_breaks_the_reader(tmp_path: Path, data: st.DataObject, version: int) -> None:
    """Whatever bytes an index has, there is an answer or a Failed, soon."""
    entries = data.draw(st.lists(st.tuples(st.binary(max_size=4), st.binary(max_size=30)), max_size=5))
    body = b"".join(bytes(60) + flags.ljust(2, b"\0")[:2] + name + b"\0" for flags, name in entries)
    count = data.draw(st.sampled_from([len(entries), 0, 2**32 - 1]))
    content = b"DIRC" + struct.pack(">LL", version, count) + body + data.draw(st.binary(max_size=40))
    (tmp_path / ".git").mkdir(exist_ok=True)
    (tmp_path / ".git" / "HEAD").write_text("")
    (tmp_path / ".git" / "index").write_bytes(content)
    try:
        found = Repository(FolderTree(tmp_path)).tracked
    except Failed:
        return
    assert all(found)


def test_index_that_would_fill_the_memory(tmp_path: Path) -> None:
    """Version 4 lets a small file speak of endless paths: each the one before and a letter more."""
    entry = bytes(62) + b"\0" + b"a\0"
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "HEAD").write_text("")
    (tmp_path / ".git" / "index").write_bytes(b"DIRC" + struct.pack(">LL", 4, 30_000) + entry * 30_000 + bytes(20))
    fails_quietly(tmp_path, "damaged")


IGNORE = """\
# environments
.venv/
venv
/build
*.log
!keep.log
docs/*.tmp
**/cache/
a/**/z
sub/
!sub/inner
\\!important
spaced\\ name
trailing@@@
dir/**
[ab].txt
""".replace("@", " ")
PATHS = [
    *(
        ".venv/",
        ".venv/bin/python",
        "app/.venv/",
        "venv",
        "venv/",
        "src/venv/x",
        "build/",
        "src/build/",
        "x.log",
        "keep.log",
    ),
    *(
        "deep/er/x.log",
        "docs/a.tmp",
        "docs/in/a.tmp",
        "cache/",
        "x/y/cache/f",
        "cache",
        "a/z",
        "a/b/c/z",
        "sub/inner",
        "sub",
    ),
    *(
        "!important",
        "spaced name",
        "trailing",
        "dir/x",
        "dir/x/y",
        "a.txt",
        "c.txt",
        "nested/x.log",
        "nested/only",
        "excluded",
    ),
    *("nested/deep/only", "app.py", "docs/"),
]


def test_ignores_as_git_does(work: Path) -> None:
    """The same answers as `git check-ignore`, file by file, nested files and `info/exclude` included."""
    (work / ".gitignore").write_text(IGNORE)
    (work / "nested").mkdir()
    (work / "nested" / ".gitignore").write_text("!*.log\nonly\n")
    (work / ".git" / "info" / "exclude").write_text("excluded\n")
    repository = Repository(FolderTree(work))
    ours = {path for path in PATHS if repository.ignores(path)}
    asked = "\0".join(PATHS).encode()
    done = subprocess.run(
        ["git", "check-ignore", "--no-index", "-z", "--stdin"], cwd=work, env=QUIET, input=asked, capture_output=True
    )
    theirs = {name.decode() for name in done.stdout.split(b"\0") if name}
    assert ours == theirs
    assert {".venv/", "x.log", "nested/only", "excluded"} <= ours
    assert not {"keep.log", "nested/x.log", "app.py"} & ours


def test_ignore_file_that_is_a_link_or_missing(work: Path) -> None:
    """Git doesn't follow a link called .gitignore; nor do we."""
    (work / "real").write_text(".venv/\n")
    (work / ".gitignore").symlink_to("real")
    assert not Repository(FolderTree(work)).ignores(".venv/")


@settings(max_examples=200, deadline=2000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=300))
@example(content=b"*a" * 200 + b"b\n")
@example(content=b"[" * 400 + b"\n" + b"**/" * 8 + b"b\n")
def test_no_ignore_file_breaks_the_reader(tmp_path: Path, content: bytes) -> None:
    """Whatever stands in a .gitignore, there is an answer, soon."""
    (tmp_path / ".git").mkdir(exist_ok=True)
    (tmp_path / ".git" / "HEAD").write_text("")
    (tmp_path / ".gitignore").write_bytes(content)
    for path in (".venv/", "a" * 60 + "/" + "a" * 60):
        assert Repository(FolderTree(tmp_path)).ignores(path) in (True, False)


@pytest.mark.parametrize("kind", ["sha1", "sha256"])
def test_committed(tmp_path: Path, kind: str) -> None:
    """What is staged is compared with the last commit, whose tree is worked out from the index."""
    git(tmp_path, "init", "-q", f"--object-format={kind}")

    def ask() -> None:
        Repository(FolderTree(tmp_path)).require_committed()

    fails(ask, tmp_path, "Nothing has been committed in the workspace yet")
    for name in ("a", "a.b", "a-b/x", "a0", "b/c/d", "b/c.d", "run.sh"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "run.sh").chmod(0o755)
    (tmp_path / "link").symlink_to("a")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    ask()
    (tmp_path / "a").write_text("changed, not staged")
    ask()
    git(tmp_path, "rm", "-q", "-r", "--cached", "b")
    fails(ask, tmp_path, "^There are staged changes in the workspace that are in no commit yet")
    git(tmp_path, "commit", "-q", "-m", "second")
    ask()
    git(tmp_path, "add", "--intent-to-add", "b")
    ask()


@pytest.mark.parametrize("how", ["gc", "clone", "worktree", "detached"])
def test_committed_wherever_git_keeps_it(work: Path, tmp_path: Path, how: str) -> None:
    """Commits in packs, references in one file, worktrees and a HEAD that names no branch."""
    place, top = work, work
    if how == "gc":
        git(work, "gc", "-q")
        assert not (work / ".git" / "refs" / "heads" / "main").exists()
    elif how == "clone":
        place = top = tmp_path / "clone"
        git(tmp_path, "clone", "-q", "--no-local", "work", "clone")
    elif how == "worktree":
        place = work / "tree"
        git(work, "worktree", "add", "-q", "tree")
    else:
        git(work, "checkout", "-q", "--detach")
    path = "tree" if how == "worktree" else ""
    Repository(FolderTree(top), path).require_committed()
    git(place, "rm", "-q", "--cached", "app.py")
    with pytest.raises(Failed, match="staged changes"):
        Repository(FolderTree(top), path).require_committed()
    data = pack(FolderTree(top), facts(top), PackageIndex.open().known)
    with pytest.raises(Failed, match="staged changes"):
        Repository(SnapshotTree.open(data, PackageIndex.open().known), path).require_committed()
    git(place, "add", "app.py")
    data = pack(FolderTree(top), facts(top), PackageIndex.open().known)
    Repository(SnapshotTree.open(data, PackageIndex.open().known), path).require_committed()


def test_commit_that_is_a_bomb(work: Path) -> None:
    """An object that unpacks to gigabytes is not unpacked."""
    commit = git(work, "rev-parse", "HEAD").decode().strip()
    place = work / ".git" / "objects" / commit[:2] / commit[2:]
    place.unlink()
    place.write_bytes(zlib.compress(b"commit 9\0tree " + bytes(50_000_000)))
    with pytest.raises(Failed, match="damaged"):
        Repository(FolderTree(work)).require_committed()


def test_merge_that_is_not_finished(work: Path) -> None:
    """Conflicts are no commit."""
    test_conflict_lists_each_path_once(work)
    with pytest.raises(Failed, match="a merge, is not finished"):
        Repository(FolderTree(work)).require_committed()
