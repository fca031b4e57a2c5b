"""Put a workspace's state back into a folder of this disk, so that acting checks can run something in it.

The state is a learner's, and may be hostile. Into an empty folder go first the folders, then the files, the links last:
so nothing is ever written through a link. An interpreter of the learner's is never restored: in its place stands a link to the system Python
(but `exact`, for the learner's own machine, where links stay as they were).
Nothing that is written is shared with anything outside the folder: whoever runs in it may write to all of it, in place.
"""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from autograder.exceptions import SandboxError
from autograder.snapshot.packing import is_published
from autograder.snapshot.state import Node, join, nodes_of
from autograder.tree import Outside, Tree, resolve

if TYPE_CHECKING:
    from autograder.facts import Facts

__all__ = ["restore", "restore_published"]

LARGEST_FILE = 64_000_000
LARGEST_ALL = 1_000_000_000
MOST_NAMES = 40_000


class _Store(Protocol):
    def __contains__(self, sha256: str) -> bool: ...

    def content(self, sha256: str) -> bytes | None:
        """Give a known file's content."""
        ...


_CUSTOMIZE = re.compile(r"(^|/)(site|user)customize(\.[^/]*)?(/|$)")
_INTERPRETER = re.compile(r"(python|pypy)(\d+(\.\d+)*)?t?")


def restore(
    tree: Tree,
    folder: Path,
    *,
    facts: Facts,
    root: PurePosixPath | None = None,
    python_home: str | None = None,
    store: _Store | None = None,
    sealed: bool = False,
    exact: bool = False,
) -> tuple[str, ...]:
    """Write a tree into `folder`, which must be empty, and give the paths of files whose content isn't known.

    `root` and `python_home` say where commands will see the folder and the system Python: where that isn't as in `facts`,
    environments are moved there: first lines of scripts, pyvenv.cfg, activate scripts, `.pth` files and links.
    `store` gives the content of known files quickly. With `sealed` nothing is put back that Python would run or obey by itself,
    before the program it was started for: `sitecustomize`, lines of code in `.pth` files, another `home`.
    With `exact` the learner goes on working in it: links stay as they were, broken ones too, and no two names share a file.

    Raises:
        SandboxError: the folder isn't empty, or this disk can't hold the tree.
    """
    try:
        if any(folder.iterdir()):
            raise SandboxError(f"A workspace can only be restored into an empty folder, and {folder} isn't.")
        return _Restoration(
            tree, folder, facts, root or facts.root, python_home or facts.python_home, store, sealed=sealed, exact=exact
        ).write()
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


def _stands_in(path: str, data: bytes) -> bool:
    """Say whether a file is bytecode that Python would run in its source's place, whatever it holds, because of a hash (PEP 552).

    Anybody can write the hash of a source into the bytecode of another. Left out, Python compiles the source that was read.
    Bytecode which is trusted by its source's time isn't trusted here anyhow: every file has the time at which it was put back.
    """
    return path.endswith(".pyc") and posixpath.basename(posixpath.dirname(path)) == "__pycache__" and data[4:5] > b"\0"


class _Restoration:
    def __init__(
        self,
        tree: Tree,
        folder: Path,
        facts: Facts,
        root: PurePosixPath,
        python_home: str,
        store: _Store | None,
        *,
        sealed: bool,
        exact: bool,
    ) -> None:
        self.tree = tree
        self.folder = str(folder)
        self.facts = facts
        self.python_home = python_home
        self.store = store
        self.sealed = sealed
        self.exact = exact
        self.moves = {
            old: new for old, new in ((facts.python_home, python_home), (str(facts.root), str(root))) if old != new
        }
        self.nodes = {path: node for path, node in nodes_of(tree).items() if node.kind != "other"}
        self.environments = {posixpath.dirname(path) for path in self.nodes if posixpath.basename(path) == "pyvenv.cfg"}
        self.interpreters: list[str] = []
        self.written: dict[str, str] = {}
        """Where each content of the store was written first."""

    def write(self) -> tuple[str, ...]:
        """Write everything, in the safe order: folders, then files, the links last, so nothing is written through one."""
        if len(self.nodes) > MOST_NAMES:
            raise SandboxError(f"The workspace holds more than {MOST_NAMES:,} names.")
        self._replace_interpreters()
        if self.sealed:
            self.nodes = {path: node for path, node in self.nodes.items() if not self._starts_by_itself(path, node)}
        missing, links = [], []
        for path, node in sorted(self.nodes.items()):  # a folder comes before what is in it
            if node.kind == "folder":
                os.mkdir(f"{self.folder}/{path}", 0o755)  # noqa: PTH102 - thousands of names: pathlib doubles the time
            elif node.kind == "link":
                links.append((path, self._move_path(node.target)))
            elif not self._write_file(path, node):
                missing.append(path)
        for path, target in (*links, *((path, f"{self.python_home}/python3") for path in self.interpreters)):
            os.symlink(target, f"{self.folder}/{path}")  # noqa: PTH211 - likewise
        return tuple(missing)

    def _replace_interpreters(self) -> None:
        """Let every `bin/python…` lead to the system Python, whatever stood there.

        Any folder called `bin`, and the one an environment uses by that name: a learner could hide what makes it an environment.
        """
        bins: set[str | Outside] = {
            path for path, node in self.nodes.items() if node.kind == "folder" and posixpath.basename(path) == "bin"
        }
        bins |= {resolve(self.tree, join(one, "bin")) for one in self.environments}
        for path, node in list(self.nodes.items()):
            where, _, name = path.rpartition("/")
            if where in bins and node.kind != "folder" and _INTERPRETER.fullmatch(name) and not self._stays(path, node):
                del self.nodes[path]
                self.interpreters.append(path)

    def _stays(self, path: str, node: Node) -> bool:
        """Say whether an interpreter is put back as it was: a link, or a small file; a binary doesn't travel."""
        if not self.exact or node.kind == "link":
            return self.exact
        try:
            self.tree.read(path, 1)
        except FileNotFoundError:
            return False
        return True

    @staticmethod
    def _starts_by_itself(path: str, node: Node) -> bool:
        """Say whether Python would run or obey this before the program that was asked for.

        `sitecustomize` and `usercustomize`, wherever `PYTHONPATH` may find them; `python._pth` beside an interpreter, which replaces
        the standard library; what should be read before it is written (`.pth`, `pyvenv.cfg`), but is a link.
        """
        if "customize" in path and _CUSTOMIZE.search(path):
            return True
        name = path.rpartition("/")[2]
        if node.kind == "folder":
            return False
        return (
            name.endswith("._pth")
            or name == "pybuilddir.txt"
            or (node.kind == "link" and (name.endswith(".pth") or name == "pyvenv.cfg"))
        )

    def _write_file(self, path: str, node: Node) -> bool:
        place = f"{self.folder}/{path}"
        known = self.store is not None and node.sha256 in self.store
        shared = known and not self.exact
        if shared and not node.executable and not path.endswith((".pth", "pyvenv.cfg")) and "/site-packages/" in path:
            first = self.written.setdefault(node.sha256, place)
            # the same file of several environments: installers replace such files, and never write into them
            if first is not place:
                os.link(first, place)
                return True
        data = self.store.content(node.sha256) if known and self.store is not None else None
        if data is None:
            try:
                data = self.tree.read(path, LARGEST_FILE)
            except FileNotFoundError:
                self.written.pop(node.sha256, None)
                return False
        if self.sealed and _stands_in(path, data):
            return True
        if self.moves and self._in_environment(path):
            data = self._move_text(data)
        if self.sealed and path.endswith("pyvenv.cfg"):
            data = self._config(data)
        elif self.sealed and path.endswith(".pth"):
            lines = data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)  # newer Pythons overlook that mark
            data = b"".join(line for line in lines if not line.startswith((b"import ", b"import\t")))
        handle = os.open(
            place, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o755 if node.executable else 0o644
        )
        try:
            view = memoryview(data)
            while view:
                view = view[os.write(handle, view) :]
        finally:
            os.close(handle)
        return True

    def _config(self, data: bytes) -> bytes:
        """Write a `pyvenv.cfg` anew with the system Python as its home: another one's standard library could be anything."""
        settings = {"home": self.python_home}
        for line in re.split(r"\r\n|\r|\n", data.decode("utf-8-sig", "replace")):
            key, equals, value = line.partition("=")
            if equals and re.fullmatch(r"[A-Za-z_-]{1,40}", key.strip()) and key.strip().lower() != "home":
                settings[key.strip().lower()] = "".join(letter for letter in value.strip() if letter.isprintable())
        return "".join(f"{key} = {value}\n" for key, value in settings.items()).encode()

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
