"""Read a `multipart/form-data` body while it comes in: bounded in size and number, the file straight to the disk (RFC 7578)."""

from __future__ import annotations

__all__ = ["Form", "Sent", "read_form"]

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import BinaryIO

from autograder.index.request import Body, Malformed

MOST_PARTS = 2000
MOST_FIELD_BYTES = 2 << 20
"""Of all fields together; the longest is the README."""
MOST_FILE_BYTES = 16 << 20
"""Of the one file. PyPI's own limit is 100 MB, which no distribution of this course comes near."""
_MOST_HEADER_BYTES = 4096


@dataclass
class Sent:
    """The file that came with a form."""

    filename: str
    media: str
    """The media type that the client gave."""
    size: int
    sha256: str
    blake2: str
    md5: str
    too_large: bool = False
    """It is longer than any may be; only its beginning was kept."""


@dataclass
class Form:
    """What a form holds; a name may come several times."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    file: Sent | None = None
    odd: str = ""
    """The name of a file that isn't `content`."""

    def first(self, name: str) -> str:
        """Give the first value of a field; empty if it isn't there."""
        return self.fields.get(name, [""])[0]


def read_form(body: Body, content_type: str, sink: BinaryIO) -> Form:
    """Read the form; the file `content` goes into `sink`.

    Raises:
        Malformed: it is no form, or too large.
    """
    return _Reader(body, content_type).form(sink)


class _Reader:
    def __init__(self, body: Body, content_type: str) -> None:
        media, _, parameters = content_type.partition(";")
        boundary = re.search(r'(?:^|[;\s])boundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))', parameters, re.IGNORECASE)
        if media.strip().lower() != "multipart/form-data" or boundary is None:
            raise Malformed("the body is not multipart/form-data")
        # As every part begins with a line break and the boundary, so does the first.
        self.delimiter = b"\r\n--" + (boundary[1] or boundary[2]).encode("latin-1", "replace")
        self.buffer = b"\r\n"
        self.body = body
        self.fields = 0

    def form(self, sink: BinaryIO) -> Form:
        form = Form()
        self._until(lambda _: None)  # whatever stands before the first part
        for _ in range(MOST_PARTS):
            after = self._take(2)
            if after == b"--":
                while self.body.read():
                    pass
                return form
            if after != b"\r\n":
                raise Malformed("a boundary is followed by something else than a line break")
            name, filename, media = self._headers()
            if filename is None:
                form.fields.setdefault(name, []).append(self._field())
            elif name == "content" and form.file is None:
                form.file = self._file(filename, media, sink)
            else:
                self._until(lambda _: None)
                if name != "gpg_signature":
                    form.odd = name
        raise Malformed("the form has too many parts")

    def _more(self) -> None:
        block = self.body.read()
        if not block:
            raise Malformed("the form ends too early")
        self.buffer += block

    def _take(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        taken, self.buffer = self.buffer[:count], self.buffer[count:]
        return taken

    def _until(self, write: Callable[[bytes], object]) -> None:
        """Hand on everything up to the next delimiter, and step over that."""
        while True:
            found = self.buffer.find(self.delimiter)
            if found >= 0:
                write(self.buffer[:found])
                self.buffer = self.buffer[found + len(self.delimiter) :]
                return
            # The delimiter may have come in half.
            safe = len(self.buffer) - len(self.delimiter) + 1
            if safe > 0:
                write(self.buffer[:safe])
                self.buffer = self.buffer[safe:]
            self._more()

    def _headers(self) -> tuple[str, str | None, str]:
        # The line break after the boundary is taken already.
        while (end := (b"\r\n" + self.buffer).find(b"\r\n\r\n")) < 0:
            if len(self.buffer) > _MOST_HEADER_BYTES:
                raise Malformed("the headers of a part are too long")
            self._more()
        head = self.buffer[: max(0, end - 2)].decode("utf-8", "replace")
        self.buffer = self.buffer[end + 2 :]
        headers = {}
        for line in head.split("\r\n"):
            key, _, value = line.partition(":")
            headers[key.strip().lower()] = value.strip()
        disposition = headers.get("content-disposition", "")
        name = _parameter(disposition, "name")
        if not disposition.lower().startswith("form-data") or name is None:
            raise Malformed("a part of the form has no name")
        return name, _parameter(disposition, "filename"), headers.get("content-type", "text/plain")

    def _field(self) -> str:
        value = bytearray()

        def keep(block: bytes) -> None:
            self.fields += len(block)
            if self.fields > MOST_FIELD_BYTES:
                raise Malformed("the fields of the form are too long")
            value.extend(block)

        self._until(keep)
        return value.decode("utf-8", "replace")

    def _file(self, filename: str, media: str, sink: BinaryIO) -> Sent:
        sent = Sent(filename, media, 0, "", "", "")
        digests = hashlib.sha256(), hashlib.blake2b(digest_size=32), hashlib.md5(usedforsecurity=False)

        def keep(block: bytes) -> None:
            sent.size += len(block)
            if sent.size > MOST_FILE_BYTES:
                sent.too_large = True
                return
            for digest in digests:
                digest.update(block)
            sink.write(block)

        self._until(keep)
        sent.sha256, sent.blake2, sent.md5 = (digest.hexdigest() for digest in digests)
        return sent


def _parameter(header: str, name: str) -> str | None:
    found = re.search(rf';\s*{name}="((?:[^"\\]|\\.)*)"', header, re.IGNORECASE) or re.search(
        rf";\s*{name}=([^\s;\"]+)", header, re.IGNORECASE
    )
    return re.sub(r"\\(.)", r"\1", found[1]) if found else None
