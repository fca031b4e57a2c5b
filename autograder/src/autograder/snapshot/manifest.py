"""Read a snapshot's manifest; nothing in it is believed before it is checked."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, NoReturn

from autograder.distribution import Known, KnownWheel
from autograder.exceptions import SnapshotError
from autograder.facts import Facts
from autograder.snapshot.packing import FORMAT, VERSION, wheel_mark
from autograder.snapshot.state import FOLDER, LIMITS, Node, join, may_travel

SEED = r"[^\x00-\x1f\x7f\ud800-\udfff]{1,100}"
"""What a variant may be drawn from: a learner's name, as a text that can be written."""

_PLAIN = re.compile(r"\.?[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,99}(/\.?[A-Za-z0-9_+-][A-Za-z0-9_.+-]{0,99})*")
"""Paths whose names are beyond doubt, as nearly all are: only their length and depth remain to be looked at."""

__all__ = ["Content", "ManifestReader", "damaged"]


def damaged(why: str) -> NoReturn:
    """Raise SnapshotError, saying why."""
    raise SnapshotError(
        f"This snapshot can't be used: {why}.",
        "Run `course check` in the workspace to write it again, and submit that file unchanged.",
    )


def _only_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(text: str) -> NoReturn:
    raise ValueError(text)


@dataclass(frozen=True)
class Content:
    """One piece of the member `contents`."""

    sha256: str
    size: int
    stored: int
    """How many bytes it takes there."""
    record: str
    """The path of the RECORD it is, if it was thinned."""


class ManifestReader:
    """Turns a manifest's text into facts, nodes and a table of contents."""

    def __init__(self, text: bytes, known: Known) -> None:
        """Read all of it; raises SnapshotError."""
        try:
            manifest = json.loads(text.decode("utf-8"), object_pairs_hook=_only_once, parse_constant=_no_constant)
        except (ValueError, RecursionError):
            damaged("its manifest is not JSON")
        fields = self._fields(manifest, "format", "version", "exercise", "facts", "trees", "wheels", "contents")
        if fields["format"] != FORMAT:
            damaged("it is of another kind")
        self._version(fields["version"])
        self.exercise = self._text(fields["exercise"], r"[a-z0-9][a-z0-9-]{0,99}|")
        self.facts = self._facts(fields["facts"])
        project = self._fields(self._fields(fields["trees"], "project")["project"], "folders", "placed")
        self.nodes: dict[str, Node] = {}
        for folder, items in self._rows(project["folders"], 2):
            self._folder(folder, items)
        wheels = [self._wheel(row, known) for row in self._rows(fields["wheels"], 2, 3)]
        for folder, number, exceptions in self._rows(project["placed"], 3):
            self._place(folder, wheels[self._number(number, len(wheels) - 1)], exceptions)
        self.contents = self._contents(fields["contents"])

    @staticmethod
    def _version(value: Any) -> None:
        if type(value) is not int or not 0 < value <= 1_000_000:
            damaged("its manifest has a number that isn't as it should be")
        if value > VERSION:
            raise SnapshotError(
                f"This snapshot is of format {value}, and this course reads format {VERSION}: a newer course made it.",
                "Bring this course up to date, and try again.",
            )
        if value < VERSION:
            raise SnapshotError(
                f"This snapshot is of format {value}, and this course reads format {VERSION}: an older course made it.",
                "Bring the course that made it up to date, run `course check` there, and submit the file that it writes.",
            )

    # The shapes of JSON

    def _fields(self, value: Any, *names: str) -> dict[str, Any]:
        if not isinstance(value, dict) or set(value) != set(names):
            damaged("its manifest has other fields than it should")
        return value

    def _rows(self, value: Any, *lengths: int) -> list[list[Any]]:
        if not isinstance(value, list):
            damaged("its manifest has a list that is none")
        for row in value:
            if not isinstance(row, list) or len(row) not in lengths:
                damaged("its manifest has a row that is none")
        return value

    def _text(self, value: Any, pattern: str) -> str:
        if not isinstance(value, str) or not re.fullmatch(pattern, value):
            damaged("its manifest has a text that isn't as it should be")
        return value

    def _number(self, value: Any, most: int) -> int:
        if type(value) is not int or not 0 <= value <= most:
            damaged("its manifest has a number that isn't as it should be")
        return value

    def _encodable(self, value: Any, longest: int) -> str:
        """Take a text that a file system could have given: bytes decoded with surrogateescape, and no other way to write them."""
        if not isinstance(value, str) or not 0 < len(value) <= longest or "\0" in value:
            damaged("it names a path that can't be")
        try:
            if value.encode("utf-8", "surrogateescape").decode("utf-8", "surrogateescape") == value:
                return value
        except UnicodeEncodeError:
            pass
        damaged("it names a path that can't be")

    def _path(self, value: Any) -> str:
        """Take a path that is relative, normal and within the bounds; the top is empty."""
        if value == "":
            return ""
        if (
            isinstance(value, str)
            and len(value) <= LIMITS.path
            and value.count("/") < LIMITS.depth
            and _PLAIN.fullmatch(value)
        ):
            return value
        path = self._encodable(value, LIMITS.path)
        parts = path.split("/")
        if len(parts) > LIMITS.depth:
            damaged("it has too many folders in one another")
        if any(part in ("", ".", "..") or len(part.encode("utf-8", "surrogateescape")) > 255 for part in parts):
            damaged("it names a path that leaves the workspace, or can't be")
        return path

    # What it says

    def _facts(self, value: Any) -> Facts:
        drawn = ("seed",) if isinstance(value, dict) and "seed" in value else ()
        fields = self._fields(value, "root", "python_home", "python_version", *drawn)
        places = []
        for one in (fields["root"], fields["python_home"]):
            place = self._encodable(one, LIMITS.path)
            if (
                not place.startswith("/")
                or place.startswith("//")
                or posixpath.normpath(place) != place
                or place == "/"
            ):
                damaged("it says that the work was done where it can't have been")
            places.append(place)
        root, home = (PurePosixPath(one) for one in places)
        if root.is_relative_to(home) or home.is_relative_to(
            root
        ):  # else a file of the learner's could pass for the interpreter
            damaged("it says that the work was done where it can't have been")
        version = self._text(fields["python_version"], r"[0-9]{1,3}\.[0-9]{1,3}(\.[0-9]{1,3}[a-z0-9+]{0,9})?")
        seed = self._text(fields["seed"], SEED) if drawn else ""
        return Facts(PurePosixPath(places[0]), places[1], version, seed)

    def _add(self, path: str, node: Node) -> None:
        """Put a node under its path, and the folders on the way to it; no path stands for two things."""
        there = self.nodes.get(path)
        if there is not None and not (there.kind == node.kind == "folder"):
            damaged("it names a path twice")
        self.nodes[path] = node
        above = path.rpartition("/")[0]
        while above:
            there = self.nodes.get(above)
            if there is None:
                self.nodes[above] = FOLDER
            elif there.kind != "folder":
                damaged("it has a file where a folder should be")
            else:
                break
            above = above.rpartition("/")[0]
        if len(self.nodes) > LIMITS.names:
            damaged(f"it names more than {LIMITS.names:,} files and folders")

    def _folder(self, folder: Any, items: Any) -> None:
        folder = self._path(folder)
        if folder:
            self._add(folder, FOLDER)
        for item in self._rows(items, 1, 2, 3, 4):
            name = item[0]
            if not isinstance(name, str) or "/" in name or not name:
                damaged("it names a path that can't be")
            path = self._path(join(folder, name))
            if not may_travel(path):
                damaged("it names a file that doesn't travel")
            self._add(path, self._item(item))

    def _item(self, item: list[Any]) -> Node:
        if len(item) == 1:
            return Node("other")
        if len(item) == 2:
            return Node("link", target=self._encodable(item[1], 4096))
        hashed = self._text(item[1], r"[0-9a-f]{64}|")
        size = self._number(item[2], 1 << 50)
        if len(item) == 4 and self._number(item[3], 1) != 1:
            damaged("its manifest has a number that isn't as it should be")
        return Node("file", hashed, size, len(item) == 4)

    def _wheel(self, row: list[Any], known: Known) -> dict[str, Node]:
        filename = self._text(row[0], r"[A-Za-z0-9_.+!-]{1,200}")
        ours = known.wheel(filename)
        if len(row) == 3:
            return self._named_wheel(filename, ours, row[1], row[2])
        found: dict[str, Node] = {}
        for path, hashed, size in self._rows(row[1], 3):
            node = Node("file", self._text(hashed, r"[0-9a-f]{64}"), self._number(size, 1 << 50))
            found[self._path(path)] = node
        if not found or len(found) != len(row[1]) or "" in found:
            damaged("it lists a file of a wheel twice, or none")
        if ours is not None and any(ours.files.get(path) != node.sha256 for path, node in found.items()):
            self._other_edition(filename)
        return found

    def _named_wheel(self, filename: str, ours: KnownWheel | None, mark: Any, sizes: Any) -> dict[str, Node]:
        if ours is None or wheel_mark(ours) != self._text(mark, r"[0-9a-f]{16}"):
            self._other_edition(filename)
        if not isinstance(sizes, list) or len(sizes) != len(ours.files):
            damaged("its manifest has a list that is none")
        return {
            self._path(path): Node("file", hashed, self._number(size, 1 << 50))
            for (path, hashed), size in zip(sorted(ours.files.items()), sizes, strict=True)
        }

    def _other_edition(self, filename: str) -> NoReturn:
        """Say that our wheels differ: it is not the learner's fault, and must never look like an edited package."""
        raise SnapshotError(
            f"This snapshot was made with a course whose index has another {filename} than this one.",
            "Open it with the same edition of the course, after `make lab` has fetched its distributions.",
        )

    def _place(self, folder: Any, wheel: Mapping[str, Node], exceptions: Any) -> None:
        folder = self._path(folder)
        if not isinstance(exceptions, list) or not all(isinstance(one, str) for one in exceptions):
            damaged("its manifest has a list that is none")
        without = set(exceptions)
        if len(without) != len(exceptions) or not without <= wheel.keys() or len(without) == len(wheel):
            damaged("it excepts files that aren't there")
        for inside, node in wheel.items():
            if inside not in without:
                path = join(folder, inside)
                if len(path) > LIMITS.path or path.count("/") >= LIMITS.depth:  # its two parts were looked at
                    self._path(path)
                if not may_travel(path):
                    damaged("it names a file that doesn't travel")
                self._add(path, node)

    def _contents(self, value: Any) -> list[Content]:
        """Take the table of contents: each of a file that is there, each once, all within the bounds."""
        sizes: dict[str, int] = {}
        for node in self.nodes.values():
            if node.sha256 and sizes.setdefault(node.sha256, node.size) != node.size:
                damaged("it gives the same content two sizes")
        found: dict[str, Content] = {}
        for row in self._rows(value, 2, 4):
            hashed = self._text(row[0], r"[0-9a-f]{64}")
            size = self._number(row[1], LIMITS.file_content)
            if hashed in found or sizes.get(hashed) != size:
                damaged("it holds content that belongs to no file")
            stored, record = (self._number(row[2], size), self._path(row[3])) if len(row) == 4 else (size, "")
            found[hashed] = Content(hashed, size, stored, record)
        if sum(one.size for one in found.values()) > LIMITS.all_content:
            damaged(f"it holds more than {LIMITS.all_content:,} bytes")
        return list(found.values())
