"""What of a workspace's surroundings is carried along, and what is not: HOME, the system Python, git's objects."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from autograder.distribution import folder_name
from autograder.folder import LiveWorkspace
from autograder.folder.start import kept_start
from autograder.sandbox.redaction import LARGEST, redact
from autograder.sandbox.system_python import system_plan
from autograder.snapshot import LIMITS, SnapshotTree
from autograder.snapshot.state import FOLDER, Node, may_travel, nodes_of, travels
from autograder.tree import Entry, FolderTree, Tree, walk

__all__ = ["Kept", "home_to_carry", "installed_into_system", "with_git_objects"]

_SECRET = re.compile(
    r"(^|/)(\.pypirc|\.netrc|_netrc|\.git-credentials|\.ssh|\.gnupg|\.docker|\.aws|\.config/gh|keyrings?|\.env)(/|$)"
    r"|(^|/)(credentials|secrets?|tokens?)(\.[a-z]+)?(/|$)"
)
_CACHES = re.compile(r"(^|/)(\.cache|Caches|__pycache__|\.mypy_cache|\.ruff_cache|\.pytest_cache)(/|$)|\.lock$")
_HISTORIES = (".bash_history", ".zsh_history", ".python_history")
_MOST_OBJECTS = 4_000_000
"""Bytes of one repository's objects; what is beyond stays behind."""


class _Chosen:
    """A tree of which only some names are seen, and of these some with another content."""

    def __init__(self, tree: Tree, nodes: Mapping[str, Node], contents: Mapping[str, bytes]) -> None:
        self._tree, self._contents = tree, contents
        self.nodes = dict(nodes)
        for path, data in contents.items():
            self.nodes[path] = Node("file", hashlib.sha256(data).hexdigest(), len(data))

    @property
    def root(self) -> PurePosixPath:
        return self._tree.root

    def entry(self, path: str) -> Entry | None:
        node = self.nodes.get(path)
        return Entry(node.kind, node.executable, node.size, node.target) if node else None

    def names(self, path: str) -> list[str]:
        return [name for name in self._tree.names(path) if (f"{path}/{name}" if path else name) in self.nodes]

    def read(self, path: str, limit: int = 2_000_000) -> bytes:
        if path not in self.nodes:
            raise FileNotFoundError(path)
        return self._contents[path][:limit] if path in self._contents else self._tree.read(path, limit)

    def sha256(self, path: str) -> str:
        if path not in self.nodes:
            raise FileNotFoundError(path)
        return self.nodes[path].sha256


def with_git_objects(tree: FolderTree) -> Tree:
    """Give a workspace with the objects of its git repositories, without which git can't go on; a snapshot to be graded has none."""
    nodes = dict(nodes_of(tree))
    repositories = [path.removesuffix("/HEAD") for path in nodes if re.search(r"(^|/)\.git/HEAD$", path)]
    for repository in repositories:
        size = 0
        for path, entry in walk(tree, f"{repository}/objects"):
            if entry.kind == "file" and may_travel(path) and entry.size <= LIMITS.file_content:
                size += entry.size
                if size > _MOST_OBJECTS or len(nodes) >= LIMITS.names:
                    break
                nodes[path] = Node("file", tree.sha256(path), entry.size, entry.executable)
        for inside in ("objects", "refs", "refs/heads", "refs/tags"):
            if (found := tree.entry(f"{repository}/{inside}")) is not None and found.kind == "folder":
                nodes[f"{repository}/{inside}"] = FOLDER
    return _Chosen(tree, nodes, {})


def home_to_carry(live: LiveWorkspace) -> tuple[Tree, tuple[str, ...]]:
    """Give HOME without caches and secrets, and name what was left out because it may be one."""
    tree = FolderTree(live.place.home, PurePosixPath("/home/learner"))
    nodes: dict[str, Node] = {}
    contents: dict[str, bytes] = {}
    left: list[str] = []
    hidden: set[str] = set()
    for path, node in _without_caches(tree).items():
        if posixpath.dirname(path) in hidden or _SECRET.search(path):
            if posixpath.dirname(path) not in hidden:
                left.append(f"~/{path}")
            hidden.add(path)
            continue
        if path in _HISTORIES and node.kind == "file":
            contents[path] = _history_without_secrets(tree, path)
        elif node.kind == "file" and node.size <= LARGEST and "/site-packages/" not in path and _tells(tree, path):
            left.append(f"~/{path}")
            continue
        nodes[path] = node
    return _Chosen(tree, nodes, contents), tuple(left)


def _without_caches(tree: Tree) -> dict[str, Node]:
    seen = _Walked(tree)
    return seen.nodes


class _Walked:
    """What is looked at of HOME: caches aren't even listed."""

    def __init__(self, tree: Tree) -> None:
        self.nodes: dict[str, Node] = {}
        todo = [""]
        while todo:
            above = todo.pop()
            for name in tree.names(above):
                path = f"{above}/{name}" if above else name
                entry = tree.entry(path)
                if entry is None or _CACHES.search(path) or not travels(path) or len(self.nodes) >= LIMITS.names:
                    continue
                if entry.kind == "folder":
                    self.nodes[path] = FOLDER
                    todo.append(path)
                elif entry.kind == "file":
                    self.nodes[path] = Node("file", _hash(tree, path), entry.size, entry.executable)
                elif entry.kind == "link":
                    self.nodes[path] = Node("link", target=entry.target)
        self.nodes = dict(sorted(self.nodes.items()))


def _hash(tree: Tree, path: str) -> str:
    try:
        return tree.sha256(path)
    except FileNotFoundError:
        return ""


def _tells(tree: Tree, path: str) -> bool:
    """Say whether a small text holds what looks like a secret."""
    try:
        text = tree.read(path, LARGEST).decode("utf-8")
    except (FileNotFoundError, UnicodeDecodeError):
        return False
    return redact(text) != text[:LARGEST]


def _history_without_secrets(tree: Tree, path: str) -> bytes:
    lines = tree.read(path, 200_000).decode("utf-8", "replace").splitlines()[-2000:]
    return "".join(f"{redact(line)}\n" for line in lines).encode("utf-8", "replace")


def installed_into_system(live: LiveWorkspace) -> tuple[str, ...]:
    """Name the distributions which the learner has in the system Python besides its own."""
    found = []
    start = kept_start(live)
    beyond = start.beyond if start else {}
    for part, plan in system_plan(live.place.system, live.sandbox.python_home(live.place)).items():
        if not part.endswith("site-packages"):
            continue
        for name in FolderTree(live.place.system / part).names(""):
            if name not in plan and name not in beyond.get(part, {}) and (label := folder_name(name)) is not None:
                found.append(f"{label[0]} {label[1]} (in the system Python)")
    return tuple(found)


@dataclass(frozen=True)
class Kept:
    """What became of a workspace on its way."""

    tree: SnapshotTree
    missing: tuple[str, ...]
    """Files whose content didn't come along."""

    @cached_property
    def environments(self) -> tuple[str, ...]:
        """The environments in it."""
        found = (path for path, node in self.tree.nodes.items() if posixpath.basename(path) == "pyvenv.cfg")
        return tuple(posixpath.dirname(path) or "." for path in found)

    @cached_property
    def without_pip(self) -> tuple[str, ...]:
        """The environments whose pip came with another Python than this machine's."""
        lacking = [path for path in self.missing if re.search(r"/site-packages/(pip|setuptools|pkg_resources)/", path)]
        return tuple(one for one in self.environments if any(path.startswith(f"{one}/lib/") for path in lacking))

    @cached_property
    def lost(self) -> tuple[str, ...]:
        """What else didn't come along."""
        return tuple(
            path for path in self.missing if not any(path.startswith(f"{one}/lib/") for one in self.without_pip)
        )

    @property
    def has_tokens(self) -> bool:
        """Whether tokens were made for an index."""
        if self.tree.published is None:
            return False
        try:
            return b'"kind":"token"' in self.tree.published.read("journal.jsonl", 16 << 20)
        except FileNotFoundError:
            return False
