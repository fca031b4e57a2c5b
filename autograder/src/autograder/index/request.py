"""What a client asks for, and the body that it sends along, of which no more is read than it announced."""

from __future__ import annotations

__all__ = ["Body", "Malformed", "Request"]

from collections.abc import Callable, Mapping
from dataclasses import dataclass

_BLOCK = 1 << 16


class Malformed(ValueError):
    """A body that isn't what it should be."""


@dataclass(frozen=True)
class Request:
    """A request without its body."""

    method: str
    target: str
    """The address without its host: `/SITE/…`."""
    headers: Mapping[str, str]
    """Names in title case, such as `Content-Length`."""
    origin: str
    """Where the site begins for the client, without a slash at its end."""


class Body:
    """The body of a request: so many bytes and no more."""

    def __init__(self, read: Callable[[int], bytes], length: int) -> None:
        """Read from the connection with `read`, which gives what has come in, at most so much."""
        self._read = read
        self.left = length

    def read(self) -> bytes:
        """Give some more; empty at the end.

        Raises:
            Malformed: the client stopped before the end.
            TimeoutError: it is too slow.
        """
        if not self.left:
            return b""
        block = self._read(min(self.left, _BLOCK))
        if not block:
            raise Malformed("the body ends too early")
        self.left -= len(block)
        return block
