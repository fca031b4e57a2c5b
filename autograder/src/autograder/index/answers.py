"""What is sent for a request, and HTTP's own part of it: media types, validators, ranges, redirects (RFC 9110)."""

from __future__ import annotations

__all__ = [
    "HTML",
    "JSON",
    "PLAIN_HTML",
    "Answer",
    "byte_range",
    "document",
    "matches",
    "media_type",
    "missing",
    "moved",
    "negotiate",
    "page",
    "private",
    "shown",
    "stream",
]

import hashlib
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from urllib.parse import parse_qs

JSON = "application/vnd.pypi.simple.v1+json"
HTML = "application/vnd.pypi.simple.v1+html"
PLAIN_HTML = "text/html"
_LATEST = {
    "application/vnd.pypi.simple.latest+json": JSON,
    "application/vnd.pypi.simple.latest+html": HTML,
}
FOREVER = "max-age=365000000, immutable, public"
"""A file's content never changes; its address holds its hash."""


@dataclass
class Answer:
    """What to send: `body` is bytes, or an open file positioned at the first of `length` bytes."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes | BinaryIO = b""
    length: int = 0
    reason: str = ""
    """The reason phrase, which twine shows; empty for the usual one."""

    def __post_init__(self) -> None:
        """Count a body of bytes."""
        if isinstance(self.body, bytes):
            self.length = len(self.body)


def shown(text: str) -> str:
    """Give what a client sent as something that may stand in a sentence."""
    return re.sub(r"[^\w.-]", "?", text)[:80]


def missing(sentence: str) -> Answer:
    """Say that there is nothing at this address."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store"}
    return Answer(404, headers, f"{sentence}\n".encode())


def moved(place: str) -> Answer:
    """Send the client to another address."""
    return Answer(301, {"Location": place, "Cache-Control": "max-age=0"})


def page(body: str | bytes, media: str, headers: Mapping[str, str], *, keep: int = 0) -> Answer:
    """Send a page, or say that the client has it already.

    With `keep` 0 whoever kept a page asks each time whether it still holds: so an upload is seen at once, as on PyPI it isn't.
    """
    data = body.encode() if isinstance(body, str) else body
    etag = f'"{hashlib.sha256(data).hexdigest()[:32]}"'
    common = {"ETag": etag, "Vary": "Accept", "Cache-Control": f"max-age={keep}{', public' * (keep > 0)}"}
    if matches(headers.get("If-None-Match", ""), etag):
        return Answer(304, common)
    charset = "; charset=utf-8" if media == PLAIN_HTML else ""
    return Answer(200, {"Content-Type": media + charset, **common}, data)


def document(value: Any, headers: Mapping[str, str], *, status: int = 200) -> Answer:
    """Send a JSON document to whoever asks, also to a script of another page."""
    text = json.dumps(value, ensure_ascii=False)
    reply = page(text, "application/json", headers) if status == 200 else Answer(status, {}, text.encode())
    if reply.status != 304:
        reply.headers |= {"Content-Type": "application/json", "Access-Control-Allow-Origin": "*"}
    return reply


def private(value: Any, status: int = 200) -> Answer:
    """Send a JSON document that is for this client alone, and nobody keeps."""
    headers = {"Content-Type": "application/json", "Cache-Control": "no-store"}
    return Answer(status, headers, json.dumps(value).encode() + b"\n")


def media_type(query: str, headers: Mapping[str, str]) -> str:
    """Choose a media type; `?format=` (PEP 691) lets a browser ask for JSON."""
    wanted = parse_qs(query).get("format", [""])[0]
    return negotiate(wanted or headers.get("Accept", ""))


def negotiate(accept: str) -> str:
    """Choose what the client likes best (RFC 9110, 12.5.1); HTML where it says nothing or wants something we don't have."""
    best, best_quality = PLAIN_HTML, 0.0
    for part in accept[:2000].split(","):
        media, *parameters = (piece.strip().lower() for piece in part.split(";"))
        quality = 1.0
        for parameter in parameters:
            if parameter.startswith("q="):
                try:
                    quality = float(parameter[2:])
                except ValueError:
                    quality = 0.0
        media = _LATEST.get(media, media)
        if media in ("*/*", "text/*"):
            media = PLAIN_HTML
        if media in (JSON, HTML, PLAIN_HTML) and quality > best_quality:
            best, best_quality = media, quality
    return best


def matches(condition: str, etag: str) -> bool:
    """Say whether an If-None-Match names this ETag."""
    tags = [tag.strip().removeprefix("W/") for tag in condition.split(",")]
    return etag in tags or "*" in tags


def byte_range(text: str, size: int) -> tuple[int, int] | None:
    """Read a Range header as (first, length) in bytes; None to send everything.

    Raises:
        ValueError: it can't be satisfied (416).
    """
    match = re.fullmatch(r"bytes=(\d{0,15})-(\d{0,15})", text.strip())
    if match is None or match[0] == "bytes=-":
        return None  # several ranges or another unit: a server may ignore them
    if not match[1]:
        length = min(int(match[2]), size)
        first = size - length
    else:
        first = int(match[1])
        last = min(int(match[2] or size - 1), size - 1)
        if match[2] and int(match[2]) < first:
            return None
        length = last - first + 1
    if length <= 0 or first >= size:
        raise ValueError(text)
    return first, length


def stream(
    open_file: Callable[[str], BinaryIO],
    sha256: str,
    media: str,
    headers: Mapping[str, str],
) -> Answer:
    """Send a file named by its hash, or the part of it that was asked for, or say that the client has it."""
    etag = f'"{sha256}"'
    common = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": FOREVER}
    if matches(headers.get("If-None-Match", ""), etag):
        return Answer(304, common)
    try:
        body = open_file(sha256)
    except OSError:
        return missing("The index has lost this file. Start the course again: it will be made anew.")
    size = body.seek(0, 2)
    common["Content-Type"] = media
    try:
        asked = headers.get("Range", "") if headers.get("If-Range", etag) == etag else ""
        part = byte_range(asked, size)
    except ValueError:
        body.close()
        return Answer(416, {"Content-Range": f"bytes */{size}"})
    first, length = part or (0, size)
    body.seek(first)
    if part is None:
        return Answer(200, common, body, size)
    common["Content-Range"] = f"bytes {first}-{first + length - 1}/{size}"
    return Answer(206, common, body, length)
