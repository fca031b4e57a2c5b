"""Put a workspace's state back into a folder of this disk, so that acting checks can run something in it.

The state is a learner's, and may be hostile. Into an empty folder go first the folders, then the files, the links last:
so nothing is ever written through a link. An interpreter of the learner's is never restored: in its place stands a link to the system Python.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from autograder.exceptions import SandboxError
from autograder.snapshot.packing import is_published
from autograder.tree import Entry, Outside, Tree, resolve

if TYPE_CHECKING:
    from autograder.environment import Facts

__all__ = ["restore", "restore_published"]

LARGEST_FILE = 64_000_000
LARGEST_ALL = 1_000_000_000
MOST_NAMES = 40_000

_INTERPRETER = re.compile(r"(python|pypy)(\d+(\.\d+)*)?t?")


def restore(
    tree: Tree,
    folder: Path,
    *,
    facts: Facts,
    root: PurePosixPath | None = None,
    python_home: str | None = None,
) -> tuple[str, ...]:
    """Write a tree into `folder`, which must be empty, and give the paths of files whose content isn't known.

    `root` and `python_home` say where commands will see the folder and the system Python: where that isn't as in `facts`,
    environments are moved there: first lines of scripts, pyvenv.cfg, activate scripts, `.pth` files and links.

    Raises:
        SandboxError: the folder isn't empty, or this disk can't hold the tree.
    """
    try:
        if any(folder.iterdir()):
            raise SandboxError(f"A workspace can only be restored into an empty folder, and {folder} isn't.")
        return _Restoration(tree, folder, facts, root or facts.root, python_home or facts.python_home).write()
    except OSError as error:
        raise SandboxError(
            f"The workspace can't be put together again: {error.strerror or error}.",
            "Make room on the disk that holds the temporary files, and check again.",
        ) from error


def restore_published(tree: Tree, folder: Path) -> None:
    """Write what was published from a workspace into `folder`, for an index to serve.

    Raises:
        SandboxError: this disk can't hold it.
    """
    try:
        (folder / "files").mkdir(parents=True, exist_ok=True)
        for path in ("journal.jsonl", *(f"files/{name}" for name in tree.names("files"))):
            entry = tree.entry(path)
            if entry is not None and is_published(path, entry.kind):
                with contextlib.suppress(FileNotFoundError):  # too large to travel: the index then lacks it
                    (folder / path).write_bytes(tree.read(path, LARGEST_FILE))
    except OSError as error:
        raise SandboxError(
            f"What was published can't be put together again: {error.strerror or error}.",
            "Make room on the disk that holds the temporary files, and check again.",
        ) from error


class _Restoration:
    def __init__(self, tree: Tree, folder: Path, facts: Facts, root: PurePosixPath, python_home: str) -> None:
        self.tree = tree
        self.folder = folder
        self.facts = facts
        self.python_home = python_home
        self.moves = {
            old: new for old, new in ((facts.python_home, python_home), (str(facts.root), str(root))) if old != new
        }
        self.environments: set[str] = set()
        self.bins: set[str | Outside] = set()
        self.files: dict[str, Entry] = {}
        self.links: dict[str, str] = {}

    def write(self) -> tuple[str, ...]:
        """Write everything, in the safe order."""
        self._look()
        self._replace_interpreters()
        missing = tuple(path for path, entry in self.files.items() if not self._write_file(path, entry))
        for path, target in self.links.items():
            (self.folder / path).symlink_to(self._move_path(target))
        return missing

    def _look(self) -> None:
        todo, count = [""], 0
        while todo:
            folder = todo.pop()
            for name in self.tree.names(folder):
                path = f"{folder}/{name}" if folder else name
                entry = self.tree.entry(path)
                count += 1
                if count > MOST_NAMES:
                    raise SandboxError(f"The workspace holds more than {MOST_NAMES:,} names.")
                if entry is None or entry.kind == "other" or "/" in name or name in ("", ".", ".."):
                    continue
                if entry.kind == "folder":
                    (self.folder / path).mkdir(0o755)
                    todo.append(path)
                    if name == "bin":
                        self.bins.add(path)
                elif entry.kind == "link":
                    self.links[path] = entry.target
                else:
                    self.files[path] = entry
                if name == "pyvenv.cfg":
                    self.environments.add(folder)

    def _replace_interpreters(self) -> None:
        """Let every `bin/python…` lead to the system Python, whatever stood there.

        Any folder called `bin`, and the one an environment uses by that name: a learner could hide what makes it an environment.
        """
        bins = {resolve(self.tree, f"{one}/bin" if one else "bin") for one in self.environments} | self.bins
        for where in bins:
            if isinstance(where, Outside):
                continue
            for name in self.tree.names(where):
                path = f"{where}/{name}"
                if _INTERPRETER.fullmatch(name) and not self._is_system_python(path):
                    self.files.pop(path, None)
                    entry = self.tree.entry(path)
                    if entry is not None and entry.kind != "folder":
                        self.links[path] = f"{self.facts.python_home}/python3"

    def _is_system_python(self, path: str) -> bool:
        where = resolve(self.tree, path)
        return (
            isinstance(where, Outside)
            and posixpath.dirname(where.target) == posixpath.normpath(self.facts.python_home)
            and _INTERPRETER.fullmatch(posixpath.basename(where.target)) is not None
        )

    def _write_file(self, path: str, entry: Entry) -> bool:
        try:
            data = self.tree.read(path, LARGEST_FILE)
        except FileNotFoundError:
            return False
        if self.moves and self._in_environment(path):
            data = self._move_text(data)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        handle = os.open(self.folder / path, flags, 0o755 if entry.executable else 0o644)
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        return True

    def _in_environment(self, path: str) -> bool:
        """Say whether a file of an environment holds its absolute path by its nature; packages' own files don't."""
        above = path
        while above:
            above = posixpath.dirname(above)
            if above in self.environments:
                break
        else:
            return False
        inside = posixpath.relpath(path, above or ".")
        folder, name = posixpath.split(inside)
        return (
            inside == "pyvenv.cfg"
            or folder == "bin"
            or name.endswith(".pth")
            or name.startswith("__editable__")
            or name == "direct_url.json"
        )

    def _move_text(self, data: bytes) -> bytes:
        moves = {os.fsencode(old): os.fsencode(new) for old, new in self.moves.items()}
        # a whole path: what follows is a slash, or nothing that a name could go on with
        pattern = b"(" + b"|".join(re.escape(old) for old in moves) + rb")(?![\w.+@-])"
        return re.sub(pattern, lambda found: moves[found[1]], data)

    def _move_path(self, path: str) -> str:
        for old, new in self.moves.items():
            if path == old or path.startswith(f"{old}/"):
                return new + path[len(old) :]
        return path
