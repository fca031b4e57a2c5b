"""Make a snapshot: list the state, and carry what a grader can't have."""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from autograder.distribution import Known, KnownWheel, folder_name
from autograder.facts import Facts
from autograder.snapshot.records import thin
from autograder.snapshot.state import FOLDER, LIMITS, PUBLISHED, Node, join, nodes_of, require_bounds
from autograder.tree import Kind, Tree

__all__ = ["FORMAT", "VERSION", "is_published", "pack", "wheel_mark"]

FORMAT = "wheelhouse-snapshot"
VERSION = 1


class _Both:
    """A workspace's files, and below `PUBLISHED` what was published from it."""

    def __init__(self, project: Tree, published: Tree | None) -> None:
        """Look at both; a name of the workspace's own that would stand in the way isn't seen."""
        top = PUBLISHED.partition("/")[0]
        self.nodes = {path: node for path, node in sorted(nodes_of(project).items()) if path.partition("/")[0] != top}
        self._project, self._published = project, published
        found: dict[str, Node] = {}
        if published is not None:
            seen = nodes_of(published)
            found = {path: node for path, node in seen.items() if is_published(path, node.kind)}
        if "journal.jsonl" in found:
            for folder in (top, PUBLISHED):
                self.nodes[folder] = FOLDER
            self.nodes.update((f"{PUBLISHED}/{path}", node) for path, node in found.items())

    def read(self, path: str, limit: int) -> bytes:
        """Give a file's content, as `Tree.read` does."""
        inside = path.removeprefix(f"{PUBLISHED}/")
        if inside != path and self._published is not None:
            return self._published.read(inside, limit)
        return self._project.read(path, limit)


def is_published(path: str, kind: Kind) -> bool:
    """Say whether this is the index's journal, or a file that the journal may speak of; keys of tokens stay at home."""
    if path == "files":
        return kind == "folder"
    return kind == "file" and (path == "journal.jsonl" or re.fullmatch(r"files/[0-9a-f]{64}", path) is not None)


def pack(
    tree: Tree,
    facts: Facts,
    known: Known,
    *,
    exercise: str = "",
    published: Tree | None = None,
    kept: dict[str, bytes] | None = None,
) -> bytes:
    """Make the snapshot of a workspace, and of what was `published` from it.

    `kept` holds the contents that travelled last time, by hash, so that they aren't read again; those of this time are put there instead.

    Raises:
        SnapshotError: it holds more than a snapshot may.
    """
    both = _Both(tree, published)
    nodes = both.nodes
    found = _find_wheels(nodes, known)
    covered = {join(one.folder, inside) for one in found for inside in one.covered}
    contents = _contents(both, nodes, covered, known, kept if kept is not None else {})
    wheels, placed = _list_wheels(found, nodes, known)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "exercise": exercise,
        "facts": {
            "root": str(facts.root),
            "python_home": facts.python_home,
            "python_version": facts.python_version,
            **({"seed": facts.seed} if facts.seed else {}),
        },
        "trees": {"project": {"folders": _folders(nodes, covered), "placed": placed}},
        "wheels": wheels,
        "contents": [one.row() for one in contents],
    }
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    if len(text) > LIMITS.manifest:
        require_bounds("", LIMITS.names + 1, 0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("manifest.json", text), ("contents", b"".join(one.data for one in contents))):
            member = zipfile.ZipInfo(name)  # dated 1980: the same state, the same bytes
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=6)
    return buffer.getvalue()


@dataclass(frozen=True)
class _Placed:
    """An installed distribution whose files are, but for some, those of a known wheel."""

    folder: str
    wheel: KnownWheel
    covered: frozenset[str]
    """The files, by their paths in the wheel, that are as in it."""


def _find_wheels(nodes: Mapping[str, Node], known: Known) -> list[_Placed]:
    """Find where the files of known wheels lie: beside a dist-info, most of them unchanged."""
    found: list[_Placed] = []
    taken: set[str] = set()
    for path, node in sorted(nodes.items()):
        folder, _, name = path.rpartition("/")
        label = folder_name(name) if node.kind == "folder" else None
        if label is None:
            continue
        candidates = []
        for wheel in known.wheels(*label):
            same = frozenset(
                inside
                for inside, hashed in wheel.files.items()
                if (place := join(folder, inside)) not in taken
                and (there := nodes.get(place)) is not None
                and there.sha256 == hashed
                and not there.executable
            )
            candidates.append(_Placed(folder, wheel, same))
        best = max(candidates, key=lambda one: (len(one.covered), one.wheel.filename), default=None)
        if best is not None and best.covered:
            found.append(best)
            taken.update(join(folder, inside) for inside in best.covered)
    return found


def wheel_mark(wheel: KnownWheel) -> str:
    """Tell editions of a wheel apart: its name alone doesn't say what is in it."""
    table = json.dumps(sorted(wheel.files.items()), separators=(",", ":"))
    return hashlib.sha256(table.encode()).hexdigest()[:16]


def _list_wheels(
    found: list[_Placed], nodes: Mapping[str, Node], known: Known
) -> tuple[list[list[Any]], list[list[Any]]]:
    """List each wheel once, and where its files lie, with those that are not there or not the same.

    A wheel that every grader has (the index's, locked by hash) is named, and only the sizes of its files are said.
    One that came with the learner's Python is listed, since a grader's Python may have come with another.
    """
    sizes: dict[str, dict[str, int]] = {}
    for one in found:
        table = sizes.setdefault(one.wheel.filename, {})
        table.update((inside, nodes[join(one.folder, inside)].size) for inside in one.covered)
    order = sorted(sizes)
    listed: dict[str, KnownWheel] = {one.wheel.filename: one.wheel for one in found}
    wheels: list[list[Any]] = []
    named: set[str] = set()
    for filename in order:
        wheel, table = listed[filename], sizes[filename]
        if wheel.origin != "ensurepip" and known.wheel(filename) == wheel:
            named.add(filename)
            wheels.append([filename, wheel_mark(wheel), [table.get(path, 0) for path in sorted(wheel.files)]])
        else:
            wheels.append([filename, [[path, wheel.files[path], size] for path, size in sorted(table.items())]])
    placed = []
    for one in found:
        filename = one.wheel.filename
        whole = set(one.wheel.files) if filename in named else set(sizes[filename])
        placed.append([one.folder, order.index(filename), sorted(whole - one.covered)])
    return wheels, sorted(placed)


def _is_installed_code(path: str) -> bool:
    """Say whether no reading check reads this file: one of site-packages, but not of a dist-info nor at the top (`.pth`)."""
    _, inside, below = path.partition("/site-packages/")
    first, slash, _ = below.partition("/")
    return bool(inside and slash) and folder_name(first) is None


@dataclass(frozen=True)
class _Content:
    name: str
    sha256: str
    size: int
    data: bytes
    record: str = ""
    """The RECORD's path if `data` is that RECORD thinned."""

    def row(self) -> list[Any]:
        return [self.sha256, self.size, len(self.data), self.record] if self.record else [self.sha256, self.size]


def _contents(
    tree: _Both, nodes: dict[str, Node], covered: set[str], known: Known, kept: dict[str, bytes]
) -> list[_Content]:
    """Read all but the code of known distributions and what is `kept`; what changed since it was hashed is hashed again."""
    found: dict[str, _Content] = {}
    for path, node in sorted(nodes.items()):
        if node.kind != "file" or node.sha256 in found or not node.sha256 or node.size > LIMITS.file_content:
            continue
        if _is_installed_code(path) and (path in covered or known.content(node.sha256) is not None):
            continue
        data = kept.get(node.sha256)
        if data is not None:
            found[node.sha256] = _Content(posixpath.basename(path), node.sha256, len(data), data, path)
            continue
        try:
            data = tree.read(path, LIMITS.file_content + 1)
        except FileNotFoundError:
            continue
        if len(data) > LIMITS.file_content:
            continue
        hashed = hashlib.sha256(data).hexdigest()
        if hashed != node.sha256:
            nodes[path] = Node("file", hashed, len(data), node.executable)
        found[hashed] = _Content(posixpath.basename(path), hashed, len(data), data, path)
    sizes = {one.sha256: one.size for one in found.values()}
    for path, node in nodes.items():
        if node.sha256 and sizes.setdefault(node.sha256, node.size) != node.size:
            # it grew after its size was looked at, and before it was hashed
            nodes[path] = Node("file", node.sha256, sizes[node.sha256], node.executable)
    chosen, room = [], LIMITS.all_content
    for one in sorted(found.values(), key=lambda one: (one.size, one.sha256)):
        if one.size <= room:
            room -= one.size
            short = thin(one.data, one.record, nodes) if one.record.endswith(".dist-info/RECORD") else None
            record = one.record if short is not None else ""
            chosen.append(_Content(one.name, one.sha256, one.size, short if short is not None else one.data, record))
    kept.clear()
    kept.update((one.sha256, found[one.sha256].data) for one in chosen)
    # like names side by side: the second environment's `activate` then costs next to nothing
    return sorted(chosen, key=lambda one: (one.name, one.size, one.sha256))


def _folders(nodes: Mapping[str, Node], covered: set[str]) -> list[list[Any]]:
    """List each folder that has a name to tell, or none at all, with its names."""
    listed: dict[str, list[list[Any]]] = {}
    parents = {path.rpartition("/")[0] for path in nodes}
    for path, node in sorted(nodes.items()):
        folder, _, name = path.rpartition("/")
        if node.kind == "folder":
            if path not in parents:
                listed[path] = []
        elif path not in covered:
            listed.setdefault(folder, []).append(_item(name, node))
    return [[folder, items] for folder, items in sorted(listed.items())]


def _item(name: str, node: Node) -> list[Any]:
    if node.kind == "link":
        return [name, node.target]
    if node.kind == "other":
        return [name]
    return [name, node.sha256, node.size, 1] if node.executable else [name, node.sha256, node.size]
