"""Read the few of git's own files that say what is staged and what was committed last; nothing is run.

dulwich isn't used for this: its reader of index version 4 fails where two paths differ in more than 127 letters and takes hours
for one path of 2 MB, and its reader of packs unpacks whatever size an object says (1.2.21). These files come from learners.

Sources: gitformat-index(5), gitformat-pack(5), gitrepository-layout(5).
"""

from __future__ import annotations

import hashlib
import re
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from autograder.tree import Tree

__all__ = ["Staged", "commit_places", "head", "read_index", "tree_of_commit", "tree_of_index"]

LARGEST_INDEX = 2_000_000
LARGEST_COMMIT = 100_000
LARGEST_PACK = 2_000_000
DEEPEST = 100


@dataclass(frozen=True)
class Staged:
    """One entry of the index."""

    path: bytes
    mode: int
    object_id: bytes
    stage: int
    """0, but 1 to 3 during a merge that has conflicts."""
    only_intended: bool
    """Added with `--intent-to-add`: nothing of it would be committed."""


def read_index(data: bytes, hash_length: int = 20) -> list[Staged]:
    """Read an index of version 2 to 4; raises ValueError or struct.error if it is none.

    Each entry is ten numbers of 4 bytes, the object's hash, 2 bytes of flags, 2 more if a flag says so, and the path.
    """
    signature, version, count = struct.unpack_from(">4sLL", data)
    if signature != b"DIRC" or version not in (2, 3, 4):
        raise ValueError("no index")
    found: list[Staged] = []
    start, room, name = 12, 4 * LARGEST_INDEX, b""
    for _ in range(count):
        (mode,) = struct.unpack_from(">L", data, start + 24)
        at = start + 40 + hash_length
        (flags,) = struct.unpack_from(">H", data, at)
        more = struct.unpack_from(">H", data, at + 2)[0] if flags & 0x4000 else 0
        object_id = data[start + 40 : at]
        at += 4 if flags & 0x4000 else 2
        kept = b""
        if version == 4:  # the path is what is left of the one before, and a new end
            dropped, at = _number(data, at)
            if dropped > len(name):
                raise ValueError("a path is shortened by more than it has")
            kept = name[: len(name) - dropped]
        end = data.index(b"\0", at)
        name = kept + data[at:end]
        room -= len(name)
        if not name or len(name) > 4096 or room < 0:
            raise ValueError("a path is empty, or they are too long")
        found.append(Staged(name, mode, object_id, flags >> 12 & 3, bool(more & 0x2000)))
        start = end + 1 if version == 4 else start + (end - start + 8) // 8 * 8
    if start > len(data) - hash_length:
        raise ValueError("cut short")
    return found


def _number(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of variable length (the offset encoding of packs), and say where it ends."""
    value = -1
    for place in range(at, at + 5):
        byte = data[place] if place < len(data) else 0xFF
        value = ((value + 1) << 7) | (byte & 0x7F)
        if not byte & 0x80:
            return value, place + 1
    raise ValueError("a number is too long")


def tree_of_index(entries: Iterable[Staged], hash_name: str = "sha1") -> bytes:
    """Give the id of the tree that `git commit` would write; raises ValueError if it would refuse."""
    top: dict[bytes, object] = {}
    for entry in entries:
        if entry.stage:
            raise ValueError("a merge isn't finished")
        if entry.only_intended:
            continue
        *folders, name = entry.path.split(b"/")
        if len(folders) > DEEPEST:
            raise ValueError("folders too deep")
        here = top
        for folder in folders:
            inner = here.setdefault(folder, {})
            if not isinstance(inner, dict):
                raise ValueError("a file where a folder is")
            here = inner
        if name in here:
            raise ValueError("a path stands twice")
        here[name] = entry
    return _write_tree(top, hash_name)


def _write_tree(folder: dict[bytes, object], hash_name: str) -> bytes:
    rows = []
    for name, what in folder.items():
        if isinstance(what, dict):
            rows.append((name + b"/", b"40000 %s\0" % name + _write_tree(what, hash_name)))
        elif isinstance(what, Staged):
            rows.append((name, b"%o %s\0" % (what.mode, name) + what.object_id))
    body = b"".join(row for _, row in sorted(rows))
    return hashlib.new(hash_name, b"tree %d\0" % len(body) + body, usedforsecurity=False).digest()


def _text(tree: Tree, path: str) -> str:
    try:
        return tree.read(path, LARGEST_COMMIT).decode("utf-8", "surrogateescape").strip()
    except FileNotFoundError:
        return ""


def head(tree: Tree, git: str, common: str) -> str:
    """Give the id of the commit that HEAD names, in hexadecimal; empty if there is none yet."""
    text = _text(tree, f"{git}/HEAD")
    for _ in range(5):
        if re.fullmatch(r"[0-9a-f]{40}([0-9a-f]{24})?", text):
            return text
        name = text.removeprefix("ref:").strip()
        if not text.startswith("ref:") or not re.fullmatch(r"[^\s\0]{1,500}", name) or ".." in name:
            return ""
        text = _text(tree, f"{git}/{name}") or _text(tree, f"{common}/{name}") or _packed(tree, common, name)
    return ""


def _packed(tree: Tree, common: str, name: str) -> str:
    for line in _text(tree, f"{common}/packed-refs").splitlines():
        found, _, reference = line.partition(" ")
        if reference == name:
            return found
    return ""


def commit_places(tree: Tree, common: str, commit: str) -> list[str]:
    """Name the files in which a commit may lie: its own, or where that isn't there every pack and its index."""
    loose = f"{common}/objects/{commit[:2]}/{commit[2:]}"
    if tree.entry(loose) is not None:
        return [loose]
    packs = f"{common}/objects/pack"
    return [f"{packs}/{name}" for name in tree.names(packs) if re.fullmatch(r"pack-[0-9a-f]{40,64}\.(idx|pack)", name)]


def tree_of_commit(tree: Tree, common: str, commit: str) -> bytes:
    """Give the id of the tree that a commit holds; raises ValueError if the commit can't be read."""
    body = next(_commits(tree, common, commit), b"")
    found = re.match(rb"tree ([0-9a-f]{40}(?:[0-9a-f]{24})?)\n", body)
    if found is None:
        raise ValueError("the commit can't be read")
    return bytes.fromhex(found[1].decode())


def _commits(tree: Tree, common: str, commit: str) -> Iterator[bytes]:
    places = commit_places(tree, common, commit)
    for place in places:
        try:
            if place.endswith(".idx"):
                index = tree.read(place, LARGEST_PACK)
                at = _offset_in_pack(index, bytes.fromhex(commit))
                if at is not None:
                    yield _commit_in_pack(tree.read(place[:-4] + ".pack", LARGEST_PACK), at)
            elif not place.endswith(".pack"):
                kind, _, body = _inflate(tree.read(place, LARGEST_COMMIT)).partition(b"\0")
                if kind.startswith(b"commit "):
                    yield body
        except (FileNotFoundError, ValueError, struct.error, zlib.error):
            continue


def _inflate(data: bytes) -> bytes:
    return zlib.decompressobj().decompress(data, LARGEST_COMMIT)


def _offset_in_pack(index: bytes, object_id: bytes) -> int | None:
    """Look an object up in a pack's index of version 2."""
    if index[:8] != b"\xfftOc\0\0\0\2":
        return None
    (count,) = struct.unpack_from(">L", index, 8 + 255 * 4)
    names = 8 + 256 * 4
    length = len(object_id)
    if count * (length + 8) > len(index):
        raise ValueError("cut short")
    for number in range(count):
        if index[names + number * length : names + (number + 1) * length] == object_id:
            (offset,) = struct.unpack_from(">L", index, names + count * (length + 4) + number * 4)
            return int(offset) if offset < 1 << 31 else None
    return None


def _commit_in_pack(pack: bytes, at: int) -> bytes:
    """Unpack a commit that is stored whole, as git stores the newest ones."""
    if at >= len(pack) or pack[at] >> 4 & 7 != 1:
        raise ValueError("no whole commit")
    while pack[at] & 0x80:
        at += 1
        if at >= len(pack):
            raise ValueError("cut short")
    return _inflate(pack[at + 1 :])
