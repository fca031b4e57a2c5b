"""The doors on real sockets: names, TLS, the proxy, and who stays outside."""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from autograder.index import PackageIndex, entrance
from autograder.index.doors import Doors

COMPANY = "packages.shop.example"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> PackageIndex:
    """An index in a cache of this module's own."""
    return PackageIndex.open(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="module")
def doors(index: PackageIndex) -> Doors:
    """Its doors."""
    assert index.doors is not None
    return index.doors


@pytest.fixture
def ports(index: PackageIndex, tmp_path: Path) -> Iterator[tuple[int, int]]:
    """The port without TLS and the one with it."""
    plain, secure = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    with plain, secure, index.serve(plain, tmp_path, secure):
        yield plain.getsockname()[1], secure.getsockname()[1]


def trusting(doors: Doors) -> ssl.SSLContext:
    """What a client in the sandbox trusts."""
    return ssl.create_default_context(cafile=str(doors.bundle))


class Named(http.client.HTTPSConnection):
    """A client which has our line in its /etc/hosts."""

    def __init__(self, host: str, port: int, doors: Doors) -> None:
        """Connect to `port` of this machine for `host`."""
        super().__init__(host, timeout=10, context=trusting(doors))
        self._create_connection = lambda address, *rest: socket.create_connection(("127.0.0.1", port), 10)


def get(connection: http.client.HTTPConnection, path: str, **headers: str) -> tuple[int, bytes]:
    """Ask for a page."""
    connection.request("GET", path, headers=headers)
    reply = connection.getresponse()
    return reply.status, reply.read()


def talk(port: int, request: bytes) -> bytes:
    """Send bytes and read until the server hangs up."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(request)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    return b"".join(parts)


@pytest.mark.parametrize("site", ["pypi", "testpypi", "company"])
def test_each_index_answers_under_its_name(
    ports: tuple[int, int], doors: Doors, index: PackageIndex, site: str
) -> None:
    """What the page links to is found under the same name, and it is the same as at the bare address."""
    host = str(urlsplit(doors.simple[site]).hostname)
    named, bare = Named(host, ports[1], doors), http.client.HTTPConnection("127.0.0.1", ports[0], timeout=10)
    kind = {"Accept": "application/vnd.pypi.simple.v1+json"}
    status, body = get(named, "/simple/", **kind)
    assert status == 200
    assert (status, body) == get(bare, f"/{site}/simple/", **kind)
    project = json.loads(body)["projects"][0]["name"]
    status, page = get(named, f"/simple/{project}/", **kind)
    file = json.loads(page)["files"][0]
    path = file["url"].replace("../..", "")
    assert get(named, path)[0] == 200
    assert get(named, path) == get(bare, f"/{site}{path}")
    assert get(named, f"/{site}/simple/")[0] == 404  # a prefix is our own business


def test_a_redirect_stays_behind_its_door(ports: tuple[int, int], doors: Doors) -> None:
    """The client never hears of the prefix."""
    connection = Named(str(urlsplit(doors.simple["pypi"]).hostname), ports[1], doors)
    for path, at in (("/simple/LeftPad/", "/simple/leftpad/"), ("/simple", "/simple/")):
        connection.request("GET", path)
        reply = connection.getresponse()
        reply.read()
        there = urlsplit(reply.headers["Location"])
        assert reply.status == 301
        assert not there.path.startswith("/pypi")
        assert at.endswith(there.path.replace("..", ""))


def test_every_name_is_vouched_for_by_one_certificate(ports: tuple[int, int], doors: Doors) -> None:
    """In TLS 1.2 and 1.3, and HTTP/1.1 is agreed on."""
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = trusting(doors)
        context.minimum_version = context.maximum_version = version
        context.set_alpn_protocols(["h2", "http/1.1"])
        for name in doors.names:
            with (
                socket.create_connection(("127.0.0.1", ports[1]), 10) as raw,
                context.wrap_socket(raw, server_hostname=name) as inside,
            ):
                assert inside.selected_alpn_protocol() == "http/1.1"


def test_a_stranger_is_not_answered_for(ports: tuple[int, int], doors: Doors) -> None:
    """Another host within TLS is misdirected; without TLS a Host header that isn't ours changes nothing."""
    connection = Named(COMPANY, ports[1], doors)
    connection.request("GET", "/simple/", headers={"Host": "www.stranger.example"})
    assert connection.getresponse().status == 421
    bare = http.client.HTTPConnection("127.0.0.1", ports[0], timeout=10)
    assert get(bare, "/pypi/simple/", Host="www.stranger.example")[0] == 200


def test_the_proxy_leads_to_our_doors(ports: tuple[int, int], doors: Doors) -> None:
    """CONNECT and TLS inside it, many requests over one connection."""
    connection = http.client.HTTPSConnection("127.0.0.1", ports[0], timeout=10, context=trusting(doors))
    connection.set_tunnel(COMPANY, 443)
    statuses = [get(connection, path)[0] for path in ("/simple/", "/simple/nothing-of-the-kind/", "/simple/")]
    assert statuses == [200, 404, 200]


@pytest.mark.parametrize(
    "request_line",
    [
        "CONNECT www.stranger.example:443",
        "CONNECT packages.shop.example:80",
        "CONNECT packages.shop.example",
        "CONNECT 127.0.0.1:22",
        "CONNECT [::1]:443",
        "CONNECT :443",
        "GET http://www.stranger.example/",
        "GET http://127.0.0.1:1/",
        "GET http://[::1/",
        "POST https://www.stranger.example:8443/x",
    ],
)
def test_the_proxy_leads_nowhere_else(ports: tuple[int, int], request_line: str) -> None:
    """It says who blocks, in the reason which clients print."""
    reply = talk(ports[0], f"{request_line} HTTP/1.1\r\nHost: www.stranger.example\r\n\r\n".encode())
    assert reply.startswith(f"HTTP/1.1 403 {entrance.BLOCKED}\r\n".encode())
    assert b"Connection: close" in reply


def test_a_client_may_ask_the_proxy_for_the_proxy(ports: tuple[int, int]) -> None:
    """Some clients heed no `no_proxy`: the bare address works for them, too."""
    address = f"127.0.0.1:{ports[0]}"
    reply = talk(ports[0], f"GET http://{address}/pypi/simple/ HTTP/1.0\r\nHost: {address}\r\n\r\n".encode())
    assert b" 200 OK\r\n" in reply
    assert b"leftpad" in reply


def test_there_is_no_tunnel_within_tls(ports: tuple[int, int], doors: Doors) -> None:
    """The proxy is on the port without TLS."""
    connection = Named(COMPANY, ports[1], doors)
    connection.request("CONNECT", f"{COMPANY}:443")
    assert connection.getresponse().status == 403


@pytest.mark.parametrize(
    "said", [b"GET / HTTP/1.1\r\nHost: packages.shop.example\r\n\r\n", b"\x16\x03\x01\x00\x01x", b""]
)
def test_who_does_not_speak_tls_is_let_go(ports: tuple[int, int], doors: Doors, said: bytes) -> None:
    """And others are served as if nothing had been."""
    with socket.create_connection(("127.0.0.1", ports[1]), 10) as stranger:
        stranger.sendall(said)
        with contextlib.suppress(OSError):  # it may have hung up already
            stranger.shutdown(socket.SHUT_WR)
            while stranger.recv(65536):
                pass
    assert get(Named(COMPANY, ports[1], doors), "/simple/")[0] == 200


def test_a_slow_handshake_comes_to_an_end(
    ports: tuple[int, int], doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who drips bytes is cut off, and doesn't keep others waiting."""
    monkeypatch.setattr(entrance, "_HANDSHAKE_SECONDS", 0.5)
    with socket.create_connection(("127.0.0.1", ports[1]), 10) as slow:
        slow.sendall(b"\x16\x03\x01")
        begun = time.monotonic()
        assert get(Named(COMPANY, ports[1], doors), "/simple/")[0] == 200
        with contextlib.suppress(ConnectionResetError):
            assert slow.recv(1) == b""
        assert time.monotonic() - begun < 5


def test_serving_ends_with_connections_open(index: PackageIndex, doors: Doors) -> None:
    """A client inside TLS is hung up on; nothing waits for it."""
    plain, secure = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    before = threading.active_count()
    with plain, secure:
        with index.serve(plain, None, secure):
            connection = Named(COMPANY, secure.getsockname()[1], doors)
            assert get(connection, "/simple/")[0] == 200
            begun = time.monotonic()
        assert time.monotonic() - begun < 5
        with pytest.raises((OSError, http.client.HTTPException)):
            get(connection, "/simple/")
    end = time.monotonic() + 5
    while threading.active_count() > before and time.monotonic() < end:
        time.sleep(0.02)
    assert threading.active_count() <= before


def test_a_handshake_is_cheap(ports: tuple[int, int], doors: Doors) -> None:
    """A command opens a connection or two: a page over a new one takes milliseconds."""
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        assert get(Named(COMPANY, ports[1], doors), "/simple/")[0] == 200
        taken.append(time.perf_counter() - begun)
    assert min(taken) < 0.1


def test_without_doors_it_is_served_as_before(tmp_path: Path) -> None:
    """No name means anything then, and nobody is taken anywhere."""

    class Closed(PackageIndex):
        doors = None

    index = PackageIndex.open(tmp_path)
    index.__class__ = Closed
    plain, secure = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    with plain, secure, index.serve(plain, None, secure):
        port = plain.getsockname()[1]
        bare = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        assert get(bare, "/pypi/simple/", Host=COMPANY)[0] == 200
        reply = talk(port, f"CONNECT {COMPANY}:443 HTTP/1.1\r\nHost: {COMPANY}:443\r\n\r\n".encode())
        assert reply.startswith(b"HTTP/1.1 403 ")
