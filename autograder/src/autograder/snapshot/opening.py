"""Open a snapshot, which may be hostile, and answer from it as the folder did."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath

from autograder.distribution import Known
from autograder.exceptions import SnapshotError
from autograder.facts import Facts
from autograder.snapshot.manifest import SEED, ManifestReader, damaged
from autograder.snapshot.packing import is_published
from autograder.snapshot.records import full
from autograder.snapshot.state import FOLDER, LIMITS, PUBLISHED, Node
from autograder.tree import Entry, Tree

__all__ = ["SnapshotTree", "drawn_for"]


class SnapshotTree:
    """A snapshot's workspace: it answers as the folder did when the snapshot was made."""

    LARGEST = LIMITS.snapshot
    """In bytes; a larger file is no snapshot."""

    def __init__(
        self, nodes: dict[str, Node], contents: Mapping[str, bytes], known: Known, facts: Facts, exercise: str
    ) -> None:
        """Keep what `open` has read."""
        self.facts = facts
        self.exercise = exercise
        """The exercise's id; empty for a workspace that belongs to none."""
        top, inside = PUBLISHED.partition("/")[0], f"{PUBLISHED}/"
        self.nodes = {path: node for path, node in sorted(nodes.items()) if path.partition("/")[0] != top}
        self.published: Tree | None = None
        """What was published from the workspace: a journal, and its files; None if nothing was."""
        published = {path.removeprefix(inside): node for path, node in nodes.items() if path.startswith(inside)}
        if published:
            self.published = SnapshotTree(published, contents, known, facts, exercise)
        self._contents = contents
        self._known = known
        self._names: dict[str, list[str]] = {"": []}
        for path, node in self.nodes.items():
            folder, _, name = path.rpartition("/")
            self._names.setdefault(folder, []).append(name)
            if node.kind == "folder":
                self._names.setdefault(path, [])
        for names in self._names.values():
            names.sort()

    def only(self, folders: Collection[str]) -> SnapshotTree:
        """Give the same workspace with nothing in it but these folders; nothing was published from it."""
        inside = tuple(f"{folder}/" for folder in folders)
        nodes = {
            path: node
            for path, node in self.nodes.items()
            if f"{path}/".startswith(inside) or any(one.startswith(f"{path}/") for one in inside)
        }
        return SnapshotTree(nodes, self._contents, self._known, self.facts, self.exercise)

    @classmethod
    def open(cls, data: bytes, known: Known) -> SnapshotTree:
        """Read a snapshot, which may be hostile.

        Raises:
            SnapshotError: it is damaged, hostile, too large, or was made with distributions this course doesn't know.
        """
        manifest, joined = _members(data)
        reader = ManifestReader(manifest, known)
        for path, node in reader.nodes.items():
            inside = path.removeprefix(f"{PUBLISHED}/")
            if inside != path and not is_published(inside, node.kind):
                damaged("it holds other published files than a journal speaks of")
        contents: dict[str, bytes] = {}
        start = 0
        for one in reader.contents:
            piece = joined[start : start + one.stored]
            start += one.stored
            if one.record:
                try:
                    piece = full(piece, one.record, reader.nodes, one.size)
                except ValueError as error:
                    damaged(str(error))
            if len(piece) != one.size or hashlib.sha256(piece).hexdigest() != one.sha256:
                damaged("a file's content doesn't have the hash that it should")
            contents[one.sha256] = piece
        if start != len(joined):
            damaged("it holds content that belongs to no file")
        return cls(reader.nodes, contents, known, reader.facts, reader.exercise)

    @property
    def root(self) -> PurePosixPath:
        """The absolute path under which the learner's commands saw the top of the workspace."""
        return self.facts.root

    @property
    def not_travelled(self) -> tuple[str, ...]:
        """The files whose content is neither in the snapshot nor known: too large, too many, or unreadable."""
        return tuple(
            path for path, node in sorted(self.nodes.items()) if node.kind == "file" and self._bytes(node) is None
        )

    def _node(self, path: str) -> Node | None:
        pure = PurePosixPath(path)
        if pure.is_absolute() or ".." in pure.parts:
            return None
        return self.nodes.get(str(pure)) if pure.parts else FOLDER

    def _bytes(self, node: Node) -> bytes | None:
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


def drawn_for(data: bytes) -> str:
    """Read of a snapshot, which may be hostile, only for whom its variant was drawn, in 1 ms; empty if it doesn't say, or is no snapshot."""
    try:
        seed = json.loads(_members(data, ("manifest.json",))[0])["facts"].get("seed", "")
    except (SnapshotError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return ""
    return seed if isinstance(seed, str) and re.fullmatch(SEED, seed) else ""


def _members(data: bytes, wanted: Collection[str] = ("manifest.json", "contents")) -> tuple[bytes, bytes]:
    """Unzip with bounds; only the layout that `pack` writes is taken."""
    if len(data) > LIMITS.snapshot:
        damaged(f"it is larger than {LIMITS.snapshot:,} bytes")
    # the end record of a zip file without comment, two members, no zip64: said before zipfile looks for one itself
    end = data[-22:]
    if len(end) != 22 or end[:4] != b"PK\5\6" or end[8:12] != b"\2\0\2\0" or data[-42:-38] == b"PK\6\7":
        damaged("it is no snapshot, or was cut short")
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            if [one.filename for one in members] != ["manifest.json", "contents"]:
                damaged("it holds other files than a snapshot does")
            bounds = (LIMITS.manifest, LIMITS.all_content)
            found = []
            for member, bound in zip(members, bounds, strict=True):
                if member.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED) or member.flag_bits & 1:
                    damaged("it is compressed in a way that snapshots aren't")
                if member.file_size > bound:
                    damaged(f"its {member.filename} is larger than {bound:,} bytes")
                if member.filename not in wanted:
                    found.append(b"")
                    continue
                with archive.open(member) as file:
                    found.append(file.read(bound + 1))
                if len(found[-1]) != member.file_size:
                    damaged("it says one size and has another")
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
