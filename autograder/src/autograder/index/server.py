"""The index as an HTTP server on a socket that somebody else listens on.

It speaks to one learner's tools, which may misbehave by accident or on purpose: the number of connections, the size of a
request and the time each step may take are bounded, and nothing that a client sends ever becomes a path on the disk.
"""

from __future__ import annotations

__all__ = ["IndexServer", "serving"]

import contextlib
import functools
import logging
import re
import selectors
import socket
import socketserver
import threading
import time
from collections.abc import Iterator, Mapping
from http.server import ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar

from autograder.index.answers import Answer
from autograder.index.contents import Contents
from autograder.index.doors import Doors
from autograder.index.entrance import Entrance, within_tls
from autograder.index.protocol import answer
from autograder.index.request import Body, Request

if TYPE_CHECKING:
    from autograder.index.desk import Desk

MOST_CONNECTIONS = 128
"""More than this at once are told to come back."""
BUSY_CONNECTIONS = 48
"""From this on, a connection is closed after its answer, so that waiting ones get their turn."""
IDLE_SECONDS = 30.0
"""How long a client may be silent."""
REQUEST_SECONDS = 120.0
"""How long a client may take over one request and its answer, however busily."""
BODY_SECONDS = 60.0
"""How long of that it may take to send what it uploads."""
LINGER_SECONDS = 5.0
"""How long we listen to a client that goes on sending after our answer."""
MOST_UNKNOWN_BYTES = 1 << 20
"""So much of a body whose length we don't know."""
_DESK = re.compile(r"/(oidc/|\w+/(manage|_)/)")


class _Handler(Entrance):
    protocol_version = "HTTP/1.1"
    server_version = "wheelhouse-index"
    sys_version = ""
    timeout = IDLE_SECONDS
    wbufsize = 65536
    error_content_type = "text/plain; charset=utf-8"
    error_message_format = "%(code)d %(message)s\n"

    def handle_one_request(self) -> None:
        """Answer one request; the clock of REQUEST_SECONDS starts anew with each."""
        self.server.deadlines[self.connection] = time.monotonic() + REQUEST_SECONDS
        super().handle_one_request()

    def do_GET(self) -> None:
        """Answer from the pages and files of the index."""
        # A body of a GET is never read: what follows could be taken for the next request.
        if self.headers.get("Content-Length", "0") != "0" or self.headers.get("Transfer-Encoding"):
            self.close_connection = True
        headers = {name.title(): value for name, value in self.headers.items()}
        try:
            reply = self._at_desk(headers) or answer(self.server.contents.sites(), self.path, headers, self.origin)
        except Exception:
            logging.getLogger(__name__).exception("the index could not answer %r", self.path)
            self.close_connection = True
            reply = Answer(500, {"Content-Type": "text/plain"}, b"The index has a bug: please report it.\n")
        self._send(reply)

    do_HEAD = do_GET

    def _at_desk(self, headers: Mapping[str, str]) -> Answer | None:
        if not _DESK.match(self.path):
            return None
        return self.server.desk.get(Request("GET", self.path, headers, self._origin()))

    def _origin(self) -> str:
        """Say where the index that is asked for begins for the client, however it got in."""
        site = re.match(r"/[\w-]{0,40}", self.path)
        host = self.headers.get("Host", "")
        if not re.fullmatch(r"[\w.:\[\]-]{1,200}", host):
            host = "127.0.0.1"
        return self.origin or f"http://{host}{site[0] if site else ''}"

    def do_POST(self) -> None:
        """Take what the client hands in; see `autograder.index.desk`."""
        headers = {name.title(): value for name, value in self.headers.items()}
        length = headers.get("Content-Length", "")
        until = time.monotonic() + BODY_SECONDS

        def read(size: int) -> bytes:
            if time.monotonic() > until:
                raise TimeoutError
            return self.rfile.read1(size)

        body = Body(read, int(length) if re.fullmatch(r"\d{1,15}", length) else 0)
        try:
            reply = self.server.desk.post(Request("POST", self.path, headers, self._origin()), body)
        except ConnectionError:
            self.close_connection = True
            return
        except TimeoutError:
            reply = Answer(408, {"Content-Type": "text/plain"}, b"The request took too long.\n")
        except OSError as error:
            logging.getLogger(__name__).warning("the index could not keep what was handed in: %s", error)
            reply = Answer(507, {"Content-Type": "text/plain"}, b"The index can't write to its folder.\n")
        except Exception:
            logging.getLogger(__name__).exception("the index could not answer %r", self.path)
            reply = Answer(500, {"Content-Type": "text/plain"}, b"The index has a bug: please report it.\n")
        # What follows a body that wasn't read to its end, or whose end nobody knows, could be taken for the next request.
        if body.left or "Transfer-Encoding" in headers or reply.status in (408, 500, 507):
            self.close_connection = True
        self._send(reply)
        if self.close_connection:
            self._linger(body.left if length else MOST_UNKNOWN_BYTES)

    def _linger(self, left: int) -> None:
        """Let a client that is still sending come to its end, so that it reads our answer instead of losing the connection."""
        with contextlib.suppress(OSError):
            self.wfile.flush()
            self.connection.settimeout(1.0)
            until = time.monotonic() + LINGER_SECONDS
            while left > 0 and time.monotonic() < until and (block := self.rfile.read1(1 << 18)):
                left -= len(block)

    def _refuse(self) -> None:
        self.close_connection = True
        sentence = b"The index knows GET, HEAD and POST.\n"
        headers = {"Allow": "GET, HEAD, POST", "Content-Type": "text/plain; charset=utf-8"}
        self._send(Answer(405, headers, sentence))

    do_PUT = do_DELETE = do_PATCH = do_OPTIONS = _refuse

    def _send(self, reply: Answer) -> None:
        if len(self.server.deadlines) >= BUSY_CONNECTIONS:
            self.close_connection = True
        self.send_response(reply.status, reply.reason or None)
        for name, value in reply.headers.items():
            self.send_header(name, self.outward(value) if name == "Location" else value)
        if reply.status != 304:
            self.send_header("Content-Length", str(reply.length))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if isinstance(reply.body, bytes):
            if self.command != "HEAD":
                self.wfile.write(reply.body)
            return
        with reply.body as file:
            left = reply.length if self.command != "HEAD" else 0
            while left and (block := file.read(min(left, 1 << 18))):
                self.wfile.write(block)
                left -= len(block)
            if left and self.command != "HEAD":
                self.close_connection = True  # the file shrank: the client must notice

    def log_message(self, format: str, *arguments: Any) -> None:
        """Say nothing: the learner's terminal is not the place."""

    def address_string(self) -> str:
        """Give no name: looking one up may take seconds."""
        return "client"


class IndexServer(ThreadingHTTPServer):
    """Serve sites on listening sockets, which stay the caller's."""

    daemon_threads = True
    block_on_close = False
    full: ClassVar[bytes] = (
        b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )

    def __init__(
        self,
        listener: socket.socket,
        contents: Contents,
        doors: Doors | None = None,
        secure: socket.socket | None = None,
    ) -> None:
        """Take connections from `listener`, and with TLS from `secure`, as soon as `serve_until` runs."""
        socketserver.BaseServer.__init__(self, listener.getsockname(), _Handler)
        self.contents = contents
        self.deadlines: dict[socket.socket, float] = {}
        self.socket = listener.dup()
        # Not to hang in accept when a client goes away between poll and accept.
        self.socket.settimeout(1.0)
        self.server_name, self.server_port = "index", 0
        self.doors = doors
        self._secure = secure.dup() if secure and doors else None
        if self._secure is not None:
            self._secure.settimeout(1.0)
        self._expect_tls: set[socket.socket] = set()

    @functools.cached_property
    def desk(self) -> Desk:
        """Where clients hand something in; most servers never see any, and begin sooner without it."""
        from autograder.index.desk import Desk

        return Desk(self.contents)

    def serve_until(self, ended: socket.socket) -> None:
        """Take connections until something can be read from `ended`.

        `serve_forever` looks for its end from time to time only, and every command in the sandbox would wait for that.
        """
        with selectors.DefaultSelector() as selector:
            selector.register(self.socket, selectors.EVENT_READ)
            selector.register(ended, selectors.EVENT_READ)
            if self._secure is not None:
                selector.register(self._secure, selectors.EVENT_READ)
            while True:
                ready = [key.fileobj for key, _ in selector.select(0.5)]
                if ended in ready:
                    return
                for listener in ready:
                    self._take(listener)
                self.service_actions()

    def _take(self, listener: Any) -> None:
        try:
            request, address = listener.accept()
        except OSError:
            return
        if listener is self._secure:
            self._expect_tls.add(request)
        try:
            self.process_request(request, address)
        except Exception:  # no thread to be had: the client must try again
            self.shutdown_request(request)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Answer what comes over a connection; runs in the connection's own thread."""
        if request in self._expect_tls:
            self.answer_within_tls(request, client_address)
        else:
            super().finish_request(request, client_address)

    def answer_within_tls(self, request: Any, client_address: Any) -> None:
        """Answer what comes over a connection once TLS is agreed on."""
        if self.doors is None:
            return
        with within_tls(request, self.doors) as inside:
            self.deadlines[inside] = self.deadlines.pop(request, 0.0)
            try:
                super().finish_request(inside, client_address)
            finally:
                self.deadlines.pop(inside, None)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give the connection a thread, unless there are too many already."""
        if len(self.deadlines) >= MOST_CONNECTIONS:
            with contextlib.suppress(OSError):
                request.settimeout(0.1)
                request.sendall(self.full)
            self.shutdown_request(request)
            return
        # Headers and body go out in one write (wbufsize): there is nothing for Nagle's algorithm to gather.
        if request.family in (socket.AF_INET, socket.AF_INET6):
            request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        self.deadlines[request] = time.monotonic() + REQUEST_SECONDS
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection and forget it."""
        self.deadlines.pop(request, None)
        self._expect_tls.discard(request)
        super().shutdown_request(request)

    def server_close(self) -> None:
        """Stop listening."""
        super().server_close()
        if self._secure is not None:
            self._secure.close()

    def service_actions(self) -> None:
        """Cut off those who take too long; called twice a second."""
        now = time.monotonic()
        for connection, deadline in list(self.deadlines.items()):
            if now > deadline:
                _hang_up(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client goes away in the middle; it is the only error left."""

    def hang_up(self) -> None:
        """End all connections."""
        for connection in list(self.deadlines):
            _hang_up(connection)


def _hang_up(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        # not the method of SSLSocket, which first takes TLS away from the thread that is using it
        socket.socket.shutdown(connection, socket.SHUT_RDWR)


@contextlib.contextmanager
def serving(
    listener: socket.socket,
    contents: Contents,
    doors: Doors | None = None,
    secure: socket.socket | None = None,
) -> Iterator[None]:
    """Serve what `contents` offers on `listener` from threads of this process until left; the listener stays open.

    With `doors` the host that a client names chooses the index, and `listener` is a proxy to them; on `secure` TLS is spoken.
    """
    server = IndexServer(listener, contents, doors, secure)
    ended, end = socket.socketpair()
    thread = threading.Thread(target=server.serve_until, args=(ended,), name="index", daemon=True)
    thread.start()
    try:
        yield
    finally:
        end.close()
        thread.join()
        ended.close()
        server.hang_up()
        server.server_close()
