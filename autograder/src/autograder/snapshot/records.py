"""Write RECORD files short: the hashes in them are those of files which the manifest lists anyway.

A hash can't be compressed, and a RECORD of pip holds five hundred: thinned, it takes a tenth of the room.
A line `leftpad/__init__.py,sha256=…,120` whose hash and size are those of that file becomes `leftpad/__init__.py,*`.
"""

from __future__ import annotations

import base64
import posixpath
import re
from collections.abc import Mapping

from autograder.snapshot.state import Node

__all__ = ["full", "thin"]

_LINE = re.compile(rb"([^\",\r\n]+),sha256=([A-Za-z0-9_-]{43}),([0-9]{1,15})([\r\n]*)")
_THIN = re.compile(rb"([^\",\r\n]+),\*([\r\n]*)")


def _beside(record: str) -> str:
    """Name the folder in which the dist-info of a RECORD stands, with a slash; the top is empty."""
    folder = posixpath.dirname(posixpath.dirname(record))
    return f"{folder}/" if folder else ""


def _said(path: bytes, beside: str, nodes: Mapping[str, Node]) -> bytes | None:
    """Give what an installer writes of a file that stands in the folder `beside`; None if none stands there."""
    place = beside + path.decode("utf-8", "surrogateescape")
    if b"." in (path[:1], path[-1:]) or b"/" in (path[:1], path[-1:]) or b"/." in path or b"//" in path:
        place = posixpath.normpath(posixpath.join(beside, path.decode("utf-8", "surrogateescape")))
    node = nodes.get(place)
    if node is None or not node.sha256:
        return None
    hashed = base64.urlsafe_b64encode(bytes.fromhex(node.sha256))
    return b"sha256=%s,%d" % (hashed[:43], node.size)  # the 44th only fills up


def thin(text: bytes, record: str, nodes: Mapping[str, Node]) -> bytes | None:
    """Shorten the RECORD at path `record`; None if that can't be undone, or isn't worth it."""
    found, beside = [], _beside(record)
    for line in text.splitlines(keepends=True):
        match = _LINE.fullmatch(line)
        if match and _said(match[1], beside, nodes) == b"sha256=%s,%s" % (match[2], match[3]):
            found.append(match[1] + b",*" + match[4])
        elif _THIN.fullmatch(line):
            return None
        else:
            found.append(line)
    short = b"".join(found)
    return short if len(short) < len(text) else None


def full(short: bytes, record: str, nodes: Mapping[str, Node], size: int) -> bytes:
    """Undo `thin`; raises ValueError if what comes out hasn't `size` bytes, or speaks of files that aren't there."""
    found, length, beside = [], 0, _beside(record)
    for line in short.splitlines(keepends=True):
        match = _THIN.fullmatch(line)
        if match:
            said = _said(match[1], beside, nodes)
            if said is None:
                raise ValueError("a RECORD speaks of a file that isn't there")
            line = match[1] + b"," + said + match[2]
        found.append(line)
        length += len(line)
        if length > size:
            break
    if length != size:
        raise ValueError("a RECORD has another size")
    return b"".join(found)
