"""How a connection gets in: the host it names becomes the first part of the path; TLS; a proxy which knows our own doors only.

The protocols behind never learn by which door somebody came: `https://packages.shop.example/simple/` and
`http://127.0.0.1:8080/company/simple/` are one address to them.
"""

from __future__ import annotations

__all__ = ["BLOCKED", "Entrance", "within_tls"]

import contextlib
import socket
import ssl
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from autograder.index.doors import Doors
    from autograder.index.server import IndexServer

BLOCKED = "Blocked by the course sandbox"
_HANDSHAKE_SECONDS = 10.0
_OURSELVES = {"127.0.0.1", "localhost"}


class Entrance(BaseHTTPRequestHandler):
    """What comes before a request is answered."""

    server: IndexServer
    prefix = ""
    """What the host stands for; the client knows nothing of it."""
    origin = ""
    """Where what the host stands for begins for the client; empty where the host stands for nothing."""

    @property
    def doors(self) -> Doors | None:
        """The front doors, if the server has any."""
        return self.server.doors

    def parse_request(self) -> bool:
        """Read a request, and put what its host stands for in front of its path."""
        self.prefix = self.origin = ""
        if not super().parse_request():
            return False
        if self.command == "CONNECT":
            return True
        host = self.headers.get("Host", "")
        through_proxy = self.path.lower().startswith(("http://", "https://"))
        if through_proxy:
            url = urlsplit(self.path)
            host = url.netloc
            self.path = url._replace(scheme="", netloc="").geturl() or "/"
        prefix = self.doors.prefix(host) if self.doors else None
        if prefix is None and through_proxy and urlsplit(f"//{host}").hostname not in _OURSELVES:
            return self._refuse_entrance(HTTPStatus.FORBIDDEN, BLOCKED)
        if prefix is None and isinstance(self.connection, ssl.SSLSocket):
            return self._refuse_entrance(HTTPStatus.MISDIRECTED_REQUEST, "The index is not at this host")
        self.prefix = prefix or ""
        scheme = "https" if isinstance(self.connection, ssl.SSLSocket) else "http"
        self.origin = f"{scheme}://{urlsplit(f'//{host}').hostname}" if prefix else ""
        self.path = self.prefix + self.path
        return True

    def outward(self, location: str) -> str:
        """Give an address on this server as the client sees it from its door."""
        if self.prefix and location.startswith(f"{self.prefix}/"):
            return location.removeprefix(self.prefix)
        return location

    def do_CONNECT(self) -> None:
        """Be a proxy to our own doors, and to nothing else."""
        self.close_connection = True
        if self.doors is None or ":" not in self.path or self.doors.prefix(self.path) is None:
            self._refuse_entrance(HTTPStatus.FORBIDDEN, BLOCKED)
            return
        self.send_response_only(HTTPStatus.OK, "Connection established")
        self.end_headers()
        self.wfile.flush()
        self.server.answer_within_tls(self.connection, self.client_address)

    def _refuse_entrance(self, status: HTTPStatus, reason: str) -> bool:
        self.close_connection = True
        self.send_error(status, reason)
        return False


@contextlib.contextmanager
def within_tls(connection: socket.socket, doors: Doors) -> Iterator[ssl.SSLSocket]:
    """Give the inside of a connection; it is closed at the end, and `connection` is of no use from the beginning.

    Raises:
        OSError: the client wants no such thing, or is too slow about it.
    """
    with doors.context.wrap_socket(connection, server_side=True, do_handshake_on_connect=False) as inside:
        inside.settimeout(_HANDSHAKE_SECONDS)
        inside.do_handshake()
        try:
            yield inside
        finally:
            with contextlib.suppress(OSError, ValueError):
                inside.setblocking(False)
                inside.unwrap()  # says goodbye; whether the client does too is its business
