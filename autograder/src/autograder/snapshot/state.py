"""What a snapshot says of each name of a workspace, and which names belong to the state at all."""

from __future__ import annotations

import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from json.encoder import encode_basestring_ascii as _quoted
from typing import Protocol, runtime_checkable

from autograder.exceptions import SnapshotError
from autograder.gitfiles import commit_places, head
from autograder.tree import Entry, Kind, Tree, scan

__all__ = [
    "FOLDER",
    "LIMITS",
    "PUBLISHED",
    "Limits",
    "Node",
    "digest",
    "join",
    "may_travel",
    "nodes_of",
    "require_bounds",
    "travels",
]


@dataclass(frozen=True)
class Limits:
    """Bounds of one snapshot; sizes in bytes."""

    names: int = 20_000
    """Files, folders and links together."""
    path: int = 512
    depth: int = 64
    file_content: int = 2_000_000
    """A larger file travels as its hash."""
    all_content: int = 8_000_000
    """Contents together: the smallest files first, the others travel as hashes."""
    manifest: int = 5_000_000
    snapshot: int = 14_000_000
    hashed: int = 2_000_000_000
    """Files together: more isn't looked at."""


LIMITS = Limits()


@dataclass(frozen=True)
class Node:
    """What stands under one name."""

    kind: Kind
    sha256: str = ""
    """Empty for what is no file, and for a file which could not be read."""
    size: int = 0
    executable: bool = False
    target: str = ""


FOLDER = Node("folder")
PUBLISHED = ".wheelhouse/published"
"""Where a snapshot keeps what was published from the workspace; its top folder is nobody else's."""


def travels(path: str) -> bool:
    """Say whether a path belongs to the state: bytecode of installed packages and git's objects, hooks and logs don't.

    Of git's objects the last commit travels nevertheless: see `may_travel`.
    """
    if "__pycache__" not in path and ".git" not in path:
        return True
    parts = path.split("/")
    if "__pycache__" in parts and "site-packages" in parts[: parts.index("__pycache__")]:
        return False
    if ".git" in parts:
        inside = parts[parts.index(".git") + 1 : -1]
        first = next((part for part in inside if part in ("refs", "objects", "hooks", "logs")), "refs")
        return first == "refs"  # a branch may be called logs
    return True


_GIT_OBJECT = re.compile(
    r"(.*/)?\.git/objects/([0-9a-f]{2}(/[0-9a-f]{38,62})?|pack(/pack-[0-9a-f]{40,64}\.(idx|pack))?)"
)


def may_travel(path: str) -> bool:
    """Say whether a snapshot may name a path: what travels, and files in which git keeps a commit."""
    return travels(path) or _GIT_OBJECT.fullmatch(path) is not None


def _last_commits(tree: Tree, nodes: dict[str, Node]) -> Iterator[str]:
    """Name the files in which the last commit of each repository lies: without them nobody can tell what was committed."""
    for path in sorted(nodes):
        found = path.endswith("/HEAD") and re.fullmatch(r"((?:.*/)?\.git)(/worktrees/[^/]+)?/HEAD", path)
        if found:
            commit = head(tree, path.removesuffix("/HEAD"), found[1])
            for place in commit_places(tree, found[1], commit) if commit else ():
                if may_travel(place):
                    yield place


@runtime_checkable
class _HasNodes(Protocol):
    nodes: Mapping[str, Node]


def nodes_of(tree: Tree) -> Mapping[str, Node]:
    """Look at everything that travels; raises SnapshotError if there is too much of it."""
    if isinstance(tree, _HasNodes):
        return tree.nodes
    found: dict[str, Node] = {}
    size = 0
    for path, entry, hashed in scan(tree, travels):
        size += entry.size
        require_bounds(path, len(found) + 1, size)
        if entry.kind == "folder":
            found[path] = FOLDER
        else:
            found[path] = Node(entry.kind, hashed(), entry.size, entry.executable, entry.target)
    for path in list(_last_commits(tree, found)):
        lying = tree.entry(path)
        if lying is not None and lying.kind == "file":
            found[posixpath.dirname(path)] = FOLDER
            found[path] = _node(tree, path, lying)
            require_bounds(path, len(found), size)
    return found


def require_bounds(path: str, count: int, size: int) -> None:
    """Raise SnapshotError if a path, the number of names or their size together is more than a snapshot may hold."""
    trouble = ""
    if count > LIMITS.names:
        trouble = f"more than {LIMITS.names:,} files and folders"
    elif len(path) > LIMITS.path or path.count("/") >= LIMITS.depth:
        trouble = f"folders more than {LIMITS.depth} deep, or paths longer than {LIMITS.path} letters"
    elif size > LIMITS.hashed:
        trouble = f"more than {LIMITS.hashed // 1_000_000:,} MB"
    if trouble:
        raise SnapshotError(
            f"The workspace holds {trouble}, too much for a snapshot.",
            "Remove what doesn't belong to the exercise, and check again; `du -a | sort -n | tail` shows the largest.",
        )


def _node(tree: Tree, path: str, entry: Entry) -> Node:
    if entry.kind != "file":
        return Node(entry.kind, target=entry.target)
    try:
        return Node("file", tree.sha256(path), entry.size, entry.executable)
    except FileNotFoundError:
        return Node("file", "", entry.size, entry.executable)


def digest(tree: Tree) -> str:
    """Hash all that a check's result can depend on, in hexadecimal: names, kinds, executable bits, contents, targets, root."""
    lines = [
        # as json.dumps writes the list of these five, in a third of its time
        f'[{_quoted(path)}, "{node.kind}", {_quoted(node.sha256)}, {"true" if node.executable else "false"}, {_quoted(node.target)}]\n'
        for path, node in sorted(nodes_of(tree).items())
    ]
    head = f"{tree.root}\n".encode("utf-8", "surrogateescape")
    return hashlib.sha256(head + "".join(lines).encode()).hexdigest()


def join(folder: str, path: str) -> str:
    """Put a path under a folder, which may be the top."""
    return f"{folder}/{path}" if folder else path
