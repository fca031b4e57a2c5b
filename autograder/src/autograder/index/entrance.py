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
            host, slash, path = self.path.partition("://")[2].partition("/")
            self.path = slash + path or "/"
        prefix = self.doors.prefix(host) if self.doors else None
        if prefix is None and through_proxy and not self._is_ourselves(host):
            return self._refuse_entrance(HTTPStatus.FORBIDDEN, BLOCKED)
        if prefix is None and self._is_secure():
            return self._refuse_entrance(HTTPStatus.MISDIRECTED_REQUEST, "The index is not at this host")
        self.prefix = prefix or ""
        name = host.strip().lower().partition(":")[0].rstrip(".")
        self.origin = f"{'https' if self._is_secure() else 'http'}://{name}" if prefix else ""
        self.path = self.prefix + self.path
        return True

    def _is_secure(self) -> bool:
        return isinstance(self.connection, ssl.SSLSocket)

    def _is_ourselves(self, host: str) -> bool:
        """Say whether a client asks us by way of us, since it heeds no `no_proxy`."""
        name, _, port = host.rpartition(":")
        return name in _OURSELVES and port == str(self.server.server_address[1])

    def outward(self, location: str) -> str:
        """Give an address on this server as the client sees it from its door."""
        if self.prefix and location.startswith(f"{self.prefix}/"):
            return location.removeprefix(self.prefix)
        return location

    def do_CONNECT(self) -> None:
        """Be a proxy to our own doors, and to nothing else."""
        self.close_connection = True
        if self.doors is None or self._is_secure() or ":" not in self.path or self.doors.prefix(self.path) is None:
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
