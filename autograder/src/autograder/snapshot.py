"""A workspace's state as a small file: what is submitted, and what is checked.

A snapshot is a zip file with two members, which `unzip -p 06.snapshot manifest.json` shows:

``manifest.json``
    which names stand where: kind, executable bit, SHA-256 and size of every file, target of every link.
    The files of a known wheel are listed once, however often it is installed.
``contents``
    one after another the files which the grader can't have: all but the code of known distributions.

What a reading check may ask for is in the snapshot itself, so a grader with another Python or another mirror reads the same;
only acting checks need the content of known wheels.

The same state gives the same bytes (on one machine: another zlib may compress otherwise; what is read from it is equal).
Bytecode under `site-packages` doesn't travel, nor do git's objects, hooks and logs: no check can ask for them.

Whoever opens a snapshot treats it as hostile: count, size and depth are bounded before anything is kept,
every content is hashed again, no name leaves the workspace, and links are data.
"""

from __future__ import annotations

import hashlib
import io
import json
import posixpath
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NoReturn

from autograder.distribution import Known, folder_name
from autograder.environment import Facts
from autograder.exceptions import SnapshotError
from autograder.restoration import restore
from autograder.tree import Entry, Kind, Tree

__all__ = ["Limits", "SnapshotTree", "digest", "pack", "restore", "travels"]

FORMAT = "wheelhouse-snapshot"
VERSION = 1


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
class _Node:
    kind: Kind
    sha256: str = ""
    """Empty for what is no file, and for a file which could not be read."""
    size: int = 0
    executable: bool = False
    target: str = ""


_FOLDER = _Node("folder")


def travels(path: str) -> bool:
    """Say whether a path belongs to the state: bytecode of installed packages and git's objects, hooks and logs don't."""
    parts = path.split("/")
    if "__pycache__" in parts and "site-packages" in parts[: parts.index("__pycache__")]:
        return False
    if ".git" in parts:
        inside = parts[parts.index(".git") + 1 : -1]
        return "refs" in inside or not {"objects", "hooks", "logs"}.intersection(inside)
    return True


def _nodes(tree: Tree) -> dict[str, _Node]:
    """Look at everything that travels; raises SnapshotError if there is too much of it."""
    if isinstance(tree, SnapshotTree):
        return tree._nodes
    found: dict[str, _Node] = {}
    todo, size = [""], 0
    while todo:
        folder = todo.pop()
        for name in tree.names(folder):
            path = f"{folder}/{name}" if folder else name
            if not travels(path):
                continue
            entry = tree.entry(path)
            if entry is None:  # gone since it was listed
                continue
            size += entry.size
            _require_bounds(path, len(found) + 1, size)
            found[path] = _node(tree, path, entry)
            if entry.kind == "folder":
                todo.append(path)
    return found


def _require_bounds(path: str, count: int, size: int) -> None:
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


def _node(tree: Tree, path: str, entry: Entry) -> _Node:
    if entry.kind != "file":
        return _Node(entry.kind, target=entry.target)
    try:
        return _Node("file", tree.sha256(path), entry.size, entry.executable)
    except FileNotFoundError:
        return _Node("file", "", entry.size, entry.executable)


def digest(tree: Tree) -> str:
    """Hash all that a check's result can depend on, in hexadecimal: names, kinds, executable bits, contents, targets, root."""
    found = hashlib.sha256(f"{tree.root}\n".encode("utf-8", "surrogateescape"))
    for path, node in sorted(_nodes(tree).items()):
        line = json.dumps([path, node.kind, node.sha256, node.executable, node.target])
        found.update(line.encode() + b"\n")
    return found.hexdigest()


# Packing


def pack(tree: Tree, facts: Facts, known: Known, *, exercise: str = "") -> bytes:
    """Make the snapshot of a workspace.

    Raises:
        SnapshotError: it holds more than a snapshot may.
    """
    nodes = dict(_nodes(tree))
    found = _find_wheels(nodes, known)
    covered = {_join(one.folder, inside) for one in found for inside in one.covered}
    contents = _contents(tree, nodes, covered, known)
    wheels, placed = _list_wheels(found, nodes)
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "exercise": exercise,
        "facts": {
            "root": str(facts.root),
            "python_home": facts.python_home,
            "python_version": facts.python_version,
        },
        "trees": {"project": {"folders": _folders(nodes, covered), "placed": placed}},
        "wheels": wheels,
        "contents": [[hashed, len(data)] for hashed, data in contents],
    }
    text = json.dumps(manifest, sort_keys=True, separators=(",", ":")).encode()
    if len(text) > LIMITS.manifest:
        _require_bounds("", LIMITS.names + 1, 0)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, data in (("manifest.json", text), ("contents", b"".join(data for _, data in contents))):
            member = zipfile.ZipInfo(name)  # dated 1980: the same state, the same bytes
            member.create_system = 3
            member.external_attr = 0o644 << 16
            archive.writestr(member, data, zipfile.ZIP_DEFLATED, compresslevel=6)
    return buffer.getvalue()


@dataclass(frozen=True)
class _Placed:
    """An installed distribution whose files are, but for some, those of a known wheel."""

    folder: str
    filename: str
    covered: frozenset[str]
    """The files, by their paths in the wheel, that are as in it."""


def _find_wheels(nodes: Mapping[str, _Node], known: Known) -> list[_Placed]:
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
                if (place := _join(folder, inside)) not in taken
                and (there := nodes.get(place)) is not None
                and there.sha256 == hashed
                and not there.executable
            )
            candidates.append(_Placed(folder, wheel.filename, same))
        best = max(candidates, key=lambda one: (len(one.covered), one.filename), default=None)
        if best is not None and best.covered:
            found.append(best)
            taken.update(_join(folder, inside) for inside in best.covered)
    return found


def _list_wheels(found: list[_Placed], nodes: Mapping[str, _Node]) -> tuple[list[list[Any]], list[list[Any]]]:
    """List each wheel's files once, and where they lie, with the files that are not there or not the same."""
    tables: dict[str, dict[str, list[Any]]] = {}
    for one in found:
        table = tables.setdefault(one.filename, {})
        for inside in one.covered:
            node = nodes[_join(one.folder, inside)]
            table[inside] = [inside, node.sha256, node.size]
    order = sorted(tables)
    wheels = [[filename, [row for _, row in sorted(tables[filename].items())]] for filename in order]
    placed = [
        [one.folder, order.index(one.filename), sorted(set(tables[one.filename]) - one.covered)]
        for one in sorted(found, key=lambda one: (one.folder, one.filename))
    ]
    return wheels, placed


def _join(folder: str, path: str) -> str:
    return f"{folder}/{path}" if folder else path


def _is_installed_code(path: str) -> bool:
    """Say whether no reading check reads this file: one of site-packages, but not of a dist-info nor at the top (`.pth`)."""
    _, inside, below = path.partition("/site-packages/")
    first, slash, _ = below.partition("/")
    return bool(inside and slash) and folder_name(first) is None


def _contents(tree: Tree, nodes: dict[str, _Node], covered: set[str], known: Known) -> list[tuple[str, bytes]]:
    """Read all but the code of known distributions; what changed since it was hashed is hashed again."""
    found: dict[str, tuple[str, bytes]] = {}
    for path, node in sorted(nodes.items()):
        if node.kind != "file" or node.sha256 in found or not node.sha256 or node.size > LIMITS.file_content:
            continue
        if _is_installed_code(path) and (path in covered or known.content(node.sha256) is not None):
            continue
        try:
            data = tree.read(path, LIMITS.file_content + 1)
        except FileNotFoundError:
            continue
        if len(data) > LIMITS.file_content:
            continue
        hashed = hashlib.sha256(data).hexdigest()
        if hashed != node.sha256:
            nodes[path] = _Node("file", hashed, len(data), node.executable)
        found[hashed] = (posixpath.basename(path), data)
    chosen, room = [], LIMITS.all_content
    for hashed, (name, data) in sorted(found.items(), key=lambda item: (len(item[1][1]), item[0])):
        if len(data) <= room:
            room -= len(data)
            chosen.append((name, hashed, data))
    # like names side by side: the second environment's `activate` then costs next to nothing
    return [(hashed, data) for name, hashed, data in sorted(chosen)]


def _folders(nodes: Mapping[str, _Node], covered: set[str]) -> list[list[Any]]:
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


def _item(name: str, node: _Node) -> list[Any]:
    if node.kind == "link":
        return [name, node.target]
    if node.kind == "other":
        return [name]
    return [name, node.sha256, node.size, 1] if node.executable else [name, node.sha256, node.size]


# Opening


class SnapshotTree:
    """A snapshot's workspace: it answers as the folder did when the snapshot was made."""

    LARGEST = LIMITS.snapshot
    """In bytes; a larger file is no snapshot."""

    def __init__(
        self, nodes: dict[str, _Node], contents: Mapping[str, bytes], known: Known, facts: Facts, exercise: str
    ) -> None:
        """Keep what `open` has read."""
        self.facts = facts
        self.exercise = exercise
        """The exercise's id; empty for a workspace that belongs to none."""
        self._nodes = nodes
        self._contents = contents
        self._known = known
        self._names: dict[str, list[str]] = {"": []}
        for path, node in nodes.items():
            folder, _, name = path.rpartition("/")
            self._names.setdefault(folder, []).append(name)
            if node.kind == "folder":
                self._names.setdefault(path, [])
        for names in self._names.values():
            names.sort()

    @classmethod
    def open(cls, data: bytes, known: Known) -> SnapshotTree:
        """Read a snapshot, which may be hostile.

        Raises:
            SnapshotError: it is damaged, hostile, too large, or was made with distributions this course doesn't know.
        """
        manifest, joined = _members(data)
        reader = _ManifestReader(manifest, known)
        contents: dict[str, bytes] = {}
        start = 0
        for hashed, size in reader.contents:
            piece = joined[start : start + size]
            start += size
            if hashlib.sha256(piece).hexdigest() != hashed or len(piece) != size:
                _damaged("a file's content doesn't have the hash that it should")
            contents[hashed] = piece
        if start != len(joined):
            _damaged("it holds content that belongs to no file")
        return cls(reader.nodes, contents, known, reader.facts, reader.exercise)

    @property
    def root(self) -> PurePosixPath:
        """The absolute path under which the learner's commands saw the top of the workspace."""
        return self.facts.root

    @property
    def not_travelled(self) -> tuple[str, ...]:
        """The files whose content is neither in the snapshot nor known: too large, too many, or unreadable."""
        return tuple(
            path for path, node in sorted(self._nodes.items()) if node.kind == "file" and self._bytes(node) is None
        )

    def _node(self, path: str) -> _Node | None:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            return None
        return self._nodes.get(str(pure)) if pure.parts else _FOLDER

    def _bytes(self, node: _Node) -> bytes | None:
        found = self._contents.get(node.sha256)
        return found if found is not None else self._known.content(node.sha256) if node.sha256 else None

    def entry(self, path: str) -> Entry | None:
        """Say what stood at `path`; None if nothing did."""
        node = self._node(path)
        if node is None:
            return None
        return Entry(node.kind, node.executable, node.size, node.target)

    def names(self, path: str) -> list[str]:
        """List a folder's names, sorted; empty if `path` was no folder."""
        node = self._node(path)
        if node is None or node.kind != "folder":
            return []
        pure = PurePosixPath(path)
        return list(self._names.get(str(pure) if pure.parts else "", ()))

    def read(self, path: str, limit: int = 2_000_000) -> bytes:
        """Give a file's content, cut after `limit` bytes; raises FileNotFoundError if it is none or didn't travel."""
        node = self._node(path)
        data = self._bytes(node) if node is not None and node.kind == "file" else None
        if data is None:
            raise FileNotFoundError(path)
        return data[:limit]

    def sha256(self, path: str) -> str:
        """Give the hash of a file's content; raises FileNotFoundError if it is no file or could not be read."""
        node = self._node(path)
        if node is None or node.kind != "file" or not node.sha256:
            raise FileNotFoundError(path)
        return node.sha256


def _damaged(why: str) -> NoReturn:
    raise SnapshotError(
        f"This snapshot can't be used: {why}.",
        "Run `course check` in the workspace to write it again, and submit that file unchanged.",
    )


def _members(data: bytes) -> tuple[bytes, bytes]:
    """Unzip with bounds; only the layout that `pack` writes is taken."""
    if len(data) > LIMITS.snapshot:
        _damaged(f"it is larger than {LIMITS.snapshot:,} bytes")
    # the end record of a zip file without comment, two members, no zip64: said before zipfile looks for one itself
    end = data[-22:]
    if len(end) != 22 or end[:4] != b"PK\5\6" or end[8:12] != b"\2\0\2\0" or data[-42:-38] == b"PK\6\7":
        _damaged("it is no snapshot, or was cut short")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if [one.filename for one in members] != ["manifest.json", "contents"]:
                _damaged("it holds other files than a snapshot does")
            bounds = (LIMITS.manifest, LIMITS.all_content)
            found = []
            for member, bound in zip(members, bounds, strict=True):
                if member.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED) or member.flag_bits & 1:
                    _damaged("it is compressed in a way that snapshots aren't")
                if member.file_size > bound:
                    _damaged(f"its {member.filename} is larger than {bound:,} bytes")
                with archive.open(member) as file:
                    found.append(file.read(bound + 1))
                if len(found[-1]) != member.file_size:
                    _damaged("it says one size and has another")
    except SnapshotError:
        raise
    except (
        Exception
    ) as error:  # zipfile lets zlib.error, struct.error, EOFError, NotImplementedError and others through
        raise SnapshotError(
            "This snapshot can't be used: it is damaged.",
            "Run `course check` in the workspace to write it again, and submit that file unchanged.",
        ) from error
    return found[0], found[1]


def _only_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


class _ManifestReader:
    """Turns a manifest's text into nodes, or raises SnapshotError; nothing in it is believed before it is checked."""

    def __init__(self, text: bytes, known: Known) -> None:
        try:
            manifest = json.loads(text.decode("utf-8"), object_pairs_hook=_only_once, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            _damaged("its manifest is not JSON")
        fields = self._fields(manifest, "format", "version", "exercise", "facts", "trees", "wheels", "contents")
        if fields["format"] != FORMAT:
            _damaged("it is of another kind")
        if type(fields["version"]) is not int or fields["version"] != VERSION:
            _damaged("it was made by another version of the course")
        self.exercise = self._text(fields["exercise"], r"[a-z0-9][a-z0-9-]{0,99}|")
        self.facts = self._facts(fields["facts"])
        project = self._fields(self._fields(fields["trees"], "project")["project"], "folders", "placed")
        self.nodes: dict[str, _Node] = {}
        for folder, items in self._rows(project["folders"], 2):
            self._folder(folder, items)
        wheels = [self._wheel(row[0], row[1], known) for row in self._rows(fields["wheels"], 2)]
        for folder, number, exceptions in self._rows(project["placed"], 3):
            self._place(folder, wheels[self._number(number, len(wheels) - 1)], exceptions)
        self.contents = self._contents(fields["contents"])

    # The shapes of JSON

    def _fields(self, value: Any, *names: str) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != set(names):
            _damaged("its manifest has other fields than it should")
        return value

    def _rows(self, value: Any, *lengths: int) -> list[list[Any]]:
        if not isinstance(value, list):
            _damaged("its manifest has a list that is none")
        for row in value:
            if not isinstance(row, list) or len(row) not in lengths:
                _damaged("its manifest has a row that is none")
        return value

    def _text(self, value: Any, pattern: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            _damaged("its manifest has a text that isn't as it should be")
        return value

    def _number(self, value: Any, most: int) -> int:
        if type(value) is not int or not 0 <= value <= most:
            _damaged("its manifest has a number that isn't as it should be")
        return value

    def _encodable(self, value: Any, longest: int) -> str:
        """Take a text that a file system could have given: bytes decoded with surrogateescape, and no other way to write them."""
        if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
            _damaged("it names a path that can't be")
        try:
            if value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == value:
                return value
        except UnicodeEncodeError:
            pass
        _damaged("it names a path that can't be")

    def _path(self, value: Any) -> str:
        """Take a path that is relative, normal and within the bounds; the top is empty."""
        if value == "":
            return ""
        path = self._encodable(value, LIMITS.path)
        parts = path.split("/")
        if len(parts) > LIMITS.depth:
            _damaged("it has too many folders in one another")
        if any(part in ("", ".", "..") or len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts):
            _damaged("it names a path that leaves the workspace, or can't be")
        return path

    # What it says

    def _facts(self, value: Any) -> Facts:
        fields = self._fields(value, "root", "python_home", "python_version")
        places = []
        for one in (fields["root"], fields["python_home"]):
            place = self._encodable(one, LIMITS.path)
            if (
                not place.startswith("/")
                or place.startswith("//")
                or posixpath.normpath(place) != place
                or place == "/"
            ):
                _damaged("it says that the work was done where it can't have been")
            places.append(place)
        version = self._text(fields["python_version"], r"[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3}[a-z0-9+]{0,9})?")
        return Facts(PurePosixPath(places[0]), places[1], version)

    def _add(self, path: str, node: _Node) -> None:
        """Put a node under its path, and the folders on the way to it; no path stands for two things."""
        there = self.nodes.get(path)
        if there is not None and not (there.kind == node.kind == "folder"):
            _damaged("it names a path twice")
        self.nodes[path] = node
        above = path.rpartition("/")[0]
        while above:
            there = self.nodes.get(above)
            if there is None:
                self.nodes[above] = _FOLDER
            elif there.kind != "folder":
                _damaged("it has a file where a folder should be")
            else:
                break
            above = above.rpartition("/")[0]
        if len(self.nodes) > LIMITS.names:
            _damaged(f"it names more than {LIMITS.names:,} files and folders")

    def _folder(self, folder: Any, items: Any) -> None:
        folder = self._path(folder)
        if folder:
            self._add(folder, _FOLDER)
        for item in self._rows(items, 1, 2, 3, 4):
            name = item[0]
            if not isinstance(name, str) or "/" in name or not name:
                _damaged("it names a path that can't be")
            path = self._path(_join(folder, name))
            if not travels(path):
                _damaged("it names a file that doesn't travel")
            self._add(path, self._item(item))

    def _item(self, item: list[Any]) -> _Node:
        if len(item) == 1:
            return _Node("other")
        if len(item) == 2:
            return _Node("link", target=self._encodable(item[1], 4096))
        hashed = self._text(item[1], r"[0-9a-f]{64}|")
        size = self._number(item[2], 1 << 50)
        if len(item) == 4 and self._number(item[3], 1) != 1:
            _damaged("its manifest has a number that isn't as it should be")
        return _Node("file", hashed, size, len(item) == 4)

    def _wheel(self, filename: Any, rows: Any, known: Known) -> dict[str, _Node]:
        filename = self._text(filename, r"[A-Za-z0-9_.+!-]{1,200}")
        found: dict[str, _Node] = {}
        for path, hashed, size in self._rows(rows, 3):
            node = _Node("file", self._text(hashed, r"[0-9a-f]{64}"), self._number(size, 1 << 50))
            found[self._path(path)] = node
        if not rows or len(found) != len(rows) or "" in found:
            _damaged("it lists a file of a wheel twice, or none")
        ours = known.wheel(filename)
        if ours is not None and any(ours.files.get(path) != node.sha256 for path, node in found.items()):
            # not the learner's fault: never let it look like an edited package
            raise SnapshotError(
                f"This snapshot was made with another edition of the course's index: its {filename} is not ours.",
                "Open it with the edition of the course in which it was made.",
            )
        return found

    def _place(self, folder: Any, wheel: Mapping[str, _Node], exceptions: Any) -> None:
        folder = self._path(folder)
        if not isinstance(exceptions, list) or not all(isinstance(one, str) for one in exceptions):
            _damaged("its manifest has a list that is none")
        without = set(exceptions)
        if len(without) != len(exceptions) or not without <= wheel.keys() or len(without) == len(wheel):
            _damaged("it excepts files that aren't there")
        for inside, node in wheel.items():
            if inside not in without:
                path = self._path(_join(folder, inside))
                if not travels(path):
                    _damaged("it names a file that doesn't travel")
                self._add(path, node)

    def _contents(self, value: Any) -> list[tuple[str, int]]:
        """Take the table of contents: each of a file that is there, each once, all within the bounds."""
        sizes: dict[str, int] = {}
        for node in self.nodes.values():
            if node.sha256 and sizes.setdefault(node.sha256, node.size) != node.size:
                _damaged("it gives the same content two sizes")
        found: dict[str, int] = {}
        for hashed, size in self._rows(value, 2):
            hashed = self._text(hashed, r"[0-9a-f]{64}")
            size = self._number(size, LIMITS.file_content)
            if hashed in found or sizes.get(hashed) != size:
                _damaged("it holds content that belongs to no file")
            found[hashed] = size
        return list(found.items())
