"""Unpack an archive that comes from anyone: within bounds of memory and time, whatever it says of itself."""

from __future__ import annotations

__all__ = ["RATIO", "Unsound", "Unzipped", "most_unpacked"]

import io
import tarfile
import time
import zlib
from typing import BinaryIO

RATIO = 50
"""A large archive that unpacks to so many times its size is taken for a bomb, as PyPI does."""
_LARGE = 64 << 20
_MOST_PARTS = 100
SECONDS = 10.0
"""Unpacking may take so long."""
_BLOCK = 1 << 18


class Unsound(tarfile.TarError, ValueError):
    """An archive that isn't taken; whoever reads archives from anyone takes it for a damaged one."""


def most_unpacked(size: int) -> int:
    """Say how much may come out of an archive of this size, in bytes."""
    return max(_LARGE, size * RATIO)


class Unzipped(io.RawIOBase):
    """What a gzip file holds, until it is more than it should be; the `gzip` of the standard library can be made slow."""

    def __init__(self, file: BinaryIO, most: int) -> None:
        """Unzip this file, which may give at most so many bytes."""
        self._file = file
        self._until = time.monotonic() + SECONDS
        self._left = most
        self._pending = b""
        self._parts = 1
        self._unzip = zlib.decompressobj(31)

    def read(self, size: int = -1) -> bytes:
        """Give at most so much, or nothing at the end."""
        if time.monotonic() > self._until:
            raise Unsound("File takes too long to unpack")
        size = min(size, _BLOCK) if size >= 0 else _BLOCK
        while size:
            if self._unzip.eof:
                self._pending = (self._unzip.unused_data or self._file.read(_BLOCK)).lstrip(b"\0")
                if not self._pending:
                    break
                self._parts += 1
                if self._parts > _MOST_PARTS:
                    raise Unsound("File has too many members")
                self._unzip = zlib.decompressobj(31)
            self._pending = self._pending or self._file.read(_BLOCK)
            if not self._pending:
                raise EOFError
            block = self._unzip.decompress(self._pending, size)
            self._pending = self._unzip.unconsumed_tail
            self._left -= len(block)
            if self._left < 0:
                raise Unsound(f"File exceeds compression ratio of {RATIO}")
            if block:
                return block
        return b""
