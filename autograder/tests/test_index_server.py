"""The index on a real socket, with clients that behave and clients that don't."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from autograder.index import PackageIndex, server


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def port(index: PackageIndex) -> Iterator[int]:
    """The port on which the index is served."""
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        yield listener.getsockname()[1]


def talk(port: int, request: bytes) -> bytes:
    """Send bytes and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


def test_one_connection_for_many_requests(port: int, index: PackageIndex) -> None:
    """A connection stays open: pages, a whole file, HEAD and 304 go over the same one."""
    file = index.files("leftpad")[0]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.connect()
    first = connection.sock
    asked = f"/pypi/files/{file.sha256}/{file.filename}"
    for method, path, headers, status, length in (
        ("GET", "/pypi/simple/", {}, 200, None),
        ("HEAD", asked, {}, 200, 0),
        ("GET", asked, {}, 200, file.size),
        ("GET", asked, {"Range": "bytes=10-19"}, 206, 10),
        ("GET", asked, {"If-None-Match": f'"{file.sha256}"'}, 304, 0),
        ("GET", "/nowhere", {}, 404, None),
        ("GET", "/pypi/simple/leftpad/", {}, 200, None),
    ):
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        body = reply.read()
        assert reply.status == status
        assert length is None or len(body) == length
        if method == "HEAD":
            assert reply.headers["Content-Length"] == str(file.size)
        assert connection.sock is first
    connection.close()


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_other_methods_are_refused(port: int, method: str) -> None:
    """Nothing can be changed; the body isn't read."""
    said = talk(port, f"{method} /pypi/simple/ HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 405 ")
    assert b"Allow: GET, HEAD" in said


def test_body_of_a_get_is_never_taken_for_a_request(port: int) -> None:
    """A request hidden in the body of another one gets no answer."""
    hidden = b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n"
    said = talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(hidden) + hidden)
    assert said.count(b"HTTP/1.1 ") == 1
    said = talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + hidden)
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n", b"414"),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 200 + b"\r\n", b"431"),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * 70_000 + b"\r\n\r\n", b"431"),
        (b"GET / HTTP/9.9\r\n\r\n", b"505"),
        (b"BREW / HTTP/1.1\r\nHost: x\r\n\r\n", b"501"),
        (b"\x16\x03\x01\x02\x00 nonsense here\r\n\r\n", b"400"),
        (b"GET /../../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", b"404"),
    ],
    ids=["long line", "many headers", "long header", "version", "method", "TLS", "path"],
)
def test_malformed_requests_get_an_error(port: int, request_bytes: bytes, status: bytes) -> None:
    """Oversized and broken requests are refused, and the next client is served."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request_bytes)
        assert status in connection.recv(4096).split(b"\n")[0]
    assert b"200" in talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")


def test_slow_client_is_cut_off(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends a byte now and then holds its place only for the time allowed to one request."""
    monkeypatch.setattr(server, "REQUEST_SECONDS", 0.5)
    start = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        slow = socket.create_connection(listener.getsockname(), timeout=0.1)
        ended = False
        while not ended and time.monotonic() - start < 10:
            try:
                slow.sendall(b"G")
                ended = slow.recv(1) == b""
            except TimeoutError:
                continue
            except OSError:
                ended = True
        slow.close()
    assert ended
    assert time.monotonic() - start < 5


def test_silent_client_is_cut_off(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that says nothing loses its connection after the time allowed to silence."""
    monkeypatch.setattr(server._Handler, "timeout", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        silent = socket.create_connection(listener.getsockname(), timeout=10)
        assert silent.recv(1) == b""
        silent.close()


def test_crowd_is_bounded(index: PackageIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many connections are told to come back; those there already are served, and places become free again."""
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 5)
    monkeypatch.setattr(server, "BUSY_CONNECTIONS", 4)
    with socket.create_server(("127.0.0.1", 0)) as listener, index.serve(listener):
        place = listener.getsockname()
        before = threading.active_count()
        crowd = [socket.create_connection(place, timeout=10) for _ in range(5)]
        _until(lambda: threading.active_count() >= before + 5)
        late = socket.create_connection(place, timeout=10)
        assert b"503" in late.recv(100)
        assert threading.active_count() <= before + 5
        crowd[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Connection: close" in crowd[0].recv(65536)
        _until(lambda: b"200" in talk(place[1], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"))
        for connection in [*crowd, late]:
            connection.close()


def _until(true: object) -> None:
    assert callable(true)
    for _ in range(200):
        if true():
            return
        time.sleep(0.02)
    pytest.fail("it never came true")


def test_leaving_ends_everything_but_the_listener(index: PackageIndex) -> None:
    """When the block is left, idle connections end at once and the listener may be served again."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with index.serve(listener):
            idle = socket.create_connection(("127.0.0.1", port), timeout=10)
            idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert idle.recv(65536)
            start = time.monotonic()
        assert idle.recv(65536) == b""
        idle.close()
        assert time.monotonic() - start < 2
        with index.serve(listener):
            assert b"200" in talk(port, b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert not [thread for thread in threading.enumerate() if thread.name == "index"]


def test_unix_socket(index: PackageIndex, tmp_path: Path) -> None:
    """It serves on a Unix socket as well."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with index.serve(listener), socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            client.sendall(b"GET /pypi/simple/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b"200" in client.recv(100)


def test_our_bug_is_an_answer(port: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    """An exception in our code becomes a 500 and a line in the log, not a broken connection."""

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(server, "answer", broken)
    said = talk(port, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 500 ")
    assert "ZeroDivisionError" in caplog.text
