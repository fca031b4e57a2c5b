"""Make a copied git repository's index true again: it remembers inode and times of each file, and a copy has others.

Without this `git status` would still be right, since it reads what seems changed; `git diff-index` and its like would not.
The format is git's own (Documentation/gitformat-index.txt), versions 2 and 3.
"""

from __future__ import annotations

import hashlib
import os
import struct
from pathlib import Path

__all__ = ["refresh"]

_FIXED = 62  # bytes of an entry before its name
_TIMES = struct.Struct(">6I")  # ctime, its nanoseconds, mtime, its nanoseconds, device, inode


def refresh(index: Path) -> bool:
    """Write anew what an index remembers of the files beside its `.git`; False, and nothing done, if it is of another kind.

    Raises:
        OSError: it can't be read or written.
    """
    descriptor = os.open(index, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "r+b") as file:
        content = bytearray(file.read(64 << 20))
        told = _refreshed(content, index.parent.parent)
        if told:
            file.seek(0)
            file.write(content)
    return told


def _refreshed(content: bytearray, top: Path) -> bool:
    if len(content) < 32 or content[:4] != b"DIRC" or hashlib.sha1(content[:-20]).digest() != content[-20:]:  # noqa: S324  git's
        return False
    version, count = struct.unpack_from(">2I", content, 4)
    if version not in (2, 3):
        return False
    at = 12
    for _ in range(count):
        flags = int.from_bytes(content[at + 60 : at + 62], "big")
        name_at = at + _FIXED + (2 if flags & 0x4000 else 0)
        end = content.index(0, name_at)
        try:
            state = os.lstat(top / os.fsdecode(bytes(content[name_at:end])))
        except OSError:
            pass
        else:
            numbers = (*divmod(state.st_ctime_ns, 10**9), *divmod(state.st_mtime_ns, 10**9), state.st_dev, state.st_ino)
            _TIMES.pack_into(content, at, *(number & 0xFFFFFFFF for number in numbers))
        at += (end - at + 8) & ~7  # one to eight NULs, so that entries begin at multiples of eight
    content[-20:] = hashlib.sha1(content[:-20]).digest()  # noqa: S324
    return True
